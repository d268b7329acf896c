"""Imports experiment files, and turns errors in them into messages."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from superparams.cli.missing_modules import missing_module
from superparams.cli.name_lookup import ExperimentReference, Root, without_run
from superparams.cli.streams import stdout_to_stderr
from superparams.declare.experiment import Experiment
from superparams.errors import CommandError
from superparams.executor.experiment_modules import Package, import_file, package_of

__all__ = ["Broken", "LoadedFile", "load", "load_each"]


class Broken(CommandError):
    """A file cannot be imported. `brief` is the reason in one line, with file and line number."""

    brief = ""


@dataclass
class LoadedFile:
    """An experiment file that was imported.

    Attributes:
        reference: The file, and the class in it if only one was requested.
        classes: The experiments in it.
        idle: Its classes that lack only a `run` to be experiments.
        error: Why the file cannot be imported.
    """

    reference: ExperimentReference
    classes: list[type[Experiment]] = field(default_factory=list[type[Experiment]])
    idle: list[type[Experiment]] = field(default_factory=list[type[Experiment]])
    error: Broken | None = None


def load(root: Root, references: Iterable[ExperimentReference]) -> list[type[Experiment]]:
    """Import files and return their experiments, in the order of the files and of their classes.

    Raises:
        CommandError: When a file cannot be imported, or has no such experiment.
    """
    classes: list[type[Experiment]] = []
    files = list(references)
    idle: list[type[Experiment]] = []
    for loaded_file in load_each(root, files):
        if loaded_file.error is not None:
            raise loaded_file.error
        classes += loaded_file.classes
        idle += loaded_file.idle
    if not classes:
        names = ", ".join(str(reference.file) for reference in files)
        why = without_run([cls.__name__ for cls in idle])
        raise CommandError(f"there is no experiment in {names}{why}")
    return classes


def load_each(root: Root, references: Iterable[ExperimentReference]) -> Iterator[LoadedFile]:
    """Import files one after the other, also after one that cannot be imported.

    Raises:
        CommandError: When a file does not have the requested class.
    """
    package = package_of(root.folder)
    _extend_path(root)
    for reference in references:
        imported = _imported(root, package, reference)
        if isinstance(imported, Broken):
            yield LoadedFile(reference, error=imported)
        else:
            yield _requested(imported, reference)


def _imported(root: Root, package: Package, reference: ExperimentReference) -> ModuleType | Broken:
    """The module of a file. Every exception is an error of the file, except for a real Ctrl-C."""
    with _noted_interrupts() as interrupts:
        try:
            with stdout_to_stderr():
                return import_file(package, reference.name)
        except BaseException as error:
            if interrupts:
                raise KeyboardInterrupt from None
            return _broken(root, reference, error)


@contextlib.contextmanager
def _noted_interrupts() -> Generator[list[int]]:
    """Collects interrupts by signals, since a file may also raise KeyboardInterrupt itself."""
    interrupts: list[int] = []

    def note(number: int, _: object) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    usual = signal.default_int_handler
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not usual:
        yield interrupts
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, usual)


def _extend_path(root: Root) -> None:
    """Let experiments import the modules of their folder and of the project.

    The project comes first, then the folder around the experiments folder (``src/``). The
    experiments folder itself comes last, so that no experiment hides another module.
    """
    beside = _import_root(root.folder.parent)
    for folder in (str(beside), str(root.project)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if str(root.folder) not in sys.path:
        sys.path.append(str(root.folder))


def _import_root(folder: Path) -> Path:
    """The folder from which modules in `folder` are imported: above the outermost package."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _requested(module: ModuleType, reference: ExperimentReference) -> LoadedFile:
    classes = experiments_of(module)
    if reference.cls is None:
        run = [cls for cls in classes if _has_run(cls)]
        return LoadedFile(reference, run, [cls for cls in classes if cls not in run])
    x = vars(module).get(reference.cls)
    if _is_experiment(x):
        return LoadedFile(reference, [x])
    there = ", ".join(cls.__name__ for cls in classes if _has_run(cls)) or "none"
    raise CommandError(
        f"there is no experiment {reference.cls} in {reference.file}; it has {there}"
    )


def experiments_of(module: ModuleType) -> list[type[Experiment]]:
    """The public experiments that a module defines, in the order of the file."""
    classes: dict[type[Experiment], None] = {}
    for name, x in vars(module).items():
        is_own = _is_experiment(x) and x.__module__ == module.__name__
        if is_own and not name.startswith("_"):
            classes[x] = None
    return list(classes)


def _has_run(cls: type[Experiment]) -> bool:
    return cls.run is not Experiment.run


def _is_experiment(x: Any) -> TypeGuard[type[Experiment]]:
    return isinstance(x, type) and issubclass(x, Experiment) and x is not Experiment


def _broken(root: Root, reference: ExperimentReference, error: BaseException) -> Broken:
    from superparams.cli.user_errors import users_part

    trace = users_part(error)
    frames = trace.stack
    what = "".join([*trace.format(), *missing_module(root.project, error)]).rstrip()
    broken = Broken(f"{reference.file} cannot be imported\n{what}")
    # A syntax error has no frame of its own, but says where it is.
    origin = error if isinstance(error, SyntaxError) or not frames else frames[-1]
    file = Path(getattr(origin, "filename", None) or reference.file)
    where = file.relative_to(root.project) if file.is_relative_to(root.project) else file
    broken.brief = f"{where}:{getattr(origin, 'lineno', None) or 1}: {_in_short(trace, error)}"
    return broken


def _in_short(trace: traceback.TracebackException, error: BaseException) -> str:
    """``Class: message`` in one line."""
    lines = "".join(trace.format_exception_only()).splitlines()
    kind, colon, message = lines[-1 if isinstance(error, SyntaxError) else 0].partition(": ")
    return kind.rpartition(".")[2] + colon + message
