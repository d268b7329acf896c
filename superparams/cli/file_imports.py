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
from superparams.cli.name_lookup import Found, Root, without_run
from superparams.cli.streams import stdout_to_stderr
from superparams.declare.experiment import Experiment
from superparams.errors import CommandError
from superparams.executor.experiment_modules import Package, import_file, package_of

__all__ = ["Broken", "LoadedFile", "load", "load_each"]


class Broken(CommandError):
    """A file cannot be imported. `brief` is the reason in one line, with file and line."""

    brief = ""


@dataclass
class LoadedFile:
    """An experiment file that was imported.

    Attributes:
        found: The file, and the class in it if only one was asked for.
        classes: The experiments in it.
        idle: Its classes that lack only a `run` to be experiments.
        error: Why the file cannot be imported.
    """

    found: Found
    classes: list[type[Experiment]] = field(default_factory=list[type[Experiment]])
    idle: list[type[Experiment]] = field(default_factory=list[type[Experiment]])
    error: Broken | None = None


def load(root: Root, found: Iterable[Found]) -> list[type[Experiment]]:
    """Import files and return their experiments, in the order of the files and of their classes.

    Raises:
        CommandError: When a file cannot be imported, or has no such experiment.
    """
    classes: list[type[Experiment]] = []
    files = list(found)
    idle: list[type[Experiment]] = []
    for one in load_each(root, files):
        if one.error is not None:
            raise one.error
        classes += one.classes
        idle += one.idle
    if not classes:
        names = ", ".join(str(one.file) for one in files)
        why = without_run([cls.__name__ for cls in idle])
        raise CommandError(f"there is no experiment in {names}{why}")
    return classes


def load_each(root: Root, found: Iterable[Found]) -> Iterator[LoadedFile]:
    """Import files one after the other, also after one that cannot be imported.

    Raises:
        CommandError: When a file does not have the class that was asked for.
    """
    package = package_of(root.folder)
    _extend_path(root)
    for one in found:
        imported = _imported(root, package, one)
        if isinstance(imported, Broken):
            yield LoadedFile(one, error=imported)
        else:
            yield _wanted(imported, one)


def _imported(root: Root, package: Package, found: Found) -> ModuleType | Broken:
    """The module of a file. All errors are of its author, except for a real Ctrl-C."""
    with _noted_interrupts() as interrupts:
        try:
            with stdout_to_stderr():
                return import_file(package, found.name)
        except BaseException as error:
            if interrupts:
                raise KeyboardInterrupt from None
            return _broken(root, found, error)


@contextlib.contextmanager
def _noted_interrupts() -> Generator[list[int]]:
    """Collects interrupts from outside; a file may also raise KeyboardInterrupt itself."""
    seen: list[int] = []

    def note(number: int, _: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    usual = signal.default_int_handler
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not usual:
        yield seen
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, usual)


def _extend_path(root: Root) -> None:
    """Let experiments import the modules beside them.

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
    """The folder from which modules in `folder` are imported: above all packages around it."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _wanted(module: ModuleType, found: Found) -> LoadedFile:
    known = experiments_of(module)
    if found.cls is None:
        run = [cls for cls in known if _has_run(cls)]
        return LoadedFile(found, run, [cls for cls in known if cls not in run])
    x = vars(module).get(found.cls)
    if _is_experiment(x):
        return LoadedFile(found, [x])
    there = ", ".join(cls.__name__ for cls in known if _has_run(cls)) or "none"
    raise CommandError(f"there is no experiment {found.cls} in {found.file}; it has {there}")


def experiments_of(module: ModuleType) -> list[type[Experiment]]:
    """The public experiments that a module defines, in the order of the file."""
    found: dict[type[Experiment], None] = {}
    for name, x in vars(module).items():
        is_own = _is_experiment(x) and x.__module__ == module.__name__
        if is_own and not name.startswith("_"):
            found[x] = None
    return list(found)


def _has_run(cls: type[Experiment]) -> bool:
    return cls.run is not Experiment.run


def _is_experiment(x: Any) -> TypeGuard[type[Experiment]]:
    return isinstance(x, type) and issubclass(x, Experiment) and x is not Experiment


def _broken(root: Root, found: Found, error: BaseException) -> Broken:
    from superparams.cli.user_errors import users_part

    shown = users_part(error)
    frames = shown.stack
    what = "".join([*shown.format(), *missing_module(root.project, error)]).rstrip()
    broken = Broken(f"{found.file} cannot be imported\n{what}")
    # A syntax error has no frame of its own, but says where it is.
    origin = error if isinstance(error, SyntaxError) or not frames else frames[-1]
    file = Path(getattr(origin, "filename", None) or found.file)
    where = file.relative_to(root.project) if file.is_relative_to(root.project) else file
    broken.brief = f"{where}:{getattr(origin, 'lineno', None) or 1}: {_in_short(shown, error)}"
    return broken


def _in_short(shown: traceback.TracebackException, error: BaseException) -> str:
    """``Class: message`` in one line."""
    lines = "".join(shown.format_exception_only()).splitlines()
    kind, colon, message = lines[-1 if isinstance(error, SyntaxError) else 0].partition(": ")
    return kind.rpartition(".")[2] + colon + message
