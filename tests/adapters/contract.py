"""What every adapter has to do, as tests to subclass: compare, copy, digest, to Arrow, share.

A test module has `SAMPLES`, and a subclass of `AdapterContract` with these samples. The run of
`test_a_run_shares_it` imports the module by the name that `samples_of` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from superparams.adapters.content import fresh, hash_of, holds_mutable, same
from superparams.adapters.copies import own_of
from superparams.adapters.libraries import adapter_of
from superparams.executor.payload import pack
from superparams.identity.digests.digest import digest
from superparams.outcomes.arrow import Cell, cell, make_array, python_values
from superparams.outcomes.arrow.frame_tables import copied_table
from superparams.outcomes.result_copies import Frozen, Refused, frozen
from tests.runs import output

REFUSED = object()
"""The cell of a value that a table cannot hold."""


@dataclass(frozen=True)
class Sample:
    """A value of a library.

    Attributes:
        make: Makes the value; each call makes one of equal content.
        other: Makes a value of the same class with other content.
        cell: What a table holds for it, as Python reads it; `REFUSED` if it cannot hold it.
        write: ``write(value, i)`` writes ``i`` into the value in place, or raises as a read-only
            value does. None if its class offers no way.
        also: Make values of the same content that lie otherwise in memory.
    """

    make: Callable[[], Any]
    other: Callable[[], Any]
    cell: Any
    write: Callable[[Any, int], object] | None = None
    also: Sequence[Callable[[], Any]] = ()


def read_back(made: Cell) -> Any:
    """What a table with this cell holds, as Python reads it."""
    (found,) = python_values(make_array([made.value], made.type))
    if made.kind == "json":
        return list(map(json.loads, found)) if isinstance(found, list) else json.loads(found)
    return found


def written(sample: Sample, value: Any, i: int) -> bool:
    """Whether a value could be written to."""
    if sample.write is None:
        return False
    try:
        sample.write(value, i)
    except (ValueError, TypeError, AttributeError, NotImplementedError):
        return False
    return True


def seen(sample: Sample, value: Any, i: int) -> list[bool]:
    """Whether a value that a setting gets is the sample, and whether it could be written to."""
    is_equal = same(value, sample.make()) and digest(value) == digest(sample.make())
    return [is_equal, written(sample, value, i)]


SCRIPT = """
import importlib, json, sys
sys.path[:0] = {folders}
from superparams import Experiment, search, value
from tests.adapters.contract import seen

SAMPLES = importlib.import_module({module!r}).SAMPLES

class Sharing(Experiment):
    i: int = search([1, 2])
    factories: object = value(
        factory=lambda: {{n: one.make() for n, one in SAMPLES.items()}}, key="v1"
    )
    given: object = value([one.make() for one in SAMPLES.values()])

    def run(self):
        pairs = zip(self.given, SAMPLES.items())
        return {{"seen": json.dumps(
            {{n: [seen(one, self.factories[n], self.i), seen(one, x, self.i)]
             for x, (n, one) in pairs}}
        )}}

if __name__ == "__main__":
    for engine in ("processes", "serial"):
        table = Sharing().run_all(1, engine=engine, results=f"results-{{engine}}", progress=False)
        print(json.dumps([[row["error"], row.get("seen")] for row in table]))
