"""What registers itself in other modules counts as code, and what cannot be seen is said."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from superparams.identity.code import fingerprint as code_module
from superparams.identity.code.fingerprint import Code
from superparams.identity.code.project import Project
from tests.runs import output

FILES = {
    "pyproject.toml": "",
    "main.py": """
        import importlib
        from importlib import import_module
        from superparams import Experiment, search
        import models, plugins
        from reg import COUNTED, KINDS, MODELS, Handler, Late, Plug, Shape, Tagged, area, make

        class Main(Experiment):
            a: int = search([1, 2])

            def run(self):
                found = [importlib.import_module(f"formatted.{self.a}")]
                found.append(import_module("added." + str(self.a)))
                found.append(import_module("percent.%s" % self.a))
                found.append(import_module("filled.{}".format(self.a)))
                found.append(import_module("constant"))
                found += [area(3), MODELS["a"](), Shape.table["round"]().size(), make("K")]
                found += [Late.all(), Handler.kinds, COUNTED, Tagged.found, Plug.all]
                return {"x": len(found)}
    """,
    "reg.py": """
        import functools

        @functools.singledispatch
        def area(x):
            return 0

        MODELS = {}
        def register(name):
            def decorated(function):
                MODELS[name] = function
                return function
            return decorated

        class Shape:
            table = {}
            def __init_subclass__(cls, kind=None, **more):
                Shape.table[kind] = cls

        KINDS = {}
        class Kind:
            def __init_subclass__(cls):
                KINDS[cls.__name__] = cls
        def make(name):
            return KINDS[name]()

        class Late:
            @classmethod
            def all(cls):
                return [each().go() for each in cls.__subclasses__()]

        class Handler:
            kinds = []
            @classmethod
            def add(cls, function):
                cls.kinds.append(function)
                return function

        class counted:
            def __init__(self, name):
                self.name = name
            def __call__(self, function):
                COUNTED[self.name] = function
                return function
        COUNTED = {}

        FOUND = []
        class Meta(type):
            def __init__(cls, *how):
                FOUND.append(cls)
        class Tagged(metaclass=Meta):
            found = FOUND

        class Plug:
            all = []
    """,
    "models/__init__.py": """
        import importlib, pkgutil
        for module in pkgutil.iter_modules(__path__):
            importlib.import_module(f"{__name__}.{module.name}")
    """,
    "models/one.py": """
        from reg import Handler, Kind, Late, Shape, Tagged, area, counted, register

        @area.register
        def _(x: int):
            return 11
        @area.register(str)
        def of_text(x):
            return 12
        area.register(list, lambda x: 13)
        @register("a")
        def a():
            return 14
        class Round(Shape, kind="round"):
            def size(self):
                return 15
        class K(Kind):
            def go(self):
                return 16
        class L(Late):
            def go(self):
                return 17
        class Lower(L):
            def go(self):
                return 18
        @Handler.add
        def handled():
            return 19
        @counted("q")
        def q():
            return 20
        class T(Tagged):
            value = 21

        def unrelated():
            return 98
        class Unrelated:
            value = 99
    """,
    "plugins.py": """
        from reg import Plug
        Plug.all.append(lambda: 22)
        Plug.extra = lambda self: 23
    """,
    "formatted/one.py": "def f():\n    return 24\n",
    "added/__init__.py": "",
    "added/one.py": "def f():\n    return 25\n",
    "percent/one.py": "def f():\n    return 26\n",
    "filled/deep/one.py": "def f():\n    return 27\n",
    "constant.py": "def f():\n    return 28\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))


def of_text(folder: Path) -> Code:
    """The fingerprint of `main.Main` from the text alone, without importing anything."""
    reach = code_module.Reach(Project(folder))
    assert reach.add_qualname(folder / "main.py", "Main")
    reach.finish()
    return code_module._code(reach)


def test_50_an_edit_of_what_registers_itself_counts(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    before = of_text(tmp_path)
    assert before.notes == []
    counted: list[int] = []
    numbers = [*range(11, 29), 98, 99]
    for number in numbers:
        (name,) = [name for name, text in FILES.items() if str(number) in text]
        edited = FILES[name].replace(str(number), f"{number}000")
        write(tmp_path, {name: edited})
        if of_text(tmp_path).digest != before.digest:
            counted.append(number)
        write(tmp_path, {name: FILES[name]})
    assert counted == numbers[:-2]
    assert of_text(tmp_path).digest == before.digest


UNSEEN = {
    "pyproject.toml": "",
    "plug.py": """
        from table import TABLE
        TABLE.append(lambda: 1)
        def build():
            return 2
    """,
    "table.py": """
        import importlib
        TABLE = []
        for name in ["plug"]:
            importlib.import_module(name)
    """,
    "main.py": """
        import importlib
        import table
        from superparams import Experiment, search

        class Main(Experiment):
            a: int = search([1])

            def run(self):
                space = {}
                exec("x = 1", space)
                name = "pl" + "ug"
                return {"y": table.TABLE[0]() + importlib.import_module(name).build() + space["x"]}
    """,
}
TAKE = """
import json
from main import Main
table = Main().run_all(progress=False)
run = table.provenance(next(iter(table)))
assert run.manifest["notes"] == list(table.notes)
print(json.dumps([next(iter(table))["code"], table.notes, sorted(run.manifest["parts"])]))
"""


CHANGED = {
    "pyproject.toml": "",
    "main.py": """
        from superparams import Experiment, search
        import lib, named, other, more

        def install():
            lib.TABLE["installed"] = built

        def built():
            return 20

        install()

        def finish(results):
            lib.TABLE["results"] = 97

        def main():
            finish(Main().run_all())

        class Main(Experiment):
            a: int = search([1, 2])

            def run(self):
                found = [area(3) for area in [lib.area]] + [lib.TABLE, lib.HEAP, lib.Place()]
                return {"x": len(found) + lib.made() + named.get("by_name")}

        main()
        if __name__ == "__main__":
            lib.print_all(98)
    """,
    "lib.py": """
        from functools import singledispatch as dispatch
        TABLE = {}
        HEAP = []
        MADE = None
        class Place:
            pass
        @dispatch
        def area(x):
            return 0
        register = area.register
        def add(name, function):
            TABLE[name] = function
        def put(table, function):
            table["put"] = function
        def through(function):
            add("through", function)
        def made():
            return MADE
        def make(x):
            global MADE
            MADE = x
        def print_all(x):
            print(x, TABLE)
    """,
    "other.py": """
        import heapq
        import lib
        from lib import HEAP, Place, TABLE, register

        registered = lib.area.register
        @registered(int)
        def _(x):
            return 11
        @register(str)
        def of_text(x):
            return 12
        for name in ["a", "b"]:
            TABLE[name] = lambda: 13
        lib.add("c", lambda: 14)
        kept = lib.through(lambda: 15)
        lib.put(lib.TABLE, lambda: 16)
        setattr(Place, "size", lambda self: 17)
        heapq.heappush(HEAP, (18, 0))
        lib.make(19)
        [lib.add(name, lambda: 22) for name in "de"]
    """,
    "named.py": """
        def get(name):
            return globals()[name]()
        def by_name():
            return 21
    """,
    "more.py": """
        import lib
        unrelated = sorted([99])
        lib.print_all(96)
    """,
}


def test_50_an_edit_of_what_changes_a_table_by_a_call_counts(tmp_path: Path) -> None:
    write(tmp_path, CHANGED)
    before = of_text(tmp_path)
    counted: list[int] = []
    numbers = [*range(11, 23), 96, 97, 98, 99]
    for number in numbers:
        (name,) = [name for name, text in CHANGED.items() if str(number) in text]
        write(tmp_path, {name: CHANGED[name].replace(str(number), f"{number}000")})
        if of_text(tmp_path).digest != before.digest:
            counted.append(number)
        write(tmp_path, {name: CHANGED[name]})
    assert counted == [number for number in numbers if number < 90]
    assert of_text(tmp_path).digest == before.digest


INDIRECT = {
    "global": "def init():\n    global K\n    K = 11\ninit()",
    "global by an argument": "def init(k):\n    global K\n    K = k\ninit(11)",
    "global in a class": "class Made:\n    global K\n    K = 11",
    "globals()": "globals()['K'] = 11",
    "globals() in a function": "def init():\n    globals()['K'] = 11\ninit()",
    "vars()": "vars()['K'] = 11",
    "update": "globals().update(K=11)",
    "a computed name": "for name in ['K', 'L']:\n    globals()[name] = 11",
    "an alias": "names = globals()\nnames['K'] = 11",
    "setattr": "import sys\nsetattr(sys.modules[__name__], 'K', 11)",
    "an attribute": "import sys\nsys.modules[__name__].K = 11",
    "exec": "exec('K = 11')",
    "exec in a function": "def init():\n    exec('K = 11', globals())\ninit()",
    "nothing that counts": (
        "def init():\n    global L\n    L = 91\ninit()\nfound = 'K' in globals()\n"
        "other = globals().get('x', 92)\nK = 11\ndef unused(): return 93"
    ),
}
USES_INDIRECT = """
{imported}
from superparams import Experiment, search

