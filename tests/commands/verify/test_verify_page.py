"""docs/verify.md is what its command prints now."""

from tests.commands.verify.page import PAGE, verify_page


def test_the_page_of_verify_is_what_comes_of_the_command() -> None:
    """python -m tests.commands.verify.page makes it anew."""
    assert PAGE.read_text("utf-8") == verify_page()
