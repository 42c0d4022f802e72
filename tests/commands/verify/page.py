# ruff: noqa: E501 - the page's own lines
"""docs/verify.md: what a certificate has in it and what `verify` says, with the output of the command itself.

python -m tests.commands.verify.page      writes the page; a test fails when it is not what comes of it
"""

import io
import json
import os
import shlex
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import trio
from trio.testing import MockClock

from commands import cli
from commands.output.json_keys import VERIFY
from commands.output.words import COMMAND
from messages.settings import Settings
from messages.units import ONE, Ms, Quote
from tests.commands.verify.ledgers import forged
from tests.determinism import seed_trio
from tests.machine.bench import bench

PAGE = Path(__file__).resolve().parents[3] / "docs" / "verify.md"
COLUMNS = 110
TEXT = """\
# Prove it afterwards: certificates and `verify`

A run writes a ledger, two CSV files, and for each cycle that ordered something one *certificate*. `verify` recomputes all of it from the rows and from
what the exchange said, by code that shares nothing with what wrote them: it imports neither the ledger's fold nor the search for quantities nor our
messages' decoder (`tests/commands/verify/test_verify.py` holds the imports). It reads files and nothing else: no key, no exchange, no lock, also
beside a run that goes on.

`python -m tests.commands.verify.page` makes this page: a machine has traded two cycles at a simulated exchange, and all output below is the command's.

{good}

| line | what was done |
|---|---|
| `rows` | each row's hash is that of its bytes and of the row before, through every file that the ledger stands in; no row is missing; SQLite finds its file sound and without free pages; the index of snapshots names the snapshots; a snapshot holds the position that the rows come to |
| `plans` | a plan's digest is that of its bytes; the ledger's vote and the Place name it and the same two orders; an order's digest is the EIP-712 digest of what the plan says; what a closed plan says of each leg is what its fills, or the archive's answer, come to |
| `cycles` | both legs are flat at the end, and unhedged USD x seconds are those of the trades |
| `csv` | every line of both files, to the last byte |
| `proofs` | every field of every certificate (below); those that are missing since the oldest one are counted |
| `raw` | each message of the exchange, and each order as it was sent, read by the exchange's own names: the order has the fields that the plan means and is signed by the run's key, the answer names it, a fill is a row of the ledger to the last digit |
| `holds` | the last row's hash, which names every byte before: write it down elsewhere, and nobody can exchange the whole |

## What does not hold is named

Somebody gives one closed plan another price, and makes every hash after it fit again:

{forged}

Exit code 3: something does not hold, and the first thing that does not is named, by row, line or file and by field. 2: there is no ledger. 0: all of
it holds. A changed byte is found in every column of every row, in every line of a CSV file and in every field of a certificate:
`pytest tests/commands/verify`, and `-m long` for every byte. A byte anywhere else in the ledger's file (unused space of a page, a counter of SQLite's)
either makes the file unsound, or changes no row: `tests/commands/verify/test_file_bytes.py` changes 20,000 of them.

What cannot be found: rows cut off at the end together with their certificates and CSV lines, unless the last row's hash is known from elsewhere; the
same of a whole set of files that somebody has made anew. A torn write-ahead log loses its last rows, which the certificates and CSV lines after it name.

*Not judged*: price and fee of an order of which the exchange said something that did not fit what was signed, until its archive has told the true
numbers; the figures of its cycle; and liquidations. They are counted as `unjudged`. The fields themselves are still under the chain's hashes.

CSV lines at the end that the ledger has and the file has not are counted and no error: a crash kept them away, and the next start writes them.

## A certificate

One JSON file per cycle in `logs/certificates/`, named after the row that ended the cycle. It says whose money it is: `exchange` is `Nado`,
`Nado-simulated` or `Nado-PAPER`, as in the CSV files. It proves itself without its ledger, so it can be shown to somebody who has nothing else:

{one}

| field | what is in it |
|---|---|
{fields}

The first cycle of this page, shortened (`...`):

```json
{certificate}
```

**Three votes.** A Place is made of three equal votes and of nothing else (`actors/barrier.py`), and the ledger stores its own vote and the Place; so the
votes of both legs are known by the row of the Place, and `votes` names that row. A plan that was declined or aborted has the ledger's vote alone.

**Raw messages.** The client keeps each order as it was sent, its answer, and each `order_update` and `fill` of it by reference, and what the archive said
when it was asked. At the end of the cycle they go into the certificate with their hashes. What is not there is named in `raw_missing` with the reason:
the process that heard it was killed, it was beyond what is kept ({orders} orders, {messages} messages of each, {characters} MiB), or no wire is between the run and
its exchange (`replay`, `--paper`). No key is in any of it: the signature of an order proves that order and nothing else.

**Nobody waits for it.** Nothing is hashed or written while a plan is under way. After the cycle has ended and its row is on disk, a thread reads the rows
back and writes the file, whole or not at all. A full or slow disk loses certificates, never an order: what is lost is counted and said in the log, and

    {command} verify logs --rebuild

makes it again from the ledger, without the raw messages. `files.certificate_keep` (1,000) is how many stay, the newest; about 25 kB each.

## `--json`

| key | what it says |
|---|---|
{keys}
"""
FIELDS = {
    "schema, exchange, ledger": "the form of the file, whose money it is, and row 0 of the ledger: venue, chain, subaccount",
    "cycle, ending, detail, direction, signer, ended_ns": "which cycle, how it ended, which leg was bought, whose key signs, venue time of the end",
    "plans": "each plan that the ledger voted for: its row and purpose, the rule by which an exit leaves (`because`), its digest, `decision` (`place`, `abort`, `none`), the votes; the plan itself is the text of its row",
    "orders": "each order: digest, the exchange's answer, what it filled, notional, average price and fee, and who told that (`source`)",
    "legs": "what was opened and closed of each leg, all orders together",
    "imbalance_bps": "as planned, by the fills of the entry, by those of the exit; null where the pair never stood",
    "unhedged": "the largest unhedged exposure in USD, its integral over time, and how long it lasted",
    "costs_usd": "what the cycle cost by cause, above 0 = gained (docs/money.md), as of the row that ended it: what the archive tells later is not in it",
    "raw, raw_missing": "the messages, each with order, kind, hash and text; and which are not there, and why",
    "rows": "every row since the cycle before: first number, the hash before, all hashes, and the text of those that prove something",
    "hash": "BLAKE2b-128 of everything before it",
}
KEYS = {
    "ledger, venue, subaccount": "which ledger, and whose",
    "files, rows, last_row": "in how many files it stands, how many rows, number and hash of the last one",
    "plans, cycles": "how many were recomputed",
    "csv_lines, csv_missing": "lines that hold; lines that the next start writes",
    "certificates, certificates_missing, certificates_made": "those that hold; those that are missing since the oldest; those that --rebuild made",
    "raw_messages, without_raw": "messages that hold; certificates in which some are missing",
    "unjudged": "orders, cycles and CSV lines whose price or fee rests on what the exchange told wrongly",
    "wrong_at, wrong_field": "the first thing that does not hold: row, line or file, and its field",
}


