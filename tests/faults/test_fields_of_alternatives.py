"""Row 71: a field that is None is told from a field that the chosen alternative does not have."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, Params, Results, search, value
from superparams.cli.conditions import matching
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

HEAD = b"superparams"


class Adam(Params):
    lr: float = 0.1
    momentum: float | None = search([None, 0.9])


class Sgd(Params):
    lr: float = 0.2


class Gini(Params):
    depth: int | None = None


class Tree(Params):
    split: Gini | Sgd = search([Gini(), Sgd()])


class Train(Experiment):
    x: int | None = search([None, 1])
    fixed: Adam | Sgd = Sgd()
    optimizer: Adam | Sgd = search([Adam(), Sgd()])
    maybe: Gini | None = search([None, Gini()])
    named: Params = search({"a": Sgd(), "b": Gini(), "c": Tree()})
    mixed: Any = search([3, "text", Gini()])
    options: dict[str, Any] = {"a": None}
    keyed: Gini = value(Gini(), key="v1")

    def run(self) -> dict[str, Any]:
        return {"y": None if self.x is None else 1.0}


def settings(of: Experiment) -> dict[str, dict[str, Any]]:
    return {setting.key: setting.as_row() for setting in of}


def html_of(shown: Any) -> str:
    return str(shown._repr_html_())


def columns_told(results: Results) -> list[str]:
    return [name for name in results.params if not name.startswith("options.")]


def wrong_fields(results: Results, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Cells of which the table says something else than the settings themselves."""
    keys = results.column("key").to_pylist()
    wrong: list[str] = []
    for name in columns_told(results):
        has = results.has_field(name).to_pylist()
        wrong += [
            f"{name} of {rows[key]}"
            for key, x in zip(keys, has, strict=True)
            if x is not (name in rows[key])
        ]
    return wrong


@pytest.mark.parametrize("num_proc", [1, 2])
def test_71_each_cell_tells_whether_its_setting_has_the_field(
    tmp_path: Path, num_proc: int
) -> None:
    results = Train().run_all(num_proc, results=tmp_path, progress=False)
    rows = settings(Train())
    assert len(results) == len(rows)
    assert wrong_fields(results, rows) == []
    for name in columns_told(results):
        with_none = [key for key, row in rows.items() if name in row and row[name] is None]
        found = results.where(**{name: None}).column("key").to_pylist()
        assert sorted(found) == sorted(with_none), name
    assert set(results.has_field("options.a").to_pylist()) == {None}  # inside no group
    assert results.has_field("y").null_count == len(results)  # no parameter
    assert len(results.where(y=None)) == len(results) / 2
    # Read from the folder alone, also after the table was made anew from the ledgers.
    assert wrong_fields(Results.load(results.root), rows) == []
    results.path.unlink()
    assert wrong_fields(Results.load(results.root), rows) == []


def test_71_each_run_tells_its_own_fields(tmp_path: Path) -> None:
    spaces = [
        Train(optimizer=Sgd(), named=Sgd(), mixed=3),
        Train(optimizer=Adam(), named=Gini(), mixed=Gini(), maybe=Gini()),
        Train(fixed=Adam(momentum=None), named=search([Tree(), Gini()]), mixed=4),
    ]
    rows: dict[str, dict[str, Any]] = {}
    for space in spaces:
        space.run_all(results=tmp_path, progress=False)
        rows |= settings(space)
    results = Train.results(tmp_path)
    assert len(results) == len(rows)
    assert wrong_fields(results, rows) == []
    for run in results.runs:
        manifest = json.loads((results.root / "runs" / run / "run.json").read_text())
        assert manifest["fields"]["x"] == [{}]
    assert (
        "optimizer.momentum"
        not in json.loads((results.root / "runs" / results.runs[0] / "run.json").read_text())[
            "fields"
        ]
    )
    # The table keeps what it knows of runs whose folders are gone.
    for name in results.runs[:2]:
        (results.root / "runs" / name).rename(tmp_path / name)
    more = Train(x=5, optimizer=Sgd(), named=Sgd(), mixed=3)
    with pytest.warns(UserWarning, match="gone"):
        more.run_all(results=tmp_path, progress=False)
    with pytest.warns(UserWarning, match="gone"):
        found = Train.results(tmp_path)
    rows |= settings(more)
    assert len(found) == len(rows)
    assert wrong_fields(found, rows) == []


