"""Writes the code and the environment of a run into its folder, while settings run."""

from __future__ import annotations

import threading
from typing import Final

from superparams.errors.user_lines import warn_user
from superparams.run.job import Job
from superparams.store.provenance.record import gather_later, save_source
from superparams.store.runs.concurrent_runs import MOST_KEYS, save_keys
from superparams.store.runs.folder import RunFolder

__all__ = ["HURRIED", "PATIENCE", "Keeping"]

# Seconds that a run waits at its end for what git and others tell; and when it ends early.
PATIENCE: Final = 30.0
HURRIED: Final = 0.3


class Keeping:
    """Puts what is known into the run folder, in a thread."""

    def __init__(self, job: Job) -> None:
        """Begin to ask; where the answers go is told by `into`."""
        self._job = job
        self._gathered = gather_later(job.project, job.root.parent)
        self._error: Exception | None = None

    def into(self, run: RunFolder) -> None:
        """Begin to write."""
        self._run = run
        self._thread = threading.Thread(target=self._keep, name="superparams-keeping", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        try:
            if self._job.plan.n_todo <= MOST_KEYS:
                save_keys(self._run, self._job.todo_keys())
            self._keep_source()
            gathered = self._gathered.result(PATIENCE)
            gathered.save(self._run)
            if not gathered.is_whole:
                raise TimeoutError("git did not tell what is not committed, or not in time")
        except Exception as error:  # told by `end`; what is not known must not cost the results
            self._error = error

    def _keep_source(self) -> None:
        """The files as the run began with them, whatever they are by now."""
        code = self._job.code
        project = self._job.project
        save_source(self._run, project, [], code.source, code.texts, code.libraries)

    def end(self, patience: float) -> None:
        """Wait for it so many seconds, and warn of what is missing."""
        self._thread.join(patience)
        error = TimeoutError("it takes too long") if self._thread.is_alive() else self._error
        if error is not None:
            what = f"what is kept in {self._run.path} of the code and the machine is incomplete"
            warn_user(f"{what}: {error!r}")
