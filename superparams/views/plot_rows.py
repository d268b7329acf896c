"""The rows of results that pictures show, and the fields that vary among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from superparams.declare.range_scales import range_scales_of, range_scales_of_schema
from superparams.errors import StoreError
from superparams.store.runs.run_records import recorded_schema
from superparams.store.table.arrow_arrays import is_number_type
from superparams.store.table.filters import unknown_column
from superparams.views.plot_data import PlacedColumn, placed
from superparams.views.result_tables import is_alike

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["PlotRows", "is_number_column", "order_of_places"]


@dataclass(frozen=True)
class PlotRows:
    """The rows with the status ``done`` and a finite number, by the current code.

    Attributes:
        results: These rows.
        name: The column of the result.
        experiment: The name of the experiment, for messages.
    """

    results: Results
    name: str
    experiment: str

    @classmethod
    def of(cls, results: Results, name: str | None, verb: str) -> PlotRows:
        """The rows that a picture shows.

        Args:
            results: The results.
            name: The result; None for that of the goal, or the first number.
            verb: The method that draws, for messages.

        Raises:
            StoreError: If there is nothing to draw, and for a column without numbers.
        """
        experiment = results.root.name.rpartition(".")[2]
        if name is None and results.goal is None:
            numbers = [column for column in results.results if is_number_column(results, column)]
            if not numbers:
                raise StoreError(f"plot.{verb}() of {experiment}: no result is a number")
            name = numbers[0]
        name = results.column_of_numbers(name, f"plot.{verb}")
        rows = results.with_numbers(name)
        if not len(rows):
            raise StoreError(
                f"plot.{verb}() of {experiment}: no row of the current code has the status done "
                f"and a number in {name!r}; results.stale.plot draws the rows of other code"
            )
        return cls(rows, name, experiment)

    @cached_property
    def values(self) -> list[float]:
        """The result of each row."""
        return list(map(float, self.results.column(self.name).to_pylist()))

    @cached_property
    def result(self) -> PlacedColumn:
        """The result, as a column."""
        return placed(self.name, self.results.column(self.name))

    @cached_property
    def varying(self) -> list[str]:
        """The fields that vary, repetitions too; derived ones follow from others."""
        left_out = set(self.results.derived)
        return [
            name
            for name in self.results.params
            if name not in left_out and not is_alike(self.results.column(name))
        ]

    def ranked(self) -> list[str]:
        """The fields that vary, the most important first; repetitions only if nothing else does.

        Raises:
            StoreError: If no field varies.
        """
        if not self.varying:
            raise StoreError(f"plots of {self.experiment}: no field varies among these rows")
        fields = self.results.importance(self.name, stale=True).to_arrow().column("field")
        order = [name for text in fields.to_pylist() for name in text.split(", ")]
        places = {name: place for place, name in enumerate(order)}
        some = [name for name in self.varying if name not in self.results.repeats] or self.varying
        return sorted(some, key=lambda name: places.get(name, len(places)))

    def shared(self) -> list[str]:
        """The fields of `ranked` that all settings have; all of `ranked` if there are none."""
        ranked = self.ranked()
        return [name for name in ranked if self.owners(name) is None] or ranked

    def owners(self, name: str) -> list[bool] | None:
        """Which rows have a field; None for all."""
        if "." not in name or name not in self.results.params:
            return None
        is_value = pc.is_valid(self.results.column(name)).to_pylist()
        recorded = self.results.has_field(name).to_pylist()
        has = [x if y is None else y for x, y in zip(is_value, recorded, strict=True)]
        return None if all(has) else has

    def column(self, name: str) -> PlacedColumn:
        """The places of a field.

        Raises:
            StoreError: For an unknown column.
        """
        if name not in self.results.columns:
            names = self.results.params
            raise StoreError(f"plots of {self.experiment}: {unknown_column(name, names)}")
        column = self.results.column(name)
        return placed(name, column, self.owners(name), is_log=self._range_scales.get(name))

    @cached_property
    def _range_scales(self) -> Mapping[str, bool]:
        """The fields that are ranges, and whether each is logarithmic."""
        if self.results.of is None:
            return range_scales_of_schema(recorded_schema(self.results.root) or {})
        return range_scales_of(self.results.of)

    def widest(self) -> str:
        """The field with the most different values, numbers before categories."""
        columns = {name: self.column(name) for name in self.shared()}
        return max(columns, key=lambda name: (columns[name].scale.is_number, columns[name].size))

    def narrowest(self, used: Collection[str], most: int) -> str | None:
        """The most important field with few values, categories before numbers; None without any."""
        columns = {name: self.column(name) for name in self.shared() if name not in used}
        some = [name for name, column in columns.items() if column.size <= most]
        return min(some, key=lambda name: columns[name].scale.is_number, default=None)

    def worst_first(self) -> list[int]:
        """The indices of the rows, the best last, so that they are drawn over the others."""
        goal = self.results.goal
        sign = -1 if goal is not None and goal.column == self.name and goal.mode == "min" else 1
        return sorted(range(len(self.values)), key=lambda place: sign * self.values[place])


def is_number_column(results: Results, name: str) -> bool:
    """Whether a column has numbers."""
    return is_number_type(results.column(name).type)


def order_of_places(column: PlacedColumn | None, by_place: Mapping[Any, object]) -> list[Any]:
    """The values of `by_place`, in the order of the places of a column."""
    places: Iterable[Any] = by_place
    return sorted(places) if column is not None else list(places)
