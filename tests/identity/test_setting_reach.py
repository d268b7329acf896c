"""The code of a setting: what all settings run, and what only those with an alternative run."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
import textwrap
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from superparams.executor.setting_codes import setting_codes
from superparams.identity.code.fingerprint import fingerprint

_numbers = itertools.count()

MODELS = """
    from superparams import Params, search
    from helpers import of_both, of_svm

    class Model(Params):
        def score(self):
            return self.build() + 1

    class Rbf(Params):
        gamma: float = 1.0
        def value(self):
            return self.gamma

    class Poly(Params):
        degree: int = 2
        def value(self):
            return self.degree

    class Svm(Model):
        C: float = search([1.0, 2.0])
        kernel: Rbf | Poly = search([Rbf(), Poly()])
        def build(self):
            return of_svm(self.C) + of_both()

    class Forest(Model):
        trees: int = 10
        def build(self):
            return self.trees + of_both()

    class Linear(Model):
        def build(self):
            return 0
"""
FILES = {
    "pyproject.toml": "",
    "main.py": """
        from superparams import Experiment, search
        from models import Forest, Linear, Svm

        class Main(Experiment):
            model: Svm | Forest | Linear = search([Svm(), Forest(), Linear()])
            seed: int = search([1, 2])

            def run(self):
                return {"score": self.model.score()}
    """,
    "models.py": MODELS,
    "helpers.py": """
        def of_svm(c):
            return only(c)
        def only(c):
            return c
        def of_both():
            return 1
        def unused():
            return 2
    """,
}


@contextlib.contextmanager
def imported(tmp_path: Path, files: Mapping[str, str]) -> Generator[Any]:
    """The class `Main` of a project with these files, which is forgotten at the end."""
    folder = tmp_path / str(next(_numbers))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("main").Main
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            module = sys.modules[name]
            if str(getattr(module, "__file__", "")).startswith(str(folder)):
                del sys.modules[name]


def codes(tmp_path: Path, files: Mapping[str, str], **given: Any) -> dict[str, str]:
    """The code of each setting of a project, by the text of its groups."""
    with imported(tmp_path, files) as cls:
        space, code = cls(**given), fingerprint(cls)
        by_setting = setting_codes(space, code)
        return {
            "+".join(map(str, setting.place.as_row().values())): (
                code.digest if by_setting is None else by_setting.at(index)
            )
            for index, setting in enumerate(space)
        }


def changed(
    tmp_path: Path, edit: tuple[str, str, str], files: Mapping[str, str] = FILES
) -> set[str]:
    """The names of the alternatives in settings whose code an edit changes."""
    name, old, new = edit
    assert old in files[name], old
    edited = {**files, name: files[name].replace(old, new)}
    before, after = codes(tmp_path, files), codes(tmp_path, edited)
    assert before.keys() == after.keys()
    return {key for key in before if before[key] != after[key]}


EDITS = {
    "a method of one": (("models.py", "of_svm(self.C) +", "3 + of_svm(self.C) +"), {"Svm"}),
    "a method of another": (
        ("models.py", "self.trees + of_both", "2 * self.trees + of_both"),
        {"Forest"},
    ),
    "a helper of one": (("helpers.py", "return only(c)", "return only(c) + 1"), {"Svm"}),
    "a helper further down": (("helpers.py", "return c", "return c + 1"), {"Svm"}),
    "a helper of two": (("helpers.py", "return 1", "return 3"), {"Svm", "Forest"}),
    "a base of all": (
        ("models.py", "self.build() + 1", "self.build()"),
        {"Svm", "Forest", "Linear"},
    ),
    "a nested alternative": (("models.py", "return self.gamma", "return -self.gamma"), {"Rbf"}),
    "the other nested one": (("models.py", "return self.degree", "return -self.degree"), {"Poly"}),
    "run": (("main.py", "self.model.score()", "-self.model.score()"), {"Svm", "Forest", "Linear"}),
    "what nothing reaches": (("helpers.py", "return 2", "return 4"), set[str]()),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_code_of_the_settings_that_reach_it(tmp_path: Path, name: str) -> None:
    edit, expected = EDITS[name]
    found = changed(tmp_path, edit)
    every = codes(tmp_path, FILES)
    assert found == {key for key in every if expected & set(key.split("+"))}
