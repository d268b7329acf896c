"""The command line as a whole: which verb is meant, its help, how it ends, and what it costs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import version

import pytest

from benchmarks import command
from superparams.cli.command import VERBS, load_verb
from tests.cli.command import EXPERIMENT, Project

pytestmark = pytest.mark.usefixtures("no_leaks")

SHADOWED = ("status", "list", "run", "results")


def test_help_names_all_verbs(project: Project) -> None:
    for words in (["--help"], ["-h"]):
        done = project.run(*words)
        assert (done.code, done.err) == (0, "")
        assert re.findall(r"^  (\w+)  ", done.out.partition("Verbs:")[2], re.MULTILINE) == list(
            VERBS
        )


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(project: Project, verb: str) -> None:
    done = project.run(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: experiment {verb} ")
    assert "--json" in done.out, "each has a form for programs"


def test_version(project: Project) -> None:
    assert project.run("--version").out == f"superparams {version('superparams')}\n"


def test_a_name_is_what_run_is_meant_for(project: Project) -> None:
    project.experiments("RQ1", "RQ2", "RQ3", "RQ4")
    for words in (["RQ1"], ["run", "RQ2"], ["-n", "2", "RQ3"], ["RQ4", "-n", "2"]):
        assert project.run(*words).code == 0, words
    assert project.recorded() == {f"RQ{n}.RQ{n}": 1 for n in (1, 2, 3, 4)}


def test_what_is_missing_is_told_with_where_to_find_it(project: Project) -> None:
    project.experiments("RQ1")
    for verb in ("status", "results", "logs", "show", "runs", "diff", "rerun", "accept", "clean"):
        done = project.run(verb)
        assert (done.code, "`experiment list` lists all" in done.err) == (2, True), verb
    for verb in ("show", "rerun"):
        done = project.run(verb, "RQ1")
        assert (done.code, "results NAME` shows the keys" in done.err) == (2, True), verb


def test_the_examples_of_the_help_can_be_typed(project: Project) -> None:
    told = project.run("--help").out.partition("Examples:")[2].partition("Options:")[0]
    lines = [re.split(r"  +", line.strip())[0] for line in told.strip().splitlines()]
    assert lines[0] == "experiment init"
    project.write(
        {
            "experiments/RQ1.py": """
                from superparams import Experiment, search
                class Fit(Experiment):
                    lr: float = search([0.5])
                    def run(self):
                        return {"y": self.lr}
            """
        }
    )
    for line in lines[1:]:
        done = project.run(*line.split()[1:])
        assert done.code == 0, f"{line}: {done.err}"


def test_no_name_is_what_list_is_meant_for(project: Project) -> None:
    project.experiments("RQ1")
    for words in (["--json"], ["--results", "elsewhere", "--json"], ["list", "--json"]):
        document = project.run(*words).document
        assert [one["name"] for one in document["experiments"]] == ["RQ1.RQ1"]
    assert project.run("-n", "2").code == 2, "that is no option of a list"
    assert project.run("--json", "RQ1").document[0]["counts"] == {"done": 2}, "a name is to run"


def test_paths_are_meant_from_where_the_command_starts(project: Project) -> None:
    """Whatever the experiment makes of the working directory when it is imported."""
    project.experiments("RQ1", folder="elsewhere")
    text = (project.folder / "elsewhere/RQ1.py").read_text()
    moves = f"import os, pathlib\nos.chdir(pathlib.Path(__file__).parents[1] / 'elsewhere')\n{text}"
    project.write({"experiments/RQ1.py": moves})
    key = None
    for verb, *words in (
        ["run"],
        ["list"],
        ["status"],
        ["results"],
        ["runs"],
        ["show", "a=1"],
        ["clean"],
        ["accept"],
    ):
        done = project.run(verb, "RQ1", *words, "--results", "kept", "--json")
        assert done.code == 0, f"{verb}: {done.err}"
        assert str(project.folder / "kept") in done.out or verb in ("list", "accept"), verb
        key = done.document[0]["rows"][0]["key"] if verb == "results" else key
    assert project.run("list", "--results", "kept", "--json").document["experiments"][0]["state"]
    assert project.run("rerun", "RQ1", str(key), "--results", "kept").code == 0
    assert project.run("results", "RQ1", "--results", "kept", "-o", "t.csv").code == 0
    assert project.run("diff", "RQ1", "--results", "kept").code == 0
    assert (project.folder / "t.csv").is_file()
    assert len(list((project.folder / "kept/RQ1.RQ1/runs").iterdir())) == 2
    assert [one.name for one in (project.folder / "elsewhere").iterdir()] == ["RQ1.py"]
    os.symlink(project.folder, project.folder / "elsewhere/up")
    assert project.run("run", "RQ1", "--results", "elsewhere/up/../else").code == 0
    assert (project.folder.parent / "else/RQ1.RQ1").is_dir(), "as the system takes it"


def test_a_verb_never_shadows_an_experiment(project: Project) -> None:
    project.experiments(*SHADOWED)
    for name in SHADOWED:
        assert project.run("run", name).code == 0
    assert set(project.recorded()) == {f"{name}.{name}" for name in SHADOWED}


@pytest.mark.parametrize(
    ("word", "verb"), [("stauts", "status"), ("lst", "list"), ("logz", "logs")]
)
def test_did_you_mean_the_verb(project: Project, word: str, verb: str) -> None:
    project.experiments("RQ1")
    done = project.run(word, "RQ1")
    assert (done.code, f"did you mean the verb {verb}?" in done.err) == (2, True), done.err


def test_a_verb_is_meant_only_where_one_may_stand(project: Project) -> None:
    project.experiments("stat")
    done = project.run("stats")
    assert done.err.endswith("did you mean stat, stat.stat, or the verb status?\n")
    done = project.run("results", "lst")
    assert (done.code, "the verb" in done.err) == (2, False), done.err
    assert "`experiment list` lists all" in done.err
    assert "did you mean --help?" in project.run("help").err
    assert "--help" not in project.run("run", "help").err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["RQ1", "--a", "2"], "Fields are given without dashes: a=VALUE."),
        (["run", "RQ1", "--a", "2"], "Fields are given without dashes: a=VALUE."),
        (["results", "RQ1", "--a", "2"], "Rows are selected with --where: --where a=VALUE."),
        (["status", "RQ1", "--a", "2"], ""),
        (["report", "RQ1", "--a", "2"], ""),
    ],
)
def test_an_unknown_option_gets_a_hint_that_its_verb_takes(
    project: Project, words: list[str], hint: str
) -> None:
    done = project.experiments("RQ1").run(*words)
    assert done.code == 2
    told = [line for line in done.err.splitlines() if "VALUE." in line]
    assert told == ([hint] if hint else []), done.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["RQ1", "--jobs", "2"], "The option for that is -n, --num-proc: "),
        (["RQ1", "-j2"], "The option for that is -n, --num-proc: "),
        (["RQ1", "--dry-run"], "The option for that is --plan: "),
        (["RQ1", "--n-trials=3"], "The option for that is --trials: "),
        (["RQ1", "--num-samples", "3"], "The option for that is --sample: "),
        (["results", "RQ1", "--out", "x"], "The option for that is -o, --output: "),
    ],
)
def test_an_option_of_another_tool_gets_the_one_that_does_the_same(
    project: Project, words: list[str], hint: str
) -> None:
    done = project.experiments("RQ1").run(*words)
    assert done.code == 2
    assert f"\n{hint}" in done.err
    assert "Did you mean" not in done.err


def test_a_verb_that_is_not_there_is_none() -> None:
    assert load_verb("no_such_verb") is None


@pytest.mark.parametrize(
    "words", [["RQ1", "--nothing"], ["status"], ["list", "x", "y"], ["completion", "x"]]
)
def test_usage_ends_with_2(project: Project, words: list[str]) -> None:
    project.experiments("RQ1")
    done = project.run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: experiment")


def test_a_working_directory_that_is_gone(project: Project) -> None:
    start = 'mkdir gone; cd gone; rmdir ../gone; exec "$0" "$@"'
    for words in ([], ["RQ1"], ["init"], ["status", "RQ1"]):
        done = project.start("sh", "-c", start, EXPERIMENT, *words)
        assert (done.code, "Traceback" in done.err) == (2, False), done.err
    assert project.start("sh", "-c", start, EXPERIMENT, "--help").code == 0


LOADED = """
import sys
from superparams.cli.command import execute
try:
    execute("experiment", ["--help"])
finally:
    heavy = ("pyarrow", "numpy", "rich", "cloudpickle", "superparams.run.loop", "superparams.store",
             "superparams.identity.digests", "superparams.identity.code",
             "superparams.cli.name_lookup", "superparams.cli.verbs")
    print([name for name in heavy if name in sys.modules])
"""


def test_help_loads_nothing_heavy(project: Project) -> None:
    assert project.python("-c", LOADED).out.splitlines()[-1] == "[]"


TRIES = 5


@pytest.mark.parametrize(
    ("measure", "bar"),
    [
        pytest.param(lambda: (lambda a, b: a / b)(*command.helping(7)), 2.0, id="help"),
        pytest.param(lambda: command.listing(repeats=1), 2.0, id="200 files"),
    ],
)
def test_bar(measure: Callable[[], float], bar: float) -> None:
    tries: list[float] = []
    while len(tries) < TRIES and min(tries, default=bar) >= bar:
        tries.append(measure())
    assert min(tries) < bar, tries
