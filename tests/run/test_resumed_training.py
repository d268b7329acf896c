"""A training takes up where its driver was killed: the same table, and the code that it is of."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Results
from superparams.store.cleanup import plan_cleaning
from tests.cli.command import EXPERIMENT
from tests.recorded_steps import recorded_steps
from tests.runs import environment, script, start, tables
from tests.timing import PATIENCE, slowness, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

TRAIN = """
import random
import sys
import time
from pathlib import Path

from superparams import Experiment, search

class Train(Experiment):
    a: int = search(range({settings}))

    def run(self):
        state = self.load({{"epoch": 0, "w": 0.0}})
        w = state["w"]
        with open(self.folder / "made", "a") as made:
            for epoch in range(state["epoch"], {epochs}):
                w += random.random()
                time.sleep(random.random() * {nap})
                yield {{"epoch": epoch, "w": w}}
                print(epoch, time.time(), file=made, flush=True)
                self.save(epoch=epoch + 1, w=w)
        return {{"w": w}}

if __name__ == "__main__":
    Train().run_all(2, results=sys.argv[1], progress=False)
"""
KILLS = [(3, 40, 5)]
if os.environ.get("SUPERPARAMS_SLOW"):
    KILLS.append((20, 200, 6))


def made(root: Path) -> list[tuple[str, int, float]]:
    """The steps that settings have made: key, epoch, and when."""
    found: list[tuple[str, int, float]] = []
    for path in root.glob("*/settings/*/made"):
        lines = [line.split() for line in path.read_text().splitlines()]
        found += [(path.parent.name, int(one[0]), float(one[1])) for one in lines if len(one) == 2]
    return found


def same(found: Results) -> tuple[list[Any], list[Any]]:
    """What two equal tables have in common, and the steps of the rows, in the order of the space.

    Without the space, rows come in the order of their runs.
    """
    rows = [(row["a"], row["key"], row["code"], row["status"], row["w"]) for row in found]
    steps = [(one["a"], one["step"], one["epoch"], one["w"]) for one in found.steps]
    return sorted(rows), sorted(steps)


@pytest.mark.parametrize(("kills", "settings", "epochs"), KILLS)
def test_a_driver_that_is_killed_at_any_time(
    kills: int, settings: int, epochs: int, tmp_path: Path
) -> None:
    text = TRAIN.format(settings=settings, epochs=epochs, nap=0.04)
    path = script(tmp_path, text, "train.py")
    unbroken = start(tmp_path, str(path), "unbroken")
    dice = random.Random(4)
    rest = settings * epochs // (kills + 1)
    for _ in range(kills):
        driver = start(tmp_path, str(path), "broken")
        wanted = len(made(tmp_path / "broken")) + dice.randrange(1, rest)
        wait_for(lambda: len(made(tmp_path / "broken")) >= wanted or driver.poll() is not None)  # noqa: B023
        killed_at, limit = time.time(), slowness()
        driver.send_signal(signal.SIGKILL)
        driver.communicate(timeout=PATIENCE)
        told = {(row["key"], row["step.epoch"]) for row in recorded_steps(tmp_path / "broken")}
        ages = {(key, epoch): killed_at - at for key, epoch, at in made(tmp_path / "broken")}
        lost = {step: age for step, age in ages.items() if age > limit and step not in told}
        assert not lost, limit
    driver = start(tmp_path, str(path), "broken")
    for one in (unbroken, driver):
        out, err = one.communicate(timeout=PATIENCE)
        assert (one.returncode, out, err) == (0, "", "")
    results = [Results.load(tmp_path / name / "train.Train") for name in ("unbroken", "broken")]
    assert results[0].counts == {"done": settings}
    assert same(results[1]) == same(results[0])
    assert results[1].column("n_steps").to_pylist() == [epochs] * settings
    assert len(list((results[1].root / "runs").iterdir())) == kills + 1
    # Of a setting that was killed, at most the step was made again that it had not saved.
    assert len(made(tmp_path / "broken")) <= settings * epochs + 2 * kills
    # A driver that was killed just before it removed a checkpoint has left it.
    assert len(list(results[1].root.glob("checkpoints/*/*"))) <= 2 * kills
    codes = results[1].column("code").unique().to_pylist()
    plan_cleaning(results[1].root, codes=codes, in_space=set).carry_out()
    assert not (results[1].root / "checkpoints").exists()
    assert same(Results.load(results[1].root)) == same(results[0])


def test_two_runs_at_once_take_up_a_terminated_one(tmp_path: Path) -> None:
    text = TRAIN.format(settings=6, epochs=8, nap=0.08)
    path = script(tmp_path, text, "train.py")
    unbroken = start(tmp_path, str(path), "unbroken")
    interrupted = start(tmp_path, str(path), "broken")
    wait_for(lambda: len(made(tmp_path / "broken")) > 10)
    interrupted.terminate()
    _, err = interrupted.communicate(timeout=PATIENCE)
    assert interrupted.returncode == 143, err
    assert list(tmp_path.glob("broken/*/checkpoints/*/*/saved"))
    both = [start(tmp_path, str(path), "broken") for _ in range(2)]
    for one in (unbroken, *both):
        _, err = one.communicate(timeout=PATIENCE)
        assert (one.returncode, err) == (0, "")
    results = [Results.load(tmp_path / name / "train.Train") for name in ("unbroken", "broken")]
    assert same(results[1]) == same(results[0])
    assert not (results[1].root / "checkpoints").exists()


# -- code -----------------------------------------------------------------------------------------

MODELS = """
import json
import sys
from pathlib import Path

