"""A guard at work, on virtual time: it closes what its run left open and ends only when flat is confirmed,
whatever happens meanwhile.
"""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from actors.instance.state import (
    BEAT,
    GUARD_BEAT,
    Saved,
    closing_alone,
    read_state,
    state_directory,
    state_file,
)
from actors.instance.venues import canonical, remember_venue
from actors.instance.wallet_weights import RunSpending, WalletFile
from actors.ledger import Journal
from commands.access.venue import Access
from commands.guard.closing import SLOW_S
from commands.guard.command import GuardOptions, GuardRun
from commands.guard.command import main as guard_main
from commands.guard.log_lines import GuardWords
from commands.guard.reach import Reach
from messages.settings import Files, Settings
from messages.settings import Guard as GuardSettings
from messages.units import ONE, Base, Ms, Quote
from runtime.clock import RunClock
from runtime.heartbeat import APART, Beat, Heartbeat
from runtime.locks import Holder
from tests.determinism import seed_trio
from tests.machine.audit import net
from tests.machine.bench import OWNER, START_NS, URL, Bench, bench
from venue.nado.http import INSTANCE_HEADER
from venue.nado.weights import MINUTE_MS, PLACE_WEIGHT
from venue.simulated.faults.incidents import Incident, Rules
from venue.simulated.faults.order_faults import Faults
from venue.simulated.gateway.asgi import application
from venue.stored_escape import EscapeFile
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_SENDER

PAIR = (Base.of("0.042"), Base.of("-1"))
NO_SUCH_PID = 2**22 + 1
DEAD_MAN_MS = 4_000


@dataclass
class Scene:
    """A run that died over an open pair, and its guard."""

    ready: Bench
    settings: Settings
    state: Path
    said: list[str] = field(default_factory=list)
    broken: Callable[[httpx.Request], None] = lambda _request: None
    """Called before each HTTP request; may raise anything."""
    instance: Callable[[], str] = lambda: ""
    """What the simulated exchange calls itself; "" = by its own name."""
    requests: list[float] = field(default_factory=list)
    """When there was a request."""

    @property
    def ledger(self) -> Path:
        return self.ready.world.ledger

    def guard(self, *, signs: bool = True, run: str = "run 1") -> GuardRun:
        signer = OWNER if signs else None
        here = Access("test", False, URL, None, None, THROWAWAY_ADDRESS, THROWAWAY_SENDER, signer)
        words = GuardWords(write=self.said.append)
        reach = Reach(here, words, self.ready.dialer, _Transport(self), self.ready.world.clock._clock)
        return GuardRun(GuardOptions(self.settings, URL, run), self.state, words, reach, signs=signs)

    async def guarded(self, *, signs: bool = True) -> int:
        """A guard's exit code; it has a day."""
        with trio.fail_after(86_400):
            return await self.guard(signs=signs).run()

    def open_now(self) -> tuple[int, int]:
        known = net(self.ready.venue.exchange.order_log)
        return known.get(4, 0), known.get(8, 0)

    def lose_ledger(self) -> None:
        for path in self.ledger.parent.glob("ledger.sqlite*"):
            path.unlink()

    def beside(self) -> list[Path]:
        """What was written beside the ledger."""
        return list(self.ledger.parent.glob("escape-*.jsonl"))

    def ledger_bytes(self) -> bytes:
        return b"".join(
            path.read_bytes()
            for path in sorted(self.ledger.parent.glob("ledger.sqlite*"))
            if not path.name.endswith("-shm")
        )

    def heard(self, text: str) -> bool:
        return any(text in line for line in self.said)


class _Transport(httpx.ASGITransport):
    def __init__(self, scene: Scene) -> None:
        super().__init__(app=application(scene.ready.venue))
        self._scene = scene

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._scene.requests.append(trio.current_time())
        self._scene.broken(request)
        response = await super().handle_async_request(request)
        if self._scene.instance():
            response.headers[INSTANCE_HEADER] = self._scene.instance()
        return response


