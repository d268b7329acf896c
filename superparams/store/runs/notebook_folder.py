"""The folder for the results of a class in a notebook.

In every notebook, the module is called ``__main__``, so classes ``Fit`` of two notebooks have the
same name. Each gets a folder of its own: ``fit.ipynb.Fit`` if the name of the notebook is known.
Otherwise ``__main__.Fit`` belongs to the notebook that created it, and the next notebook uses
``__main__.Fit~2``.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final, NamedTuple

from superparams.identity.code.main_script import in_notebook, notebook_name
from superparams.store.runs.folder import (
    experiment_folder,
    has_records,
    run_folders,
    this_process,
)
from superparams.store.staleness.acceptances import equivalent

__all__ = ["Home", "home_of"]

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
    # Results that were made before the name was known stay where they are.
    return Home(usual if not own.is_dir() and _is_of_code(usual, code) else own)


def _folder_without_name(usual: Path, code: str) -> Home:
    """The folder of this notebook if its name is not known."""
    numbered = (usual.with_name(f"{usual.name}~{n}") for n in itertools.count(2))
    known = itertools.chain([usual], numbered)
    taken = list(itertools.takewhile(has_records, known))
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
