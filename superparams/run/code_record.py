"""Writes the code and the environment of a run into its folder, while settings run."""

from __future__ import annotations

import dataclasses
import threading
from typing import Final

from superparams.errors.user_lines import warn_user
from superparams.identity.code.main_script import in_notebook
from superparams.identity.code.text_fingerprint import digests_of_loaded_text
from superparams.identity.module_names import module_file
from superparams.run.job import Job
from superparams.run.space_keys import all_keys
from superparams.store.provenance.record import gather_later, save_source
from superparams.store.runs.concurrent_runs import MOST_KEYS, save_keys
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.recorded_space import FROM_TEXT, MOST_SAVED, save_space

__all__ = ["HURRIED", "PATIENCE", "CodeRecord"]

# Seconds that a run waits at its end for answers of git and the system, and if it ends early.
PATIENCE: Final = 30.0
HURRIED: Final = 0.3
_LATEST: Final = 0.1  # seconds that the record waits for the start of workers


class CodeRecord:
    """Writes code and environment into the run folder, in a thread.

    Args:
        job: The run. Git and the system are asked at once, before there is a folder.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._answers = gather_later(job.project, job.root.parent)
        self._error: Exception | None = None

    def start(self, run: RunFolder, workers_started: threading.Event) -> None:
        """Start to write into the folder of the run.

        Args:
            run: The folder.
            workers_started: Set once workers start. The record waits for it, so that workers start
                sooner.
        """
        self._run, self._begun = run, workers_started
        self._thread = threading.Thread(target=self._write, name="superparams-record", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        job = self._job
        self._begun.wait(_LATEST)
        try:
            if job.plan.n_todo <= MOST_KEYS:
                save_keys(self._run, job.todo_keys())
            self._save_space()
            # The texts of the files as they were when the run began.
            save_source(
                self._run, job.project, [], job.code.source, job.code.texts, job.code.libraries
            )
            from_text = _from_text(job)
            answers = self._answers.result(PATIENCE)
            manifest = {**answers.manifest, FROM_TEXT: from_text}
            dataclasses.replace(answers, manifest=manifest).save(self._run)
            if not answers.is_whole:
                raise TimeoutError("git did not list all uncommitted changes in time")
        except Exception as error:  # `finish` warns of it: a missing record must not cost results
            self._error = error

    def _save_space(self) -> None:
        """Write the keys of the space, unless all of its settings are to run."""
        plan = self._job.plan
        keys = plan.keys if plan.shard is None else plan.space_keys
        if keys is None and plan.shard is not None and plan.size <= MOST_SAVED:
            keys = all_keys(self._job.program.keys, plan.size)
        if keys is not None and plan.n_todo < plan.size:
            save_space(self._run, keys.buffers()[1])

    def finish(self, patience: float) -> None:
        """Wait for the thread, and warn if the record is incomplete.

        Args:
            patience: Seconds to wait at most.
        """
        self._begun.set()
        self._thread.join(patience)
        error = TimeoutError("it takes too long") if self._thread.is_alive() else self._error
        if error is not None:
            warn_user(
                f"the record of the code and the machine in {self._run.path} is incomplete: "
                f"{error!r}"
            )


def _from_text(job: Job) -> dict[str, str | None] | None:
    """The entries that verbs of the command later compare with the text of the class."""
    cls = type(job.space)
    file = module_file(cls.__module__)
    if file is None or in_notebook():
        return None
    digests = digests_of_loaded_text(file, cls.__qualname__)
    return {"code": digests.code, "declarations": digests.declarations}
