"""The columns of `results.parquet` and their types.

Parameters and results have their plain names; the columns of `OUTCOME` follow. A parameter or
result with the name of one of these gets the prefix `param.` or `result.`, and so does a result
with the name of a parameter.

If the types of a column differ from outcome to outcome, one type is chosen that keeps every value.
Integers and floats become floats if this changes no integer; types that differ only in size or unit
become the widest of them; all other values become readable text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from superparams.outcomes.arrow import KIND, metadata_of
from superparams.outcomes.arrow.stored_columns import is_stored_type
from superparams.outcomes.columns import COLUMNS
from superparams.store.ledger.reader import LedgerReader
from superparams.store.table import text_columns
from superparams.store.table.column_order import PARAM, in_order
from superparams.store.table.newest_outcomes import Piece, Survey
from superparams.store.table.table_file import OUTCOME, SOURCE
from superparams.store.table.text_columns import ColumnType, texts

__all__ = [
    "JSON",
    "RESULT",
    "Column",
    "columns_of",
    "common_type",
    "field_of",
    "is_repetitive",
    "note_of_types",
    "recast",
    "source_of",
]

RESULT = "result."  # the beginning of the source of a column of results
JSON = ColumnType(pa.string(), "json")
_NULL = ColumnType(pa.null())
_BEYOND = {"int", "json"}  # kinds of text that are not plain text


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter or result of the table."""

    source: str  # param.<name> or result.<name>
    label: str
    type: ColumnType

    @property
    def field(self) -> pa.Field:
        """The field of the schema."""
        kind = {KIND: self.type.kind.encode()} if self.type.kind else {}
        return pa.field(self.label, self.type.type, metadata={SOURCE: self.source.encode(), **kind})


def source_of(field: pa.Field) -> str | None:
    """`param.<name>` or `result.<name>` for a field of a ledger or the table.

    None for one of OUTCOME.
    """
    source = metadata_of(field).get(SOURCE)
    if source is not None:
        return source.decode()
    name: str = field.name
    return name if name.startswith((PARAM, RESULT)) else None


def column_of_result(schema: pa.Schema, name: str) -> str:
    """The column that holds a result; the name itself where there is no such column.

    A result has the beginning ``result.`` where a parameter has its name.
    """
    columns = {source_of(field): field.name for field in schema}
    sources = [source for source in (RESULT + name, name) if source in columns]
    return str(columns[sources[0]]) if sources else name


