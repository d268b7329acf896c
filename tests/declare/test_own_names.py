"""Names that superparams has itself: a few are reserved, each other one may be a field."""

from __future__ import annotations

import copy
import json
import pickle
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, search, value
from superparams.declare.html import as_html
from superparams.errors import FieldError, SpaceError, StoreError
from superparams.outcomes.columns import COLUMNS
from tests.cli.command import Project
from tests.declare import spying
from tests.declare.every_name import FREE, MODULE, SIZE
from tests.runs import output

OF_PARAMS = ("keys", "place", "replace", "valid")
OF_EXPERIMENTS = ("goal", "report", "resources", "run", "run_all", "setup", "teardown")
ROOT = Path(__file__).parents[2]
TOKEN = "a token that is secret"


def names_of(cls: type[Any]) -> set[str]:
    """The names without two underscores that a class of superparams defines."""
    return {name for name in vars(cls) if not name.startswith(("__", "_abc_"))}


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class with a field of each name, in this process."""
    monkeypatch.setenv("EVERY_TOKEN", TOKEN)
    module = type(sys)("every_name_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(MODULE, "<every name>", "exec", dont_inherit=True), vars(module))
    return vars(module)["Every"]


# -- reserved names -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_PARAMS)
def test_a_reserved_name_of_every_class(name: str) -> None:
    for base in (Params, Experiment):
        with pytest.raises(FieldError, match=rf"X\.{name}: .* reserved.*of Params; .* as {name}_"):
            type(base)("X", (base,), {"__annotations__": {name: int}, "__module__": __name__})


@pytest.mark.parametrize("name", OF_EXPERIMENTS)
def test_a_reserved_name_of_experiments(name: str) -> None:
    no_field = {"goal": "is not a field; write it", "resources": "are not a field; write them"}
    why = no_field.get(name, "reserved.*of Experiment;")
    with pytest.raises(FieldError, match=rf"X\.{name}: .*{why}.* {name}_"):
        type(Experiment)("X", (Experiment,), {"__annotations__": {name: int}, name: 1})
    group: Any = type(Params)("X", (Params,), {"__annotations__": {name: int}, name: 1})
    assert group()[name] == 1  # superparams calls none of these on a group
    with pytest.raises(FieldError, match=rf"Y\.{name}: .*, a field of X, is reserved"):
        type(Experiment)("Y", (group, Experiment), {})


def test_every_other_name_of_ours_is_tried() -> None:
    ours = names_of(Params) | names_of(Experiment) | {column.name for column in COLUMNS}
    assert ours - {*OF_PARAMS, *OF_EXPERIMENTS} <= set(FREE)
    assert ours >= {"rank", "index", "results", "seed_globals", "place", "status"}


def test_place_has_every_name_of_ours() -> None:
    reserved = {*OF_PARAMS, *OF_EXPERIMENTS}
    for cls in (Params, Experiment):
        public = {name for name in names_of(cls) - reserved if not name.startswith("_")}
        assert public <= set(dir(cls.place)), cls


# -- fields of these names ------------------------------------------------------------------------


def test_fields_of_every_name(every: Any) -> None:
    space = every()
    assert len(space) == space.place.n_settings == SIZE
    assert [setting.rank for setting in space[:3]] == [4, 4, 4]
    setting = space[-1]
    assert (setting.rank, setting.key, setting.status, setting.seconds) == (
        8,
        2,
        "mine",
        "seconds of 8",
    )
    assert (setting.index.rank, setting.index.index) == (5, "index of 5")
    assert space.place.index(setting) == SIZE - 1
    assert setting in space
    assert "group.rank" in space
    assert "every" not in space
    assert set(FREE) <= {*setting.keys()} == {name for name, _ in setting.place.items()}
    assert dict(setting)["rank"] == setting["rank"] == 8
    assert [*dict(setting).values()] == setting.place.values()
    assert setting.place.as_dict()["index"]["index"] == "index of 5"
    assert json.loads(setting.place.to_json())["group"]["rank"] == 1
    row = setting.place.as_row()
    assert (row["rank"], row["key"], row["index.rank"]) == (8, "large", 5)
    assert setting.place.inline_repr == repr(setting)
    assert "key=2" in repr(setting)
    assert "rank:" in repr(space)
    assert ">group.rank</td>" in as_html(space)
    assert ">large</td>" not in as_html(setting)
    assert TOKEN not in f"{setting!r}{row}{setting.place.to_json()}"


def test_copies_of_every_name(every: Any) -> None:
    space = every()
    setting = space[3]
    for one in (
        pickle.loads(pickle.dumps(setting)),
        copy.copy(setting),
        copy.deepcopy(setting),
        setting.replace(),
        every.place.from_cli([f"rank={setting.rank}"]).replace(**every_field(setting)),
    ):
        assert one == setting
        assert one.place.key == setting.place.key
    changed = setting.replace(rank=9, **{"index.items": [7]})
    assert (changed.rank, changed.index.items) == (9, [7])
    assert changed.place.key != setting.place.key
    assert len(pickle.loads(pickle.dumps(space))) == SIZE
    opened = every.place.from_cli(
        ["rank=1,2,3", "key=small", "results=a,b", "group.rank=1", "sobol=1"]
    )
    assert (len(opened), opened.place.n_settings) == (3 * 2 * 2 * 2, 24)
    assert [one.results for one in opened[:2]] == ["a", "b"]


def every_field(setting: Any) -> dict[str, Any]:
    return {name: x for name, x in setting.place.items() if name != "seconds"}


def test_an_attribute_of_such_a_name_is_of_the_user() -> None:
    class Own(Experiment):
        a: int = search([1, 2])

        def index(self) -> str:
            return "mine"

        def setup(self) -> None:
            self.key = ["made once"]

        def run(self) -> dict[str, Any]:
            self.rank = self.key[0]
            return {"rank": self.rank, "place": self.place.rank}

    space: Any = Own()
    assert (space[0].index(), space.place.index(space[1]), space[1] in space) == ("mine", 1, True)
    setting = space[0]
    setting.key = ["of a setting"]
    assert (setting.run()["rank"], setting.place.key) == ("of a setting", space[0].place.key)


def test_the_place_of_a_class(tmp_path: Path, every: Any) -> None:
    assert len(every.place.from_cli(["rank=4"])) == 16
    with pytest.raises(SpaceError, match=r"Every\.place: a class has no setting; make .*Every\("):
        _ = every.place.rank
    with pytest.raises(StoreError, match="no results"):
        every.place.results(tmp_path)
    assert every.place.seed_globals is True
    assert type("Off", (Experiment,), {"seed_globals": False}).place.seed_globals is False


def test_a_repr_of_a_place(every: Any) -> None:
    assert repr(every.place) == "Every.place"
    assert repr(every()[0].group.place).startswith("Group(rank=1, ")


def test_a_callable_of_an_old_name_is_a_field(tmp_path: Path) -> None:
    class X(Experiment):
        resume: object = print
        format_results: object = search([print, repr])

        def run(self) -> dict[str, Any]:
            return {"y": 1}

    assert X().run_all(results=tmp_path, progress=False).notes == ()


@pytest.mark.parametrize("x", [False, search([True, False]), True])
def test_seed_globals_as_a_field_turns_nothing_off(tmp_path: Path, x: Any) -> None:
    class Drawing(Experiment):
        seed_globals: bool = x

        def run(self) -> dict[str, Any]:
            return {"drawn": random.random()}

    first = Drawing().run_all(results=tmp_path / "a", progress=False)
    again = Drawing().run_all(results=tmp_path / "b", progress=False)
    assert first.column("drawn").to_pylist() == again.column("drawn").to_pylist()
    told = [note for note in first.notes if "seed_globals" in note]
    assert len(told) == (x is not True)
    assert all("Drawing.seed_globals is a parameter" in note for note in told)


# -- in filters -----------------------------------------------------------------------------------


def test_filters_tell_a_parameter_from_a_column_of_outcomes(tmp_path: Path) -> None:
    class X(Experiment):
        rank: int = search({"low": 4, "high": 8})
        status: str = search(["new", "done"])
        code: str = value("c", key="key of c")
        self: int = 3

        def run(self) -> dict[str, Any]:
            if self.rank == 4:
                raise ValueError
            return {"seconds": -1.0, "y": 1}

    found = X().run_all(results=tmp_path, progress=False)
    for name, plain in (("rank", 4), ("status", "done"), ("code", "c")):
        with pytest.raises(StoreError, match=rf"'{name}' is a parameter, and a column of every"):
            found.where(**{name: plain})
        with pytest.raises(StoreError, match=rf"'param\.{name}' .* or 'outcome\.{name}' for"):
            found.where(**{name: plain})

    def ranks(**names: Any) -> list[str]:
        return list(found.where(**names).column("param.rank").to_pylist())

    for of in (found, Results.load(found.root)):
        found = of
        assert ranks(**{"param.rank": 4}) == ranks(**{"param.rank": "low"}) == ["low"] * 2
        assert ranks(**{"outcome.rank": 0}) == ["low", "low", "high", "high"]
        assert ranks(**{"outcome.status": "done"}) == ["high"] * 2
        assert ranks(**{"param.status": "done"}) == ["low", "high"]
        assert ranks(seconds=-1.0) == []  # what run returned is in result.seconds
        assert ranks(**{"result.seconds": -1.0}) == ["high"] * 2
        assert ranks(self=3) == ["low", "low", "high", "high"]
    assert sum("has a column 'rank'" in note for note in found.notes) == 1


def test_a_group_of_such_a_name_is_found_by_its_fields(tmp_path: Path) -> None:
    class Low(Params):
        a: int = 1

    class High(Params):
        b: int = 2

    class X(Experiment):
        rank: Low | High = search([Low(), Low(a=3), High()])

        def run(self) -> dict[str, Any]:
            return {"y": type(self.rank).__name__}

    found = X().run_all(results=tmp_path, progress=False)
    for wanted, rows in ((Low(), 1), (Low, 2), ("High", 1), (Low(a=3), 1), (Low(a=4), 0)):
        assert len(found.where(**{"param.rank": wanted})) == rows, wanted
    assert len(found.where(**{"rank.a": 3})) == 1


# -- in runs --------------------------------------------------------------------------------------

DRIVER = """
import json, os
from concurrent.futures import ProcessPoolExecutor
from superparams.executor import Processes
os.environ["EVERY_TOKEN"] = %r
from every import Every

