"""Where a venue is and who we are there: one path for the venue of our own, one that outlives us, testnet and
mainnet.

simulated                   a venue of our own, or --url; the key that everybody knows
testnet, mainnet            Nado's addresses; the configured owner, subaccount and key
testnet, mainnet + --url    a rehearsal: every rule of live trading, at a simulated venue on this machine
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from actors.instance.state import state_directory
from actors.instance.venues import canonical, known_venue, remember_venue
from commands.access.signing_key import read_key
from commands.config.options import Paper
from commands.output.words import PLAY_MONEY, ConfigError, Refusal
from messages.settings import Settings
from venue.nado.networks import NETWORKS, Network
from venue.nado.signing import Signer, subaccount_hex
from venue.protocol import VenueRules
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_KEY

SIMULATED = "Nado-simulated"
PAPER = "Nado-PAPER"
"""What a paper account's venue is called, before the exchange whose market it has."""


def is_play_money(name: str) -> bool:
    """Is a venue of this name simulated, or on paper?"""
    return name == SIMULATED or name.startswith(PAPER)


class Access(msgspec.Struct, frozen=True):
    """Everything that differs between venues, before the first question is asked."""

    name: str
    """What a ledger calls the venue: `Nado-simulated`, `Nado-PAPER-mainnet` and the like, `testnet` or
    `mainnet`.
    """
    live: bool
    """Do the rules of live trading hold? Also in a rehearsal."""
    gateway: str
    """Base URL without `/v1`; "" while our own venue has yet to be started."""
    archive: str | None
    """Base URL of the archive; None: the gateway's."""
    network: Network | None
    """What the answers are compared with; None where the venue is simulated."""
    owner: str
    sender: str
    """bytes32 of the subaccount."""
    signer: Signer | None
    """None for whoever only looks."""
    paper: Paper | None = None
    """Whose market it has, where the account is on paper."""

    @property
    def money(self) -> str:
        """Whose money it is: what every screen says first."""
        if self.name.startswith(PAPER):
            return f"PAPER on {self.name.removeprefix(f'{PAPER}-')}, play money"
        if not self.live:
            return PLAY_MONEY
        if self.network is None:
            return f"REHEARSAL of {self.name}, play money"
        return "MAINNET, real money" if self.name == "mainnet" else f"{self.name.upper()}, test money"

    @property
    def exchange(self) -> Literal["Nado", "Nado-simulated", "Nado-PAPER"]:
        """What the CSV files call it: a rehearsal is simulated too."""
        if self.name.startswith(PAPER):
            return "Nado-PAPER"
        return "Nado" if self.network else "Nado-simulated"

    def identity(self, logs: Path) -> str:
        """What only one process at a time may trade: this subaccount at this venue. A venue of our own is
        nobody else's.

        A venue is its chain, its contract and, if it is simulated, its instance, as it said itself when it
        was last asked at this URL; one that never was is its URL, however that is spelled.
        """
        return self.identities(logs)[0]

    def identities(self, logs: Path, directory: Path | None = None) -> tuple[str, ...]:
        """Every name that a state of this subaccount may be kept under: today's, then those that it had
        before its venue was known.

        `directory`: where the state files are; None: the user's.
        """
        if not self.gateway:
            return (f"child of {logs.resolve()}",)
        url = canonical(self.gateway)
        venue = known_venue(directory or state_directory(), url)
        names = [f"{venue} {self.sender.lower()}"] if venue else []
        return tuple(dict.fromkeys([*names, f"{url} {self.sender.lower()}", f"{self.gateway} {self.sender}"]))

    def identity_at(self, rules: VenueRules, directory: Path) -> str:
        """The same once the venue has said which one it is; it is remembered for this URL. Raises
        `OSError`.
        """
        instance = rules.venue.partition(":")[2]
        venue = f"chain {rules.chain_id} contract {rules.endpoint.lower()} {instance}".strip()
        remember_venue(directory, canonical(self.gateway), venue)
        return f"{venue} {self.sender.lower()}"


def place(settings: Settings, url: str | None) -> Access:
    """The configured venue and subaccount, for looking: no key is read, none is needed. Raises
    `ConfigError` for a missing owner.
    """
    venue = settings.venue
    if venue.name == "simulated":
        return Access(
            SIMULATED,
            False,
            url or "",
            None,
            None,
            THROWAWAY_ADDRESS,
            subaccount_hex(THROWAWAY_ADDRESS, venue.subaccount),
            None,
        )
    owner = owner_of(settings)
    network = None if url else NETWORKS[venue.name]
    gateway, archive = (network.gateway, network.archive) if network else (url or "", None)
    return Access(
        venue.name, True, gateway, archive, network, owner, subaccount_hex(owner, venue.subaccount), None
    )


def access(
    settings: Settings, url: str | None, environment: Mapping[str, str], passphrase: Callable[[str], str]
) -> Access:
    """The configured venue and subaccount, and the signer. Reads the key, for live venues only: what is
    simulated signs with the published one.

    `passphrase(path)` asks a person for that of a keystore. Raises `ConfigError` for a missing owner or a key
    that cannot be read, `Refusal` for the key that everybody knows.
    """
    here = place(settings, url)
    signer = read_key(settings.venue.key, environment, passphrase) if here.live else Signer(THROWAWAY_KEY)
    if here.live and signer.address == THROWAWAY_ADDRESS:
        message = (
            "this is the key published in the exchange's own examples: whoever sends it money gives it away"
        )
        raise Refusal("PUBLIC_KEY", "venue.key", message, "use a key of your own", "no order was sent")
    return msgspec.structs.replace(here, signer=signer)


def on_paper(here: Access, paper: Paper) -> Access:
    """The published key's subaccount, with the market of `paper`'s exchange."""
    return msgspec.structs.replace(here, name=f"{PAPER}-{paper.name}", paper=paper)


def owner_of(settings: Settings) -> str:
    """The owner's address, lowercase. Raises `ConfigError` when none is configured: a linked key does not
    reveal it.
    """
    if not settings.venue.owner:
        message = (
            f"venue.owner: is needed on {settings.venue.name}, a key does not reveal whose subaccount it"
            " acts for"
        )
        raise ConfigError(
            "NOT_WRITTEN",
            "venue.owner",
            message,
            "venue.owner takes the address of your wallet: 0x and 40 hex digits",
        )
    return settings.venue.owner.lower()
