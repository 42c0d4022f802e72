"""docs/alerts.md names every key, every code and every command that there is."""

import re
from pathlib import Path

import msgspec

from commands.alerts.telegram import HELP
from messages.settings import AlertSettings

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_every_code_of_an_alert_is_on_the_page() -> None:
    sources = [*(ROOT / "commands" / "alerts").glob("*.py"), ROOT / "commands" / "guard" / "command.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    codes = set(re.findall(r'Alert\(\s*(?:"[a-z]+"|level),\s*"([A-Z_]+)"', text)) - {"TEST"}
    assert len(codes) > 12
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
    assert "`GUARD_TOOK_OVER`" in PAGE


def test_every_key_and_every_command_of_the_chat_is_on_the_page() -> None:
    keys = {field.name for field in msgspec.structs.fields(AlertSettings)} - {"telegram_api"}
    assert {key for key in keys if key not in PAGE} == set()
    assert {word for word in re.findall(r"^/(\w+)", HELP, re.MULTILINE) if f"/{word}" not in PAGE} == set()
