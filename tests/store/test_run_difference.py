"""What differs between two runs: settings, results, code, packages and machine."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams.store.ledger.writer import MAX_STREAMS
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import find_run
from superparams.store.staleness.run_difference import (
    LARGEST,
    OutcomeComparison,
    compare,
    difference,
)
from tests.recording import done, failed, key, run


def two(root: Path, old: Sequence[Any], new: Sequence[Any]) -> OutcomeComparison:
    return compare(run(root, old), run(root, new))


def column(found: OutcomeComparison, name: str) -> Any:
    return next(one for one in found.columns if one.name == name)


class TestResults:
    def test_the_same(self, tmp_path: Path) -> None:
        outcomes = [done(0, {"x": 1, "y": math.nan}), failed(1), done(2)]
        found = two(tmp_path, outcomes, outcomes[::-1])
        assert found == OutcomeComparison(3, 0, 0, 0, 0, {}, [])

    def test_settings_that_are_in_one_alone(self, tmp_path: Path) -> None:
        found = two(tmp_path, [done(0), done(1), done(2)], [done(2), done(3)])
        assert (found.both, found.before, found.after, found.different) == (1, 2, 1, 0)
        found = two(tmp_path / "none", [done(0)], [done(1)])
        assert (found.both, found.before, found.after) == (0, 1, 1)
        assert two(tmp_path / "empty", [], [done(1)]).after == 1

    def test_the_largest_differences_come_first(self, tmp_path: Path) -> None:
        old = [done(n, {"x": float(n), "same": n}) for n in range(10)]
        new = [done(n, {"x": float(n) - n**2, "same": n}) for n in range(10)]
        found = two(tmp_path, old, new)
        assert (found.different, [one.name for one in found.columns]) == (9, ["x"])
        made = column(found, "x")
        assert (made.settings, len(made.largest)) == (9, LARGEST)
        first = made.largest[0]
        assert (first.key, first.params, first.before, first.after) == (
            key(9),
            {"a": 9},
            9.0,
            -72.0,
        )

    def test_from_one_status_to_another(self, tmp_path: Path) -> None:
        old = [done(0, {"x": 1}), done(1, {"x": 1}), failed(2)]
        found = two(tmp_path, old, [failed(0), failed(1, "killed"), done(2, {"x": 1})])
        assert found.status == {("done", "failed"): 1, ("done", "killed"): 1, ("failed", "done"): 1}
        assert (found.different, column(found, "x").settings) == (3, 3)

    def test_types_that_drifted(self, tmp_path: Path) -> None:
        old = [done(0, {"x": 1, "big": 2**53 + 1}), done(1, {"x": 2, "big": 1})]
        new = [done(0, {"x": 1.0, "big": 0.5}), done(1, {"x": "two", "big": 1.0})]
        found = two(tmp_path, old, new)
        assert column(found, "x").settings == 2  # as text they are not the same
        assert column(found, "big").settings == 2

    def test_an_integer_and_the_float_of_it_are_the_same(self, tmp_path: Path) -> None:
        assert two(tmp_path, [done(0, {"x": 1})], [done(0, {"x": 1.0})]).different == 0

    def test_a_result_that_is_new(self, tmp_path: Path) -> None:
        found = two(tmp_path, [done(0, {"x": 1})], [done(0, {"x": 1, "y": "a"})])
        (pair,) = column(found, "y").largest
        assert (pair.before, pair.after) == (None, "a")

    @pytest.mark.parametrize(
        ("old", "new", "differs"),
        [
            ([1, 2], [1, 2], False),
            ([1, 2], [1, 3], True),
            ({"a": {"b": 1}}, {"a": {"b": 2}}, True),
            (b"a", b"a", False),
            (None, None, False),
            (True, False, True),
            ([{"u": 1.0}], [{"u": math.nan}], True),
            ([math.nan], [math.nan], False),
        ],
    )
    def test_values_of_all_kinds(self, tmp_path: Path, old: Any, new: Any, differs: bool) -> None:
        found = two(tmp_path, [done(0, {"x": old})], [done(0, {"x": new})])
        assert found.different == differs

    def test_frames_of_many_rows(self, tmp_path: Path) -> None:
        old = [done(0, pa.table({"x": [1, 2, 3]})), done(1, pa.table({"x": [1]}))]
        new = [done(0, pa.table({"x": [1, 2, 4]})), done(1, pa.table({"x": [1, 2]}))]
        found = two(tmp_path, old, new)
        assert (found.both, found.different) == (2, 2)
        assert column(found, "x").settings == 1

    def test_rows_of_too_many_shapes(self, tmp_path: Path) -> None:
        many = [done(n, {f"x{n}": n}) for n in range(MAX_STREAMS + 9)]
        changed = [*many[:-1], done(len(many) - 1, {f"x{len(many) - 1}": "other"})]
        assert two(tmp_path, many, many).different == 0
        assert two(tmp_path / "b", many, changed).different == 1


class TestRuns:
    def made(self, root: Path, code: str, parts: dict[str, str], **manifest: Any) -> RunFolder:
        digests = {name: str(hash(text)) for name, text in parts.items()}
        folder = run(root, [done(0)], code=code, parts=digests, **manifest)
        (folder.source / "parts.json").write_text(json.dumps(parts))
        return folder

    def test_space_code_packages_and_machine(self, tmp_path: Path) -> None:
        self.made(
            tmp_path,
            "c1",
            {"m.f": "def f():\n    return 1", "m.g": "g"},
            space="Search 1 dimension\na: [1]\nb: [2]",
            versions={"numpy": "1", "gone": "2", "same": "3"},
            git={"commit": "a" * 40, "is_dirty": False},
            host="one",
            python="3.10",
        )
        self.made(
            tmp_path,
            "c2",
            {"m.f": "def f():\n    return 2", "m.h": "h"},
            space="Search 1 dimension\na: [1, 2]\nb: [2]",
            versions={"numpy": "2", "new": "1", "same": "3"},
            git={"commit": "a" * 40, "is_dirty": True},
            host="two",
            python="3.10",
        )
        before, after = (find_run(tmp_path, one) for one in ("last~1", "last"))
        found = difference(before, after)
        assert [line for line in found.space if line[0] in "-+"][2:] == ["-a: [1]", "+a: [1, 2]"]
        assert list(map(str, found.code)) == ["changed m.f", "removed m.g", "added m.h"]
        assert f"--- m.f ({before.name})\n+++ m.f ({after.name})" in found.code[0].diff
        assert "-    return 1\n+    return 2" in found.code[0].diff
        assert found.packages == {"numpy": ("1", "2"), "gone": ("2", None), "new": (None, "1")}
        assert found.surroundings == {
            "commit": ("a" * 40, "a" * 40 + " with changes"),
            "host": ("one", "two"),
        }
        assert found.results.both == 1

    def test_the_same_run(self, tmp_path: Path) -> None:
        self.made(tmp_path, "c1", {"m.f": "1"}, space="x", host="here")
        same = find_run(tmp_path, "last")
        found = difference(same, same)
        nothing = (found.space, found.code, found.packages, found.surroundings)
        assert nothing == ([], [], {}, {})
