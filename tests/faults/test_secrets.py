"""Row 64: a secret is named, not given: it is read where a setting runs, and stands nowhere."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.secrets import hide
from superparams.errors import FieldError
from tests.cli.command import Project
from tests.runs import environment, output
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

CANARY, OTHER = "canary-1f2e3d4c", "canary-5b6a7988"

SCRIPT = """
import os, sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from superparams import Experiment, Params, search, value
from superparams.executor import Processes

class Client(Params):
    url: str = "http://localhost"
    token: str = value(secret="SP_TOKEN")

class Ask(Experiment):
    x: int = search([1, 2, 3])
    api_key: str = value(secret="SP_KEY")
    client: Client = Client()
    other: Client | None = search([None, Client(url="b")])

    def setup(self):
        self.opened = len(self.api_key)

    def run(self):
        if self.x == 3:
            raise ValueError(f"denied for {self.api_key!r}", {"token": self.client.token})
        if self.x == 2 and self.other is not None:
            os._exit(1)
        return {"opened": self.opened, "n": len(self.client.token), "me": self}

    def report(self, results):
        return repr(self)

if __name__ == "__main__":
    engines = [
        {"num_proc": 2, "engine": Processes(start_method="spawn")},
        {"num_proc": 2, "engine": Processes(start_method="fork")},
        {"num_proc": 2},
    ]
    names = {"api_key", "client.token", "other.token"}
    for options in engines:
        found = Ask().run_all(resume=False, progress=False, **options)
        assert found.counts == {"done": 3, "failed": 3}, found
        for row in found:
            assert not any(name.rpartition(".")[2] in ("api_key", "token") for name in row), row
            if row["x"] == 3:
                assert row["error"].startswith("ValueError: ("), row["error"]
                assert "<SP_KEY>" in row["error"] and "<SP_TOKEN>" in row["error"], row["error"]
                assert "<SP_KEY>" in row["traceback"]
            elif row["status"] == "done":
                assert row["opened"] == row["n"] == 15
    few = Ask(other=None, x=search([1, 2]))
    for executor in (ThreadPoolExecutor(2), ProcessPoolExecutor(2)):
        with executor:
            found = few.run_all(2, engine=executor, resume=False, progress=False)
            assert found.counts == {"done": 2}, found
    found = few.run_all(2, engine="threads", resume=False, progress=False)
    assert found.counts == {"done": 2}
    other = Ask(x=1, other=None, api_key=value(secret="SP_OTHER"))
    assert other.run_all(progress=False).notes == found.notes
    print(Ask(), Ask(x=1, other=None), found, found.best("n"), found.provenance(next(iter(found))))
    del os.environ["SP_KEY"]
    found = Ask(x=1, other=None).run_all(2, resume=False, progress=False)
    print(next(iter(found))["error"])
"""


def canaries(folder: Path) -> list[str]:
    """The files below a folder that hold a secret in their name or text, also in Arrow's."""
    held = [path for path in folder.rglob("*") if path.is_file()]
    assert held
    return [str(path) for path in held if b"canary" in str(path).encode() + path.read_bytes()]


def test_64_a_secret_is_in_no_file_under_any_engine(tmp_path: Path) -> None:
    env = environment(SP_KEY=CANARY, SP_TOKEN=CANARY[:-1] + "x", SP_OTHER=OTHER)
    out = output(tmp_path, SCRIPT, env=env)
    assert "canary" not in out
    assert "value(secret='SP_KEY')" in out
    missing = "Ask.api_key is read from the environment variable SP_KEY, which is not set"
    assert missing in out.splitlines()[-1]
    assert canaries(tmp_path) == []


class Client(Params):
    url: str = "http://localhost"
    token: str = value(secret="SP_TOKEN")


class Ask(Experiment):
    x: int = search([1, 2])
    api_key: str = value(secret="SP_KEY")
    client: Client = Client()

    def run(self) -> dict[str, int]:
        return {"n": len(self.api_key)}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SP_KEY", "SP_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("SP_OTHER", OTHER)


