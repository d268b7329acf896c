"""What an experiment's folder can do without, and the removal of it.

What a newest outcome needs stays: the folder of the run that made it, with ledger, logs and source.
What goes is first renamed, so that no half of it is ever taken for a run, and then removed. No link
is followed, and nothing outside the experiment's folder is touched.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.ledger.exclusions import ALL, Without
from superparams.store.ledger.forget import forget_failures
from superparams.store.runs.folder import LEFT_OVER_SECONDS, RunFolder, sync_folder
from superparams.store.runs.run_records import unseen
from superparams.store.table.index import Index, keys_of, read_index
from superparams.store.table.merge import NotWritten, compact

__all__ = ["Cleaning", "InSpace", "plan_cleaning"]

# Which of these keys belong to the space as it is declared.
InSpace = Callable[[Sequence[str]], set[str]]
_AWAY = ".removed-"
_KEY = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"\..+\.part")


@dataclass(frozen=True)
class Cleaning:
    """What is to be removed from an experiment's folder.

    Attributes:
        root: the experiment's folder.
        runs: runs whose folder goes.
        settings: folders of settings that go.
        left_over: what killed processes left.
        outcomes: how many settings lose the outcome that counts.
        uncovered: for how many of these an older outcome counts again.
        whole: whether all of the experiment's folder goes.
        size: bytes of all that.
        kept: what stays although one might think otherwise, and why.
        without: the outcomes that are taken out.
        known: the runs that there were when this was found.
    """

    root: Path
    runs: Sequence[RunFolder] = ()
    settings: Sequence[Path] = ()
    left_over: Sequence[Path] = ()
    outcomes: int = 0
    uncovered: int = 0
    whole: bool = False
    size: int = 0
    kept: Sequence[str] = ()
    without: Without = ALL
    known: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.whole or self.runs or self.settings or self.left_over or self.outcomes)

    def carry_out(self) -> None:
        """Remove it.

        Raises:
            StoreError: When a run began meanwhile, or something cannot be removed.
        """
        _refuse_links(self.root)
        if self.whole or self.without:
            _refuse_running(self.root)
        if self.known != _names(self.root):
            raise StoreError(f"{self.root}: there are other runs by now; nothing was removed")
        if self.whole:
            with _moved_away(self.root.parent, [self.root]):
                return
        runs = [run.path for run in self.runs]
        with _moved_away(self.root, [*runs, *self.settings, *self.left_over]):
            if self.without.failures:
                for run in _folders(self.root):
                    forget_failures(run)
            if self.without:
                compact(self.root, without=self.without)


def plan_cleaning(
    root: Path,
    *,
    codes: Sequence[str],
    in_space: InSpace,
    stale: bool = False,
    failed: bool = False,
    whole: bool = False,
) -> Cleaning:
    """Find what an experiment's folder can do without; nothing is removed yet.

    Args:
        root: the experiment's folder.
        codes: fingerprints of the code as it is, and of code accepted as equivalent.
        in_space: which keys belong to the space: what has begun there may have left checkpoints.
        stale: whether the outcomes by other code go.
        failed: whether the outcomes that are not done go.
        whole: whether everything goes.

    Raises:
        StoreError: When a run is going on that would be disturbed.
    """
    if not root.is_dir():
        return Cleaning(root)
    _refuse_links(root)
    if whole or stale or failed:
        _refuse_running(root)
    known = _names(root)
    if whole:
        return Cleaning(root, whole=True, size=size_of(root), known=known)
    with contextlib.suppress(NotWritten):  # to look at it all the same
        compact(root)
    before = read_index(root)
    without = Without(_other_code(before, codes) if stale else frozenset(), failed)
    after = read_index(root, without=without) if without else before
    gone = _counted_no_more(before, without)
    kept: list[str] = []
    runs = list(_unneeded(root, _needed(after), kept))
    settings = list(_unrecorded(root, before, after, in_space, kept))
    left_over = list(_left_over(root, {run.path for run in runs}))
    size = sum(map(size_of, [*(run.path for run in runs), *settings, *left_over]))
    uncovered = pc.is_in(before.keys.filter(gone), value_set=after.keys).true_count
    return Cleaning(
        root,
        runs,
        settings,
        left_over,
        outcomes=gone.true_count,
        uncovered=uncovered,
        size=size,
        kept=kept,
        without=without,
        known=known,
    )


def _other_code(index: Index, codes: Sequence[str]) -> frozenset[str]:
    """The runs by other code; one whose code is not known is not among them."""
    pairs = zip(index.runs, index.codes, strict=True)
    return frozenset(name for name, code in pairs if code is not None and code not in codes)


def _counted_no_more(index: Index, without: Without) -> pa.Array:
    """A mask of the settings whose newest outcome is taken out."""
    places = [at for at, name in enumerate(index.runs) if name in without.runs]
    mask = pc.is_in(index.run, value_set=plain_array(places, pa.int64()))
    if without.failures:
        mask = pc.or_(mask, pc.not_equal(index.status, plain_scalar(0, pa.int8())))
    return mask


def _needed(index: Index) -> set[str]:
    return {index.runs[place] for place in index.run.unique().to_pylist()}


# ---- what there is


def _unneeded(root: Path, needed: set[str], kept: list[str]) -> Iterator[RunFolder]:
    for run in _folders(root, kept):
        if run.name in needed:
            continue
        if run.state() == "running":
            kept.append(f"run {run.name}: {_going_on(run)}")
        elif run.manifest() or _is_old(run.path):  # one without may be about to begin
            yield run


def _folders(root: Path, kept: list[str] | None = None) -> Iterator[RunFolder]:
    """The run folders that are no links."""
    for path in _listed(root / "runs"):
        if _is_folder(path):
            yield RunFolder(path)
        elif path.is_symlink() and kept is not None:
            kept.append(f"runs/{path.name}: it is a link")


def _unrecorded(
    root: Path, before: Index, after: Index, in_space: InSpace, kept: list[str]
) -> Iterator[Path]:
    """Folders of settings of which nothing is recorded any more, and nothing is to come."""
    folder = root / "settings"
    paths = [path for path in _listed(folder) if _KEY.fullmatch(path.name) and _is_folder(path)]
    if folder.is_symlink() and next(folder.iterdir(), None):
        kept.append("settings: it is a link")
    names = [path.name for path in paths]
    there = _recorded(names, after)
    lost = [name for name in names if name not in there]
    if not lost:
        return
    if _running(root):
        kept.append("folders of settings: a run is going on")
        return
    # Of these, nothing was recorded yet: they may hold what the next run takes up from.
    begun = in_space([name for name in lost if name not in _recorded(lost, before)])
    yield from (path for path in paths if path.name in lost and path.name not in begun)


def _recorded(names: Sequence[str], index: Index) -> set[str]:
    mask = pc.is_in(keys_of(names), value_set=index.keys).to_pylist()
    return {name for name, is_there in zip(names, mask, strict=True) if is_there}


def _left_over(root: Path, go_anyway: set[Path]) -> Iterator[Path]:
    """Unfinished files, and what an earlier removal did not get to."""
    runs = (run.path for run in _folders(root) if run.path not in go_anyway)
    for folder in [root, *runs]:
        for path in _listed(folder):
            if path.is_symlink():
                continue
            is_unfinished = _UNFINISHED.fullmatch(path.name) and path.is_file() and _is_old(path)
            if is_unfinished or (folder == root and path.name.startswith(_AWAY)):
                yield path


def size_of(path: Path) -> int:
    """The bytes of all files in a folder, or of one file; links are not followed."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    return sum(map(size_of, _listed(path)))


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, by name; nothing where it is none, or a link."""
    if not _is_folder(folder):
        return []
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > LEFT_OVER_SECONDS
    return False


# ---- what must not be


def _running(root: Path) -> list[RunFolder]:
    return [run for run in _folders(root) if run.state() == "running"]


def _names(root: Path) -> frozenset[str]:
    return frozenset(run.name for run in _folders(root))


def _refuse_running(root: Path) -> None:
    for run in _running(root):
        process = run.manifest().get("process", {})
        if unseen(run) is not None:
            raise StoreError(f"{root}: run {run.name}: {_going_on(run)}")
        raise StoreError(
            f"{root}: run {run.name} is going on (process {process.get('pid')} on "
            f"{process.get('host')}): wait for it, or stop it, first"
        )


def _going_on(run: RunFolder) -> str:
    """Why a run is left alone."""
    where = unseen(run)
    if where is None:
        return "it is running"
    return f'{where}; if it has ended, write "state": "crashed" into its run.json'


def _refuse_links(root: Path) -> None:
    if root.is_symlink():
        raise StoreError(f"{root} is a link: nothing behind it is removed")


# ---- removal


@contextlib.contextmanager
def _moved_away(folder: Path, paths: Sequence[Path]) -> Generator[None]:
    """Take paths out of the way, with one rename each, and remove them at the end.

    Should what is done meanwhile fail, they are put back.
    """
    away = folder / f"{_AWAY}{secrets.token_hex(4)}"
    moved: list[tuple[Path, Path]] = []
    try:
        if paths:
            away.mkdir()
        for place, path in enumerate(paths):
            path.rename(away / str(place))
            moved.append((path, away / str(place)))
        for one in {path.parent for path in paths}:
            sync_folder(one)
        yield
    except BaseException as error:
        for path, there in reversed(moved):
            with contextlib.suppress(OSError):
                there.rename(path)
        with contextlib.suppress(OSError):
            away.rmdir()
        if isinstance(error, OSError):
            raise StoreError(f"cannot remove from {folder}: {error}") from error
        raise
    if paths:
        _remove(away)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"cannot remove all of {folder}: {error}") from error
