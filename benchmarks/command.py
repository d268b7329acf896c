"""What it costs to start the command `experiment`, and to list many experiments.

The first row is a ratio of medians within one run: of `experiment --help` to the help of a click
app of one verb. The second is seconds for a folder of 200 files.

    python benchmarks/command.py [--quick]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Action = Callable[[], object]
# As `[project.scripts]` has it.
OURS = "from superparams.cli import main; main()"
BARE = """
import click

@click.group()
def main() -> None: "A group."

@main.command()
@click.argument("name")
@click.option("-n", "--number", type=int, help="A number.")
def run(name: str, number: int) -> None: "A verb."

main()
"""
FILE = """
from superparams import Experiment, search

class Trial{number}(Experiment):
    "Trial {number}."
    C: float = search([0.1, 1.0])
    folds: int = 5

    def run(self): return {{"y": self.C}}
"""


def seconds(action: Action) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def environment(cache: str) -> dict[str, str]:
    """Ours, with compiled files kept: each start would compile anew."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}


def starting(code: str, *words: str, cache: str, folder: str) -> Action:
    """To run some code with words behind it."""
    command = [sys.executable, "-c", code, *words]
    env = environment(cache)
    return lambda: subprocess.run(
        command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL
    )


def helping(repeats: int = 15) -> tuple[float, float]:
    """Seconds of ``experiment --help``, and of that of a bare click app."""
    with tempfile.TemporaryDirectory() as cache:
        ours = starting(OURS, "--help", cache=cache, folder=cache)
        bare = starting(BARE, "--help", cache=cache, folder=cache)
        ours(), bare()
        # They take turns, so that a slow moment meets both.
        pairs = [(seconds(ours), seconds(bare)) for _ in range(repeats)]
        return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def listing(files: int = 200, repeats: int = 5) -> float:
    """Seconds to list so many files of one experiment each, none of which was run."""
    with tempfile.TemporaryDirectory() as folder:
        experiments = Path(folder, "experiments")
        experiments.mkdir()
        for number in range(files):
            text = FILE.format(number=number)
            (experiments / f"trial{number}.py").write_text(text, encoding="utf-8")
        action = starting(OURS, cache=f"{folder}/cache", folder=folder)
        action()
        return statistics.median(seconds(action) for _ in range(repeats))


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    ours, bare = helping(7 if quick else 25)
    print(
        f"experiment --help       {ours * 1e3:6.0f} ms  bare click app {bare * 1e3:.0f} ms", end=""
    )
    print(f"  ratio {ours / bare:.2f}  bar 2")
    print(
        f"200 files listed        {listing(repeats=3 if quick else 7) * 1e3:6.0f} ms  bar 2000 ms"
    )


if __name__ == "__main__":
    main()