class Main(Experiment):
    a: int = search([1, 2])

    def run(self):
        return {{"y": {used}}}
"""


@pytest.mark.parametrize("how", INDIRECT)
@pytest.mark.parametrize(
    ("imported", "used"),
    [("import lib", "lib.f()"), ("import lib", "lib.K"), ("from lib import K", "K")],
)
def test_50_a_name_that_no_statement_binds_counts(
    tmp_path: Path, how: str, imported: str, used: str
) -> None:
    lib = f"{INDIRECT[how]}\ndef f():\n    return K\ndef g():\n    return 94\n"
    main = USES_INDIRECT.format(imported=imported, used=used)
    write(tmp_path, {"pyproject.toml": "", "main.py": main, "lib.py": lib})
    before = of_text(tmp_path).digest
    counted: list[int] = []
    for number in (11, 91, 92, 93, 94):
        write(tmp_path, {"lib.py": lib.replace(str(number), f"{number}000")})
        if of_text(tmp_path).digest != before:
            counted.append(number)
    # Code that counts and looks up names of its module makes the whole module count.
    looks_up = how != "nothing that counts" and ("globals()" in lib or "sys.modules" in lib)
    assert counted == ([11, 94] if looks_up else [11])


ELSEWHERE = {
    "a dict": "space = {}\nexec(text, space)",
    "another module": "exec(text, vars(other))",
    "the names of a function": "def init():\n    exec(text, locals())\ninit()",
    "another module's names": "exec(text, other.__dict__)",
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_50_exec_that_binds_names_elsewhere_is_no_matter(where: str, tmp_path: Path) -> None:
    main = USES_INDIRECT.format(imported="import lib", used="lib.K")
    lib = f"import other\ntext = input()\n{ELSEWHERE[where]}\n"
    write(tmp_path, {"main.py": main, "other.py": "", "lib.py": lib})
    assert of_text(tmp_path).notes == []
    write(tmp_path, {"lib.py": "text = input()\nexec(text)\n"})
    (note,) = of_text(tmp_path).notes
    assert note.startswith("lib uses exec()")


def test_50_what_cannot_be_seen_is_said_in_the_run(tmp_path: Path) -> None:
    write(tmp_path, UNSEEN)
    first, notes, parts = json.loads(output(tmp_path, TAKE))
    assert sorted(notes) == [
        "main imports modules by names that it computes: edits of these modules do not count",
        "main uses exec(): edits of the text that it runs do not count",
    ]
    assert "plug.TABLE" in parts, "what a loaded module registers counts, however it was imported"
    write(tmp_path, {"plug.py": UNSEEN["plug.py"].replace("lambda: 1", "lambda: 10")})
    second, _, _ = json.loads(output(tmp_path, TAKE))
    assert first != second
    write(tmp_path, {"plug.py": UNSEEN["plug.py"]})
    assert json.loads(output(tmp_path, TAKE))[0] == first


@pytest.mark.parametrize(
    "text",
    [
        "import_module(name)",
        "import_module(name + '.x')",
        "import_module(f'{name}.x')",
        "__import__(name)",
        "[each.load() for each in entry_points(group='x')]",
        "eval(name)",
        "runpy.run_path(name)",
        "importlib.util.spec_from_file_location(name, name)",
        "sys.modules[name].f()",
    ],
)
def test_50_names_of_which_the_text_tells_nothing_are_noted(tmp_path: Path, text: str) -> None:
    main = f"""
        import importlib.util, runpy, sys
        from importlib import import_module
        from importlib.metadata import entry_points
        from superparams import Experiment
        class Main(Experiment):
            name: str = "a"
            def run(self):
                name = self.name
                return {{"x": {text}}}
    """
    write(tmp_path, {"pyproject.toml": "", "main.py": main})
    (note,) = of_text(tmp_path).notes
    assert note.startswith("main ")
    assert note.endswith("not count")


@pytest.mark.parametrize("n_modules", [2, 600])
def test_modules_that_import_each_other_are_taken_as_a_whole(
    tmp_path: Path, n_modules: int
) -> None:
    """Code that passes on a module may use anything in it, and in the modules that it imports."""
    chain = {
        f"m{i}.py": f"import m{(i + 1) % n_modules}\ndef f(): return {i}\n"
        for i in range(n_modules)
    }
    main = """
        import m0
        from superparams import Experiment
        class Main(Experiment):
            def run(self): return m0
    """
    write(tmp_path, {"pyproject.toml": "", "main.py": main, **chain})
    before = of_text(tmp_path)
    assert {f"m{i}.f" for i in range(n_modules)} <= before.parts.keys()
    last = f"m{n_modules - 1}.py"
    write(tmp_path, {last: chain[last].replace("return", "return -")})
    assert of_text(tmp_path).digest != before.digest