def main():
    space = Every()
    keys = [setting.place.key for setting in space]
    for name, options in {ENGINES}.items():
        folder = "results-" + name
        found = space.run_all(results=folder, progress=False, **options)
        again = Every.place.results(folder)
        assert len(again) == len(space.place.results(folder)) == len(found)
        assert len(space[0].place.results(folder)) == 1
        assert found.report.read_text() == f"{len(found)} rows", found.report
        rows = list(found)
        assert [row["key"] for row in rows] == keys, name
        for row, setting in zip(rows, space):
            assert row["status"] == "done", row["error"]
            assert (row["param.rank"], row["result.rank"]) == (setting.rank, setting.rank)
            assert (row["param.key"], row["named"]) == (["small", "large"][setting.key - 1],) * 2
            assert (row["place_key"], row["place_seed"]) == (row["key"], setting.place.seed)
            assert row["place_folder"] == row["key"]
            rank, n_proc, started_by = row["worker"]
            assert rank == row["rank"] and max(rank, started_by) < n_proc, row["worker"]
            # A worker of an executor may have another rank for each chunk.
            assert rank == started_by or name == "futures", row["worker"]
            assert n_proc == (1 if name == "serial" else 2), n_proc
            assert (row["inner"], row["index.rank"]) == (setting.index.rank, setting.index.rank)
            assert (row["param.status"], row["param.seconds"]) == ("mine", setting.seconds)
            assert type(row["seconds"]) is float and row["param.log_start"] == setting.log_start
        executor = options.get("engine")
        if hasattr(executor, "shutdown"):
            executor.shutdown()
        elapsed = space.run_all(results=folder, progress=False).elapsed
        print("engine", json.dumps([name, len(rows), elapsed]))

