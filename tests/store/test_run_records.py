"""The runs of an experiment, as their folders tell of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from superparams.errors import StoreError
from superparams.store.runs.run_records import Run, find_run, run_of_name, runs
from tests.recording import begun, done, failed, run


def only(root: Path) -> Run:
    (found,) = runs(root)
    return found


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    git = {"commit": "a" * 40, "branch": "main", "is_dirty": True}
    folder = run(
        tmp_path,
        [done(0), failed(1)],
        engine="processes",
        num_proc=4,
        todo=2,
        host="here",
        git=git,
        versions={"numpy": "2.0"},
        counts={"done": 1, "failed": 1, "killed": 0},
    )
    found = only(tmp_path)
    assert (found.name, found.state, found.exists) == (folder.name, "finished", True)
    assert (found.engine, found.num_proc, found.todo, found.host) == ("processes", 4, 2, "here")
    assert (found.commit, found.is_dirty, found.versions) == ("a" * 40, True, {"numpy": "2.0"})
    assert (found.code, found.pid) == ("c1", os.getpid())
    assert found.counts == {"done": 1, "failed": 1}
    assert found.start is not None
    assert found.end is not None
    assert found.seconds == pytest.approx((found.end - found.start).total_seconds())


def test_a_run_that_goes_on_is_counted_from_its_ledger(tmp_path: Path) -> None:
    begun(tmp_path, [done(0), done(1), failed(2)])
    found = only(tmp_path)
    assert (found.state, found.end) == ("running", None)
    assert found.counts == {"done": 2, "failed": 1}
    assert found.seconds is not None
    assert found.seconds >= 0


def test_a_run_that_crashed_took_until_it_last_recorded(tmp_path: Path) -> None:
    folder = begun(tmp_path, [done(0)])
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    process = {**folder.manifest()["process"], "pid": int(ended.stdout)}
    folder.update(process=process, start="2026-01-01T00:00:00+00:00")
    (ledger,) = folder.ledger.iterdir()
    os.utime(ledger, (1767225605, 1767225605))  # five seconds later
    found = only(tmp_path)
    assert (found.state, found.seconds, found.counts) == ("crashed", 5.0, {"done": 1})


def test_a_clock_that_stepped_back_makes_no_run_negative(tmp_path: Path) -> None:
    folder = run(tmp_path, [])
    folder.update(start="2026-01-02T00:00:00+00:00", end="2026-01-01T00:00:00+00:00")
    assert only(tmp_path).seconds == 0


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"null",
        b"[" * 100_000,
        json.dumps(
            {
                "state": {"a": 1},
                "process": [],
                "start": 5,
                "end": "yesterday",
                "git": "x",
                "versions": {"a": []},
                "counts": {"done": "many"},
                "num_proc": "two",
                "host": 1,
                "code": {},
                "parts": [],
            }
        ).encode(),
    ],
)
def test_a_manifest_that_is_no_manifest(tmp_path: Path, manifest: bytes) -> None:
    folder = run(tmp_path, [done(0)])
    (folder.path / "run.json").write_bytes(manifest)
    found = only(tmp_path)
    assert found.state == "crashed"
    told: list[Any] = [found.start, found.end, found.commit, found.host, found.code, found.num_proc]
    assert told == [None] * 6
    assert (found.versions, found.parts, found.is_dirty) == ({}, {}, False)
    assert found.counts == {"done": 1}


class TestFinding:
    def test_by_name_its_beginning_its_end_and_its_age(self, tmp_path: Path) -> None:
        names = [run(tmp_path, []).name for _ in range(3)]
        assert find_run(tmp_path, names[1]).name == names[1]
        assert find_run(tmp_path, names[1][:-3]).name == names[1]
        assert find_run(tmp_path, names[1][-6:]).name == names[1]
        assert find_run(tmp_path, "last").name == names[2]
        assert find_run(tmp_path, "last~0").name == names[2]
        assert find_run(tmp_path, "last~2").name == names[0]

    def test_what_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="there are no runs"):
            find_run(tmp_path, "last")
        names = [run(tmp_path, []).name]
        with pytest.raises(StoreError, match=r"last~1: there is only 1 run in"):
            find_run(tmp_path, "last~1")
        names.append(run(tmp_path, []).name)
        with pytest.raises(StoreError, match=r"last~2: there are only 2 runs"):
            find_run(tmp_path, "last~2")
        with pytest.raises(StoreError, match=rf"2 runs are called '2'.*{names[1]}"):
            find_run(tmp_path, "2")
        for called in ("", "nothing", "../x", "last~", "last~-1"):
            with pytest.raises(StoreError, match="no run is called"):
                find_run(tmp_path, called)

    def test_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        found = run_of_name(tmp_path, "20260101T000000000000Z-abcdef")
        assert (found.exists, found.state, found.counts, found.start) == (
            False,
            "crashed",
            {},
            None,
        )

    @pytest.mark.parametrize("name", ["../../x", "/etc", "", "a/b", "\x1b[0m"])
    def test_no_name_leads_out_of_the_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(StoreError, match="is not the name of a run"):
            run_of_name(tmp_path, name)
