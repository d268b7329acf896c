"""Which columns and which order the words of a command line mean."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams.cli.conditions import matching
from superparams.cli.row_selection import chosen, ordered
from superparams.errors import CommandError
from superparams.store.results import Results
from tests.recording import done, failed, run


def table(root: Path, *values: Any) -> pa.Table:
    """The table of an experiment whose result `x` had these values, one a setting."""
    run(root, [done(n, None if x is None else {"x": x}) for n, x in enumerate(values)])
    return Results.load(root).to_arrow()


def test_columns_by_name_group_and_pattern() -> None:
    names = ["a", "loss", "loss.train", "loss.test", "net.width"]
    assert chosen(names, ["net", "a"]) == ["net.width", "a"]
    assert chosen(names, ["loss"]) == ["loss"]  # a name before a group
    assert chosen(names, ["loss.*", "a", "a"]) == ["loss.train", "loss.test", "a"]
    assert chosen(names, ["*"]) == names
    with pytest.raises(CommandError, match="did you mean 'loss'"):
        chosen(names, ["los"])
    with pytest.raises(CommandError, match="there are a, loss"):
        chosen(names, ["zzz*"])


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([2, None, 1, 3], [2, 0, 3, 1]),
        ([0.5, math.nan, -1.0, math.inf, None], [2, 0, 3, 1, 4]),
        (["b", "a", None, "B"], [3, 1, 0, 2]),
        ([True, False, None], [1, 0, 2]),
        ([dt.date(2026, 1, 2), dt.date(2025, 1, 1)], [1, 0]),
        ([10, "nine", 9], [2, 0, 1]),
        ([2**70, 5], [1, 0]),
        ([None, None], [0, 1]),
    ],
)
def test_order(tmp_path: Path, values: list[Any], order: list[int]) -> None:
    made = table(tmp_path, *values)
    assert ordered(made, ["x"] if "x" in made.column_names else ["a"])["a"].to_pylist() == order
    known = [at for at in order if values[at] is not None and values[at] == values[at]]
    if known:
        falling = ordered(made, ["-x"])["a"].to_pylist()
        assert falling[: len(known)] == known[::-1]


def test_order_by_several_and_of_what_is_equal(tmp_path: Path) -> None:
    outcomes = [done(n, {"x": n % 2, "y": n // 2}) for n in range(6)]
    run(tmp_path, outcomes)
    made = Results.load(tmp_path).to_arrow()
    assert ordered(made, ["x"])["a"].to_pylist() == [0, 2, 4, 1, 3, 5]
    assert ordered(made, ["-x", "-y"])["a"].to_pylist() == [5, 3, 1, 4, 2, 0]
    assert ordered(made, [])["a"].to_pylist() == list(range(6))


def test_what_has_no_order(tmp_path: Path) -> None:
    made = table(tmp_path, [1, 2], [3])
    with pytest.raises(CommandError, match=r"columns of type list.* have no order"):
        ordered(made, ["x"])
    with pytest.raises(CommandError, match="no column 'y'"):
        ordered(made, ["-y"])
    with pytest.raises(CommandError, match="no column 'y'"):
        ordered(made.slice(0, 0), ["y"])


def test_of_no_rows(tmp_path: Path) -> None:
    run(tmp_path, [failed(0)])
    made = Results.load(tmp_path).to_arrow().slice(0, 0)
    assert matching(made, ["a>1", "status=failed"]).num_rows == 0
    assert ordered(made, ["a"]).num_rows == 0
