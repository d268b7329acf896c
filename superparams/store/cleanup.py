"""Removes what an experiment's folder no longer needs.

The folder of a run that made a newest outcome stays, with ledger, logs and source. Other folders
are renamed before they are removed, so that a partly removed folder is never taken for a run. No
link is followed, and nothing outside the experiment's folder is touched.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.executor.checkpoint_folders import CHECKPOINTS
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.checkpoint_cleanup import CheckpointCleanup
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions, remove_excluded
from superparams.store.runs.folder import LEFT_OVER_SECONDS, RunFolder, sync_folder
from superparams.store.runs.run_records import place_elsewhere
from superparams.store.table.arrow_arrays import keys_of
from superparams.store.table.index import Index, read_index
from superparams.store.table.merge import NotWritten, compact

__all__ = ["Cleaning", "InSpace", "plan_cleaning"]

# Which of these keys belong to the declared space.
InSpace = Callable[[Sequence[str]], set[str]]
_REMOVED = ".removed-"
_KEY = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"\..+\.part")


@dataclass(frozen=True)
class Cleaning:
    """What is to be removed from an experiment's folder.

    Attributes:
        root: The experiment's folder.
        runs: Runs whose folders are removed.
        settings: Folders of settings to remove.
        checkpoints: Folders of checkpoints to remove.
        left_over: Files that killed processes left.
        outcomes: How many settings lose their newest outcome.
        uncovered: How many of these have an older outcome, which then counts again.
        whole: Whether the experiment's folder itself is removed.
        size: The total size in bytes.
        kept: Notes on what stays, and why.
        exclusions: The outcomes to exclude.
        run_names: The runs at the time of this plan.
    """

    root: Path
    runs: Sequence[RunFolder] = ()
    settings: Sequence[Path] = ()
    checkpoints: Sequence[Path] = ()
    left_over: Sequence[Path] = ()
    outcomes: int = 0
    uncovered: int = 0
    whole: bool = False
    size: int = 0
    kept: Sequence[str] = ()
    exclusions: Exclusions = NO_EXCLUSIONS
    run_names: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        paths = self.runs or self.settings or self.checkpoints or self.left_over
        return not (self.whole or paths or self.outcomes)

    def carry_out(self) -> None:
        """Remove everything that is planned.

        Raises:
            StoreError: When a run began meanwhile, or something cannot be removed.
        """
        _refuse_link(self.root)
        if self.whole or self.exclusions:
            _refuse_running(self.root)
        if self.run_names != _run_names(self.root):
            raise StoreError(f"{self.root}: there are other runs by now; nothing was removed")
        if self.whole:
            with _moved_away(self.root.parent, [self.root]):
                return
        paths = _paths(self.runs, self.settings, self.checkpoints, self.left_over)
        with _moved_away(self.root, paths):
            if self.exclusions.failures or self.exclusions.codes:
                for run in _run_folders(self.root):
                    remove_excluded(run, self.exclusions)
            if self.exclusions:
                compact(self.root, exclusions=self.exclusions)
        for folder in (*{path.parent for path in self.checkpoints}, self.root / CHECKPOINTS):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()


def plan_cleaning(
    root: Path,
    *,
    codes: Sequence[str],
    in_space: InSpace,
    stale: bool = False,
    failed: bool = False,
    whole: bool = False,
    code_now: Callable[[], Sequence[str]] | None = None,
) -> Cleaning:
    """Plan what to remove from an experiment's folder; nothing is removed yet.

    Args:
        root: The experiment's folder.
        codes: Fingerprints of the current code, and of code accepted as equivalent.
        in_space: Returns which keys belong to the space: their folders may hold checkpoints.
        stale: Whether to remove outcomes by other code.
        failed: Whether to remove outcomes that are not done.
        whole: Whether to remove everything.
        code_now: For checkpoints, returns `codes` if these were not given; nothing if not known.

    Raises:
        StoreError: When a run is in progress that would be disturbed.
    """
    if not root.is_dir():
        return Cleaning(root)
    _refuse_link(root)
    if whole or stale or failed:
        _refuse_running(root)
    run_names = _run_names(root)
    if whole:
        return Cleaning(root, whole=True, size=size_of(root), run_names=run_names)
    with contextlib.suppress(NotWritten):  # a plan is possible nevertheless
        compact(root)
    before = read_index(root)
    exclusions = _exclusions(before, codes if stale else None, failed)
    after = read_index(root, exclusions=exclusions) if exclusions else before
    excluded = _excluded(before, exclusions)
    reasons: list[str] = []
    runs = list(_superseded_runs(root, after, reasons))
    settings = list(_unrecorded_settings(root, before, after, in_space, reasons))
    left_over = list(_left_over(root, {run.path for run in runs}))
    checkpoints: list[Path] = []
    if _has_checkpoints(root, reasons):
        cleanup = CheckpointCleanup(root, codes or (code_now() if code_now else ()), in_space)
        left_over += cleanup.left_over()
        checkpoints = cleanup.unneeded(before, after, reasons)
    return Cleaning(
        root,
        runs,
        settings,
        checkpoints,
        left_over,
        outcomes=excluded.true_count,
        uncovered=pc.is_in(before.keys.filter(excluded), value_set=after.keys).true_count,
        size=sum(map(size_of, _paths(runs, settings, checkpoints, left_over))),
        kept=reasons,
        exclusions=exclusions,
        run_names=run_names,
    )


def _paths(runs: Iterable[RunFolder], *more: Iterable[Path]) -> list[Path]:
    """The folders of runs, and more paths."""
    return [*(run.path for run in runs), *(path for some in more for path in some)]


def _exclusions(index: Index, codes: Sequence[str] | None, failures: bool) -> Exclusions:
    """The outcomes to exclude: failures, and outcomes that `codes`, if given, did not make.

    Outcomes of unknown code stay.
    """
    if codes is None:
        return Exclusions(failures=failures)
    others = frozenset(x for x in index.codes if x is not None and x not in codes)
    if index.has_row_codes:
        return Exclusions(failures=failures, codes=others)
    pairs = zip(index.runs, index.codes, strict=True)
    return Exclusions(frozenset(name for name, code in pairs if code in others), failures)


def _excluded(index: Index, exclusions: Exclusions) -> pa.Array:
    """A mask of the settings whose newest outcome is excluded."""
    places = [place for place, name in enumerate(index.runs) if name in exclusions.runs]
    mask = pc.is_in(index.run, value_set=plain_array(places, pa.int64()))
    if exclusions.codes:
        codes = [place for place, code in enumerate(index.codes) if code in exclusions.codes]
        mask = pc.or_(mask, pc.is_in(index.code, value_set=plain_array(codes, index.code.type)))
    if exclusions.failures:
        mask = pc.or_(mask, pc.not_equal(index.status, plain_scalar(0, pa.int8())))
    return mask


# ---- what is removed


def _superseded_runs(root: Path, index: Index, reasons: list[str]) -> Iterator[RunFolder]:
    """The runs that made no newest outcome."""
    needed: set[str] = {index.runs[place] for place in index.run.unique().to_pylist()}
    for run in _run_folders(root, reasons):
        if run.name in needed:
            continue
        if run.state() == "running":
            reasons.append(f"run {run.name}: {_why_running(run)}")
        elif run.manifest() or _is_old(run.path):  # one without may be about to begin
            yield run


def _run_folders(root: Path, reasons: list[str] | None = None) -> Iterator[RunFolder]:
    """The run folders that are no links."""
    for path in _entries(root / "runs"):
        if _is_folder(path):
            yield RunFolder(path)
        elif path.is_symlink() and reasons is not None:
            reasons.append(f"runs/{path.name}: it is a link")


def _unrecorded_settings(
    root: Path, before: Index, after: Index, in_space: InSpace, reasons: list[str]
) -> Iterator[Path]:
    """Folders of settings without a recorded outcome, now and in future runs."""
    folder = root / "settings"
    paths = {x.name: x for x in _entries(folder) if _KEY.fullmatch(x.name) and _is_folder(x)}
    if folder.is_symlink() and next(folder.iterdir(), None):
        reasons.append("settings: it is a link")
    keys = _not_recorded(list(paths), after)
    if not keys:
        return
    if _running(root):
        reasons.append("folders of settings: a run is going on")
        return
    # Nothing was recorded of these yet, so the next run may resume from their files.
    unfinished = in_space(_not_recorded(keys, before))
    yield from (paths[key] for key in keys if key not in unfinished)


def _has_checkpoints(root: Path, reasons: list[str]) -> bool:
    """Whether there are checkpoints that may be removed."""
    folder = root / CHECKPOINTS
    if folder.is_symlink():
        reasons.append(f"{CHECKPOINTS}: it is a link")
    elif folder.exists() and _running(root):
        reasons.append("checkpoints: a run is going on")
    else:
        return folder.exists()
    return False


def _not_recorded(keys: Sequence[str], index: Index) -> list[str]:
    mask = pc.is_in(keys_of(keys), value_set=index.keys).to_pylist()
    return [key for key, is_recorded in zip(keys, mask, strict=True) if not is_recorded]


def _left_over(root: Path, removed: set[Path]) -> Iterator[Path]:
    """Unfinished files, and the rest of an earlier removal."""
    runs = (run.path for run in _run_folders(root) if run.path not in removed)
    for folder in [root, *runs]:
        for path in _entries(folder):
            if path.is_symlink():
                continue
            is_unfinished = _UNFINISHED.fullmatch(path.name) and path.is_file() and _is_old(path)
            if is_unfinished or (folder == root and path.name.startswith(_REMOVED)):
                yield path


def size_of(path: Path) -> int:
    """The bytes of all files in a folder, or of one file; links are not followed."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    return sum(map(size_of, _entries(path)))


