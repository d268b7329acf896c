"""`experiment runs`: one line a run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from superparams.store.runs.folder import run_folders
from tests.cli.command import Project
from tests.cli.six_settings import edit, fits, record, root


def test_one_line_a_run_oldest_first(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    edit(project, "0.9 +", "0.8 +")
    record(project)
    first, second = run_folders(root(project))
    first.update(git={"commit": "abcdef1234" * 4, "is_dirty": True})
    wide = {"COLUMNS": "200"}
    ended = project.run("runs", "RQ1", inside="experiments", env=wide)
    assert (ended.code, ended.err) == (0, "")
    names, *lines = (line.split() for line in ended.out.splitlines())
    assert names[:4] == ["run", "started", "took", "state"]
    assert [line[0] for line in lines] == [first.name, second.name]
    assert "abcdef12+" in lines[0]
    assert "abcdef12+" not in lines[1]
    assert "5 done, 1 failed" in ended.out
    assert lines[0][-2:] == ["processes", "2"]
    start = dt.datetime.fromisoformat(first.manifest()["start"]).astimezone()
    assert start.strftime("%Y-%m-%d %H:%M:%S") in ended.out
    (told,) = project.run("runs", "RQ1", "--json").document
    assert told["experiment"] == "RQ1.Fit"
    assert [run["name"] for run in told["runs"]] == [first.name, second.name]
    assert told["runs"][0]["start"].endswith("+00:00")
    assert told["runs"][0]["is_dirty"] is True
    assert told["runs"][1]["counts"] == {"done": 5, "failed": 1}
    assert told["runs"][0]["code"] != told["runs"][1]["code"]


def test_none_yet_and_several_experiments(project: Project) -> None:
    project.experiments("index/A", "index/B")
    assert project.run("runs", "index.A").out == "index.A.A has not run yet.\n"
    assert project.run("run", "index.B").code == 0
    ended = project.run("runs", "index")
    assert ended.out.startswith("index.A.A\nno runs yet\n\nindex.B.B\n")
    assert [len(one["runs"]) for one in project.run("runs", "index", "--json").document] == [0, 1]
