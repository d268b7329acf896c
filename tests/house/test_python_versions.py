"""The library keeps to what Python 3.10 has, whatever Python the tests run on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from source import PACKAGE

from tests.timing import PATIENCE

NEWER = re.compile(r"sys\.version_info (>=|<) \(3, 1[1-9]\)")


def for_3_10(text: str) -> str:
    """The text of a module without what stands under a test for a newer Python."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        asked = NEWER.fullmatch(ast.unparse(node.test)) if isinstance(node, ast.If) else None
        if isinstance(node, ast.If) and asked:
            newer = node.body if asked[1] == ">=" else node.orelse
            if newer:
                first, last = newer[0].lineno, newer[-1].end_lineno or newer[-1].lineno
                start = lines[first - 1][: newer[0].col_offset]
                lines[first - 1 : last] = [f"{start}pass", *[""] * (last - first)]
    return "\n".join(lines)


def vermin(source: Path, scratch: Path) -> str:
    """What needs more than 3.10 among the files of a folder, or nothing."""
    for path in sorted(source.rglob("*.py")):
        copy = scratch / "for310" / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(for_3_10(path.read_text("utf-8")), "utf-8")
    command = [str(Path(sys.executable).with_name("vermin")), "--target=3.10-", "--no-tips"]
    command += ["--violations", "--eval-annotations", "--backport=typing_extensions"]
    done = subprocess.run(
        [*command, str(scratch / "for310")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_library_runs_on_3_10(tmp_path: Path) -> None:
    assert vermin(PACKAGE, tmp_path) == ""


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_types_are_right_on_each_python(version: str, tmp_path: Path) -> None:
    # What modules of the standard library take and return differs from version to version.
    command = [sys.executable, "-m", "mypy", "--python-version", version]
    done = subprocess.run(
        [*command, "--cache-dir", str(tmp_path)],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    "text",
    [
        "import tomllib",
        "from typing import Self",
        "import sys\nif sys.version_info >= (3, 10):\n    import tomllib",
        "import sys\nif sys.version_info >= (3, 11):\n    pass\nelse:\n    import tomllib",
    ],
)
def test_what_is_newer_would_be_seen(tmp_path: Path, text: str) -> None:
    (tmp_path / "newer.py").write_text(f"{text}\n", "utf-8")
    assert "3.11" in vermin(tmp_path, tmp_path / "scratch")


def test_what_is_newer_may_stand_under_a_test_for_it(tmp_path: Path) -> None:
    text = (
        "import sys\n"
        "if sys.version_info >= (3, 11):\n"
        "    import tomllib\n"
        "else:\n"
        "    tomllib = None\n"
    )
    (tmp_path / "guarded.py").write_text(text, "utf-8")
    assert vermin(tmp_path, tmp_path / "scratch") == ""
