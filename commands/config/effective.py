"""The effective configuration: flags over environment over file over defaults, each value with its origin.

    load(file, environment, overrides) -> Loaded(settings, origins)

Each value is read by the kind of text that its key declares. What is refused is a sentence with the key, the
line or variable it came from, and the text to write instead.
"""

import json
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from actors.risk.goals import goals_set
from commands.config.keys import (
    DECLARED,
    KEYS,
    MAINTENANCE,
    complaints,
    least_dead_man,
    least_legging_quote,
    remark,
    rooms_for,
    sign_remark,
    value_of,
    with_value,
    written,
)
from commands.config.units_text import BadText, CostLadder
from commands.config.windows_text import DailyWindows, WeeklyWindows
from commands.output.words import ConfigError, nearest
from messages.settings import Settings
from runtime.files import private, private_folder

__all__ = [
    "ENVIRONMENT_PREFIX",
    "FILE_NAME",
    "ConfigError",
    "Loaded",
    "as_file",
    "effective_file",
    "environment_name",
    "load",
    "printed",
    "write_file",
]

ENVIRONMENT_PREFIX = "EVENKEEL_"
LIST_THEM = "python supervisor.py run --print-config lists every key"

UNENDING = 10**6
"""Cycles that a run without end is taken to have."""

NOTHING: Mapping[str, str] = MappingProxyType({})
Leaves = dict[str, tuple[Any, str]]
"""Dotted key -> (what was written, where)."""


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and for every key where its value came from: default | file line N | environment NAME |
    flag.
    """

    settings: Settings
    origins: dict[str, str]


class WrongValue(ConfigError):
    """A value that is refused, where the one that was meant is known. As it was raised, its cure is a line of
    a file.
    """

    def __init__(self, code: str, key: str, message: str, instead: object) -> None:
        super().__init__(code, key, message, f"write {key} = {as_toml(instead)}{remark(key)}")
        self._key, self._instead = key, instead

    def at_flag(self, flag: str | None) -> ConfigError:
        """The same with what to type at `flag`; None: at `--set`, which every command has."""
        text = shlex.quote(self._instead if isinstance(self._instead, str) else as_toml(self._instead))
        typed = f"{flag} {text}" if flag else f"--set {self._key}={text}"
        return ConfigError(self.code, self.key, self.message, f"type {typed}{remark(self._key)}")


def environment_name(key: str) -> str:
    """The environment variable of a dotted key: `EVENKEEL_LIMITS__MAX_GROSS`."""
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")


def load(
    file: Path | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, str],
    defaults: Mapping[str, str] = NOTHING,
) -> Loaded:
    """The effective configuration. `overrides` maps dotted keys to texts (flags), `defaults` those of a
    command, which anything written beats.

    Raises `ConfigError` for anything that is not certain.
    """
    leaves: Leaves = {key: (text, "default of the demo") for key, text in defaults.items()}
    leaves |= _from_file(file) if file else {}
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            leaves[key] = (_typed(key, text), f"environment {name}")
    for key, text in overrides.items():
        leaves[key] = (_typed(key, text), "flag")
    origins = {key: leaves[key][1] if key in leaves else "default" for key in KEYS}
    settings, origins = _derived(_settings(leaves, file), origins)
    for key, saying, instead in complaints(settings):
        raise _wrong("OUT_OF_RANGE", key, f"{key}: {saying}", instead, settings)
    return Loaded(settings, origins)


def _takes(key: str, instead: object, settings: Settings) -> bool:
    """Would the program itself take this value for `key`, among these settings?"""
    try:
        value = KEYS[key].read(instead)
    except BadText:
        return False
    return all(wrong != key for wrong, _, _ in complaints(with_value(settings, key, value)))


LIVE_RUN = tuple(key for key, declared in DECLARED.items() if declared.live)
"""What a run with real money needs to be told: no number that was chosen for the demo ever trades it."""


def must_be_written(loaded: Loaded, keys: Sequence[str], because: str) -> None:
    """Raises `ConfigError` naming all of `keys` that nobody wrote, in a file, a variable or a flag."""
    missing = [
        key
        for key in keys
        if loaded.origins[key].startswith("default") or written(loaded.settings, key) == ""
    ]
    if missing:
        # No number is proposed: what is traded with real money is the user's own decision.
        cure = (
            "write "
            + ", ".join(f"{key} ({KEYS[key].form()})" for key in missing)
            + " in the configuration file"
        )
        raise ConfigError("NOT_WRITTEN", missing[0], f"{', '.join(missing)}: not set, and {because}", cure)


# -- sources -------------------------------------------------------------------------------------------------


def _from_file(file: Path) -> Leaves:
    try:
        # An editor's byte order mark is no part of the text.
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "TOML_SYNTAX", None, f"{file.name} is not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from None
    except OSError as error:
        saying = f"{file} cannot be read: {(error.strerror or 'unknown error').lower()}"
        raise ConfigError("FILE_MISSING", "--config", saying, "check the path given to --config") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        line = found.group(1) if found and found.group(1) else str(text.count("\n") + 1)
        what = str(error)[: found.start()] if found else str(error)
        # the parser's words name what it met, not what the writer did
        cure = 'write each key as name = "value"'
        if re.search(r"overwrite a value|declare .* twice|redefine", what):
            cure = "write each key and each [table] once"
        elif re.search(r"[Ii]llegal character '\\n'|[Uu]nterminated string|[Ee]xpected '\"'", what):
            cure = 'close the quote that begins the value: name = "value"'
        message = f"{file.name} line {line}: not valid TOML ({what[:1].lower()}{what[1:]})"
        raise ConfigError("TOML_SYNTAX", None, message, cure) from None
    lines = _lines(text)
    return {key: (value, f"file line {_line(lines, key)}") for key, value in _flat(tree, "")}


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _lines(text: str) -> dict[str, int]:
    """Dotted key or table -> the line it is written on."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = _unquoted(header.group(1))
            found.setdefault(table, number)
            table += "."
        elif key := re.match(
            r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line
        ):
            found.setdefault(table + _unquoted(key.group(1)), number)
    return found


