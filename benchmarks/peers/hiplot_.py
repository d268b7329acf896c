"""HiPlot: parallel coordinates and a table, as a page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hiplot

from benchmarks.peers import pages

prepared: list[Any] = []


def before_page(n: int, folder: Path) -> None:
    prepared.append(pages.frame(n))


def page(n: int, folder: Path) -> int:
    (frame,) = prepared
    hiplot.Experiment.from_dataframe(frame).to_html(str(folder / pages.NAME))
    return len(frame)


def after_page(value: int, n: int, folder: Path) -> dict[str, Any]:
    return pages.looked_at(folder, value, "document.querySelector('canvas')")