@asynccontextmanager
async def left_open(
    folder: Path, *, patience_ms: int = 20_000, incidents: tuple[Incident, ...] = ()
) -> AsyncIterator[Scene]:
    """A real run enters a pair and is gone in one moment; its heartbeat has just stopped."""
    seed_trio(3)
    logs = Files(logs=str(folder))
    settings = Settings(
        target=Quote(100 * ONE),
        cycles=1,
        hold=Ms(3_600_000),
        venue_patience=Ms(patience_ms),
        files=logs,
        guard=GuardSettings(dead_man=Ms(DEAD_MAN_MS)),
    )
    async with bench(folder, settings, faults=Faults(incident=incidents)) as ready:
        async with trio.open_nursery() as running:
            running.start_soon(ready.run)
            await trio.sleep(8)
            running.cancel_scope.cancel()
        here = Access("test", False, URL, None, None, THROWAWAY_ADDRESS, THROWAWAY_SENDER, OWNER)
        state = state_file(folder / "state", here.identity(folder))
        for suffix in (".json", ".escape", ".anchor"):
            if ready.world.state.beside(suffix).exists():
                ready.world.state.beside(suffix).replace(state.with_suffix(suffix))
        ready.world.state.beside(".lock").unlink()
        state.with_suffix(BEAT).write_bytes(msgspec.json.encode(Beat("run 1", NO_SUCH_PID)))
        scene = Scene(ready, settings, state)
        assert scene.open_now() == PAIR
        yield scene


async def test_it_closes_after_dead_man_and_counts_the_round_that_was_signed_in_advance(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """It once said "after 0 rounds" while its signed round had closed both legs."""
    async with left_open(tmp_path) as it:
        began = trio.current_time()
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)
        assert trio.current_time() - began < DEAD_MAN_MS / 1000 + 3
        assert it.heard("FLAT: no Evenkeel positions are open · 1 round of reduce-only orders")
        assert read_state(it.state).epoch == it.ready.world.state.epoch + 1
        assert EscapeFile(it.state.with_suffix(".escape"), durable=False).read() is None
        rules = it.ready.world.rules
        wallet = f"wallet {THROWAWAY_ADDRESS} chain {rules.chain_id} {rules.venue.partition(':')[2]}".strip()
        with closing(RunSpending(WalletFile(state_directory(), wallet), 0)) as a_run:
            (told,) = a_run.elsewhere((MINUTE_MS,))
        assert told >= 2 * PLACE_WEIGHT, "the wallet's runs are told"


def _odd() -> BaseException:
    return ExceptionGroup(
        "in the background",
        [IndexError("pop from an empty deque"), UnicodeDecodeError("ascii", b"\xff", 0, 1, "?")],
    )


@pytest.mark.parametrize(
    "failure", [_odd, SystemExit, KeyboardInterrupt, MemoryError, lambda: OSError(24, "Too many open files")]
)
async def test_whatever_its_client_raises_it_goes_on(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, failure: Callable[[], BaseException]
) -> None:
    """It once died with a traceback at one odd answer, and the pair stayed open although the wire was good
    again.
    """
    async with left_open(tmp_path) as it:
        until = trio.current_time() + 12

        def broken(_request: httpx.Request) -> None:
            if trio.current_time() < until:
                raise failure()

        it.broken = broken
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)


@pytest.mark.long
async def test_a_venue_that_is_gone_for_an_hour_is_tried_every_thirty_seconds_and_closed_when_it_is_back(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        began = trio.current_time()

        def broken(_request: httpx.Request) -> None:
            if trio.current_time() < began + 3600:
                raise httpx.ConnectError("connection refused")

        it.broken = broken
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)
        assert trio.current_time() < began + 3600 + SLOW_S + 10
        slow = [at for at in it.requests if began + 60 < at < began + 3600]
        assert 100 <= len(slow) <= 130, len(slow)
        assert sum("NOT FLAT" in line for line in it.said) in range(5, 9), it.said
        assert len(it.said) < 40, it.said


