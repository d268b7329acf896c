"""What a person sees while a run goes on: at a terminal, elsewhere, and when nothing is wanted."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from superparams.engines import Activity
from superparams.progress import Progress
from tests.runs import Terminal, script, start

pytestmark = pytest.mark.usefixtures("no_leaks")

NAPS = """
import sys, time
from superparams import Experiment, search
class Naps(Experiment):
    a: int = search(range(int(sys.argv[2])))
    b: str = search(["left", "right"])
    def run(self):
        time.sleep(float(sys.argv[3]))
        if self.a == 1:
            raise ValueError
        return {"y": self.a}
if __name__ == "__main__":
    Naps().run_all(int(sys.argv[1]), progress="quiet" not in sys.argv)
    print("ended")
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_live_counts_rate_and_time_left_at_a_terminal(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "40", "0.05") as terminal:
        terminal.expect(r"Naps: [1-9]\d*/80, \d+ done, [12] failed, \d+\.?\d*/s, 0:0\d left")
        terminal.expect("━━")
        assert terminal.end() == 0
    last = ESCAPES.sub("", terminal.seen).strip()
    assert last.endswith("ended")
    assert "Traceback" not in terminal.seen


def test_live_a_line_a_worker_when_settings_are_long(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "1", "3.2") as terminal:
        terminal.expect(r"[01]: 0:0[23] a=0, b='left'")
        terminal.expect(r"[01]: 0:0[23] a=0, b='right'")
        assert terminal.end() == 0


def test_skipped_settings_are_told(tmp_path: Path) -> None:
    path = script(tmp_path, NAPS)
    start(tmp_path, str(path), "1", "1", "0").communicate(timeout=30)
    with Terminal(tmp_path, str(path), "2", "30", "0.05") as terminal:
        terminal.expect("60 settings: 2 done by the same code: skipped")
        terminal.expect(r"Naps: \d+/58, .*2 skipped")
        assert terminal.end() == 0


def test_plain_lines_without_a_terminal(tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, NAPS)), "2", "8", "0.8")
    out, err = process.communicate(timeout=60)
    assert out == "ended\n"
    (line,) = err.splitlines()
    assert re.fullmatch(r"Naps: \d+/16, \d+ done, 2 failed, \d\.\d/s, 0:0\d left", line), (
        "one line after five seconds"
    )


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_a_short_run_says_nothing_without_a_terminal(num_proc: str, tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, NAPS)), num_proc, "3", "0.01")
    assert process.communicate(timeout=30) == ("ended\n", "")


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_nothing_when_it_is_not_wanted(num_proc: str, tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), num_proc, "3", "0.1", "quiet") as terminal:
        assert terminal.end() == 0
    assert terminal.seen == "ended\r\n"


BREAKS = """
from superparams import Experiment, search
class Breaks(Experiment):
    a: int = search([1, 2, 3])
    def run(self):
        print(f"before {self.a}")
        if self.a == 2:
            breakpoint()
        return {"y": self.a}
if __name__ == "__main__":
    found = Breaks().run_all()
    print([row["y"] for row in found])
"""


def test_prints_and_breakpoints_work_in_this_process(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, BREAKS))) as terminal:
        terminal.expect(r"\(Pdb\) ")
        assert "before 1\r\nbefore 2\r\n" in terminal.seen
        terminal.type("p self.a * 21\n")
        terminal.expect("42")
        terminal.type("self.shown = True\n")
        terminal.type("c\n")
        terminal.expect(r"\[1, 2, 3\]")
        assert terminal.end() == 0


def test_leaving_the_debugger_leaves_the_run(tmp_path: Path) -> None:
    path = script(tmp_path, BREAKS)
    with Terminal(tmp_path, str(path)) as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type("q\n")
        if sys.version_info >= (3, 14):  # it asks first
            terminal.expect(r"\[y/n\]")
            terminal.type("y\n")
        assert terminal.end() != 0
        assert "before 3" not in terminal.seen
    process = start(tmp_path, "-c", "from script import Breaks\nprint(len(Breaks.results()))")
    assert process.communicate(timeout=30) == ("1\n", "")


def test_a_breakpoint_in_a_worker_is_a_failure_not_a_hang(tmp_path: Path) -> None:
    text = BREAKS.replace("run_all()", "run_all(2)")
    process = start(tmp_path, str(script(tmp_path, text)))
    out, err = process.communicate(timeout=30)
    assert out == "[1, None, 3]\n", err


# ---- the lines themselves


def progress(**more: Any) -> Progress:
    given: dict[str, Any] = {
        "activity": list,
        "label": str,
        "style": "none",
        **more,
    }
    return Progress("Toy", 100, 0, **given)


def test_a_line_before_anything_ended_has_no_rate() -> None:
    assert progress().line() == "Toy: 0/100"


def test_the_rate_is_that_of_late() -> None:
    shown = progress()
    for _ in range(300):
        shown.add({"done": 0})
    time.sleep(0.05)
    shown.add({"done": 50, "killed": 1})
    assert re.fullmatch(r"Toy: 51/100, 50 done, 1 killed, [\d,]+/s, 0:00 left", shown.line())


def test_workers_are_shown_once_one_is_long_at_it() -> None:
    busy = [Activity(0, 5, 1.0), Activity(1, None, 0.0)]
    shown = progress(activity=lambda: busy, style="live")
    assert shown.workers() == []
    busy[0] = Activity(0, 5, 3661.0)
    assert shown.workers() == ["  0: 1:01:01 5"]


def test_what_cannot_be_shown_does_not_end_the_display() -> None:
    def label(index: int) -> str:
        raise ValueError(index)

    shown = progress(activity=lambda: [Activity(0, 5, 9.0)], label=label)
    assert shown.workers() == ["  0: 0:09 setting 5"]
