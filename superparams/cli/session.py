"""What one command line works on: the experiments folder, and where results are kept."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from superparams.errors import CommandError

if TYPE_CHECKING:
    from superparams.cli.name_lookup import Root
    from superparams.declare.experiment import Experiment

__all__ = ["Session"]


class Session:
    """One command line at work: ``ctx.obj`` of every verb.

    Args:
        program: What the user typed to get here: ``experiment``, ``python -m experiments``.
        folder: The experiments folder; by default found from the working directory when a verb
            asks for it.
    """

    def __init__(self, program: str = "experiment", folder: Path | None = None) -> None:
        self.program = program
        self._folder = folder

    @functools.cached_property
    def root(self) -> Root:
        """The experiments folder.

        Raises:
            CommandError: When there is none, here or above.
        """
        from superparams.cli.name_lookup import find_root, root_at

        if self._folder is not None:
            return root_at(self._folder)
        try:
            here = Path.cwd()
        except OSError as error:  # it was removed
            raise CommandError(f"there is no working directory: {error}") from error
        return find_root(here)

    def experiments(self, target: str) -> list[type[Experiment]]:
        """The experiments that a name means, in the order of files and of the classes in them.

        Raises:
            CommandError: When it means nothing, more than one thing, or a file that cannot be
                imported.
        """
        from superparams.cli.file_imports import load
        from superparams.cli.name_lookup import resolve

        return load(self.root, resolve(self.root, target))

    def results(self, option: Path | None = None) -> Path:
        """The results folder: what ``--results`` says, else ``results/`` in the project."""
        return self.root.project / "results" if option is None else option
