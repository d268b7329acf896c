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


EVERY = {"Svm", "Forest", "Linear"}
SVM = ("models.py", "of_svm(self.C) +", "3 + of_svm(self.C) +")


def main(run: str = "return {'score': self.model.score()}", **more: str) -> str:
    """The text of the experiment; more: `imports`, `before`, `points`, `annotation`, `base`."""
    body = textwrap.indent(textwrap.dedent(more.get("body", "")), " " * 4)
    lines = [
        "import functools, importlib, models",
        "from superparams import Experiment, Params, search, value",
        "from models import *",
        more.get("imports", ""),
        textwrap.dedent(more.get("before", "")),
        f"class Main({more.get('base', 'Experiment')}):",
        f"    model: {more.get('annotation', 'object')} = "
        f"search({more.get('points', '[Svm(), Forest(), Linear()]')})",
        body,
        "    def run(self):",
        textwrap.indent(textwrap.dedent(run), " " * 8),
    ]
    return "\n".join(lines)


# What an edit of `Svm.build` changes: the main module, more text in `models.py`, and the settings.
FORMS: dict[str, tuple[str, str, set[str]]] = {
    # Forms that are understood: only the settings of Svm change.
    "a plain list": (main(), "", {"Svm"}),
    "a union": (main(annotation="Svm | Forest | Linear"), "", {"Svm"}),
    "a name for a union": (
        main(before="Kind = Svm | Forest | Linear", annotation="Kind"),
        "",
        {"Svm"},
    ),
    "names": (main(points="{'a': Svm(), 'b': Forest(), 'c': Linear()}"), "", {"Svm"}),
    "a constant dict": (
        main(points="MODELS", imports="from models import MODELS"),
        "MODELS = {'svm': Svm(), 'forest': Forest(), 'linear': Linear()}\n",
        {"Svm"},
    ),
    "a comprehension": (
        main(points="[Svm(C=float(c)) for c in range(2)] and [Svm(), Forest()]"),
        "",
        {"Svm", "Forest"},
    ),
    "a list comprehension": (
        main(
            points="[Forest(trees=n) for n in (1, 2)]",
            body="other: Svm | Linear = search([Svm(), Linear()])",
            run="return {'x': self.model.score() + self.other.score()}",
        ),
        "",
        {"Svm"},
    ),
    "a module": (main(points="[models.Svm(), models.Forest()]"), "", {"Svm"}),
    "a base with the field": (
        main(
            points="[Linear()]",
            base="Base",
            before="""
        class Base(Experiment):
            other: Svm | Forest = search([Svm(), Forest()])
        """,
        ),
        "",
        {"Svm"},
    ),
    "a mixin with the field": (
        main(
            points="[Linear()]",
            base="Mixin, Experiment",
            before="""
        class Mixin:
            other: Svm | Forest = search([Svm(), Forest()])
        """,
        ),
        "",
        {"Svm"},
    ),
    "zipped": (
        main(
            points="[Svm(C=1.0, kernel=Rbf()), Forest()], zip='z'",
            body="n: int = search([1, 2], zip='z')",
        ),
        "",
        {"Svm"},
    ),
    "one that uses it and is not a point": (
        main(),
        """
        class Boost(Model):
            def build(self):
                return Svm().build()
        Forest.build.__doc__
        """,
        {"Svm"},
    ),
    "its subclass": (
        main(points="[Svm(), Forest(), Linear(), Wide()]"),
        """
        class Wide(Svm):
            width: int = 3
        """,
        {"Svm", "Wide"},
    ),
    "one that uses it": (
        main(points="[Svm(), Forest(), Boost()]"),
        """
        class Boost(Model):
            def build(self):
                return Svm().build()
        """,
        {"Svm", "Boost"},
    ),
    "one that registers its classes": (
        main(points="[Svm(), Forest(), Named()]"),
        """
        TABLE = {}
        class Named(Model):
            def build(self):
                return TABLE["svm"]().build()
        TABLE["svm"] = Svm
        """,
        {"Svm", "Named"},
    ),
    "the name of a class": (main("return {'x': type(self.model).__name__}"), "", {"Svm"}),
    "a comparison": (main("return {'x': type(self.model.score()) is int}"), "", {"Svm"}),
    "an annotation of a helper": (
        main(
            "return {'x': helped(self.model)}",
            before="""
        def helped(model: Svm | Forest) -> float:
            return model.score()
        """,
        ),
        "",
        {"Svm"},
    ),
    "a fixed group": (main(body="fixed: Svm = Svm()"), "", EVERY),
    "super": (
        main(points="[Svm(), Forest(), Cooperative()]"),
        """
        class Cooperative(Forest, Svm):
            def build(self):
                return super().build()
        """,
        {"Svm", "Cooperative"},
    ),
    # Forms that are not: all settings change.
    "isinstance": (main("return {'x': isinstance(self.model, Svm)}"), "", EVERY),
    "a call": (main("return {'x': Svm.build(Svm())}"), "", EVERY),
    "in a helper": (
        main(
            "return {'x': helped()}",
            before="""
        def helped():
            return Svm()
        """,
        ),
        "",
        EVERY,
    ),
    "a computed attribute of a module": (
        main("return {'x': getattr(models, 'S' + 'vm')}"),
        "",
        EVERY,
    ),
    "globals": (main("return {'x': globals()['S' + 'vm']}"), "", EVERY),
    "a computed import": (
        main("return {'x': getattr(importlib.import_module('mod' + 'els'), 'Svm')}"),
        "",
        EVERY,
    ),
    "a table": (
        main("return {'x': TABLE['svm']}", imports="from models import TABLE"),
        "TABLE = {}\nTABLE['svm'] = Svm\n",
        EVERY,
    ),
    "a decorated table": (
        main("return {'x': TABLE['svm']}", imports="from models import TABLE"),
        """
        TABLE = {}
        def register(cls):
            TABLE[cls.__name__] = cls
            return cls
        register(Svm)
        """,
        EVERY,
    ),
    "a dispatched function": (
        main(
            "return {'x': area(self.model)}",
            before="""
        @functools.singledispatch
        def area(x):
            return 0
        @area.register
        def _(x: Svm):
            return 1
        """,
        ),
        "",
        EVERY,
    ),
    "subclasses": (main("return {'x': len(Model.__subclasses__())}"), "", EVERY),
    "all subclasses": (main("return {'x': len(Params.__subclasses__())}"), "", EVERY),
    "the class of a setting": (main("return {'x': type(self)()[0].model.build()}"), "", EVERY),
    "another way to it": (main("return {'x': self.__class__()}"), "", EVERY),
    "the experiment": (main("return {'x': Main()[0].model.build()}"), "", EVERY),
    "words": (main("return {'x': self.place.from_cli(['model=Svm'])}"), "", EVERY),
    "a class method": (
        main(
            "return {'x': self.made()}",
            body="""
        @classmethod
        def made(cls):
            return cls()[0].model
        """,
        ),
        "",
        EVERY,
    ),
    "a pickle": (main("return {'x': pickle.loads(b'')}", imports="import pickle"), "", EVERY),
    "a loaded object": (main("return {'x': load()}", imports="from pickle import load"), "", EVERY),
    "executed text": (main("return {'x': eval('Svm()')}"), "", EVERY),
    "a function that makes points": (
        main(
            points="made()",
            before="""
        def made():
            return [Svm(), Forest(), Linear()]
        """,
        ),
        "",
        EVERY,
    ),
    "a lambda": (main(body="make: object = value(lambda: Svm(), key='v')"), "", EVERY),
    "a partial": (main(body="make: object = value(functools.partial(Svm), key='v')"), "", EVERY),
    "a derived field": (main(body="other: object = value(derive=lambda s: Svm())"), "", EVERY),
    "a factory": (main(body="other: object = value(factory=Svm, key='v')"), "", EVERY),
    "an object around it": (
        main(
            body="other: object = value(Around(Svm()), key='v')",
            before="""
        class Around:
            def __init__(self, inner):
                self.inner = inner
        """,
        ),
        "",
        EVERY,
    ),
    "a constant that is filled": (
        main(
            points="[Linear()]",
            body="""
        other: object = search(OTHERS)
        kind: Svm | None = None
        """,
            before="""
        class Around:
            def __init__(self, inner):
                self.inner = inner
            def __hash__(self):
                return 1
        OTHERS = []
        OTHERS.append('a')
        OTHERS.append(str(Svm()))
        """,
        ),
        "",
        EVERY,
    ),
    "two classes of one name": (
        main(
            body="other: object = search([other.Svm(), Forest()])",
            imports="import helpers as other",
        ),
        "",
        EVERY,
    ),
    "a metaclass": (
        main(points="[Svm(), Forest(), Odd()]"),
        """
        from superparams import SearchMeta
        class Meta(SearchMeta):
            def __call__(cls, *args, **named):
                return super().__call__(*args, **named)
        class Odd(Model, metaclass=Meta):
            def build(self):
                return 1
        """,
        {"Svm"},
    ),
    "a list of all instances": (
        main("return {'x': ALL[0].build()}", imports="from models import ALL"),
        """
        ALL = []
        def note(one):
            ALL.append(one)
        class Noted(Params):
            def __post_init__(self):
                note(self)
        class Svm(Noted, Model):
            C: float = search([1.0, 2.0])
            def build(self):
                return of_svm(self.C) + 5
        """,
        EVERY,
    ),
    "a hook that calls a function": (
        main("return {'x': ALL[0]().build()}", imports="from models import ALL"),
        """
        ALL = []
        def note(cls):
            ALL.append(cls)
        class Noted(Params):
            def __init_subclass__(cls):
                note(cls)
        class Svm(Noted, Model):
            C: float = search([1.0, 2.0])
            def build(self):
                return of_svm(self.C) + 5
        """,
        EVERY,
    ),
    "a decorator that calls a function": (
        main("return {'x': ALL[0]().build()}", imports="from models import ALL"),
        """
        ALL = []
        def note(cls):
            ALL.append(cls)
        def noted(name):
            def inner(cls):
                note(cls)
                return cls
            return inner
        @noted("svm")
        class Svm(Model):
            C: float = search([1.0, 2.0])
            def build(self):
                return of_svm(self.C) + 5
        """,
        EVERY,
    ),
    "a library that is given it": (
        main("return {'x': numpy.found()}", imports="import numpy"),
        """
        import numpy
        for one in (Svm, Forest):
            numpy.asarray([one])
        """,
        EVERY,
    ),
    "a cache that run and an alternative use": (
        main(
            "return {'x': cached(1) + self.model.score()}",
            imports="from helpers import cached",
        ),
        """
        from helpers import cached
        class Other(Svm):
            def build(self):
                return cached(3)
        """,
        {"Svm"},
    ),
    "a conditional list": (main(points="[Svm(), Forest()] if True else []"), "", EVERY),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_in_which_alternatives_are_declared_and_used(tmp_path: Path, form: str) -> None:
    text, more, expected = FORMS[form]
    helpers = FILES["helpers.py"]
    if form == "two classes of one name":
        helpers = textwrap.dedent(helpers) + textwrap.dedent("""
            from superparams import Params
            class Svm(Params):
                def score(self):
                    return 0
            """)
    models = textwrap.dedent(MODELS)
    if "class Svm" in more:  # another one in its place
        models = models.replace("class Svm(Model)", "class Older(Model)")
        models = models.replace("of_svm(self.C) +", "of_svm(0.0) +")
    helpers = textwrap.dedent(helpers) + textwrap.dedent("""
        CACHE = {}
        def cached(x):
            CACHE[x] = x
            return CACHE[x]
        """)
    files = {
        **FILES,
        "main.py": text,
        "models.py": models + textwrap.dedent(more),
        "helpers.py": helpers,
    }
    every = codes(tmp_path, files)
    named = {key for key in every if expected & set(key.split("+"))}
    if expected in (EVERY, {"Svm", "Forest"}):
        named = set(every)
    if "names" in form or "dict" in form:
        named = {key for key in every if {"a", "svm"} & set(key.split("+"))}
    assert named
    assert changed(tmp_path, SVM, files) == named
