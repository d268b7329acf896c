"""The columns of an outcome and of a step, and the version of the format that they make.

`COLUMNS` is the only list of the columns of outcomes. The columns of ledgers and of
`results.parquet` are made from it; tests compare `Outcome` and the pages of the documentation with
it. To add a column, append it here with `since=FORMAT + 1`, and add an attribute of that name to
`Outcome`. Ledgers and tables without the column are then read with its default.

Nothing here needs Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from superparams.errors import StoreError

__all__ = [
    "CODE",
    "COLUMNS",
    "FIRST_FORMAT",
    "FORMAT",
    "LEDGER_COLUMNS",
    "STEP_COLUMNS",
    "WORKER_COLUMNS",
    "OutcomeColumn",
    "refuse_newer_format",
]

Origin = Literal["worker", "batch", "run"]
ArrowType = Literal["string", "int32", "int64", "double", "timestamp[us, tz=UTC]"]


@dataclass(frozen=True, slots=True)
class OutcomeColumn:
    """A column that every outcome has, whatever its experiment is.

    Attributes:
        name: The name in ledgers and in the table.
        type: The Arrow type in the table.
        meaning: What the column tells, for the documentation.
        origin: Where values come from. ``worker``: an attribute of `Outcome`, which the worker
            fills in. ``batch``: counted when outcomes become Arrow. ``run``: known from the folder
            of the run, so that ledgers do not have the column (see `CODE`).
        since: The first version of the format that has the column.
        default: The value for rows of an older format.
        ledger_type: The Arrow type in ledgers, if it is another one.
        is_required: Whether a ledger without the column is damaged.
        is_repetitive: Whether many rows have the same value, which the table then stores once.
    """

    name: str
    type: ArrowType
    meaning: str
    origin: Origin = "worker"
    since: int = 1
    default: str | float | None = None
    ledger_type: ArrowType | None = None
    is_required: bool = False
    is_repetitive: bool = False


COLUMNS: Final = (
    OutcomeColumn("key", "string", "identifies the setting", is_required=True),
    OutcomeColumn(
        "code", "string", "the fingerprint of the code that ran it", "run", is_repetitive=True
    ),
    OutcomeColumn(
        "status",
        "string",
        "`done`, `failed`, `killed`, `timeout` or `stopped`",
        is_required=True,
        is_repetitive=True,
    ),
    OutcomeColumn("error", "string", "what went wrong, in one line", is_repetitive=True),
    OutcomeColumn("seconds", "double", "how long `run` took, by a monotonic clock"),
    OutcomeColumn(
        "started",
        "timestamp[us, tz=UTC]",
        "when it began; in ledgers, seconds since 1970 in UTC",
        ledger_type="double",
    ),
    OutcomeColumn("rank", "int32", "the number of the worker, from 0", is_repetitive=True),
    OutcomeColumn("attempt", "int32", "the number of the attempt, from 1", is_repetitive=True),
    OutcomeColumn("run", "string", "the name of the run folder", "run", is_repetitive=True),
    OutcomeColumn(
        "index", "int64", "the index of the setting in the space of that run", is_required=True
    ),
    OutcomeColumn(
        "row",
        "int64",
        "the number of the row in the data frame that the setting returned; 0 for a dict",
        "batch",
        is_required=True,
        is_repetitive=True,
    ),
    OutcomeColumn("traceback", "string", "the traceback of the error", is_repetitive=True),
    OutcomeColumn(
        "log_start", "int64", "where its output begins in the log of its worker, in bytes"
    ),
    OutcomeColumn("log_end", "int64", "where its output ends in the log of its worker, in bytes"),
    OutcomeColumn("peak_memory", "int64", "bytes; only for a worker that died, where it is known"),
    OutcomeColumn(
        "n_steps",
        "int64",
        "how many steps the attempt recorded",
        since=2,
        default=0,
        is_repetitive=True,
    ),
    OutcomeColumn(
        "stopped_by", "string", "the stopper that ended it early", since=2, is_repetitive=True
    ),
)

LEDGER_COLUMNS: Final = tuple(column for column in COLUMNS if column.origin != "run")
WORKER_COLUMNS: Final = tuple(column for column in COLUMNS if column.origin == "worker")

# What every step has; `step.<name>` follow, which are the fields that the setting gave.
STEP_COLUMNS: Final = (
    OutcomeColumn("key", "string", "identifies the setting", is_required=True),
    OutcomeColumn(
        "index", "int64", "the index of the setting in the space of that run", is_required=True
    ),
    OutcomeColumn("attempt", "int32", "the number of the attempt, from 1", is_required=True),
    OutcomeColumn(
        "step", "int64", "the number of the step in its attempt, from 1", is_required=True
    ),
    OutcomeColumn(
        "seconds", "double", "how long after the beginning of the attempt it was recorded"
    ),
)

# Ledgers have this column if the settings of the run have different codes.
CODE: Final = "code"

# Ledgers without a number have this format.
FIRST_FORMAT: Final = 1
# The version of the format that this superparams writes; it reads all versions up to it.
FORMAT: Final = max(column.since for column in (*COLUMNS, *STEP_COLUMNS))


def refuse_newer_format(path: object, version: int, writer: object) -> None:
    """Refuse a file that a newer superparams wrote, since its columns are not known here.

    Args:
        path: The file.
        version: The version of its format.
        writer: The version of superparams that wrote it; anything but text if it is not known.

    Raises:
        StoreError: Names the file, the superparams that wrote it, and the remedy.
    """
    if version <= FORMAT:
        return
    by = f"superparams {writer:.40}" if isinstance(writer, str) else "a newer superparams"
    raise StoreError(
        f"{path} was written by {by}, in version {version} of the format; this superparams reads "
        f"versions up to {FORMAT}. Upgrade superparams, or name another folder for the results"
    )
