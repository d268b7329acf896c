"""The fingerprint of code: which edits count, and that it is the same wherever it is taken."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search
from superparams.identity.code import fingerprint as code_module
from superparams.identity.code import project, roots
from superparams.identity.code.code_diff import Change, changes_between
from superparams.identity.code.fingerprint import Code, fingerprint
from superparams.identity.code.syntax import parsed
from tests.timing import within

ROOT = Path(__file__).parents[2]

FILES = {
    "pyproject.toml": "",
    "main.py": '''
        """An experiment."""
        import math
        import pkg.sub.deep
        from pkg import helpers as hp
        from pkg import exported
        from pkg.helpers import used
        from pkg.stars import *
        from superparams import Experiment, Params, search, value

        GRID = [1, 2]
        FACTOR = 2
        UNUSED = 3

        def load():
            return make()

        def make():
            return 3

        class Adam(Params):
            rate: float = search([0.1, 0.2])

            def step(self):
                return self.rate * FACTOR

        class Base(Experiment):
            n: int = 3

            def shared(self):
                return self.n

        class Main(Base):
            """What this is about."""

            a: int = search(GRID)
            data: int = value(factory=load)
            optimizer: Adam = Adam()
            limit = 10

            def run(self):
                """Run."""
                from pkg.constants import LOCAL
                # A comment.
                total = used(self.a) + pkg.sub.deep.entry(2) + LOCAL + starred()
                return {"x": total + hp.TABLE["plug"](1) + exported() + math.floor(0.5)}

            def report(self, results):
                return unrelated()

        def unrelated():
            return 1

        def total():
            return 2

        if __name__ == "__main__":
            import json
            from superparams.identity.code.fingerprint import fingerprint

            code = fingerprint(Main)
            print(json.dumps([code.digest, code.parts, [f.name for f in code.files], code.notes]))
    ''',
    "pkg/__init__.py": "from .inner import exported\n",
    "pkg/inner.py": "def exported():\n    return 1\n\ndef hidden():\n    return 2\n",
    "pkg/stars.py": "def starred():\n    return below()\n\ndef below():\n    return 1\n",
    "pkg/constants.py": "RATE = 3\nLOCAL = 4\nOTHER = 5\n",
    "pkg/helpers.py": """
        from .constants import RATE

        TABLE = {}

        def register(function):
            TABLE[function.__name__] = function
            return function

        def used(x, scale: float = 1.0):
            if x > 3:
                return fallback(x)
            return x * RATE

        try:
            from fast import fallback
        except ImportError:
            def fallback(x):
                return used(x - 1)

        def unused(x):
            return OTHER

        OTHER = 1

        from . import plugins
    """,
    "pkg/plugins.py": """
        from . import helpers

        @helpers.register
        def plug(x):
            return x + OFFSET

        OFFSET = 1

        def not_registered():
            return 0

        helpers.TABLE["other"] = lambda x: x
    """,
    "pkg/sub/__init__.py": "",
    "pkg/sub/deep.py": """
        def entry(x):
            return [helper(i) for i in range(x)]

        def helper(x):
            return x

        def idle(x):
            return x
    """,
}


class Tree:
    """A project on disk, fingerprinted by a process of its own."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self.root = root
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, (old, text)
        path.write_text(text.replace(old, new))

    def run(self, *arguments: str, python: str = sys.executable, **options: Any) -> Any:
        path = f"{ROOT}{os.pathsep}{self.root}"
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [python, "-W", "error", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert not done.returncode, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def digest(self) -> str:
        return str(self.run("main.py")[0])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Makes a fresh copy of the project at each call."""
    count = iter(range(1000))

    def make(prefix: str) -> Any:
        return Tree(tmp_path_factory.mktemp(f"{prefix}{next(count)}"), FILES)

    return make


def diff(before: Code, after: Code) -> list[Change]:
    return changes_between(before.parts, after.parts, before.source, after.source)


def of_text(tree: Tree) -> code_module.Code:
    """The fingerprint of `main.Main` from the text alone, without importing anything."""
    reach = code_module.Reach(project.Project(tree.root))
    assert reach.add_qualname(tree.root / "main.py", "Main")
    reach.finish()
    return code_module._code(reach)


EDITS_THAT_COUNT = [
    ("main.py", "return {", "return {'y': 1, "),
    ("main.py", "floor(0.5)", "ceil(0.5)"),
    ("main.py", "import math\n", "import cmath as math\n"),
    ("main.py", "FACTOR = 2", "FACTOR = 3"),
    ("main.py", "limit = 10", "limit = 11"),
    ("main.py", "self.rate * FACTOR", "self.rate + FACTOR"),
    ("main.py", "return self.n\n", "return -self.n\n"),
    ("main.py", "return make()", "return make() + 1"),
    ("main.py", "return 3", "return 4"),
    ("main.py", "class Main(Base)", "class Main(Base, Params)"),
    ("main.py", "    def run(self)", "    @staticmethod\n    def run(self)"),
    ("main.py", "from pkg.constants import LOCAL", "from pkg.constants import OTHER as LOCAL"),
    ("pkg/helpers.py", "x * RATE", "x + RATE"),
    ("pkg/helpers.py", "1.0", "2.0"),
    ("pkg/helpers.py", "used(x - 1)", "used(x - 2)"),
    ("pkg/helpers.py", "from fast import fallback", "from faster import fallback"),
    ("pkg/helpers.py", "TABLE = {}", "TABLE = {1: 2}"),
    ("pkg/plugins.py", "x + OFFSET", "x - OFFSET"),
    ("pkg/plugins.py", "OFFSET = 1", "OFFSET = 2"),
    ("pkg/plugins.py", "lambda x: x", "lambda x: -x"),
    ("pkg/constants.py", "RATE = 3", "RATE = 4"),
    ("pkg/constants.py", "LOCAL = 4", "LOCAL = 5"),
    ("pkg/inner.py", "return 1", "return 3"),
    ("pkg/stars.py", "return 1", "return 2"),
    ("pkg/sub/deep.py", "helper(x):\n    return x", "helper(x):\n    return -x"),
]

EDITS_THAT_DO_NOT = [
    ("main.py", "# A comment.", "# Another one."),
    ("main.py", '"""What this is about."""', '"""Something else."""'),
    ("main.py", '"""Run."""', ""),
    ("main.py", '"x": total', '"x" : (total)'),
    ("main.py", "search(GRID)", "search([1, 2, 3])"),
    ("main.py", "GRID = [1, 2]", "GRID = [1, 2, 3]"),
    ("main.py", "n: int = 3", "n: int = 4"),
    ("main.py", "search([0.1, 0.2])", "search([0.1])"),
    ("main.py", "    a: int = search(GRID)\n", ""),
    ("main.py", "return unrelated()", "return None"),
    ("main.py", "return 2", "return 3"),  # a function with the name of a local variable
    ("main.py", "def unrelated():\n    return 1", "def unrelated():\n    return 7"),
    ("main.py", "UNUSED = 3", "UNUSED = 4"),
    ("main.py", "def make():", "def make() -> int:"),
    ("main.py", "    return make()", "    made: int\n    return (make())"),
    ("pkg/helpers.py", "scale: float", "scale: int"),
    ("pkg/helpers.py", "return OTHER", "return -OTHER"),
    ("pkg/helpers.py", "OTHER = 1", "OTHER = 2"),
    ("pkg/plugins.py", "return 0", "return 5"),
    ("pkg/inner.py", "return 2", "return 3"),
    ("pkg/constants.py", "OTHER = 5", "OTHER = 6"),
    ("pkg/sub/deep.py", "idle(x):\n    return x", "idle(x):\n    return -x"),
    ("pkg/sub/deep.py", "range(x)]", "range(\n        x,\n    )]"),
]


@pytest.mark.parametrize(("name", "old", "new"), EDITS_THAT_COUNT)
def test_an_edit_of_what_is_reached_counts(
    shared: Callable[[str], Tree], name: str, old: str, new: str
) -> None:
    tree = shared("count")
    before = of_text(tree)
    tree.edit(name, old, new)
    after = of_text(tree)
    assert before.digest != after.digest
    assert list(map(str, diff(before, after)))


@pytest.mark.parametrize(("name", "old", "new"), EDITS_THAT_DO_NOT)
def test_an_edit_that_changes_no_setting_does_not_count(
    shared: Callable[[str], Tree], name: str, old: str, new: str
) -> None:
    tree = shared("idle")
    before = of_text(tree)
    tree.edit(name, old, new)
    assert of_text(tree).parts == before.parts


def test_a_script_and_its_import_have_one_fingerprint(tmp_path: Path) -> None:
    tree = Tree(tmp_path, FILES)
    script = tree.run("main.py")
    program = (
        "import json, main; from superparams.identity.code.fingerprint import fingerprint as f;"
    )
    program += "c = f(main.Main); print(json.dumps([c.digest, c.parts]))"
    assert tree.run("-c", program) == script[:2]
    assert tree.run("-m", "main")[:2] == script[:2]
    assert script[3] == []
    names = {"main.py", "__init__.py", "inner.py", "stars.py", "constants.py", "helpers.py"}
    assert names <= set(script[2])
    assert {"main.Main", "main.Main.run", "main.Base.shared", "main.Adam.step"} <= set(script[1])
    assert {"pkg.plugins.plug", "pkg.helpers.register", "pkg.sub.deep.helper"} <= set(script[1])
    assert {"main.Main.report", "main.GRID", "pkg.helpers.unused"}.isdisjoint(script[1])


def interpreters() -> list[str]:
    found = sorted(Path.home().glob(".pyenv/versions/3.1[0-9]*/bin/python"))
    return [str(path) for path in found if path.exists()]


SYNTAX = '''
    import functools
    from superparams import Experiment

    def every(a, /, b: "int" = 0x10, *args, c=1_000.0, d, **kw) -> None:
        """Doc."""
        x = f"{a!r:>{b}} {c:.2f}{d=}" "joined" f"{a}{b:}{'q'}"
        y: int = (a := 3) + 1j - -2 ** ~b @ 3 // 4
        z = [i for i in a] if False else {*a, *b} | {**kw, "k": ...}
        match a:
            case {"k": [1, *rest], **more} if rest: return more
            case Point(x=0) | None | True | "s" | -1: pass
            case _ as other: raise other from None
        try:
            with open(a) as f, open(b): yield (yield from f)
        except (A, B) as error: del error
        except C: global G
        else: nonlocal_ = lambda q, *, r=2: q if r else not q
        finally: assert a, "text"
        for i, (j, *k) in a:
            while not i < j <= 3 != k: break
            else: continue
        return a[1:2, ::3, ...], a.b.c(*args, **kw), b"bytes", r"\\d", "\\ud800", 10 ** 100, 1e400

    async def wait(a):
        async with a as b: await b
        c = [i async for i in a]
        return {k: v for k, v in a if k if v}

    class Main(Experiment):
        a: int = 1

        @functools.lru_cache(maxsize=None)
        def run(self) -> dict[str, int]:
            return every, wait

        @property
        def p(self): return 1

        @p.setter
        def p(self, value): pass

    if __name__ == "__main__":
        import json
        from superparams.identity.code.fingerprint import fingerprint
        code = fingerprint(Main)
        print(json.dumps([code.digest, code.parts]))
'''


def test_the_fingerprint_does_not_depend_on_the_version_of_python(tmp_path: Path) -> None:
    import typing_extensions

    others = interpreters()
    if not others:
        pytest.skip("no other Python on this machine")
    syntax = Tree(tmp_path / "syntax", {"pyproject.toml": "", "main.py": SYNTAX})
    tree = Tree(tmp_path / "tree", FILES)
    for each in (syntax, tree):
        # Python 3.10 needs this one package, which that interpreter may not have.
        text = Path(typing_extensions.__file__).read_text()
        (each.root / "typing_extensions.py").write_text(text)
        found = [each.run("main.py", python=python)[:2] for python in (sys.executable, *others)]
        assert all(one == found[0] for one in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("case False: return 1", "case None: return 1"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("f'{x:>3}'", "f'{x:>4}'"),
        ("f'{x}a'", "f'{x}b'"),
        ("x[1:]", "x[:1]"),
        ("'a', 'b'", "'a' 'b'"),
        ("x = 1.0", "x = 1"),
        ("x = True", "x = 1"),
        ("x = b'a'", "x = 'a'"),
        ("lambda a, *, b: a", "lambda a, b: a"),
        ("lambda a, b=1: a", "lambda a=1, b=1: a"),
        ("{**x, 'a': 1}", "{'a': 1, **x}"),
        ("x.y", "x.z"),
        ("x < y", "x <= y"),
        ("async with x: pass", "with x: pass"),
        ("return", "return 0"),
        ("del x", "x = 1"),
        ("global x", "nonlocal x"),
        ("from . import a", "from .. import a"),
        ("import a.b", "import a.b as a"),
        ("x = yield", "x = yield 1"),
        ("x += 1", "x -= 1"),
        ("for x in y: pass", "for x in y: break"),
        ("x = '\\ud800'", "x = '\\ud801'"),
    ],
)
def test_code_that_differs_has_another_normal_form(old: str, new: str) -> None:
    import ast

    from superparams.identity.code.syntax import normal

    def tree(text: str) -> ast.AST:
        if text.startswith("case"):
            text = f"match y:\n  {text}"
        return ast.parse(text)

    assert normal([tree(old)]) != normal([tree(new)])


def chains(text: str) -> set[str]:
    import ast

    from superparams.identity.code.syntax import uses

    found = uses(ast.parse(textwrap.dedent(text)).body)
    return {".".join(chain) for chain in found.chains}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(a, *b, c=d, **e): return a, b, c, e, g", {"d", "g"}),
        ("def f():\n  x = y\n  return x", {"y"}),
        ("def f():\n  global x\n  x = 1", {"x"}),
        ("def f():\n  def g(): return x\n  x = 1", set()),
        ("def f():\n  import m\n  return m.a", set()),
        ("def f(): return m.a.b(n).c", {"m.a.b", "n"}),
        ("def f(): return [x for x in x if y]", {"x", "y"}),
        ("def f(): return [y := x for x in z], y", {"z"}),
        ("def f(): return lambda x: x + y", {"y"}),
        ("def f():\n  class C:\n    a = b\n    def m(self): return a", {"a", "b"}),
        ("def f(x: A) -> B: y: C = D", {"D"}),
        ("@typed\ndef f(x: A) -> B: pass", {"typed", "A", "B"}),
        ("class C(Base, metaclass=Meta):\n  x: A = b", {"Base", "Meta", "A", "b"}),
        ("def f(x):\n  match x:\n    case K(a=1, b=c): return c", {"K"}),
        ("def f():\n  try: pass\n  except E as e: return e", {"E"}),
        ("def f():\n  with a as b: return b", {"a"}),
        ("def f():\n  for a in b: return a", {"b"}),
        ("def f(): return f'{x:{y}}'", {"x", "y"}),
        ("def f():\n  x.y = z", {"x.y", "z"}),
    ],
)
def test_the_names_that_code_takes_from_around_it(text: str, expected: set[str]) -> None:
    names = chains(text)
    # What is bound at the top level is of the module around: only what is inside counts here.
    assert names - {"f", "C"} == expected


def test_a_module_that_is_passed_on_counts_as_a_whole(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "main.py": """
            import models
            class Main:
                def run(self): return getattr(models, self.name)()
        """,
        "models.py": "def a(): return 1\n",
    }
    tree = Tree(tmp_path, files)
    before = of_text(tree)
    tree.edit("models.py", "return 1", "return 2")
    assert list(map(str, diff(before, of_text(tree)))) == ["changed models.a"]


def test_functions_named_by_a_declaration_count(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "main.py": """
            from superparams import Experiment, search
            def a(): return 1
            def b(): return 2
            FUNCTIONS = {"a": a, "b": b}
            class Main(Experiment):
                function: object = search(FUNCTIONS)
        """,
    }
    tree = Tree(tmp_path, files)
    before = of_text(tree)
    assert "main.FUNCTIONS" not in before.parts
    tree.edit("main.py", "return 2", "return 3")
    assert list(map(str, diff(before, of_text(tree)))) == ["changed main.b"]


def test_what_declares_no_field_counts(tmp_path: Path) -> None:
    text = """
        import dataclasses
        from typing import ClassVar
        from superparams import Experiment
        class Main(Experiment):
            a: int = 1
            b: ClassVar[int] = 2
            _c = 3
            def run(self): return Config(), self.valid()
            def valid(self): return True
        @dataclasses.dataclass
        class Config:
            d: int = 4
    """
    tree = Tree(tmp_path, {"pyproject.toml": "", "main.py": text})
    before = of_text(tree).digest
    for old, new in [("= 2", "= 5"), ("= 3", "= 6"), ("= 4", "= 7"), ("True", "False")]:
        tree.edit("main.py", old, new)
        after = of_text(tree).digest
        assert after != before, old
        before = after
    tree.edit("main.py", "= 1", "= 8")
    assert of_text(tree).digest == before


def test_fields_declared_again_and_by_a_mixin_do_not_count(tmp_path: Path) -> None:
    text = """
        from superparams import Experiment, search
        from parent import Parent
        class Mixin:
            mixed: int = search([1, 2])
            constant: int = 3
        class Main(Mixin, Parent):
            size = search([4, 5])
            other = 6
            def run(self): return self.size
    """
    parent = """
        import superparams as sp
        class Parent(sp.Experiment):
            size: int = 7
    """
    tree = Tree(tmp_path, {"pyproject.toml": "", "main.py": text, "parent.py": parent})
    before = of_text(tree).digest
    for name, old in [("main.py", "[1, 2]"), ("main.py", "[4, 5]"), ("parent.py", "7")]:
        tree.edit(name, old, "[9]")
        assert of_text(tree).digest == before, old
    for old in ("3", "6"):
        tree.edit("main.py", f"= {old}", "= 8")
        after = of_text(tree).digest
        assert after != before, old
        before = after


def test_installed_packages_do_not_count(tmp_path: Path) -> None:
    tree = Tree(
        tmp_path,
        {
            "pyproject.toml": "",
            "main.py": "import far, near\nclass Main:\n  def run(self): return far.f(), near.f()\n",
            "near/__init__.py": "def f(): return 1\n",
            ".venv/pyvenv.cfg": "",
            ".venv/lib/site-packages/far.py": "def f(): return 1\n",
            "site-packages/far.py": "def f(): return 1\n",
        },
    )
    before = of_text(tree)
    assert sorted(before.parts) == [
        "main.Main", "main.Main.run", "main.far", "main.near", "near.f",
    ]  # fmt: skip
    program = "import sys; sys.path.insert(0, '.venv/lib/site-packages'); import main, json;"
    program += (
        "from superparams.identity.code.fingerprint import fingerprint as f; c = f(main.Main);"
    )
    program += "print(json.dumps(list(c.parts)))"
    assert tree.run("-c", program) == sorted(before.parts)


def test_the_project_is_found_from_the_file(tmp_path: Path) -> None:
    Tree(tmp_path, {"a/setup.cfg": "", "a/b/c.py": "", "d/p/__init__.py": "", "d/p/e.py": ""})
    assert roots.project_root(tmp_path / "a/b/c.py") == tmp_path / "a"
    assert roots.project_root(tmp_path / "d/p/e.py") == tmp_path / "d"


def test_a_source_layout_names_modules_as_they_are_imported(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {"pyproject.toml": "", "src/p/__init__.py": "", "src/p/m.py": ""})
    assert project.Project(tree.root).name(tmp_path / "src/p/m.py") == "p.m"
    assert project.Project(tree.root).name(tmp_path / "src/p/__init__.py") == "p"


def test_cycles_and_files_that_are_not_python_do_no_harm(tmp_path: Path) -> None:
    tree = Tree(
        tmp_path,
        {
            "pyproject.toml": "",
            "main.py": "from a import *\nfrom a import f\nimport bad\n"
            "class Main(Main):\n  def run(self): return f(), g(), bad.h, missing\n",
            "a.py": "from b import *\nfrom b import f\n",
            "b.py": "from a import *\nfrom a import f\n",
            "bad.py": "def (:\n",
        },
    )
    assert "main.Main.run" in of_text(tree).parts


def test_the_difference_of_two_fingerprints(tmp_path: Path) -> None:
    tree = Tree(tmp_path, FILES)
    before = of_text(tree)
    tree.edit("pkg/sub/deep.py", "helper(i)", "other(i)")
    tree.edit("pkg/sub/deep.py", "def helper(x):", "def other(x):  # new")
    after = of_text(tree)
    assert list(map(str, diff(before, after))) == [
        "changed pkg.sub.deep.entry",
        "removed pkg.sub.deep.helper",
        "added pkg.sub.deep.other",
    ]
    text = "\n".join(change.diff for change in diff(before, after))
    assert "-    return [helper(i) for i in range(x)]" in text
    assert "+    return [other(i) for i in range(x)]" in text
    assert "+++ pkg.sub.deep.other (now)" in text
    assert diff(after, after) == []


class Local(Experiment):
    size: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"x": helper(self.size)}


def helper(x: int) -> int:
    return x


def test_a_class_of_a_test_module_is_found_and_kept() -> None:
    code = fingerprint(Local)
    assert {name.rpartition(".")[2] for name in code.parts} >= {"Local", "run", "helper"}
    assert Path(__file__).name in [file.name for file in code.files]
    assert fingerprint(Local) is code
    assert "size" not in code.source[next(name for name in code.parts if name.endswith("Local"))]


def test_a_class_made_in_a_function_is_found() -> None:
    def inside() -> int:
        return 1

    class Inner(Experiment):
        def run(self) -> dict[str, int]:
            return {"x": inside() + helper(1)}

    names = {name.rpartition(".")[2] for name in fingerprint(Inner).parts}
    assert {"Inner", "run", "inside", "helper"} <= names
    assert not fingerprint(Inner).notes


def test_more_classes_can_be_covered() -> None:
    alone, more = fingerprint(Local), fingerprint(Local, also=[Tree])
    assert alone.digest != more.digest
    assert any(name.endswith("Tree.edit") for name in more.parts)


EDITED = """
    import importlib, json, pathlib, sys
    import module
    from superparams.identity.code.fingerprint import fingerprint

    file = pathlib.Path(module.__file__)
    text = file.read_text()
    found = []

    def look():
        code = fingerprint(module.Main)
        found.append([code.digest, code.notes])

    look()
    file.write_text("# A comment.\\n" + text.replace("return 5", "return 6"))  # unrelated
    look()
    file.write_text(text.replace("return 1", "return 2"))
    look()
    file.write_text(text.replace("LIMIT = 3", "LIMIT = 4"))
    look()
    file.write_text(text.replace("    def extra(self): return 1", ""))
    look()
    file.write_text(text.replace("return 1", "return 2"))
    importlib.invalidate_caches()
    importlib.reload(module)
    look()
    print(json.dumps(found))
"""


def test_a_file_edited_after_its_import_counts_as_it_was_imported(tmp_path: Path) -> None:
    module = """
        from superparams import Experiment
        LIMIT = 3
        def f(): return 1
        def unrelated(): return 5
        class Main(Experiment):
            def run(self): return {"x": f() + LIMIT}
            def extra(self): return 1
    """
    tree = Tree(tmp_path, {"pyproject.toml": "", "module.py": module, "edited.py": EDITED})
    first, comment, changed, constant, removed, reloaded = tree.run("edited.py")
    assert first == comment
    assert first[1] == reloaded[1] == []
    assert {first[0]} == {changed[0], constant[0], removed[0]}
    assert first[0] != reloaded[0]
    for (_, notes), name in [(changed, "f"), (constant, "LIMIT"), (removed, "Main.extra")]:
        assert len(notes) == 1
        assert "module.py was edited after it was imported" in notes[0]
        assert f"module.{name}" in notes[0]


STATEMENTS = """
import json, math, helpers
from superparams import Experiment, search
from superparams.identity.code.fingerprint import fingerprint

N = 5

def local(x):
    return math.sin(x) + helpers.used(x)

class Main(Experiment):
    a: int = search([1, 2])

    def run(self):
        return {"x": local(self.a) + N}

code = fingerprint(Main)
print(json.dumps([code.digest, sorted(code.parts), code.notes]))
"""
HELPERS = {"pyproject.toml": "", "helpers.py": "K = 1\n\ndef used(x):\n    return x + K\n"}


@pytest.mark.parametrize("way", ["-c", "stdin", "cells"])
def test_code_without_a_file_has_a_fingerprint(tmp_path: Path, way: str) -> None:
    tree = Tree(tmp_path, HELPERS)

    def take(text: str) -> Any:
        if way == "-c":
            return tree.run("-c", text)
        if way == "stdin":
            return tree.run("-", input=text)
        return tree.run("-c", CELLS.replace("TEXT", repr(text)))

    digest, parts, notes = take(STATEMENTS)
    assert {"__main__.Main.run", "__main__.N", "__main__.local", "helpers.used"} <= set(parts)
    assert {"helpers.K"} <= set(parts)
    if way == "cells":
        assert notes == []
        assert take(STATEMENTS.replace("def run(self):", "def run(self):  # why"))[0] == digest
    elif notes:
        assert any("compiled" in note for note in notes)
    for old, new in [("N = 5", "N = 6"), ("sin", "cos"), ("self.a", "-self.a")]:
        assert take(STATEMENTS.replace(old, new))[0] != digest
    assert take(STATEMENTS)[0] == digest
    tree.edit("helpers.py", "K = 1", "K = 2")
    assert take(STATEMENTS)[0] != digest


# As IPython runs the cells of a notebook: each compiled under a name that linecache knows.
CELLS = """
import linecache, sys
cells = TEXT.split("\\n\\n")
names = sys.modules["__main__"].__dict__
joined = []
for cell in cells:
    if joined and cell.startswith(" "):
        joined[-1] += "\\n\\n" + cell
    else:
        joined.append(cell)
for number, cell in enumerate(joined):
    name = f"<ipython-input-{number}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), names)
"""


@pytest.mark.timed
def test_speed(tmp_path: Path) -> None:
    """50 files of 300 lines: a bound far above what it takes, against quadratic growth."""
    modules = {f"big/m{number}.py": _module(number) for number in range(50)}
    calls = ", ".join(f"m{number}.f0(1)" for number in range(50))
    main = f"from big import {', '.join(f'm{number}' for number in range(50))}\n"
    main += f"class Main:\n    def run(self):\n        return [{calls}]\n"
    tree = Tree(tmp_path, {"pyproject.toml": "", "main.py": main, "big/__init__.py": "", **modules})
    with within(3):
        code = of_text(tree)
    assert len(code.parts) > 50
    with within(0.5):
        again = of_text(tree)
    assert again == code


def _module(number: int) -> str:
    function = "def f{0}(a: int, b=2.0, *c):\n    '''Doc.'''\n    total = 0\n" + (
        "    for i, x in enumerate(c):\n        total += x * a - [i, b][0]\n" * 4
    )
    return "\n".join(function.format(i) + "    return total\n" for i in range(25))


def test_what_a_class_closed_over_counts() -> None:
    def make(k: int) -> type[Any]:
        class Scaled(Experiment):
            x: int = search([1, 2])

            def run(self) -> dict[str, int]:
                return {"y": k * self.x}

        return Scaled

    assert fingerprint(make(1)).digest == fingerprint(make(1)).digest
    assert fingerprint(make(1)).digest != fingerprint(make(7)).digest


def test_which_of_two_classes_of_one_name_counts() -> None:
    def first() -> type[Any]:
        class Twice(Experiment):
            def run(self) -> dict[str, int]:
                return {"y": 1}

        return Twice

    def second() -> type[Any]:
        class Twice(Experiment):
            def run(self) -> dict[str, int]:
                return {"y": 2}

        return Twice

    assert fingerprint(first()).digest == fingerprint(first()).digest
    assert fingerprint(first()).digest != fingerprint(second()).digest


def test_texts_are_parsed_in_several_threads_at_once() -> None:
    """Python 3.11 gives one of them a SystemError now and then."""
    text = (ROOT / "tests" / "run" / "test_loop.py").read_text("utf-8")
    trees: list[ast.Module] = []

    def work() -> None:
        for _ in range(10):
            trees.append(parsed(text))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {len(tree.body) for tree in trees} == {len(ast.parse(text).body)}
    assert len(trees) == 40
