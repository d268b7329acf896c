"""Which folders contain the user's own code: the project and the user's libraries beside it.

Such a library is installed with ``pip install -e``, named in a ``.pth`` file or `PYTHONPATH`, or a
neighbour in the same repository. Only the location of its files counts, not how Python finds them.
"""

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from superparams.identity.code.roots import is_installed

__all__ = ["import_root", "is_own_folder"]

_OURS = Path(__file__).resolve().parents[2]
# A folder with one of these is an environment.
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


def is_own_folder(folder: Path, root: Path) -> bool:
    """Whether the files in `folder` are the user's own; `root` is the folder of the project."""
    if folder.is_relative_to(_OURS) or _is_standard(folder):
        return False
    # A folder above the project does not count: the project itself may be in an environment.
    inner = [step for step in (folder, *folder.parents) if not root.is_relative_to(step)]
    if any(_is_environment(step) for step in inner):
        return False
    if folder.is_relative_to(root):
        return not is_installed(folder.relative_to(root))
    return not (is_installed(folder) or any(map(_is_target, inner)))


@functools.lru_cache(maxsize=4096)
def _is_environment(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _ENVIRONMENT)


@functools.lru_cache(maxsize=4096)
def _is_target(folder: Path) -> bool:
    """Whether packages were installed into a folder, as by ``pip install --target``."""
    return next(folder.glob("*.dist-info/RECORD"), None) is not None


@functools.cache
def _is_standard(folder: Path) -> bool:
    paths = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return any(folder.is_relative_to(path) for path in paths)


def import_root(file: Path, on_path: Iterable[Path]) -> Path:
    """The folder from which the module at `file` is imported, given the entries of `sys.path`."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    around = [entry for entry in on_path if folder.is_relative_to(entry)]
    # There may be packages without an `__init__.py` between the entry and the folder.
    return max(around, key=lambda entry: len(entry.parts), default=folder)
