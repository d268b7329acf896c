"""What people look at tells the truth: rows of other code (56), control characters (62), rows of
frames in a diff (76)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project
from tests.runs import Terminal, output, script

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a folder for experiments."""
    made = Project(tmp_path / "project")
    (made.folder / "experiments").mkdir(parents=True, exist_ok=True)
    return made


SCORES = """
from superparams import Experiment, search

class Scores(Experiment):
    a: int = search([1, 2, 3])

    def run(self):
        if self.a == 3:
            raise ValueError("three")
        return {"score": 10 * self.a}
"""
LOOKS = """
import json, pathlib, sys
from superparams import Results
from scores import Scores

found = Scores.results()
def best(found, **how):
    try:
        return found.best("score", **how)["score"]
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
frame = found.to_pandas(stale=True)
alone = Results.load(found.root)
print(json.dumps({
    "counts": found.counts,
    "summary": found.summary.partition(" · ")[0],
    "text": repr(found).splitlines(),
    "html": found._repr_html_(),
    "best": best(found),
    "best_of_any": best(found, stale=True),
    "best_of_stale": best(found.stale),
    "frame": frame["stale"].tolist(),
    "plain": "stale" in found.to_pandas().columns,
    "where": [len(found.where(stale=True)), len(found.where(stale=False))],
    "row": repr(found.best("score", stale=True)).splitlines()[0],
    "alone": [
        alone.summary,
        alone.counts,
        best(alone),
        alone.to_pandas(stale=True)["stale"].tolist(),
    ],
}))
"""


def test_56_rows_of_other_code_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "scores.py"
    file.write_text(SCORES)
    run = "from scores import Scores\nScores({}).run_all(progress=False)"
    output(tmp_path, run.format(""))
    file.write_text(SCORES.replace("10 * self.a", "2 * self.a"))
    output(tmp_path, run.format("a=1"))
    told = json.loads(output(tmp_path, LOOKS))
    assert told["counts"] == {"done": 1, "stale": 1, "failed": 1}
    assert told["summary"] == "3 settings: 1 done, 1 stale, 1 failed (1 by other code)"
    _, names, *rows = told["text"]
    assert names.split() == ["a", "score", "status", "error", "stale", "seconds"]
    marks = {row.split()[0]: "stale" in row.split() for row in rows}
    assert marks == {"1": False, "2": True, "3": True}
    assert told["html"].count('class="stale"') == 1
    assert told["html"].count('class="failed stale"') == 1
    assert (told["best"], told["best_of_any"], told["best_of_stale"]) == (2, 20, 20)
    assert sorted(told["frame"]) == [False, True, True]
    assert not told["plain"]
    assert told["where"] == [2, 1]
    assert told["row"].endswith("done, by other code")
    summary, counts, best, marks = told["alone"]
    assert "· code unknown, rows of 2 codes ·" in summary
    assert (counts, best, marks) == ({"done": 2, "failed": 1}, 20, [None] * 3)
    file.write_text(SCORES.replace("10 * self.a", "3 * self.a"))
    told = json.loads(output(tmp_path, LOOKS))
    assert re.search(r"2 rows of other code have: take best\(..., stale=True\)", told["best"])
    assert told["counts"] == {"stale": 2, "failed": 1}