def body(**fields: Any) -> type[Experiment]:
    annotations = dict.fromkeys(fields, str)
    return type("Body", (Experiment,), {"__annotations__": annotations, **fields})


REFUSED: dict[str, Callable[[], Any]] = {
    "a literal": lambda: Ask(api_key=CANARY),
    "a literal in replace": lambda: Ask(x=1).replace(api_key=CANARY),
    "an axis": lambda: Ask(api_key=search([CANARY, OTHER])),
    "an axis without points": lambda: Ask(api_key=search()),
    "a constant": lambda: Ask(api_key=value(CANARY)),
    "a factory": lambda: Ask(api_key=value(factory=lambda: CANARY)),
    "a derivation": lambda: Ask(api_key=value(derive=lambda _: CANARY)),
    "a dotted name": lambda: Ask(**{"client.token": CANARY}),
    "the call of a group": lambda: Client(token=CANARY),
    "the declaration of another field": lambda: Ask(api_key=Ask.x),
    "a word": lambda: Ask.from_cli([f"api_key={CANARY}"]),
    "a dotted word": lambda: Ask.from_cli([f"client.token={CANARY}"]),
    "several words": lambda: Ask.from_cli([f"api_key={CANARY},{OTHER}"]),
    "in place of a value": lambda: Ask(x=value(secret="SP_KEY")),
    "as a point": lambda: body(k=search([value(secret="SP_KEY"), "b"])),
    "in a container": lambda: body(k=[value(secret="SP_KEY")]),
    "no name of a variable": lambda: body(k=value(secret=CANARY)),
    "an empty name": lambda: body(k=value(secret="")),
    "with a key": lambda: body(k=value(secret="SP_KEY", key="a")),
    "with a constant": lambda: body(k=value("a", secret="SP_KEY")),
    "derived from": lambda: body(k=Ask.api_key, d=value(derive=lambda s: s.k))().d,
}


@pytest.mark.parametrize("way", REFUSED)
def test_64_a_secret_is_no_literal_no_axis_and_no_word(way: str) -> None:
    with pytest.raises(FieldError, match=r"\w+\.\w+") as refused:
        REFUSED[way]()
    assert "canary" not in str(refused.value)


def test_64_a_setting_reads_it_and_does_not_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Ask(x=1)
    assert setting.api_key == setting.client.token == setting["api_key"] == CANARY
    for shown in (
        *(repr(setting), str(Ask()), setting.to_json(), setting.as_dict(), setting.as_row()),
        *(dict(setting), setting.values(), setting.items(), dataclasses.asdict(setting)),
        *(pickle.dumps(setting), vars(setting), list(setting.keys()), setting._repr_html_()),
        json.dumps(dataclasses.asdict(setting)),
    ):
        assert "canary" not in str(shown)
    other = setting.replace(api_key=value(secret="SP_OTHER"))
    copies = (other, other.replace(x=2), copy.deepcopy(other), pickle.loads(pickle.dumps(other)))
    assert [one.api_key for one in copies] == [OTHER] * 4
    assert other.key == setting.key, "a secret is in no key"
    assert (other == setting, hash(other) == hash(setting)) == (True, True)
    monkeypatch.setenv("SP_KEY", "changed")
    assert setting.api_key == "changed"
    monkeypatch.delenv("SP_KEY")
    assert len(setting.values()) == 2, "nothing but reading it needs it"
    with pytest.raises(FieldError, match=r"Ask\.api_key .* SP_KEY, which is not set"):
        _ = setting.api_key


def test_64_adding_a_secret_changes_no_key() -> None:
    class Before(Experiment):
        x: int = 1

    class After(Before):
        api_key: str = value(secret="SP_KEY")

    assert Before(x=1).key == After(x=1).key