def _entries(folder: Path) -> list[Path]:
    """The paths in a folder, by name; none if it is no folder, or a link."""
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


# ---- what prevents a removal


def _running(root: Path) -> list[RunFolder]:
    return [run for run in _run_folders(root) if run.state() == "running"]


def _run_names(root: Path) -> frozenset[str]:
    return frozenset(run.name for run in _run_folders(root))


def _refuse_running(root: Path) -> None:
    for run in _running(root):
        process = run.manifest().get("process", {})
        where = place_elsewhere(run) or f"on {process.get('host')}"
        raise StoreError(
            f"{root}: run {run.name} is going on (process {process.get('pid')} {where}): wait for "
            "it, or stop it, first"
        )


def _why_running(run: RunFolder) -> str:
    """Why a run counts as running."""
    return f"it is running {place_elsewhere(run) or ''}".rstrip()


def _refuse_link(root: Path) -> None:
    if root.is_symlink():
        raise StoreError(f"{root} is a link: nothing behind it is removed")


# ---- removal


@contextlib.contextmanager
def _moved_away(folder: Path, paths: Sequence[Path]) -> Generator[None]:
    """Rename paths into a folder that is removed at the end; after an error, rename them back."""
    removed = folder / f"{_REMOVED}{secrets.token_hex(4)}"
    moved: list[tuple[Path, Path]] = []
    try:
        if paths:
            removed.mkdir()
        for place, path in enumerate(paths):
            path.rename(removed / str(place))
            moved.append((path, removed / str(place)))
        for parent in {path.parent for path in paths}:
            sync_folder(parent)
        yield
    except BaseException as error:
        for path, new_path in reversed(moved):
            with contextlib.suppress(OSError):
                new_path.rename(path)
        with contextlib.suppress(OSError):
            removed.rmdir()
        if isinstance(error, OSError):
            raise StoreError(f"cannot remove from {folder}: {error}") from error
        raise
    if paths:
        try:
            shutil.rmtree(removed)
        except OSError as error:
            raise StoreError(f"cannot remove all of {removed}: {error}") from error
