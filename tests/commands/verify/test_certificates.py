"""A certificate is held against its ledger field by field, and says by itself what it proves."""

import json
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import CERTIFICATES
from commands import cli
from commands.setup.certificates import Certificates
from commands.verify.certificates import alone
from commands.verify.findings import DoesNotHold
from commands.verify.rebuild import rebuilt
from commands.verify.verifying import verified
from tests.commands.setup.test_certificates import all_figures
from tests.commands.verify.ledgers import eventful, ledger_of
from tests.commands.verify.test_verify import first_wrong
from venue.raw_messages import RawMessages

UNJUDGED = {"hash"}
"""Its own hash, which the forger makes anew."""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    story, raw = eventful(), RawMessages()
    ledger = ledger_of(folder, story)
    made = Certificates(folder / CERTIFICATES, "Nado-simulated", 100, raw, at_once=True)
    for figures in all_figures(story):
        made.cycle_ended(ledger, figures)
    assert made.lost == 0
    return folder


@pytest.fixture
def copied(certified: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    shutil.copytree(certified, folder)
    return folder


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value that is no object and no list."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in entries:
            yield from leaves(inner, (*way, name))
    else:
        yield way


def other(value: Any) -> Any:
    """A value of the same type that differs in its last place."""
    if isinstance(value, bool) or value is None:
        return "x"
    if isinstance(value, int):
        return value + 1
    return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"


def resealed(path: Path, said: dict[str, Any]) -> None:
    """As a forger writes it: its hash fits."""
    whole = json.dumps({name: value for name, value in said.items() if name != "hash"}, separators=(",", ":"))
    digest = blake2b(whole.encode(), digest_size=16).hexdigest()
    path.write_text(f'{whole[:-1]},"hash":"{digest}"}}\n', "utf-8")


def test_the_story_has_a_certificate_for_each_cycle_that_ordered_something(certified: Path) -> None:
    found = verified(certified)
    assert (found.cycles, found.certificates, found.certificates_missing) == (4, 3, 0)
    assert found.without_raw == 3
    for path in sorted((certified / CERTIFICATES).iterdir()):
        said, audit = alone(path)
        assert (said["cycle"], audit.cycles) == (audit.cycle.number, 1)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_every_field_of_every_certificate_is_held_against_the_ledger(copied: Path, every: int) -> None:
    tried = 0
    for path in sorted((copied / CERTIFICATES).iterdir()):
        whole = path.read_bytes()
        judged = [way for way in leaves(json.loads(whole)) if way[0] not in UNJUDGED and way[-1] != "because"]
        for way in judged[tried % every :: every]:
            said = json.loads(whole)
            inner = said
            for name in way[:-1]:
                inner = inner[name]
            inner[way[-1]] = other(inner[way[-1]])
            resealed(path, said)
            assert first_wrong(copied).where == path.name, way
            tried += 1
        path.write_bytes(whole)
    assert tried * every > 300
    verified(copied)


@pytest.mark.parametrize("every", [499, pytest.param(17, marks=pytest.mark.long)])
def test_a_flipped_byte_of_a_certificate_is_found_and_alone_it_is_found_too(copied: Path, every: int) -> None:
    for path in sorted((copied / CERTIFICATES).iterdir()):
        whole = path.read_bytes()
        for at in (*range(0, len(whole), every), *range(len(whole) - 48, len(whole), 1 + every // 99)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert first_wrong(copied).where == path.name, at
            with pytest.raises(DoesNotHold):
                alone(path)
        path.write_bytes(whole)


def test_a_certificate_of_another_ledger_is_named(copied: Path) -> None:
    first = sorted((copied / CERTIFICATES).iterdir())[0]
    shutil.copy(first, first.with_name("000000000003-cycle-1.json"))
    assert (first_wrong(copied).where, first_wrong(copied).field) == ("000000000003-cycle-1.json", "rows")


def test_lost_ones_are_counted_and_made_again_without_the_exchanges_words(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, second, third = sorted((copied / CERTIFICATES).iterdir())
    before = {path: json.loads(path.read_text("utf-8")) for path in (second, third)}
    second.unlink()
    third.unlink()
    assert verified(copied).certificates_missing == 2
    assert cli.main(["verify", str(copied), "--rebuild", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["certificates"], said["certificates_missing"], said["certificates_made"]) == (3, 0, 2)
    for path, old in before.items():
        new = json.loads(path.read_text("utf-8"))
        differ = {name for name in new if new[name] != old[name]}
        assert differ == {"raw_missing", "hash"}
        assert "made again from the ledger" in new["raw_missing"][0]["because"]
    assert rebuilt(copied / "ledger.sqlite", 100) == 0


def test_one_certificate_is_verified_without_its_ledger(
    certified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sorted((certified / CERTIFICATES).iterdir())[0]
    assert cli.main(["verify", str(path)]) == 0
    said = capsys.readouterr().out
    assert "1, completed, Nado-simulated" in said
    assert "verify FOLDER" in said


def test_play_money_is_not_called_money(copied: Path) -> None:
    path = sorted((copied / CERTIFICATES).iterdir())[0]
    resealed(path, json.loads(path.read_text("utf-8")) | {"exchange": "Nado"})
    assert (first_wrong(copied).where, first_wrong(copied).field) == (path.name, "exchange")
