"""pandas keeps the promises of adapters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.adapters.contract import REFUSED, AdapterContract, Sample

NAN = float("nan")


class Labelled(pd.DataFrame):
    """A subclass, as geopandas has them."""

    @property
    def _constructor(self) -> type[Labelled]:
        return Labelled


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2], "b": [0.5, NAN], "c": ["x", None], **columns})


def mixed(*changed: Any) -> pd.DataFrame:
    return frame(
        kind=pd.Categorical(["u", "v"], categories=["u", "v", "w"]),
        there=pd.to_datetime(["2020-01-01", "2020-01-02"]).tz_localize("Europe/Rome"),
        maybe=pd.array([1, None], dtype="Int64"),
        lists=[[1, *changed], {"k": 2}],
    )


def large(first: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame(np.arange(30_000.0).reshape(-1, 3), columns=list("abc")).assign(a=first)


def categories(*order: str) -> Any:
    return pd.Categorical(["u", "v"], categories=order)


def set_first(value: Any, i: int) -> None:
    value.iloc[0] = i


def set_cell(value: Any, i: int) -> None:
    value.loc[value.index[0], "a"] = i


ROWS = [{"a": 1, "b": 0.5, "c": "x"}, {"a": 2, "b": None, "c": None}]
DAY = pd.Timestamp("2020-01-01 10:00:00.000000001")

SAMPLES: dict[str, Sample] = {
    "frame": Sample(
        frame,
        lambda: frame(b=[0.5, 1.0]),
        ROWS,
        set_cell,
        also=[lambda: pd.concat([frame(), frame()]).iloc[:2]],
    ),
    "names of columns": Sample(frame, lambda: frame().rename(columns={"a": "A"}), ROWS, set_cell),
    "types of columns": Sample(frame, lambda: frame().astype({"a": "f8"}), ROWS, set_cell),
    "index of a frame": Sample(frame, lambda: frame().set_axis([3, 4]), ROWS, set_cell),
    "name of the index": Sample(frame, lambda: frame().rename_axis("row"), ROWS, set_cell),
    "two columns of one name": Sample(
        lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        lambda: pd.DataFrame([[1, 3]], columns=["a", "a"]),
        REFUSED,
        lambda x, i: x.iloc.__setitem__((0, 0), i),
    ),
    "lists in a frame": Sample(
        lambda: mixed()[["lists"]],
        lambda: mixed(9)[["lists"]],
        [{"lists": [1]}, {"lists": {"k": 2}}],
        lambda x, i: x["lists"].iloc[0].append(i),
    ),
    "large frame": Sample(large, lambda: large(1.0), large().to_dict("records"), set_cell),
    "no rows": Sample(lambda: frame().iloc[:0], lambda: frame().iloc[:0, :1], []),
    "subclass": Sample(
        lambda: Labelled({"a": [1]}), lambda: Labelled({"a": [2]}), [{"a": 1}], set_cell
    ),
    "series": Sample(
        lambda: pd.Series([1.0, NAN]),
        lambda: pd.Series([1.0, 2.0]),
        [1.0, NAN],
        set_first,
        also=[lambda: pd.Series([1.0, 0, NAN, 0]).iloc[::2].reset_index(drop=True)],
    ),
    "name of a series": Sample(
        lambda: pd.Series([1], name="a"), lambda: pd.Series([1], name="b"), [1], set_first
    ),
    "texts": Sample(
        lambda: pd.Series(["a", None]), lambda: pd.Series(["a", "b"]), ["a", None], set_first
    ),
    "lists": Sample(
        lambda: pd.Series([[1], [2]]),
        lambda: pd.Series([[1], [3]]),
        [[1], [2]],
        lambda x, i: x.iloc[0].append(i),
    ),
    "no items": Sample(lambda: pd.Series([], dtype="f8"), lambda: pd.Series([], dtype="i8"), []),
    "index": Sample(lambda: pd.Index([1, 2]), lambda: pd.Index([1, 3]), [1, 2]),
    "name": Sample(
        lambda: pd.Index([1], name="a"),
        lambda: pd.Index([1], name="b"),
        [1],
        lambda x, i: setattr(x, "name", f"n{i}"),
    ),
    "levels": Sample(
        lambda: pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", "k"]),
        lambda: pd.MultiIndex.from_tuples([(1, "a"), (2, "c")], names=["n", "k"]),
        [[1, "a"], [2, "b"]],
    ),
    "categories": Sample(
        lambda: categories("u", "v", "w"),
        lambda: categories("v", "u", "w"),
        ["u", "v"],
        lambda x, i: x.__setitem__(0, "w"),
    ),
    "order of categories": Sample(
        lambda: categories("u", "v").as_ordered(), lambda: categories("u", "v"), ["u", "v"]
    ),
    "missing integers": Sample(
        lambda: pd.array([1, None], dtype="Int64"),
        lambda: pd.array([1, 2], dtype="Int64"),
        [1, None],
        lambda x, i: x.__setitem__(0, i),
    ),
    "time": Sample(lambda: DAY, lambda: DAY + pd.Timedelta("1ns"), DAY),
    "duration": Sample(
        lambda: pd.Timedelta("1ns"), lambda: pd.Timedelta("2ns"), pd.Timedelta("1ns")
    ),
}


class TestPandas(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_pandas_library"
