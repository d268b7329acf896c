"""`experiment` without a name: all experiments, how large they are, and how far."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Project
from tests.runs import Terminal

pytestmark = pytest.mark.usefixtures("no_leaks")

FAILING = """
import os
from superparams import Experiment, search

class Some(Experiment):
    '''Some of them fail.

    And this is not shown.
    '''
    a: int = search([1, 2, 3, 4])
    b: bool = search([True])

    def run(self):
        if self.a > int(os.environ.get("UP_TO", "4")):
            raise ValueError("too far")
        return {"y": self.a}
"""


def state(project: Project, name: str, *words: str) -> dict[str, Any]:
    found = project.run("list", "--json", *words)
    assert not (project.folder / "imported").exists(), "no file is imported"
    assert (found.code, found.err) == (0, "")
    (entry,) = [one for one in found.document["experiments"] if one["name"] == name]
    counts: dict[str, Any] | None = entry["state"]
    return counts or {}


@pytest.mark.parametrize("inside", [".", "experiments", "experiments/deep"])
def test_every_experiment_with_its_file(project: Project, inside: str) -> None:
    project.experiments("RQ1", "deep/RQ2").write({"experiments/some.py": FAILING})
    project.write({"experiments/shared.py": "X = 1", "experiments/_off.py": "1 / 0"})
    done = project.run(inside=inside)
    assert (done.code, done.err) == (0, "")
    start = {".": "experiments/", "experiments": ""}.get(inside, f"{project.folder}/experiments/")
    deep = f"{start}deep/RQ2.py" if inside != "experiments/deep" else "RQ2.py"
    assert done.out.splitlines() == [
        f"{start}RQ1.py",
        "  RQ1.RQ1       2 settings  not run  RQ1 of RQ1",
        deep,
        "  deep.RQ2.RQ2  2 settings  not run  RQ2 of deep/RQ2",
        f"{start}some.py",
        "  some.Some     4 settings  not run  Some of them fail.",
    ]
    assert project.run("list", inside=inside).out == done.out


def test_the_document(project: Project) -> None:
    project.experiments("RQ1").write({"experiments/bad.py": "x = (1"})
    document = project.run("--json").document
    assert document == {
        "experiments": [
            {
                "name": "RQ1.RQ1",
                "description": "RQ1 of RQ1",
                "needs": [],
                "settings": 2,
                "is_exact": True,
                "state": None,
                "problem": None,
                "file": str(project.folder / "experiments/RQ1.py"),
            }
        ],
        "broken": [
            {
                "file": str(project.folder / "experiments/bad.py"),
                "error": "experiments/bad.py: line 1: '(' was never closed",
            }
        ],
    }
    project.write({"experiments/bad.py": "1 / 0"})
    (broken,) = project.run("list", "--import", "--json").document["broken"]
    assert broken["error"] == "experiments/bad.py:1: ZeroDivisionError: division by zero"
    assert project.run("--json").document == {**document, "broken": []}


def test_how_far(project: Project) -> None:
    project.write({"experiments/some.py": FAILING})
    assert project.run("some", env={"UP_TO": "3"}).code == 1
    expected = {"done": 3, "stale": 0, "failed": 1, "killed": 0, "timeout": 0, "stopped": 0}
    expected |= {"new": 0}
    expected |= {"todo": 1, "others": 0, "why": None, "code_unknown": None}
    assert state(project, "some.Some") == expected
    assert state(project, "some.Some", "--import") == expected
    assert "4 settings  3 done, 1 failed, 1 to do  Some" in project.run().out
    # A point more is to do; what the space does not have any more does not count.
    project.write({"experiments/some.py": FAILING.replace("[1, 2, 3, 4]", "[2, 3, 4, 5]")})
    other = {**expected, "done": 2, "new": 1, "todo": 2, "others": 1}
    assert state(project, "some.Some", "--import") == other
    why = "not known: the space that some.py declares now has not been run"
    unknown = {"new": None, "todo": None, "why": why}
    assert state(project, "some.Some") == {**expected, **unknown}
    assert "4 settings  recorded 3 done, 1 failed; the rest is not known  Some" in project.run().out
    # Other code has done what is stale.
    project.write({"experiments/some.py": FAILING.replace('"y": self.a}', '"y": self.a + 1}')})
    assert state(project, "some.Some") == {**expected, "done": 0, "stale": 3, "todo": 4}
    assert project.run("some").code == 0
    assert state(project, "some.Some") == {**expected, "done": 4, "failed": 0, "todo": 0}
    assert "4 settings  4 done  Some" in project.run().out


def test_those_of_a_name(project: Project) -> None:
    project.experiments("RQ1", "index/A", "index/B").write({"experiments/index/bad.py": "x = ("})
    for words, names in (
        (["RQ1"], ["RQ1.RQ1"]),
        (["index"], ["index.A.A", "index.B.B"]),
        (["experiments/index/B.py"], ["index.B.B"]),
        (["index.A.A"], ["index.A.A"]),
    ):
        document = project.run("list", *words, "--json").document
        assert [one["name"] for one in document["experiments"]] == names
        assert len(document["broken"]) == (words == ["index"])
    assert project.run("list", "RQ1").out.splitlines()[0] == "experiments/RQ1.py"
    for name in ("RQ3", "index.A.C"):
        ended = project.run("list", name)
        assert (ended.code, ended.out) == (2, "")
        assert "there is no experiment" in ended.err


def test_a_setting_that_the_space_has_twice_counts_once(project: Project) -> None:
    project.write({"experiments/some.py": FAILING.replace("[1, 2, 3, 4]", "[1, 2, 1]")})
    assert project.run("some").code == 0
    found = state(project, "some.Some")
    assert (found["done"], found["todo"]) == (2, 0)
    (told,) = project.run("status", "some", "--json").document
    assert (told["done"], told["todo"]) == (2, 0), "as the other verb has it"


def test_another_results_folder(project: Project) -> None:
    project.experiments("RQ1")
    assert project.run("RQ1", "--results", "kept", inside="experiments").code == 0
    assert project.recorded("experiments/kept") == {"RQ1.RQ1": 1}
    assert state(project, "RQ1.RQ1") == {}
    assert state(project, "RQ1.RQ1", "--results", "experiments/kept")["done"] == 2
    assert [one["name"] for one in project.run("--json").document["experiments"]] == ["RQ1.RQ1"]


def test_sources_kept_in_a_results_folder_are_no_experiments(project: Project) -> None:
    project.experiments("RQ1")
    assert project.run("RQ1", "--results", "results", inside="experiments").code == 0
    kept = [*(project.folder / "experiments/results").rglob("RQ1.py")]
    assert kept, "the run keeps the source of its experiment"
    assert len(project.run("--json").document["experiments"]) == 1


SPACES = """
from superparams import Experiment, Params, search, value

