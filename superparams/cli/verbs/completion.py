"""Print the shell completion script."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

from superparams.cli import common_options, json_document
from superparams.cli.shell_scripts import SHELLS, script
from superparams.errors import CommandError

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice([*SHELLS]))
@common_options.as_json
def command(shell: str | None, is_json: bool) -> None:
    """Print the script that completes names, fields, points, verbs and options in your shell.

    \b
    bash:  echo 'eval "$(experiment completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(experiment completion zsh)"' >> ~/.zshrc
    fish:  experiment completion fish > ~/.config/fish/completions/experiment.fish

    Then open a new shell. The line for zsh belongs after the line with compinit. Without SHELL, the
    script is for your login shell.
    """
    from superparams.cli.command import experiment

    shell_name = shell or PurePath(os.environ.get("SHELL", "")).name
    if shell_name not in SHELLS:
        raise CommandError(f"give the name of a shell: {', '.join(SHELLS)}")
    text = script(shell_name, experiment)
    if is_json:
        json_document.write({"shell": shell_name, "script": text})
    else:
        click.echo(text, nl=False)
