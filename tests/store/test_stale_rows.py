"""Rows that other code made: what changed since, and the decision to keep them."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from superparams.errors import StoreError
from superparams.identity.code.code_diff import changes_between
from superparams.identity.code.fingerprint import Code
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run
from superparams.store.staleness.acceptances import (
    accept,
    accepted_for,
    decisions,
    equivalent,
    withdraw,
)
from tests.runs import output

EXPERIMENT = """
from superparams import Experiment, search
import part
class Cubes(Experiment):
    x: int = search([1, 2, 3])
    def run(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.x}\\n")
        return {"cube": part.cube(self.x)}
"""
PART = """
LIMIT = 10
def cube(x):
    return x**3
"""


def key(number: int) -> str:
    return f"{number:032x}"


def run(root: Path, keys: range, code: str | None, **manifest: Any) -> RunFolder:
    folder = RunFolder.create(root, {"code": code, **manifest})
    with Ledger(folder.ledger) as ledger:
        ledger.append(encode([Outcome(n, key(n), "done", {"x": n}, {"y": n}) for n in keys]))
    folder.finish()
    return folder


def loaded(root: Path, code: str = "now", **parts: str) -> Results:
    return Results.load(root, code=Code(code, parts, {}))


class Project:
    """Files that are edited, and scripts that run beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("exp.py", EXPERIMENT)
        self.write("part.py", PART)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def edit(self, old: str, new: str, name: str = "part.py") -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def does(self, text: str) -> str:
        return output(self.folder, f"from exp import Cubes\n{text}")

    def runs(self) -> list[int]:
        """The settings that `run_all` runs now."""
        ran = self.folder / "ran.txt"
        ran.unlink(missing_ok=True)
        self.does("Cubes().run_all(progress=False)")
        return list(map(int, ran.read_text().split())) if ran.exists() else []

    def stale(self) -> int:
        return int(self.does("print(len(Cubes.results().stale))"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    assert made.runs() == [1, 2, 3]
    return made


ACCEPT = "print(len(Cubes.results().accept_stale(why='only faster').stale))"


class TestAProject:
    """As a user meets it: files, edits, runs."""

    def test_what_is_accepted_is_not_run_again(self, project: Project) -> None:
        project.edit("x**3", "x * x * x")
        assert project.stale() == 3
        assert project.does(ACCEPT) == "0\n"
        assert project.stale() == 0
        assert project.runs() == []
        project.edit("search([1, 2, 3])", "search([1, 2, 3, 4])", "exp.py")
        assert project.runs() == [4]

    def test_the_decision_is_on_disk_for_people(self, project: Project) -> None:
        project.edit("x**3", "x * x * x")
        project.does(ACCEPT)
        (path,) = project.folder.glob("results/*/accepted.jsonl")
        (line,) = path.read_text().splitlines()
        made = json.loads(line)
        codes = {json.loads(one.read_text())["code"] for one in path.parent.glob("runs/*/run.json")}
        assert codes == {made["old"]} != {made["new"]}
        assert made["who"] == pwd.getpwuid(os.getuid()).pw_name
        assert made["why"] == "only faster"
        assert made["time"].startswith("20")
        assert made["what"] == ["changed part.cube"]

    def test_a_later_edit_makes_them_stale_again(self, project: Project) -> None:
        project.edit("x**3", "x * x * x")
        project.does(ACCEPT)
        project.edit("x * x * x", "x * x**2")
        assert project.stale() == 3
        project.edit("x * x**2", "x * x * x")
        assert project.stale() == 0, "back to the code for which they were accepted"
        project.edit("x * x * x", "x * x**2")
        assert project.runs() == [1, 2, 3]

    def test_a_decision_is_taken_back(self, project: Project) -> None:
        project.edit("x**3", "x * x * x")
        project.does(ACCEPT)
        told = project.does(
            "found = Cubes.results()\n"
            "print([one.why for one in found.accepted])\n"
            "print(len(found.withdraw(why='not quite').stale))\n"
            "print(Cubes.results().accepted)"
        )
        assert told.splitlines() == ["['only faster']", "3", "[]"]
        assert project.runs() == [1, 2, 3]

    def test_what_changed_is_told(self, project: Project) -> None:
        project.edit("x**3", "power(x, 3)")
        project.edit("LIMIT = 10", "def power(x, n):\n    return x**n  # new")
        told = project.does("print(Cubes.results().changes())")
        assert told.startswith("3 settings by the code ")
        assert "\n  changed part.cube\n  added part.power\n" in told
        assert "-    return x**3\n+    return power(x, 3)" in told
        assert "+def power(x, n):" in told
        assert "LIMIT" not in told, "nothing reaches it"
        assert project.does("print(Cubes.results().accept_stale().changes())") == (
            "nothing is stale\n"
        )

    def test_code_that_was_edited_after_its_import_is_no_code_to_accept_for(
        self, project: Project
    ) -> None:
        """It is that of no file, and the next process would find everything stale again."""
        project.edit("x**3", "x**2 * x")
        told = project.does(
            "from pathlib import Path\n"
            "import part\n"
            "text = Path('part.py').read_text()\n"
            "Path('part.py').write_text(text.replace('x**2 * x', 'x * x * x'))\n"
            "found = Cubes.results()\n"
            "print(len(found.stale))\n"
            "print(found.changes()[0].parts[0].how)\n"
            "try:\n"
            "    found.accept_stale()\n"
            "except Exception as error:\n"
            "    print(error)\n"
        )
        stale, how, error = told.splitlines()
        assert (stale, how) == ("3", "changed")
        assert error.startswith("part.cube changed on disk after this process imported it")
        assert project.does(ACCEPT) == "0\n"

    def test_results_of_a_run_know_as_much(self, project: Project) -> None:
        project.edit("x**3", "x * x * x")
        told = project.does(
            "found = Cubes(x=1).run_all(progress=False)\n"
            "print(len(found.stale), len(found.changes()))\n"
            "more = Cubes.results()\n"
            "print(len(more.stale), [one.settings for one in more.changes()])"
        )
        assert told.splitlines() == ["0 0", "2 [2]"]


class TestSeveralCodes:
    """Acceptance goes by code."""

    def test_one_of_two_is_accepted(self, tmp_path: Path) -> None:
        run(tmp_path, range(5), "aa1", parts={"m.f": "1"})
        run(tmp_path, range(2), "bb1", parts={"m.f": "2"})
        found = loaded(tmp_path, **{"m.f": "3"})
        assert [one.code for one in found.changes()] == ["aa1", "bb1"]
        assert [one.settings for one in found.changes()] == [3, 2]
        after = found.accept_stale("bb", why="the same")
        assert [row["x"] for row in after.stale] == [2, 3, 4]
        assert [one.code for one in after.changes()] == ["aa1"]
        assert [row["x"] for row in loaded(tmp_path).stale] == [2, 3, 4]
        assert len(loaded(tmp_path).accept_stale().stale) == 0
        assert {one.old for one in loaded(tmp_path).accepted} == {"aa1", "bb1"}
        assert [row["x"] for row in loaded(tmp_path).withdraw("aa1").stale] == [2, 3, 4]

    def test_fewer_rows_mean_their_codes(self, tmp_path: Path) -> None:
        run(tmp_path, range(3), "aa1")
        run(tmp_path, range(1), "bb1")
        after = loaded(tmp_path).where(x=0).accept_stale()
        assert len(after) == 1
        assert len(after.stale) == 0
        assert [row["x"] for row in loaded(tmp_path).stale] == [1, 2]

    def test_codes_that_made_nothing_stale(self, tmp_path: Path) -> None:
        run(tmp_path, range(3), "aa1")
        with pytest.raises(StoreError, match=r"begins with 'bb' made a stale row; a reason .*why="):
            loaded(tmp_path).accept_stale("bb")
        with pytest.raises(StoreError, match="begins with '' made a stale row"):
            loaded(tmp_path).accept_stale("")
        with pytest.raises(StoreError, match="begins with 'aa1' is accepted"):
            loaded(tmp_path).withdraw("aa1")
        assert loaded(tmp_path).accepted == []

    def test_code_that_is_not_known(self, tmp_path: Path) -> None:
        run(tmp_path, range(3), None)
        run(tmp_path, range(1), "aa1")
        (unknown,) = (one for one in loaded(tmp_path).changes() if one.code is None)
        assert (unknown.settings, unknown.parts) == (2, None)
        assert "its text is no longer kept" in str(unknown)
        assert [row["x"] for row in loaded(tmp_path).accept_stale().stale] == [1, 2]

    def test_a_run_that_was_killed_before_it_kept_its_text(self, tmp_path: Path) -> None:
        first = run(tmp_path, range(2), "aa1", parts={"m.f": "1"})
        (first.source / "parts.json").write_text('{"m.f": "then"}')
        last = run(tmp_path, range(2, 4), "aa1", parts={"m.f": "1"})
        (change,) = loaded(tmp_path, **{"m.f": "2"}).changes()
        assert change.runs == (first.name, last.name)
        assert "-then" in change.diff
        assert f"in run {last.name} and 1 more:" in str(change)

    @pytest.mark.filterwarnings("ignore::superparams.store.ledger.reader.LedgerWarning")
    def test_runs_whose_folder_is_gone(self, tmp_path: Path) -> None:
        folder = run(tmp_path, range(3), "aa1", parts={"m.f": "1"})
        loaded(tmp_path)
        shutil.rmtree(folder.path)
        (change,) = loaded(tmp_path).changes()
        assert (change.runs, change.parts) == ((), None)
        assert "in no run that is kept" in str(change)

    def test_a_frame_is_one_setting(self, tmp_path: Path) -> None:
        import pyarrow as pa

        folder = RunFolder.create(tmp_path, {"code": "aa1", "parts": {}})
        with Ledger(folder.ledger) as ledger:
            frame = pa.table({"y": [1, 2, 3]})
            ledger.append(encode([Outcome(0, key(0), "done", {"x": 0}, frame)]))
        folder.finish()
        assert [one.settings for one in loaded(tmp_path).changes()] == [1]

    def test_results_alone_do_not_know_the_code(self, tmp_path: Path) -> None:
        run(tmp_path, range(3), "aa1")
        accept(tmp_path, "aa1", "now")
        alone = Results.load(tmp_path)
        assert [one.old for one in alone.accepted] == ["aa1"]
        for act in (alone.changes, alone.accept_stale, alone.withdraw):
            with pytest.raises(StoreError, match=r"Class\.results\(\)"):
                act()

    @pytest.mark.parametrize("text", ["[1]", '{"m.f": 7}', "[" * 100_000])
    def test_a_text_that_is_none(self, tmp_path: Path, text: str) -> None:
        """A results folder may come from elsewhere, or be damaged."""
        folder = run(tmp_path, range(3), "aa1", parts={"m.f": "1"})
        (folder.source / "parts.json").write_text(text)
        (change,) = loaded(tmp_path, **{"m.f": "2"}).changes()
        assert [str(one) for one in change.parts or ()] == ["changed m.f"]
        assert len(loaded(tmp_path, **{"m.f": "2"}).accept_stale().stale) == 0
        folder.update(parts=["m.f"])
        (change,) = loaded(tmp_path, code="later", **{"m.f": "2"}).changes()
        assert change.parts is None

    def test_what_changed_is_told_without_pandas(self, tmp_path: Path) -> None:
        """It takes as long to load as all the rest."""
        run(tmp_path, range(3), "aa1", parts={"m.f": "1"})
        text = f"""
        import sys
        from superparams.identity.code.fingerprint import Code
        from superparams.store.results import Results
        found = Results.load({str(tmp_path)!r}, code=Code("now", {{"m.f": "2"}}, {{}})).changes()
        print(found[0].settings, "pandas" in sys.modules)
        """
        assert output(tmp_path, textwrap.dedent(text)) == "3 False\n"


class TestTheRecord:
    """`accepted.jsonl`."""

    def test_it_goes_one_way_and_on(self, tmp_path: Path) -> None:
        accept(tmp_path, "c1", "c2")
        accept(tmp_path, "c2", "c3")
        with open(tmp_path / "accepted.jsonl", "ab") as file:
            file.write(b'{"old": "c0", "ne')  # a crash
        accept(tmp_path, "c3", "c2")
        assert equivalent(tmp_path, "c3") == ["c3", "c2", "c1"]
        assert equivalent(tmp_path, "c1") == ["c1"]
        assert {one.old for one in accepted_for(tmp_path, "c3")} == {"c1", "c2", "c3"}

    def test_what_is_withdrawn_can_be_accepted_again(self, tmp_path: Path) -> None:
        accept(tmp_path, "c1", "c2", why="é")
        withdraw(tmp_path, "c1", "c2")
        assert (equivalent(tmp_path, "c2"), decisions(tmp_path)) == (["c2"], [])
        accept(tmp_path, "c1", "c2", why="after all")
        assert [one.why for one in decisions(tmp_path)] == ["after all"]
        assert "c1 accepted for c2 on 20" in str(decisions(tmp_path)[0])
        lines = (tmp_path / "accepted.jsonl").read_text().splitlines()
        assert [json.loads(line).get("withdrawn") for line in lines] == [None, True, None]

    def test_lines_that_say_something_else(self, tmp_path: Path) -> None:
        lines = ["[1]", "7", '{"old": "c1"}', '{"old": "c1", "new": "c2", "what": 7}', "\xff"]
        (tmp_path / "accepted.jsonl").write_bytes("\n".join(lines).encode("latin1"))
        assert [(one.old, one.what) for one in decisions(tmp_path)] == [("c1", ())]

    def test_a_folder_that_may_not_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "accepted.jsonl").mkdir()
        with pytest.raises(StoreError, match=r"cannot record the acceptance in .*accepted\.jsonl"):
            accept(tmp_path, "c1", "c2")


def test_what_changed(tmp_path: Path) -> None:
    folder = run(tmp_path, range(0), "c1", parts={"m.f": "1", "m.g": "1", "m.h": "1"})
    (folder.source / "parts.json").write_text('{"m.f": "def f():\\n    return 1"}')
    parts = {"m.f": "2", "m.g": "1", "m.new": "1"}
    old = Run.of(folder)
    found = changes_between(old.parts, parts, old.texts, {"m.f": "def f():\n    return 2"})
    assert [(one.name, one.how) for one in found] == [
        ("m.f", "changed"),
        ("m.h", "removed"),
        ("m.new", "added"),
    ]
    assert "-    return 1\n+    return 2" in found[0].diff