class Base(Experiment):
    def run(self): pass

class Needs(Base):
    x: int
    y: int = 3
    z: str

class One(Base):
    x: int = 3

class Huge(Base):
    a: int = search(range(10**6))
    b: int = search(range(10**6))

class Filtered(Base):
    a: int = search(range(1000))
    b: int = search(range(1000))
    def valid(self):
        open("asked", "w").close()
        return self.a < self.b

class Small(Base):
    a: int = search(range(10))
    b: int = search(range(10))
    def valid(self):
        return self.a < self.b

class Refusing(Base):
    def __post_init__(self):
        raise ValueError("not\\nthis way")

class Leaving(Base):
    def __post_init__(self):
        raise SystemExit(3)

class Loading(Base):
    a: int = search([1, 2])
    data: list = value(factory=lambda: open("loaded", "w").close() or [1])
"""


def test_spaces_of_all_kinds(project: Project) -> None:
    project.write({"experiments/s.py": SPACES})
    done = project.run("list", "--import")
    assert done.code == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()[2:]]
    assert lines == [
        "s.Needs not run; needs x, z",
        "s.One 1 setting not run",
        "s.Huge 1,000,000,000,000 settings not run",
        "s.Filtered at most 1,000,000 settings not run",
        "s.Small 45 settings not run",
        "s.Refusing ValueError: not this way",
        "s.Leaving SystemExit: 3",
        "s.Loading 2 settings not run",
    ]
    assert not (project.folder / "asked").exists()
    assert not (project.folder / "loaded").exists()
    told = [" ".join(line.split()) for line in project.run().out.splitlines()[2:]]
    assert told == [
        *lines[:4],
        "s.Small at most 100 settings not run",
        "s.Refusing not run",
        "s.Leaving not run",
        lines[-1],
        "`experiment list --import` counts the settings of 4 more experiments.",
    ]


def test_what_is_recorded_of_a_space_that_is_not_looked_up(project: Project) -> None:
    project.write({"experiments/s.py": SPACES})
    drive = """
    from experiments.s import Huge, Loading, Needs, search
    if __name__ == "__main__":
        Loading().run_all()
        Needs(x=1, z="a").run_all()
        Huge(a=1, b=search([1, 2, 3])).run_all()
    """
    assert project.write({"drive.py": drive}).python("drive.py").code == 0
    (project.folder / "loaded").unlink()
    for name, more, done, todo, others, why in (
        ("s.Loading", "", 2, 0, 0, ""),
        ("s.Loading", "--import", 2, None, 0, "Loading.data has a factory without a key"),
        ("s.Needs", "", 1, None, 0, "not known: the space"),
        ("s.Needs", "--import", 1, None, 0, "Needs.x"),
        ("s.Huge", "", 3, None, 0, "not known: the space"),
        ("s.Huge", "--import", 3, 10**12 - 3, 0, ""),
    ):
        found = state(project, name, *filter(None, [more]))
        assert (found["done"], found["todo"], found["others"]) == (done, todo, others), name
        assert why in (found["why"] or ""), name
    assert "s.Needs     " in project.run().out
    assert "recorded 1 done; the rest is not known; needs x, z" in project.run().out
    assert not (project.folder / "loaded").exists(), "no factory runs for a list"


def test_damaged_results_hide_nothing(project: Project) -> None:
    project.experiments("RQ1", "RQ2")
    assert project.run("experiments").code == 0
    table = project.folder / "results/RQ1.RQ1/results.parquet"
    table.write_bytes(b"no parquet")
    for ledger in (project.folder / "results/RQ1.RQ1/runs").glob("*/ledger"):
        for file in ledger.iterdir():
            file.write_bytes(b"no arrow")
    done = project.run(env={"PYTHONWARNINGS": "default"})
    assert done.code == 0
    assert "RQ2.RQ2  2 settings  2 done" in done.out
    assert "Traceback" not in done.err


def test_control_characters_are_shown(project: Project) -> None:
    text = FAILING.replace("Some of them fail.", "\\x1b]0;title\\x07 red")
    project.write({"experiments/some.py": text})
    out = project.run().out
    assert "\x1b" not in out
    assert "\\x1b]0;title\\x07 red" in out


def test_nothing_there(project: Project) -> None:
    (project.folder / "experiments").mkdir()
    done = project.run()
    assert (done.code, done.out) == (0, "There are no experiments in experiments yet.\n")
    assert project.run("--json").document == {"experiments": [], "broken": []}


def test_at_a_terminal(project: Project) -> None:
    """One line each, in colours, whatever a description says."""
    project.write(
        {"experiments/some.py": FAILING.replace("Some of", "Some " + "long " * 40 + "of")}
    )
    project.write({"experiments/bad.py": "x = ("})
    start = "import sys; from superparams.cli import main; sys.argv[0] = 'experiment'; main()"
    with Terminal(project.folder, "-c", start) as terminal:
        assert terminal.end() == 0
    shown = terminal.seen.splitlines()
    assert "\x1b[1mexperiments/some.py\x1b[0m" in terminal.seen
    assert "\x1b[31m  cannot be imported: experiments/bad.py: line 1: " in terminal.seen
    (line,) = [line for line in shown if "some.Some" in line]
    assert line.endswith("…")
    assert len(line) <= 120


TEXTS = """
import enum, lab.base, superparams as sp, typing
from typing import Literal
from shared import Common, RATES
from superparams import Experiment, Params, search, value

