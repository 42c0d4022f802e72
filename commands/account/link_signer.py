"""`link-signer`: let another key act for this subaccount, so that the owner's key need not be on the machine
that trades.

    --show             who may sign now; needs no key
    --new FILE         make a key, write it to FILE (0600), link it; refused while another is linked, unless
                       --replace
    --revoke           nobody but the owner may sign

What it is not: a key for trading only. The venue takes *any* execute from a linked signer, and every screen
here says so. The owner's key signs the change, and before it does nado-protocol is asked whether it would
sign the same. The new key is on disk before its address is sent: a key that can act for an account and exists
nowhere would be the worst ending.
"""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from commands.access.signing_key import write_key
from commands.account.outcome import CommandOutcome
from commands.account.target_account import TargetAccount
from commands.checks.account import sdk
from commands.checks.answered_venue import AnsweredVenue
from commands.output.words import COMMAND, DONE, ConfigError, Refusal
from commands.setup.connecting import connected
from venue.nado.linked import NOBODY, link, linked_signer
from venue.nado.signing import Signer
from venue.nado.socket import TcpDialer
from venue.protocol import Refused, VenueError

SEEN_S = 15.0
"""How long the venue may take to show the change that it has accepted."""
LOOK_S = 0.25

WHAT_IT_CAN = (
    ("careful", "a linked signer is not limited to trading: it can trade, move funds between the"),
    ("", "owner's subaccounts and withdraw to the owner. Guard its file as you guard the owner's key."),
    ("", "There is one per subaccount: linking another revokes the previous one."),
)


class LinkRequest(msgspec.Struct, frozen=True):
    """What was typed: exactly one of --show, --new and --revoke."""

    new: Path | None
    revoke: bool
    replace: bool

    @property
    def changes(self) -> bool:
        """Must the owner's key sign it? Only looking needs none."""
        return self.new is not None or self.revoke


def link_request_of(typed: argparse.Namespace) -> LinkRequest:
    """One of --show, --new FILE and --revoke. Raises `ConfigError`."""
    chosen = [
        flag
        for flag, given in (("--show", typed.show), ("--new", typed.new), ("--revoke", typed.revoke))
        if given
    ]
    if len(chosen) != 1:
        said = " and ".join(chosen) or "nothing"
        raise ConfigError(
            "BAD_OPTION",
            "--show",
            f"link-signer: {said} was asked for",
            "type one of --show, --new FILE, --revoke",
        )
    if typed.replace and not typed.new:
        raise ConfigError(
            "BAD_OPTION",
            "--replace",
            "--replace: goes with --new FILE",
            f"type {COMMAND} link-signer --new FILE --replace",
        )
    return LinkRequest(
        Path(typed.new).expanduser() if typed.new else None, bool(typed.revoke), bool(typed.replace)
    )


async def linked(target: TargetAccount, request: LinkRequest) -> CommandOutcome:
    """Make the change that was asked for, if any, and say who may sign now. Raises `Problem`."""
    asked = False
    try:
        async with connected(target.settings, target.access, 0, lambda _message: None, TcpDialer()) as known:
            current = await linked_signer(known.reads, known.access.sender)
            if not request.changes:
                return _told(target, current, WHAT_IT_CAN)
            asked = True
            owner = await _owner(known)
            if request.new is not None:
                return await _replaced(target, known, owner, current, request.new, replace=request.replace)
            if current is None:
                return _told(target, None, (("nothing", "there was no linked signer to revoke"),))
            await _changed(known, owner, None)
            revoked = ("revoked", f"{current} can do nothing here any more")
            return _told(target, None, (revoked,), replaced=current)
    except VenueError as error:
        # A change that was on its way may have arrived. `--show` is no cure for a `--show` that found nobody.
        cure = (
            f"{COMMAND} link-signer --show, to see who may sign"
            if asked
            else "check this machine's network, then try again"
        )
        meaning = "whether the signer was changed is not known" if asked else "nothing was changed"
        raise Refusal(
            "VENUE_UNREACHABLE", None, f"the exchange does not answer: {error}", cure, meaning
        ) from None


