"""Recordings and vectors that live beside the project, never in it. Where they are absent a test skips
with the reason; in CI it fails.
"""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def shared(relative: str) -> Path:
    """The path of a shared file; skips the calling test where it is absent, fails it when CI=true."""
    path = SHARED / relative
    if not path.exists() and not list(path.parent.glob(path.name + "*")):
        reason = f"../shared/{relative} is not beside this checkout"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
