"""Lay the tools into this environment, one by one: one that does not install costs no other.

    benchmarks/.venv/bin/python -m benchmarks.peers.install

Versions come from requirements.txt. Why one is missing is kept for the report.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.catalog import REASONS, SIDES, Side

PINS = Path(__file__).with_name("requirements.txt")


def pip(*words: str) -> str:
    """Why pip failed, or nothing."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*command, "--constraint", str(PINS), *words], text=True, stderr=-1)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or ["pip failed"])[0].removeprefix("ERROR: ") if done.returncode else ""


def install(side: Side) -> str:
    """Why a side cannot be installed, or nothing."""
    if side.path is None:
        return pip(*side.needs)
    published, *others = side.needs
    apart = ("--no-deps", "--upgrade", "--target", str(side.path), published)
    return pip(*others) or ("" if side.version else pip(*apart))


def main() -> None:
    reasons = {}
    for side in SIDES:
        if side.name == "superparams" or not side.needs:
            continue
        print(f"setup: installing {side.title}", file=sys.stderr)
        if reason := install(side):
            reasons[side.name] = reason
            print(f"setup: {side.title} is left out: {reason}", file=sys.stderr)
    REASONS.write_text(json.dumps(reasons))


if __name__ == "__main__":
    main()