open("imported", "w").close()

class Opt(Params):
    rate: float = search([0.1, 0.2])

class Kind(enum.Enum):
    A = 1
    B = 2

class Written(Experiment):
    a: int = search(1, 2, 3)
    b: float = sp.search((0.5, -1.0))
    c: str = search({"x": "long", "y": "longer"})
    n: int = search(range(2, 2**4, 3))
    d: dict = {"name": "sgd"}
    k: int = search([1, 2], zip="z")
    l: int = search([3, 4], zip="z")
    e: int = value(derive=lambda s: s.a)
    def run(self): ...

class Inherits(Common, Written):
    a = 7
    seed: int = search(range(2), repeat=True)

class Range(Experiment):
    r: float = search(low=0.1, high=1.0)
    s: int = search(low=1, high=9)
    def run(self): ...

class Names(Experiment):
    a: float = search(RATES)
    def run(self): ...

class Groups(Experiment):
    opt: Opt = Opt()
    def run(self): ...

class Points(Experiment):
    opt: Opt | None = search([Opt(), None])
    def run(self): ...

class Allowed(Experiment):
    a: Literal["x", "y", "x"] = search()
    b: bool = search()
    c: typing.Literal[1, True] | None = search()
    def run(self): ...

class Kinds(Experiment):
    a: Kind = search()
    def run(self): ...

