"""Disks that fill, calls that fail, bits that flip, kills at any moment: rows 25 to 31 and 35."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.reader import LedgerWarning, ledger_files, read
from superparams.store.ledger.writer import Ledger
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.staleness.acceptances import accept, equivalent, withdraw
from superparams.store.table.index import read_index
from superparams.store.table.merge import DAMAGED, compact
from tests.recording import keys_of
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import os, sys
from contextlib import suppress
from pathlib import Path
from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import RunFolder
from superparams.store.table.merge import compact
root = Path(sys.argv[1])
def one(number, size=1):
    return encode([Outcome(number, f"{number:032x}", "done", {"a": number}, {"x": "x" * size})])
def say(*words):
    os.write(1, " ".join(map(str, words)).encode() + b"\\n")
"""


def key(number: int) -> str:
    return f"{number:032x}"


def done(number: int, x: Any = 1.5) -> Outcome:
    return Outcome(number, key(number), "done", {"a": number}, {"x": x})


def record(root: Path, *batches: list[Outcome], code: str = "c1") -> RunFolder:
    folder = RunFolder.create(root, {"code": code})
    with Ledger(folder.ledger) as ledger:
        for batch in batches:
            ledger.append(encode(batch))
    folder.finish()
    return folder


def program(tmp_path: Path, body: str) -> list[str]:
    """A command that runs this program, which gets the folder of an experiment."""
    path = tmp_path / "program.py"
    if not path.exists():
        path.write_text(HEAD + textwrap.dedent(body))
    return [sys.executable, "-B", str(path)]


