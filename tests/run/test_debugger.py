"""Stopping in pdb where a setting fails, from Python; tests/cli/ has it at the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import BY_INTERRUPT, Terminal, script, start
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

FAILS = """
import json
from superparams import Experiment, search, value

def failing(x):
    return json.loads(x)

class Fails(Experiment):
    a: int = search([1, 2, 3])

    def setup(self):
        self.here = "set up"

    def run(self):
        if self.a < 3:
            failing("{" * self.a)
        return {"y": self.a}

if __name__ == "__main__":
    found = Fails().run_all(4, debug=True, retries=2, retry_on=["failed"], timeout=9)
    print(found.counts)
"""


def test_each_failure_is_looked_at(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, FAILS))) as at:
        at.expect("JSONDecodeError")
        at.expect(r"\(Pdb\) ")
        at.type("w\n")
        at.expect(r"script\.py\(\d+\)failing\(\)")
        assert "worker.py" not in at.seen
        at.type("u\nu\nu\nu\np self.a, self.here\n")
        at.expect(r"\(1, 'set up'\)")
        at.type("c\n")
        at.expect(r"(?s)JSONDecodeError.*JSONDecodeError")
        at.type("p s\nc\n")
        at.expect("'{{'")
        assert at.end() == 0
        assert "{'done': 1, 'failed': 2}" in at.seen
    assert at.seen.count("c: go on with the next setting") == 2, "none is tried again"


def test_leaving_it_leaves_the_run(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, FAILS))) as at:
        at.expect(r"\(Pdb\) ")
        at.type("c\n")
        at.expect(r"(?s)next setting.*next setting.*\(Pdb\) ")
        at.type("q\n")
        assert at.end() == BY_INTERRUPT
    words = ["-c", "from script import Fails; print(Fails.results().counts)"]
    assert start(tmp_path, *words).communicate(timeout=PATIENCE) == ("{'failed': 1}\n", "")


def test_nobody_to_ask(tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, FAILS)))
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == BY_INTERRUPT
    assert "KeyboardInterrupt: left the debugger" in err
    assert out.count("(Pdb)") == 1


IN_A_THREAD = (
    FAILS.partition("if __name__")[0]
    + """
import threading

def go():
    print(Fails().run_all(debug=True).counts)

if __name__ == "__main__":
    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
"""
)


def test_in_a_thread_too(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, IN_A_THREAD))) as at:
        at.expect(r"\(Pdb\) ")
        at.type("c\nc\n")
        assert at.end() == 0
        assert "{'done': 1, 'failed': 2}" in at.seen


SET_UP = FAILS.replace('self.here = "set up"', "self.here = 1 / len([])")


def test_what_set_up_raised(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, SET_UP))) as at:
        at.expect(r"-> self\.here = 1 / len\(\[\]\)")
        at.type("q\n")
        assert at.end() == BY_INTERRUPT
        assert at.seen.count("(Pdb)") == 1
