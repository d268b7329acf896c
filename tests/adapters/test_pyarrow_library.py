"""pyarrow keeps the promises of adapters."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from superparams.adapters.content import fresh
from tests.adapters.contract import AdapterContract, Sample

NAN = float("nan")
ROWS: list[dict[str, Any]] = [
    {"a": 1, "b": "x", "c": [1.5], "d": {"e": True}},
    {"a": None, "b": None, "c": [], "d": None},
]


def table(**columns: Any) -> pa.Table:
    held = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    return pa.table({**held, **columns})


SAMPLES: dict[str, Sample] = {
    "table": Sample(
        table,
        lambda: table(a=[1, 2]),
        ROWS,
        also=[
            lambda: pa.concat_tables([table().slice(0, 1), table().slice(1)]),
            lambda: pa.concat_tables([table(), table()]).slice(0, 2),
        ],
    ),
    "types": Sample(
        lambda: pa.table({"a": [1]}),
        lambda: pa.table({"a": pa.array([1], pa.int8())}),
        [{"a": 1}],
    ),
    "names": Sample(lambda: pa.table({"a": [1]}), lambda: pa.table({"b": [1]}), [{"a": 1}]),
    "NaN": Sample(
        lambda: pa.table({"a": [NAN, None]}),
        lambda: pa.table({"a": [1.0, None]}),
        [{"a": NAN}, {"a": None}],
    ),
    "nested NaN": Sample(
        lambda: pa.array([[NAN], [1.0]]), lambda: pa.array([[NAN], [2.0]]), [[NAN], [1.0]]
    ),
    "no rows": Sample(
        lambda: table().slice(0, 0), lambda: table().slice(0, 0).drop_columns("a"), []
    ),
    "batch": Sample(lambda: table().to_batches()[0], lambda: table(a=[1, 2]).to_batches()[0], ROWS),
    "array": Sample(
        lambda: pa.array([1, None]),
        lambda: pa.array([1, 0]),
        [1, None],
        also=[lambda: pa.array([0, 1, None, 4]).slice(1, 2)],
    ),
    "chunks": Sample(
        lambda: pa.chunked_array([[1], [2]]),
        lambda: pa.chunked_array([[1], [3]]),
        [1, 2],
        also=[lambda: pa.chunked_array([[1, 2]])],
    ),
    "dictionary": Sample(
        lambda: pa.array(["u", "v"]).dictionary_encode(),
        lambda: pa.array(["u", "u"]).dictionary_encode(),
        ["u", "v"],
    ),
    "large": Sample(
        lambda: pa.array(range(20_000)), lambda: pa.array(range(1, 20_001)), [*range(20_000)]
    ),
    "nothing": Sample(lambda: pa.array([], pa.int8()), lambda: pa.array([1], pa.int8()), []),
    "scalar": Sample(lambda: pa.scalar(1), lambda: pa.scalar(2), 1),
    "scalar of NaN": Sample(lambda: pa.scalar(NAN), lambda: pa.scalar(1.0), NAN),
    "type": Sample(lambda: pa.int8(), lambda: pa.int16(), "DataType(int8)"),
}


class TestPyarrow(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_pyarrow_library"


def test_a_table_is_shared_by_all_settings() -> None:
    held = [table()]
    assert fresh(held)[0] is held[0]
