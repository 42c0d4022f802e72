"""Every key says what it does, in the same words wherever it is shown: all of them come from its
declaration.
"""

import tomllib
from pathlib import Path

import pytest

from commands import cli
from commands.config.effective import ConfigError, as_file, load, printed, write_file
from commands.config.keys import DECLARED, KEYS
from commands.config.page import PAGE, page
from messages.settings import Settings


def unwrapped(lines: list[str]) -> str:
    """The comments of a file as running text."""
    return " ".join(line.removeprefix("# ") for line in lines)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_one_sentence(key: str) -> None:
    sentence = DECLARED[key].sentence
    assert 20 < len(sentence) <= 150
    assert sentence.endswith(".")
    assert sentence[0].isupper()


def test_every_sentence_is_a_different_one() -> None:
    assert len({declared.sentence for declared in DECLARED.values()}) == len(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_sentence_is_in_print_config_in_the_file_and_in_the_documentation(key: str) -> None:
    loaded = load(None, {}, {})
    for text in (unwrapped(printed(loaded)), unwrapped(as_file(loaded)), PAGE.read_text(encoding="utf-8")):
        assert DECLARED[key].sentence in text


def test_the_page_is_what_comes_of_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m commands.config.page"


def test_the_file_to_start_from_changes_nothing(tmp_path: Path) -> None:
    """Its values are comments, so no default of the demo is taken for a decision about real money."""
    file = tmp_path / "evenkeel.toml"
    write_file(load(None, {}, {}), file)
    again = load(file, {}, {})
    assert again.settings == Settings()
    assert set(again.origins.values()) == {"default"}


def test_the_file_to_start_from_says_what_was_given_and_every_comment_in_it_can_be_taken_away(
    tmp_path: Path,
) -> None:
    file = tmp_path / "evenkeel.toml"
    write_file(load(None, {}, {"target": "500 USD", "limits.max_daily_loss": "10 USD"}), file)
    written = load(file, {}, {})
    assert [key for key, origin in written.origins.items() if origin.startswith("file")] == [
        "target",
        "limits.max_daily_loss",
    ]
    bare = [
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len(tomllib.loads("\n".join(bare))) == len({key.partition(".")[0] for key in KEYS})
    file.write_text("\n".join(bare), encoding="utf-8")
    assert load(file, {}, {}).settings == written.settings


def test_lines_of_the_file_fit_into_80_columns() -> None:
    assert max(len(line) for line in as_file(load(None, {}, {}))) <= 80


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "evenkeel.toml"
    file.write_text('target = "3 USD"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        write_file(load(None, {}, {}), file)
    assert error.value.code == "FILE_EXISTS"
    assert file.read_text(encoding="utf-8") == 'target = "3 USD"\n'


def test_init_config_writes_evenkeel_toml_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--hold", "5 s", "--init-config"]) == 0
    assert "evenkeel.toml written" in capsys.readouterr().out
    assert load(tmp_path / "evenkeel.toml", {}, {}).settings.hold == 5000


def test_the_demo_waits_for_twenty_seconds_and_a_run_for_ten_minutes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["--print-config"]) == 0
    assert 'max_wait = "20 s"  # default of the demo' in capsys.readouterr().out
    assert cli.main(["run", "--print-config"]) == 0
    assert 'max_wait = "10 min"  # default\n' in capsys.readouterr().out
    assert cli.main(["--max-wait", "1 h", "--print-config"]) == 0
    assert 'max_wait = "1 h"  # flag' in capsys.readouterr().out
