"""What people see in an editor, by pyright, mypy, ty and pyrefly, in one run of each.

Each line that ends in `# error` is reported by all four, one that ends in `# error: mypy, ty` by
these alone, and no other line is. `accept/` holds code that is right: a mark there is a false alarm
of a checker.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ACCEPT = sorted((HERE / "accept").glob("*.py"))
REJECT = sorted((HERE / "reject").glob("*.py"))
CHECKERS = ("pyright", "mypy", "ty", "pyrefly")
MARK = re.compile(r"# error(?:: (?P<only>[a-z]+(?:, [a-z]+)*))?\s*$")

Lines = dict[int, str]  # number of a line -> what is said about it
Report = dict[Path, Lines]


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What each checker says about all files. They run at the same time."""
    files = [str(path) for path in ACCEPT + REJECT]
    started = {
        "mypy": start("mypy", "--output=json", "--no-error-summary", *files),
        "pyright": start("pyright", "--outputjson", "--pythonpath", sys.executable, *files),
        "ty": start("ty", "check", "--output-format=gitlab", f"--python={sys.prefix}", *files),
        "pyrefly": start("pyrefly", "check", "--output-format=json", *files),
    }
    read = {"mypy": read_mypy, "pyright": read_pyright, "ty": read_ty, "pyrefly": read_pyrefly}
    return {name: read[name](output_of(process)) for name, process in started.items()}


def start(tool: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def output_of(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=240)
    assert process.returncode in (0, 1), f"{process.args!r}\n{output}\n{errors}"
    return output


def read_pyright(output: str) -> Report:
    report: Report = {}
    read: dict[str, Any] = json.loads(output)
    assert read["summary"]["filesAnalyzed"] >= len(ACCEPT + REJECT), "pyright left files out"
    for each in read["generalDiagnostics"]:
        if each["severity"] != "information":
            line = each["range"]["start"]["line"] + 1
            report.setdefault(Path(each["file"]), {})[line] = each["message"]
    return report


def read_mypy(output: str) -> Report:
    report: Report = {}
    for each in map(json.loads, output.splitlines()):
        if each["severity"] == "error":
            report.setdefault(ROOT / each["file"], {})[each["line"]] = each["message"]
    return report


def read_ty(output: str) -> Report:
    report: Report = {}
    for each in json.loads(output):
        line = each["location"]["positions"]["begin"]["line"]
        report.setdefault(ROOT / each["location"]["path"], {})[line] = each["description"]
    return report


def read_pyrefly(output: str) -> Report:
    report: Report = {}
    for each in json.loads(output)["errors"]:
        if each["severity"] == "error":
            report.setdefault(ROOT / each["path"], {})[each["line"]] = each["description"]
    return report


def expected(text: str, checker: str) -> set[int]:
    """The numbers of the lines that a checker must report."""
    found = ((number, MARK.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return {
        number
        for number, mark in found
        if mark and (mark["only"] is None or checker in mark["only"].split(", "))
    }


def difference(text: str, checker: str, reported: Lines) -> list[str]:
    """Where what a checker says and what the file expects differ."""
    lines = expected(text, checker)
    silent = [f"line {line}: {checker} says nothing" for line in sorted(lines - reported.keys())]
    extra = [f"line {n}: {checker} says {reported[n]}" for n in sorted(reported.keys() - lines)]
    return silent + extra


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("path", ACCEPT, ids=lambda path: path.stem)
def test_accepted(reports: dict[str, Report], checker: str, path: Path) -> None:
    assert difference(path.read_text("utf-8"), checker, reports[checker].get(path, {})) == []


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("path", REJECT, ids=lambda path: path.stem)
def test_rejected(reports: dict[str, Report], checker: str, path: Path) -> None:
    text = path.read_text("utf-8")
    assert expected(text, checker), "a file in reject/ without a mark"
    assert difference(text, checker, reports[checker].get(path, {})) == []


class TestTheTestsThemselves:
    """A report that is missing, or one too many, is told: shown on the real reports."""

    @pytest.mark.parametrize("checker", CHECKERS)
    def test_a_missing_error(self, reports: dict[str, Report], checker: str) -> None:
        text = REJECT[0].read_text("utf-8") + "fine = 1  # error\n"
        said = difference(text, checker, reports[checker][REJECT[0]])
        assert said == [f"line {len(text.splitlines())}: {checker} says nothing"]

    @pytest.mark.parametrize("checker", CHECKERS)
    def test_an_error_too_many(self, reports: dict[str, Report], checker: str) -> None:
        text = REJECT[0].read_text("utf-8")
        said = difference(text.replace("# error", "#"), checker, reports[checker][REJECT[0]])
        assert len(said) == len(expected(text, checker)) > 0

    def test_a_mark_for_one_checker(self) -> None:
        text = "a\nb  # error\nc  # error: mypy, ty\nd  # error: pyright\ne  # errors differ\n"
        assert expected(text, "mypy") == {2, 3}
        assert expected(text, "ty") == {2, 3}
        assert expected(text, "pyright") == {2, 4}
