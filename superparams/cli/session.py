"""The experiments folder and the results folder of one command line."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from superparams.errors import CommandError

if TYPE_CHECKING:
    from superparams.cli.name_lookup import Root
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.declare.experiment import Experiment
    from superparams.run.status import ExperimentStatus

__all__ = ["Session", "single"]


class Session:
    """One command line; ``ctx.obj`` of every verb.

    Args:
        program: The command that the user typed: ``experiment``, ``python -m experiments``.
        folder: The experiments folder; by default a verb that needs it searches for it from the
            working directory upwards.
    """

    def __init__(self, program: str = "experiment", folder: Path | None = None) -> None:
        self.program = program
        self._folder = folder

    @functools.cached_property
    def root(self) -> Root:
        """The experiments folder.

        Raises:
            CommandError: When there is none in the working directory, nor above.
        """
        from superparams.cli.name_lookup import find_root, root_at

        if self._folder is not None:
            return root_at(self._folder)
        try:
            here = Path.cwd()
        except OSError as error:  # it was removed
            raise CommandError(f"there is no working directory: {error}") from error
        return find_root(here)

    @property
    def project(self) -> Path:
        """The project of the experiments folder; without one, that of the working directory."""
        from superparams.identity.code.roots import project_root

        try:
            return self.root.project
        except CommandError:
            try:
                return project_root(Path.cwd() / "_.py")
            except OSError as error:  # the working directory was removed
                raise CommandError(f"there is no working directory: {error}") from error

    def experiments(self, target: str) -> list[type[Experiment]]:
        """The experiments that a name means, in the order of files and of the classes in them.

        Raises:
            CommandError: When the name has no meaning or several, and for a file that cannot be
                imported.
        """
        from superparams.cli.file_imports import load
        from superparams.cli.name_lookup import resolve

        return load(self.root, resolve(self.root, target))

    def statuses(self, target: str, option: Path | None) -> list[ExperimentStatus]:
        """The status of each experiment that a name means.

        Args:
            target: The name.
            option: The folder of ``--results``; None without this option.

        Raises:
            CommandError: As for `experiments`.
        """
        from superparams.run.status import status_of

        return [status_of(cls, self.results(option)) for cls in self.experiments(target)]

    def recorded(self, target: str, option: Path | None) -> list[ExperimentStatus]:
        """Do the same as `statuses`, for a name with at least one experiment that has run.

        Raises:
            CommandError: As for `experiments`.
            StoreError: When none has run.
        """
        statuses = self.statuses(target, option)
        if not any(status.has_records for status in statuses):
            _ = statuses[0].results  # raises the error, which says what to do
        return statuses

    def recorded_by_text(self, target: str, option: Path | None) -> list[RecordedExperiment]:
        """The recorded experiments that a name or a path means; nothing is imported.

        Args:
            target: The name or the path.
            option: As for `results`.

        Raises:
            CommandError: When the name has no meaning or several.
        """
        from superparams.cli.recorded_experiments import find_recorded

        try:
            root: Root | CommandError = self.root
        except CommandError as error:
            root = error
        return find_recorded(target, root, option or self.project / "results")

    def results(self, option: Path | None = None) -> Path:
        """The results folder: the option ``--results``, else ``results/`` in the project."""
        return self.root.project / "results" if option is None else option


class Named(Protocol):
    """An object with a name: something that a name on the command line means."""

    @property
    def name(self) -> str:
        """``module.Class``."""
        ...


_Named = TypeVar("_Named", bound=Named)


def single(experiments: Sequence[_Named], what: str) -> _Named:
    """The only one of some experiments.

    Args:
        experiments: What a name means.
        what: The beginning of the error, such as ``a run belongs to``.

    Raises:
        CommandError: When there are several.
    """
    if len(experiments) > 1:
        names = ", ".join(named.name for named in experiments)
        raise CommandError(f"{what} one experiment, but this name means {names}; give one of them")
    return experiments[0]