def _unquoted(key: str) -> str:
    return re.sub(r"""["'\s]""", "", key)


def _line(lines: Mapping[str, int], key: str) -> int:
    """The line of a key; of the table around it when it stands in an inline table."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 1)


def _typed(key: str, text: str) -> Any:
    """What was typed, as TOML would give it: only a list needs reading, everything else is a text."""
    if KEYS.get(key) not in {CostLadder, DailyWindows, WeeklyWindows} or not text.lstrip().startswith("["):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise _wrong("WRONG_TYPE", key, f"{key}: {text} is not a list of texts in quotes", None) from None


# -- reading -------------------------------------------------------------------------------------------------


def _settings(leaves: Leaves, file: Path | None) -> Settings:
    """The defaults with every value that was written. Raises `ConfigError` for the first that cannot be
    read, in the order written, and for a key that there is not.
    """
    settings = Settings()
    for key, (text, origin) in leaves.items():
        if key not in KEYS:
            table = any(each.startswith(f"{key}.") for each in KEYS)
            if table and text == {}:  # a header with nothing below it
                continue
            if table:
                cure = f"write [{key}] on a line of its own"
                raise ConfigError("WRONG_TYPE", key, f"{key}: is a table of keys, not a value", cure)
            raise _unknown(key, origin, file)
        try:
            settings = with_value(settings, key, KEYS[key].read(text))
        except BadText as bad:
            meant = KEYS[key].suggest(text, value_of(Settings(), key))
            raise _wrong(bad.code, key, f"{key}: {bad.saying}{sign_remark(key, text)}", meant) from None
    return settings


def _unknown(key: str, origin: str, file: Path | None) -> ConfigError:
    place = f"in {origin}"
    if origin == "flag":
        place = "given by a flag"
    elif file and origin.startswith("file"):
        place = f"in {file.name} {origin.removeprefix('file ')}"
    near = nearest(key, list(KEYS))
    if near and origin.startswith("environment"):
        near = environment_name(near)
    cure = f"did you mean {near}?" if near else LIST_THEM
    return ConfigError("UNKNOWN_KEY", key, f"{key}: unknown key {place}", cure)


def _wrong(
    code: str,
    key: str,
    message: str,
    instead: object | None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> ConfigError:
    """With the value that was meant, if the program would take it; else with what kind of value is wanted,
    without a number of ours.
    """
    if key not in KEYS:
        return ConfigError(code, key, message, LIST_THEM)
    if instead is None or not _takes(key, instead, settings):
        return ConfigError(code, key, message, f"{key} takes {KEYS[key].form()}{remark(key)}")
    return WrongValue(code, key, message, instead)


def _derived(settings: Settings, origins: dict[str, str]) -> tuple[Settings, dict[str, str]]:
    """The defaults that follow from other values. What was written is never changed, and nothing shrinks."""
    simulated = settings.venue.name == "simulated"
    until = [key for key in goals_set(settings) if key != "cycles"]
    if until and origins["cycles"] == "default":
        # five cycles would end it long before the goal that somebody wrote
        settings = msgspec.structs.replace(settings, cycles=None)
        origins = origins | {"cycles": f"default with {until[0]}"}
    rooms, enough = rooms_for(settings), settings.target * (settings.cycles or UNENDING) // 100
    grown: list[tuple[str, int, str]] = [
        # before recv_time is over nobody can say that a run is dead
        ("guard.dead_man", least_dead_man(settings), "recv_time"),
        ("legging_quote", least_legging_quote(settings), "execution.lean_wait"),
        ("limits.max_leg_notional", max(rooms), "target"),
        ("limits.max_gross", sum(rooms), "target"),
    ]
    if simulated:
        # one percent of the target for each cycle: a long run with play money should not end at a limit that
        # nobody wrote; real money has no such default
        grown += [
            ("limits.max_daily_loss", enough, "target and cycles"),
            ("limits.max_drawdown", 2 * enough, "target and cycles"),
        ]
    for key, wanted, by in grown:
        before = value_of(settings, key)
        if origins[key] == "default" and wanted > before:
            # at most what may be written: nobody is refused a number that is not his
            value = min(wanted, DECLARED[key].greatest or wanted)
            settings = with_value(settings, key, type(before)(value))
            origins = origins | {key: f"default, grown with {by}"}
    if not simulated and origins["no_entry_utc"] == "default":
        settings = with_value(settings, "no_entry_utc", MAINTENANCE)
        origins = origins | {"no_entry_utc": "default of a live venue"}
    return settings, origins


# -- printing ------------------------------------------------------------------------------------------------

FILE_NAME = "evenkeel.toml"
"""What `--init-config` calls its file unless it is told another name."""
COMMENT_WIDTH = 77


def printed(loaded: Loaded) -> list[str]:
    """Every key with its sentence, its effective value and where that came from, as TOML that `load` takes
    back.

    Defaults are comments, as in `as_file`: printed into a file and loaded for a live run they would count as
    the user's own decisions.
    """
    head = [
        "# Every key: what it does, its effective value, and where that value came from.",
        "# A value behind a # is a default: it is in effect, and in no file. Remove the # to",
        "# make it your own.",
    ]
    return _every_key(loaded, head, origins=True)


def as_file(loaded: Loaded) -> list[str]:
    """A configuration file to start from: every key with its sentence. What was written anywhere stands as a
    value, defaults as comments.

    A default that is no value of the file goes on following the release, the target and the venue, and never
    trades real money unnoticed.
    """
    head = [
        "# Evenkeel's configuration. A line that begins with # is a comment: remove the #",
        "# to write a value of your own. Flags come before EVENKEEL_KEY, that before this",
        "# file, this file before the defaults. A live run needs these keys written:",
        *_comment(", ".join(LIVE_RUN)),
    ]
    return _every_key(loaded, head, origins=False)


def effective_file(path: Path, settings: Settings) -> None:
    """Have every value of `settings` in a file of its own, 0600, for a child of the run; no key is in it.
    Raises `OSError`.
    """
    private_folder(path.parent)
    with open(path, "w", encoding="utf-8", opener=private) as file:
        lines = printed(Loaded(settings, dict.fromkeys(KEYS, "this run")))
        file.write("\n".join(lines) + "\n")


def _every_key(loaded: Loaded, head: list[str], *, origins: bool) -> list[str]:
    lines, tables = head, set[str]()
    for key in KEYS:
        table, _, name = key.rpartition(".")
        lines += ["", f"[{table}]", ""] if table and table not in tables else [""]
        tables.add(table)
        origin = loaded.origins[key]
        hidden = "# " if origin.startswith("default") else ""
        value = f"{hidden}{name} = {as_toml(written(loaded.settings, key))}"
        lines += [*_comment(DECLARED[key].sentence), f"{value}  # {origin}" if origins else value]
    return lines


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")


def write_file(loaded: Loaded, path: Path) -> None:
    """Write `as_file`. Raises `ConfigError` where there is something already, or where nothing can be
    written.
    """
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write("\n".join(as_file(loaded)) + "\n")
    except FileExistsError:
        cure = "name another file: --init-config FILE"
        raise ConfigError(
            "FILE_EXISTS", "--init-config", f"{path} exists already", cure, "it was not changed"
        ) from None
    except OSError as error:
        saying = f"{path} cannot be written: {(error.strerror or 'unknown error').lower()}"
        raise ConfigError(
            "FILE_UNWRITABLE",
            "--init-config",
            saying,
            "name another file: --init-config FILE",
            "nothing was written",
        ) from None


def as_toml(value: object) -> str:
    """A value as TOML writes it: texts in quotes, lists in brackets, `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return str(value)