def test_71_any_reader_of_parquet_finds_it_in_the_metadata(tmp_path: Path) -> None:
    results = Train().run_all(results=tmp_path, progress=False)
    query = f"SELECT value FROM parquet_kv_metadata('{results.path}') WHERE key = 'superparams'"
    found = duckdb.sql(query).fetchone()
    assert found is not None
    (told,) = json.loads(found[0])["fields"]
    assert told["runs"] == results.runs
    assert told["fields"]["optimizer.momentum"] == [{"optimizer": "Adam"}]
    assert told["fields"]["optimizer.lr"] == [{"optimizer": "Adam"}, {"optimizer": "Sgd"}]
    assert told["fields"]["named.split.depth"] == [{"named": "c", "named.split": "Gini"}]
    assert told["fields"]["keyed.depth"] == told["fields"]["x"] == [{}]
    count = f"SELECT count(*) FROM '{results.path}' WHERE optimizer = 'Adam'"
    counted = duckdb.sql(f'{count} AND "optimizer.momentum" IS NULL').fetchone()
    table = matching(results.to_arrow(), ["optimizer.momentum!=None"])  # as --where has it
    assert set(table.column("optimizer.momentum").to_pylist()) == {0.9}
    assert counted == (len(results.where(**{"optimizer.momentum": None})),)


def test_71_tables_show_none_and_leave_the_other_empty(tmp_path: Path) -> None:
    small = Train(named=Sgd(), mixed=1, maybe=None, x=1)
    results = small.run_all(results=tmp_path, progress=False)
    frame = results.to_arrow().select(["optimizer", "optimizer.momentum"]).to_pylist()
    assert [row["optimizer.momentum"] for row in frame] == [None, 0.9, None]
    html = html_of(results)
    head = [one.split(">")[-1] for one in html.split("</th>")[:-1]]
    place = head.index("optimizer.momentum")
    body = [line.split("</td>") for line in html.split("<tr>")[2:]]
    assert [cells[place].split(">")[-1] for cells in body] == ["None", "0.9", ""]
    best = results.where(optimizer="Adam").best("y")
    assert dataclasses.is_dataclass(Train)
    lines = dict(line.split(maxsplit=1) for line in repr(best).splitlines()[1:])
    assert lines["optimizer.momentum"] == "None"
    assert best["optimizer.momentum"] is None
    other = results.where(optimizer="Sgd").best("y")
    assert "optimizer.momentum" not in repr(other)
    assert "None" in html_of(best)


def test_71_old_tables_are_read_as_before(tmp_path: Path) -> None:
    results = Train(named=Sgd(), mixed=1, maybe=None).run_all(results=tmp_path, progress=False)
    rows = len(results)
    for run in results.runs:  # as an older version wrote it
        path = results.root / "runs" / run / "run.json"
        manifest = json.loads(path.read_text())
        del manifest["fields"]
        path.write_text(json.dumps(manifest))
    results.path.unlink()
    old = Train.results(tmp_path)
    assert len(old) == rows
    assert old.has_field("optimizer.momentum").null_count == rows
    assert len(old.where(**{"optimizer.momentum": None})) == 4
    assert "optimizer.momentum  None" not in repr(old.best("y"))
    # What is made from now on is told, beside it.
    Train(named=Sgd(), mixed=2, maybe=None).run_all(results=tmp_path, progress=False)
    both = Train.results(tmp_path)
    assert both.has_field("optimizer.momentum").null_count == rows
    assert both.where(mixed=2).has_field("optimizer.momentum").null_count == 0
    assert len(both.where(**{"optimizer.momentum": None})) == 4 + 2


