"""One ledger as a report shows it: whose it is, whose money, what is open by it, and its figures."""

from collections.abc import Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from commands.access.staged import bad_market
from commands.access.venue import PAPER, SIMULATED, is_play_money
from commands.output.words import COMMAND, PLAY_MONEY, Refusal
from commands.report.adverse_moves import mids_after
from commands.report.figures import Delay, Figures, figures_of
from commands.report.history import READ_ERRORS, History, history_of
from commands.report.hops import delays_of
from commands.report.policy_figures import MarketFacts
from commands.report.shadow import shadows
from messages.units import Base, Bps
from runtime.specs import told
from venue.simulated.markets.recording import RecordingMarket, UnreadableRecording

NOTHING_MADE = "no report was made, nothing else was touched"
CLOCKS_NS = 5_000_000_000
"""How far this machine's clock, which the log has, may be from the exchange's, which the ledger has."""
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ReportAccount(msgspec.Struct, frozen=True):
    """One folder of logs beside others: what its ledger comes to, a column of the page."""

    folder: str
    """As it was typed."""
    label: str
    """What it is called beside others: the folder without what all have in common."""
    venue: str
    """By the ledger's first row, without a simulated one's instance; "" for an empty ledger."""
    money: str
    """Whose money it is, in words."""
    play: bool
    """Is it simulated or on paper?"""
    history: History
    figures: Figures
    hops: Mapping[str, Delay]
    """Microseconds, by `evenkeel.log`; {} where there is none."""

    @property
    def paper(self) -> bool:
        """Was the market an exchange's, and the account not?"""
        return self.venue.startswith(PAPER)

    @property
    def broken(self) -> str:
        """Which row is not the row that was written, in words; "" while none is known."""
        bad = self.history.bad_row
        return "" if bad is None else f"row {bad} of {self.history.path} is not the row that was written"

    @property
    def open_now(self) -> tuple[Base, Base]:
        """What is held by the fills, ETH and SOL, signed."""
        position = self.history.fold.position
        return Base(position["eth"]), Base(position["sol"])

    @property
    def flat(self) -> bool | None:
        """Is nothing open, by the ledger? None: an order may have traded, or the chain is broken."""
        fold = self.history.fold
        if fold.busy or self.history.bad_row is not None:
            return None
        return fold.phase == "flat"

    @property
    def agreed_ms(self) -> int | None:
        """Venue time of the last reading of the account that said the same as the ledger; None: none did
        since the last change.
        """
        view = self.history.fold.view
        return view.agreed_ms if view.agreed and view.current else None


def labels_of(folders: Sequence[str]) -> list[str]:
    """What each of `folders` is called: as it was typed, or where there are several, without the path that
    they have in common.
    """
    whole = [Path(folder).resolve() for folder in folders]
    if len(set(whole)) < 2:
        return list(folders)
    shared = commonpath(whole)
    named = [str(path.relative_to(shared)) for path in whole]
    return [folder if name == "." else name for folder, name in zip(folders, named, strict=True)]


def account_of(
    folder: str, label: str, since_ns: int, limit: Bps, market: RecordingMarket | None = None
) -> ReportAccount:
    """Read the ledger in `folder`, and in `market`, where there is one, what followed its fills. Raises
    `Refusal` where there is no ledger, or it cannot be read; `ConfigError` for the market.
    """
    path = Path(folder) / "ledger.sqlite"
    if not path.is_file():
        raise Refusal(
            "NO_LEDGER",
            "--logs",
            f"--logs: there is no ledger in {folder}",
            f"type --logs with the folder that a run had, for example {COMMAND} report --logs logs",
            NOTHING_MADE,
        )
    try:
        history = history_of(path)
    except READ_ERRORS as error:
        raise Refusal(
            "UNREADABLE_LEDGER",
            "--logs",
            f"--logs: {path} cannot be read ({told(error)})",
            "use the version that wrote it, or leave this folder out",
            NOTHING_MADE,
        ) from error
    venue = history.opened.venue.partition(":")[0] if history.opened else ""
    money, play = _money(venue, history)
    first_ns = max(since_ns, history.first_ns - CLOCKS_NS)
    hops = delays_of(path.parent, first_ns, history.last_ns + CLOCKS_NS)
    figures = figures_of(
        history, since_ns, limit, _market_facts(market, history) if market else MarketFacts()
    )
    return ReportAccount(folder, label, venue, money, play, history, figures, hops)


def _market_facts(market: RecordingMarket, history: History) -> MarketFacts:
    """What `market` shows after each fill, and what the queue model fills of the orders that rested. Raises
    `ConfigError` where it cannot be read.
    """
    done = [row.execution for row in history.cycles]
    try:
        modelled = shadows(market, market.began_ns, [order for each in done for order in each.rested])
        fills = [fill for each in done for fill in each.fills]
        fills += [fill for shadow in modelled.values() for fill in shadow.fills]
        return MarketFacts(mids_after(market, market.began_ns, fills), modelled)
    except UnreadableRecording as error:
        raise bad_market(error) from error


def _money(venue: str, history: History) -> tuple[str, bool]:
    """Whose money it was, as the screen of its run said."""
    if venue.startswith(PAPER):
        return f"PAPER on {venue.removeprefix(f'{PAPER}-')}, play money", True
    if is_play_money(venue) or not venue:
        return (PLAY_MONEY if venue == SIMULATED else "not known"), venue == SIMULATED
    urls = {urlsplit(part.started.url).hostname for part in history.runs if part.started.url}
    if urls & LOOPBACK:
        return f"REHEARSAL of {venue}, play money", True
    return ("MAINNET, real money", False) if venue == "mainnet" else (f"{venue.upper()}, test money", False)
