"""The code of a class from its text is that of the imported class, or it is not known."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from superparams.identity.code.text_fingerprint import code_of_text, declarations_of_text
from tests.runs import output

LIB = {
    "pyproject.toml": "",
    "lib/__init__.py": "from lib.deep import deep\n",
    "lib/deep.py": """
        LIMIT = 3

        def deep(x):
            return helper(x) + LIMIT

        def helper(x):
            return x
    """,
    "lib/base.py": """
        from superparams import Experiment, search
        from lib import deep

        class Base(Experiment):
            a: int = search([1, 2])

            def run(self):
                return {"y": self.step()}

            def step(self):
                return deep(self.a)

        class Mixin:
            def more(self):
                return 1
    """,
    "lib/hooks.py": """
        from superparams import Experiment

        class Hooked(Experiment):
            def __init_subclass__(cls):
                cls.extra = len(cls.__name__)

            def run(self):
                return {"y": 1}
    """,
    "lib/table.py": """
        TABLE = {}

        def register(name):
            def decorated(function):
                TABLE[name] = function
                return function
            return decorated
    """,
    "lib/plug.py": """
        from lib.table import register

        @register("a")
        def first(x):
            return x
    """,
    "src/inner.py": "def inner(x):\n    return x\n",
    "experiments/shared.py": "def shared(x):\n    return x + 1\n",
    "experiments/_parts.py": "def part(x):\n    return x + 2\n",
}
HEAD = "from superparams import Experiment, Params, search, value\n"
RUN = "def run(self):\n    return {'y': self.a}\n"
# The text of a file with an experiment E, whose text tells its code.
TOLD: dict[str, str] = {
    "plain": "class E(Experiment):\n    a: int = 1\n    RUN",
    "helper": """
        import lib
        class E(Experiment):
            def run(self):
                return {'y': lib.deep(1)}
    """,
    "from import": """
        from lib.deep import deep as other
        class E(Experiment):
            def run(self):
                return {'y': other(1)}
    """,
    "star": """
        from lib.deep import *
        class E(Experiment):
            def run(self):
                return {'y': deep(1)}
    """,
    "src": """
        from inner import inner
        class E(Experiment):
            def run(self):
                return {'y': inner(1)}
    """,
    "beside": """
        from shared import shared
        from experiments._parts import part
        class E(Experiment):
            def run(self):
                return {'y': shared(1) + part(2)}
    """,
    "relative": """
        from .shared import shared
        class E(Experiment):
            def run(self):
                return {'y': shared(1)}
    """,
    "base": "from lib.base import Base, Mixin\nclass E(Mixin, Base):\n    b: int = search([3])",
    "base by module": """
        import lib.base
        class E(lib.base.Base):
            def step(self):
                return 3
    """,
    "chain": """
        from lib.base import Base
        class First(Base):
            pass
        class Second(First):
            def step(self):
                return super().step()
        class E(Second):
            def more(self):
                return 0
    """,
    "groups": """
        class Part(Params):
            rate: float = 0.1
            def build(self):
                return [self.rate]
        class Other(Part):
            size: int = 3
        class E(Experiment):
            part: Part = search([Part(), Other(size=search([1, 2]))])
            def run(self):
                return {'y': len(self.part.build())}
    """,
    "methods": """
        import functools
        from abc import abstractmethod
        LIMIT, WORDS = 3, {'a': 1}
        class Base(Experiment):
            @abstractmethod
            def step(self): ...
        class E(Base):
            a: int = 1
            TABLE = {'x': [1, 2]}
            KEY = -1
            name = lambda self: 'x'
            @property
            def twice(self):
                return self.a * 2
            @functools.cached_property
            def thrice(self):
                return self.a * LIMIT
            @staticmethod
            def plus(x):
                return x + WORDS['a']
            @classmethod
            @functools.lru_cache
            def make(cls):
                return cls
            def step(self):
                def inner():
                    return self.plus(1)
                return inner()
            def valid(self):
                return self.a > 0
            def report(self, results):
                return 'x'
            RUN
    """,
    "registered": """
        import lib.plug
        from lib.table import TABLE
        class E(Experiment):
            def run(self):
                return {'y': TABLE['a'](1)}
    """,
    "import by name": """
        import importlib
        class E(Experiment):
            def run(self):
                return {'y': importlib.import_module('lib.plug').first(1)}
    """,
    "optional": """
        try:
            import not_there
        except ImportError:
            not_there = None
        if not_there is None:
            def helper(x):
                return x
        else:
            def helper(x):
                return not_there.x
        class E(Experiment):
            def run(self):
                return {'y': helper(1)}
    """,
    "generic": """
        from typing import Generic, TypeVar
        T = TypeVar('T')
        class Base(Experiment, Generic[T]):
            def run(self):
                return {'y': 1}
        class E(Base[int]):
            a: int = 1
    """,
    "dataclass beside": """
        from dataclasses import dataclass
        @dataclass
        class Point:
            x: int = 1
        class E(Experiment):
            def run(self):
                return {'y': Point().x}
    """,
    "future": """
        from typing import Literal
        import lib
        class E(Experiment):
            a: 'int | None' = None
            mode: Literal['x', 'y'] = 'x'
            data: object = value(factory=lib.deep, key='k')
            b: int = value(derive=lambda s: lib.deep(s.a))
            RUN
    """,
}
# The text of a file with an experiment E, and why its text does not tell its code.
UNKNOWN: dict[str, tuple[str, str]] = {
    "decorated method": (
        """
        def twice(f):
            def wrapped(self):
                return f(self)
            return wrapped
        class E(Experiment):
            a: int = 1
            @twice
            RUN
        """,
        "E.run has a decorator that may keep values",
    ),
    "decorated class": (
        "def same(c):\n    return c\n@same\nclass E(Experiment):\n    a: int = 1\n    RUN",
        "E has a decorator",
    ),
    "made method": (
        """
        def make(k):
            return lambda self: {'y': k}
        class E(Experiment):
            run = make(3)
        """,
        "E.run is made when the file is imported",
    ),
    "made base": (
        """
        def make():
            class Base(Experiment):
                a: int = 1
                RUN
            return Base
        class E(make()):
            pass
        """,
        "a base of E is made when the file is imported",
    ),
    "named base": (
        """
        def make():
            class Base(Experiment):
                a: int = 1
                RUN
            return Base
        Base = make()
        class E(Base):
            pass
        """,
        "a base of E is made when the file is imported",
    ),
    "twice": (
        "class E(Experiment):\n    pass\nclass E(Experiment):\n    a: int = 1\n    RUN",
        "defines E more than once",
    ),
    "changed later": (
        "class E(Experiment):\n    a: int = 1\n    RUN\nE.more = (lambda k: lambda self: k)(1)",
        "changes E after its definition",
    ),
    "hook": (
        "from lib.hooks import Hooked\nclass E(Hooked):\n    a: int = 1",
        "may change the class",
    ),
    "arguments": (
        """
        class Base(Experiment):
            a: int = 1
            RUN
        class E(Base, **{}):
            pass
        """,
        "E has arguments beside its bases",
    ),
    "computed import": (
        """
        import importlib
        class E(Experiment):
            a: str = 'json'
            def run(self):
                return {'y': importlib.import_module(self.a).__name__}
        """,
        "imports modules by names that it computes",
    ),
    "other path": (
        """
        import sys
        sys.path.append('elsewhere')
        class E(Experiment):
            a: int = 1
            RUN
        """,
        "may change where modules are imported from",
    ),
}
DRIVER = """
import json, sys
from pathlib import Path
from superparams.cli.file_imports import _extend_path, load
from superparams.cli.name_lookup import ExperimentReference, root_at
from superparams.identity.code.fingerprint import fingerprint
from superparams.identity.code.text_fingerprint import code_of_text

