"""The one JSON document that a verb writes to standard output under ``--json``."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["plain", "text", "write"]

# What JSON may hold as it is, but a terminal obeys, and what UTF-8 cannot hold.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write(document: Any) -> None:
    """Write a document to standard output, in ASCII where that cannot hold all characters."""
    made = text(document, indent=1)
    if (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8"):
        made = json.dumps(json.loads(made), indent=1)
    sys.stdout.write(made + "\n")
    sys.stdout.flush()  # what cannot be written is an error here, and not when Python ends


def text(x: Any, indent: int | None = None) -> str:
    """A value as JSON; NaN and infinities are the texts ``"NaN"`` and ``"Infinity"``."""
    made = json.dumps(plain(x), ensure_ascii=False, allow_nan=False, indent=indent)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", made)


def plain(x: Any) -> Any:
    """A value as what JSON has: times in ISO 8601, durations in seconds, bytes in base 64."""
    if x is None or isinstance(x, (bool, int, str)):
        return x
    if isinstance(x, float):
        return x if math.isfinite(x) else json.dumps(x)
    if isinstance(x, Mapping):
        return {str(name): plain(one) for name, one in cast("dict[Any, Any]", x).items()}
    if isinstance(x, (list, tuple)):
        return [plain(one) for one in cast("list[Any]", x)]
    if isinstance(x, (dt.datetime, dt.date, dt.time)):
        return x.isoformat()
    if isinstance(x, dt.timedelta):
        return plain(x.total_seconds())
    if isinstance(x, bytes):
        return base64.b64encode(x).decode("ascii")
    return str(x)
