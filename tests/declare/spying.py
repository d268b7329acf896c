"""An experiment and its groups, which note what superparams reads of them.

Reads by names with two underscores, by reserved names and by those of fields are not noted. The
tests write the text of this module into a project of their own.
"""

MODULE = """
from __future__ import annotations

import os
import sys

from superparams import Experiment, Params, search, value

RESERVED = {RESERVED}


def note(cls, name, reader):
    module = reader.f_globals.get("__name__", "")
    is_library = module.startswith("superparams.")
    if not is_library or name.startswith("__") or name in RESERVED:
        return
    if "SPIED" in os.environ and name not in type.__getattribute__(cls, "__superparams_fields__"):
        with open(os.environ["SPIED"], "a") as file:
            print(f"{module}.{reader.f_code.co_name} reads {cls.__name__}.{name}", file=file)


class Meta(type(Experiment)):
    def __getattribute__(cls, name):
        if "__superparams_fields__" in type.__getattribute__(cls, "__dict__"):
            note(cls, name, sys._getframe(1))
        return super().__getattribute__(name)


class Spying:
    def __getattribute__(self, name):
        note(type(self), name, sys._getframe(1))
        return object.__getattribute__(self, name)


class Group(Spying, Params, metaclass=Meta):
    a: int = search([1, 2])
    b: list[int] = [1]


class Other(Spying, Params, metaclass=Meta):
    c: int = 3
    d: str = value(derive=lambda s: str(s.c))


class Spy(Spying, Experiment, metaclass=Meta):
    x: int = search([1, 2], zip="z")
    y: str = search({"p": "q", "r": "s"}, zip="z")
    group: Group = Group()
    either: Group | Other = search([Group(a=1), Other()])
    named: Group | Other = search({"one": Group(a=2), "two": Other(c=4)})
    table: object = value(factory=lambda: {"k": [1]})
    kept: object = value(object, key="v1")
    known: Group = value(Group(a=1))
    follows: int = value(derive=lambda s: s.x + 1)
    token: str = value(secret="SPY_TOKEN")

    def valid(self):
        return self.x < 2 or self.group.a == 1

    def setup(self):
        self.made = self.place.rank

    def teardown(self):
        pass

    def report(self, results):
        return str(len(results))

    def run(self):
        print(self.x)
        (self.place.folder / "note").write_text("")
        return {"z": self.x, "key_of_it": self.place.key, "made": self.made}
"""

# Options of `run_all` for each way to run, in a script that has imported what they name.
ENGINES = """{
        "forkserver": {"num_proc": 2, "engine": Processes(start_method="forkserver")},
        "spawn": {"num_proc": 2, "engine": Processes(start_method="spawn")},
        "fork": {"num_proc": 2, "engine": Processes(start_method="fork")},
        "threads": {"num_proc": 2, "engine": "threads"},
        "serial": {"engine": "serial"},
        "futures": {"num_proc": 2, "engine": ProcessPoolExecutor(2)},
    }"""

DRIVER = """
import copy, json, os, pickle
from concurrent.futures import ProcessPoolExecutor
from superparams.executor import Processes
from spy import Group, Spy

def show():
    space = Spy()
    setting = space[0]
    for one in (space, setting):
        repr(one), one._repr_html_(), hash(one), pickle.loads(pickle.dumps(one)), copy.copy(one)
        copy.deepcopy(one), one == space[1], one.place.as_dict(), one.replace(x=1)
    assert setting in space and space.place.index(space[3]) == 3 and len(space[1:3]) == 2
    dict(setting), setting["group.a"], "group.a" in setting, list(space), space[-1]
    setting.place.to_json(), setting.place.as_row(), setting.place.items()
    Spy.place.from_cli(["x=1,2", "group.b=[1]", "either=Other", "named=one"])

def run():
    space = Spy()
    for name, options in {ENGINES}.items():
        found = space.run_all(results=name, progress=False, **options)
        assert not found.failures and found.report.read_text() == str(len(found)) == "12"
        found.where(either=Group(a=1)), found.where(named="one"), found.best("z")
        repr(found), found._repr_html_(), found.provenance(found.best("z"))
        Spy.place.results(name), space.place.results(name), space[0].place.results(name)
        space.run_all(results=name, progress=False)
    options["engine"].shutdown()

if __name__ == "__main__":
    show()
    run()
""".replace("{ENGINES}", ENGINES)
