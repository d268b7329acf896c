"""Which process runs which tests, where pytest-xdist has several of them (`pytest -n 2`).

Tests of a class, or of a module outside of classes, stay together. Those that hold a time come
last, in one process, once all others have ended: nothing of ours takes the machine from them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

TIMED = "timed"  # the group of tests that come last
FOLDER = pytest.StashKey[Path]()  # where each process writes the names of timed tests


def prepare(node: Any) -> None:
    """Tell a process that is about to start where to write the names of timed tests."""
    stash = node.config.stash
    if FOLDER not in stash:
        stash[FOLDER] = Path(tempfile.mkdtemp(prefix="timed-tests-"))
    node.workerinput["timed"] = str(stash[FOLDER] / f"{node.gateway.id}.json")


def tell_timed(config: Any, names: list[str]) -> None:
    """Write the names of timed tests, in a process that runs tests: only it knows their marks."""
    Path(config.workerinput["timed"]).write_text(json.dumps(names))


class TimedAlone(LoadScopeScheduling):
    """Hands out tests by class or module, and timed tests when nothing else runs."""

    timed: frozenset[str] = frozenset()

    def schedule(self) -> None:
        """Begin, as soon as all processes have collected their tests."""
        folder: Path = self.config.stash[FOLDER]
        for path in folder.iterdir():
            self.timed |= frozenset(json.loads(path.read_text()))
            path.unlink()
        super().schedule()

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note that a test has ended; somebody may have waited for that."""
        super().mark_test_complete(node, item_index, duration)
        for other in self.nodes:
            if other in self.registered_collections:  # not yet, if it replaces one that crashed
                self._reschedule(other)

    def _split_scope(self, nodeid: str) -> str:
        return TIMED if nodeid in self.timed else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if TIMED in self.workqueue:
            self.workqueue.move_to_end(TIMED)
        if next(iter(self.workqueue)) != TIMED or not self._others_run(node):
            super()._assign_work_unit(node)
        elif any(not other.shutting_down for other in self.nodes if other is not node):
            node.shutdown()  # another one will do the rest, once this one has ended

    def _others_run(self, node: Any) -> bool:
        return any(
            self._pending_of(work)
            for other, work in self.assigned_work.items()
            if other is not node
        )