def test_64_the_command_reads_it_and_takes_no_word_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write(
        {
            "experiments/ask.py": """
            from superparams import Experiment, search, value

            class Ask(Experiment):
                x: int = search([1, 2])
                api_key: str = value(secret="SP_KEY")
                def run(self):
                    return {"n": len(self.api_key)}
            """
        }
    )
    refused = project.run("ask", f"api_key={CANARY}")
    assert (refused.code, "Ask.api_key is a secret" in refused.err) == (2, True), refused
    ended = project.run("ask", "-n", "2")
    assert ended.code == 0, ended
    told = [
        project.run(*words)
        for words in (("results", "ask"), ("ask", "--help"), ("list", "ask"), ("show", "ask"))
    ]
    assert "environment variable SP_KEY" in told[1].out
    for one in (refused, ended, *told):
        assert "canary" not in one.out + one.err
    assert canaries(project.folder) == []


NAMED = {"api_key": True, "password": True, "hf_access_token": True, "SECRET": True}
NOT_NAMED = {"tokens": False, "token_type": False, "a_key": False, "monkey": False, "keyapi": False}


def test_64_a_field_that_looks_like_a_secret_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {**NAMED, **NOT_NAMED}
    cls = body(**dict.fromkeys(expected, "abcdef"))
    cls.run = lambda self: {"y": 1}  # type: ignore[method-assign]
    cls().run_all(progress=False)
    (manifest,) = tmp_path.rglob("run.json")
    notes = [note for note in json.loads(manifest.read_text())["notes"] if "secret" in note]
    assert {n: any(f"Body.{n} is" in note for note in notes) for n in expected} == expected
    assert os.environ["SP_KEY"] == CANARY


ODD = "canary/+ \u00e9\"q'1"
KEY_FILE = "-----BEGIN KEY-----\ncanary-Zm9vYmFy\ncanary-YmFyZm9v\n"
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "repr of a longer text": lambda x: repr(["'\"" + x]),
    "repr of bytes": lambda x: repr(x.encode()),
    "repr of longer bytes": lambda x: repr(b"'\"" + x.encode()),
    "json": lambda x: json.dumps({"k": x}),
    "json with other letters": lambda x: json.dumps({"k": x}, ensure_ascii=False),
    "a path": quote,
    "a query": lambda x: f"https://localhost/?key={quote_plus(x)}&n=1",
    "a query, all quoted": lambda x: quote(x, safe=""),
    "indented": lambda x: textwrap.indent(x, "  | "),
}


class Denied(Experiment):
    way: str = search(list(WAYS))
    secret: str = value(secret="SP_KEY")
    is_removed: bool = search([False, True])

    def run(self) -> None:
        secret = self.secret
        if self.is_removed:
            os.environ["SP_KEY"] = "other"
        try:
            raise ValueError(WAYS[self.way](secret))
        finally:
            if self.is_removed:
                os.environ.pop("SP_KEY")


@sweep(1, "secret", [CANARY, ODD, KEY_FILE])
def test_64_an_error_has_no_form_of_a_secret(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SP_KEY", secret)
    rows = list(Denied(is_removed=False).run_all(results=tmp_path, progress=False))
    for way in WAYS:  # after each, the environment lacks it
        monkeypatch.setenv("SP_KEY", secret)
        rows += Denied(way=way, is_removed=True).run_all(results=tmp_path, progress=False)
    assert len(rows) == 2 * len(WAYS)
    for row in rows:
        for text in (row["error"], row["traceback"]):
            assert "ValueError" in text
            assert "<SP_KEY>" in text, (row["way"], text)
            assert "canary" not in text, (row["way"], text)


def test_64_a_secret_that_begins_as_another_is_hidden_whole() -> None:
    os.environ.update(SP_KEY="canary", SP_OTHER="canary-and-more")
    both = frozenset({"SP_KEY", "SP_OTHER"})
    assert hide("canary-and-more, canary", both) == "<SP_OTHER>, <SP_KEY>"
