"""Follows the records of one experiment, and tells pages what has changed."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Container, Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from superparams.errors import SuperparamsError
from superparams.errors.safe_text import line
from superparams.store.runs.run_records import runs
from superparams.views.board.changed_rows import RowMarks, changed_places
from superparams.views.page.page_columns import parquet_bytes
from superparams.views.page.page_document import PageContent, json_for_script
from superparams.views.page.page_running import SettingsNow
from superparams.views.page.page_sample import MOST_ROWS
from superparams.views.page.private_paths import PrivatePaths
from superparams.views.page.results_page import ResultsPage, page_table, steps_bytes

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["FollowedExperiment", "ResultFeed"]

TICK: Final = 0.05  # seconds between two looks at the records
REST: Final = 2.0  # the pause after a look is at least so many times as long as the look
SLOW_REST: Final = 5.0  # the same for facts that take longer
CURVES_REST: Final = 0.5  # seconds between two times that curves of running settings are sent
KEEP_ALIVE: Final = 10.0  # seconds without an event, after which a page gets a sign of life
MOST_CHANGES: Final = 500  # changes that are kept for pages that are behind
MOST_BYTES: Final = 4_000_000  # of these changes together
WHOLE: Final = b"event: table\n"
RESET: Final = b"event: reset\ndata: \n\n"
ALIVE: Final = b": alive\n\n"


class FollowedExperiment(Protocol):
    """An experiment whose records can be loaded again and again."""

    @property
    def name(self) -> str:
        """``module.Class``."""
        ...

    @property
    def root(self) -> Path:
        """The folder of its records."""
        ...

    def stamp(self) -> Hashable:
        """A value that changes whenever something is recorded."""
        ...

    def read_again(self) -> Results:
        """The results as they are recorded now; this writes nothing."""
        ...


class _Change(NamedTuple):
    """Events for a page, and the version of the page after them.

    A change is `whole` if it brings a page of any version up to date.
    """

    version: int
    events: bytes
    is_whole: bool


class _SentResults(NamedTuple):
    """The results that have been sent to pages."""

    results: Results
    marks: RowMarks | None  # None if the page has only a sample of the rows


class ResultFeed:
    """The results of one experiment, in versions, for any number of pages."""

    def __init__(self, experiment: FollowedExperiment) -> None:
        """Take an experiment, and follow it as long as a page does."""
        self.experiment = experiment
        self._loading = threading.Lock()  # one thread looks at the records
        self._changed = threading.Condition()  # guards the following attributes
        self._changes: deque[_Change] = deque()
        self._version = 0
        self._n_pages = 0
        self._is_ended = False
        # Only the thread that holds `_loading` uses these.
        self._stamp: Hashable = None
        self._sent: _SentResults | None = None
        self._slow_facts: Mapping[str, Any] = {}
        self._slow_facts_due = 0.0
        self._sent_facts: Mapping[str, Any] = {}
        self._code: Mapping[str, Any] = {}
        self._sent_code: Mapping[str, Any] = {}
        self._is_slow_behind = False
        self._now = SettingsNow()
        self._sent_steps: Mapping[str, int] = {}  # of each running setting, by its key
        self._curves_due = 0.0
        self._are_curves_behind = False
        self._last_error = ""

    # ---- for pages

    def content(self, live: Mapping[str, object]) -> PageContent:
        """The content of a new page.

        Args:
            live: What the page needs to follow the board; the version is added.
        """
        with self._loading:
            self._look()
            results = self._experiment_results()
            page = ResultsPage(results, now=self._now)
            content = page.content({**live, "version": self._version})
        return content

    def results(self) -> Results:
        """The results as they are now."""
        with self._loading:
            self._look()
            return self._experiment_results()

    def events(self, since: int) -> Iterator[bytes]:
        """Events for a page, until the board ends.

        Args:
            since: The version that the page has.
        """
        self._begin()
        try:
            yield self._curves_now()
            while True:
                events, since = self._next(since)
                if events is None:
                    return
                yield events
                if events == RESET:
                    return
        finally:
            with self._changed:
                self._n_pages -= 1

    def _curves_now(self) -> bytes:
        """The curves of all settings that run, which a new page does not have."""
        with self._loading:
            results = self._experiment_results()
            self._now.update(runs(results.root))
            return b"".join(self._curves(results, self._now.n_steps)) or ALIVE

    def _next(self, since: int) -> tuple[bytes | None, int]:
        """The next events after a version, and the version after them; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ended or since != self._version, KEEP_ALIVE)
            if self._is_ended:
                return None, since
            changes = [x for x in self._changes if x.version > since]
            is_all = len(changes) == self._version - since
            if changes and changes[0].is_whole:
                is_all = True
            events = b"".join(x.events for x in changes) or ALIVE
            return events if is_all else RESET, self._version

    def end(self) -> None:
        """End all events."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def _begin(self) -> None:
        with self._changed:
            self._n_pages += 1
            if self._n_pages > 1:
                return
        threading.Thread(target=self._follow, name="superparams-board", daemon=True).start()

    # ---- following

    def _follow(self) -> None:
        """Look at the records again and again, as long as there is a page."""
        while True:
            start = time.monotonic()
            with self._loading:
                self._look()
            with self._changed:
                if not self._n_pages or self._is_ended:
                    return
            time.sleep(max(TICK, REST * (time.monotonic() - start)))

    def _look(self) -> None:
        """See whether something has changed, and send events if so."""
        stamp = self.experiment.stamp()
        if stamp == self._stamp and not self._is_slow_behind and not self._are_curves_behind:
            return
        try:
            results = self.experiment.read_again()
            events = list(self._news(results, is_same=stamp == self._stamp))
            self._stamp, self._last_error = stamp, ""
        except (SuperparamsError, OSError) as error:
            events = [] if str(error) == self._last_error else [_event("gone", line(error))]
            self._last_error = str(error)
        self._send(events)

    def _send(self, events: list[bytes]) -> None:
        if not events:
            return
        with self._changed:
            self._version += 1
            numbered = f"id: {self._version}\n".encode().join([b"", *events])
            is_whole = any(event.startswith(WHOLE) for event in events)
            if is_whole:
                self._changes.clear()  # earlier changes are not needed
            self._changes.append(_Change(self._version, numbered, is_whole))
            while len(self._changes) > 1 and (
                len(self._changes) > MOST_CHANGES
                or sum(len(x.events) for x in self._changes) > MOST_BYTES
            ):
                self._changes.popleft()
            self._changed.notify_all()

    def _news(self, results: Results, *, is_same: bool) -> Iterator[bytes]:
        """Events for the differences to the results that have been sent to pages."""
        before, self._sent = self._sent, _sent_results(results)
        after = self._sent.marks
        if before is None:
            return
        if after is None and not is_same:
            yield from self._whole(results)
            return
        if before.marks is None and after is not None:
            yield RESET
            return
        paths = PrivatePaths.of(results.root)
        if before.marks is not None and after is not None and not is_same:
            places = changed_places(before.marks, after)
            if places is None:
                yield RESET
                return
            if len(places):
                yield from _of_rows(results.at(places), paths)
        _, facts = self._page(results)
        facts_to_send = {**facts, "written": ""}
        if facts_to_send != self._sent_facts or self._code != self._sent_code:
            code = self._code if self._code != self._sent_code else dict[str, Any]()
            self._sent_facts, self._sent_code = facts_to_send, self._code
            yield _event("about", json_for_script({**facts, **code}))
        yield from self._new_curves(results)

    def _whole(self, results: Results) -> Iterator[bytes]:
        """A new sample of many rows, and all facts; they replace the content of pages."""
        page, facts = self._page(results)
        self._sent_facts, self._sent_code = {**facts, "written": ""}, self._code
        table, steps = page.rows()
        yield _event("about", json_for_script({**facts, **self._code}))
        yield _event("table", _encoded(table))
        if steps:
            yield _event("steps", _encoded(steps))
        yield from self._new_curves(results)

    def _new_curves(self, results: Results) -> Iterator[bytes]:
        """The complete curves of settings with new steps; since they are large, not too often."""
        n_steps, now = self._now.n_steps, time.monotonic()
        changed = {key for key, n in n_steps.items() if self._sent_steps.get(key) != n}
        self._are_curves_behind = bool(changed) and now < self._curves_due
        if changed and not self._are_curves_behind:
            self._sent_steps, self._curves_due = n_steps, now + CURVES_REST
            yield from self._curves(results, changed)

    def _curves(self, results: Results, keys: Container[str]) -> Iterator[bytes]:
        for table in self._now.curves(keys, results.params, PrivatePaths.of(results.root)):
            yield _event("steps", _encoded(parquet_bytes(table)))

    def _page(self, results: Results) -> tuple[ResultsPage, dict[str, Any]]:
        """The page and its facts; facts that take long to compute may be some seconds old."""
        page, start = ResultsPage(results, now=self._now), time.monotonic()
        self._is_slow_behind = start < self._slow_facts_due
        if not self._is_slow_behind:
            self._slow_facts, self._code = page.importance(), page.code()
            took = time.monotonic() - start
            self._slow_facts_due = start + max(1.0, SLOW_REST * took)
        return page, page.about(self._slow_facts)

    def _experiment_results(self) -> Results:
        if self._sent is None:
            return self.experiment.read_again()  # raises the error of the records
        return self._sent.results


def _sent_results(results: Results) -> _SentResults:
    if len(results) > MOST_ROWS:
        return _SentResults(results, None)
    rows = results.to_arrow(stale=results.is_code_known)
    return _SentResults(
        results, RowMarks.of(rows, results.stale_name if results.is_code_known else None)
    )


def _of_rows(results: Results, paths: PrivatePaths) -> Iterator[bytes]:
    table, _ = page_table(results, paths)
    yield _event("rows", _encoded(parquet_bytes(table)))
    steps = steps_bytes(results, paths)
    if steps:
        yield _event("steps", _encoded(steps))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
