"""What is printed, and where it goes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.timing import PATIENCE

PRINTS = """
import ctypes, os, sys, warnings
from superparams.cli.streams import ready, stdout_for_people, stdout_to_stderr

C = ctypes.CDLL(None)

def prints(text):
    print(text)
    print(f"old {text}", file=sys.__stdout__)
    C.printf(f"c {text}\\n".encode())
    os.system(f"echo child {text}")
"""


def printed(script: str, **more: str) -> tuple[list[str], list[str]]:
    """What a script prints to standard output and to standard error, sorted by line."""
    done = subprocess.run(
        [sys.executable, "-c", PRINTS + script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "", **more},  # C holds back what it prints, too
    )
    return sorted(done.stdout.splitlines()), sorted(done.stderr.splitlines())


def all_of(text: str) -> list[str]:
    return sorted([text, f"old {text}", f"c {text}", f"child {text}"])


def test_what_is_printed_inside_goes_to_standard_error_and_nothing_else() -> None:
    out, err = printed(
        "prints('before')\nwith stdout_to_stderr():\n    prints('inside')\nprints('after')"
    )
    assert out == sorted([*all_of("before"), *all_of("after")])
    assert err == all_of("inside")


@pytest.mark.parametrize("is_json", [True, False])
def test_where_a_document_follows(is_json: bool) -> None:
    streams = printed(f"with stdout_for_people({is_json}):\n    prints('inside')")
    assert streams[is_json] == all_of("inside")
    assert streams[not is_json] == []


def test_it_is_as_before_after_an_error() -> None:
    out, err = printed(
        "try:\n    with stdout_to_stderr():\n        print('inside')\n        1 / 0\n"
        "except ZeroDivisionError:\n    prints('after')"
    )
    assert (out, err) == (all_of("after"), ["inside"])


def test_closed_streams_take_what_is_written() -> None:
    script = """
for number in (0, 1):
    os.close(number)
sys.stdin = sys.stdout = None
ready()
print("nowhere")
opened = open(os.devnull)
assert opened.fileno() > 2
with stdout_to_stderr():
    print("inside", flush=True)
"""
    assert printed(script)[1] == ["inside"]


def test_a_character_that_the_terminal_lacks_is_no_error() -> None:
    out, _ = printed("ready()\nprint('\\u2026 \\ud800')", PYTHONIOENCODING="ascii")
    assert out == [r"\u2026 \ud800"]


def test_warnings_of_ours_are_without_a_line_of_code() -> None:
    script = """
ready()
import superparams.cli.streams as ours
warnings.warn_explicit("beware \\x1b[31m", UserWarning, ours.__file__, 1)
warnings.warn_explicit("mine", UserWarning, "mine.py", 7)
"""
    assert printed(script)[1] == ["mine.py:7: UserWarning: mine", r"warning: beware \x1b[31m"]
