"""The code of runs on the page: the text of each part, once for all runs that have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from superparams.errors.safe_text import lines
from superparams.store.runs.run_records import Run
from superparams.views.page.private_paths import PrivatePaths

__all__ = ["code_facts"]

MOST_TEXT: Final = 70_000  # characters of all texts
LONGEST: Final = 20_000  # characters of the text of a part


def code_facts(runs: Sequence[Run], paths: PrivatePaths) -> dict[str, Any]:
    """The code of runs, which the page compares.

    Args:
        runs: The runs that the page shows, oldest first. The texts of the newest ones come first,
            until there is no room.
        paths: Hides paths of the machine.

    Returns:
        `parts`, by fingerprint and by name: the index of the text in `texts`, or the digest if
        there is no text.
    """
    places: dict[str, int] = {}
    room = MOST_TEXT
    parts: dict[str, dict[str, int | str]] = {}
    for run in reversed(runs):
        if run.code is None or run.code in parts:
            continue
        parts[run.code] = parts_of_code = {}
        texts = run.texts
        for name, digest in sorted(run.parts.items()):
            text = lines(paths.hidden(texts.get(name, "").rstrip()))[:LONGEST]
            if text and text not in places and len(text) <= room:
                places[text] = len(places)
                room -= len(text)
            parts_of_code[lines(name)] = places.get(text, digest)
    return {"parts": parts, "texts": list(places)}
