"""Made-up experiments with alternatives: whatever a setting runs is in the code of the setting.

What runs is seen by tracing, so nothing here repeats how the code is found from the text.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from superparams.declare.held_groups import HeldGroups
from superparams.executor.setting_codes import setting_codes
from superparams.identity.code.fingerprint import fingerprint
from superparams.identity.code.held_alternatives import held_alternatives
from tests.identity.test_setting_reach import imported

HELPERS, CLASSES = 4, 4

# What a body may do, most of the time and now and then; {h}: a later helper, {c}: a later class.
USUAL_OF_METHODS = ("helper{h}()", "self.part.build()", "super().build()", "self.inherited()")
ODD_OF_METHODS = (
    *("C{c}().build()", "TABLE['C{c}']().build()", "REGISTERED['C{c}']().build()"),
    *("lib.C{c}().build()", "getattr(lib, 'C' + '{c}')().build()", "MADE[{c}].build()"),
    *("globals().get('C{c}', int)()", "isinstance(1, C{c})", "len(str(self))"),
    "[cls().build() for cls in Base.__subclasses__() if cls.number > {c}]",
    *("ALL[{c}].build()", "KNOWN[-{c}]().build()"),
)
USUAL_OF_RUN = (
    *("self.model.build()", "self.other.build()", "self.model.inherited()"),
    *("helper{h}()", "kept({c})"),
)
ODD_OF_RUN = (
    "[x.model.build() for x in type(self)()]",
    *("lib.TABLE['C{c}']().build()", "lib.C{c}().build()", "getattr(lib, 'C{c}')().build()"),
    "[cls().build() for cls in lib.Base.__subclasses__()]",
    *("[x.build() for x in lib.ALL]", "[x().build() for x in lib.KNOWN]", "Main()[0].run()"),
)
# How a class gets a base, and what stands above it.
BASES = ("Base", "Base", "Base", "C{later}", "Mixin, Base")
HOOKS = (
    *("pass", "pass", "pass", "def __post_init__(self): note(ALL, self)"),
    "def __init_subclass__(cls): KNOWN.append(cls)",
)
DECORATORS = ("", "", "", "@register")
POINTS = (
    *("[{names}]", "[{names}]", "{{{items}}}", "MODELS", "made()", "[x for x in [{names}]]"),
    "[{names}] or []",
)


@st.composite
def bodies(draw: st.DrawFn, usual: tuple[str, ...], odd: tuple[str, ...], number: int) -> str:
    lines = draw(st.lists(st.sampled_from(usual), min_size=1, max_size=2, unique=True))
    if draw(st.integers(0, 4 if number >= 0 else 1)) == 0:
        lines.append(draw(st.sampled_from(odd)))
    made: list[str] = []
    for line in lines:
        later = st.integers(number + 1, CLASSES - 1)
        helper = st.integers(min(number + 1, HELPERS - 1), HELPERS - 1)
        if "{c}" in line and number + 1 >= CLASSES:
            continue
        c = draw(later) if "{c}" in line else 0
        made.append(line.replace("{c}", str(c)).replace("{h}", str(draw(helper))))
    return "; ".join([*made, "return 1"])


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """The files of an experiment with alternatives."""
    lib = [
        "import sys",
        "from superparams import Params, search, value",
        "lib = sys.modules[__name__]" if draw(st.booleans()) else "import lib",
        "TABLE, REGISTERED = {}, {}",
        "def register(cls):\n    REGISTERED[cls.__name__] = cls\n    return cls",
        "ALL, KNOWN, KEPT = [], [], {}",
        "def note(where, x): where.append(x)",
        "def kept(x):\n    KEPT[x] = x\n    return KEPT[x]",
        f"class Base(Params):\n    number = -1\n    {draw(st.sampled_from(HOOKS))}",
        "    def inherited(self): return self.build()",
        "    def build(self): return 0",
        "class Mixin:\n    def build(self): return super().build()",
    ]
    for number in reversed(range(HELPERS)):
        # Helpers come after classes in the order of calls, so that no call comes back.
        usual, odd = ("helper{h}()", "TABLE.get('x')"), ("len(MADE)",)
        body = draw(bodies(usual, odd, number)) if number < HELPERS - 1 else "return 1"
        lib.append(f"def helper{number}(): {body}")
    for number in reversed(range(CLASSES)):
        base = draw(st.sampled_from(BASES))
        if number == CLASSES - 1:
            base = base if "{" not in base else "Base"
        base = base.format(later=draw(st.integers(min(number + 1, CLASSES - 1), CLASSES - 1)))
        body = draw(bodies(USUAL_OF_METHODS, ODD_OF_METHODS, number))
        if "self.part" in body:
            body = body if number < CLASSES - 1 else "return 1"
        part = f"C{draw(st.integers(min(number + 1, CLASSES - 1), CLASSES - 1))}"
        field = f"part: Base = search([{part}()])" if number < CLASSES - 1 else "x: int = 1"
        lib += [
            draw(st.sampled_from(DECORATORS)) or "# none",
            f"class C{number}({base}):\n    number = {number}\n    {field}",
            f"    def build(self): {body}",
        ]
        if draw(st.booleans()):
            lib.append(f"TABLE['C{number}'] = C{number}")
    lib += [
        f"MADE = [{', '.join(f'C{number}()' for number in range(CLASSES))}]",
    ]
    chosen = draw(st.lists(st.integers(0, CLASSES - 1), min_size=2, unique=True))
    names = ", ".join(f"C{number}()" for number in chosen)
    items = ", ".join(f"'{number}': C{number}()" for number in chosen)
    lib += [f"MODELS = [{names}]", f"def made(): return [{names}]"]
    points = draw(st.sampled_from(POINTS)).format(names=names, items=items)
    other = f"C{draw(st.integers(0, CLASSES - 1))}()"
    union = " | ".join(f"C{number}" for number in chosen)
    main = [
        "import lib",
        "from lib import *",
        "from superparams import Experiment, search, value",
        "class Main(Experiment):",
        f"    model: {draw(st.sampled_from(['object', union, 'Base']))} = search({points})",
        f"    other: object = {draw(st.sampled_from([other, f'search([{other}, C0()])']))}",
        f"    def run(self): {draw(bodies(USUAL_OF_RUN, ODD_OF_RUN, -1))}",
    ]
    return {"pyproject.toml": "", "lib.py": "\n".join(lib), "main.py": "\n".join(main)}


def parts_in_memory(*modules: types.ModuleType) -> dict[types.CodeType, str]:
    """The name of the part that each function of some modules is, by its code."""
    found: dict[types.CodeType, str] = {}
    for module in modules:
        for value in vars(module).values():
            members = vars(value).values() if inspect.isclass(value) else [value]
            for member in members:
                if inspect.isfunction(member) and member.__module__ == module.__name__:
                    found[member.__code__] = f"{module.__name__}.{member.__qualname__}"
    return found


def called(act: Callable[[], object], names: dict[types.CodeType, str]) -> set[str]:
    """The names of the functions that are called meanwhile."""
    seen: set[str] = set()

    def see(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in names:
            seen.add(names[frame.f_code])

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        act()
    except (Exception, RecursionError):
        pass  # what ran until then counts
    finally:
        sys.setprofile(before)
    return seen


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=projects())
def test_all_that_a_setting_runs_is_in_its_code(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]
) -> None:
    with imported(tmp_path_factory.mktemp("project"), files) as cls:
        space, code = cls(), fingerprint(cls)
        assert code.digest == code.digest_of(code.alternatives)
        names = parts_in_memory(sys.modules["main"], sys.modules["lib"])
        codes, held = setting_codes(space, code), HeldGroups(space)
        for index in range(space.n_settings):
            setting = space[index]
            alternatives = held_alternatives(code, held.at(index))
            parts = code.parts_of(alternatives)
            missing = called(setting.run, names) - parts.keys()
            assert not missing, (index, files, code.alternatives)
            assert codes is None or codes.at(index) == code.digest_of(alternatives)
