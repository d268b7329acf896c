"""The steps that are recorded in a results folder, read as any Arrow tool reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

OWN = ("key", "index", "attempt", "step", "seconds")


def recorded_steps(root: Path, files: str = "**/runs/*/steps/*.arrows") -> list[dict[str, Any]]:
    """The steps of all runs under a folder, by setting, attempt and number.

    Of files that are being written, what can be read.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(root.glob(files)):
        data = path.read_bytes()
        try:
            with pa.ipc.open_stream(data) as reader:
                rows += [row for batch in reader for row in batch.to_pylist()]
        except pa.ArrowInvalid:
            continue  # the schema is being written
    return sorted(rows, key=lambda row: (row["index"], row["attempt"], row["step"]))


def fields(row: dict[str, Any]) -> dict[str, Any]:
    """The fields that the setting gave to a step."""
    return {name.removeprefix("step."): x for name, x in row.items() if name not in OWN}


def curves(
    root: Path, files: str = "**/runs/*/steps/*.arrows"
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """The fields of all steps by setting and attempt; the numbers have no gap."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in recorded_steps(root, files):
        curve = found.setdefault((row["index"], row["attempt"]), [])
        curve.append(fields(row))
        assert row["step"] == len(curve), row
        assert row["seconds"] >= 0
    return found
