"""Write a first example into a new experiments folder."""

from __future__ import annotations

from pathlib import Path

import click

from superparams.cli import common_options
from superparams.cli.session import Session
from superparams.errors import safe_text

__all__ = ["command"]


@click.command("init")
@click.argument("folder", default="experiments", type=click.Path(path_type=Path))
@common_options.as_json
@click.pass_obj
def command(session: Session, folder: Path, is_json: bool) -> None:
    """Write a first example into a new folder FOLDER, and say how to run it.

    FOLDER is experiments/ by default. Existing files are never changed.
    """
    from superparams.cli import json_document
    from superparams.cli.example import NAME

    written = _write(folder)
    start = _how(session, folder)
    if is_json:
        json_document.write({"written": written, "run": f"{start} {NAME}"})
        return
    click.echo("\n".join(f"wrote {safe_text.line(file)}" for file in written))
    lines = {
        start: "list what is there",
        f"{start} {NAME}": "run it",
        f"{start} {NAME} -n 2 points=500": "on two processes, with another value",
        f"{start} results {NAME}": "the table of results",
    }
    width = max(map(len, lines))
    click.echo()
    for line, meaning in lines.items():
        click.echo(f"  {line:<{width}}   {meaning}")


def _write(folder: Path) -> list[Path]:
    from superparams.cli.example import FILES
    from superparams.errors import CommandError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(f"{folder} is there already, and not empty: nothing was written")
        for name, text in FILES.items():
            with open(folder / name, "x", encoding="utf-8") as file:
                file.write(text)
    except (OSError, ValueError) as error:  # the latter for a name with a NUL
        raise CommandError(f"{str(folder)!r} cannot be made: {error}") from error
    return [folder / name for name in FILES]


def _how(session: Session, folder: Path) -> str:
    """How to start what is in the folder, from here."""
    from superparams.cli.name_lookup import find_root
    from superparams.errors import CommandError

    try:
        if find_root(Path.cwd()).folder == Path.cwd() / folder:
            return "experiment"
    except CommandError:  # there is none of the usual name
        pass
    return f"python {folder}"