def test_56_the_verbs_agree(project: Project) -> None:
    file = project.folder / "experiments" / "scores.py"
    project.write({"experiments/scores.py": SCORES})
    assert project.run("run", "scores").code == 1
    file.write_text(SCORES.replace("10 * self.a", "2 * self.a"))
    assert project.run("run", "scores", "a=1").code == 0
    (status,) = project.run("status", "scores", "--json").document
    (listed,) = project.run("list", "scores", "--json").document["experiments"]
    ended = project.run("results", "scores")
    assert (status["done"], status["stale"], status["failed"]) == (1, 1, 1)
    assert {name: listed["state"][name] for name in ("done", "stale", "failed")} == {
        "done": 1,
        "stale": 1,
        "failed": 1,
    }
    assert "3 settings: 1 done, 1 stale, 1 failed" in ended.out
    assert "stale" in ended.out.splitlines()[1].split()
    (told,) = project.run("results", "scores", "--json").document
    assert {row["a"]: row["stale"] for row in told["rows"]} == {1: False, 2: True, 3: True}
    ended = project.run("results", "scores", "--where", "stale=true", "--sort", "a")
    assert [line.split()[1] for line in ended.out.splitlines()[3:]] == ["2", "3"]
    ended = project.run("results", "scores", "--columns", "a", "--sort", "a")
    assert [line.split() for line in ended.out.splitlines()[1:]] == [
        ["a", "stale"],
        ["1"],
        ["2", "stale"],
        ["3", "stale"],
    ]
    # What is stale and not asked for has not failed.
    assert project.run("run", "scores", "a=1,2", "--new").code == 0


# Moves the cursor, sets the title, hides text, turns its direction; in 8 bits too.
EVIL = "\x1b]0;taken\x07\x1b[2J\x9b31m\r\x08\u202egnp\u2066"
HOSTILE = """
from __future__ import annotations
import warnings
from superparams import Experiment, search

EVIL = "\\x1b]0;taken\\x07\\x1b[2J\\x9b31m\\r\\x08\\u202egnp\\u2066"

class Odd:
    def __repr__(self):
        return "Odd(" + EVIL + ")"

class Hostile(Experiment):
    __doc__ = "What " + EVIL + " does."
    a: str = search(["x" + EVIL, "y"])
    named: int = search({"one" + EVIL: 1})
    odd: object = Odd()

    def run(self):
        print("printed " + EVIL)
        if self.a == "y":
            raise ValueError("raised " + EVIL)
        return {"r": "result " + EVIL, "column " + EVIL: 1, "deep": {EVIL: [EVIL]}}

    def report(self, results):
        raise RuntimeError("report " + EVIL)

    def teardown(self):
        raise RuntimeError("teardown " + EVIL)
"""
DOORS = """
import sys, warnings
from hostile import Hostile
from superparams import Results
from rich import print as rich_print

space = Hostile()
found = space.run_all(int(sys.argv[1]))
print(found)
print(found.failures)
print(space)
print(repr(space[0]), space[0])
rich_print(found)
print(found.best("column " + Hostile.run.__globals__["EVIL"]))
print(found.provenance(found.row(found.to_arrow()["key"][0].as_py())))
print(found._repr_html_(), space._repr_html_(), space[0]._repr_html_())
for notes in found.notes:
    print("note")
try:
    Hostile().run_all(int(sys.argv[1]), on_error="raise", resume=False)
except Exception:
    import traceback
    traceback.print_exc()
try:
    found.best("nothing " + Hostile.run.__globals__["EVIL"])
except Exception:
    import traceback
    traceback.print_exc()
"""


