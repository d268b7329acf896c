"""`run --trials`, `--strategy` and `--stop`: a search from the command line."""

from __future__ import annotations

import re

import pytest

from superparams.strategies.strategy_registry import STOPPERS, STRATEGIES, find_named, names_in
from tests.cli.command import Project
from tests.cli.noting_experiment import run, tree

pytestmark = pytest.mark.usefixtures("no_leaks")

WAVE = '''
from superparams import Experiment, minimize, search

class Wave(Experiment):
    """Which one fits?"""
    rate: float = search(low=1e-4, high=1.0, log=True)
    kind: str = search(["a", "b", "c"])
    goal = minimize("loss")

    def run(self):
        for epoch in range(1, 5):
            loss = abs(self.rate - 0.01) + (self.kind != "b") + 1 / epoch
            yield {"loss": loss, "size": self.rate}
'''
SEARCH = ("RQ1", "--strategy", "evolution", "--trials", "12")


@pytest.fixture
def wave(project: Project) -> Project:
    return project.write({"experiments/RQ1.py": WAVE})


def test_a_search_and_what_it_would_do_next(wave: Project) -> None:
    before = tree(wave.folder)
    planned = run(wave, *SEARCH, "--plan").out
    assert planned.startswith("RQ1.Wave: Evolution(minimize='loss', trials=12): 0 trials so far")
    assert len(re.findall(r"^  next: rate=.*, kind=", planned, re.MULTILINE)) == 8
    assert tree(wave.folder) == before
    ended = run(wave, *SEARCH, "-n", "2")
    assert re.match(r"1\d settings: 1\d done · best loss ", ended.out)
    assert ended.err == ""
    again = run(wave, *SEARCH)
    assert again.out == ended.out
    over = "the search is over: all 12 trials of the budget; a larger budget goes on"
    assert again.err.strip() == over
    plan = run(wave, *SEARCH, "--plan").out
    assert "12 trials so far, best loss " in plan
    assert "the search is over: all 12 trials of the budget" in plan
    (told,) = run(wave, *SEARCH[:-1], "20", "--plan", "--json").document
    assert (told["trials"], told["todo"], len(told["next"])) == (12, 8, 8)
    assert set(told["next"][0]) == {"rate", "kind"}


def test_without_a_goal_the_option_that_sets_one_is_named(project: Project) -> None:
    project.write({"experiments/RQ1.py": WAVE.replace('    goal = minimize("loss")\n', "")})
    for words in (SEARCH, ("RQ1", "--grid", "2", "--stop", "asha")):
        ended = run(project, *words, code=2)
        assert "(in the command: --maximize accuracy)" in ended.err
    assert "12 done" in run(project, *SEARCH, "--minimize", "loss").out, "as the message says"


def test_status_tells_how_far_the_search_is(wave: Project) -> None:
    assert "search" not in run(wave, "status", "RQ1").out
    run(wave, *SEARCH)
    (line,) = re.findall(r"^  search   (.*)$", run(wave, "status", "RQ1").out, re.MULTILINE)
    assert re.fullmatch(
        r"Evolution\(minimize='loss', trials=12\): 12 trials, 0 left, best loss [\d.]+", line
    )
    (told,) = run(wave, "status", "RQ1", "--json").document
    assert told["search"]["trials"] == 12
    assert told["search"]["left"] == 0
    best = min(row["loss"] for row in run(wave, "results", "RQ1", "--format", "json").document)
    assert told["search"]["best"] == best
    run(wave, "RQ1", "--strategy", "random", "--trials", "5")
    (line,) = re.findall(r"^  search   (.*)$", run(wave, "status", "RQ1").out, re.MULTILINE)
    assert line.startswith("Random(minimize='loss', trials=5): 5 trials, 0 left, best loss ")


def test_what_other_runs_have_recorded(wave: Project) -> None:
    run(wave, "RQ1", "--sample", "15")
    cold = run(wave, *SEARCH)
    assert "warm=True" in cold.err
    warm = run(wave, *SEARCH, "--warm")
    assert "warm=True" not in warm.err
    plan = run(wave, *SEARCH, "--warm", "--plan").out
    assert plan.startswith("RQ1.Wave: Evolution(minimize='loss', trials=12, warm=True): 12 trials")
    refused = run(wave, "RQ1", "--warm", code=2)
    assert "--warm needs a search: give --trials as well, such as --trials 100." in refused.err


