"""Serve the page of results on this machine, and follow runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from superparams.cli import common_options, json_document
from superparams.cli.click_types import NAME
from superparams.cli.session import Session
from superparams.cli.terminal import is_terminal
from superparams.errors import CommandError, safe_text

__all__ = ["command"]


@click.command("board")
@click.argument("target", metavar="[NAME]", type=NAME, required=False)
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=0,
    metavar="PORT",
    help="The port; by default a free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session,
    target: str | None,
    port: int,
    no_browser: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """Show the page of results in a browser, and follow runs while they go on.

    The board is a server on this machine, for you alone: its address has a token. It writes
    nothing, and goes on when a run ends or is killed; Ctrl-C ends it. Without NAME, it shows all
    experiments in the results folder.

    \b
    Examples:
      experiment board
      experiment board RQ1 --port 8700 --no-browser
    """
    from superparams.cli.followed_experiments import followed
    from superparams.views.board.board_server import BoardServer

    experiments = followed(session, target, results)
    try:
        server = BoardServer(experiments, port)
    except OSError as error:
        raise CommandError(
            f"--port {port}: {error.strerror or error}; give another port, or "
            "leave --port out to take a free one"
        ) from error
    try:
        names = [followed_experiment.name for followed_experiment in experiments]
        if is_json:
            json_document.write({"address": server.url, "experiments": names})
        else:
            _tell(server.url, names)
        if not (no_browser or is_json):
            _open(server.url)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        click.echo("\nThe board has ended.", err=is_json)
    finally:
        server.end()


def _tell(url: str, names: Sequence[str]) -> None:
    click.echo(f"Board of {safe_text.line(', '.join(names))}")
    click.echo(f"  {url}")
    click.echo("Ctrl-C ends it.")
    sys.stdout.flush()


def _open(url: str) -> None:
    """Open a browser, if the command runs in a terminal and there is a screen."""
    has_screen = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if is_terminal() and has_screen:
        from superparams.cli.browser import open_browser

        open_browser(url)