async def _owner(known: AnsweredVenue) -> Signer:
    """The owner's signer, once the SDK agrees with it. Raises `Refusal`."""
    here = known.access
    if here.signer is None or here.signer.address != here.owner:
        key_owner = here.signer.address if here.signer else "nobody"
        message = (
            f"the owner's key signs this, and {known.settings.venue.key} is the key of {key_owner}, not of"
            f" {here.owner}"
        )
        raise Refusal(
            "NOT_THE_OWNER",
            "venue.key",
            message,
            "--set venue.key=... names the owner's key for this one command",
            "nothing was changed",
        )
    agreed = await sdk(known)
    if agreed.state == "fail":
        raise agreed.refusal()
    return here.signer


async def _replaced(
    target: TargetAccount,
    known: AnsweredVenue,
    owner: Signer,
    current: str | None,
    file: Path,
    *,
    replace: bool,
) -> CommandOutcome:
    """Link a new key that is written to `file` first. Raises `Refusal` when `current` would be revoked by it
    and `replace` was not typed.
    """
    if current is not None and not replace:
        message = (
            f'"{target.settings.venue.subaccount}" has the linked signer {current}, which would be replaced:'
            " a run that uses it could not even close"
        )
        raise Refusal(
            "WOULD_REPLACE", "--replace", message, "add --replace when no run uses it", "nothing was changed"
        )
    key = secrets.token_bytes(32)
    new = Signer(key)
    write_key(file, key)
    try:
        await _changed(known, owner, new.address)
    except Refusal as refused:
        if refused.code == "VENUE_REFUSED":
            file.unlink()
        raise
    lines = (
        ("key", f"{file} (0600)"),
        *WHAT_IT_CAN,
        ("next", f'write venue.key = "file:{file}" and take the owner\'s key off this machine'),
    )
    return _told(target, new.address, lines, replaced=current, file=str(file))


async def _changed(known: AnsweredVenue, owner: Signer, wanted: str | None) -> None:
    """Send the change and wait until the venue shows it. Raises `Refusal`: `VENUE_REFUSED` when it
    certainly did not happen, else `NOT_SEEN`.
    """
    try:
        await link(known.reads, known.rules, known.access.sender, owner, wanted or NOBODY)
    except Refused as no:
        raise Refusal(
            "VENUE_REFUSED",
            None,
            f"the venue refused: {no.text} ({no.code})",
            _CURES.get(no.code or 0, "see the exchange's message"),
            "nothing was changed",
        ) from None
    except VenueError:
        pass  # it may have arrived: what the venue shows decides
    with trio.move_on_after(SEEN_S):
        while True:
            try:
                if await linked_signer(known.reads, known.access.sender) == wanted:
                    return
            except VenueError:
                pass
            await trio.sleep(LOOK_S)
    message = f"the venue does not show the change after {SEEN_S:g} s, and it may still come"
    raise Refusal(
        "NOT_SEEN",
        None,
        message,
        f"{COMMAND} link-signer --show; keep the new key's file until it is certain",
        "who may sign is not known",
    )


_CURES = {
    2022: "try again; somebody else may have used this wallet at the same moment",
    2025: "deposit until the account is worth 5 USDT0",
    2030: "a subaccount may change its signer 50 times in 7 days: wait",
}
"""The exchange's code for refusing to link a signer -> what helps."""


def _told(
    target: TargetAccount,
    signer: str | None,
    lines: Sequence[tuple[str, str]],
    *,
    replaced: str | None = None,
    file: str | None = None,
) -> CommandOutcome:
    shown = ("linked", signer or "nobody: only the owner may sign")
    facts = {"linked_signer": signer, "replaced": replaced, "file": file}
    return CommandOutcome("link-signer", DONE, (shown, *lines), facts=facts)
