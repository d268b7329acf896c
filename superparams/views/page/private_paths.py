"""Replaces paths of a machine in texts of a page, since people send pages to others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from superparams.store.json_values import json_object, json_text
from superparams.store.runs.folder import run_folders

__all__ = ["PrivatePaths"]

MOST_RUNS: Final = 50  # the newest runs, whose folders are left out
_PACKAGES: Final = r"(?:site|dist)-packages/"
_INSTALLED: Final = re.compile(
    rf"""(?<![\w.~-])/[^\s"'<>:|]*?/(?:lib/python3\.\d+/(?:{_PACKAGES})?|{_PACKAGES})"""
)
_HOME: Final = re.compile(r"(?<![\w.~-])/(?:home|Users)/[^\s/\"'<>:|]+|(?<![\w.~-])/root(?=/)")
_FILE: Final = re.compile(r'(?<=File ")/(?:[^"\n]*/)?(?=[^"/\n]+")')


class PrivatePaths:
    """Replaces folders of the machine that made some results.

    The folder of the project is left out, so that a path begins in the project. The home folder is
    written as ``~``, and paths of installed packages begin with the package.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        """Take the folders that are left out."""
        stripped = {folder.rstrip("/") for folder in folders}
        longest = sorted((x for x in stripped if x.count("/") > 1), key=len, reverse=True)
        self._folders = [
            re.compile(rf"(?<![\w.~-]){re.escape(x)}(?:/|(?![\w.-]))") for x in longest
        ]
        self._home = str(Path.home())

    @classmethod
    def of(cls, root: Path) -> PrivatePaths:
        """Leave out the folders in which the runs of an experiment were started.

        Args:
            root: The folder of the experiment.
        """
        folders = {str(root.parent.parent), str(root.parent.parent.resolve())}
        for run in run_folders(root)[-MOST_RUNS:]:
            manifest = run.manifest()
            git = json_object(manifest.get("git"))
            named = (manifest.get("project"), manifest.get("cwd"), git.get("root"))
            folders.update(filter(None, map(json_text, named)))
        return cls(folders)

    def hidden(self, text: str) -> str:
        """A text without these folders."""
        if "/" not in text:
            return text
        text = _INSTALLED.sub("", text)
        for pattern in self._folders:
            text = pattern.sub("", text)
        if self._home.count("/") > 1:
            text = text.replace(self._home, "~")
        text = _HOME.sub("~", text.replace(f"{sys.prefix}/", ""))
        return _FILE.sub("…/", text)