from superparams import Experiment, Params, search

class Svm(Params):
    def step(self):
        return "svm"

class Forest(Params):
    def step(self):
        return "forest"

class Fit(Experiment):
    model: Svm | Forest = search([Svm(), Forest()])

    def run(self):
        history = [*self.load([]), self.model.step()]
        self.save(history)
        (self.checkpoint / str(len(history))).touch()
        assert len(list(self.checkpoint.iterdir())) == len(history)
        if Path("fail").exists():
            raise ValueError(history)
        return {"history": "-".join(history)}

if __name__ == "__main__":
    found = Fit().run_all(results="r", progress=False)
    print(json.dumps([row["error"] or row["history"] for row in found]))
"""


FILE = "experiments/models.py"


def project(folder: Path, text: str) -> None:
    (folder / "experiments").mkdir()
    script(folder, text, FILE)


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def fit(folder: Path) -> list[list[str]]:
    """What the settings of a run have taken up, and what they added."""
    (told,) = tables(folder, FILE)
    return [
        one.removeprefix("ValueError: ").strip("[]'").replace("', '", "-").split("-")
        for one in told
    ]


def command(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        [EXPERIMENT, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_checkpoint_goes_by_the_code(tmp_path: Path) -> None:
    project(tmp_path, MODELS)
    (tmp_path / "fail").touch()
    assert fit(tmp_path) == [["svm"], ["forest"]]
    assert fit(tmp_path) == [["svm"] * 2, ["forest"] * 2]
    # The code of one alternative changes, and changes back.
    edit(tmp_path, '"forest"', '"trees"')
    assert fit(tmp_path) == [["svm"] * 3, ["trees"]]
    edit(tmp_path, '"trees"', '"forest"')
    assert fit(tmp_path) == [["svm"] * 4, ["forest"] * 3]
    # Code that was accepted takes over what there is.
    edit(tmp_path, '"forest"', '"for" + "est"')
    command(tmp_path, "accept", "models", "--results", "r", "--why", "the same", "--yes")
    assert fit(tmp_path) == [["svm"] * 5, ["forest"] * 4]
    (tmp_path / "fail").unlink()
    assert fit(tmp_path) == [["svm"] * 6, ["forest"] * 5]
    assert len(list(tmp_path.glob("r/*/checkpoints/*/*"))) == 1  # of the trees
    shown = command(tmp_path, "clean", "models", "--results", "r", "--yes")
    assert "1 checkpoint that no setting will resume from: " in shown
    assert not list(tmp_path.glob("r/*/checkpoints"))


def test_clean_removes_what_a_killed_driver_left(tmp_path: Path) -> None:
    project(tmp_path, MODELS)
    (tmp_path / "fail").touch()
    fit(tmp_path)
    (root,) = tmp_path.glob("r/*")
    checkpoints = root / "checkpoints"
    (root / "away").mkdir()
    for path in checkpoints.iterdir():
        subprocess.run(["cp", "-r", path, root / "away"], check=True)
    # Those of settings that are to go on stay; so does what a reader sees.
    assert "checkpoint" not in command(tmp_path, "clean", "models", "--results", "r", "--dry-run")
    (tmp_path / "fail").unlink()
    fit(tmp_path)
    assert not checkpoints.exists()
    (root / "away").rename(checkpoints)  # as if the driver had been killed before it removed them
    (checkpoints / ".removed-1a2b" / "0").mkdir(parents=True)
    shown = command(tmp_path, "clean", "models", "--results", "r", "--dry-run")
    assert "2 checkpoints that no setting will resume from: " in shown
    command(tmp_path, "clean", "models", "--results", "r", "--yes")
    assert not checkpoints.exists()


KEEPS = """
import sys
from superparams import Experiment, search

