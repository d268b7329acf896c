"""The code that runs, the code that is recorded, the note and what comes back are one and the same.

FAULTS rows 47 to 50, in processes of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from superparams.store.results import Results
from tests.runs import environment, output, script, start
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

LONG = pytest.mark.skipif("SUPERPARAMS_SLOW" not in os.environ, reason="set SUPERPARAMS_SLOW")

# ---- 47: a file that is saved again

DECORATORS = """
import functools

def twice(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) * 2
    return wrapper

def bare(function):
    def wrapper(*args):
        return function(*args)
    return wrapper

def named(cls):
    cls.name = "named"
    return cls

class Counted:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
    def __call__(self, *args):
        return self.function(*args)
"""
HELPER = """
from __future__ import annotations
import contextlib, dataclasses, enum, functools, typing
from decorators import Counted, bare, named, twice

if typing.TYPE_CHECKING:
    from decorators import absent
try:
    import missing_module
except ImportError:
    missing_module = None
try:
    from missing_module import fast
except ImportError:
    def fast(x):
        return x
if len("a") > 1:
    def chosen(x):
        return x + 100
else:
    def chosen(x):
        return x

LIMIT = 1
LIMIT = LIMIT + 1
CACHE = None
TABLE = {}
MEMBERS = {"a", "b"} | {"c"}

def plain(x):
    global CACHE
    CACHE = x
    TABLE[x] = x
    return x + (x in {"one", "two", 3})
plain = twice(plain)

@twice
@twice
def both(x):
    return x

@twice
def wrapped(x):
    return x + 1

@bare
def hidden(x):
    return x + 2

@Counted
def counted(x):
    return x + 3

@functools.lru_cache(maxsize=None)
def cached(x):
    return x + 4

@contextlib.contextmanager
def context(x):
    yield x + 5

@functools.singledispatch
def dispatched(x):
    return x
@dispatched.register
def _(x: int):
    return x + 6

part = functools.partial(wrapped, 7)
short = lambda x: x + 8

@named
@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    a: int = 1
    b: int = 2
    @property
    def sum(self):
        return self.a + self.b
    @staticmethod
    def still(x):
        return x + 9
    @classmethod
    def made(cls, x):
        return cls(x, x).sum
    @functools.wraps(plain)
    def method(self, x):
        return super().__eq__(x)

class Colour(enum.Enum):
    RED = 1
    def shade(self):
        return self.value + 10

class Point(typing.NamedTuple):
    x: int = 1
    def twice(self):
        return self.x * 2

def use(x):
    with context(x) as y:
        found = plain(y) + both(y) + wrapped(y) + hidden(y) + counted(y) + cached(y)
    found += dispatched(y) + part() + short(y) + fast(y) + chosen(y) + LIMIT + len(MEMBERS)
    return found + Pair.made(y) + Pair.still(y) + Colour.RED.shade() + Point().twice()
"""
USES = """
from superparams import Experiment, search
import helper

class Use(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"y": helper.use(self.x)}
"""
SAVED_AGAIN = """
import os, sys
from pathlib import Path
from superparams.identity.code.fingerprint import fingerprint
from uses import Use

file = Path("helper.py")
text = file.read_bytes()

def touched():
    os.utime(file)

def written():
    file.write_bytes(text)

def replaced():
    Path("new.py").write_bytes(text)
    os.replace("new.py", file)

def checked_out():
    file.write_bytes(text.replace(b"x + 1", b"x - 1"))
    fingerprint(Use)
    file.write_bytes(text)

def commented():
    file.write_bytes(b"# A comment.\\n" + text)

def with_other_ends():
    file.write_bytes(text.replace(b"\\n", b"\\r\\n"))

def backed_up():
    os.rename(file, "helper.bak")
    Path("helper.py").write_bytes(text)

first = fingerprint(Use)
assert first.notes == [], first.notes
Use().run_all(progress=False)
for save in (touched, written, replaced, checked_out, commented, with_other_ends, backed_up):
    save()
    code = fingerprint(Use)
    assert (code.digest, code.notes, code.edited) == (first.digest, [], []), (save, code.notes)
    assert Use().run_all(progress=False).notes == ()
file.write_bytes(text)
print(first.digest)
"""
EDITED = """
import importlib, sys
from pathlib import Path
from superparams.identity.code.fingerprint import fingerprint
from uses import Use

