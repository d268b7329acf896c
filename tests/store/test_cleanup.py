"""What an experiment's folder can do without goes; what counts, and what lies elsewhere, stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams.errors import StoreError
from superparams.outcomes.outcome import STATUSES
from superparams.store.cleanup import Cleaning, plan_cleaning, size_of
from superparams.store.runs.folder import run_folders
from superparams.store.table.index import read_index
from superparams.store.table.merge import compact
from tests.recording import begun, done, failed, key, keys_of, run


def nothing(keys: Sequence[str]) -> set[str]:
    return set()


def plan(root: Path, **asked: Any) -> Cleaning:
    return plan_cleaning(root, **{"codes": ["c1"], "in_space": nothing, **asked})


def clean(root: Path, **asked: Any) -> Cleaning:
    found = plan(root, **asked)
    found.carry_out()
    return found


def rows(root: Path) -> dict[int, tuple[str, Any]]:
    """Status and result of each setting, from the table as it is read after all."""
    table = parquet.read_table(compact(root).path, page_checksum_verification=True)
    return {row["a"]: (row["status"], row.get("x")) for row in table.to_pylist()}


def rebuilt(root: Path) -> dict[int, tuple[str, Any]]:
    """The same from the ledgers alone."""
    compact(root, rebuild=True)
    return rows(root)


def names(root: Path) -> list[str]:
    return [one.name for one in run_folders(root)]


def old(path: Path) -> Path:
    """A path that was last changed a day ago."""
    os.utime(path, (time.time() - 86400,) * 2, follow_symlinks=False)
    return path


class TestRuns:
    def test_a_run_of_which_nothing_counts_goes(self, tmp_path: Path) -> None:
        first = run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 1})])
        second = run(tmp_path, [done(0, {"x": 2})])
        third = run(tmp_path, [done(1, {"x": 3})])
        before = rows(tmp_path)
        found = plan(tmp_path)
        assert [one.name for one in found.runs] == [first.name]
        assert found.size == size_of(first.path) > 0
        assert names(tmp_path) == [first.name, second.name, third.name]  # not removed yet
        found.carry_out()
        assert names(tmp_path) == [second.name, third.name]
        assert rows(tmp_path) == before == {0: ("done", 2), 1: ("done", 3)}
        assert rebuilt(tmp_path) == before
        assert plan(tmp_path).is_empty

    def test_a_run_stays_for_one_outcome_that_counts(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), done(1)])
        run(tmp_path, [failed(0)])
        assert plan(tmp_path).is_empty

    def test_a_table_that_is_behind_is_brought_up_to_date_first(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0, {"x": 1})])
        compact(tmp_path)
        run(tmp_path, [done(0, {"x": 2})])
        clean(tmp_path)
        assert rows(tmp_path) == {0: ("done", 2)}

    def test_a_table_that_is_damaged_is_made_anew_first(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0, {"x": 1})])
        run(tmp_path, [done(0, {"x": 2}), done(1, {"x": 2})])
        compact(tmp_path)
        data = bytearray((tmp_path / "results.parquet").read_bytes())
        data[len(data) // 2] ^= 255
        (tmp_path / "results.parquet").write_bytes(data)
        with pytest.warns(UserWarning, match="damaged"):
            found = plan(tmp_path)
        found.carry_out()
        assert rows(tmp_path) == rebuilt(tmp_path) == {0: ("done", 2), 1: ("done", 2)}

    def test_one_that_crashed_before_it_recorded_anything(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0)])
        crashed = begun(tmp_path, [])
        crashed.update(process={})
        assert [one.name for one in clean(tmp_path).runs] == [crashed.name]

    def test_one_that_may_be_about_to_begin_stays(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0)])
        new = tmp_path / "runs" / "20990101T000000000000Z-abcdef"
        new.mkdir()
        assert plan(tmp_path).is_empty
        old(new)
        assert [one.path for one in plan(tmp_path).runs] == [new]

    def test_a_run_whose_manifest_is_lost_stays_for_its_outcomes(self, tmp_path: Path) -> None:
        folder = run(tmp_path, [done(0)])
        (folder.path / "run.json").write_text("{")
        old(folder.path)
        for asked in ({}, {"stale": True}):  # by which code they are is not known
            assert plan(tmp_path, **asked).is_empty

    def test_no_results(self, tmp_path: Path) -> None:
        assert plan(tmp_path / "none").is_empty
        assert clean(tmp_path).is_empty


class TestOutcomes:
    def test_those_by_other_code(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0, {"x": 0}), done(1, {"x": 1})], code="c1")
        stale = run(tmp_path, [done(1, {"x": 2}), done(2, {"x": 2})], code="c2")
        accepted = run(tmp_path, [done(3, {"x": 3})], code="c3")
        found = clean(tmp_path, codes=["c1", "c3"], stale=True)
        assert (found.outcomes, found.uncovered) == (2, 1)
        assert [one.name for one in found.runs] == [stale.name]
        left = {0: ("done", 0), 1: ("done", 1), 3: ("done", 3)}
        assert rows(tmp_path) == rebuilt(tmp_path) == left
        assert accepted.name in names(tmp_path)

    def test_what_is_not_done(self, tmp_path: Path) -> None:
        first = run(tmp_path, [done(0, {"x": 0}), failed(1), failed(2, "killed")])
        run(tmp_path, [failed(0, "timeout"), done(1, {"x": 1})])
        all_failed = run(tmp_path, [failed(3), failed(4)])
        found = clean(tmp_path, failed=True)
        assert (found.outcomes, found.uncovered) == (4, 1)
        assert [one.name for one in found.runs] == [all_failed.name]
        assert first.name in names(tmp_path)
        left = {0: ("done", 0), 1: ("done", 1)}
        assert rows(tmp_path) == rebuilt(tmp_path) == left
        assert keys_of(read_index(tmp_path), *STATUSES[1:]) == set()
        assert plan(tmp_path, failed=True).is_empty

    def test_both_at_once(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), failed(1)], code="c1")
        run(tmp_path, [failed(0), done(1)], code="c2")
        clean(tmp_path, failed=True, stale=True)
        assert rows(tmp_path) == rebuilt(tmp_path) == {0: ("done", None)}

    def test_rows_of_runs_whose_folder_is_gone(self, tmp_path: Path) -> None:
        gone = run(tmp_path, [done(0, {"x": 1}), failed(1)], code="c1")
        stale = run(tmp_path, [done(2, {"x": 1})], code="c2")
        run(tmp_path, [done(3, {"x": 3})], code="c1")
        compact(tmp_path)
        for one in (gone, stale):
            shutil.rmtree(one.path)
        clean(tmp_path)
        assert rows(tmp_path).keys() == {0, 1, 2, 3}
        found = clean(tmp_path, stale=True, failed=True)
        assert found.outcomes == 2
        assert rows(tmp_path).keys() == {0, 3}

    def test_resuming_knows_what_went(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), done(1)], code="c1")
        run(tmp_path, [done(1), done(2)], code="c2")
        clean(tmp_path, stale=True)
        index = read_index(tmp_path)
        assert keys_of(index, "done", by=["c1"]) == keys_of(index, "done") == {key(0), key(1)}
        run(tmp_path, [done(2)], code="c1")
        assert keys_of(read_index(tmp_path), "done", by=["c1"]) == {key(0), key(1), key(2)}


class TestSettings:
    def folder(self, root: Path, number: int) -> Path:
        path = root / "settings" / key(number)
        path.mkdir(parents=True)
        (path / "model").write_bytes(b"x" * 1000)
        return path

    def test_only_those_that_are_neither_recorded_nor_of_the_space(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), failed(1)])
        folders = [self.folder(tmp_path, number) for number in range(4)]
        (tmp_path / "settings" / "notes").mkdir()  # not ours
        found = clean(tmp_path, in_space=lambda keys: {key(2)} & set(keys))
        assert found.settings == [folders[3]]
        assert found.size >= 1000
        assert sorted(path.name for path in (tmp_path / "settings").iterdir()) == [
            *(key(number) for number in range(3)),
            "notes",
        ]

    def test_those_of_outcomes_that_go_even_when_the_space_has_them(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), failed(1)])
        folders = [self.folder(tmp_path, number) for number in range(3)]
        clean(tmp_path, failed=True, in_space=set)
        assert [path.exists() for path in folders] == [True, False, True]

    def test_all_stay_while_a_run_goes_on(self, tmp_path: Path) -> None:
        begun(tmp_path, [done(0)])
        self.folder(tmp_path, 5)
        found = plan(tmp_path)
        assert found.is_empty
        assert found.kept == ["folders of settings: a run is going on"]


class TestRunning:
    def test_a_run_that_goes_on_stays(self, tmp_path: Path) -> None:
        begun(tmp_path, [done(0)])
        run(tmp_path, [done(0)])  # which supersedes all of it
        found = clean(tmp_path)
        assert found.runs == []
        assert len(names(tmp_path)) == 2
        assert "it is running" in found.kept[0]

    def test_once_its_process_is_gone_it_goes(self, tmp_path: Path) -> None:
        going = begun(tmp_path, [done(0)])
        process = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
        )
        going.update(process={**going.manifest()["process"], "pid": int(process.stdout)})
        run(tmp_path, [done(0)])
        clean(tmp_path)
        assert going.name not in names(tmp_path)

    @pytest.mark.parametrize("asked", [{"stale": True}, {"failed": True}, {"whole": True}])
    def test_outcomes_do_not_go_under_it(self, tmp_path: Path, asked: dict[str, bool]) -> None:
        going = begun(tmp_path, [failed(0)], code="other")
        with pytest.raises(StoreError, match=rf"{going.name} is going on \(process {os.getpid()}"):
            plan(tmp_path, **asked)

    @pytest.mark.parametrize("asked", [{}, {"stale": True}, {"whole": True}])
    def test_a_run_that_began_meanwhile(self, tmp_path: Path, asked: dict[str, bool]) -> None:
        run(tmp_path, [done(0)], code="c2")
        run(tmp_path, [done(0)], code="c2")
        found = plan(tmp_path, **asked)
        new = begun(tmp_path, [done(1)])
        with pytest.raises(StoreError, match=r"is going on|other runs by now"):
            found.carry_out()
        new.finish()
        with pytest.raises(StoreError, match="there are other runs by now; nothing was removed"):
            found.carry_out()
        assert len(names(tmp_path)) == 3


class TestLinks:
    def test_the_folder_itself(self, tmp_path: Path) -> None:
        real = tmp_path / "real"
        run(real, [done(0)])
        (tmp_path / "link").symlink_to(real)
        for asked in ({}, {"whole": True}):
            with pytest.raises(StoreError, match="is a link"):
                plan(tmp_path / "link", **asked)

    def test_nothing_behind_a_link_is_touched(self, tmp_path: Path) -> None:
        root, outside = tmp_path / "x", tmp_path / "outside"
        first = run(root, [done(0)])
        run(root, [done(0)])
        elsewhere = run(tmp_path / "y", [done(0)])
        (root / "runs" / "20200101T000000000000Z-abcdef").symlink_to(elsewhere.path)
        (outside / key(7)).mkdir(parents=True)
        (outside / "precious").write_text("x")
        (root / "settings").symlink_to(outside)
        (first.logs / "outside").symlink_to(outside)
        (first.logs / "0.log").symlink_to(outside / "precious")
        (root / ".results.parquet.1-ab.part").symlink_to(outside / "precious")
        found = clean(root)
        assert [one.name for one in found.runs] == [first.name]
        assert (found.settings, found.left_over) == ([], [])
        assert found.kept == [
            "runs/20200101T000000000000Z-abcdef: it is a link",
            "settings: it is a link",
        ]
        assert (outside / "precious").read_text() == "x"
        assert (outside / key(7)).is_dir()
        assert elsewhere.path.is_dir()

    def test_all_of_a_folder_with_links_in_it(self, tmp_path: Path) -> None:
        root, outside = tmp_path / "x", tmp_path / "outside"
        run(root, [done(0)])
        outside.mkdir()
        (outside / "precious").write_text("x")
        (root / "runs" / "link").symlink_to(outside)
        found = clean(root, whole=True)
        assert found.size > 0
        assert list(tmp_path.iterdir()) == [outside]
        assert (outside / "precious").read_text() == "x"

    def test_a_size_counts_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "file").write_bytes(b"x" * 100)
        (tmp_path / "loop").symlink_to(tmp_path)
        link = (tmp_path / "loop").lstat().st_size
        assert size_of(tmp_path) == 100 + link
        assert size_of(tmp_path / "none") == 0


def test_what_killed_processes_left(tmp_path: Path) -> None:
    folder = run(tmp_path, [done(0)])
    compact(tmp_path)  # which would remove some of it
    goes = [tmp_path / ".results.parquet.77-abcdef.part", folder.path / ".run.json.77-abcdef.part"]
    for path in (*goes, tmp_path / ".results.parquet.78-abcdef.part"):
        path.write_bytes(b"half")
    for path in goes:
        old(path)
    away = tmp_path / ".removed-0123abcd"
    (away / "0").mkdir(parents=True)
    assert set(clean(tmp_path).left_over) == {*goes, away}
    assert [path.exists() for path in (*goes, away)] == [False] * 3
    assert (tmp_path / ".results.parquet.78-abcdef.part").exists()


def test_all_of_an_experiment_and_nothing_of_others(tmp_path: Path) -> None:
    run(tmp_path / "x", [done(0)])
    run(tmp_path / "y", [done(0)])
    clean(tmp_path / "x", whole=True)
    assert [path.name for path in tmp_path.iterdir()] == ["y"]
    assert len(read_index(tmp_path / "y")) == 1


def test_what_cannot_be_removed_stays_as_a_whole(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0)], code="c2")
    run(tmp_path, [done(1)])
    found = plan(tmp_path, stale=True)
    # A folder in the place of the table cannot be written over.
    (tmp_path / "results.parquet").unlink()
    (tmp_path / "results.parquet").mkdir()
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(StoreError):
        found.carry_out()
    (tmp_path / "results.parquet").rmdir()
    assert first.name in names(tmp_path)
    assert rows(tmp_path).keys() == {0, 1}
    assert not list(tmp_path.glob(".removed-*"))


# ---- killed at any moment

PROGRAM = """
import sys
from pathlib import Path
from superparams.store.cleanup import plan_cleaning
root = Path(sys.argv[1])
plan_cleaning(root, codes=["c1"], in_space=lambda keys: set(), stale=True, failed=True).carry_out()
"""
STRACE = shutil.which("strace")


def killed_at(root: Path, call: str, place: int) -> bool:
    """Whether cleaning was killed at the n-th such call."""
    command = [str(STRACE), "-f", "-qq", "-o", os.devnull]
    command += ["-e", f"inject={call}:signal=KILL:when={place}", sys.executable, "-c", PROGRAM]
    ended = subprocess.run([*command, str(root)], capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.returncode == -9


def is_killed_and_done_again(root: Path, call: str, place: int) -> bool:
    """Whether there was an n-th such call; whatever it left is right, and can be gone on with."""
    run(root, [done(0, {"x": 1}), failed(1)], code="c1")
    run(root, [done(0, {"x": 2}), done(2, {"x": 2})], code="c2")
    run(root, [done(3, {"x": 3}), failed(0)], code="c1")
    compact(root)
    was_killed = killed_at(root, call, place)
    assert rows(root).keys() >= {3}
    assert rebuilt(root).items() >= {3: ("done", 3)}.items()
    clean(root, stale=True, failed=True)
    assert rows(root) == rebuilt(root) == {0: ("done", 1), 3: ("done", 3)}
    assert not list(root.glob(".removed-*"))
    return was_killed


needs_strace = pytest.mark.skipif(STRACE is None, reason="no strace here")


@needs_strace
def test_killed_at_some_renames(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        made = pool.map(
            lambda n: is_killed_and_done_again(tmp_path / f"{n}", "rename", n), (2, 3, 4)
        )
        assert all(made)


@needs_strace
@pytest.mark.thorough
@pytest.mark.skipif("SUPERPARAMS_SLOW" not in os.environ, reason="set SUPERPARAMS_SLOW")
@pytest.mark.parametrize("call", ["rename", "fsync", "unlink", "write"])
def test_killed_at_every_call(tmp_path: Path, call: str) -> None:
    place = 1
    while is_killed_and_done_again(tmp_path / f"{place}", call, place):
        place += 1
    assert place > 3