class Keeps(Experiment):
    a: int = search([1, 2, 3])
    keep_checkpoints = True

    def run(self):
        self.save(self.a)
        if self.a == 2:
            raise ValueError("no")

if __name__ == "__main__":
    Keeps().run_all(results="r", progress=False)
"""


def test_clean_knows_which_checkpoints_are_wanted(tmp_path: Path) -> None:
    project(tmp_path, KEEPS)
    path = tmp_path / FILE
    words = ("clean", "models", "--results", "r", "--yes")

    def run_it() -> int:
        assert tables(tmp_path, FILE) == []
        return len(list(tmp_path.glob("r/*/checkpoints/*/*")))

    assert run_it() == 3
    assert "checkpoint" not in command(tmp_path, *words)  # two are kept, one is to go on
    assert "1 checkpoint that" in command(tmp_path, *words, "--failed")
    assert run_it() == 3
    path.write_text(KEEPS.replace("[1, 2, 3]", "[1, 3]"))
    assert "1 checkpoint that" in command(tmp_path, *words)  # it is not in the space any more
    assert run_it() == 2
    path.write_text(KEEPS.replace("self.save(self.a)", "self.save(-self.a)"))
    assert "checkpoint" not in command(tmp_path, *words)  # those of stale rows are kept as well
    assert "2 checkpoints that" in command(tmp_path, *words, "--stale")
    assert run_it() == 3
    path.unlink()
    assert "checkpoints: the current code is not known" in command(tmp_path, *words)
    assert len(list(tmp_path.glob("r/*/checkpoints/*/*"))) == 3


BOMB = """
class Bomb:
    def __reduce__(self):
        return exec, ("open('executed', 'a').write('x')",)
"""


def test_nothing_but_load_reads_what_was_saved(tmp_path: Path) -> None:
    text = MODELS.replace("class Fit(", f"{BOMB}\nclass Fit(")
    text = text.replace("self.save(history)", "self.save(Bomb()); self.log(a=1)")
    project(tmp_path, text)
    (tmp_path / "fail").touch()
    fit(tmp_path)
    words = ("models", "--results", "r")
    for verb in ("results", "status", "runs", "logs", "clean --dry-run", "results --steps"):
        command(tmp_path, *verb.split()[:1], *words, *verb.split()[1:])
    Results.load(next(tmp_path.glob("r/*"))).steps.to_pandas()
    assert not (tmp_path / "executed").exists()
    tables(tmp_path, FILE)
    assert (tmp_path / "executed").exists()  # the same file executes when a setting loads it
