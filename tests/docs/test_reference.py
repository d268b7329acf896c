"""The pages name everything there is: each public name, each module."""

from __future__ import annotations

import itertools
import re

from snippets import ROOT

import superparams

PACKAGE = ROOT / "superparams"


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def test_every_public_name_is_in_the_reference() -> None:
    named = set(re.findall(r"(?:^::: superparams\.|^`)(\w+)\b", read("api.md"), re.MULTILINE))
    assert set(superparams.__all__) <= named


def names_in(file: str) -> list[str]:
    """The names of the tests in a file, without `test_`."""
    paths = list((ROOT / "tests").rglob(file))
    assert len(paths) == 1, f"{file} of docs/reliability.md: {len(paths)} files have this name"
    (path,) = paths
    return re.findall(r"def test_(\w+)\(", path.read_text("utf-8"))


def is_meant(word: str, test: str) -> bool:
    """Whether a word of the matrix means a test; numbers are those that its name begins with."""
    if not word.isdigit():
        return word in test
    return word in itertools.takewhile(str.isdigit, test.split("_"))


def rows_of_the_matrix() -> list[str]:
    tables = re.findall(
        r"^\| fault \|.*\n\| --- .*\n((?:\|.*\n)+)", read("reliability.md"), re.MULTILINE
    )
    assert len(tables) == 9
    return [row for rows in tables for row in rows.splitlines()]


def test_the_matrix_of_faults_names_tests_that_there_are() -> None:
    lost: list[str] = []
    for row in rows_of_the_matrix():
        cell = row.strip("| ").rpartition("|")[2]
        named = re.findall(r"`(test_\w+\.py)`([\w ]*)", cell)
        assert named, f"no test is named in: {row}"
        for file, words in named:
            tests = names_in(file)
            assert tests, f"there is no test in {file}"
            lost += [
                f"{file} {word}"
                for word in words.split()
                if not any(is_meant(word, test) for test in tests)
            ]
    assert lost == []
    assert len(rows_of_the_matrix()) > 35
