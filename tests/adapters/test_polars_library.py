"""polars keeps the promises of adapters."""

from __future__ import annotations

from typing import Any

import polars as pl

from tests.adapters.contract import AdapterContract, Sample

NAN = float("nan")


def frame(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", None], **columns})


def nested(last: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"lists": [[1, 2], [last]], "structs": [{"x": 1}, {"x": None}]})


def objects(*more: int) -> pl.Series:
    return pl.Series("o", [[1, *more], {2}], dtype=pl.Object)


def set_cell(value: pl.DataFrame, i: int) -> None:
    value[0, "a"] = i


def set_first(value: pl.Series, i: int) -> None:
    value[0] = i


SAMPLES: dict[str, Sample] = {
    "frame": Sample(
        frame,
        lambda: frame(b=[0.5, 1.0]),
        [{"a": 1, "b": 0.5, "c": "x"}, {"a": 2, "b": None, "c": None}],
        set_cell,
        also=[
            lambda: pl.concat([frame()[:1], frame()[1:]], rechunk=False),
            lambda: pl.concat([frame(), frame()])[:2],
        ],
    ),
    "types": Sample(
        lambda: pl.DataFrame({"a": [1]}),
        lambda: pl.DataFrame({"a": [1]}, schema={"a": pl.Int32}),
        [{"a": 1}],
        set_cell,
    ),
    "names": Sample(
        lambda: pl.DataFrame({"a": [1]}), lambda: pl.DataFrame({"b": [1]}), [{"a": 1}], set_cell
    ),
    "nested": Sample(nested, lambda: nested(4), nested().to_dicts()),
    "large": Sample(
        lambda: pl.DataFrame({"a": range(20_000)}),
        lambda: pl.DataFrame({"a": range(1, 20_001)}),
        [{"a": i} for i in range(20_000)],
        set_cell,
    ),
    "no rows": Sample(lambda: frame()[:0], lambda: frame()[:0].drop("a"), []),
    "objects in a frame": Sample(
        lambda: objects().to_frame(),
        lambda: objects(5).to_frame(),
        [{"o": [1]}, {"o": [2]}],
        lambda x, i: x["o"][0].append(i),
    ),
    "series": Sample(
        lambda: pl.Series([1.0, NAN]), lambda: pl.Series([1.0, 2.0]), [1.0, NAN], set_first
    ),
    "null": Sample(lambda: pl.Series([1, None]), lambda: pl.Series([1, 2]), [1, None], set_first),
    "name": Sample(lambda: pl.Series("a", [1]), lambda: pl.Series("b", [1]), [1], set_first),
    "type": Sample(lambda: pl.Series([1], dtype=pl.Int32), lambda: pl.Series([1]), [1], set_first),
    "categories": Sample(
        lambda: pl.Series(["u", "v"], dtype=pl.Categorical),
        lambda: pl.Series(["u", "u"], dtype=pl.Categorical),
        ["u", "v"],
    ),
    "no items": Sample(
        lambda: pl.Series([], dtype=pl.Int64), lambda: pl.Series([], dtype=pl.Int32), []
    ),
    "objects": Sample(objects, lambda: objects(5), [[1], [2]], lambda x, i: x[0].append(i)),
}


class TestPolars(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_polars_library"