if __name__ == "__main__":
    main()
""".replace("{ENGINES}", spying.ENGINES)


@pytest.mark.usefixtures("no_leaks")
def test_every_name_in_every_engine(tmp_path: Path) -> None:
    (tmp_path / "every.py").write_text(MODULE, "utf-8")
    printed = output(tmp_path, DRIVER % TOKEN).splitlines()
    lines = [json.loads(line[7:]) for line in printed if line.startswith("engine ")]
    assert [size for _, size, _ in lines] == [SIZE] * 6
    assert [elapsed for *_, elapsed in lines] == [None] * 6  # nothing was left to run


@pytest.mark.usefixtures("no_leaks")
def test_every_name_in_the_command(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write({"experiments/every.py": MODULE})

    def run(*words: str, code: int = 0) -> str:
        done = project.run(*words, env={"EVERY_TOKEN": TOKEN})
        assert done.code == code, f"{words}: {done.out}\n{done.err}"
        return done.out + done.err

    words = ["rank=4,8", "key=small", "group.rank=1", "n_settings=3", "items=[1]", "results=x"]
    assert "4 settings" in run("every", *words, "-n", "2")
    assert "skipped" in run("every", *words)
    assert "rank" in run("every", "--help")
    assert "Every" in run("list")
    assert "4" in run("status", "every")
    table = json.loads(run("results", "every", "--format", "json"))
    assert {row["param.rank"] for row in table} == {4, 8}
    assert {row["param.key"] for row in table} == {"small"}
    key = table[0]["key"]
    shown = run("show", "every", key[:12])
    assert key in shown
    assert "seconds of 4" in shown
    assert "rank 4 of worker" in run("logs", "every", key[:12])
    rows = json.loads(run("results", "every", "--format", "json", "--where", "param.rank=8"))
    assert [row["param.rank"] for row in rows] == [8, 8]
    assert "write 'param.rank'" in run("results", "every", "--where", "rank=8", code=2)
    path = project.folder / "experiments/every.py"
    path.write_text(path.read_text("utf-8").replace("of worker", "of the worker"), "utf-8")
    assert "4 stale" in run("status", "every")
    assert "of the worker" in run("accept", "every", "--yes", "--why", "a text")
    assert "skipped" in run("every", *words)
    assert "rank 4 of the worker" in run("rerun", "every", key[:12], *words)
    assert "of the worker" in run("diff", "every")
    assert run("clean", "every", "--yes")


# -- what superparams reads -----------------------------------------------------------------------


@pytest.mark.usefixtures("no_leaks")
def test_superparams_reads_reserved_names_alone(tmp_path: Path) -> None:
    reserved = repr({*OF_PARAMS, *OF_EXPERIMENTS})
    text = spying.MODULE.replace("{RESERVED}", reserved)
    project = Project(tmp_path / "project").write({"experiments/spy.py": text})
    project.write({"experiments/_drive.py": spying.DRIVER})
    noted = tmp_path / "noted"
    around = {"SPIED": str(noted), "SPY_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}

    def run(*words: str) -> str:
        done = project.run(*words, env=around)
        assert done.code == 0, f"{words}: {done.out}\n{done.err}"
        return done.out

    done = project.python("experiments/_drive.py", env=around)
    assert done.code == 0, done.err
    run("spy", "-n", "2")
    for words in ("spy x=1 --plan", "list", "status spy", "runs spy", "spy --help"):
        run(*words.split())
    (row, *_) = json.loads(run("results", "spy", "--where", "x=1", "--format", "json"))
    for verb in ("show", "logs", "rerun"):
        run(verb, "spy", row["key"])
    run("clean", "spy", "--yes")
    assert not noted.exists(), set(noted.read_text("utf-8").splitlines())
    planted = "import superparams.run.plan as plan\n"
    planted += "exec('def read(x): return x.index, type(x).results', vars(plan))\n"
    planted += "import spy; plan.read(spy.Spy())"
    assert project.python("-c", planted, inside="experiments", env=around).code == 0
    assert noted.read_text("utf-8").splitlines() == [
        "superparams.run.plan.read reads Spy.index",
        "superparams.run.plan.read reads Spy.results",
    ]