DAMAGE: list[Any] = [
    None,
    3,
    "x",
    [1],
    {"x": 1},
    {"x": [1]},
    {"x": [{"y": 3}]},
    {"x": {"y": "z"}},
    [{"runs": 3, "fields": {}}],
    [{"runs": [{}], "fields": {"x": [{}]}}],
    [{"runs": ["x"]}],
]


def test_71_damaged_metadata_tells_nothing(tmp_path: Path) -> None:
    results = Train(named=Sgd(), mixed=1, maybe=None).run_all(results=tmp_path, progress=False)
    table = results.to_arrow()
    head = json.loads(table.schema.metadata[HEAD])
    for fields in DAMAGE:
        made = table.replace_schema_metadata({HEAD: json.dumps({**head, "fields": fields})})
        found = Results(results.root, made)
        assert found.has_field("optimizer.momentum").null_count == len(found), fields
        assert len(found.where(**{"optimizer.momentum": None})) == 4
        assert repr(found)
    for run in results.runs:
        path = results.root / "runs" / run / "run.json"
        manifest = json.loads(path.read_text())
        for fields in DAMAGE:
            path.write_text(json.dumps({**manifest, "fields": fields}))
            results.path.unlink()
            assert len(Train.results(tmp_path)) == len(results)


PROJECT = """
from __future__ import annotations
from superparams import Experiment, Params, search

class Adam(Params):
    momentum: float | None = search([None, 0.9])

class Sgd(Params):
    pass

class Train(Experiment):
    optimizer: Adam | Sgd = search([Adam(), Sgd()])

    def run(self):
        return {"y": 1}
"""


def test_71_the_command_shows_and_finds_them(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/t.py": PROJECT})

    def call(*words: str) -> str:
        done = project.run(*words)
        assert done.code == 0, done.err
        return done.out

    call("run", "t")
    table = call("results", "t", "--columns", "optimizer.momentum")
    assert [line.strip() for line in table.splitlines()[1:]] == [
        "optimizer.momentum",
        "None",
        "0.9",
        "",
    ]
    rows = json.loads(call("results", "t", "--where", "optimizer.momentum=None", "--json"))
    assert [row["optimizer"] for row in rows[0]["rows"]] == ["Adam"]
    told = call("show", "t", "optimizer.momentum=None")
    assert [line.split() for line in told.splitlines()[1:3]] == [
        ["optimizer", "Adam"],
        ["optimizer.momentum", "None"],
    ]


class Fails(Params):
    width: int = 3
    double: int = value(derive=lambda s: s.width // 0)


class Broken(Experiment):
    x: int = search([1, 2])
    net: Fails = Fails()

    def run(self) -> None:
        pass


def test_71_a_setting_whose_group_fails_keeps_its_other_parameters(tmp_path: Path) -> None:
    results = Broken().run_all(results=tmp_path, progress=False)
    assert results.counts == {"failed": 2}
    assert [(row["x"], row["net.width"], row["net.double"]) for row in results] == [
        (1, 3, None),
        (2, 3, None),
    ]


def test_71_a_long_list_of_groups_is_not_told_apart(tmp_path: Path) -> None:
    class Long(Experiment):
        net: Params = search([Sgd(lr=float(lr)) for lr in range(1001)] + [Adam(momentum=None)])

        def run(self) -> None:
            pass

    results = Long().run_all(results=tmp_path, progress=False)
    has = results.has_field("net.momentum")
    assert isinstance(has, pa.Array)
    assert has.null_count == len(results)
    assert len(results.where(**{"net.momentum": None})) == len(results)
    assert parquet.read_metadata(results.path).num_rows == 1002
