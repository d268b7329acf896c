"""The folder for the results of a class in a notebook.

In every notebook, the module is called ``__main__``, so classes ``Fit`` of two notebooks have the
same name. Each gets a folder of its own: ``fit.ipynb.Fit`` if the name of the notebook is known.
Otherwise ``__main__.Fit`` belongs to the notebook that created it, and the next notebook uses
``__main__.Fit~2``. So does a notebook of another folder that is called ``fit.ipynb`` as well, if
both keep results in one folder: it uses ``fit.ipynb.Fit~2``.

Scripts and modules of one name share a folder. A run says so if the last one was of another file.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Final, NamedTuple

from superparams.errors.safe_text import line
from superparams.identity.code.main_script import in_notebook, notebook_file, notebook_name
from superparams.store.runs.folder import (
    RunFolder,
    experiment_folder,
    has_records,
    run_folders,
    this_process,
)
from superparams.store.runs.results_path import short_path
from superparams.store.staleness.acceptances import equivalent

__all__ = ["FILE", "Home", "home_of", "note_of_other_file", "relative_file"]

FILE: Final = "file"  # in the manifest of a run: where the experiment's file is
_MAIN: Final = "__main__."
_NEWEST: Final = 50  # only so many runs are checked, the newest ones


class Home(NamedTuple):
    """The folder of an experiment, and a note for the user about it, if any."""

    folder: Path
    note: str | None = None


def home_of(results: Path, name: str, code: str) -> Home:
    """The folder in which the results of an experiment are kept.

    Args:
        results: The folder of all results.
        name: ``module.Class``.
        code: The fingerprint of the code of the class.
    """
    usual = experiment_folder(results, name)
    if not name.startswith(_MAIN) or not in_notebook():
        return Home(usual)
    notebook = notebook_name()
    if notebook is None:
        return _folder_without_name(usual, code)
    own = experiment_folder(results, f"{notebook}.{name[len(_MAIN) :]}")
    if not own.is_dir() and _is_of_code(usual, code):
        return Home(usual)  # results that were made before the name was known stay where they are
    file = notebook_file()
    return Home(own) if file is None else _folder_of_file(own, file, code)


def _taken(usual: Path) -> list[Path]:
    """The folders of one name that have results."""
    numbered = (usual.with_name(f"{usual.name}~{n}") for n in itertools.count(2))
    return list(itertools.takewhile(has_records, itertools.chain([usual], numbered)))


def _folder_of_file(usual: Path, file: Path, code: str) -> Home:
    """The folder of a notebook, whose name notebooks in other folders may have too."""
    taken = _taken(usual)
    files = {folder: _files_of(folder) for folder in taken}
    own = [folder for folder in taken if file in files[folder]]
    # A notebook that was moved or copied finds its results, too.
    own += [x for x in taken if not any(map(_is_there, files[x])) or _is_of_code(x, code)]
    if own or not taken:
        return Home(own[0] if own else usual)
    free = usual.with_name(f"{usual.name}~{len(taken) + 1}")
    other = line(short_path(next(filter(_is_there, files[usual]))))
    return Home(
        free,
        f"{usual.name} has results of another notebook of this name, {other}; results of this "
        f"notebook are kept in {free.name}",
    )


def note_of_other_file(folder: Path, file: Path | None, code: str) -> list[str]:
    """A note if the last run in a folder was of another script or module of the same name.

    Args:
        folder: The folder of the experiment.
        file: The file of the experiment, if it has one.
        code: The fingerprint of its code.
    """
    last = run_folders(folder)[-1:]
    if file is None or not last or last[0].code() in equivalent(folder, code):
        return []
    other = _file_of(last[0])
    if other is None or not _is_there(other) or other == file.resolve():
        return []
    return [
        f"the last run in {folder.name} was of another file, {line(short_path(other))}. In this "
        "folder, the settings of one file replace those of the other: give one of them a folder "
        "of its own with results="
    ]


def relative_file(file: Path, results: Path) -> str:
    """How a run records where a file is, so that a project can be moved with its results."""
    try:
        return Path(os.path.relpath(file.resolve(), results.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return file.resolve().as_posix()


def _files_of(folder: Path) -> list[Path]:
    """The files of the newest runs in a folder, as far as they are recorded; the newest first."""
    files = map(_file_of, reversed(run_folders(folder)[-_NEWEST:]))
    return list(dict.fromkeys(file for file in files if file is not None))


def _file_of(run: RunFolder) -> Path | None:
    recorded = run.manifest().get(FILE)
    if not isinstance(recorded, str):
        return None
    results = run.path.parents[2].resolve()
    return Path(os.path.normpath(results / recorded))


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False


def _folder_without_name(usual: Path, code: str) -> Home:
    """The folder of this notebook if its name is not known."""
    taken = _taken(usual)
    own = [*filter(_is_of_this_process, taken), *(one for one in taken if _is_of_code(one, code))]
    if own or not taken:
        return Home(own[0] if own else usual)
    free = usual.with_name(f"{usual.name}~{len(taken) + 1}")
    return Home(
        free,
        f"the name of this notebook is not known, and {usual.name} has results of other code, "
        f"perhaps of another notebook; results of this notebook are kept in {free.name}",
    )


def _is_of_this_process(folder: Path) -> bool:
    """Whether the folder has a run of this process, whose cells may have been edited since."""
    here = this_process()
    return any(run.manifest().get("process") == here for run in run_folders(folder)[-_NEWEST:])


def _is_of_code(folder: Path, code: str) -> bool:
    """Whether the folder has a run of this code, or of code that was accepted for it."""
    codes = equivalent(folder, code)
    return any(run.code() in codes for run in run_folders(folder)[-_NEWEST:])
