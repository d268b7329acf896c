"""`experiment rerun`: these settings again, whatever is recorded of them."""

from __future__ import annotations

from pathlib import Path

from superparams.store.results import Results
from superparams.store.runs.folder import run_folders
from tests.cli.command import Project
from tests.cli.six_settings import fits, key, root


def test_exactly_these_settings(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    one, failing = key(project, "rbf", 1.0), key(project, "linear", 10.0)
    ended = project.run("rerun", "RQ1", one[:6], inside="experiments")
    assert ended.code == 0, ended.err
    assert "fitting rbf 1.0" in ended.out
    assert one[:8] in ended.out
    assert "0.91" in ended.out
    runs = [run.name for run in run_folders(root(project))]
    assert len(runs) == 2
    made_by = {row["key"]: row["run"] for row in Results.load(root(project))}
    assert {k: run for k, run in made_by.items() if run == runs[1]} == {one: runs[1]}

    ended = project.run("rerun", "RQ1", one, failing.upper()[:7], "-n", "2", "--json")
    assert ended.code == 1
    (told,) = ended.document
    assert told["counts"] == {"done": 1, "failed": 1}
    assert {row["key"] for row in told["rows"]} == {one, failing}
    assert len(run_folders(root(project))) == 3


def test_what_settings_print_is_no_part_of_the_document(project: Project) -> None:
    project.write(
        {
            "experiments/Loud.py": """
                import os
                from superparams import Experiment, search

                class Loud(Experiment):
                    a: int = search([1, 2])

                    def run(self):
                        print("from Python")
                        os.write(1, b"from C\\n")
                        return {"y": self.a}
            """
        }
    )
    assert project.run("run", "Loud").code == 0
    first = project.run("results", "Loud", "--format", "json").document[0]["key"]
    ended = project.run("rerun", "Loud", first, "--json")
    assert ended.document[0]["counts"] == {"done": 1}
    assert "from Python" in ended.err
    assert "from C" in ended.err


def test_a_setting_that_the_space_does_not_have(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    ended = project.run("run", "RQ1", "C=100", "kernel=rbf")
    assert ended.code == 0, ended.err
    begun = key(project, "rbf", 100.0)[:6]
    ended = project.run("rerun", "RQ1", begun)
    assert (ended.code, ended.out) == (2, "")
    assert f"rerun RQ1.Fit {begun} FIELD=VALUE" in ended.err
    ended = project.run("rerun", "RQ1", begun, "C=100", "--json")
    assert ended.document[0]["rows"][0]["C"] == 100
    # One that never ran is one of the space all the same.
    assert project.run("clean", "RQ1", "--all", "--yes").code == 0
    assert project.run("rerun", "RQ1", begun, "C=100").code == 0


def test_what_is_no_setting(project: Project) -> None:
    project.experiments("RQ1")
    for words, told in (
        (["zz"], "no setting of RQ1.RQ1 has a key that begins with 'zz'; `experiment results`"),
        (["0", "--timeout", "0"], "'--timeout': '0': give seconds above 0"),
        (["a=1"], "give the beginning of a key"),
        (["0", "b=1"], "b"),
        ([], "Missing argument"),
    ):
        ended = project.run("rerun", "RQ1", *words)
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err
    assert not (project.folder / "results").exists()
