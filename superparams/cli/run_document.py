"""The JSON document of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superparams.store.runs.run_records import Run

__all__ = ["run_account"]


def run_account(run: Run) -> dict[str, Any]:
    """What a program wants to know of a run; times in UTC, durations in seconds."""
    return {
        "name": run.name,
        "state": run.state,
        "start": run.start,
        "end": run.end,
        "seconds": run.seconds,
        "todo": run.todo,
        "counts": run.counts,
        "code": run.code,
        "commit": run.commit,
        "is_dirty": run.is_dirty if run.git else None,
        "host": run.host,
        "pid": run.pid,
        "engine": run.engine,
        "num_proc": run.num_proc,
        "path": str(run.folder.path),
    }
