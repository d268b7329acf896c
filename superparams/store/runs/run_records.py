"""The runs of an experiment, as recorded in their folders, and how to find one by its name.

A results folder may come from somebody else, so an entry of `run.json` counts only if it has the
right type.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from superparams.declare.class_schema import (
    SCHEMA,
    derived_of_schema,
    goal_of_schema,
    repeats_of_schema,
)
from superparams.declare.goal import Goal
from superparams.errors import StoreError
from superparams.errors.units import duration
from superparams.outcomes.outcome import STATUSES
from superparams.store.json_values import json_list, json_object, json_text, texts_by_name
from superparams.store.provenance.kept_code import KeptCode
from superparams.store.runs.driver_process import is_alive
from superparams.store.runs.folder import RunFolder, State, run_folders, safe_name
from superparams.store.runs.heartbeat import HEARTBEAT, seconds_silent

__all__ = [
    "Run",
    "existing_folder",
    "find_run",
    "folder_of_run",
    "place_elsewhere",
    "recorded_derived",
    "recorded_goal",
    "recorded_repeats",
    "recorded_schema",
    "run_of_name",
    "runs",
]

SEARCH: Final = "search"  # the entry of run.json for a strategy
_LAST = re.compile(r"last(?:~(\d{1,6}))?")


@dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes:
        folder: Its folder.
        manifest: The content of run.json; empty when that is damaged.
        state: How it ended, or ``"running"``.
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
    def exists(self) -> bool:
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
        """How long it took, or has been running; for a crashed run, until its last record."""
        end = self.end
        if end is None:
            now = dt.datetime.now(dt.timezone.utc)
            end = now if self.state == "running" else _last_record(self.folder)
        return None if end is None or self.start is None else _between(self.start, end)

    @property
    def place_elsewhere(self) -> str | None:
        """Where a run of another host or container is in progress; None for other runs."""
        return place_elsewhere(self.folder) if self.state == "running" else None

    @property
    def engine(self) -> str | None:
        """The name of the engine."""
        return self.text("engine")

    @property
    def num_proc(self) -> int | None:
        """The number of workers."""
        return self.number("num_proc")

    @property
    def todo(self) -> int | None:
        """The number of settings that it had to run."""
        return self.number("todo")

    @property
    def shard(self) -> str | None:
        """Which shard it was, such as ``3/16``; None for a run of all settings."""
        numbers = [x for x in json_list(self.manifest.get("shard")) if isinstance(x, int)]
        return "/".join(map(str, numbers)) if len(numbers) == 2 else None

    @property
    def code(self) -> str | None:
        """The fingerprint of its code."""
        return self.text("code")

    @property
    def host(self) -> str | None:
        """The machine of the driver."""
        return self.text("host") or json_text(self.process.get("host"))

    @property
    def pid(self) -> int | None:
        """The process of the driver."""
        pid = self.process.get("pid")
        return pid if isinstance(pid, int) else None

    @property
    def process(self) -> Mapping[str, Any]:
        """The identity of the driver's process, as `this_process` describes it."""
        return self.group("process")

    @property
    def kept_code(self) -> KeptCode:
        """The code that it kept."""
        return KeptCode(self.folder, self.manifest)

    @property
    def git(self) -> Mapping[str, Any]:
        """commit, branch, is_dirty and more of the user's repository; empty outside of one."""
        return self.kept_code.git

    @property
    def commit(self) -> str | None:
        """The commit of the user's repository."""
        return self.kept_code.commit

    @property
    def is_dirty(self) -> bool:
        """Whether there were changes that were not committed."""
        return self.git.get("is_dirty") is True

    @property
    def versions(self) -> dict[str, str]:
        """The packages that were imported, and their versions."""
        return texts_by_name(self.manifest.get("versions"))

    @property
    def parts(self) -> dict[str, str]:
        """The digest of each part of the code, by its name."""
        return texts_by_name(self.manifest.get("parts"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of each part of the code, by its name; empty if it was not kept."""
        return self.kept_code.texts

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many outcomes of each status it recorded.

        The ledger is read if the manifest does not have them yet.
        """
        recorded = self.group("counts")
        if self.state in ("finished", "interrupted") and recorded:
            return {name: n for name in STATUSES if isinstance(n := recorded.get(name), int) and n}
        from superparams.outcomes.batches import counts  # pyarrow comes with it
        from superparams.store.ledger.reader import read

        totals: dict[str, int] = dict.fromkeys(STATUSES, 0)
        for batch in read(self.folder.ledger, growing=self.state == "running"):
            for name, count in counts(batch).items():
                totals[name] = totals.get(name, 0) + count
        return {name: count for name, count in totals.items() if count}

    def text(self, name: str) -> str | None:
        """A text of the manifest; None if there is none."""
        return json_text(self.manifest.get(name))

    def number(self, name: str) -> int | None:
        """A whole number of the manifest; None if there is none."""
        value = self.manifest.get(name)
        return value if isinstance(value, int) else None

    def group(self, name: str) -> Mapping[str, Any]:
        """A mapping in the manifest; empty if there is none."""
        return json_object(self.manifest.get(name))


def runs(root: Path) -> list[Run]:
    """The runs in an experiment's folder, oldest first; none when nothing is recorded there."""
    return list(map(Run.of, run_folders(root)))


def find_run(root: Path, name: str) -> Run:
    """The run that a name means.

    Args:
        root: The folder of the experiment.
        name: The name of the run, a beginning that no other name has, or the six digits at the end.
            ``last`` means the newest run, ``last~1`` the one before, and so on.

    Raises:
        StoreError: When there is no such run, or more than one.
    """
    folders = run_folders(root)
    if not folders:
        raise StoreError(f"there are no runs in {root}: run the experiment first")
    last = _LAST.fullmatch(name)
    if last:
        back = int(last.group(1) or 0)
        if back >= len(folders):
            number = "is only 1 run" if len(folders) == 1 else f"are only {len(folders)} runs"
            raise StoreError(f"{name}: there {number} in {root}")
        return Run.of(folders[-1 - back])
    matches = [x for x in folders if name and _has_name(x.name, name)]
    if len(matches) != 1:
        several = f"{len(matches)} runs are" if matches else "no run is"
        newest = ", ".join(folder.name for folder in (matches or folders)[-3:])
        raise StoreError(
            f"{several} called {name!r} in {root}: give more of a name (…, {newest}), "
            "its last six digits, or last, last~1, …"
        )
    return Run.of(matches[0])


def _has_name(full: str, name: str) -> bool:
    return full.startswith(name) or full.rpartition("-")[2] == name


def run_of_name(root: Path, name: str) -> Run:
    """The run with a folder of that name; see `folder_of_run`."""
    return Run.of(folder_of_run(root, name))


def folder_of_run(root: Path, name: str) -> RunFolder:
    """The folder of a run by its full name. The folder may be gone.

    Raises:
        StoreError: For a text that is no name of a run, and might lead out of the folder.
    """
    if name != safe_name(name):
        raise StoreError(f"{root}: {name!r} is not the name of a run")
    return RunFolder(root / "runs" / name)


def existing_folder(root: Path, name: str) -> RunFolder:
    """As `folder_of_run`, for a folder that exists.

    Raises:
        StoreError: Also when it is gone.
    """
    folder = folder_of_run(root, name)
    if not folder.path.is_dir():
        raise StoreError(
            f"the folder of run {name} is gone from {root / 'runs'}: its rows are in the table, "
            "and its logs, its code and all else that it kept are lost"
        )
    return folder


def place_elsewhere(folder: RunFolder) -> str | None:
    """The host of a run in progress whose process cannot be seen from here, and its last sign."""
    manifest = folder.manifest()
    process = json_object(manifest.get("process"))
    if is_alive(process) is not None:
        return None
    sign = "heartbeat" if HEARTBEAT in manifest else "record"
    age = duration(seconds_silent(folder.path))
    return f"on {process.get('host')} (its last {sign} was {age} ago)"


def _between(start: dt.datetime, end: dt.datetime) -> float:
    return max(0.0, (end - start).total_seconds())  # the clock may have stepped back


def _last_record(folder: RunFolder) -> dt.datetime | None:
    from superparams.store.ledger.reader import ledger_files  # pyarrow comes with it

    times = [path.stat().st_mtime for path in ledger_files(folder.ledger)]
    return dt.datetime.fromtimestamp(max(times), dt.timezone.utc) if times else None


def _time(text: object) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or dt.timezone.utc) if time else None


def recorded_schema(root: Path) -> Mapping[str, Any] | None:
    """The schema of the class in its last run, from run.json; None if no run has one.

    Args:
        root: The folder of the experiment.
    """
    for folder in reversed(run_folders(root)):
        schema = folder.manifest().get(SCHEMA)
        if schema is not None:
            return json_object(schema)
    return None


def recorded_goal(root: Path) -> Goal | None:
    """The goal that the class had when it ran last."""
    return goal_of_schema(recorded_schema(root) or {})


def recorded_goals(root: Path) -> list[Goal]:
    """The goals of the newest search; none if there was no search."""
    for folder in reversed(run_folders(root)):
        search = folder.manifest().get(SEARCH)
        if search is not None:
            return goals_of_search(json_object(search))
    return []


def goals_of_search(search: Mapping[str, object]) -> list[Goal]:
    """The goals of a search, as run.json has them."""
    goals: list[Goal] = []
    for entry in json_list(search.get("goals")):
        column, mode = (*json_list(entry), None, None)[:2]
        if isinstance(column, str) and mode in ("max", "min"):
            goals.append(Goal(column, mode))
    return goals


def recorded_repeats(root: Path) -> tuple[str, ...]:
    """The axes that were repetitions when the class ran last."""
    return repeats_of_schema(recorded_schema(root) or {})


def recorded_derived(root: Path) -> tuple[str, ...]:
    """The fields that the class derived from others when it ran last."""
    return derived_of_schema(recorded_schema(root) or {})
