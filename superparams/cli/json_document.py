"""The JSON document that a verb writes to standard output with ``--json``."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from superparams.store.runs.run_records import Run

__all__ = ["json_value", "run_account", "text", "write"]

# Characters that JSON allows, but that control a terminal or that UTF-8 does not have.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write(document: object) -> None:
    """Write a document to standard output, in ASCII unless the output is in UTF-8."""
    json_text = text(document, indent=1)
    if (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8"):
        json_text = json.dumps(json.loads(json_text), indent=1)
    sys.stdout.write(json_text + "\n")
    sys.stdout.flush()  # an error is raised here, and not when Python ends


def text(x: object, indent: int | None = None) -> str:
    """A value as JSON; NaN and infinities are the texts ``"NaN"`` and ``"Infinity"``."""
    json_text = json.dumps(json_value(x), ensure_ascii=False, allow_nan=False, indent=indent)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)


def json_value(x: object) -> object:
    """A value in types of JSON: times in ISO 8601, durations in seconds, bytes in base 64."""
    if x is None or isinstance(x, (bool, int, str)):
        return x
    if isinstance(x, float):
        return x if math.isfinite(x) else json.dumps(x)
    if isinstance(x, Mapping):
        return {
            str(name): json_value(value) for name, value in cast("dict[object, object]", x).items()
        }
    if isinstance(x, (list, tuple)):
        return [json_value(item) for item in cast("list[object]", x)]
    if isinstance(x, (dt.datetime, dt.date, dt.time)):
        return x.isoformat()
    if isinstance(x, dt.timedelta):
        return json_value(x.total_seconds())
    if isinstance(x, bytes):
        return base64.b64encode(x).decode("ascii")
    return str(x)


def run_account(run: Run) -> dict[str, Any]:
    """A run for a program; times are in UTC, durations in seconds."""
    return {
        "name": run.name,
        "state": run.state,
        "start": run.start,
        "end": run.end,
        "seconds": run.seconds,
        "todo": run.todo,
        "shard": run.shard,
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