def started(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def indices(root: Path) -> list[int]:
    return sorted(Results.load(root).to_arrow().column("index").to_pylist())


# ---- 25: the disk is full


SMALL = ["unshare", "-rm", "sh", "-c"]
needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(
        [*SMALL, "mount -t tmpfs x /mnt"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="no mount namespaces here",
)


@needs_namespaces
def test_a_full_disk(tmp_path: Path) -> None:
    words = program(
        tmp_path,
        """
        run = RunFolder.create(root, {"code": "c1"})
        ledger, n = Ledger(run.ledger), 0
        try:
            while n < 100:
                ledger.append(one(n, 20_000))
                n += 1
        except StoreError as error:
            say(n, error)
        ledger.close()
        with suppress(OSError), open(root / "rest", "wb", buffering=0) as rest:
            while True:  # a table of few rows would fit into what is left
                rest.write(bytes(512))
        try:
            compact(root)
        except StoreError as error:
            say(error)
        (root / "rest").unlink()
        say(sorted(path.name for path in root.iterdir()))
        os.system(f"mount -o remount,size=16m {root}")
        say(compact(root).rows)
        with Ledger(RunFolder.create(root, {"code": "c1"}).ledger) as ledger:
            ledger.append(one(n, 20_000))
        say(compact(root).rows)
        """,
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=1m x {disk} && exec {' '.join(words)} {disk}"
    ended = started([*SMALL, script])
    assert ended.returncode == 0, ended.stderr
    recorded, *rest = ended.stdout.splitlines()
    n, _, message = recorded.partition(" ")
    assert 10 < int(n) < 100
    assert f"{disk}/runs/" in message
    assert "bytes" in message
    assert "No space left" in message
    assert f"cannot write {disk}/results.parquet" in rest[0]
    assert rest[1:] == ["['runs']", n, str(int(n) + 1)]


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    words = program(
        tmp_path,
        """
        import resource
        run = RunFolder.create(root, {"code": "c1"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))
        ledger = Ledger(run.ledger)
        for n in range(10):
            try:
                ledger.append(one(n, 20_000))
            except StoreError as error:
                say(n, error)
        ledger.append(one(10, 5))
        ledger.close()
        """,
    )
    ended = started([*words, str(tmp_path / "x")])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0].startswith("2 cannot append")
    compact(tmp_path / "x")
    assert indices(tmp_path / "x") == [0, 1, 10]


# ---- 26: fsync or rename fails


STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="no strace here")
RUN = """
    run = RunFolder.create(root, {"code": "c2"})
    say("made")
    with Ledger(run.ledger, sync_seconds=0.01) as ledger:
        for n in range(1, 4):
            ledger.append(one(n))
            say("recorded", n)
    say("closed")
    run.finish()
    compact(root)
    say("compacted")
"""


def injected(tmp_path: Path, root: Path, what: str) -> subprocess.CompletedProcess[str]:
    """The program RUN, with something injected into its system calls."""
    words = [str(STRACE), "-f", "-qq", "-o", os.devnull, "-e", f"inject={what}"]
    return started([*words, *program(tmp_path, RUN), str(root)])


def lines_of(ended: subprocess.CompletedProcess[str]) -> list[str]:
    return ended.stdout.splitlines()


@needs_strace
@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("when", ["1+", "3"])
def test_a_call_that_fails_is_an_error(tmp_path: Path, call: str, when: str) -> None:
    root = tmp_path / "x"
    record(root, [done(0)])
    compact(root)
    ended = injected(tmp_path, root, f"{call}:error=EIO:when={when}")
    if when == "1+":
        assert "StoreError" in ended.stderr
        assert "Input/output error" in ended.stderr
        assert "compacted" not in lines_of(ended)
    assert_old_or_new(root, ended)


def assert_old_or_new(root: Path, ended: subprocess.CompletedProcess[str]) -> None:
    """Nothing recorded is lost, and the table is one that was whole at some time."""
    recorded = {int(line.split()[1]) for line in lines_of(ended) if line.startswith("recorded")}
    table = parquet.read_table(root / "results.parquet", page_checksum_verification=True)
    assert set(table.column("index").to_pylist()) in ({0}, {0, 1, 2, 3})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        compact(root)
    assert recorded | {0} <= set(indices(root)) <= {0, 1, 2, 3}
    assert keys_of(read_index(root), "done", by=["c2"]) >= {key(n) for n in recorded}
    for run in run_folders(root):
        if (run.path / "run.json").exists():
            json.loads((run.path / "run.json").read_bytes())
    record(root, [done(9)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        compact(root)
    assert 9 in indices(root)


# ---- 27: killed at every n-th write, fsync and rename


def killed_at(tmp_path: Path, call: str, places: Iterable[int]) -> list[bool]:
    """Whether there was such a call at each of these places; then the program was killed at it."""

    def killed(n: int) -> subprocess.CompletedProcess[str]:
        root = tmp_path / f"{call}-{n}"
        record(root, [done(0)])
        compact(root)
        return injected(tmp_path, root, f"{call}:signal=KILL:when={n}")

    places = list(places)
    program(tmp_path, RUN)
    with ThreadPoolExecutor(len(places)) as pool:
        ended = list(pool.map(killed, places))
    for n, one in zip(places, ended, strict=True):
        assert one.returncode in (0, -9), one.stderr
        assert_old_or_new(tmp_path / f"{call}-{n}", one)
    return [one.returncode == -9 for one in ended]


@needs_strace
@pytest.mark.parametrize(
    ("call", "places"), [("write", (1, 4, 9, 12)), ("fsync", (1, 4)), ("rename", (1, 2, 3))]
)
def test_killed_at_some_calls(tmp_path: Path, call: str, places: tuple[int, ...]) -> None:
    assert killed_at(tmp_path, call, places)[0]


@needs_strace
@pytest.mark.thorough
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_killed_at_every_call(tmp_path: Path, call: str) -> None:
    killed: list[bool] = []
    while all(killed):
        killed += killed_at(tmp_path, call, range(len(killed) + 1, len(killed) + 5))
    assert sum(killed) >= 3


# ---- 28: see tests/store/test_ledger.py for a tail torn at every byte


def test_garbage_after_the_end(tmp_path: Path) -> None:
    run = record(tmp_path, [done(0)], [done(1)])
    (path,) = ledger_files(run.ledger)
    with open(path, "ab") as file:
        file.write(b"\xff\xff\xff\xff\x10\0\0\0" + os.urandom(100))
    with pytest.warns(LedgerWarning, match=str(path)):
        compact(tmp_path)
    assert indices(tmp_path) == [0, 1]
    compact(tmp_path)  # told once
    assert indices(tmp_path) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff\xff\xff\xff" * 30, b"text" * 30])
def test_a_file_that_is_no_ledger(tmp_path: Path, content: bytes) -> None:
    run = record(tmp_path, [done(0)])
    (run.ledger / "7.arrows").write_bytes(content)
    if content:
        with pytest.warns(LedgerWarning, match=r"7\.arrows"):
            compact(tmp_path)
    compact(tmp_path)
    assert indices(tmp_path) == [0]


# ---- 29: bit flips


def flipped(data: bytes, place: int, bit: int) -> bytes:
    made = bytearray(data)
    made[place] ^= 1 << bit
    return bytes(made)


def test_a_flipped_bit_in_the_ledger_is_found(tmp_path: Path) -> None:
    run = record(tmp_path, [done(0)], [done(1), done(2)], [done(3)])
    (path,) = ledger_files(run.ledger)
    data = path.read_bytes()
    whole = rows_of(run.ledger)
    lot = random.Random(7)
    for place in {*range(16), *lot.sample(range(len(data) - 8), 300)}:
        path.write_bytes(flipped(data, place, lot.randrange(8)))
        with pytest.warns(LedgerWarning, match=str(path)):
            rows = rows_of(run.ledger)
        assert all(row in whole for row in rows)
        assert len(rows) >= 1 or place < 2000


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for batch in read(folder) for row in batch.to_pylist()]


def test_a_flipped_bit_in_the_table_is_found_and_mended(tmp_path: Path) -> None:
    record(tmp_path, [done(n, n / 7) for n in range(100)])
    path = compact(tmp_path).path
    data = path.read_bytes()
    whole = Results.load(tmp_path).to_arrow()
    lot = random.Random(7)
    n_found = 0
    for _ in range(200):
        path.write_bytes(flipped(data, lot.randrange(len(data)), lot.randrange(8)))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert Results.load(tmp_path).to_arrow().equals(whole)
            assert keys_of(read_index(tmp_path), "done", by=["c1"]) == {key(n) for n in range(100)}
        n_found += any(str(path) in str(one.message) for one in told)
        assert (tmp_path / DAMAGED).exists()
    assert n_found == 200


# ---- 30: two runs of one experiment at once


def test_two_runs_at_once(tmp_path: Path) -> None:
    words = program(
        tmp_path,
        """
        first = int(sys.argv[2])
        for at in range(12):
            run = RunFolder.create(root, {"code": "c1"})
            with Ledger(run.ledger) as ledger:
                for n in range(5):
                    ledger.append(one(first + 5 * at + n))
            run.finish()
            compact(root)
        """,
    )
    root = tmp_path / "x"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([*words, str(root), str(first)], env=environment, stderr=subprocess.PIPE)
        for first in (0, 1000)
    ]
    for process in both:
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, b"")
    assert indices(root) == [*range(60), *range(1000, 1060)]
    assert {path.name for path in root.iterdir()} == {"runs", "results.parquet"}