file = Path("helper.py")
text = file.read_text()
first = fingerprint(Use)
for number in range(1, 11):
    old = f"x + {number}" if f"x + {number}\\n" in text else f"self.value + {number}"
    old = "wrapped, 7" if number == 7 else old
    assert old in text, number
    file.write_text(text.replace(old, old.replace(str(number), str(number * 1000))))
    code = fingerprint(Use)
    assert code.digest == first.digest, number
    assert len(code.notes) == 1 and len(code.edited) >= 1, (number, code.notes)
    assert "helper.py was edited after it was imported" in code.notes[0]
for old, new in [
    ("LIMIT = 1", "LIMIT = 9"), ("LIMIT + 1", "LIMIT + 9"), ("* 2", "* 3"), ("= 1", "= 5"),
    ('{"c"}', '{"d"}'), ("    def shade", "    @staticmethod\\n    def shade"), ("@bare\\n", ""),
]:
    assert old in text, old
    file.write_text(text.replace(old, new))
    code = fingerprint(Use)
    assert (code.digest, len(code.notes)) == (first.digest, 1), (old, code.notes)
"""


def write_uses(folder: Path, helper: str = HELPER) -> None:
    script(folder, DECORATORS, "decorators.py")
    script(folder, helper, "helper.py")
    script(folder, USES, "uses.py")


FILLED = """
from superparams import Experiment, search
cache = ([],)
class Fit(Experiment):
    a: int = search([1, 2])
    def run(self):
        cache[0].append(self.a)
        return {"n": len(cache[0])}
Fit(a=1).run()
print(Fit().run_all(progress=False).counts)
"""


def test_47_a_list_in_a_tuple_is_filled_in_a_file_that_was_just_written(tmp_path: Path) -> None:
    assert output(tmp_path, FILLED) == "{'done': 2}\n"


def test_47_a_file_that_is_saved_again_was_not_edited(tmp_path: Path) -> None:
    write_uses(tmp_path)
    digest = output(tmp_path, SAVED_AGAIN)
    # Written after the process began, and imported then: what is in memory is compared.
    fresh = """
from pathlib import Path
for name in ("decorators", "helper", "uses"):
    Path(name + ".py").write_bytes(Path(name + ".py").read_bytes())