@pytest.mark.long
async def test_an_exchange_that_refuses_for_an_hour_is_tried_for_that_hour(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `venue_patience` it once ended with exit code 4, over an open pair."""
    async with left_open(tmp_path) as it:
        began = trio.current_time()
        it.ready.dialer.refusing = True
        async with trio.open_nursery() as nursery:

            async def back() -> None:
                await trio.sleep(3600)
                it.ready.dialer.refusing = False

            nursery.start_soon(back)
            assert await it.guarded() == 0
        assert it.open_now() == (0, 0)
        assert trio.current_time() < began + 3600 + SLOW_S + 10


async def test_an_exchange_that_calls_itself_another_one_for_a_while_is_looked_at_before_it_is_believed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One spoilt header once made the guard say "nothing of ours is there ... FLAT" over an open pair."""
    monkeypatch.setattr("commands.guard.closing.SIMULATED", "test")
    async with left_open(tmp_path) as it:
        saved = msgspec.structs.replace(read_state(it.state), venue=it.ready.world.rules.venue)
        it.state.write_bytes(msgspec.json.encode(saved))
        until = trio.current_time() + 20
        it.instance = lambda: "another" if trio.current_time() < until else ""
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)
        assert it.heard("asked again")
        assert it.heard("FLAT: no Evenkeel positions are open · 1 round of reduce-only orders")


