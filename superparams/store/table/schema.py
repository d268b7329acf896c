"""Which columns `results.parquet` has.

Parameters and results by their plain names, then `OUTCOME`. A parameter or result named like one of
those gets the prefix `param.` or `result.`; so does a result named like a parameter. Where the
types of a column drifted, it gets one that holds all of its values (see `unify`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from superparams.outcomes.arrow import KIND, kind_of, metadata_of
from superparams.outcomes.columns import COLUMNS
from superparams.store.ledger.reader import LedgerReader
from superparams.store.table import text_columns
from superparams.store.table.column_order import PARAM, in_order
from superparams.store.table.column_types import JSON, Form, fits, widest
from superparams.store.table.newest_outcomes import Piece, Survey
from superparams.store.table.table_file import OUTCOME, SOURCE


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter or result of the table."""

    source: str  # param.<name> or result.<name>
    label: str
    form: Form

    @property
    def field(self) -> pa.Field:
        kind = {KIND: self.form.kind.encode()} if self.form.kind else {}
        return pa.field(self.label, self.form.type, metadata={SOURCE: self.source.encode(), **kind})


def source_of(field: pa.Field) -> str | None:
    """`param.<name>` or `result.<name>` for a field of a ledger or the table.

    None for one of OUTCOME.
    """
    found = metadata_of(field).get(SOURCE)
    if found is not None:
        return found.decode()
    name: str = field.name
    return name if name.startswith(("param.", "result.")) else None


def field_of(schema: pa.Schema, column: str) -> str:
    """The field whose values stand in a column, by its dotted name.

    Empty for a result and for a column of outcomes; where there is no such column, its name.
    """
    if column not in schema.names:
        return column
    source = source_of(schema.field(column)) or ""
    return source.removeprefix(PARAM) if source.startswith(PARAM) else ""


def is_repetitive(field: pa.Field) -> bool:
    """Whether the table stores a dictionary of the values of a column."""
    source = source_of(field)
    if source is not None:
        return source.startswith("param.")
    return any(column.is_repetitive for column in COLUMNS if column.name == field.name)


def columns_of(
    found: Survey, pieces: Sequence[Piece], notes: list[str], order: Sequence[str] = ()
) -> list[Column]:
    """The columns for the rows of these pieces; what there is to say of them goes into `notes`.

    order: of the parameters; see `superparams.store.table.column_order`.
    """
    forms = _forms(found, pieces)
    chosen = {name: _choose(found, pieces, name, met, notes) for name, met in forms.items()}
    names = in_order(chosen, order)
    labels = _labels(names, notes)
    return [Column(name, labels[name], chosen[name]) for name in names]


def _forms(found: Survey, pieces: Sequence[Piece]) -> dict[str, dict[Form, None]]:
    """The forms met of each column, in the order of columns: that of the newest run comes first."""
    forms: dict[str, dict[Form, None]] = {}
    # Within a run those of the first settings come first, whichever arrived first.
    by_place = sorted(pieces, key=lambda piece: piece.first)
    newest = sorted(by_place, key=lambda piece: piece.run or "", reverse=True)
    for path in dict.fromkeys(piece.path for piece in newest):
        for field in found.schemas[path]:
            source = source_of(field)
            if source is not None:
                forms.setdefault(source, {})[Form(field.type, kind_of(field))] = None
    for name, met in found.spilled.items():
        if name in forms:
            forms[name].update(met)
    if found.spilled.keys() - forms.keys():
        forms[text_columns.MORE] = {JSON: None}
    return forms


def _choose(
    found: Survey, pieces: Sequence[Piece], name: str, met: Mapping[Form, None], notes: list[str]
) -> Form:
    """The form for all values of a column, with a note when that is text which no value was."""
    form, must_try = widest(met)
    if must_try and not all(fits(array, own, form) for array, own in _values(found, pieces, name)):
        form = JSON
    if form.kind == "json" and JSON not in met:
        types = ", ".join(sorted({one.kind or str(one.type) for one in met} - {"null"}))
        shown = name.partition(".")[2]
        notes.append(
            f"column {shown!r} holds values of several types ({types}): each is kept as JSON text"
        )
    return form


def _values(found: Survey, pieces: Sequence[Piece], name: str) -> Iterator[tuple[pa.Array, Form]]:
    """All values of one column, piece by piece."""
    with LedgerReader() as reader:
        for piece in pieces:
            schema = found.schemas[piece.path]
            places = [at for at, field in enumerate(schema) if source_of(field) == name]
            if places:
                field = schema.field(places[0])
                for batch in found.load(reader, piece):
                    yield batch.column(places[0]), Form(field.type, kind_of(field))


def _labels(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """The column name of each param.<name> and result.<name>; no two are the same."""
    labels: dict[str, str] = {}
    taken = set(OUTCOME)
    for name in names:
        plain = name.partition(".")[2]
        label = plain if plain and plain not in taken else name
        if label != plain:
            kind = "parameter" if name.startswith(PARAM) else "result"
            owner = "every outcome" if plain in OUTCOME else "a parameter"
            why = f"{owner} has a column {plain!r}" if plain else "a column needs a name"
            notes.append(f"the {kind} {plain!r} is column {label!r}: {why}")
        while label in taken:
            label += "~"
        taken.add(label)
        labels[name] = label
    return labels
