"""The runs of an experiment, as their folders tell of them, and how one is called.

What stands in a `run.json` is taken for what it should be only where it is that: a results folder
may come from elsewhere.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from superparams.errors import StoreError
from superparams.errors.units import duration
from superparams.outcomes.batches import counts
from superparams.store.ledger.reader import ledger_files, read
from superparams.store.plain_files import read_plain
from superparams.store.provenance.git_commits import COMMIT
from superparams.store.provenance.record import PARTS
from superparams.store.runs.folder import RunFolder, State, is_here, run_folders, safe_name
from superparams.store.table.newest_outcomes import STATUSES

__all__ = ["Run", "find_run", "folder_named", "kept_folder", "run_named", "runs", "unseen"]

MOST_PARTS = 64 << 20  # bytes of the texts of a code
_LAST = re.compile(r"last(?:~(\d{1,6}))?")


@dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes:
        folder: its folder.
        manifest: what run.json says; empty when that is damaged.
        state: how it ended, or ``"running"``.
    """

    folder: RunFolder
    manifest: Mapping[str, Any]
    state: State

    @classmethod
    def of(cls, folder: RunFolder) -> Run:
        """The run in a folder, which may be gone."""
        return cls(folder, folder.manifest(), folder.state())

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def is_there(self) -> bool:
        """Whether its folder has not been removed."""
        return self.folder.path.is_dir()

    @property
    def start(self) -> dt.datetime | None:
        """When it began, in UTC; None when that is not known."""
        return _time(self.manifest.get("start"))

    @property
    def end(self) -> dt.datetime | None:
        """When it ended; None while it runs, and when it crashed."""
        return None if self.state == "running" else _time(self.manifest.get("end"))

    @cached_property
    def seconds(self) -> float | None:
        """How long it took, or has been running; of a crashed run until it last recorded."""
        end = self.end
        if end is None:
            now = dt.datetime.now(dt.timezone.utc)
            end = now if self.state == "running" else _last_record(self.folder)
        return None if end is None or self.start is None else _between(self.start, end)

    @property
    def unseen(self) -> str | None:
        """What to say of a run on another host, which may go on or not; None for all others."""
        return unseen(self.folder) if self.state == "running" else None

    @property
    def engine(self) -> str | None:
        """The name of the engine."""
        return self.text("engine")

    @property
    def num_proc(self) -> int | None:
        """How many workers it had."""
        return self.number("num_proc")

    @property
    def todo(self) -> int | None:
        """How many settings it had to run."""
        return self.number("todo")

    @property
    def code(self) -> str | None:
        """The fingerprint of the code that it ran."""
        return self.text("code")

    @property
    def host(self) -> str | None:
        """The machine that the driver was on."""
        return self.text("host") or _text(self.process.get("host"))

    @property
    def pid(self) -> int | None:
        """The process that drove it."""
        found = self.process.get("pid")
        return found if isinstance(found, int) else None

    @property
    def process(self) -> Mapping[str, Any]:
        """What tells the process that drove it from others."""
        return self.group("process")

    @property
    def git(self) -> Mapping[str, Any]:
        """commit, branch, is_dirty and more of the user's repository; empty outside of one."""
        return self.group("git")

    @property
    def commit(self) -> str | None:
        """The commit of the user's repository."""
        found = _text(self.git.get("commit"))
        return found if found and COMMIT.fullmatch(found) else None

    @property
    def is_dirty(self) -> bool:
        """Whether there were changes that were not committed."""
        return self.git.get("is_dirty") is True

    @property
    def versions(self) -> dict[str, str]:
        """The packages that were imported, and their versions."""
        return _texts(self.group("versions"))

    @property
    def parts(self) -> dict[str, str]:
        """The digest of each part of the code, by its name."""
        return _texts(self.group("parts"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of each part of the code, by its name; empty where it was not kept."""
        try:
            found: object = json.loads(read_plain(self.folder.source / PARTS, MOST_PARTS))
        except (OSError, ValueError, RecursionError, MemoryError):
            return {}
        return _texts(cast("dict[str, Any]", found)) if isinstance(found, dict) else {}

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many outcomes of each status it recorded.

        Its ledger is read where the manifest does not tell yet.
        """
        told = self.group("counts")
        if self.state in ("finished", "interrupted") and told:
            return {name: n for name in STATUSES if isinstance(n := told.get(name), int) and n}
        found: dict[str, int] = dict.fromkeys(STATUSES, 0)
        for batch in read(self.folder.ledger, growing=self.state == "running"):
            for name, count in counts(batch).items():
                found[name] = found.get(name, 0) + count
        return {name: count for name, count in found.items() if count}

    def text(self, name: str) -> str | None:
        """A text of the manifest; None where there is none."""
        return _text(self.manifest.get(name))

    def number(self, name: str) -> int | None:
        """A whole number of the manifest; None where there is none."""
        found = self.manifest.get(name)
        return found if isinstance(found, int) else None

    def group(self, name: str) -> Mapping[str, Any]:
        """A mapping in the manifest; empty where there is none."""
        found = self.manifest.get(name)
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def runs(root: Path) -> list[Run]:
    """The runs in an experiment's folder, oldest first; none when nothing is recorded there."""
    return list(map(Run.of, run_folders(root)))


def find_run(root: Path, called: str) -> Run:
    """The run that is called so.

    called: its name, the beginning of it that no other has, the six digits at its end, or ``last``,
    ``last~1`` for the one before, and so on.

    Raises:
        StoreError: When there is no such run, or more than one.
    """
    found = run_folders(root)
    if not found:
        raise StoreError(f"there are no runs in {root}: run the experiment first")
    back = _LAST.fullmatch(called)
    if back:
        place = int(back.group(1) or 0)
        if place >= len(found):
            there = "is only 1 run" if len(found) == 1 else f"are only {len(found)} runs"
            raise StoreError(f"{called}: there {there} in {root}")
        picked = [found[-1 - place]]
    else:
        picked = [one for one in found if _is_called(one.name, called)]
    if len(picked) != 1:
        several = f"{len(picked)} runs are" if picked else "no run is"
        newest = ", ".join(one.name for one in (picked or found)[-3:])
        raise StoreError(
            f"{several} called {called!r} in {root}: give more of a name (…, {newest}), "
            "its last six digits, or last, last~1, …"
        )
    return Run.of(picked[0])


def run_named(root: Path, name: str) -> Run:
    """The run with a folder of that name; see `folder_named`."""
    return Run.of(folder_named(root, name))


def folder_named(root: Path, name: str) -> RunFolder:
    """The folder of that name of a run, which may be gone; it is not looked into.

    Raises:
        StoreError: For what is no name of a run, and might lead out of the folder.
    """
    if name != safe_name(name):
        raise StoreError(f"{root}: {name!r} is not the name of a run")
    return RunFolder(root / "runs" / name)


def kept_folder(root: Path, name: str) -> RunFolder:
    """As `folder_named`, of a run whose folder is still there.

    Raises:
        StoreError: Also when it is gone.
    """
    found = folder_named(root, name)
    if not found.path.is_dir():
        raise StoreError(
            f"the folder of run {name} is gone from {root / 'runs'}: its rows stand in the table, "
            "and its logs, its code and all else that it kept are lost"
        )
    return found


def _is_called(name: str, called: str) -> bool:
    return bool(called) and (name.startswith(called) or name.rpartition("-")[2] == called)


def _between(start: dt.datetime, end: dt.datetime) -> float:
    return max(0.0, (end - start).total_seconds())  # the clock may have stepped back


def unseen(folder: RunFolder) -> str | None:
    """Where a run is driven, if that cannot be seen from here, and how old its last record is."""
    process: object = folder.manifest().get("process")
    where = cast("dict[str, object]", process) if isinstance(process, dict) else {}
    if not where or is_here(where):
        return None
    last = _last_record(folder) or _time(folder.manifest().get("start"))
    now = dt.datetime.now(dt.timezone.utc)
    age = "no record yet" if last is None else f"last record {duration(_between(last, now))} ago"
    return f"on {where.get('host')}, cannot be seen from here; {age}"


def _last_record(folder: RunFolder) -> dt.datetime | None:
    times = [path.stat().st_mtime for path in ledger_files(folder.ledger)]
    return dt.datetime.fromtimestamp(max(times), dt.timezone.utc) if times else None


def _time(x: object) -> dt.datetime | None:
    try:
        made = dt.datetime.fromisoformat(x) if isinstance(x, str) else None
    except ValueError:
        return None
    return made.replace(tzinfo=made.tzinfo or dt.timezone.utc) if made else None


def _text(x: object) -> str | None:
    return x if isinstance(x, str) else None


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: x for name, x in found.items() if isinstance(x, str)}
