"""`experiment show`: all that is known of a setting, and the way back to its code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from superparams.store.runs.folder import run_folders
from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.six_settings import edit, fits, key, root
from tests.timing import PATIENCE


def git(project: Project, *words: str) -> str:
    command = ["git", "-C", str(project.folder), "-c", "user.name=me", "-c", "user.email=me@x.org"]
    return subprocess.run([*command, *words], check=True, capture_output=True, text=True).stdout


def test_a_setting_that_failed(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    ended = project.run("show", "RQ1", key(project, "linear", 10.0)[:5], inside="experiments")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:3] == [
        f"RQ1.Fit {key(project, 'linear', 10.0)}",
        "  kernel  linear",
        "  C       10.0",
    ]
    assert "failed: took " in ended.out
    assert "  ValueError: it does not converge\n" in ended.out
    assert "Traceback (most recent call last):" in ended.out
    assert 'raise ValueError("it does not converge")' in ended.out
    assert "printed:\n  fitting linear 10.0\n" in ended.out
    (run,) = run_folders(root(project))
    assert f"run      {run.name}, finished" in ended.out
    assert "the current code" in ended.out
    assert "files    experiments/RQ1.py" in ended.out
    assert "commit" not in ended.out
    # Outside of git, what was kept of the project is the way back.
    assert f"cp -R {run.source / 'project'}/. " in ended.out
    # A package that was another then is told.
    manifest = json.loads((run.path / "run.json").read_text())
    manifest["versions"] |= {"pyarrow": "1.2.3", "no-such-package": "9", "json": "2.0"}
    (run.path / "run.json").write_text(json.dumps(manifest))
    told = project.run("show", "RQ1", "C=10", "kernel=linear", "--json").document
    assert told["params"] == {"kernel": "linear", "C": 10.0}
    assert told["outcome"]["status"] == "failed"
    assert told["outcome"]["error"] == "ValueError: it does not converge"
    assert told["log"] == "fitting linear 10.0"
    assert told["is_stale"] is False
    assert told["packages"]["pyarrow"]["then"] == "1.2.3"
    assert told["packages"]["no-such-package"] == {"then": "9", "now": None}
    assert "json" not in told["packages"]
    assert told["run"]["name"] == run.name


def test_the_way_back_to_the_code_of_then(project: Project, tmp_path: Path) -> None:
    git_files = {".gitignore": "results/\n", "experiments/shared.py": "STEP = 1\n"}
    project.write(git_files).write(
        {
            "experiments/Steps.py": """
                from superparams import Experiment, search
                from experiments.shared import STEP
                from experiments.fresh import more

                class Steps(Experiment):
                    n: int = search([1, 2])

                    def run(self):
                        return {"steps": more(2 * self.n) + STEP}
            """
        }
    )
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "steps")
    edit_ = (project.folder / "experiments/shared.py").write_text
    edit_("STEP = 10\n")  # not committed
    project.write({"experiments/fresh.py": "def more(x):\n    return x + 100\n"})  # not known
    assert project.run("run", "Steps").code == 0
    edit_("STEP = 1000\n")

    ended = project.run("show", "Steps", "n=2")
    assert "changed since: changed experiments.shared.STEP" in ended.out
    assert "with changes that were not committed" in ended.out
    told = project.run("show", "Steps", "n=2", "--json").document
    assert (told["is_stale"], told["rows"]) == (True, [{"steps": 114}])
    back = told["back"]
    assert [line for line in back if line not in ended.out] == []
    commit = git(project, "rev-parse", "HEAD").strip()
    assert told["run"]["commit"] == commit
    assert back[0].endswith(commit)
    # What is printed is run as it is.
    script = "\n".join(["set -e", *back]).replace("experiment rerun", f"{EXPERIMENT} rerun")
    ran = subprocess.run(
        ["sh", "-c", script + " --json"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr
    (again,) = json.loads(ran.stdout[ran.stdout.index("[\n") :])  # git says something first
    assert [row["steps"] for row in again["rows"]] == [114]
    assert Path(again["table"]).is_relative_to(tmp_path / f"project-{commit[:8]}")


def test_without_git_the_kept_files_are_the_way_back(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    edit(project, "0.9 +", "0.5 +")
    back = project.run("show", "RQ1", "kernel=rbf", "C=1", "--json").document["back"]
    script = "\n".join(["set -e", *back]).replace("experiment rerun", f"{EXPERIMENT} rerun")
    ran = subprocess.run(
        ["sh", "-c", script + " --json"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)[0]["rows"][0]["accuracy"] == 0.91


def test_a_setting_with_many_rows_and_one_whose_run_is_gone(project: Project) -> None:
    project.write(
        {
            "experiments/Curve.py": """
                import pyarrow as pa
                from superparams import Experiment

                class Curve(Experiment):
                    rate: float = 0.5

                    def run(self):
                        return pa.table({"step": range(20)})
            """
        }
    )
    assert project.run("run", "Curve", "-n", "2").code == 0
    ended = project.run("show", "Curve", "rate=0.5")
    assert "20 rows" in ended.out
    assert "… 15 more" in ended.out
    (run,) = (project.folder / "results/Curve.Curve/runs").iterdir()
    run.rename(project.folder / "away")
    default = {"PYTHONWARNINGS": "default"}
    ended = project.run("show", "Curve", "rate=0.5", env=default)
    assert ended.code == 0
    assert "20 rows stand in results.parquet alone, of a run whose folder is gone" in ended.err
    assert f"run {run.name}, whose folder is gone" in ended.out
    told = project.run("show", "Curve", "rate=0.5", "--json", env=default).document
    assert (len(told["rows"]), told["back"], told["run"]["versions"]) == (20, [], {})


def test_what_is_no_setting(project: Project) -> None:
    project.experiments("RQ1")
    ended = project.run("show", "RQ1", "ab")
    assert (ended.code, ended.out) == (2, "")
    assert "run the experiment first" in ended.err
    assert project.run("show", "RQ1").code == 2