root = root_at(Path("experiments").resolve())
_extend_path(root)
sys.path.insert(0, str(root.project / "src"))  # as PYTHONPATH=src does
names = json.loads(sys.argv[1])
files = {name: root.folder / f"{name}.py" for name in names}
text = {name: code_of_text(file, "E") for name, file in files.items()}
assert not [name for name in sys.modules if name.partition(".")[0] in ("experiments", "lib")]
found = {}
for name, file in files.items():
    (cls,) = load(root, [ExperimentReference(file, name, "E")])
    code = fingerprint(cls)
    told = text[name].code
    parts = {} if told is None else told.parts
    source = {} if told is None else told.source
    found[name] = {
        "imported": code.digest,
        "text": told and told.digest,
        "parts": sorted({*parts.items()} ^ {*code.parts.items()}),
        "source": source == code.source,
        "alternatives": sorted(code.alternatives),
        "is_same": told is None or told.alternatives == code.alternatives,
        "why": text[name].why,
    }
json.dump(found, sys.stdout)
"""


def written(folder: Path, texts: dict[str, str]) -> dict[str, str]:
    """Write the files; returns the name of the file of each text."""
    names = {face: f"e{n}" for n, face in enumerate(texts)}
    files = {f"experiments/{names[face]}.py": text for face, text in texts.items()}
    for name, text in {**LIB, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = textwrap.dedent(text)
        indents = {
            line: line[: len(line) - 3] for line in text.splitlines() if line.endswith("RUN")
        }
        for line, indent in indents.items():
            text = text.replace(line, textwrap.indent(RUN, indent).rstrip())
        head = HEAD if name.startswith("experiments/e") else ""
        path.write_text(head + text + "\n")
    return names


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The code of each face from its text, before anything is imported, and as it is imported."""
    folder = tmp_path_factory.mktemp("compared")
    texts = {**TOLD, **{face: text for face, (text, _) in UNKNOWN.items()}}
    names = written(folder, texts)
    found = json.loads(output(folder, DRIVER, json.dumps(list(names.values()))))
    return {face: found[name] for face, name in names.items()}


