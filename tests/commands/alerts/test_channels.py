"""Each channel against a server that takes alerts and against everything else that a server may do: delivered
or `NotSent`, in bounded time, and never a secret in what is said.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from commands.alerts import channels, post
from commands.alerts.alert import TEXT_MAX, Alert
from commands.alerts.channels import Channel, CommandHook, Telegram, Webhook
from commands.alerts.post import ANSWER_MAX, WAIT_S_MAX, NotSent, new_client, seconds_of
from tests.commands.alerts.servers import NONSENSE, AlertServer, alert_server, answers_with, http_answer
from tests.patience import slack

ALERT = Alert("critical", "LEGGING_BUDGET", "HALTED LEGGING_BUDGET: 512 USD·s unhedged @everyone <b>", "halt")
WORDS = ALERT.words("mainnet/default at desk")
TOKEN = "123456:SECRET-TOKEN"  # noqa: S105
TELEGRAM_OK = {"ok": True, "result": {"message_id": 7}}


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as served:
        yield served


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "TRY_S", 0.5)


async def sent(kind: str, server: AlertServer) -> None:
    async with new_client() as client:
        made: dict[str, Channel] = {
            "telegram": Telegram(client, server.url, TOKEN, "-100200300"),
            "webhook": Webhook(client, f"{server.url}/services/T0/{TOKEN}"),
        }
        await made[kind].send(ALERT, WORDS)


async def test_telegram_is_sent_plain_text_to_its_one_chat(server: AlertServer) -> None:
    server.behave = answers_with(http_answer(200, TELEGRAM_OK))
    await sent("telegram", server)
    [request] = server.requests
    assert (request.method, request.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    assert (request.json["chat_id"], request.json["text"]) == ("-100200300", WORDS)
    assert "parse_mode" not in request.json


async def test_a_webhook_is_sent_what_slack_and_what_discord_take(server: AlertServer) -> None:
    await sent("webhook", server)
    told = server.requests[0].json
    assert told["text"] == told["content"] == WORDS
    assert told["allowed_mentions"] == {"parse": []}
    assert (told["level"], told["code"]) == ("critical", "LEGGING_BUDGET")


@pytest.mark.parametrize("kind", ["telegram", "webhook"])
@pytest.mark.parametrize("what", NONSENSE)
async def test_whatever_a_server_does_the_channel_says_so_in_time_and_without_its_secret(
    kind: str, what: str, server: AlertServer
) -> None:
    if (kind, what) == ("webhook", "endless"):
        pytest.skip("a webhook's status is its answer: nothing behind it is read")
    server.behave = NONSENSE[what]
    with trio.fail_after(5 * slack()), pytest.raises(NotSent) as raised:
        await sent(kind, server)
    said = f"{raised.value} {raised.value!r} {raised.value.__cause__} {raised.value.args}"
    assert TOKEN not in said
    assert server.url not in said


async def test_of_an_endless_answer_only_the_beginning_is_read(server: AlertServer) -> None:
    server.behave = NONSENSE["endless"]
    with trio.fail_after(5 * slack()):
        async with new_client() as client:
            read = await post.request(client, "GET", server.url)
    assert len(read.body) == ANSWER_MAX


@pytest.mark.parametrize(("what", "again"), [("500", True), ("429", True), ("404", False), ("401", False)])
async def test_only_what_may_pass_is_tried_again(what: str, again: bool, server: AlertServer) -> None:
    server.behave = NONSENSE[what]
    for kind in ("telegram", "webhook"):
        with pytest.raises(NotSent) as raised:
            await sent(kind, server)
        assert (raised.value.after_s is not None) == again


async def test_the_pause_that_a_server_asks_for_is_kept_within_bounds(server: AlertServer) -> None:
    server.behave = NONSENSE["429"]
    for kind in ("telegram", "webhook"):
        with pytest.raises(NotSent) as raised:
            await sent(kind, server)
        assert raised.value.after_s == 1.0
    assert seconds_of("999999") == WAIT_S_MAX
    assert [seconds_of(text) for text in ("", "-5", "1e9", "soon", "9" * 400, "٣")] == [0.0] * 6


async def test_nobody_listens() -> None:
    async with new_client() as client:
        with pytest.raises(NotSent):
            await Webhook(client, "http://127.0.0.1:1/x").send(ALERT, WORDS)
        with pytest.raises(NotSent):
            await Webhook(client, "https://[::bad/x").send(ALERT, WORDS)


# -- commands ------------------------------------------------------------------------------------------------


def hook(folder: Path, script: str) -> CommandHook:
    file = folder / "hook.py"
    file.write_text(script)
    return CommandHook(f"{sys.executable} -S {file} 'two words'", {"PATH": os.environ["PATH"]})


async def test_a_command_is_given_the_words_and_the_alert_and_no_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    alert = msgspec.structs.replace(ALERT, text="$(touch x) `id` ; rm -rf")
    told_as = "repr((sys.argv[1:], sys.stdin.read(), os.environ['ALERT_LEVEL']))"
    script = f"import sys, os; open({str(out)!r}, 'w').write({told_as})"
    await hook(tmp_path, script).send(alert, alert.words("x"))
    told = eval(out.read_text())  # noqa: S307 - our own
    assert told[0] == ["two words", alert.words("x")]
    assert msgspec.json.decode(told[1]) == {
        "level": "critical",
        "code": "LEGGING_BUDGET",
        "text": "$(touch x) `id` ; rm -rf",
        "subject": "halt",
    }
    assert told[2] == "critical"


async def test_a_command_that_does_not_end_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "COMMAND_S", 1.0)
    pids = tmp_path / "pids"
    script = (
        "import os, time\nchild = os.fork()\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
    )
    with trio.fail_after(10 * slack()), pytest.raises(NotSent, match="was killed"):
        await hook(tmp_path, script).send(ALERT, WORDS)
    for pid in pids.read_text().split():
        with trio.fail_after(5 * slack()):
            while running(int(pid)):  # noqa: ASYNC110 - another process
                await trio.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@pytest.mark.parametrize(
    ("script", "why"),
    [("raise SystemExit(7)", "code 7"), ("import os; os.close(0)", ""), ("print('x' * 10**6)", "")],
)
async def test_a_command_says_by_its_code_whether_it_has_taken_it(
    script: str, why: str, tmp_path: Path
) -> None:
    try:
        await hook(tmp_path, script).send(ALERT, WORDS)
        said = ""
    except NotSent as error:
        said = str(error)
    assert (why in said) if why else said == ""


async def test_a_command_that_is_not_there_is_not_tried_again() -> None:
    with pytest.raises(NotSent) as raised:
        await CommandHook("/no/such/command", {}).send(ALERT, WORDS)
    assert raised.value.after_s is None


def test_an_alert_is_one_line_of_bounded_length() -> None:
    long = Alert("info", "X", "a\nb\t" + "y" * 5_000).words("w")
    assert len(long) == TEXT_MAX
    assert long.startswith("INFO w: a b yyy")