def field_of(schema: pa.Schema, column: str) -> str:
    """The field whose values are in a column, by its dotted name.

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
        return source.startswith(PARAM)
    return any(column.is_repetitive for column in COLUMNS if column.name == field.name)


def columns_of(
    survey: Survey, pieces: Sequence[Piece], notes: list[str], order: Sequence[str] = ()
) -> list[Column]:
    """The columns for the rows of these pieces.

    Args:
        survey: The survey that has the pieces.
        pieces: Rows that the table holds.
        notes: Gets notes for the user.
        order: The parameters in the order of the declaration.
    """
    types = _types(survey, pieces)
    chosen = {name: _chosen_type(survey, pieces, name, x, notes) for name, x in types.items()}
    names = in_order(chosen, order)
    labels = _labels(names, notes)
    return [Column(name, labels[name], chosen[name]) for name in names]


def _types(survey: Survey, pieces: Sequence[Piece]) -> dict[str, dict[ColumnType, None]]:
    """The types of each column, in the order of columns: that of the newest run comes first."""
    types: dict[str, dict[ColumnType, None]] = {}
    # Within a run, the columns of the first settings come first, whichever arrived first.
    by_place = sorted(pieces, key=lambda piece: piece.first)
    newest = sorted(by_place, key=lambda piece: piece.run or "", reverse=True)
    for path in dict.fromkeys(piece.path for piece in newest):
        for field in survey.schemas[path]:
            source = source_of(field)
            if source is not None:
                types.setdefault(source, {})[ColumnType.of(field)] = None
    for name, spilled in survey.spilled.items():
        if name in types:
            types[name].update(spilled)
    if survey.spilled.keys() - types.keys():
        types[text_columns.MORE] = {JSON: None}
    return types


def _chosen_type(
    survey: Survey,
    pieces: Sequence[Piece],
    name: str,
    types: Mapping[ColumnType, None],
    notes: list[str],
) -> ColumnType:
    """The type for all values of a column; a note says if values of several types become text."""
    chosen = common_type(types, _values(survey, pieces, name))
    if not is_stored_type(chosen.type):
        chosen = JSON  # an older version recorded a frame with it
    note = note_of_types(name.partition(".")[2], chosen, types)
    if note is not None:
        notes.append(note)
    return chosen


def note_of_types(name: str, chosen: ColumnType, types: Collection[ColumnType]) -> str | None:
    """The note that values of several types became JSON text; None if they did not.

    Args:
        name: The column.
        chosen: The type for all values.
        types: The types that the values had.
    """
    if chosen.kind != "json" or JSON in types:
        return None
    shown = ", ".join(sorted({x.kind or str(x.type) for x in types} - {"null"}))
    return f"column {name!r} holds values of several types ({shown}): each is kept as JSON text"


def _values(
    survey: Survey, pieces: Sequence[Piece], name: str
) -> Iterator[tuple[pa.Array, ColumnType]]:
    """All values of one column, piece by piece."""
    with LedgerReader() as reader:
        for piece in pieces:
            schema = survey.schemas[piece.path]
            place = next(
                (number for number, field in enumerate(schema) if source_of(field) == name), None
            )
            if place is not None:
                for batch in survey.load(reader, piece):
                    yield batch.column(place), ColumnType.of(schema.field(place))


def _labels(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """The column name of each param.<name> and result.<name>; no two are the same."""
    labels: dict[str, str] = {}
    used = set(OUTCOME)
    for name in names:
        plain = name.partition(".")[2]
        label = plain if plain and plain not in used else name
        if label != plain:
            kind = "parameter" if name.startswith(PARAM) else "result"
            owner = "every outcome" if plain in OUTCOME else "a parameter"
            why = f"{owner} has a column {plain!r}" if plain else "a column needs a name"
            notes.append(f"the {kind} {plain!r} is column {label!r}: {why}")
        while label in used:
            label += "~"
        used.add(label)
        labels[name] = label
    return labels


# ---- one type for several


def common_type(
    types: Iterable[ColumnType], values: Iterable[tuple[pa.Array, ColumnType]]
) -> ColumnType:
    """The type that holds values of all these types; text as JSON is the last resort.

    Args:
        types: The types of a column.
        values: All values of the column, with their types; read only where values decide.
    """
    chosen, is_certain = _widest(types)
    if is_certain or all(_survives(array, own, chosen) for array, own in values):
        return chosen
    return JSON


def _widest(types: Iterable[ColumnType]) -> tuple[ColumnType, bool]:
    """The type for values of all these types, and whether it holds every such value."""
    several = [x for x in dict.fromkeys(types) if not pa.types.is_null(x.type)]
    if len(several) < 2:
        return (several[0] if several else _NULL), True
    if all(map(_is_text, several)):
        return _widest_text(several), True
    if all(pa.types.is_integer(x.type) or (x.kind == "int" and _is_text(x)) for x in several):
        return _widest_int(several)
    if any(x.kind is not None for x in several):
        return JSON, True
    widest = _widest_type([x.type for x in several])
    return (JSON, True) if widest is None else (ColumnType(widest), False)


def _is_text(x: ColumnType) -> bool:
    return bool(pa.types.is_string(x.type) or pa.types.is_large_string(x.type))


def _widest_text(types: Sequence[ColumnType]) -> ColumnType:
    is_large = any(pa.types.is_large_string(x.type) for x in types)
    kinds = {x.kind for x in types}
    kind = kinds.pop() if len(kinds) == 1 else "json" if kinds & _BEYOND else None
    return ColumnType(pa.large_string() if is_large else pa.string(), kind)


def _widest_int(types: Sequence[ColumnType]) -> tuple[ColumnType, bool]:
    if any(x.kind == "int" for x in types):
        return ColumnType(pa.string(), "int"), True
    is_unsigned = all(pa.types.is_unsigned_integer(x.type) for x in types)
    return ColumnType(pa.uint64() if is_unsigned else pa.int64()), False


def _widest_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """A type to try for all values; None if only text holds them."""
    is_a = pa.types
    if all(is_a.is_integer(x) or is_a.is_floating(x) for x in types):
        return pa.float64()
    if all(is_a.is_decimal(x) for x in types):
        return pa.decimal128(38, max(x.scale for x in types))
    if all(is_a.is_timestamp(x) for x in types) and len({x.tz for x in types}) == 1:
        return pa.timestamp(_finest(types), types[0].tz)
    if all(is_a.is_duration(x) for x in types):
        return pa.duration(_finest(types))
    if all(is_a.is_binary(x) or is_a.is_large_binary(x) for x in types):
        return pa.large_binary()
    if all(is_a.is_list(x) or is_a.is_large_list(x) for x in types):
        inner, _ = _widest(ColumnType(x.value_type) for x in types)
        list_type = pa.list_ if all(is_a.is_list(x) for x in types) else pa.large_list
        return None if inner == JSON else list_type(inner.type)
    return None


def _finest(types: Sequence[pa.DataType]) -> str:
    units: list[str] = [x.unit for x in types]
    return max(units, key=["s", "ms", "us", "ns"].index)


def recast(array: pa.Array, own: ColumnType, target: ColumnType) -> pa.Array:
    """An array of one type in another that `common_type` returned.

    Raises:
        ValueError: Where a value would change.
    """
    if pa.types.is_null(own.type):
        return pa.nulls(len(array), target.type)
    if own == target:
        return array
    if target.kind == "json" and not (own.kind == "json" and _is_text(own)):
        return pa.array(texts(array, own.kind), target.type)
    if own.type == target.type:
        return array
    cast = array.cast(target.type)
    may_round = pa.types.is_floating(_leaf(target.type)) and pa.types.is_integer(_leaf(own.type))
    if may_round and not cast.cast(array.type).equals(array):  # integers beyond 2**53
        raise ValueError("an integer does not fit in a float")
    return cast


def _leaf(form: pa.DataType) -> pa.DataType:
    """The type of the elements, at the bottom of nested lists."""
    while pa.types.is_list(form) or pa.types.is_large_list(form):
        form = form.value_type
    return form


def _survives(array: pa.Array, own: ColumnType, target: ColumnType) -> bool:
    """Whether no value of an array changes in another type."""
    try:
        recast(array, own, target)
    except (ValueError, TypeError):  # pyarrow's ArrowInvalid and ArrowNotImplementedError as well
        return False
    return True