from uses import Use
from superparams.identity.code.fingerprint import fingerprint
code = fingerprint(Use)
assert (code.notes, code.unknown) == ([], []), code.notes
print(code.digest)
"""
    assert output(tmp_path, fresh) == digest
    again = "from uses import Use\nprint(Use().run_all(progress=False).counts)"
    before = len(list((tmp_path / "results").glob("*/runs/*")))
    assert output(tmp_path, again) == "{'done': 2}\n"
    assert len(list((tmp_path / "results").glob("*/runs/*"))) == before, "nothing ran again"


def test_47_every_edit_is_seen(tmp_path: Path) -> None:
    write_uses(tmp_path)
    output(tmp_path, EDITED)


AT_ONCE = """
import subprocess, sys
from pathlib import Path
for number in range(int(sys.argv[1])):
    text = Path("helper.txt").read_text().replace("x + 1\\n", f"x + {number + 1}\\n")
    Path("helper.py").write_text(text)
    done = subprocess.run([sys.executable, "main.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == f"{(5 + number + 1) * 2} () {{'done': 1}}\\n", (number, done.stdout)
"""
MAIN = """
from superparams import Experiment, search
import helper
class Use(Experiment):
    x: int = search([5])
    def run(self):
        return {"y": helper.wrapped(self.x)}
table = Use().run_all(progress=False)
print(next(iter(table))["y"], table.notes, table.counts)
"""


def written_and_run(folder: Path, times: int) -> None:
    """Write a file and run at once, many times; no run takes it for edited, or for what it was."""
    write_uses(folder)
    script(folder, HELPER, "helper.txt")
    script(folder, MAIN, "main.py")
    # Within one second Python itself takes what was compiled from a file of the same size.
    env = environment(PYTHONDONTWRITEBYTECODE="1")
    process = start(folder, str(script(folder, AT_ONCE, "at_once.py")), str(times), env=env)
    out, err = process.communicate(timeout=20 * times)
    assert (process.returncode, out, err) == (0, "", "")


def test_47_written_and_run_at_once(tmp_path: Path) -> None:
    written_and_run(tmp_path, 4)


@pytest.mark.thorough
@pytest.mark.timeout(2100)
@LONG
def test_47_written_and_run_at_once_100_times(tmp_path: Path) -> None:
    written_and_run(tmp_path, 100)


# ---- 48: a module that is edited between its import and the run

LIBRARY = """
import shared.base
from shared.base import Base
K = 2 * 3
WORD = "old"
def f(x="old"):
    return x + "/old"
class Thing(Base):
    word = "old"
    def go(self):
        return "old" + self.up()
"""
EXPERIMENT = """
from superparams import Experiment, search
import lib
from gone import away

class E(Experiment):
    x: int = search([1, 2])
    def run(self):
        import later
        from shared import deep
        found = [lib.K == 6, lib.WORD, lib.f(), lib.Thing.word, lib.Thing().go(), away(), later.W]
        return {"v": " ".join(map(str, [*found, deep.D, "old"]))}
"""
OLD = "True old old/old old oldold old old old old"
EDIT_THEN_RUN = """
import concurrent.futures, json, multiprocessing, os
from pathlib import Path
from exp import E
from superparams.executor import Processes

def edit():
    for name in ("exp.py", "lib.py", "shared/base.py"):
        file = Path(name)
        text = file.read_text().replace("old", "new").replace("2 * 3", "2 * 4")
        if name == "lib.py":  # as editors do it
            Path("lib.tmp").write_text(text)
            os.replace("lib.tmp", file)
        else:
            file.write_text(text)
    Path("gone.py").unlink()

def ways():
    yield {}
    yield {"num_proc": 2, "engine": "threads"}
    yield {"num_proc": 2, "engine": Processes(start_method="forkserver")}
    yield {"num_proc": 2, "engine": Processes(start_method="spawn")}
    yield {"num_proc": 2, "engine": Processes(start_method="fork")}
    # A pool of Python itself imports the script anew, and all that this imports.
    Path("gone.py").write_text("def away(): return 'new'")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        yield {"num_proc": 2, "engine": pool}

if __name__ == "__main__":
    edit()
    for way in ways():
        table = E().run_all(resume=False, progress=False, **way)
        ran = sorted({row["v"] for row in table})
        (code,) = {row["code"] for row in table}
        told = table.provenance(next(iter(table)))
        assert told.manifest["notes"] == list(table.notes)
        kept = {str(p.relative_to(told.run / "source")): p.read_text() for p in told.files}
        print(json.dumps([ran, code, sorted(table.notes), kept]))
"""


def write_experiment(folder: Path) -> dict[str, str]:
    files = {
        "exp.py": EXPERIMENT,
        "lib.py": LIBRARY,
        "gone.py": "def away():\n    return 'old'\n",
        "later.py": "W = 'old'\n",
        "shared/__init__.py": "",
        "shared/base.py": "class Base:\n    def up(self):\n        return 'old'\n",
        "shared/deep.py": "D = 'old'\n",
    }
    (folder / "shared").mkdir()
    for name, text in files.items():
        script(folder, text, name)
    return files


FINGERPRINT = "from exp import E\nfrom superparams.identity.code.fingerprint import fingerprint\n"


def test_48_all_engines_run_and_keep_what_was_imported(tmp_path: Path) -> None:
    files = write_experiment(tmp_path)
    digest = output(tmp_path, f"{FINGERPRINT}print(fingerprint(E).digest)").strip()
    out = output(tmp_path, EDIT_THEN_RUN)
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 6
    for ran, code, notes, kept in lines:
        assert ran == [OLD]
        assert code == digest, "the fingerprint is that of the text that ran"
        assert {name: kept[f"project/{name}"] for name in files} == files
        assert len(notes) == 4
        assert any("lib.py was edited" in note and "lib.f" in note for note in notes)
    assert any("gone.py was removed" in note for note in lines[0][2])
    results = Results.load(tmp_path / "results" / "exp.E")
    then = results.provenance(next(iter(results))).restore(tmp_path / "then", git=False)
    again = "from exp import E\nprint(E(x=1).run()['v'])"
    assert output(then, again) == f"{OLD}\n"


OTHER_FILE_OF_THE_NAME = """
import os, sys
from pathlib import Path
os.symlink("first", "linked")
os.symlink("first", "whole/linked")
sys.path[:0] = [os.path.abspath(path) for path in ("linked", "whole/linked", "moved")]
from exp import E
from superparams.executor import Processes

def replace():
    # A package in the place of a file, a link that leads elsewhere, a folder of that name.
    Path("lib.py").unlink()
    Path("lib").mkdir()
    Path("lib/__init__.py").write_text("def f(): return 'new'")
    for link in ("linked", "whole/linked"):
        os.unlink(link)
        os.symlink("second", link)
    os.rename("moved", "gone")
    os.rename("other", "moved")

if __name__ == "__main__":
    replace()
    ways = [{"engine": Processes(start_method=x)} for x in ("forkserver", "spawn", "fork")]
    ways += [{}, {"engine": "threads"}]
    for way in ways:
        table = E().run_all(2 if way else 1, resume=False, progress=False, **way)
        told = table.provenance(next(iter(table)))
        kept = {p.name for p in told.files if p.suffix == ".py" and "new" in p.read_text()}
        print({row["v"] for row in table}, {row["code"] for row in table} , kept)
"""


def test_48_a_name_means_the_file_that_was_imported(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "lib.py": "def f(): return 'old'",
        "first/by_link.py": "def f(): return 'old'",
        "second/by_link.py": "def f(): return 'new'",
        "whole/first/pack/__init__.py": "from pack.inner import f",
        "whole/first/pack/inner.py": "def f(): return 'old'",
        "whole/second/pack/__init__.py": "from pack.inner import f",
        "whole/second/pack/inner.py": "def f(): return 'new'",
        "moved/by_folder.py": "def f(): return 'old'",
        "other/by_folder.py": "def f(): return 'new'",
        "exp.py": """
from superparams import Experiment, search
import by_folder, by_link, lib, pack
class E(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"v": " ".join(one.f() for one in (by_folder, by_link, lib, pack))}
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        script(tmp_path, text, name)
    lines = output(tmp_path, OTHER_FILE_OF_THE_NAME).splitlines()
    assert len(lines) == 5
    assert len(set(lines)) == 1, "one code under all engines"
    assert lines[0].startswith("{'old old old old'}")
    assert lines[0].endswith("set()")


PLUGGED = """
from superparams import Experiment, search
from superparams.executor import Processes
import functools
import lib
import plugin  # for what it does to lib

class E(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"v": " ".join([lib.K, lib.TABLE["a"](), lib.Thing().go(), lib.area(self.x)])}

ways = [{"engine": Processes(start_method=x)} for x in ("forkserver", "spawn", "fork")]
for way in [*ways, {}, {"engine": "threads"}]:
    table = E().run_all(2 if way else 1, resume=False, progress=False, **way)
    print([row["v"] for row in table], {row["code"] for row in table}, table.notes)
"""


def test_48_what_an_imported_module_changes_is_changed_in_workers(tmp_path: Path) -> None:
    library = """
import functools
K = "old"
TABLE = {}
class Thing:
    def go(self):
        return "old"
@functools.singledispatch
def area(x):
    return "old"
"""
    plugin = """
import lib
lib.K = "new"
lib.TABLE["a"] = lambda: "new"
lib.Thing.go = lambda self: "new"
@lib.area.register
def _(x: int):
    return "new"
"""
    script(tmp_path, library, "lib.py")
    script(tmp_path, plugin, "plugin.py")
    lines = output(tmp_path, PLUGGED).splitlines()
    assert len(lines) == 5
    assert len(set(lines)) == 1, "the same under all engines"
    assert lines[0].startswith("['new new new new', 'new new new new']")
    assert lines[0].endswith("()")


RELOADED = """
import importlib, sys
from pathlib import Path
import exp, lib
from superparams.errors import RunError
from superparams.executor import Processes

def ran():
    ways = ({}, {"num_proc": 2}, {"num_proc": 2, "engine": Processes(start_method="spawn")})
    tables = [exp.E().run_all(resume=False, progress=False, **way) for way in ways]
    assert len({row["code"] for table in tables for row in table}) == 1
    (value,) = {row["v"] for table in tables for row in table}
    return value, {note for table in tables for note in table.notes}

if __name__ == "__main__":
    file = Path("lib.py")
    text = file.read_text()
    assert ran() == ("old", set())
    file.write_text(text.replace("old", "newer"))
    value, notes = ran()
    assert value == "old" and len(notes) == 1, (value, notes)
    importlib.reload(lib)
    if sys.argv[1] == "by module":
        assert ran() == ("newer", set())
        file.write_text(text)
        assert ran()[0] == "newer"
        namespace = {}
        exec(compile(text, lib.f.__code__.co_filename, "exec"), namespace)
        lib.f.__code__ = namespace["f"].__code__  # what tools do that reload by themselves
        assert ran() == ("old", set())
    else:
        for way in ({}, {"num_proc": 2}, {"num_proc": 2, "engine": "threads"}):
            try:
                exp.E().run_all(progress=False, **way)
            except RunError as error:
                assert "lib.f in memory differs from the file" in str(error)
            else:
                raise AssertionError("exp.f is of the old text, lib.f of the new one")
        importlib.reload(exp)
        assert ran() == ("newer", set())
"""


@pytest.mark.parametrize(
    ("how", "imports", "call"),
    [("by module", "import lib", "lib.f()"), ("by name", "from lib import f", "f()")],
)
def test_48_a_module_that_is_reloaded(tmp_path: Path, how: str, imports: str, call: str) -> None:
    script(tmp_path, "def f():\n    return 'old'\n", "lib.py")
    text = f"""
from superparams import Experiment, search
{imports}
class E(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {{"v": {call}}}
"""
    script(tmp_path, text, "exp.py")
    env = environment(PYTHONDONTWRITEBYTECODE="1")
    output(tmp_path, RELOADED, how, env=env)


# ---- 49: libraries of one's own beside the project

LIBRARIES = {
    "library/by_path.py": "def f():\n    return 'old'\n",
    "mono/src/packaged/__init__.py": "from packaged.inner import f\n",
    "mono/src/packaged/inner.py": "def f():\n    return 'old'\n",
    "pth/by_pth.py": "def f():\n    return 'old'\n",
    "finder/found/__init__.py": "def f():\n    return 'old'\n",
    "spaces/space/part/deep.py": "def f():\n    return 'old'\n",
    "linked/real/__init__.py": "def f():\n    return 'old'\n",
    "lazy/by_need.py": "def f():\n    return 'old'\n",
    # What is installed, wherever that is, and what was put there with pip install --target.
    "env/lib/python3/site-packages/installed.py": "def f():\n    return 'old'\n",
    "project/venv/pyvenv.cfg": "",
    "project/venv/src/in_venv.py": "def f():\n    return 'old'\n",
    "usr/lib/python3/dist-packages/of_debian.py": "def f():\n    return 'old'\n",
    "target/targeted.py": "def f():\n    return 'old'\n",
    "target/targeted-1.dist-info/RECORD": "",
    "conda/conda-meta/history": "",
    "conda/lib/in_conda.py": "def f():\n    return 'old'\n",
    "project/pyproject.toml": "",
    "project/sub/main.py": """
import sys
from superparams import Experiment, search
import by_path, by_pth, found, installed, in_conda, in_venv, of_debian, packaged, real, targeted
from space.part import deep

class Main(Experiment):
    x: int = search([1, 2])
    def run(self):
        import by_need
        own = [by_path, by_pth, by_need, deep, found, packaged, real]
        for one in (installed, in_conda, in_venv, of_debian, targeted):
            assert one.f() == "old"
        return {"v": " ".join(one.f() for one in own)}
""",
    # As `pip install -e` does it for a project that is no plain folder.
    "env/editable_finder.py": """
import sys
from importlib.util import spec_from_file_location
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "found":
            return spec_from_file_location(name, FOUND)
sys.meta_path.append(Finder)
""",
    "env/lib/python3/site-packages/by.pth": "PTH\nimport editable_finder\n",
}
PATHS = (
    *("library", "mono/src", "spaces", "lazy", "env", "target", "conda/lib", "project/venv/src"),
    *("env/lib/python3/site-packages", "usr/lib/python3/dist-packages"),
)
START = """
import os, site, sys
site.addsitedir(os.path.abspath(os.path.join(ROOT, "env/lib/python3/site-packages")))
"""
OWN_NAMES = {
    *(
        "by_path.f",
        "packaged.f",
        "packaged.inner.f",
        "by_pth.f",
        "found.f",
        "space.part.deep.f",
        "real.f",
    ),
    "by_need.f",
}


def write_libraries(folder: Path) -> dict[str, str]:
    """Libraries in all the ways in which one can be beside a project; gives the environment."""
    for name, text in LIBRARIES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = text.replace("FOUND", repr(str(folder / "finder/found/__init__.py")))
        file.write_text(text.replace("PTH", str(folder / "pth")))
    script(folder / "env", START.replace("ROOT", repr(str(folder))), "sitecustomize.py")
    (folder / "env/lib/python3/site-packages/real").symlink_to(folder / "linked/real")
    env = environment()
    paths = [env["PYTHONPATH"], *(str(folder / path) for path in PATHS)]
    return {**env, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def edit_libraries(folder: Path) -> None:
    for name, text in LIBRARIES.items():
        if name.endswith(".py") and "'old'" in text:
            is_own = name.split("/")[0] not in ("env", "usr", "target", "conda", "project")
            script(folder, text if not is_own else text.replace("'old'", "'new'"), name)


RUN_MAIN = """
import sys
sys.path.insert(0, "sub")
from main import Main
from superparams.executor import Processes
print(Main().run_all(2, engine=Processes(start_method=sys.argv[1]), progress=False).notes)
for row in Main.results():
    print(row["v"])
"""


def test_49_a_library_of_the_user_counts_and_is_restored(tmp_path: Path) -> None:
    env = write_libraries(tmp_path)
    project = tmp_path / "project"
    every = " ".join(["old"] * 7)
    assert output(project, RUN_MAIN, "forkserver", env=env) == f"()\n{every}\n{every}\n"
    results = Results.load(project / "results" / "main.Main")
    before = results.provenance(next(iter(results)))
    assert {name for name in before.manifest["parts"] if name.endswith(".f")} == OWN_NAMES
    kept = {str(path.relative_to(before.run / "source")) for path in before.files}
    assert kept == {
        "parts.json",
        "project/sub/main.py",
        "libraries/library/by_path.py",
        "libraries/mono/packaged/__init__.py",
        "libraries/mono/packaged/inner.py",
        "libraries/pth/by_pth.py",
        "libraries/finder/found/__init__.py",
        "libraries/spaces/space/part/deep.py",
        "libraries/linked/real/__init__.py",
        "libraries/lazy/by_need.py",
    }
    assert before.manifest["libraries"] == dict.fromkeys(
        ("library", "mono", "pth", "finder", "spaces", "linked", "lazy")
    )

    edit_libraries(tmp_path)
    new = " ".join(["new"] * 7)
    assert output(project, RUN_MAIN, "spawn", env=env) == f"()\n{new}\n{new}\n"
    again = "from sub.main import Main\nprint(Main(x=1).run()['v'])"
    then = before.restore(tmp_path / "then")
    assert output(then, again, env=env) == f"{every}\n"

    # Back to the first text: nothing is stale any more.
    for name, text in LIBRARIES.items():
        if name.startswith(("library", "mono", "pth", "finder", "spaces", "linked", "lazy")):
            script(tmp_path, text, name)
    now = "from superparams.identity.code.fingerprint import fingerprint\n"
    now = f"{RUN_MAIN.split('print')[0]}{now}"
    digest = output(project, f"{now}print(fingerprint(Main).digest)", env=env)
    assert digest.strip() == before.manifest["code"]


def test_49_a_library_never_leaves_the_folder_nor_hides_a_file(tmp_path: Path) -> None:
    env = write_libraries(tmp_path)
    project = tmp_path / "project"
    output(project, RUN_MAIN, "fork", env=env)
    (run,) = (project / "results" / "main.Main").glob("runs/*")
    script(run / "source" / "project", "def f():\n    return 'other'\n", "by_path.py")
    outside = tmp_path / "outside"
    outside.mkdir()
    (run / "source" / "libraries" / "linked" / "way").symlink_to(outside)
    (run / "source" / "libraries" / "more").symlink_to(tmp_path / "pth")
    manifest = json.loads((run / "run.json").read_text())
    hostile = {"pth": "../outside", "lazy": str(outside), "finder": "a/../../outside", "mono": 7}
    manifest["libraries"] |= hostile
    (run / "run.json").write_text(json.dumps(manifest))
    results = Results.load(project / "results" / "main.Main")
    made = results.provenance(next(iter(results)))
    with pytest.warns(UserWarning, match="put that first in PYTHONPATH"):
        then = made.restore(tmp_path / "then")
    assert "other" in (then / "by_path.py").read_text()
    assert "old" in (then / "libraries" / "library" / "by_path.py").read_text()
    assert list(outside.iterdir()) == []
    assert {"by_pth.py", "by_need.py", "found", "packaged", "real", "space", "sub"} <= {
        path.name for path in then.iterdir()
    }


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_49_a_library_of_the_same_repository_is_restored_to_its_place(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "library").mkdir(parents=True)
    (top / "project").mkdir()
    git = ["git", "-C", str(top), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    script(top / "library", "def f():\n    return 'old'\n", "lib.py")
    script(top / "project", "", "pyproject.toml")
    script(top, "results\n__pycache__\nscript.py\n", ".gitignore")
    text = "from superparams import Experiment, search\nimport lib\n"
    text += "class Main(Experiment):\n    x: int = search([1])\n"
    text += "    def run(self):\n        return {'v': lib.f()}\n"
    script(top / "project", text, "main.py")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(top / "library")
    script(top / "library", "def f():\n    return 'changed'\n", "lib.py")
    edit = """
from pathlib import Path
from main import Main
Path("../library/lib.py").write_text("def f(): return 'later'")
print([row["v"] for row in Main().run_all(progress=False)])
"""
    assert output(top / "project", edit, env=env) == "['changed']\n"
    results = Results.load(top / "project" / "results" / "main.Main")
    then = results.provenance(next(iter(results))).restore(tmp_path / "then")
    assert (then / "library" / "lib.py").read_text() == "def f():\n    return 'changed'\n"
    assert {path.name for path in then.iterdir()} == {".gitignore", "library", "project"}
    again = "import sys\nsys.path.insert(0, '../library')\n"
    again += "from main import Main\nprint(Main(x=1).run())"
    assert output(then / "project", again) == "{'v': 'changed'}\n"


WINDOW = """
import py_compile, sys, time
from pathlib import Path

OLD = "def f():\\n    return 1\\nK = 2 * 3\\n"
Path("lib.py").write_text(OLD)
if sys.argv[1] == "compiled":
    # Within one second Python takes what was compiled from a file of the same size.
    while True:
        second = int(time.time())
        Path("lib.py").write_text(OLD)
        py_compile.compile("lib.py")
        time.sleep(0.02)
        Path("lib.py").write_text(OLD.replace("return 1", "return 2"))
        if second == int(time.time()):
            break
import lib
time.sleep(0.02)
if sys.argv[1] == "held":
    import superparams
if sys.argv[1] == "constant":
    Path("lib.py").write_text(OLD.replace("2 * 3", "2 * 4"))
elif sys.argv[1] != "compiled":
    Path("lib.py").write_text(OLD.replace("return 1", "return 2"))

from superparams import Experiment, search
from superparams.errors import RunError

class E(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"v": lib.f() * lib.K}

if __name__ == "__main__":
    for way in ({}, {"num_proc": 2}, {"num_proc": 2, "engine": "threads"}):
        try:
            table = E().run_all(resume=False, progress=False, **way)
            print({row["v"] for row in table}, len(table.notes))
        except RunError as error:
            print(error)
"""


@sweep(2, "how", ["held", "function", "constant", "compiled"])
def test_48_a_module_whose_text_is_unknown_is_not_run(tmp_path: Path, how: str) -> None:
    # Otherwise Python writes a compiled copy at the import, which is older than the edited file.
    env = environment(PYTHONDONTWRITEBYTECODE="" if how == "compiled" else "1")
    lines = output(tmp_path, WINDOW, how, env=env).splitlines()
    assert len(set(lines)) == 1, "the same under every engine"
    if how == "held":
        assert lines == ["{6} 1"] * 3, "it is known since superparams was imported"
        return
    name = "lib.K" if how == "constant" else "lib.f"
    assert lines[0].startswith(f"{name} in memory differs from the file")
    assert ("This copy is deleted now" in lines[0]) == (how == "compiled")
    assert not list(tmp_path.glob("results/*/runs/*"))
