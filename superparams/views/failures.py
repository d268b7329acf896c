"""Groups of settings that failed with the same error, and the parameters that they share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar, python_values
from superparams.views.result_tables import cell, is_alike

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["Failures", "failures_of"]

# Numbers, addresses and keys, which differ from setting to setting.
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{32}\b|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Failures:
    """Settings with one status and one error, apart from numbers in the error.

    Attributes:
        status: The status of all of them.
        error: The error of the first one.
        settings: The number of settings.
        are_equal: Whether all of them have exactly this error.
        key: The key of the first one.
        has_log: Whether the output of the first one was kept.
        common: The parameters that are the same in all of them, but not in all settings.
        keys: The keys of all of them.
    """

    status: str
    error: str
    settings: int
    are_equal: bool
    key: str
    has_log: bool
    common: Mapping[str, str]
    keys: Sequence[str]

    def __str__(self) -> str:
        like = "" if self.are_equal else ", and others like it"
        shared = ", ".join(f"{name}={text}" for name, text in self.common.items())
        every = "all with " if self.settings > 1 else ""
        said = f": {self.error}{like}" if self.error else ""
        return f"{self.settings:,} {self.status}{said}{f' ({every}{shared})' if shared else ''}"


def failures_of(results: Results, most: int | None = None) -> list[Failures]:
    """The groups of failures in results, the largest first.

    The largest group of each status comes before the second group of any status.

    Args:
        results: The results.
        most: The number of groups to return; None for all.
    """
    rows = results.failures.to_arrow()
    rows = rows.filter(pc.equal(rows.column("row"), plain_scalar(0, pa.int64())))
    kinds: dict[tuple[str, str], list[int]] = {}
    pairs = zip(rows.column("status").to_pylist(), rows.column("error").to_pylist(), strict=True)
    for place, (status, error) in enumerate(pairs):
        kinds.setdefault((status, _NUMBER.sub("0", error or "")), []).append(place)
    differing = [name for name in results.params if not is_alike(results.column(name))]
    return [_group(rows, places, differing) for places in _in_order(kinds)[:most]]


def _in_order(kinds: Mapping[tuple[str, str], list[int]]) -> list[list[int]]:
    statuses = set[str]()
    ranked: list[tuple[bool, int, list[int]]] = []
    for (status, _), places in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        ranked.append((status in statuses, -len(places), places))
        statuses.add(status)
    return [places for *_, places in sorted(ranked, key=lambda group: group[:2])]


def _group(rows: pa.Table, places: Sequence[int], params: Sequence[str]) -> Failures:
    some = rows.take(places)
    errors = some.column("error").to_pylist()
    start = some.column("log_start")[0].as_py()
    return Failures(
        some.column("status")[0].as_py(),
        " ".join((errors[0] or "").split()),
        len(places),
        len(set(errors)) == 1,
        some.column("key")[0].as_py(),
        start is not None and start >= 0,
        dict(_common(some, params)),
        some.column("key").to_pylist(),
    )


def _common(rows: pa.Table, params: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in params:
        column = rows.column(name)
        value: Any = python_values(column.slice(0, 1))[0]
        if value is not None and is_alike(column):
            yield name, cell(name, value)
