"""The outcome of a setting; the outcomes of many, by columns.

Nothing here needs Arrow: a worker that runs settings of plain types does not load it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from superparams.outcomes.columns import CODE, WORKER_COLUMNS

if TYPE_CHECKING:
    from superparams.outcomes.step import Step

Status = Literal["done", "failed", "killed", "timeout", "stopped"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
FAILURES: Final[tuple[Status, ...]] = ("failed", "killed", "timeout")

_ATTRIBUTES: Final = {column.name: attrgetter(column.name) for column in WORKER_COLUMNS}


@dataclass(slots=True)
class Outcome:
    """The outcome of one setting.

    Attributes:
        key: 32 hex digits that identify the setting in every run.
        params: Dotted names and values, as the table shows them.
        result: What ``run`` returned: a dict, None, or a frame with ``__arrow_c_stream__``.
        started: Seconds since 1970 in UTC.
        code: The fingerprint of the code of this setting; None if all settings of the run have
            the code of the class.
        steps: Its steps, where the engine has not handed them over before.
        carried_seconds: How many of `seconds` are those of earlier attempts.

    `superparams.outcomes.columns` tells the meaning of all others.
    """

    index: int
    key: str
    status: Status
    params: Mapping[str, Any]
    result: Any = None
    error: str | None = None
    traceback: str | None = None
    started: float = 0.0
    seconds: float = 0.0
    rank: int = 0
    attempt: int = 1
    log_start: int | None = None
    log_end: int | None = None
    peak_memory: int | None = None
    n_steps: int = 0
    stopped_by: str | None = None
    code: str | None = None
    steps: list[Step] | None = None
    carried_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Repeated:
    """A column with the same value in every row: most columns of most batches are of this kind."""

    value: Any
    size: int

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.value, self.size)


OwnColumn = list[Any] | Repeated


class Columns(NamedTuple):
    """Outcomes whose parameters have the same names, and whose results have; all by columns.

    own: the other attributes of `Outcome`; results: nothing where no outcome has a result.
    """

    own: dict[str, OwnColumn]
    params: dict[str, list[Any]]
    results: dict[str, list[Any]]

    @property
    def size(self) -> int:
        """How many outcomes."""
        return len(self.own["index"])

    def values(self) -> Iterator[list[Any]]:
        """The columns of parameters and results."""
        yield from self.params.values()
        yield from self.results.values()

    def rows(self) -> list[Outcome]:
        """The outcomes; a result that was an empty dict is none, which comes to the same."""
        own = zip(*self.own.values(), strict=True)
        params, results = _rows(self.params), _rows(self.results)
        nothing: dict[str, Any] = {}
        outcomes: list[Outcome] = []
        for values in own:
            attributes: dict[str, Any] = dict(zip(self.own, values, strict=True))
            outcomes.append(
                Outcome(params=next(params, nothing), result=next(results, None), **attributes)
            )
        return outcomes


Part = Columns | list[Outcome]  # outcomes, by columns where that is possible


def parts(outcomes: Sequence[Outcome]) -> list[Part]:
    """Outcomes with, and those without a result, each by columns where their names are the same."""
    empty = [outcome for outcome in outcomes if outcome.result is None]
    full = (
        [outcome for outcome in outcomes if outcome.result is not None] if empty else list(outcomes)
    )
    return [_by_columns(part) or part for part in (empty, full) if part]


def own_columns(outcomes: Sequence[Outcome]) -> dict[str, OwnColumn]:
    """What they have beside parameters and results, by columns."""
    columns = {name: _column(map(attribute, outcomes)) for name, attribute in _ATTRIBUTES.items()}
    if outcomes and outcomes[0].code is not None:
        columns[CODE] = _column(outcome.code for outcome in outcomes)
    return columns


def _column(values: Iterable[Any]) -> OwnColumn:
    column = list(values)
    size = len(column)
    if size and column[0] == column[-1] and column.count(column[0]) == size:
        return Repeated(column[0], size)
    return column


def _by_columns(outcomes: list[Outcome]) -> Columns | None:
    params = _transposed([outcome.params for outcome in outcomes])
    if params is None:
        return None
    results = [outcome.result for outcome in outcomes]
    columns = {} if results[0] is None else _transposed(results)
    return None if columns is None else Columns(own_columns(outcomes), params, columns)


def _transposed(rows: Sequence[Any]) -> dict[str, list[Any]] | None:
    """Dicts by columns; None where they are not dicts of the same names."""
    if set(map(type, rows)) != {dict} or len(set(map(len, rows))) > 1:
        return None
    names: list[Any] = list(rows[0])
    if not all(type(name) is str for name in names):
        return None
    try:
        return {name: list(map(itemgetter(name), rows)) for name in names}
    except KeyError:
        return None


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))
