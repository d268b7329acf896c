"""What a person sees while a run goes on: at a terminal, elsewhere, and when nothing is wanted."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import minimize
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.views.progress import Progress
from superparams.views.progress.progress_text import bar, fitted
from tests.runs import Terminal, script, start
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

NAPS = """
import os, sys, time
from superparams import Experiment, search
class Naps(Experiment):
    a: int = search(range(int(sys.argv[2])))
    b: str = search(["left", "right"])
    def run(self):
        time.sleep(float(sys.argv[3]))
        while "wait" in sys.argv and self.a >= 12 and not os.path.exists("go"):
            time.sleep(0.01)
        if self.a == 1:
            raise ValueError
        return {"y": self.a}
if __name__ == "__main__":
    Naps().run_all(int(sys.argv[1]), progress="quiet" not in sys.argv)
    print("ended")
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_live_counts_rate_and_time_left_at_a_terminal(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "40", "0.05", "wait") as terminal:
        told = r"Naps: [1-9]\d*/80, \d+ done, [12] failed, \d+\.?\d*/s, \d+:\d\d left"
        terminal.expect(told)
        terminal.expect("━━")
        (tmp_path / "go").touch()
        assert terminal.end() == 0
    last = ESCAPES.sub("", terminal.seen).strip()
    assert last.endswith("ended")
    assert "Traceback" not in terminal.seen


def test_live_it_is_there_before_anything_ended(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "1", "1") as terminal:
        terminal.expect("─{30} Naps: 0/2\\b")
        assert terminal.end() == 0


def test_live_in_a_narrow_terminal(tmp_path: Path) -> None:
    """The counts are all there; the bar gives way."""
    words = [str(script(tmp_path, NAPS)), "2", "20", "0.1", "wait"]
    with Terminal(tmp_path, *words, columns=40) as terminal:
        terminal.expect(r"\d\d/40, \d+ done, 2 failed, \d+\.?\d*/s,\r?\n  \d+:\d\d left")
        (tmp_path / "go").touch()
        assert terminal.end() == 0
    shown = ESCAPES.sub("", terminal.seen.replace("\r", "\n")).splitlines()
    shown = [line for line in shown if "/40" in line or "left" in line]
    assert max(map(len, shown)) <= 40
    assert not any("…" in line for line in shown)


HANGS = """
import time
from pathlib import Path
from superparams import Experiment, search
class Hangs(Experiment):
    a: int = search(range(4))
    def run(self):
        if self.a == 2 and not Path("second").exists():
            Path("second").touch()
            raise ValueError
        while self.a == 1 or not Path(f"go-{self.a}").exists():
            time.sleep(0.01)
        return {"y": self.a}
Hangs().run_all(2, timeout=5, retries=1, retry_on=["failed", "timeout"])
"""


@pytest.mark.thorough
def test_live_what_is_tried_again_and_how_much_time_is_left_for_it(tmp_path: Path) -> None:
    """Each setting goes on when what it is there for has been shown, or runs out of time."""
    with Terminal(tmp_path, str(script(tmp_path, HANGS))) as terminal:
        terminal.expect(r": [234]\.\d of 5 s a=1")  # long before it counts as a timeout
        (tmp_path / "go-0").touch()
        terminal.expect(r"Hangs: 1/4, 1 done, 1 retrying,")  # it failed, and waits for its turn
        terminal.expect(r"Hangs: \d/4, \d done, 2 retrying,")  # another one is out of time
        (tmp_path / "go-3").touch()
        terminal.expect(r": \d\.\d of 5 s \(attempt 2 of 2\) a=2")
        (tmp_path / "go-2").touch()
        terminal.expect(r": \d\.\d of 5 s \(attempt 2 of 2\) a=1")
        assert terminal.end() == 0
    assert "4 settings: 3 done, 1 timeout" in terminal.seen


def test_live_a_line_a_worker_when_settings_are_long(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "1", "5") as terminal:
        terminal.expect(r"[01]: 0:0[2-5] a=0, b='left'")
        terminal.expect(r"[01]: 0:0[2-5] a=0, b='right'")
        assert terminal.end() == 0


def test_skipped_settings_are_told(tmp_path: Path) -> None:
    path = script(tmp_path, NAPS)
    start(tmp_path, str(path), "1", "1", "0").communicate(timeout=PATIENCE)
    with Terminal(tmp_path, str(path), "2", "30", "0.05") as terminal:
        terminal.expect("60 settings: 2 done by the same code: skipped")
        terminal.expect(r"Naps: \d+/58, .*2 skipped")
        assert terminal.end() == 0


def test_plain_lines_without_a_terminal(tmp_path: Path) -> None:
    begun = time.monotonic()
    process = start(tmp_path, str(script(tmp_path, NAPS)), "2", "8", "0.8")
    out, err = process.communicate(timeout=PATIENCE)
    assert out == "ended\n"
    lines = err.splitlines()
    assert 1 <= len(lines) <= (time.monotonic() - begun) / 5, "one line after five seconds"
    for line in lines:
        assert re.fullmatch(r"Naps: \d+/16, \d+ done, 2 failed, \d\.\d/s, 0:\d\d left", line)


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_a_short_run_says_nothing_without_a_terminal(num_proc: str, tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, NAPS)), num_proc, "3", "0.01")
    assert process.communicate(timeout=PATIENCE) == ("ended\n", "")


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_nothing_when_it_is_not_wanted(num_proc: str, tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), num_proc, "3", "0.1", "quiet") as terminal:
        assert terminal.end() == 0
    assert terminal.seen == "ended\r\n"