@pytest.mark.parametrize("face", TOLD)
def test_the_text_tells_the_code(compared: dict[str, dict[str, Any]], face: str) -> None:
    found = compared[face]
    assert (found["why"], found["parts"]) == ("", [])
    assert found["text"] == found["imported"]
    assert found["source"]
    assert found["is_same"]
    assert len(found["alternatives"]) == (2 if face == "groups" else 0)


@pytest.mark.parametrize("face", UNKNOWN)
def test_what_the_text_does_not_tell(compared: dict[str, dict[str, Any]], face: str) -> None:
    found = compared[face]
    assert found["text"] is None
    assert UNKNOWN[face][1] in found["why"]


EDITS = [
    ("a: int = 1", "a: int = 2", True, False),
    ("a: int = search([1, 2])", "a: int = search([1, 3])", True, False),
    ("return x", "return 2 * x", False, True),
    ("LIMIT = 3", "LIMIT = 4", True, True),
    ("return self.a > 0", "return self.a > 1", True, False),
    ("    # a comment", "    # another", False, False),
]
EDITED = """
    from superparams import Experiment, Params, search

    LIMIT = 3

    def helper(x):
        return x

    class Part(Params):
        a: int = 1

    class E(Experiment):
        # a comment
        a: int = search([1, 2])
        most: int = LIMIT
        part: Part = Part()

        def valid(self):
            return self.a > 0

        def run(self):
            return {"y": helper(self.a) + LIMIT}
"""


@pytest.mark.parametrize(("old", "new", "is_declaration", "is_code"), EDITS)
def test_what_the_text_declares(
    tmp_path: Path, old: str, new: str, is_declaration: bool, is_code: bool
) -> None:
    (tmp_path / "pyproject.toml").touch()
    file = tmp_path / "e.py"

    def told() -> tuple[object, str | None]:
        code = code_of_text(file, "E").code
        assert code is not None
        return code.digest, declarations_of_text(file, "E")

    text = textwrap.dedent(EDITED)
    file.write_text(text)
    before = told()
    assert old in text
    file.write_text(text.replace(old, new))
    after = told()
    assert (before[1] != after[1], before[0] != after[0]) == (is_declaration, is_code)


def test_what_is_no_class_and_no_text(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    file = tmp_path / "e.py"
    file.write_text("E = 3\n")
    assert code_of_text(file, "E").code is None
    file.write_text("class E(:\n")
    assert "no class statement" in code_of_text(file, "E").why
    file.write_text(f"x = {'-' * 100_000}1\nclass E:\n    pass\n")
    assert code_of_text(file, "E").code is None
    assert code_of_text(tmp_path / "not_there.py", "E").code is None
    assert declarations_of_text(tmp_path / "not_there.py", "E") is None


LOADED = """
import importlib, json, os
from pathlib import Path
from superparams.identity.code.text_fingerprint import digests_of_loaded_text as digests
import e, helpers
file = Path("e.py").resolve()

def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))

found = [digests(file, "E")]
os.mkdir("other")
os.rmdir("other")
found.append(digests(file, "E"))  # the same object: nothing is read again
edit("helpers.py", "+ 1", "+ 2")
found.append(digests(file, "E"))  # what was loaded counts
importlib.reload(helpers)
importlib.reload(e)
found.append(digests(file, "E"))
edit("e.py", "[1, 2]", "[1, 3]")
importlib.reload(e)
found.append(digests(file, "E"))
same = [one is found[0] for one in found[1:]]
print(json.dumps([same, [[one.code, one.declarations] for one in found]]))
"""


def test_digests_of_loaded_text_are_made_once(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "helpers.py").write_text("def helper(x):\n    return x + 1\n")
    (tmp_path / "e.py").write_text(
        "from superparams import Experiment, search\nfrom helpers import helper\n"
        "class E(Experiment):\n    a: int = search([1, 2])\n"
        "    def run(self):\n        return {'y': helper(self.a)}\n"
    )
    same, found = json.loads(output(tmp_path, LOADED))
    first, again, edited, reloaded, declared = found
    assert same[0]
    assert first == again == edited
    assert reloaded[0] != first[0]
    assert reloaded[1] == first[1]
    assert declared[0] == reloaded[0]
    assert declared[1] != first[1]
