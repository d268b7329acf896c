"""The file with the value that an experiment's ``report(results)`` returned."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from superparams.errors import StoreError
from superparams.errors.short_repr import kind_of
from superparams.store.runs.folder import write_durably

__all__ = ["save_report"]


def save_report(root: Path, value: object) -> Path | None:
    """Write the value of a report into a file.

    Args:
        root: The folder of the experiment.
        value: Text becomes ``report.md``, a figure (anything with ``savefig``) ``report.png``, a
            frame ``report.parquet``, everything else ``report.json``. A path is that of a file that
            the report wrote itself, and None is no file.

    Returns:
        The path of the file.

    Raises:
        StoreError: For a value that no such file can hold.
    """
    if value is None or isinstance(value, Path):
        return value
    suffix, encode = _format(value)
    path = root / f"report.{suffix}"
    try:
        write_durably(path, encode(value))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"report() returned {kind_of(value)}, which {path} cannot hold: {error}; "
            f"return text, a figure, a frame, or values of JSON"
        ) from error
    return path


def _format(value: object) -> tuple[str, Callable[[Any], bytes]]:
    if isinstance(value, str):
        return "md", lambda text: text.encode("utf-8", "backslashreplace")
    if hasattr(value, "savefig"):
        return "png", _figure
    if hasattr(value, "__arrow_c_stream__"):
        return "parquet", _frame
    return "json", lambda x: json.dumps(x, indent=1, default=_plain).encode()


def _figure(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _frame(frame: object) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = io.BytesIO()
    pq.write_table(pa.table(frame), data)
    return data.getvalue()


def _plain(x: Any) -> Any:
    """A number or an array of a library as a value of Python."""
    if hasattr(x, "tolist"):
        return x.tolist()
    raise TypeError(f"JSON has no type for {kind_of(x)}")
