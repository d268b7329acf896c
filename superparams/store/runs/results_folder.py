"""The folder of results that a user names, and the folders of experiments in it.

In every notebook, the module is called ``__main__``, so classes ``Fit`` of two notebooks have the
same name. Each gets a folder of its own: ``fit.ipynb.Fit`` if the name of the notebook is known.
Otherwise ``__main__.Fit`` belongs to the notebook that created it, and the next notebook uses
``__main__.Fit~2``. So does a notebook of another folder that is called ``fit.ipynb`` as well, if
both keep results in one folder: it uses ``fit.ipynb.Fit~2``.

Scripts and modules of one name share a folder. A run says so if the last one was of another file.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.identity.code.main_script import in_notebook, notebook_file, notebook_name
from superparams.store.runs.driver_process import this_process
from superparams.store.runs.folder import (
    RunFolder,
    experiment_folder,
    has_records,
    run_folders,
)
from superparams.store.staleness.acceptances import equivalent

__all__ = [
    "FILE",
    "Home",
    "full_path",
    "home_of",
    "no_results",
    "note_of_other_file",
    "relative_file",
    "results_folder",
    "short_path",
]

FILE: Final = "file"  # in the manifest of a run: where the experiment's file is
_MAIN: Final = "__main__."
_NEWEST: Final = 50  # only so many runs are checked, the newest ones


# ---- paths


def results_folder(results: Path | str, *, remedy: str = "the folder to keep results in") -> Path:
    """The absolute path of a folder of results, whether it exists or not.

    Args:
        results: A path. It may begin with ``~``, and may be relative to the working directory.
        remedy: What to give instead of the path of a file, for the error.

    Raises:
        StoreError: When `results` is no path, when a part of it is a file or is too long, or when
            it is relative and the working directory was deleted.
    """
    folder = full_path(results)
    for part in (folder, *folder.parents):
        mode = _mode(results, part)
        if mode is not None:
            if not stat.S_ISDIR(mode):
                raise _refused(results, f"{short_path(part)} is a file; give {remedy}")
            return folder
    return folder


def full_path(path: Path | str) -> Path:
    """The absolute path, with ``~`` expanded. Whether it exists is not checked.

    Raises:
        StoreError: When `path` is no path, or is relative and the working directory was deleted.
    """
    expanded = _expanded(path)
    if expanded.is_absolute():
        return expanded
    try:
        return Path.cwd() / expanded
    except OSError:
        raise _refused(
            path, "the working directory was deleted; change to another, or give a full path"
        ) from None


def _expanded(results: Path | str) -> Path:
    try:
        path = Path(results)
    except TypeError:
        raise _refused(results, "give the path of a folder") from None
    if "\0" in str(path):
        raise _refused(results, "a path cannot hold a NUL character")
    if results == "" or not str(path).strip():
        raise _refused(results, 'give the path of a folder, such as "results"')
    _refuse_variable(path)
    try:
        return path.expanduser()
    except RuntimeError:
        name = path.parts[0]
        remedy = f"write ./{name} for a folder of that name"
        raise _refused(results, f"there is no user {name[1:]!r}; {remedy}") from None


def _refuse_variable(path: Path) -> None:
    """Refuse ``$HOME/results``, unless there is a folder of this very name."""
    for part in (path, *path.parents):
        if re.fullmatch(r"\$(\w+|\{\w+\})", part.name) and not os.path.lexists(part):
            raise _refused(
                path,
                f"the variable {part.name} is not expanded; give os.path.expandvars({str(path)!r})",
            )


def _mode(results: Path | str, part: Path) -> int | None:
    """The file mode of `part`; None if it does not exist."""
    try:
        return part.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if part.is_symlink():
            raise _refused(
                results, f"{short_path(part)} is a link to a folder that does not exist"
            ) from None
        return None
    except PermissionError as error:
        raise _refused(
            results, f"{short_path(part)} cannot be accessed ({error.strerror})"
        ) from None
    except OSError as error:  # a name of 300 characters, a circle of links
        raise _refused(results, f"{error.strerror}; give a shorter or another path") from None


def short_path(path: Path) -> Path:
    """A path for messages: relative to the working directory if it is below that."""
    with contextlib.suppress(OSError):
        here = Path.cwd()
        return path.relative_to(here) if path.is_relative_to(here) else path
    return path


def _refused(results: object, why: str) -> StoreError:
    shown = repr(str(results) if isinstance(results, Path) else results)
    if len(shown) > 100:
        shown = f"{shown[:60]}…{shown[-20:]}"
    return StoreError(f"results={shown}: {why}")


# ---- the folder of an experiment


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
        return Home(usual)  # results from before the name was known stay in their folder
    file = notebook_file()
    return Home(own) if file is None else _folder_of_file(own, file, code)


def _used_folders(usual: Path) -> list[Path]:
    """The folders of one name that have results."""
    numbered = (usual.with_name(f"{usual.name}~{n}") for n in itertools.count(2))
    return list(itertools.takewhile(has_records, itertools.chain([usual], numbered)))


def _folder_of_file(usual: Path, file: Path, code: str) -> Home:
    """The folder of a notebook, whose name notebooks in other folders may have too."""
    folders = _used_folders(usual)
    files = {folder: _files_of(folder) for folder in folders}
    own = [folder for folder in folders if file in files[folder]]
    # A notebook that was moved or copied finds its results, too.
    own += [x for x in folders if not any(map(_is_file, files[x])) or _is_of_code(x, code)]
    if own or not folders:
        return Home(own[0] if own else usual)
    free = usual.with_name(f"{usual.name}~{len(folders) + 1}")
    other = line(short_path(next(filter(_is_file, files[usual]))))
    return Home(
        free,
        f"{usual.name} has results of another notebook of this name, {other}; results of this "
        f"notebook are kept in {free.name}",
    )


def note_of_other_file(folder: Path, file: Path | None, code: str) -> list[str]:
    """A note if the last run in a folder came from another script or module of the same name.

    Args:
        folder: The folder of the experiment.
        file: The file of the experiment, if it has one.
        code: The fingerprint of its code.
    """
    last = run_folders(folder)[-1:]
    if file is None or not last or last[0].code() in equivalent(folder, code):
        return []
    other = _file_of(last[0])
    if other is None or not _is_file(other) or other == file.resolve():
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


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False


def _folder_without_name(usual: Path, code: str) -> Home:
    """The folder of this notebook if its name is not known."""
    folders = _used_folders(usual)
    own = [*filter(_is_of_this_process, folders), *(x for x in folders if _is_of_code(x, code))]
    if own or not folders:
        return Home(own[0] if own else usual)
    free = usual.with_name(f"{usual.name}~{len(folders) + 1}")
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


def no_results(root: Path) -> str:
    """The message for a folder of an experiment without results."""
    inside, beside = map(_experiments, (root, root.parent))
    shown = short_path(root)
    if inside:
        return f"{shown} holds experiments ({inside}): give the folder of one of them"
    near = f"; {shown.parent} has those of {beside}" if beside else ""
    return f"there are no results in {shown}: run the experiment first{near}"


def _experiments(folder: Path) -> str:
    """The names of the experiments in a results folder, of many the first ones."""
    names = sorted(path.parent.name for path in folder.glob("*/runs"))
    return ", ".join([*names[:5], *(["…"] if len(names) > 5 else [])])