# ---- 35: a hostile results folder


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.open, (str(self.canary), os.O_CREAT | os.O_WRONLY)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    bomb = pickle.dumps(Bomb(canary))
    root = tmp_path / "x"
    run = record(root, [done(0)])
    hostile = record(root, [done(1)])
    (hostile.path / "run.json").write_bytes(bomb)
    (run.ledger / "5.arrows").write_bytes(bomb)
    (run.ledger / "6.arrows").write_bytes(extension_stream(bomb))
    (root / "accepted.jsonl").write_bytes(bomb)
    (root / "results.parquet").write_bytes(bomb)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        results = Results.load(root)
        assert sorted(row["index"] for row in results) == [0, 1]
        assert keys_of(read_index(root), "done") == {key(0), key(1)}
        for row in results:
            results.log(row["key"])
            results.provenance(row)
        repr(results)
    assert not canary.exists()


def extension_stream(bomb: bytes) -> bytes:
    """A stream with a type that older pyarrow made by unpickling its metadata."""
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": bomb}
    schema = pa.schema([pa.field("x", pa.int64(), metadata=metadata)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([1])], schema=schema))
    return bytes(sink.getvalue())


def test_a_table_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "x"
    record(root, [done(0)])
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "0.log").write_text("secret")
    loaded = Results.load(root)
    table = loaded.to_arrow()
    place = table.schema.get_field_index("run")
    table = table.set_column(place, "run", pa.array(["../.."]))
    with pytest.raises(StoreError, match="is not the name of a run"):
        Results(root, table).log(key(0))


# ---- all of it, against a model


