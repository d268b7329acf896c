"""The verb `run` at a terminal: what is shown, Ctrl-C, and the debugger."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.noting_experiment import FIT, LACKS, bad, column, ran, run
from tests.runs import Terminal, alive, family, recorded
from tests.timing import wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def _known_to_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTS", str(os.getpid()))


def terminal(project: Project, *words: str, inside: str = ".") -> Terminal:
    return Terminal(project.folder / inside, EXPERIMENT, *words)


def shown(at: Terminal) -> list[str]:
    """The lines on the screen once the command has ended."""
    return [line.strip() for line in ESCAPES.sub("", at.seen).splitlines() if line.strip()]


# ---- what is shown


def test_a_small_table_is_shown_and_what_failed(fit: Project) -> None:
    bad(fit, 2)
    with terminal(fit, "RQ1", "-n", "2") as at:
        assert at.end() == 1
    lines = shown(at)
    head = next(place for place, line in enumerate(lines) if line.startswith("key "))
    assert lines[head].split()[:4] == ["key", "a", "kind", "y"]
    assert "ValueError: not 2" in lines[head + 2]
    assert [line.split()[1] for line in lines[head + 1 : head + 5]] == ["1", "2", "3", "4"]
    (summary,) = [line for line in lines if line.startswith("4 settings: 3 done, 1 failed")]
    assert lines.index(summary) > head + 4
    key = lines[head + 2].split()[0]
    assert f"`experiment show RQ1.Fit {key}` has the traceback" in lines[-1]


def test_a_large_table_is_not_shown(fit: Project) -> None:
    with terminal(fit, "RQ1", "a=1..21", "-n", "2") as at:
        assert at.end() == 0
    assert shown(at)[-1].startswith("21 settings: 21 done")
    assert not any(line.startswith("key ") for line in shown(at))
    with terminal(fit, "RQ1", "--json") as at:
        assert at.end() == 0
    assert not any(line.startswith("key ") for line in shown(at))


def test_output_that_goes_to_a_file_has_no_table_and_no_colours(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    script = "import subprocess, sys\nwith open('out', 'w') as file:\n    "
    script += "sys.exit(subprocess.run(sys.argv[1:], stdout=file).returncode)\n"
    fit.write({"to_file.py": script})
    with Terminal(fit.folder, "to_file.py", EXPERIMENT, "RQ1", "-n", "2") as at:
        assert at.end() == 0
    out = (fit.folder / "out").read_text()
    assert [line.partition(" ·")[0] for line in out.splitlines()] == [
        "4 settings: 4 done",
        "2 settings: 2 done",
    ]
    assert "RQ1.Lacks" in at.seen
    assert "4 settings: 4 done" not in at.seen


def test_names_are_bold_unless_colours_are_not_wanted(
    fit: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    with terminal(fit, "RQ1") as at:
        assert at.end() == 0
    assert "\x1b[1mRQ1.Fit\x1b[0m" in at.seen
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal(fit, "RQ1") as at:
        assert at.end() == 0
    assert "\x1b[1mRQ1.Fit" not in at.seen


NAPS = """
import time
from superparams import Experiment, search

class First(Experiment):
    a: int = search(range(60))

    def run(self):
        time.sleep(0.05)
        # WAIT
        return {"y": self.a}

class Second(First):
    pass
