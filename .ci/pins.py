"""Prints constraints.txt as it reads on the Python named: pip judges markers by the interpreter that runs
it, also when it resolves for another.
"""

import sys
from pathlib import Path

from packaging.requirements import Requirement

version = sys.argv[1]
lines = (Path(__file__).parent.parent / "constraints.txt").read_text().splitlines()
pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
held = [pin for pin in pins if pin.marker is None or pin.marker.evaluate({"python_version": version})]
print("\n".join(f"{pin.name}{pin.specifier}" for pin in held))
