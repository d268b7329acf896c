"""`experiment diff`: what two runs differ in."""

from __future__ import annotations

import re

import pytest

from superparams.store.runs.folder import run_folders
from tests.cli.command import Project
from tests.cli.six_settings import edit, fits, key, record, root


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three runs: the second has other code, the third another space."""
    project = fits(tmp_path_factory.mktemp("diff") / "project")
    edit(project, "0.9 +", "0.8 +")
    record(project)
    edit(project, "[0.1, 1.0, 10.0]", "[0.1, 1.0, 10.0, 20.0]")
    record(project)
    return project


def test_other_code(ran: Project) -> None:
    first, second, _ = run_folders(root(ran))
    ended = ran.run("diff", "RQ1", "last~2", second.name, inside="experiments")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0].startswith(f"- {first.name}")
    assert "space: the same" in ended.out
    assert "code\n  changed experiments.RQ1.score\n" in ended.out
    assert "\n  -    return 0.9 + 0.01 * C\n  +    return 0.8 + 0.01 * C\n" in ended.out
    assert "results: 6 settings in both, of which 5 differ\n" in ended.out
    assert "accuracy differs in 5 settings, most in" in ended.out
    assert f"{key(ran, 'rbf', 0.1)[:8]}  0.901 → 0.801  (kernel=rbf, C=0.1)" in ended.out
    assert "loss" not in ended.out
    told = ran.run("diff", "RQ1", first.name[-6:], "last~1", "--json").document
    assert [told[name]["name"] for name in ("before", "after")] == [first.name, second.name]
    assert [one["name"] for one in told["code"]] == ["experiments.RQ1.score"]
    (column,) = told["results"]["columns"]
    assert (column["name"], column["settings"]) == ("accuracy", 5)
    assert column["largest"][0]["before"] - column["largest"][0]["after"] == pytest.approx(0.1)


def test_another_space_of_the_last_two_runs(ran: Project) -> None:
    ended = ran.run("diff", "RQ1")
    assert "code: the same" in ended.out
    assert re.search(r"-C: +\[0.1, 1.0, 10.0\]\n", ended.out)
    assert re.search(r"\+C: +\[0.1, 1.0, 10.0, 20.0\]\n", ended.out)
    told = ran.run("diff", "RQ1", "--json").document["results"]
    # What was done is not run again: only the one that failed is in both.
    assert (told["both"], told["before_alone"], told["after_alone"]) == (1, 5, 2)
    assert told["different"] == 0
    first = run_folders(root(ran))[0]
    told = ran.run("diff", "RQ1", first.name, "--json").document
    assert told["after"]["name"] == run_folders(root(ran))[2].name


def test_what_is_no_run(ran: Project) -> None:
    for words, told in (
        (["last~3"], "there are only 3 runs"),
        (["nothing"], "no run is called 'nothing'"),
        (["a", "b", "c"], "give at most two runs"),
    ):
        ended = ran.run("diff", "RQ1", *words)
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err


def test_runs_of_several_experiments(project: Project) -> None:
    project.experiments("index/A", "index/B")
    ended = project.run("diff", "index")
    assert (ended.code, ended.out) == (2, "")
    assert "a run belongs to one experiment" in ended.err
    assert "run the experiment first" in project.run("diff", "index.A").err
