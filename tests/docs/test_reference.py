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


def test_every_module_is_on_the_page_about_the_inside() -> None:
    table = read("inside.md").partition("## Layers")[2]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(.+?)`", row)
    }
    there = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    assert named == there


def names_in(file: str) -> list[str]:
    """The names of the tests in a file, without `test_`."""
    (path,) = (ROOT / "tests").rglob(file)
    return re.findall(r"def test_(\w+)\(", path.read_text("utf-8"))


def is_meant(word: str, test: str) -> bool:
    """Whether a word of the matrix means a test; numbers are those that its name begins with."""
    if not word.isdigit():
        return word in test
    return word in itertools.takewhile(str.isdigit, test.split("_"))


def test_the_matrix_of_faults_names_tests_that_there_are() -> None:
    cells = re.findall(r"^\|.*\|(.*`test_.*)\|$", read("reliability.md"), re.MULTILINE)
    told = [
        (file, word)
        for cell in cells
        for file, words in re.findall(r"`(test_\w+\.py)`([\w ]*)", cell)
        for word in words.split()
    ]
    assert len(told) > 60
    lost = [one for one in told if not any(is_meant(one[1], test) for test in names_in(one[0]))]
    assert lost == []
