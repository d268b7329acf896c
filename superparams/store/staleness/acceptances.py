"""Which code a user took as equivalent to which.

A change of code makes earlier outcomes stale; it never deletes them. `accept` records that what
earlier code made stands for what later code would make, and `withdraw` takes that back. The record,
`accepted.jsonl`, has a line of JSON for each decision and only ever grows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superparams.errors import StoreError
from superparams.store.plain_files import read_plain
from superparams.store.runs.folder import utc_now

_FILE = "accepted.jsonl"


@dataclass(frozen=True)
class Accepted:
    """A decision of a user: outcomes by the code `old` stand for those by the code `new`.

    old, new: fingerprints of code; time: ISO 8601 in UTC; who: the user's name on that machine;
    why: what they said; what: the functions, classes and constants in which the two differ.
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
    """Record that outcomes by the code `old` stand for those by `new`; both are fingerprints.

    root: the folder of the experiment; what: names of what differs. Raises StoreError when it
    cannot be written.
    """
    _record(root, {"old": old, "new": new, **_decided(why), "what": list(what)})


def withdraw(root: Path, old: str, new: str, *, why: str = "") -> None:
    """Record that outcomes by `old` do not stand for those by `new` any more; see `accept`."""
    _record(root, {"old": old, "new": new, "withdrawn": True, **_decided(why)})


def decisions(root: Path) -> list[Accepted]:
    """What is accepted and was not withdrawn since, oldest first."""
    found: dict[tuple[str, str], Accepted] = {}
    for made in _lines(root):
        pair = (str(made["old"]), str(made["new"]))
        found.pop(pair, None)
        if not made.get("withdrawn"):
            told = {name: str(made.get(name) or "") for name in ("time", "who", "why")}
            what = made.get("what")
            names = map(str, what) if isinstance(what, list) else ()  # pyright: ignore
            found[pair] = Accepted(*pair, **told, what=tuple(names))
    return list(found.values())


def accepted_for(root: Path, code: str) -> list[Accepted]:
    """The decisions by which other code stands for this one, directly or through others."""
    made = decisions(root)
    codes, found = [code], list[Accepted]()
    for new in codes:
        for one in made:
            if one.new == new and one not in found:
                found.append(one)
                codes += [one.old] if one.old not in codes else []
    return found


def equivalent(root: Path, code: str) -> list[str]:
    """The code itself, then all code accepted for it, directly or through others."""
    return list(dict.fromkeys([code, *(one.old for one in accepted_for(root, code))]))


def _decided(why: str) -> dict[str, str]:
    return {"time": utc_now(), "who": _user(), "why": why}


def _user() -> str:
    """The user's name as the system knows it, not as an environment variable says."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return os.getlogin()
    except OSError:
        return "unknown"


def _record(root: Path, made: dict[str, Any]) -> None:
    path = root / _FILE
    line = json.dumps(made, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
    try:
        with open(path, "a+b") as file:
            if _is_cut_off(file):  # by a crash: what it left is no part of this line
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"cannot record in {path} what is accepted: {error}") from error


def _is_cut_off(file: Any) -> bool:
    size: int = file.seek(0, os.SEEK_END)
    if not size:
        return False
    file.seek(size - 1)
    return bool(file.read(1) != b"\n")


def _lines(root: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = read_plain(root / _FILE).splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read what is accepted: {error}") from error
    for line in lines:
        try:
            made = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(made, dict) and {"old", "new"} <= made.keys():  # pyright: ignore
            yield made  # pyright: ignore