class Model(lab.base.Module):
    def run(self): ...

class Unusual(lab.base.Experiment):
    a: int = search([1, 2])
    def run(self): ...

class Idle(Experiment):
    a: int = 3
"""


def test_what_the_text_tells_of_experiments_that_never_ran(project: Project) -> None:
    """The sizes are those that an import counts; where the text does not tell, there is none."""
    base = "from superparams import Experiment\nclass Module: ...\n"
    shared = "from superparams import Experiment\nRATES = [1.0, 2.0]\nclass Common(Experiment):\n"
    project.write({"experiments/t.py": TEXTS, "shared.py": f"{shared}    common: int = 3\n"})
    packages = project.folder.parent / "installed"
    (packages / "lab").mkdir(parents=True)
    (packages / "lab" / "__init__.py").touch()
    (packages / "lab" / "base.py").write_text(base)
    env = {"PYTHONPATH": str(packages)}
    told: dict[str, Any] = {
        "t.Written": 3 * 2 * 2 * 5 * 2,
        "t.Inherits": 2 * 2 * 5 * 2 * 2,
        "t.Range": "2 ranges",
        "t.Unusual": 2,
        "t.Allowed": 2 * 2 * 3,
    }
    unknown = dict.fromkeys(["t.Names", "t.Groups", "t.Points", "t.Kinds"])
    assert sizes(project, env) == {**told, **unknown}
    assert not (project.folder / "imported").exists()
    counted = {"t.Names": 2, "t.Groups": 2, "t.Points": 3, "t.Kinds": 2}
    assert sizes(project, env, "--import") == {**told, **counted}
    assert "4 more experiments" in project.run(env=env).out


def sizes(project: Project, env: dict[str, str], *words: str) -> dict[str, Any]:
    found = project.run("list", "--json", *words, env=env)
    assert (found.code, found.err) == (0, "")
    every = found.document["experiments"]
    assert all(one["state"] is None for one in every)
    return {one["name"]: one.get("ranges", one["settings"]) for one in every}


def test_a_file_that_has_run_is_not_imported(project: Project) -> None:
    """Nor where its import fails, where its code is stale, or where its text is damaged."""
    project.write({"experiments/some.py": FAILING})
    assert project.run("some").code == 0
    text = FAILING.replace("import os", "import os\nopen('imported', 'w').close()\n1 / 0")
    project.write({"experiments/some.py": text})
    assert state(project, "some.Some")["done"] == 4
    project.write({"experiments/some.py": text.replace('"y": self.a', '"y": -self.a')})
    assert state(project, "some.Some")["stale"] == 4
    project.write({"experiments/some.py": text.replace("class Some", "class Some(")})
    assert state(project, "some.Some")["code_unknown"] is not None
    assert "cannot be imported: experiments/some.py: line" in project.run().out


def test_listing_loads_no_table_for_what_was_never_run(project: Project) -> None:
    project.experiments("RQ1")
    driver = """
    import sys
    from superparams.cli.command import execute
    try:
        execute("experiment", [])
    finally:
        print(sorted({"pyarrow", "numpy", "rich"} & set(sys.modules)))
    """
    done = project.write({"drive.py": driver}).python("drive.py")
    assert done.out.splitlines()[-1] == "[]"
