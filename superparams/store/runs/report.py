"""What an experiment's ``report(results)`` returned, kept beside its table."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from superparams.errors import StoreError
from superparams.store.runs.folder import write_durably

__all__ = ["keep_report"]


def keep_report(root: Path, made: Any) -> Path | None:
    """Write what a report returned as `root`/report.<form>, and give the path.

    Text becomes ``report.md``, a figure (anything with ``savefig``) ``report.png``, a frame
    ``report.parquet``, everything else ``report.json``; a path is a file that the report wrote
    itself, and None is nothing.

    Raises:
        StoreError: For what has no such form.
    """
    if made is None:
        return None
    if isinstance(made, Path):
        return made
    suffix, encoded = _form(made)
    path = root / f"report.{suffix}"
    try:
        write_durably(path, encoded(made))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"report() returned a {type(made).__name__}, which {path} cannot hold: {error}; "
            f"return text, a figure, a frame, or what JSON has"
        ) from error
    return path


def _form(made: Any) -> tuple[str, Callable[[Any], bytes]]:
    if isinstance(made, str):
        return "md", lambda text: text.encode("utf-8", "backslashreplace")
    if hasattr(made, "savefig"):
        return "png", _figure
    if hasattr(made, "__arrow_c_stream__"):
        return "parquet", _frame
    return "json", lambda x: json.dumps(x, indent=1, default=_plain).encode()


def _figure(figure: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format="png")
    return held.getvalue()


def _frame(frame: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = io.BytesIO()
    pq.write_table(pa.table(frame), held)
    return held.getvalue()


def _plain(x: Any) -> Any:
    """A number or an array of a library as Python's own."""
    if hasattr(x, "tolist"):
        return x.tolist()
    raise TypeError(f"a {type(x).__name__} is not what JSON has")