def test_another_goal_and_a_stopper(wave: Project) -> None:
    words = ("RQ1", "--maximize", "size", "--trials", "20", "--strategy", "evolution")
    run(wave, *words, "--stop", "median")
    rows = run(wave, "results", "RQ1", "--format", "json").document
    assert {row["status"] for row in rows} == {"done", "stopped"}
    assert {row["stopped_by"] for row in rows} == {None, "Median(maximize='size')"}
    n_stopped = sum(row["status"] == "stopped" for row in rows)
    run(wave, "RQ1", "--sample", "9", "--stop", "asha", "--results", "some")
    before = run(wave, "results", "RQ1", "--format", "json", "--results", "some").document
    run(wave, "RQ1", "--sample", "9", "--stopped", "--results", "some")
    after = run(wave, "results", "RQ1", "--format", "json", "--results", "some").document
    assert {row["status"] for row in before} == {"done", "stopped"}
    assert {row["status"] for row in after} == {"done"}
    assert n_stopped
    run(wave, "RQ1", "--sample", "9", "--stop", "asha", "--results", "other")
    rows = run(wave, "results", "RQ1", "--format", "json", "--results", "other").document
    assert "ASHA(minimize='loss')" in {row["stopped_by"] for row in rows}


def test_a_name_may_have_options(wave: Project) -> None:
    words = ("RQ1", "--trials", "4", "--strategy", "Evolution(seed=3)")
    run(wave, *words, "--stop", "threshold(upper=1e9, minimize='loss')")
    (line,) = re.findall(r"^  search   (.*)$", run(wave, "status", "RQ1").out, re.MULTILINE)
    assert line.startswith("Evolution(minimize='loss', trials=4, seed=3): 4 trials, 0 left")


def test_without_a_name_a_line_says_which_strategy_it_is(wave: Project) -> None:
    ended = run(wave, "RQ1", "--trials", "3")
    assert re.match(r"strategy: (tpe|evolution) \(choose another with --strategy\)\n", ended.err)
    assert run(wave, "RQ1", "--trials", "3", "--no-progress").err == ""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ("--strategy", "evolutoin", "--trials", "3"),
            "'evolutoin' is not a strategy: did you mean",
        ),
        (
            ("--strategy", "x", "--trials", "3"),
            "'x' is not a strategy: give one of random, sob",
        ),
        (("--stop", "asha(open)"), "'asha(open)': give a name, or a name with options that are"),
        (("--stop", "threshold"), "Threshold.lower=None: give lower=, upper= or both"),
        (("--stop", "ash"), "'ash' is not a stopper: did you mean asha"),
        (
            ("--strategy", "random"),
            "--strategy needs a budget: give --trials, such as --trials 100.",
        ),
        (("--maximize", "y"), "--maximize needs --trials N or --stop NAME."),
        (("--trials", "3", "--sample", "4"), "--trials and --sample exclude each other"),
        (("--trials", "3", "--failed"), "--trials and --failed exclude each other"),
        (
            ("--trials", "3", "--maximize", "a", "--minimize", "b", "--strategy", "evolution"),
            "give one goal",
        ),
    ],
)
def test_what_does_not_go_together(wave: Project, words: tuple[str, ...], error: str) -> None:
    ended = run(wave, "RQ1", *words, code=2)
    assert error in " ".join(ended.err.split())
    assert not (wave.folder / "results").exists()


def test_rerun_begins_anew(wave: Project) -> None:
    run(wave, *SEARCH)
    run(wave, *SEARCH, "--rerun")
    (told,) = run(wave, "status", "RQ1", "--json").document
    assert told["runs"] == 2
    assert told["search"]["trials"] == 12
    assert run(wave, *SEARCH).code == 0
    (told,) = run(wave, "status", "RQ1", "--json").document
    assert told["runs"] == 2


def test_every_class_has_a_name() -> None:
    assert {"random", "sobol", "evolution"} <= set(names_in(STRATEGIES))
    assert set(names_in(STOPPERS)) == {"asha", "hyperband", "median", "threshold", "patience"}
    for group in (STRATEGIES, STOPPERS):
        for name in names_in(group):
            assert find_named(group, name).__name__.lower() == name
            assert find_named(group, find_named(group, name).__name__) is find_named(group, name)


def test_the_pareto_front(wave: Project) -> None:
    run(wave, "RQ1", "--sample", "12")
    words = ("results", "RQ1", "--pareto", "--sort", "loss,-size")
    front = run(wave, *words, "--format", "json").document
    every = run(wave, "results", "RQ1", "--format", "json").document
    assert 0 < len(front) < len(every)
    for row in front:
        pairs = [(one["loss"], one["size"]) for one in every]
        assert not any(x < row["loss"] and y > row["size"] for x, y in pairs)
    assert f"{len(front)} of 12 rows" in run(wave, *words).out
    ended = run(wave, "results", "RQ1", "--pareto", code=2)
    assert "pareto() of Wave needs two goals" in ended.err
    ended = run(wave, "results", "RQ1", "--pareto", "--average", code=2)
    assert "--pareto and --average exclude each other" in ended.err
