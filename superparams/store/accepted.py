"""Which code a user took as equivalent to which, and what changed between two.

A change of code makes earlier outcomes stale; it never deletes them. `accept` records that what
earlier code made stands for what later code would make; the record, `accepted.jsonl`, only ever
grows.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from superparams.errors import StoreError
from superparams.store.folder import RunFolder, utc_now
from superparams.store.provenance import PARTS

_FILE = "accepted.jsonl"


def accept(root: Path, old: str, new: str) -> None:
    """Record that outcomes by the code `old` stand for those by `new`; both are fingerprints."""
    path = root / _FILE
    line = json.dumps({"old": old, "new": new, "time": utc_now()}) + "\n"
    try:
        # What a crash may have cut off ends at the newline before.
        with open(path, "ab") as file:
            file.write(b"\n" + line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"cannot record in {path} that {old} is accepted: {error}") from error


def decisions(root: Path) -> Iterator[dict[str, Any]]:
    """All that was accepted, oldest first: old, new and time of each."""
    try:
        lines = (root / _FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            made = json.loads(line)
        except ValueError:
            continue
        if isinstance(made, dict) and {"old", "new"} <= made.keys():  # pyright: ignore
            yield made  # pyright: ignore


def equivalent(root: Path, code: str) -> list[str]:
    """The code itself, then all code accepted for it, directly or through others."""
    pairs = [(one["old"], one["new"]) for one in decisions(root)]
    found = [code]
    for new in found:
        found += [old for old, at in pairs if at == new and old not in found]
    return found


class Change(NamedTuple):
    """One part of the code that differs."""

    name: str  # module.qualname
    how: Literal["changed", "added", "removed"]
    diff: str  # a unified diff, empty when the text was not kept


def changes(run: RunFolder, parts: Mapping[str, str], source: Mapping[str, str]) -> list[Change]:
    """What differs between the code of a run and the code now.

    parts: the digest of each function, class and constant by its full name; source: their text.
    """
    before: dict[str, str] = run.manifest().get("parts") or {}
    try:
        texts: dict[str, str] = json.loads((run.source / PARTS).read_bytes())
    except (OSError, ValueError):
        texts = {}
    names = sorted(
        name for name in before.keys() | parts.keys() if before.get(name) != parts.get(name)
    )
    return [
        _change(name, before, parts, texts.get(name, ""), source.get(name, "")) for name in names
    ]


def _change(
    name: str, before: Mapping[str, str], after: Mapping[str, str], old: str, new: str
) -> Change:
    how: Literal["changed", "added", "removed"] = "changed"
    if name not in before or name not in after:
        how = "added" if name not in before else "removed"
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (then)", f"{name} (now)", lineterm=""
    )
    return Change(name, how, "\n".join(lines))
