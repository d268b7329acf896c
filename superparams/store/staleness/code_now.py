"""The present code of an experiment, read from its text without importing code of the user.

If the fingerprint does not follow from the text alone, the files are compared with the copies that
a run kept. If all of them are equal, the code is that of the run. Otherwise it is not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from superparams.identity.code.fingerprint import Code
from superparams.identity.code.roots import project_root
from superparams.identity.code.setting_reach import Alternative
from superparams.identity.code.text_fingerprint import TextCode, code_of_text
from superparams.store.json_values import json_list, json_object, json_text
from superparams.store.plain_files import is_plain, read_plain
from superparams.store.provenance.kept_code import LIBRARIES, PARTS, PROJECT, files_below
from superparams.store.runs.folder import run_folders
from superparams.store.runs.recorded_codes import ALTERNATIVES
from superparams.store.runs.recorded_space import FROM_TEXT
from superparams.store.runs.run_records import Run

__all__ = ["CodeNow", "code_now"]

MOST_RUNS: Final = 20  # the newest runs, whose files are compared
MOST_FILES: Final = 2000  # of a run
LARGEST: Final = 64 << 20  # bytes of a file


@dataclass(frozen=True)
class CodeNow:
    """The present code.

    Attributes:
        code: The code; None if it is not known.
        why: Why it is not known, as a sentence without a full stop; empty if it is known.
    """

    code: Code | None
    why: str = ""


def code_now(root: Path, file: Path, qualname: str) -> CodeNow:
    """The present code of a class.

    Args:
        root: The folder of the experiment's results.
        file: The file of the class.
        qualname: The class.
    """
    text = code_of_text(file, qualname)
    if text.code is None and not text.is_decided_by_files:
        return CodeNow(None, text.why)
    runs = [Run.of(folder) for folder in reversed(run_folders(root)[-MOST_RUNS:])]
    if text.code is not None and _is_trusted(text.code, runs):
        return CodeNow(text.code)
    run = next((run for run in runs if run.code and _has_same_files(run, file)), None)
    if run is not None and run.code is not None:
        return CodeNow(_code_of(run, run.code))
    return CodeNow(None, _why_unknown(text, file))


def _code_of(run: Run, digest: str) -> Code:
    """The code that a run recorded."""
    parts = run.group(ALTERNATIVES).items()
    names = {name: frozenset(map(str, json_list(x))) for name, x in parts}
    alternatives = {name: Alternative(Path(), x) for name, x in names.items()}
    return Code(digest, run.parts, run.texts, alternatives=alternatives)


def _why_unknown(text: TextCode, file: Path) -> str:
    reason = text.why or f"the text of {file.name} alone did not tell the code of the last run"
    return f"{reason}, and files have changed since the last run"


def _is_trusted(code: Code, runs: list[Run]) -> bool:
    """Whether the code from the text agrees with the last run that recorded such a code, if any."""
    if any(run.code == code.digest for run in runs):
        return True
    for run in runs:
        if FROM_TEXT in run.manifest:
            return json_text(json_object(run.manifest[FROM_TEXT]).get("code")) == run.code
    return True


# ---- the files of a run


def _has_same_files(run: Run, file: Path) -> bool:
    """Whether all files of which a run kept a copy are equal to the copy."""
    project = project_root(file.resolve()).resolve()
    pairs: list[tuple[Path, Path]] = []
    if not is_plain(run.folder.source / PARTS):  # it is written last
        return False
    for tree, place in _trees(run, project):
        if place is None:
            return False
        for path in files_below(tree):
            pairs.append((path, place / path.relative_to(tree)))
            if len(pairs) > MOST_FILES:
                return False
    is_of_file = any(now == file.resolve() for _, now in pairs)
    return is_of_file and all(_is_same(then, now) for then, now in pairs)


def _trees(run: Run, project: Path) -> Iterator[tuple[Path, Path | None]]:
    """The folders of copies that a run kept, each with the folder of the files, if it is known."""
    yield run.folder.source / PROJECT, project
    around = (project, *project.parents)
    top = next((folder for folder in around if (folder / ".git").exists()), None)
    places = run.group(LIBRARIES)
    try:
        labels = sorted(os.listdir(run.folder.source / LIBRARIES))
    except OSError:
        return
    for label in labels:
        place = json_text(places.get(label))
        is_inside = place is not None and ".." not in Path(place).parts
        folder = top / place if top is not None and place is not None and is_inside else None
        yield run.folder.source / LIBRARIES / label, folder


def _is_same(then: Path, now: Path) -> bool:
    try:
        return read_plain(then, LARGEST) == read_plain(now, LARGEST)
    except OSError:
        return False
