"""The checkpoint of a setting while it runs: what `checkpoint`, `save` and `load` do in a run.

A checkpoint carries the steps that led to it. An attempt that resumes from it records them once
more as its own, so that all steps of a row belong to one attempt, even if earlier runs are removed.
"""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from superparams.declare.experiment_place import Place
from superparams.declare.saved_state import read_state, write_state
from superparams.errors import RunError, StoreError
from superparams.errors.user_lines import warn_user
from superparams.executor.carried_steps import CarriedStep
from superparams.executor.checkpoint_file import (
    Damaged,
    SavedFile,
    Saver,
    pickled_steps,
    write_checkpoint,
)
from superparams.executor.checkpoint_folders import CheckpointFolder, CheckpointRules
from superparams.executor.process_state.random_generators import Generators
from superparams.executor.step_journal import StepJournal, read_steps, steps_before
from superparams.identity.digests.digest import key_text

__all__ = ["LoadedState", "SettingCheckpoint"]

_MOST: Final = 1000  # steps that are not pickled yet


class LoadedState(NamedTuple):
    """What was saved, with the steps and the seconds of the attempts that led there."""

    state: Any
    steps: list[CarriedStep]
    seconds: float | None = None  # None if no earlier attempt is resumed


@dataclass(frozen=True)
class _Owner:
    """Who owns a checkpoint: the fields of `Saver`, and the name of the class."""

    name: str
    key: str
    run: str
    attempt: int
    token: str


class SettingCheckpoint:
    """The checkpoint of one attempt of a setting.

    Args:
        owner: The attempt that owns it.
        folder: The folder of the checkpoint.
        generators: The global random generators whose states are saved, too; None for none.
        steps: The steps that the attempt has recorded so far.
    """

    def __init__(
        self,
        owner: _Owner,
        folder: CheckpointFolder,
        generators: Generators | None,
        steps: Iterable[CarriedStep],
    ) -> None:
        self._owner = owner
        self._folder = folder
        self._generators = generators
        self._parts: list[bytes] = []  # the steps so far, pickled
        self._steps: list[CarriedStep] = []  # the steps since then
        self._journal: StepJournal | None = None
        self._earlier: list[CarriedStep] = []  # of the attempt whose files may be resumed
        self._is_taken_up = False
        for step in steps:
            self.note(step)

    @classmethod
    def of_attempt(
        cls,
        name: str,
        place: Place,
        rules: CheckpointRules | None,
        code: str | None,
        attempt: tuple[int, int, int, float],
        generators: Generators | None,
        steps: Iterable[CarriedStep],
    ) -> SettingCheckpoint:
        """The checkpoint of an attempt that uses it for the first time.

        Args:
            name: The name of the class.
            place: Where the setting runs.
            rules: Those of the run.
            code: The code of the setting, if that differs from the code of the class.
            attempt: As in `StepLog`.
            generators: As for the class.
            steps: As for the class.

        Raises:
            RunError: Where there is no folder of a run.
            StoreError: When it cannot be prepared.
        """
        if place.folder is None or rules is None:
            raise RunError(f"{name}: this run has no folder, so there are no checkpoints")
        code = code or rules.code
        folder = CheckpointFolder(place.folder.parents[1], key_text(attempt[1]), code)
        run = place.folder.name
        with _as_store_error(folder):
            if rules.is_anew:
                folder.begin_anew(run)
            else:
                folder.inherit(rules.accepted.get(code, ()))
        owner = _Owner(name, key_text(attempt[1]), run, attempt[2], secrets.token_hex(8))
        return cls(owner, folder, generators, steps)

    # ---- files of a framework

    def folder(self) -> Path:
        """The folder for files; from now on, steps are written down beside it."""
        with _as_store_error(self._folder):
            self._folder.make()
            if self._journal is None:
                if not (self._is_taken_up or self._parts or self._steps):
                    self._earlier = read_steps(self._folder.steps)
                self._journal = StepJournal(self._folder.steps)
                for step in self._all_steps():
                    self._journal.carry(step)
        return self._folder.files

    def carried_before(self, row: object) -> list[CarriedStep]:
        """The steps of an earlier attempt that count, if `row` is the first of this attempt."""
        earlier, self._earlier = self._earlier, []
        return steps_before(earlier, row) if earlier else []

    def carried_at_end(self) -> list[CarriedStep]:
        """The steps of an earlier attempt, if this attempt has recorded none."""
        earlier, self._earlier = self._earlier, []
        return earlier

    def _all_steps(self) -> Iterator[CarriedStep]:
        for part in self._parts:
            yield from pickle.loads(part)
        yield from self._steps

    # ---- steps

    def note(self, step: CarriedStep, *, is_new: bool = True) -> None:
        """Take a step that was recorded; is_new: no earlier attempt has made it."""
        self._steps.append(step)
        if len(self._steps) >= _MOST:
            self._pickle_steps()
        if self._journal is not None:
            with _as_store_error(self._folder):
                (self._journal.add if is_new else self._journal.carry)(step)

    def _pickle_steps(self) -> None:
        if self._steps:
            self._parts.append(pickled_steps(self._steps))
            self._steps = []

    # ---- saved objects

    def save(self, state: object, n_steps: int, seconds: float) -> None:
        """Save an object, after so many steps and seconds."""
        owner, where = self._owner, f"{self._owner.name}.save()"
        self._pickle_steps()
        states = b""
        if self._generators is not None:
            states = pickle.dumps(self._generators.states(), protocol=5)
        saver = Saver(owner.key, owner.run, owner.attempt, owner.token, n_steps, seconds)
        path = self._folder.saved
        write_checkpoint(path, saver, self._parts, states, partial(write_state, where, state))

    def load(self, default: object) -> LoadedState:
        """What was saved, or the default."""
        where = f"{self._owner.name}.load()"
        try:
            with (
                _as_store_error(self._folder),
                SavedFile(self._folder.saved, self._owner.key) as file,
            ):
                state = read_state(where, file.state())
                generators = file.generators()
                saver = file.saver
                is_own = saver.token == self._owner.token
                steps = [] if is_own else file.steps()
        except FileNotFoundError:
            return LoadedState(default, [])
        except Damaged as damage:
            self._set_aside(where, damage)
            return LoadedState(default, [])
        if self._generators is not None and generators is not None:
            self._generators.take_states(generators)
        if is_own:
            return LoadedState(state, [])
        self._is_taken_up, self._earlier = True, []
        return LoadedState(state, steps, saver.seconds)

    def _set_aside(self, where: str, damage: Damaged) -> None:
        path = self._folder.saved
        with suppress(OSError):
            path.replace(path.with_name("damaged"))
        warn_user(f"{where}: {path} is damaged: {damage}; the setting begins anew", RuntimeWarning)

    def close(self) -> None:
        """The attempt is over."""
        if self._journal is not None:
            self._journal.close()


@contextmanager
def _as_store_error(folder: CheckpointFolder) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot use the checkpoint in {folder.path}: {error}") from error
