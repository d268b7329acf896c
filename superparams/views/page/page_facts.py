"""Facts about results that the page shows beside the table: fields and importance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.outcomes.arrow import python_values
from superparams.store.importance import ALL
from superparams.store.json_values import json_object
from superparams.store.names.field_owners import FieldOwners
from superparams.store.runs.run_records import recorded_schema
from superparams.store.table.arrow_arrays import flat, is_number_type
from superparams.store.table.lazy_rows import Rows
from superparams.views.plot_data import spans_magnitudes
from superparams.views.result_tables import is_alike

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["field_facts", "goal_fact", "importance_facts"]

MOST_POINTS: Final = 40  # different values of a field that are listed
MOST_CATEGORIES: Final = 200  # different texts of a field that counts as a category
MOST_RESULTS: Final = 6  # columns for which the page has the importance of fields


def goal_fact(results: Results) -> dict[str, str] | None:
    """The column of the goal, and its direction."""
    goal = results.goal
    if goal is None or goal.column not in results.columns:
        return None
    direction = "maximize" if goal.mode == "max" else "minimize"
    return {"column": goal.column, "direction": direction}


# ---- fields


def field_facts(results: Results, table: pa.Table) -> list[dict[str, Any]]:
    """The fields of the settings, in the order of the declaration.

    Args:
        results: The results.
        table: Their columns in the types of the page.
    """
    owners = FieldOwners(Rows.of_table(results.to_arrow()))
    axes = _axes(recorded_schema(results.root) or {})
    derived = set(results.derived)
    facts: list[dict[str, Any]] = []
    for name in results.params:
        column = flat(table.column(name))
        distinct = pc.unique(column).drop_null()
        kind = _kind(column.type, distinct)
        fact: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "varies": not is_alike(results.column(name)),
        }
        fact["log"] = kind == "number" and _is_log(distinct, axes.get(name, {}))
        fact["owners"] = owners.conditions_of(name) or [{}]
        if name in derived:
            fact["derived"] = True
        if kind != "other" and len(distinct) <= MOST_POINTS:
            fact["points"] = [x for x in sorted(python_values(distinct)) if is_fact(x)]
        facts.append(fact)
    return facts


def _kind(form: pa.DataType, distinct: pa.Array) -> str:
    if pa.types.is_boolean(form):
        return "bool"
    if pa.types.is_integer(form) or pa.types.is_floating(form):
        return "number"
    if pa.types.is_string(form) or pa.types.is_large_string(form):
        return "category" if len(distinct) <= MOST_CATEGORIES else "text"
    return "other"


def _is_log(distinct: pa.Array, axis: Mapping[str, object]) -> bool:
    """Whether a field has a logarithmic axis: its range says so, or its values span magnitudes."""
    if "low" in axis:
        return axis.get("log") is True
    values = [x for x in python_values(distinct) if math.isfinite(x)]
    return spans_magnitudes(values)


def _axes(schema: Mapping[str, object]) -> dict[str, Mapping[str, Any]]:
    """The axes of a class by their names, without those of nested groups."""
    fields = json_object(schema.get("fields"))
    return {name: json_object(json_object(x).get("axis")) for name, x in fields.items()}


def is_fact(x: object) -> bool:
    """Whether JSON can hold this value: not NaN, nor infinity."""
    return not isinstance(x, float) or math.isfinite(x)


# ---- importance


def importance_facts(results: Results) -> dict[str, list[dict[str, Any]]]:
    """How much each field matters for each numeric result, the goal first."""
    facts: dict[str, list[dict[str, Any]]] = {}
    for name in list(_numeric(results))[:MOST_RESULTS]:
        with suppress(StoreError):
            facts[name] = [
                {
                    "field": row["field"],
                    "share": _finite(row["importance"]),
                    "alone": _finite(row["alone"]),
                    "within": None if row["of"] == ALL else row["of"],
                    "settings": row["settings"],
                    "exact": row["exact"],
                }
                for row in results.importance(name)
            ]
    return {name: fields for name, fields in facts.items() if fields}


def _numeric(results: Results) -> Iterator[str]:
    goal = results.goal
    for name in sorted(results.results, key=lambda name: goal is None or name != goal.column):
        if is_number_type(results.column(name).type):
            yield name


def _finite(x: float | None) -> float | None:
    return x if x is not None and math.isfinite(x) else None