class Machine(RuleBasedStateMachine):
    """Runs that record, crash, are torn and flipped, against a dict of the newest outcomes."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(os.environ["MACHINE"]) / os.urandom(8).hex()
        self.model: dict[int, tuple[str, str, Any]] = {}
        self.saved: dict[int, tuple[str, str, Any]] = {}
        self.code = "c1"
        self.accepted: set[tuple[str, str]] = set()
        self.ledger: Ledger | None = None
        self.run: RunFolder | None = None
        self.last: Path | None = None

    @rule(
        numbers=st.lists(st.integers(0, 9), min_size=1, max_size=3),
        value=st.sampled_from([1, 2.5, "x", None, [1]]),
        status=st.sampled_from(["done", "failed", "killed", "timeout"]),
    )
    def record(self, numbers: list[int], value: Any, status: Any) -> None:
        if self.ledger is None or self.run is None:
            self.run = RunFolder.create(self.root, {"code": self.code})
            self.ledger = Ledger(self.run.ledger)
        self.saved = dict(self.model)
        result = {"x": value} if status == "done" else None
        batch = [Outcome(n, key(n), status, {"a": n}, result) for n in numbers]
        before = {path: path.stat().st_size for path in ledger_files(self.run.ledger)}
        self.ledger.append(encode(batch))
        after = {path: path.stat().st_size for path in ledger_files(self.run.ledger)}
        (self.last,) = (path for path, size in after.items() if size != before.get(path))
        shown = value if status == "done" else None
        self.model |= dict.fromkeys(numbers, (status, self.code, shown))

    @rule()
    def finish(self) -> None:
        if self.ledger is not None and self.run is not None:
            self.ledger.close()
            self.run.finish()
        self.ledger = self.run = self.last = None

    @rule(cut=st.integers(1, 200))
    def crash(self, cut: int) -> None:
        """The driver is killed while it writes its last batch."""
        if self.ledger is None or self.run is None or self.last is None:
            return
        size = self.last.stat().st_size
        self.ledger.close()
        os.truncate(self.last, size - cut)
        self.run.update(process={**self.run.manifest()["process"], "started": "0"})
        self.model = self.saved
        self.ledger = self.run = self.last = None

    @rule()
    def edit_code(self) -> None:
        self.finish()
        self.code = f"c{int(self.code[1:]) + 1}"

    @rule(number=st.integers(1, 3), is_taken_back=st.booleans())
    def decide(self, number: int, is_taken_back: bool) -> None:
        """The user accepts earlier code for the code now, or takes that back."""
        pair = (f"c{number}", self.code)
        if self.root.exists() and pair[0] != pair[1]:
            (withdraw if is_taken_back else accept)(self.root, *pair)
            self.accepted = self.accepted - {pair} if is_taken_back else self.accepted | {pair}

    @rule(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def flip(self, place: float, bit: int) -> None:
        path = self.root / "results.parquet"
        if path.exists():
            data = path.read_bytes()
            path.write_bytes(flipped(data, int(place * len(data)), bit))

    @rule()
    def compact(self) -> None:
        if not self.root.exists():
            return
        compact(self.root)
        assert {row["index"]: row_of(row) for row in Results.load(self.root)} == {
            n: (status, code, None if x is None else str(x))
            for n, (status, code, x) in self.model.items()
        }

    @invariant()
    def planning_sees_what_is_done(self) -> None:
        index = read_index(self.root)
        codes = {self.code}
        while more := {old for old, new in self.accepted if new in codes} - codes:
            codes |= more
        done = {
            key(n)
            for n, (status, code, _) in self.model.items()
            if status == "done" and code in codes
        }
        assert keys_of(index, "done", by=equivalent(self.root, self.code)) == done
        assert len(index) == len(self.model)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.finish()


def row_of(row: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Status, code and value, whether it stands as itself or as JSON text."""
    x = row.get("x")
    if isinstance(x, str) and x != "x":
        x = json.loads(x)
    if isinstance(x, float) and x.is_integer():
        x = int(x)
    return row["status"], row["code"], None if x is None else str(x)


@pytest.mark.filterwarnings("ignore::superparams.store.ledger.reader.LedgerWarning")
def test_any_history_of_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE", str(tmp_path))
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=15, deadline=None)
    )
