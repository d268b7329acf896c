"""Which code a user accepted as equivalent to which.

A change of code makes earlier outcomes stale; it never deletes them. `accept` records that outcomes
of earlier code are valid for later code, and `withdraw` reverses such a decision. The record,
`accepted.jsonl`, has a line of JSON for each decision and only ever grows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from superparams.errors import StoreError
from superparams.store.json_values import json_list, json_object
from superparams.store.plain_files import read_plain
from superparams.store.runs.folder import utc_now

__all__ = [
    "Accepted",
    "accept",
    "accepted_among",
    "accepted_by_code",
    "accepted_for",
    "decisions",
    "equivalent",
    "withdraw",
]

ACCEPTED = "accepted.jsonl"


@dataclass(frozen=True)
class Accepted:
    """A decision of a user: outcomes of the code `old` are valid for the code `new`.

    Attributes:
        old: The fingerprint of earlier code.
        new: The fingerprint of later code.
        time: ISO 8601 in UTC.
        who: The user's name on that machine.
        why: The reason.
        what: The functions, classes and constants in which the two differ.
    """

    old: str
    new: str
    time: str = ""
    who: str = ""
    why: str = ""
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        what = f" ({', '.join(self.what)})" if self.what else ""
        return f"{self.old} accepted for {self.new} on {self.time[:16]} by {self.who}{why}{what}"


def accept(root: Path, old: str, new: str, *, why: str = "", what: Sequence[str] = ()) -> None:
    """Record that outcomes of the code `old` are valid for the code `new`.

    Args:
        root: The folder of the experiment.
        old: The fingerprint of earlier code.
        new: The fingerprint of later code.
        why: The reason.
        what: The names of parts that differ.

    Raises:
        StoreError: When it cannot be written.
    """
    _record(root, {"old": old, "new": new, **_signature(why), "what": list(what)})


def withdraw(root: Path, old: str, new: str, *, why: str = "") -> None:
    """Record that outcomes of `old` are no longer valid for `new`; see `accept`."""
    _record(root, {"old": old, "new": new, "withdrawn": True, **_signature(why)})


def decisions(root: Path) -> list[Accepted]:
    """The decisions that were not withdrawn, oldest first."""
    accepted: dict[tuple[str, str], Accepted] = {}
    for entry in _entries(root):
        pair = (str(entry["old"]), str(entry["new"]))
        accepted.pop(pair, None)
        if not entry.get("withdrawn"):
            texts = {name: str(entry.get(name) or "") for name in ("time", "who", "why")}
            what = tuple(map(str, json_list(entry.get("what"))))
            accepted[pair] = Accepted(*pair, **texts, what=what)
    return list(accepted.values())


def accepted_for(root: Path, code: str) -> list[Accepted]:
    """The decisions that make other code valid for this one, directly or through others."""
    return accepted_among(decisions(root), [code])


def accepted_among(every: Sequence[Accepted], codes: Sequence[str]) -> list[Accepted]:
    """The decisions, among `every`, that make other code valid for one of these codes."""
    codes, accepted = list(codes), list[Accepted]()
    for new in codes:
        for decision in every:
            if decision.new == new and decision not in accepted:
                accepted.append(decision)
                codes += [decision.old] if decision.old not in codes else []
    return accepted


def equivalent(root: Path, code: str) -> list[str]:
    """The code itself, then all code accepted for it, directly or through others."""
    return list(dict.fromkeys([code, *(decision.old for decision in accepted_for(root, code))]))


def accepted_by_code(root: Path, codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The codes that were accepted for each of some codes; codes without any are left out."""
    every = decisions(root)
    by_code: dict[str, tuple[str, ...]] = {}
    for code in codes if every else ():
        if accepted := accepted_among(every, [code]):
            by_code[code] = tuple(dict.fromkeys(decision.old for decision in reversed(accepted)))
    return by_code


def _signature(why: str) -> dict[str, str]:
    return {"time": utc_now(), "who": _user(), "why": why}


def _user() -> str:
    """The user's name from the system, not from an environment variable."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return os.getlogin()
    except OSError:
        return "unknown"


def _record(root: Path, entry: dict[str, Any]) -> None:
    path = root / ACCEPTED
    line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
    try:
        with open(path, "a+b") as file:
            if _has_unfinished_line(file):  # left by a crash
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"cannot record the acceptance in {path}: {error}") from error


def _has_unfinished_line(file: BinaryIO) -> bool:
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _entries(root: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = read_plain(root / ACCEPTED).splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read the accepted codes: {error}") from error
    for line in lines:
        try:
            entry = json_object(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if {"old", "new"} <= entry.keys():
            yield entry
