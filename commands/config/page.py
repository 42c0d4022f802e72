"""docs/configuration.md: every key, from its declaration in `messages/settings.py`.

python -m commands.config.page          writes the page; a test fails when it is not what comes of the
                                        declarations
"""

from pathlib import Path

from commands.config.effective import LIVE_RUN, as_toml, environment_name
from commands.config.keys import DECLARED, DEMO_DEFAULTS, KEYS, MAINTENANCE, bound, written
from messages.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
HEAD = """\
# Configuration

Every key of `evenkeel.toml`, its default, what it takes, and what it does. `python -m commands.config.page` makes this page from
`messages/settings.py`; a test fails when it is not what comes of it.

    python supervisor.py run --init-config                  write evenkeel.toml with every key, its description, and the defaults as comments
    python supervisor.py run --config evenkeel.toml         run by it
    python supervisor.py run --print-config                 every effective value and where it came from; defaults behind a #
    python supervisor.py run --set pause="1 s"              one key, for this command; {variable}="1 s" in the environment does the same

Flags come before the environment, the environment before the file, the file before the defaults. An amount is a number and a unit; a number without
one is refused. None of these defaults ever trades real money: a live run requires these keys to be set:
{live}.
By default a live run has `no_entry_utc = {maintenance}`, the exchange's maintenance windows; and the demo has
{demo}.
"""  # noqa: E501


def page() -> str:
    """The whole page, as Markdown: a table of keys for each table of the file."""
    windows = ", ".join(f'"{window.text()}"' for window in MAINTENANCE)
    lines = HEAD.format(
        variable=environment_name("pause"),
        live=", ".join(f"`{key}`" for key in LIVE_RUN),
        maintenance=f"[{windows}]",
        demo=" and ".join(f'`{key} = "{text}"`' for key, text in DEMO_DEFAULTS.items()),
    ).splitlines()
    tables = [key.rpartition(".")[0] for key in DECLARED]
    for table in dict.fromkeys(tables):
        title = f"[{table}]" if table else "Without a table"
        lines += ["", f"## {title}", "", "| key | default | takes | what it does |", "|---|---|---|---|"]
        for key, of in zip(DECLARED, tables, strict=True):
            if of == table:
                default = as_toml(written(Settings(), key))
                lines.append(f"| `{key}` | `{default}` | {_takes(key)} | {DECLARED[key].sentence} |")
    return "\n".join(lines) + "\n"


def _takes(key: str) -> str:
    kind, least, greatest = KEYS[key], DECLARED[key].least, DECLARED[key].greatest
    if least is None or greatest is None:
        return kind.form()
    unit = isinstance(bound(key, greatest), str)
    return f"{'above 0' if least == 1 and unit else bound(key, least)} to {bound(key, greatest)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