def verify_page() -> str:
    """The page, with what the command says now."""
    with tempfile.TemporaryDirectory() as place, chdir(place):
        seed_trio(7)
        trio.run(_traded, Path("logs"), clock=MockClock(autojump_threshold=0))
        first = sorted(Path("logs/certificates").iterdir())[0]
        good, one = verify_session("verify logs"), verify_session(f"verify {first.as_posix()}")
        certificate = json.loads(first.read_text("utf-8"))
        forged(
            Path("logs/ledger.sqlite"), "PlanClosed", lambda body: body.replace('"vwap":"2', '"vwap":"3', 1)
        )
        wrong = verify_session("verify logs")
    named = [name for names in FIELDS for name in names.split(", ")]
    assert sorted(named) == sorted(certificate), "every field has its line"
    told = [name for names in KEYS for name in names.split(", ")]
    assert sorted(told) == sorted({*VERIFY, "venue", "subaccount"}), "every key has its line"
    from venue.raw_messages import MESSAGES_KEPT, ORDERS_KEPT, TEXT_KEPT_MAX

    return TEXT.format(
        good=good,
        forged=wrong,
        one=one,
        fields="\n".join(f"| `{names.replace(', ', '`, `')}` | {text} |" for names, text in FIELDS.items()),
        certificate=json.dumps(_short(certificate), indent=2),
        orders=ORDERS_KEPT,
        messages=MESSAGES_KEPT,
        characters=TEXT_KEPT_MAX // 2**20,
        command=COMMAND,
        keys="\n".join(f"| `{names.replace(', ', '`, `')}` | {text} |" for names, text in KEYS.items()),
    )


async def _traded(folder: Path) -> None:
    settings = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(300))
    async with bench(folder, settings, market="flat:2756.9/115.86") as ready:
        await ready.run(within_s=60)


def verify_session(line: str) -> str:
    """A command line as it is typed, and all that it prints, time apart."""
    said = io.StringIO()
    with (
        redirect_stdout(said),
        redirect_stderr(said),
        mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS)}),
        mock.patch.object(said, "isatty", return_value=True, create=True),
    ):
        code = cli.main(shlex.split(line))
    shown = [each for each in said.getvalue().splitlines() if not each.startswith(" took ")]
    return "\n".join(["```text", f"$ {COMMAND} {line}", *shown, "$ echo $?", str(code), "```"])


def _short(value: Any) -> Any:
    """For a reader: of each list the first entry, of each long text the beginning."""
    if isinstance(value, dict):
        entries = list(value.items())
        if entries and entries[0][0].isdigit():  # rows by their numbers
            return {entries[0][0]: _short(entries[0][1]), "...": "..."}
        return {name: _short(inner) for name, inner in entries}
    if isinstance(value, list):
        whole = [_short(inner) for inner in value[:1]]
        return [*whole, "..."] if len(value) > 1 and isinstance(value[0], dict | list) else value[:3]
    if isinstance(value, str) and len(value) > 90:
        return value[:80] + "..."
    return value


if __name__ == "__main__":
    PAGE.write_text(verify_page(), encoding="utf-8")
