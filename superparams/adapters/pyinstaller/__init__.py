"""Tells PyInstaller what an application needs of superparams.

PyInstaller finds this folder by the entry point ``pyinstaller40``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """The folders that hold hooks of PyInstaller."""
    return [str(Path(__file__).parent)]
