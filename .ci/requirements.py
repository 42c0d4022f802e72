"""Prints the project's requirements, test extra included, for pip's --dry-run."""

import shlex
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
print(" ".join(shlex.quote(requirement) for requirement in project["dependencies"] + project["optional-dependencies"]["test"]))
