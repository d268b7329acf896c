"""The calls that docs/inside.md lists on the route of a setting are made in that order."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from source import PACKAGE, ROOT

from superparams import Experiment, search

STEP = re.compile(r"^\d+\. `([\w.]+)`", re.MULTILINE)


class Doubled(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"double": 2 * self.a}


def routes() -> list[list[str]]:
    """The three lists of calls: in this process, to a worker process, and back from it."""
    text = (ROOT / "docs" / "inside.md").read_text(encoding="utf-8")
    section = text.partition("These calls pass a setting on")[2].partition("\n## ")[0]
    return [STEP.findall(part) for part in re.split(r"\n(?=With|and)", section)]


def code_of(name: str) -> CodeType:
    """The code of a function by its dotted name in the package."""
    parts = f"{PACKAGE.name}.{name}".split(".")
    for n in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            value = getattr(value, part)
        code: CodeType = getattr(value, "__wrapped__", value).__code__
        return code
    raise AssertionError(f"{name} does not exist")


def test_all_functions_of_the_route_exist() -> None:
    lists = routes()
    assert len(lists) == 3
    for name in [name for names in lists for name in names]:
        code_of(name)


def test_a_setting_takes_this_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls: dict[CodeType, int] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls.setdefault(frame.f_code, len(calls))

    outer = sys.getprofile()
    sys.setprofile(profile)
    try:
        Doubled().run_all(progress=False)
    finally:
        sys.setprofile(outer)
    route = routes()[0]
    assert len(route) > 20
    missing = [name for name in route if code_of(name) not in calls]
    assert missing == []
    assert sorted(route, key=lambda name: calls[code_of(name)]) == route
