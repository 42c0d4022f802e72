"""Which venue, which subaccount, whose key: for the commands that act on what a run has left. They never
default to the simulated venue.

What was typed or configured comes first (`--venue`, `--config`, `--url`), then what the ledger in `--logs`
remembers of its last run. If neither names a venue nothing is guessed.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.instance.state import (
    AlreadyRunning,
    Saved,
    holder_of_file,
    read_state,
    state_directory,
    state_file,
)
from actors.ledger import LedgerError, folded
from commands.access.signing_key import ask_passphrase
from commands.access.venue import PAPER, Access, access, is_play_money, place
from commands.config import effective as config
from commands.config.options import url_of
from commands.open_state.evidence import strictest
from commands.output.words import COMMAND, ConfigError
from messages.lifecycle import Opened, Started
from messages.settings import Settings


def _which_venue(ledger: Path, config_file: str | None) -> ConfigError:
    """Nobody says which venue is meant: why not, and who could."""
    logs = ledger.parent
    if not logs.is_dir():
        why = f"{logs} is not a folder" if logs.exists() else f"there is no folder {logs}"
    else:
        why = f"{ledger} does not name one" if ledger.exists() else f"there is no ledger in {logs}"
    configured = f", and {config_file} sets no venue.name" if config_file else ""
    return ConfigError(
        "WHICH_VENUE",
        "--venue",
        f"which venue? {why}{configured}",
        "add the --logs of its run, --venue or --url",
        "",
    )


class TargetAccount(msgspec.Struct, frozen=True):
    """A subaccount at a venue, and the files that know of it."""

    settings: Settings
    access: Access
    logs: Path
    signer: str
    """Address; "" when nobody says."""

    @property
    def child(self) -> bool:
        """Was its venue a child of its run, so that it is gone when the run is?"""
        return not self.access.gateway

    @property
    def ledger(self) -> Path:
        """Path of the ledger, which need not exist (yet)."""
        return self.logs / "ledger.sqlite"

    @property
    def identity(self) -> str:
        """What the lock and the state are kept under."""
        return self.access.identity(self.logs)

    @property
    def state_name(self) -> str:
        """The name of its state, lock and control socket."""
        return state_file(state_directory(), self.identity).stem

    @property
    def venue(self) -> str:
        """The venue in words, for a person: its name and, in brackets, its address."""
        where = self.access.gateway.partition("://")[2] or f"child of {self.logs}"
        return f"{self.access.name} ({where})"

    @property
    def line(self) -> str:
        """What every such command says first: venue, subaccount, owner and signer."""
        return (
            f"{self.venue} · {self.settings.venue.subaccount} · {self.access.owner} ·"
            f" {self.signer or 'no signer'}"
        )

    @property
    def run_line(self) -> str:
        """What to type to trade here again, with the same venue and files."""
        url = f" --url {self.access.gateway}" if self.access.gateway and self.access.network is None else ""
        venue = f" --venue {self.settings.venue.name}" if self.access.live else ""
        return f"{COMMAND} run{venue}{url} --logs {self.logs}"

    def runner(self) -> AlreadyRunning | None:
        """The process that holds the subaccount's lock now; None when nobody does."""
        return next((holder for path in self.states if (holder := holder_of_file(path))), None)

    def saved(self) -> Saved:
        """Epoch and halt, read without the lock; of several files the strictest."""
        return strictest([read_state(path) for path in self.states])

    @property
    def states(self) -> list[Path]:
        """The state files of this subaccount, under today's name and under those it had before."""
        return [state_file(state_directory(), name) for name in self.access.identities(self.logs)]


class LedgerOwner(msgspec.Struct, frozen=True):
    """What the ledger says of whose it is."""

    opened: Opened
    started: Started | None


def target_account(
    config_file: str | None,
    url: str | None,
    overrides: Mapping[str, str],
    *,
    signs: bool,
    ledger: Path | None = None,
) -> TargetAccount:
    """Who is meant. `signs`: the key is read; `ledger`: what says whose it is, where that is not the ledger
    in the logs. Raises `ConfigError` (also when no venue is named), and what `access` raises.
    """
    loaded = config.load(Path(config_file) if config_file is not None else None, os.environ, overrides)
    settings, typed_url = loaded.settings, url_of(url)
    logs = Path(settings.files.logs)
    known = remembered(ledger or logs / "ledger.sqlite")
    if loaded.origins["venue.name"] == "default" and typed_url is None:
        if known is None:
            raise _which_venue(logs / "ledger.sqlite", config_file)
        if known.started is None and is_play_money(known.opened.venue.partition(":")[0]):
            # No run has got as far as saying where its venue is: it may be one that outlives it.
            raise _which_venue(logs / "ledger.sqlite", config_file)
        name, sender = known.opened.venue.partition(":")[0], known.opened.subaccount
        venue: dict[str, Any] = {
            "name": "simulated" if is_play_money(name) else name,
            "subaccount": bytes.fromhex(sender[42:]).rstrip(b"\0").decode("ascii", "replace"),
            "owner": sender[:42],
        }
        settings = msgspec.structs.replace(settings, venue=msgspec.structs.replace(settings.venue, **venue))
        typed_url = (known.started.url if known.started else "") or None
        typed_url = typed_url if settings.venue.name == "simulated" or ":" in known.opened.venue else None
    elif settings.venue.name == "simulated" and typed_url is None and known is None:
        raise ConfigError(
            "WHICH_VENUE", "--url", "which simulated venue?", "add --url, or --logs of its run", ""
        )
    here = access(settings, typed_url, os.environ, ask_passphrase) if signs else place(settings, typed_url)
    if known is not None and (paper := known.opened.venue.partition(":")[0]).startswith(PAPER):
        here = msgspec.structs.replace(here, name=paper)
    signer = here.signer.address if here.signer else known.started.signer if known and known.started else ""
    return TargetAccount(settings, here, logs, signer)


def remembered(ledger: Path) -> LedgerOwner | None:
    """Row 0 and the last start; None where there is no ledger that can be read."""
    try:
        fold = folded(ledger)
    except (sqlite3.Error, LedgerError, OSError):
        return None
    return LedgerOwner(fold.opened, fold.started) if fold.opened else None


def words(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Names and what belongs to them, as lines in two aligned columns."""
    return [f" {name:<9} {text}" for name, text in lines]
