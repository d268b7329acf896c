"""Small parts: functions up to 60 lines, files up to 400, and names that say something."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from source import ROOT

FUNCTION_LINES = 60
FILE_LINES = 400
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
FOLDERS = ("superparams", "examples", "benchmarks", "tools")

# What lies in a folder such as benchmarks/.venv was written by others.
FILES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path.name}:{node.lineno} {node.name} has {lines} lines"


def file_lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_functions_are_short() -> None:
    assert [each for path in FILES for each in long_functions(path)] == []


def test_files_are_short() -> None:
    long = {str(path.relative_to(ROOT)): file_lines(path) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > FILE_LINES} == {}


def test_names_say_something() -> None:
    empty = [path for path in FILES if EMPTY_NAMES & {path.stem, path.parent.name}]
    assert empty == []


def test_a_long_function_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def short(): pass\nasync def long():\n" + "    pass\n" * FUNCTION_LINES)
    assert len(list(long_functions(path))) == 1
