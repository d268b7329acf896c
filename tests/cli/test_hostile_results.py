"""A results folder from elsewhere neither runs anything nor takes the terminal."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.table.merge import compact
from tests.cli.command import EXPERIMENT, Done, Project
from tests.recording import key
from tests.runs import Terminal

EVIL = "\x1b]0;taken\x07\x1b[2J\x9b31m\u202e"
VERBS = (
    ["list"],
    ["status", "RQ1"],
    ["results", "RQ1"],
    ["show", "RQ1", "a=1"],
    ["show", "RQ1", "a=2"],
    ["show", "RQ1", "a=1", "--json"],
    ["runs", "RQ1"],
    ["diff", "RQ1"],
    ["diff", "RQ1", "--json"],
    ["logs", "RQ1", "a=1", "--json"],
    ["clean", "RQ1", "--stale", "--failed"],
    ["accept", "RQ1"],
)


# All of them in one process, which spares the loading.
DRIVER = """
import contextlib, io, json, sys, traceback
from superparams.cli.command import execute

told = {}
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute("experiment", words)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            code = 99
    told[" ".join(words)] = code, out.getvalue(), err.getvalue()
json.dump(told, sys.stdout)
"""
MORE = (
    ["results", "RQ1", "--format", "markdown"],
    ["results", "RQ1", "--json"],
    ["logs", "RQ1", "x"],
)


def looked_at(project: Project, *more: list[str]) -> dict[str, Done]:
    """What each verb says."""
    ran = project.python("-c", DRIVER, json.dumps([*VERBS, *more]))
    assert ran.code == 0, ran.err
    found = {words: Done(*told) for words, told in ran.document.items()}
    for words, ended in found.items():
        assert ended.code in (0, 2), f"{words}: {ended.err}"
        for stream in (ended.out, ended.err):
            shown = stream.replace("\n", "").replace("\t", "")
            assert not [one for one in shown if ord(one) < 32 or 127 <= ord(one) < 160], words
            assert "\u202e" not in shown, words
        if "--json" in words and ended.code == 0:
            json.loads(ended.out)
    return found


def outcomes() -> list[Outcome]:
    params = {"a": 1, f"p{EVIL}": f"x{EVIL}"}
    result = {"y": 1, f"r{EVIL}": f"z{EVIL}\n{EVIL}", "many": [EVIL], "nest": {EVIL: 1}}
    texts = {"error": f"E: {EVIL}", "traceback": f"  File {EVIL}\n{EVIL}"}
    return [
        Outcome(0, key(0), "done", params, result, log_start=0, log_end=200),
        Outcome(1, key(1), "failed", {**params, "a": 2}, **texts),
    ]


def recorded(project: Project, manifest: dict[str, Any], times: int = 2) -> Path:
    """Runs of RQ1.RQ1 with texts that a terminal would obey, wherever there is room for one."""
    root = project.folder / "results" / "RQ1.RQ1"
    for number in range(times):
        folder = RunFolder.create(root, {"code": f"c{number}", "parts": {f"m.{EVIL}": f"{number}"}})
        with Ledger(folder.ledger) as ledger:
            ledger.append(encode(outcomes()))
        folder.finish()
        (folder.source / "parts.json").write_text(json.dumps({f"m.{EVIL}": f"{EVIL}{number}"}))
        (folder.source / "project").mkdir()
        (folder.source / "project" / "x\x1b[2J.py").touch()
        (folder.logs / "0.log").write_text(f"{EVIL}\n" * 9)
        folder.update(**manifest)
    return root


def test_texts_that_a_terminal_would_obey(project: Project) -> None:
    project.experiments("RQ1")
    manifest = {
        "host": EVIL,
        "engine": EVIL,
        "space": f"Search\na: {EVIL}",
        "python": EVIL,
        "platform": EVIL,
        "versions": {EVIL: EVIL},
        "git": {"commit": EVIL, "branch": EVIL, "root": EVIL, "is_dirty": True},
    }
    root = recorded(project, manifest)
    (second,) = run_folders(root)[1:]
    second.update(host="other", space=f"Search\na: other{EVIL}", versions={EVIL: "other"})
    (root / "runs" / f"20200101T000000000000Z-{EVIL[:12]}").mkdir()
    found = looked_at(project, *MORE)
    assert "taken" in found["show RQ1 a=1"].out
    assert r"\x1b]0;taken\x07" in found["results RQ1"].out
    with Terminal(project.folder, EXPERIMENT, "results", "RQ1") as terminal:
        terminal.end()
        assert "\x1b]0" not in terminal.seen
        assert "taken" in terminal.seen


@pytest.mark.parametrize(
    "manifest",
    [
        {"state": [], "process": 3, "git": [], "versions": 1, "parts": [], "space": 5, "start": {}},
        {
            "parts": {"m": {}},
            "git": {"commit": [], "root": 3, "branch": {}},
            "code": 5,
            "host": {},
            "counts": {"done": []},
            "versions": {"a": 1},
            "num_proc": "x",
            "engine": [],
            "todo": {},
        },
        {
            "experiment": f"../{EVIL}",
            "schema": {"version": 1, "class": EVIL, "fields": {EVIL: {"type": {EVIL: []}}}},
            "from_text": {"code": [], "declarations": EVIL},
            "axes": {EVIL: EVIL},
            "settings": -1,
            "overrides": {},
            "libraries": {"x": "../../.."},
            "alternatives": {EVIL: 3},
            "codes": {EVIL: {}},
        },
        {
            "experiment": "RQ1.RQ1.RQ1",
            "schema": {
                "version": 1,
                "class": "RQ1",
                "fields": {"run": {}, "a": {"type": "os.system", "axis": []}, "__class__": 1},
                "classes": [],
            },
            "from_text": 5,
            "axes": [],
            "alternatives": [],
            "codes": [],
        },
        {
            "schema": {
                "version": 1,
                "class": "RQ1",
                "fields": {"a": {"type": {"group": "A"}, "value": {"group": "A"}}},
                "classes": {"A": {"b": {"type": {"group": "A"}, "value": {"group": "A"}}}},
            },
        },
    ],
)
def test_manifests_of_any_shape(project: Project, manifest: dict[str, Any]) -> None:
    project.experiments("RQ1")
    root = recorded(project, manifest)
    (root / "runs" / run_folders(root)[-1].name / "space.keys").write_bytes(b"x" * 17)
    words = [["results", "RQ1", "--where", "a=1,2"], ["status", "RQ1", "--json"]]
    by_path = [[verb, str(root), *more] for verb, _, *more in VERBS[1:10]]
    found = looked_at(project, *words, *by_path)
    # What the schema does not say is read by the type of the column.
    assert "1 failed" in found["results RQ1 --where a=1,2"].out
    # The folder cannot say that its rows are of the code of now.
    (status,) = found["status RQ1 --json"].document
    assert status["size"] is None
    assert (status["stale"], status["code_unknown"] is None) in ((1, True), (0, False))
    assert (status["code_unknown"] is None) == ("from_text" not in manifest)


class Touch:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_nothing_is_unpickled(project: Project, tmp_path: Path) -> None:
    project.experiments("RQ1")
    root = recorded(project, {})
    compact(root)
    touched = tmp_path / "touched"
    data = pickle.dumps(Touch(touched))
    pickle.loads(data)
    assert touched.exists()  # so it would be seen
    touched.unlink()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix != ".arrows":
            path.write_bytes(data)
    for run in run_folders(root):
        (run.ledger / "7.arrows").write_bytes(data)
        (run.path / "payload.pkl").write_bytes(data)
    (root / "accepted.jsonl").write_bytes(data)
    ran = project.python("-c", DRIVER, json.dumps(VERBS), env={"PYTHONWARNINGS": "default"})
    assert {words: told for words, told in ran.document.items() if told[0] not in (0, 2)} == {}
    assert not touched.exists()


def test_a_table_whose_rows_lead_out_of_the_folder(project: Project, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from superparams.store.table.table_file import EMPTY_SEAL, seal

    project.experiments("RQ1")
    root = recorded(project, {}, times=1)
    compact(root)
    table = parquet.ParquetFile(root / "results.parquet").read()
    place = table.schema.get_field_index("run")
    out = pa.array(["../../../outside"] * len(table))
    table = table.set_column(place, table.schema.field(place), out)
    outside = tmp_path / "outside" / "logs"
    outside.mkdir(parents=True)
    (outside / "0.log").write_text("secret\n" * 99)
    with open(root / "results.parquet", "w+b") as file:
        with parquet.ParquetWriter(file, table.schema, write_page_checksum=True) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(EMPTY_SEAL)
        seal(file)
    for words in (["show", "RQ1", "a=1"], ["logs", "RQ1", "a=1"]):
        ended = project.run(*words)
        assert (ended.code, ended.out) == (2, "")
        assert "is not the name of a run" in ended.err
    assert project.run("clean", "RQ1", "--yes").code in (0, 2)
    assert (outside / "0.log").exists()
    shutil.rmtree(tmp_path / "outside")
