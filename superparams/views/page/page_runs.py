"""Facts about runs, their code and their output that the page shows."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.safe_text import lines
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.runs.run_records import Run
from superparams.store.runs.setting_logs import log_of
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.lazy_rows import as_dicts
from superparams.views.page.private_paths import PrivatePaths

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["MOST_RUNS", "doc_of", "log_facts", "run_facts"]

MOST_RUNS: Final = 50  # the newest
LONGEST: Final = 2000  # characters of a space
MOST_LOGS: Final = 120_000  # characters of all logs
MOST_FILES: Final = 1000  # logs that are read
LONGEST_LOG: Final = 4000
LOG_LINES: Final = 60
_LOG: Final = ("key", "run", "rank", "log_start", "log_end")


def run_facts(runs: Sequence[Run], paths: PrivatePaths) -> list[dict[str, Any]]:
    """The newest runs, oldest first. About the machine, the page has only versions of packages.

    Args:
        runs: The runs of an experiment, oldest first.
        paths: Hides paths of the machine.
    """
    return [_run(run, paths) for run in runs[-MOST_RUNS:]]


def _run(run: Run, paths: PrivatePaths) -> dict[str, Any]:
    git = {"commit": run.commit, "branch": run.git.get("branch"), "changed": run.is_dirty}
    return {
        "id": run.name,
        "started": None if run.start is None else run.start.isoformat(),
        "ended": None if run.end is None else run.end.isoformat(),
        "seconds": run.seconds,
        "state": run.state,
        "counts": run.counts,
        "todo": run.todo,
        "code": run.code,
        "space": lines(paths.hidden(run.text("space") or ""))[:LONGEST],
        "engine": _line(run.engine),
        "workers": run.num_proc,
        "python": _line(run.text("python")),
        "versions": {lines(name): lines(x) for name, x in run.versions.items()},
        "git": {name: _line(x) for name, x in git.items()} if run.commit else None,
    }


def _line(x: object) -> Any:
    return lines(x) if isinstance(x, str) else x if isinstance(x, (bool, int)) else None


def doc_of(runs: Iterable[Run], name: str) -> str:
    """The docstring of a class, in the code that the newest run kept; empty if there is none.

    Args:
        runs: The runs, newest first.
        name: The class.
    """
    for run in runs:
        for part, text in run.texts.items():
            if part.rpartition(".")[2] == name and text.lstrip().startswith(("class ", "@")):
                return _doc(text)
    return ""


def _doc(text: str) -> str:
    try:
        (node, *_) = ast.parse(f"{text.rstrip()}\n    ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    doc = ast.get_docstring(node) if isinstance(node, ast.ClassDef) else None
    return lines(doc or "")


# ---- output


def log_facts(results: Results, rows: pa.Table, paths: PrivatePaths) -> dict[str, str]:
    """The last output of settings, by key; settings that failed come first, until the page is full.

    Args:
        results: The results.
        rows: Rows of them.
        paths: Hides paths of the machine.
    """
    facts: dict[str, str] = {}
    room = MOST_LOGS
    for row in _by_need(rows):
        if row["key"] in facts:
            continue
        text = log_text(results, row, paths)
        if text:
            facts[row["key"]] = text
            room -= len(text)
        if room <= 0:
            break
    return facts


def _by_need(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows with the places of their logs; rows that failed come before others."""
    is_done = pc.equal(rows.column("status"), plain_scalar("done", pa.string()))
    order = [*_places(pc.invert(is_done)), *_places(is_done)][:MOST_FILES]
    return as_dicts(rows.select(_LOG).take(plain_array(order, pa.int64())))


def _places(mask: object) -> list[int]:
    """The first places of a mask."""
    places: list[int] = pc.indices_nonzero(flat(mask)).slice(0, MOST_FILES).to_pylist()
    return places


def log_text(results: Results, row: Mapping[str, object], paths: PrivatePaths) -> str:
    """The end of the output of the setting of a row; empty if none was kept."""
    log = log_of(results.root, row)
    text, is_cut = ("", False) if log is None else log.tail(LOG_LINES)
    text = lines(paths.hidden(text[-2 * LONGEST_LOG :]))
    is_cut = is_cut or len(text) > LONGEST_LOG
    return f"…\n{text[-LONGEST_LOG:]}" if is_cut and text else text