"""


class AdapterContract:
    """The promises that all adapters keep. A subclass has the samples of one library."""

    samples: ClassVar[Mapping[str, Sample]]
    samples_of: ClassVar[str]
    "The module that has the samples as `SAMPLES`."
    folder: ClassVar[str | None] = None
    "A folder to import from, for a library that is not installed."

    @pytest.fixture
    def sample(self, request: pytest.FixtureRequest) -> Sample:
        return self.samples[request.param]

    def test_its_library_is_known(self, sample: Sample) -> None:
        assert adapter_of(sample.make()) is not None

    def test_equal_contents_are_equal(self, sample: Sample) -> None:
        a, b = sample.make(), sample.make()
        assert same(a, a)
        assert same(a, b)
        assert same([a], [b])
        assert hash_of(a) == hash_of(b)
        for also in sample.also:
            assert same(also(), a)
            assert same(a, also())

    def test_other_content_is_told(self, sample: Sample) -> None:
        a, b = sample.make(), sample.other()
        assert type(a) is type(b)
        assert not same(a, b)
        assert not same(b, a)
        assert not same({"a": [a]}, {"a": [b]})
        for x in (0, "text", None, [a], (a,), object()):
            assert not same(a, x)
            assert not same(x, a)

    def test_digests_follow_the_content(self, sample: Sample) -> None:
        a = digest(sample.make())
        assert a == digest(sample.make())
        assert a != digest(sample.other())
        assert [digest(also()) for also in sample.also] == [a] * len(sample.also)

    @pytest.mark.parametrize("copy", [fresh, own_of, lambda x: own_of([x])[0]])
    def test_a_copy_is_equal_and_independent(
        self, sample: Sample, copy: Callable[[Any], Any]
    ) -> None:
        value = sample.make()
        copied = copy(value)
        assert type(copied) is type(value)
        assert same(copied, value)
        if not holds_mutable(value):
            assert copied is value
        for i in (1, 2):
            written(sample, copied, i)
        assert same(value, sample.make())
        assert digest(value) == digest(sample.make())

    def test_what_cannot_change_is_not_copied(self, sample: Sample) -> None:
        value = sample.make()
        if not holds_mutable(value):
            assert not written(sample, value, 1)
            assert fresh(value) is own_of(value) is value

    def test_to_arrow_and_back(self, sample: Sample) -> None:
        if sample.cell is REFUSED:
            with pytest.raises(TypeError, match="a table cannot hold"):
                cell(sample.make())
            return
        assert same(read_back(cell(sample.make())), sample.cell)

    def test_a_result_is_recorded_as_it_was(self, sample: Sample) -> None:
        value = sample.make()
        (recorded,) = frozen({"x": value}).values()
        for i in (1, 2):
            written(sample, value, i)
        if sample.cell is REFUSED:
            assert isinstance(recorded, Refused)
            return
        made = recorded.cell if isinstance(recorded, Frozen) else cell(recorded)
        assert same(read_back(made), sample.cell)

    def test_a_frame_is_a_table(self, sample: Sample) -> None:
        value = sample.make()
        if not hasattr(value, "__arrow_c_stream__") or not hasattr(value, "columns"):
            pytest.skip("run() returns frames alone")
        table = copied_table(value)
        assert isinstance(table, pa.Table)
        assert table.num_rows == len(value)
        assert table.num_columns >= value.shape[1]

    def test_it_is_packed_and_rebuilt(self, sample: Sample) -> None:
        with pack({"x": sample.make()}, threshold=1) as payload, payload.attach() as attached:
            first, second = attached.load()["x"], attached.load()["x"]
            assert same(first, sample.make())
            assert digest(first) == digest(sample.make())
            assert same(second, sample.make())

    @pytest.mark.usefixtures("no_leaks")
    def test_a_run_shares_it(self, tmp_path: Path) -> None:
        """In workers and in this process: each setting sees the samples as they were made."""
        folders = [self.folder] if self.folder else []
        found = output(tmp_path, SCRIPT.format(module=self.samples_of, folders=folders))
        engines = [json.loads(line) for line in found.splitlines()]
        assert len(engines) == 2
        for rows in engines:
            assert [error for error, _ in rows] == [None, None]
            for _, text in rows:
                looks = json.loads(text)
                assert looks.keys() == self.samples.keys()
                wrong = {name for name, looked in looks.items() if not looked[0][0] & looked[1][0]}
                assert wrong == set()


def pytest_generate(metafunc: pytest.Metafunc) -> None:
    """Give each test of a contract the samples of its class, by name."""
    if "sample" in metafunc.fixturenames and metafunc.cls is not None:
        metafunc.parametrize("sample", sorted(metafunc.cls.samples), indirect=True)
