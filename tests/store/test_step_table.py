"""`results.steps`: the steps of the rows that count, with the parameters of their settings."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from superparams import Experiment, Params, Results, search
from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.step import Step, recorded_row
from superparams.outcomes.step_batches import encode_steps
from superparams.store.cleanup import plan_cleaning
from superparams.store.ledger.reader import LedgerWarning
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.running_steps import RunningSteps, running_steps
from tests.recorded_steps import recorded_steps
from tests.recording import begun, done, failed, key, run


def steps(number: int, rows: Sequence[Any], attempt: int = 1) -> list[Step]:
    """Steps of the setting of this number."""
    made: list[Step] = []
    count = 0
    for row in rows:
        kept = recorded_row("Fit.log()", row)
        made.append(Step(number, key(number), attempt, count + 1, 0.5 * count, kept))
        count += 1 if isinstance(kept, dict) else kept.num_rows
    return made


def with_steps(number: int, *rows: Any, attempt: int = 1, **known: Any) -> Any:
    made = steps(number, rows, attempt)
    sizes = [1 if isinstance(one.row, dict) else one.row.num_rows for one in made]
    return done(number, {"y": number}, steps=made, n_steps=sum(sizes), attempt=attempt, **known)


def shown(found: Results, *names: str) -> list[tuple[Any, ...]]:
    """Columns of the steps, row by row."""
    table = found.steps.to_arrow()
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def test_steps_have_the_parameters_of_their_setting_in_the_order_of_the_rows(
    tmp_path: Path,
) -> None:
    run(tmp_path, [with_steps(1, {"loss": 0.5}, {"loss": 0.25}), done(2), with_steps(0, {"z": 1})])
    found = Results.load(tmp_path)
    assert found.steps.columns[0] == "a"
    assert found.steps.columns[3:] == ["step", "seconds", "attempt", "key", "run", "code"]
    assert shown(found, "a", "step", "loss", "z", "seconds") == [
        (0, 1, None, 1, 0.0),
        (1, 1, 0.5, None, 0.0),
        (1, 2, 0.25, None, 0.5),
    ]
    assert sorted(found.steps.fields) == ["loss", "z"]
    assert len(found.steps) == 3
    assert [row["key"] for row in found.steps] == [key(0), key(1), key(1)]
    assert found.steps.to_pandas().shape == (3, 9)
    assert pl.DataFrame(found.steps).height == found.steps.to_polars().height == 3
    assert len(pickle.loads(pickle.dumps(found)).steps) == 3
    assert repr(found.steps).startswith("3 steps of 2 settings: ")


def test_steps_of_fewer_rows_and_of_one(tmp_path: Path) -> None:
    lost = failed(3, n_steps=1, steps=steps(3, [{"loss": 9.0}]))
    run(tmp_path, [*(with_steps(n, {"loss": n / 2}, {"loss": n}) for n in range(3)), lost])
    found = Results.load(tmp_path)
    assert shown(found.where(a=1), "a", "loss") == [(1, 0.5), (1, 1.0)]
    assert shown(found.failures, "a", "loss") == [(3, 9.0)]
    for row in (found.row(key(2)), key(2), key(2)[-32:]):
        assert found.steps(row).column("loss").to_pylist() == [1.0, 2.0]
    assert found.steps(found.best("y")).column("a").to_pylist() == [2, 2]
    with pytest.raises(StoreError, match="4 settings have a key that begins with '0'"):
        found.steps("0")
    with pytest.raises(StoreError, match="no setting has a key"):
        found.where(a=1).steps(key(2))
    with pytest.raises(StoreError, match="no column 'los'"):
        found.steps.column("los")


def test_superseded_steps_do_not_count(tmp_path: Path) -> None:
    run(tmp_path, [with_steps(0, {"x": 1}, {"x": 2}, {"x": 3})])
    again = [*steps(0, [{"x": 7}, {"x": 8}], 1), *steps(0, [{"x": 4}, {"x": 5}], 2)]
    run(tmp_path, [done(0, steps=again, n_steps=2, attempt=2)])
    found = Results.load(tmp_path)
    assert shown(found, "x", "attempt", "step") == [(4, 2, 1), (5, 2, 2)]
    run(tmp_path, [done(0)])
    assert len(Results.load(tmp_path).steps) == 0
    assert Results.load(tmp_path).steps.to_pandas().empty


def test_of_a_setting_that_ran_twice_in_one_attempt_the_last_steps_count(tmp_path: Path) -> None:
    """Its worker died before it sent the outcome; its steps, of two schemas, were there already."""
    lost = [
        *steps(0, [{"x": 1}, {"x": "a"}, {"x": 3}, {"x": 4}]),
        *steps(1, [{"x": 1}, {"x": 2}]),
    ]
    again = steps(0, [{"x": "b"}, {"x": 6}])
    known = {"steps": lost, "n_steps": 0}
    with_more = with_steps(1, {"x": 7}, {"x": "c"}, {"x": 9})
    run(tmp_path, [done(2, **known), done(0, steps=again, n_steps=2), with_more])
    found = Results.load(tmp_path)
    counting = [(0, 1, '"b"'), (0, 2, "6"), (1, 1, "7"), (1, 2, '"c"'), (1, 3, "9")]
    assert sorted(shown(found, "a", "step", "x")) == counting
    (row,) = found.where(a=0)
    assert [step["step"] for step in found.steps(row)] == [1, 2]


def test_values_of_several_types_and_names_of_ours(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"x": 1, "step": 10, "key": "k", "t": 1, "inner": {"a": 1}, "list": [1, 2]},
        {"x": 0.5, "step": 20, "key": None, "t": "two", "inner": {"a": None, "b": "c"}},
        pd.DataFrame({"x": [2.0, 3.0], "step": [30, 40]}),
        {},
    ]
    run(tmp_path, [with_steps(0, *rows[:2]), with_steps(1, *rows[2:])])
    found = Results.load(tmp_path)
    table = found.steps.to_arrow()
    assert table["x"].to_pylist() == [1.0, 0.5, 2.0, 3.0, None]
    assert table["step.step"].to_pylist() == [10, 20, 30, 40, None]
    assert table["step"].to_pylist() == [1, 2, 1, 2, 3]
    assert table["step.key"].to_pylist()[:2] == ["k", None]
    assert [json.loads(x) for x in table["t"].to_pylist()[:2]] == [1, "two"]
    of_types = "column 't' holds values of several types (int64, string): each is kept as JSON text"
    assert found.steps.notes == (of_types,)
    assert repr(found.steps).endswith(f"\nnote: {of_types}")
    assert table["inner.a"].to_pylist()[:2] == [1, None]
    assert table["inner.b"].to_pylist()[:2] == [None, "c"]
    assert table["list"].to_pylist()[:2] == [[1, 2], None]


def test_ever_new_names_go_into_one_more_file(tmp_path: Path) -> None:
    rows = [{f"loss_{n}": n / 2, "n": n} for n in range(80)]
    folder = run(tmp_path, [with_steps(0, *rows)])
    assert len(list(folder.steps.iterdir())) == 65
    found = Results.load(tmp_path).steps
    assert found.column("n").to_pylist() == list(range(80))
    for n in (0, 63, 64, 79):
        column = found.column(f"loss_{n}").to_pylist()
        assert column == [n / 2 if m == n else None for m in range(80)], n


def test_what_is_gone_is_told(tmp_path: Path) -> None:
    folder = run(tmp_path, [with_steps(0, {"x": 1}, {"x": 2})])
    run(tmp_path, [with_steps(1, {"x": 3})])
    assert len(Results.load(tmp_path).steps) == 3
    shutil.rmtree(folder.steps)
    with pytest.warns(LedgerWarning, match="2 steps of 3 cannot be read: the folder of their run"):
        assert len(Results.load(tmp_path).steps) == 1


def test_a_damaged_step_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = run(tmp_path, [with_steps(0, {"x": 1}), with_steps(1, {"x": 2})])
    (path,) = folder.steps.iterdir()
    data = bytearray(path.read_bytes())
    data[-60] ^= 1
    path.write_bytes(data)
    with pytest.warns(LedgerWarning) as warned:
        assert len(Results.load(tmp_path).steps) == 1
    assert any("steps/0.arrows" in str(one.message) for one in warned)


def test_stale_steps_are_told_apart(tmp_path: Path) -> None:
    run(tmp_path, [with_steps(0, {"x": 1})], code="c1")
    run(tmp_path, [with_steps(1, {"x": 2})], code="c2")
    found = Results.load(tmp_path, codes=["c2"])
    assert found.steps.to_pandas(stale=True).stale.tolist() == [True, False]
    assert shown(found.stale, "x") == [(1,)]
    assert shown(found.where(stale=False), "x", "code") == [(2, "c2")]
    assert "stale" not in found.steps.columns


def test_clean_takes_steps_with_their_rows(tmp_path: Path) -> None:
    lost = failed(1, n_steps=1, steps=steps(1, [{"x": 9}]))
    run(tmp_path, [with_steps(0, {"x": 1}), lost])
    old = run(tmp_path, [with_steps(2, {"x": 5})])
    run(tmp_path, [with_steps(2, {"x": 6})])
    plan_cleaning(tmp_path, codes=["c1"], in_space=lambda _: set(), failed=True).carry_out()
    assert not old.path.exists()
    assert [row["step.x"] for row in recorded_steps(tmp_path, "runs/*/steps/*.arrows")] == [1, 6]
    assert shown(Results.load(tmp_path), "x") == [(1,), (6,)]


def test_the_last_steps_of_what_runs(tmp_path: Path) -> None:
    folder = begun(
        tmp_path, [with_steps(0, {"x": 1}), done(1, steps=steps(5, [{"x": 2, "t": "a"}]))]
    )
    assert [(one.index, one.step, one.row) for one in running_steps(folder)] == [
        (5, 1, {"x": 2, "t": "a"})
    ]
    assert len(Results.load(tmp_path).steps) == 1


class Inner(Params):
    step: int = 0


class Curves(Experiment):
    step: Inner = Inner(step=3)
    seconds: float = search([0.5, 1.5])
    x: int = 1

    def run(self) -> Iterator[dict[str, Any]]:
        yield {"x": self.seconds, "seconds": 7}


def test_parameters_with_the_names_of_columns(tmp_path: Path) -> None:
    found = Curves().run_all(results=tmp_path, progress=False)
    table = Results.load(found.root).steps.to_arrow()
    assert table["step.step"].to_pylist() == [3, 3]
    assert table["param.seconds"].to_pylist() == [0.5, 1.5]
    assert table["x"].to_pylist() == [1, 1]
    assert table["step.x"].to_pylist() == [0.5, 1.5]
    assert table["step.seconds"].to_pylist() == [7, 7]
    assert table["step"].to_pylist() == [1, 1]
    assert isinstance(pa.table(found.steps), pa.Table)


def test_what_is_no_key_is_told_with_the_remedy(tmp_path: Path) -> None:
    run(tmp_path, [with_steps(1, {"loss": 1.0})])
    found = Results.load(tmp_path)
    (row,) = found
    assert len(found.steps(row)) == len(found.steps(row["key"][:8])) == 1
    assert found.row(row) == found.row(row["key"])  # type: ignore[arg-type]
    for wrong in (3, None, [1], {"a": 1}, {"key": 7}):
        for name in ("steps", "row", "provenance"):
            if name == "provenance" and isinstance(wrong, dict):
                continue
            with pytest.raises(StoreError, match=rf"results\.{name}\(.*takes the key of a setting"):
                getattr(found, name)(wrong)


def test_steps_of_running_settings_are_read_as_they_grow(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, {"code": "c1"})
    followed = RunningSteps(folder)
    assert not followed.update()
    with RunLedgers(folder) as ledgers:
        ledgers.append_steps(encode_steps(steps(0, [{"loss": 1.0}])))
        ledgers.append_steps(encode_steps(steps(1, [{"loss": 3.0}, {"z": "x"}])))
        assert followed.update()
        assert not followed.update()
        assert [(one.index, one.step, one.row) for one in followed.last] == [
            (0, 1, {"loss": 1.0}),
            (1, 2, {"z": "x"}),
        ]
        for n in range(2, 200):  # many small batches
            made = steps(0, [{"loss": 1.0 / k} for k in range(1, n + 1)])[-1:]
            ledgers.append_steps(encode_steps(made))
            followed.update()
        table = followed.table()
        assert table.filter(pc.equal(table["owner"], 0))["step"].to_pylist() == list(range(1, 200))
        ledgers.append_steps(encode_steps(steps(0, [{"loss": 9.0}], attempt=2)))
        followed.update()
        assert (followed.last[0].attempt, followed.last[0].row) == (2, {"loss": 9.0})
        assert followed.table()["step.loss"].to_pylist()[0] == 9.0
        assert followed.table().num_rows == 3
        again = steps(0, [{"loss": 8.0}, {"loss": 7.0}], attempt=2)  # once more, in one attempt
        for one in again:
            ledgers.append_steps(encode_steps([one]))
            followed.update()
        assert followed.last[0].row == {"loss": 7.0}
        assert followed.table()["step.loss"].to_pylist()[:2] == [8.0, 7.0]
        ledgers.append(encode([done(1, {"y": 1})]))
        assert followed.update()
        assert [one.index for one in followed.last] == [0]
        assert (followed.has_ended(1), followed.has_ended(0)) == (True, False)
        ledgers.append(encode([done(0, {"y": 1})]))
        followed.update()
        assert (followed.last, followed.table().num_rows) == ([], 0)
    assert [one.index for one in running_steps(folder)] == []