def unsafe(text: str) -> list[str]:
    """What a terminal would obey in a text, but for colours and what a live line needs."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace("\x1b[2J", "CLEARED"))
    found = re.findall(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", plain
    )
    return [*found, *re.findall("CLEARED", plain)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_62_nothing_reaches_a_terminal_raw_from_a_script(tmp_path: Path, workers: str) -> None:
    (tmp_path / "hostile.py").write_text(
        HOSTILE if workers == "2" else HOSTILE.replace('print("printed " + EVIL)', "pass")
    )
    with Terminal(tmp_path, str(script(tmp_path, DOORS)), workers, columns=200) as terminal:
        assert terminal.end() == 0, terminal.seen
    assert unsafe(terminal.seen) == []
    seen = re.sub(r"\s+", "", terminal.seen)
    for word in ("result", "raised", "column", "report", "Odd("):
        assert f"{word}\\x1b]0;taken\\x07\\x1b[2J\\x9b31m" in seen, word
    assert "\\u202egnp\\u2066" in seen


def test_62_nothing_reaches_a_terminal_raw_from_a_verb(project: Project) -> None:
    project.write({"experiments/hostile.py": HOSTILE})
    words = [
        ["run", "hostile", "-n", "2"],
        ["list"],
        ["hostile", "--help"],
        ["status", "hostile"],
        ["results", "hostile"],
        ["results", "hostile", "--failed"],
        ["results", "hostile", "--format", "csv"],
        ["results", "hostile", "--json"],
        ["show", "hostile", "status=done"],
        ["show", "hostile", "status=failed"],
        ["logs", "hostile", "status=done"],
        ["logs", "hostile", "status=done", "--tail", "1"],
        ["results", "hostile", "--where", "acuracy=\x1b[2J\u202e"],
        ["results", "hostile", "--sort", "\x1b[2Jacuracy"],
        ["runs", "hostile"],
    ]
    line = " ; ".join(" ".join(map(repr, [EXPERIMENT, *each])) for each in words)
    code = f"import subprocess\nfor each in {words!r}: subprocess.run([{EXPERIMENT!r}, *each])"
    with Terminal(project.folder, "-c", code, columns=120) as terminal:
        assert terminal.end() == 0, line
    assert unsafe(terminal.seen) == []
    assert "printed \\x1b]0;taken" in terminal.seen
    # Written elsewhere it is exact.
    assert project.run("results", "hostile", "-o", "x.json").code == 0
    rows = json.loads((project.folder / "x.json").read_text())
    assert {row["r"] for row in rows} == {f"result {EVIL}", None}
    logs = project.run("logs", "hostile", "status=done")
    assert f"printed {EVIL}".replace("\r", "\n") in logs.out.replace("\r", "\n")


CURVES = """
import pyarrow as pa
from pathlib import Path
from superparams import Experiment, search

class Curves(Experiment):
    rate: float = search([0.1, 0.2, 0.3, 0.4])

    def run(self):
        off = 0.5 if Path("again").exists() else 0.0
        rows = 6 if self.rate == 0.4 and off else 5
        loss = [self.rate + step + off * step * self.rate for step in range(rows)]
        return pa.table({"step": list(range(rows)), "loss": loss})
"""


def test_76_a_diff_says_which_row_and_each_key_once(project: Project) -> None:
    project.write({"experiments/curves.py": CURVES})
    assert project.run("run", "curves").code == 0
    (project.folder / "again").touch()
    assert project.run("run", "curves", "--rerun").code == 0
    out = project.run("diff", "curves").out
    assert "1 setting with a different number of rows" in out
    assert "loss differs in 4 settings (16 rows), most in" in out
    found = re.findall(
        r"^    ([0-9a-f]{8})  row (\d)  (\S+) → (\S+)  \(rate=(\S+)\)$", out, re.MULTILINE
    )
    assert [(row, rate) for _, row, _, _, rate in found] == [
        ("4", "0.4"),
        ("4", "0.3"),
        ("4", "0.2"),
    ]
    assert len({key for key, *_ in found}) == 3
    results = project.run("diff", "curves", "--json").document["results"]
    (column,) = results["columns"]
    assert (results["lengths"], column["settings"], column["rows"]) == (1, 4, 16)
    assert [pair["row"] for pair in column["largest"]] == [4, 4, 4]


def test_76_a_setting_of_one_row_has_no_number(project: Project) -> None:
    text = CURVES.replace(
        'return pa.table({"step": list(range(rows)), "loss": loss})', 'return {"loss": loss[-1]}'
    )
    project.write({"experiments/curves.py": text})
    assert project.run("run", "curves").code == 0
    (project.folder / "again").touch()
    assert project.run("run", "curves", "--rerun").code == 0
    out = project.run("diff", "curves").out
    assert "row " not in out.partition("results")[2].replace("rows", "")
    assert (
        project.run("diff", "curves", "--json").document["results"]["columns"][0]["largest"][0][
            "row"
        ]
        is None
    )
