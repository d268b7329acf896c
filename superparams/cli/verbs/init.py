"""Write a first example into a new experiments folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session
from superparams.errors import CommandError, safe_text

__all__ = ["command"]

NAME: Final = "example"


@click.command("init")
@click.argument("folder", default="experiments", type=click.Path(path_type=Path))
@common_options.as_json
@click.pass_obj
def command(session: Session, folder: Path, is_json: bool) -> None:
    """Write a first example into a new folder FOLDER, and say how to run it.

    FOLDER is experiments/ by default. Existing files are never changed.
    """
    files = _write(folder)
    start = _command_to_run(session, folder)
    if is_json:
        json_document.write({"written": files, "run": f"{start} {NAME}"})
        return
    click.echo("\n".join(f"wrote {safe_text.line(file)}" for file in files))
    lines = {
        start: "list all experiments",
        f"{start} {NAME}": "run it",
        f"{start} {NAME} -n 2 points=500": "on two processes, with another value",
        f"{start} results {NAME}": "the table of results",
    }
    width = max(map(len, lines))
    click.echo()
    for line, meaning in lines.items():
        click.echo(f"  {line:<{width}}   {meaning}")


def _write(folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(f"{folder} exists already and is not empty: nothing was written")
        for name, text in FILES.items():
            with open(folder / name, "x", encoding="utf-8") as file:
                file.write(text)
    except (OSError, ValueError) as error:  # the latter for a name with a NUL
        raise CommandError(f"{str(folder)!r} cannot be made: {error}") from error
    return [folder / name for name in FILES]


def _command_to_run(session: Session, folder: Path) -> str:
    """The command that runs the example, from the working directory."""
    from superparams.cli.name_lookup import find_root

    try:
        if find_root(Path.cwd()).folder == Path.cwd() / folder:
            return "experiment"
    except CommandError:  # there is none of the usual name
        pass
    return f"python {folder}"


# ---- the files

_EXAMPLE: Final = '''\
"""How close to pi do random points come? An example to change, copy, or delete.

    experiment example                      run all of it
    experiment example -n 2                 on two processes
    experiment example points=500 tries=0   other values than those below
    experiment results example              the table of results
"""

import math
import random

from superparams import Experiment, search, value


class Pi(Experiment):
    """How close to pi do random points come?"""

    # An axis: its points are combined with those of all other axes.
    points: int = search([100, 1_000, 10_000])
    """how many points are thrown (`experiment example --help` shows this)"""
    tries: int = search(range(4))
    # A constant. You can change it on the command line, too: radius=2
    radius: float = value(1.0)

    def run(self) -> dict[str, float]:
        """Runs one setting, in which each field has one value. Returns a row of the table."""
        # self.seed differs from setting to setting, and is the same when a setting runs again.
        rng = random.Random(self.seed)
        r = self.radius
        places = [(rng.uniform(-r, r), rng.uniform(-r, r)) for _ in range(self.points)]
        inside = sum(math.hypot(x, y) < r for x, y in places)
        pi = 4 * inside / self.points
        return {"pi": pi, "off": abs(pi - math.pi)}
'''

_MAIN: Final = '''\
"""Runs the experiments of this folder, from anywhere: python path/to/this/folder example"""

from superparams import entrypoint

entrypoint()
'''

FILES: Final = {f"{NAME}.py": _EXAMPLE, "__main__.py": _MAIN}
