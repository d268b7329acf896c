"""What stands in `running.json`, and what is made of it, damaged files included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from superparams.cli.setting_lookup import selected
from superparams.errors import StoreError
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run
from superparams.store.runs.running_settings import (
    RunningSetting,
    forget_running,
    running_settings,
    save_running,
)
from superparams.store.table.running_rows import rows_of_running

KEYS = [f"{n:x}" * 32 for n in range(16)]


def setting(index: int, **params: Any) -> RunningSetting:
    kinds = {int: "int64", float: "double", str: "string", bool: "bool", type(None): "null"}
    cells = {
        name: {"type": kinds[type(x)], "kind": None, "text": None if x is None else json.dumps(x)}
        for name, x in params.items()
    }
    return RunningSetting(index, KEYS[index], index % 2, 1, False, 1e9, 5, 9, cells)


def test_what_was_saved_is_read_by_index(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    assert running_settings(run) == []
    saved = [setting(3, a=1, b="x"), setting(1, a=2.5, b=None)]
    save_running(run, saved)
    assert running_settings(run) == saved[::-1]
    assert running_settings(run)[0].values == {"a": 2.5, "b": None}
    assert running_settings(run)[0].seconds > 0
    assert [path.name for path in run.path.glob("*running*")] == ["running.json"]
    forget_running(run)
    forget_running(run)
    assert running_settings(run) == []


def test_a_run_that_has_ended_runs_nothing(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    save_running(run, [setting(3, a=1)])
    run.finish()
    assert running_settings(run) == []


def test_a_run_whose_driver_is_gone_runs_nothing(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    save_running(run, [setting(3, a=1)])
    process = run.manifest()["process"]
    run.update(process={**process, "started": "1"})
    assert running_settings(run) == []


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"settings": 3}', '{"settings": [3, null]}', "[" * 100_000]
)
def test_a_damaged_file_counts_for_nothing(tmp_path: Path, text: str) -> None:
    run = RunFolder.create(tmp_path)
    (run.path / "running.json").write_text(text)
    assert running_settings(run) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("index", -1),
        ("index", True),
        ("rank", "../../x"),
        ("key", "\x1b[2J"),
        ("key", None),
        ("log_start", 1.5),
        ("started", None),
        ("params", [1]),
    ],
)
def test_a_damaged_entry_is_left_out(tmp_path: Path, name: str, value: Any) -> None:
    run = RunFolder.create(tmp_path)
    save_running(run, [setting(1, a=1), setting(2, a=2)])
    path = run.path / "running.json"
    document = json.loads(path.read_text())
    document["settings"][0][name] = value
    path.write_text(json.dumps(document))
    assert running_settings(run) == [setting(2, a=2)]


def test_a_damaged_parameter_is_no_crash(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    save_running(run, [setting(1, a=1)])
    path = run.path / "running.json"
    for cell in ({"type": "int64", "kind": None, "text": "{"}, 3, {}, {"text": 1}):
        document = json.loads(path.read_text())
        document["settings"][0]["params"]["a"] = cell
        path.write_text(json.dumps(document))
        (found,) = running_settings(run)
        assert found.values["a"] in ("{", None)
        if found.params["a"]["text"] is None:
            assert rows_of_running(Run.of(run), [found]).column("a").to_pylist() == [None]
        else:
            with pytest.raises(StoreError, match="'a'"):
                rows_of_running(Run.of(run), [found])


def test_rows_have_the_columns_of_the_table(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, {"order": ["b", "a", "status"]})
    settings = [setting(1, a=1, b="x", status=True), setting(2, a=2.5, b=None), setting(3, a=None)]
    table = rows_of_running(Run.of(run), settings)
    assert table.column_names[:3] == ["b", "a", "param.status"]
    assert table.column("a").to_pylist() == [1.0, 2.5, None]
    assert table.column("b").to_pylist() == ["x", None, None]
    assert table.column("status").to_pylist() == ["running"] * 3
    assert table.column("run").to_pylist() == [run.name] * 3
    assert [time.timestamp() for time in table.column("started").to_pylist()] == [1e9] * 3

    def found(*words: str) -> list[int]:
        rows: list[int] = selected(table, words, None).column("index").to_pylist()
        return rows

    assert found("a=2.5") == [2]
    assert found("a>0.5") == [1, 2]
    assert found("a>0.5", "b=x") == [1]
    assert found(KEYS[3][:4]) == [3]
