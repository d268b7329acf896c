"""The files that docs/inside.md names are there, so that who follows the page finds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from source import PACKAGE, ROOT

PAGE = ROOT / "docs" / "inside.md"
FILE = re.compile(r"`([\w/.-]+\.(?:py|ts|html|toml))`")
FOLDERS = (PACKAGE, ROOT / "web", ROOT / "tests")


def not_there(text: str, files: Iterable[PurePosixPath]) -> list[str]:
    """The named files that are none of these; a name may leave out the first folders."""
    tails = {"/".join(file.parts[n:]) for file in files for n in range(len(file.parts))}
    return [name for name in FILE.findall(text) if name not in tails]


def test_the_files_that_the_page_names_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = [
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for folder in FOLDERS
        for kind in ("py", "ts", "html")
        for path in folder.rglob(f"*.{kind}")
        if "node_modules" not in path.parts
    ]
    assert len(FILE.findall(text)) > 80
    assert not_there(text, [*files, PurePosixPath("pyproject.toml")]) == []


def test_a_file_that_was_moved_is_found() -> None:
    text = "`run/plan.py`, `plan.py` beside it, `store/plan.py` and `an.py`"
    assert not_there(text, [PurePosixPath("superparams/run/plan.py")]) == [
        "store/plan.py",
        "an.py",
    ]
