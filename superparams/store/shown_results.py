"""The part of `Results` that people see: text, tables in notebooks, pictures and the page."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from superparams.store.table.lazy_rows import Rows

if TYPE_CHECKING:
    from superparams.store.results import Results
    from superparams.views.page.results_page import PageView
    from superparams.views.plots import Plots

__all__ = ["ShownResults"]

WIDTH = 120  # characters, where there is no terminal


class ShownResults:
    """The methods by which results show themselves."""

    _rows: Rows

    @property
    def plot(self) -> Plots:
        """Pictures of these rows, as in ``results.plot.line()``; needs ``superparams[plot]``.

        See `superparams.views.plots.Plots`.
        """
        from superparams.views.plots import Plots

        return Plots(cast("Results", self))

    def to_html(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the page of these results: one file, which needs no network and no server.

        If there are more than 100,000 rows, the page has a sample of them, and says so. Paths of
        this machine are left out of errors and logs, and its name is not in the page.

        Args:
            path: The file, such as ``digits.html``. An older page is replaced.
            overwrite: Whether a file that is not a page of superparams may be replaced, too.

        Returns:
            The full path of the file.

        Raises:
            StoreError: When another file is in the way, or the file cannot be written.
        """
        from superparams.views.page.page_document import write_page
        from superparams.views.page.results_page import page_of

        document = page_of(cast("Results", self))
        return write_page(path, document, overwrite=overwrite)

    def view(self, height: int = 900) -> PageView:
        """The page of these results as the output of a cell in a notebook.

        The notebook keeps the page, so you also see it without a kernel. If there are more than
        20,000 rows, the page has a sample of them. Outside of notebooks, use `to_html`.

        Args:
            height: The height of the page in pixels.
        """
        from superparams.views.page.results_page import MOST_IN_NOTEBOOK, PageView, page_of

        document = page_of(cast("Results", self), most=MOST_IN_NOTEBOOK)
        return PageView(document, height, self.summary)

    @property
    def summary(self) -> str:
        """One line: `12 settings: 11 done, 1 failed · results/digits.Digits/results.parquet`."""
        from superparams.views.result_tables import summary_of

        return summary_of(cast("Results", self))

    def __repr__(self) -> str:
        return self._text(shutil.get_terminal_size((WIDTH, 24)).columns)

    def __rich_console__(self, console: object, options: Any) -> Iterator[Any]:
        yield importlib.import_module("rich.text").Text(self._text(options.max_width))

    def _text(self, room: int) -> str:
        from superparams.views.result_tables import shown_of

        shown = shown_of(cast("Results", self), self._rows, is_html=False)
        return shown.text(room, ".columns names all")

    def _repr_html_(self) -> str:
        from superparams.views.result_tables import shown_of

        return shown_of(cast("Results", self), self._rows, is_html=True).html()