@pytest.mark.parametrize("num_proc", ["1", "2"])
@pytest.mark.parametrize("how", ["sys.stderr = None", "sys.stderr.close()"])
def test_without_a_stderr_nothing_is_said(how: str, num_proc: str, tmp_path: Path) -> None:
    """As in a daemon, and under pythonw."""
    path = str(script(tmp_path, f"import sys\n{how}\n{NAPS}"))
    for _ in range(2):  # there is something to tell of a run before this one
        process = start(tmp_path, path, num_proc, "3", "0.01")
        assert process.communicate(timeout=PATIENCE) == ("ended\n", "")


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
    assert process.communicate(timeout=PATIENCE) == ("1\n", "")


def test_a_breakpoint_in_a_worker_is_a_failure_not_a_hang(tmp_path: Path) -> None:
    text = BREAKS.replace("run_all()", "run_all(2)")
    process = start(tmp_path, str(script(tmp_path, text)))
    out, err = process.communicate(timeout=PATIENCE)
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
    shown.add({"done": 50, "killed": 1}, (51, 0.51, 0.01))
    assert re.fullmatch(r"Toy: 51/100, 50 done, 1 killed, [\d,.]+/s, 0:0\d left", shown.line())


def test_the_best_value_of_the_goal() -> None:
    shown = progress(goal=minimize("loss"))
    shown.add_values([None, float("nan"), "a text"])
    assert shown.line() == "Toy: 0/100"
    shown.add_values([0.5, 0.123456, None, 2])
    shown.add_values([0.2])
    assert shown.line() == "Toy: 0/100, best loss 0.1235"
    assert "best" not in progress().line()


def test_workers_are_shown_once_one_is_long_at_it() -> None:
    busy = [Activity(0, 5, 1.0), Activity(1, None, 0.0)]
    shown = progress(activity=lambda: busy, style="live")
    assert shown.lines(80)[1:] == []
    busy[0] = Activity(0, 5, 3661.0)
    assert shown.lines(80)[1:] == ["  0: 1:01:01 5"]


def test_what_cannot_be_shown_does_not_end_the_display() -> None:
    def label(index: int) -> str:
        raise ValueError(index)

    shown = progress(activity=lambda: [Activity(0, 5, 9.0)], label=label)
    assert shown.lines(80)[1:] == ["  0: 0:09 setting 5"]


def test_a_limit_of_time_stands_beside_the_time() -> None:
    busy = [Activity(0, 5, 0.4), Activity(1, 6, 0.0, attempt=3)]
    shown = progress(activity=lambda: busy, options=Options(timeout=1, retries=2))
    assert shown.lines(80)[1:] == []
    busy[0] = Activity(0, 5, 0.6)
    assert shown.lines(80)[1:] == ["  0: 0.6 of 1 s 5", "  1: 0.0 of 1 s (attempt 3 of 3) 6"]
    shown = progress(activity=lambda: busy[:1], options=Options(timeout=90))
    busy[0] = Activity(0, 5, 61.0)
    assert shown.lines(80)[1:] == ["  0: 1:01 of 1:30 5"]


def test_of_many_workers_the_first_are_shown() -> None:
    busy = [Activity(rank, rank, 9.0) for rank in range(20)]
    shown = progress(activity=lambda: busy)
    assert shown.lines(80)[-2:] == ["  15: 0:09 15", "  and 4 more"]


def test_settings_that_wait_for_another_attempt_count_as_those_at_it() -> None:
    control = Control()
    control.waiting = 2
    shown = progress(activity=lambda: [Activity(0, 5, 0.1, attempt=2)], control=control)
    assert shown.line() == "Toy: 0/100, 3 retrying"


@pytest.mark.parametrize("width", [120, 60, 40, 30, 20])
def test_whatever_the_width_the_counts_are_there(width: int) -> None:
    busy = [Activity(0, 5, 9.0)]
    shown = progress(activity=lambda: busy, label=lambda index: f"a={index}, b={'x' * 200}")
    assert shown.lines(width)[0].endswith("Toy: 0/100")
    shown.add({"done": 50, "failed": 20, "killed": 3, "timeout": 7}, (80, 80.0, 4.0))
    lines = shown.lines(width)
    assert max(map(len, lines)) <= width
    told = " ".join(line.strip() for line in lines)
    assert re.search(
        r"Toy: 80/100, 50 done, 20 failed, 3 killed, 7 timeout, \S+/s, 0:19 left", told
    )
    assert ("━" in told) is (width == 120)
    assert lines[-1] == f"  0: 0:09 a=5, b={'x' * 200}"[: width - 1] + "…"


def test_a_name_that_is_too_long_is_cut_before_the_counts_are() -> None:
    lines = fitted("A" * 100, ["5/10", "5 done"], 0.5, 30)
    assert lines == ["A" * 22 + "…: 5/10,", "  5 done"]


@pytest.mark.parametrize(("share", "filled"), [(0.0, 0), (0.01, 0), (0.5, 5), (0.99, 9), (1.0, 10)])
def test_a_bar_is_full_at_the_end_and_not_before(share: float, filled: int) -> None:
    assert bar(share, 10) == "━" * filled + "─" * (10 - filled)