async def test_what_others_remember_of_the_exchange_does_not_make_its_own_state_file_a_third_partys(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Seen: `status` was told by a disturbed wire that another exchange answers at this URL, and kept that.

    The guard then took its own stored escape for another subaccount's and stayed, with the account flat.
    """
    async with left_open(tmp_path) as it:
        directory, here = it.state.parent, it.guard()._reach.here
        known = state_file(directory, here.identity_at(it.ready.world.rules, directory))
        for path in directory.glob(f"{it.state.stem}.*"):
            path.replace(known.with_suffix(path.suffix))
        names_its_folder = Holder(NO_SUCH_PID, str(tmp_path))
        known.with_suffix(".lock").write_bytes(msgspec.json.encode(names_its_folder))
        it.state = known
        remember_venue(directory, canonical(URL), "chain 57073 contract 0x00 simulated-9-9")
        with trio.fail_after(30):
            assert await it.guard().run() == 0
        assert it.open_now() == (0, 0)
        assert not it.heard("another subaccount's")


async def test_a_guard_that_was_there_before_any_run_follows_the_name_that_the_first_one_finds(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit is started with the machine: it watched the name of a venue that nobody had asked, for ever."""
    async with left_open(tmp_path) as it:
        directory, here = it.state.parent, it.guard()._reach.here
        monkeypatch.setattr("commands.access.venue.state_directory", lambda: directory)
        moved = {
            path: path.rename(path.with_name(f"{path.name}.aside"))
            for path in directory.glob(f"{it.state.stem}.*")
        }
        it.settings = msgspec.structs.replace(
            it.settings, guard=msgspec.structs.replace(it.settings.guard, apart=True)
        )
        async with trio.open_nursery() as nursery:
            guard = it.guard(run="")
            nursery.start_soon(guard.run)
            await trio.sleep(60)
            assert it.open_now() == PAIR, "no run has been met: nothing is its business"
            known = state_file(directory, here.identity_at(it.ready.world.rules, directory))
            for path, aside in moved.items():
                aside.rename(known.with_suffix(path.suffix))
            with trio.fail_after(60):
                while it.open_now() != (0, 0):  # noqa: ASYNC110 - the exchange has no event for it
                    await trio.sleep(0.1)
            beat = msgspec.json.decode(known.with_suffix(GUARD_BEAT).read_bytes(), type=Beat)
            assert beat == Beat(APART, os.getpid())


def refuse_to_write(*_arguments: object) -> None:
    raise OSError(28, "no space left on device")


@pytest.mark.parametrize("recorded", [True, False])
async def test_what_a_coarser_step_kept_is_closed_as_soon_as_the_step_is_fine_again(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorded: bool,
) -> None:
    """Seen: what the guard had closed and written down was deducted from the ledger's word once more, so that
    it took the rest for somebody else's, for ever.
    """
    coarse = Rules(at_ms=8_500, for_ms=12_000, product="ETH-PERP", step="0.01")
    async with left_open(tmp_path, incidents=(coarse,)) as it:
        if not recorded:
            monkeypatch.setattr("actors.ledger.journal.write_down", refuse_to_write)
            monkeypatch.setattr(Journal, "_append", lambda _journal, _rows: "the disk is full")
        with trio.fail_after(40):
            assert await it.guard().run() == 0
        assert it.open_now() == (0, 0)
        assert it.heard("remains: the size step is 0.01")
        assert it.heard("nothing can be recorded") is not recorded
        sides = [order.amount < 0 for order in it.ready.venue.exchange.order_log if order.product_id == 4]
        assert sides == [False, True, True]


async def test_what_was_closed_and_could_not_be_recorded_is_not_closed_again_of_a_third_partys(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.venue.test_escape import trade

    coarse = Rules(at_ms=8_500, for_ms=12_000, product="ETH-PERP", step="0.01")
    async with left_open(tmp_path, incidents=(coarse,)) as it:
        await trade(it.ready, "0.5", "0")
        monkeypatch.setattr("actors.ledger.journal.write_down", refuse_to_write)
        monkeypatch.setattr(Journal, "_append", lambda _journal, _rows: "the disk is full")
        with trio.move_on_after(90):
            await it.guard().run()
        assert it.open_now() == (Base.of("0.5"), 0)


async def test_a_ledger_that_is_gone_is_no_flat_and_what_was_signed_is_closed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """It once said "FLAT: no Evenkeel positions are open, after 0 rounds" while the exchange held the
    pair.
    """
    async with left_open(tmp_path) as it:
        it.lose_ledger()
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)
        assert it.heard("Evenkeel's part is unknown")
        assert not it.ledger.exists(), "an empty ledger would hide that it is gone"
        assert it.beside()


async def test_a_ledger_that_is_gone_and_a_window_that_is_over_need_the_key(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        it.lose_ledger()
        stored = EscapeFile(it.state.with_suffix(".escape"), durable=False).read()
        assert stored is not None
        await trio.sleep(120)
        it.state.with_suffix(BEAT).touch()
        assert it.ready.world.clock.now_ms() > stored.plan.recv_time_ms
        assert await it.guarded() == 0
        assert it.open_now() == (0, 0)


@pytest.mark.long
async def test_without_ledger_escape_or_key_it_never_says_flat_and_never_ends(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        it.lose_ledger()
        it.state.with_suffix(".escape").unlink()
        with trio.move_on_after(7200) as scope:
            await it.guard().run()
        assert scope.cancelled_caught
        assert it.open_now() == PAIR
        assert not it.heard("FLAT: ")
        assert it.heard("NOT FLAT")


async def test_a_third_party_position_beside_a_lost_ledger_is_not_closed_beyond_what_was_signed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    from tests.venue.test_escape import trade

    async with left_open(tmp_path) as it:
        await trade(it.ready, "0", "-5")
        it.lose_ledger()
        with trio.move_on_after(600) as scope:
            await it.guard().run()
        assert scope.cancelled_caught, "the rest may be ours, so it is not flat"
        assert it.open_now() == (0, Base.of("-5"))


async def test_a_stopped_run_keeps_its_locks_and_stops_no_guard(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A run that was stopped in mid-write once held its guard for ever; two writers of one ledger once
    broke it.
    """
    import fcntl

    async with left_open(tmp_path) as it:
        before = it.ledger_bytes()
        with (
            closing_alone(it.state),
            it.state.with_suffix(".writing").open("a") as lock,
            it.state.with_suffix(".lock").open("a") as held,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(held, fcntl.LOCK_EX)
            began = trio.current_time()
            assert await it.guarded() == 0
            assert trio.current_time() - began < DEAD_MAN_MS / 1000 + 6
        assert it.open_now() == (0, 0)
        assert read_state(it.state).epoch == it.ready.world.state.epoch + 1
        assert it.ledger_bytes() == before, "the ledger belongs to the run that holds its lock"
        assert it.beside()


async def test_an_older_epoch_that_comes_back_is_answered_and_a_newer_one_ends_the_guard(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        it.ready.dialer.refusing = True
        guard, codes = it.guard(), []
        async with trio.open_nursery() as nursery:

            async def work() -> None:
                codes.append(await guard.run())

            nursery.start_soon(work)
            await trio.sleep(8)
            mine = read_state(it.state).epoch
            for lost in (b"", msgspec.json.encode(Saved(epoch=mine - 1))):
                it.state.write_bytes(lost)
                await trio.sleep(0.5)
                assert read_state(it.state).epoch == mine
            it.state.unlink()
            await trio.sleep(0.5)
            assert read_state(it.state).epoch == mine
            it.state.write_bytes(msgspec.json.encode(Saved(epoch=mine + 1)))
            await trio.sleep(5)
            assert codes == [4]
        assert it.open_now() == PAIR


async def test_a_state_file_that_was_zeroed_does_not_begin_epochs_again(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.guarded)
            await trio.sleep(2)
            it.state.write_bytes(b"")
            await trio.sleep(8)
        assert read_state(it.state).epoch == it.ready.world.state.epoch + 1
        assert it.open_now() == (0, 0)


async def test_a_state_directory_that_is_removed_is_silence_and_no_end_of_the_run(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.guarded)
            await trio.sleep(2)
            shutil.rmtree(it.state.parent)
            await trio.sleep(12)
        assert it.open_now() == (0, 0)
        assert read_state(it.state).epoch == it.ready.world.state.epoch + 1


async def test_of_two_guards_of_one_run_the_newer_stays(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with left_open(tmp_path) as it:
        alive = Heartbeat(it.state.with_suffix(BEAT), "run 1")
        codes = []
        async with trio.open_nursery() as nursery:

            async def beat() -> None:
                while True:
                    alive.begin()
                    await trio.sleep(0.25)

            async def work() -> None:
                codes.append(await it.guard().run())

            nursery.start_soon(beat)
            nursery.start_soon(work)
            await trio.sleep(1)
            it.state.with_suffix(GUARD_BEAT).write_bytes(msgspec.json.encode(Beat("run 1", NO_SUCH_PID)))
            await trio.sleep(1)
            assert codes == [0]
            assert it.heard("a newer guard watches this run")
            it.state.with_suffix(GUARD_BEAT).write_bytes(msgspec.json.encode(Beat("run 0", NO_SUCH_PID)))
            nursery.start_soon(work)
            await trio.sleep(2)
            assert codes == [0], "another run's guard takes nobody's place"
            nursery.cancel_scope.cancel()
        assert it.open_now() == PAIR


def test_its_files_are_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    import os

    for umask in (0o000, 0o022, 0o777):
        before = os.umask(umask)
        try:
            path = tmp_path / f"{umask}.guard-beat"
            Heartbeat(path, "run 1").begin()
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o600


async def test_its_lines_are_written_as_those_of_the_log(autojump_clock: trio.testing.MockClock) -> None:
    said: list[str] = []
    GuardWords(RunClock(START_NS), said.append).say("watching", "warning")
    assert said == ["2026-09-21T14:13:20.000000Z warning guard: watching"]


@pytest.mark.parametrize(("run", "said"), [("", True), ("7a", False)])
def test_who_types_guard_is_told_how_it_ends(
    run: str, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ignores Ctrl-C. The guard that a run starts has nobody to tell."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    monkeypatch.setattr("commands.guard.command.outlive_call", lambda *_arguments: 0)
    try:
        assert guard_main(GuardOptions(Settings(), "http://127.0.0.1:9", run)) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    told = "".join(capsys.readouterr())
    assert (f"Ctrl-C and a closed terminal do not end a guard: kill {os.getpid()} does" in told) == said