"""
WAIT = "while self.a >= {} and not __import__('os').path.exists({!r}): time.sleep(0.01)"


def waiting(project: Project, at: int) -> str:
    """Settings that nap, of which those from `at` on wait for a file `go`."""
    return NAPS.replace("# WAIT", WAIT.format(at, str(project.folder / "go")))


def test_progress_is_shown_while_it_runs(project: Project) -> None:
    project.write({"experiments/N.py": waiting(project, 30)})
    with terminal(project, "N.First", "-n", "2", inside="experiments") as at:
        at.expect(r"First: [1-9]\d*/60, \d+ done, \d+\.?\d*/s, \d+:\d\d left")
        (project.folder / "go").touch()
        assert at.end() == 0
    assert shown(at)[-1].startswith("60 settings: 60 done")
    with terminal(project, "N.First", "-n", "2", "--rerun", "--no-progress") as at:
        assert at.end() == 0
    (said,) = shown(at)
    assert re.fullmatch(r"60 settings: 60 done in [\d.]+ s · results/N.First/results.parquet", said)


# ---- Ctrl-C


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_once_finishes_what_runs(project: Project, num_proc: str) -> None:
    project.write({"experiments/N.py": waiting(project, 6)})
    with terminal(project, "N", "-n", num_proc) as at:
        wait_for(lambda: at.read() and len(recorded(project.folder)) > 2)
        at.interrupt()
        at.expect("finishing what runs .Ctrl-C again to stop now.; run it again to go on")
        (project.folder / "go").touch()
        assert at.end() == 130
    assert "of 60 settings ran; run it again for the rest" in shown(at)[-1]
    assert "Traceback" not in at.seen
    assert list(project.recorded()) == ["N.First"], "all of them are ended by it"
    done = len(recorded(project.folder))
    (told,) = run(project, "N.First", "--plan", "--json").document
    assert (told["done"], told["todo"]) == (done, 60 - done)
    assert run(project, "N.First", "-n", "2").out.startswith("60 settings: 60 done")


LONG = NAPS.replace("time.sleep(0.05)", "open('began', 'w').close() or time.sleep(60)")


@pytest.mark.timed
@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_twice_stops_at_once(project: Project, num_proc: str) -> None:
    project.write({"experiments/N.py": LONG})
    with terminal(project, "N", "-n", num_proc) as at:
        wait_for(lambda: at.read() + "." and (project.folder / "began").exists())
        workers = family(at.process.pid)
        at.interrupt()
        at.expect("Ctrl-C again to stop now")
        with within(3):
            at.interrupt()
            assert at.end() == 130
        assert not any(alive(one) for one in workers)
    assert "0 of 60 settings ran" in shown(at)[-1]
    assert list(project.recorded()) == ["N.First"]


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_once_when_only_the_last_ones_run_ends_the_experiments_behind(
    project: Project, num_proc: str
) -> None:
    text = waiting(project, 0).replace("time.sleep(0.05)", "open('began', 'w').close()")
    project.write({"experiments/N.py": text.replace("range(60)", "[1]")})
    with terminal(project, "N", "-n", num_proc) as at:
        wait_for(lambda: at.read() + "." and (project.folder / "began").exists())
        at.interrupt()
        at.expect(r"\^C")  # the terminal has sent the signal
        (project.folder / "go").touch()
        assert at.end() == 130
    assert "1 more experiment was to run; run it again for the rest" in shown(at)[-1]
    assert any("1 setting: 1 done" in line for line in shown(at)), "what ran is told"
    assert list(project.recorded()) == ["N.First"]


def test_while_a_file_is_imported(project: Project) -> None:
    text = "import time\nopen('began', 'w').close()\ntime.sleep(60)\n"
    project.write({"experiments/N.py": text + NAPS})
    with terminal(project, "N") as at:
        wait_for(lambda: at.read() + "." and (project.folder / "began").exists())
        at.interrupt()
        assert at.end() == 130
    assert "Traceback" not in at.seen
    assert not (project.folder / "results").exists()


# ---- the debugger


def test_it_stops_at_the_failing_line_with_its_locals(fit: Project) -> None:
    fit.write(
        {
            "experiments/RQ1.py": FIT.replace(
                "        if str", "        here = -self.a\n        if str"
            )
        }
    )
    bad(fit, 2, 3)
    with terminal(fit, "RQ1", "--debug", "-n", "4", "--timeout", "1") as at:
        at.expect("ValueError: not 2")
        at.expect(r"RQ1\.py\(\d+\)run\(\)")
        at.expect(r'-> raise ValueError\(f"not \{self.a\}"\)')
        at.expect("c: go on with the next setting, q: end the run")
        at.expect(r"\(Pdb\) ")
        at.type("p here * 1000\n")
        at.expect("-2000")
        time.sleep(1.1)  # a time limit does not end who thinks
        at.type("c\n")
        at.expect("ValueError: not 3")
        at.type("c\n")
        assert at.end() == 1
    assert ran(fit) == [1, 2, 3, 4]
    assert column(fit, "status") == ["done", "failed", "failed", "done"]
    assert "superparams/" not in at.seen.replace("/superparams/experiments", "")


def test_leaving_the_debugger_ends_the_run(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    bad(fit, 2, 3)
    with terminal(fit, "RQ1", "--debug", inside="experiments") as at:
        at.expect(r"\(Pdb\) ")
        at.type("q\n")
        assert at.end() == 130
    assert shown(at)[-1] == "Interrupted: left the debugger"
    assert ran(fit) == [1, 2], "the experiment behind it does not run either"
    bad(fit)
    run(fit, "RQ1")
    assert ran(fit) == [-2, -1, 2, 3, 4], "what it stopped at has no outcome"


@pytest.mark.parametrize("words", [["--debug"], []])
def test_breakpoints_work(fit: Project, words: list[str]) -> None:
    text = FIT.replace("        note(self.a)\n", "        note(self.a)\n        breakpoint()\n")
    fit.write({"experiments/RQ1.py": text})
    with terminal(fit, "RQ1", "a=1,2", *words) as at:
        at.expect(r"\(Pdb\) ")
        at.type("p self.a + 70\n")
        at.expect("71")
        at.type("c\n")
        at.expect(r"(?s)\(Pdb\).*\(Pdb\).*\(Pdb\) ")
        at.type("q\n")
        if sys.version_info >= (3, 14):  # it asks first
            at.expect(r"\[y/n\]")
            at.type("y\n")
        assert at.end() == 130
    assert ran(fit) == [1, 2]
    assert column(fit, "a") == [1]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("self.a = 3", r"-> self\.a = 3"),
        ("helper(self.a)", r"-> return 1 / 0"),
        ("raise SystemExit(3)", r"-> raise SystemExit\(3\)"),
        ("self.missing", r"-> self\.missing"),
        ("self.derived", r"-> return 1 / 0"),
    ],
)
def test_it_stops_in_the_users_code_and_not_in_ours(
    project: Project, body: str, where: str
) -> None:
    project.write(
        {
            "experiments/D.py": f"""
                from superparams import Experiment, search, value

                def helper(x):
                    return 1 / 0

                class D(Experiment):
                    a: int = search([1, 2])
                    derived: int = value(derive=lambda s: helper(s))

                    def run(self):
                        {body}
            """
            if "derived" in body
            else f"""
                from superparams import Experiment, search

                def helper(x):
                    return 1 / 0

                class D(Experiment):
                    a: int = search([1, 2])

                    def run(self):
                        {body}
            """
        }
    )
    with terminal(project, "D", "--debug") as at:
        at.expect(where)
        at.expect(r"\(Pdb\) ")
        at.type("q\n")
        assert at.end() == 130


def test_what_run_returned_is_told_where_there_is_no_line_to_stop_at(project: Project) -> None:
    project.write(
        {
            "experiments/D.py": """
                from superparams import Experiment, search

                class D(Experiment):
                    a: int = search([1, 2])

                    def run(self):
                        return 3
            """
        }
    )
    with terminal(project, "D", "--debug") as at:
        assert at.end() == 1
    assert at.seen.count("D.run() returned 3") >= 2
    assert "(Pdb)" not in at.seen


def test_ctrl_c_at_the_debugger_ends_the_run_when_one_goes_on(fit: Project) -> None:
    bad(fit, 1, 2, 3)
    with terminal(fit, "RQ1", "--debug") as at:
        at.expect(r"\(Pdb\) ")
        # Python keeps one that comes between the prompt and the reading of a line until the next.
        for _ in range(5):
            at.interrupt()
            with contextlib.suppress(AssertionError):
                at.expect("finishing what runs", 3)
                break
        at.expect("finishing what runs")
        at.type("c\n")
        assert at.end() == 130
    assert ran(fit) == [1]
    assert column(fit, "status") == ["failed"]


def test_with_nobody_to_ask_it_ends(fit: Project) -> None:
    bad(fit, 2, 3)
    ended = run(fit, "RQ1", "--debug", code=130)
    assert "ValueError: not 2" in ended.err
    assert ended.err.endswith("Interrupted: left the debugger\n")
    assert ran(fit) == [1, 2]


def test_it_takes_commands_from_a_file(fit: Project, tmp_path: Path) -> None:
    bad(fit, 2, 3)
    commands = tmp_path / "commands"
    commands.write_text("p f'{self.a} here'\nc\nq\n")
    env = environment(TESTS=str(os.getpid()))
    words = f"RQ1 --debug -n 2 --timeout 5 --gpus 1 < {commands}"
    done = fit.start("sh", "-c", f"exec {EXPERIMENT} {words}", env=env)
    assert "'2 here'" in done.out
    assert done.code == 130, done.err
    assert ran(fit) == [1, 2, 3], "whatever was asked of workers: it runs one after another, here"
    assert column(fit, "status") == ["done", "failed"]
