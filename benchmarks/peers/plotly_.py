"""Plotly Express: parallel coordinates, as a page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.express as px

from benchmarks.peers import curves, pages

prepared: list[Any] = []


def before_page(n: int, folder: Path) -> None:
    prepared.append(pages.frame(n))


def page(n: int, folder: Path) -> int:
    (frame,) = prepared
    figure = px.parallel_coordinates(frame, color="loss", dimensions=[*curves.NAMES, "loss"])
    figure.write_html(folder / pages.NAME)
    return len(frame)


def after_page(value: int, n: int, folder: Path) -> dict[str, Any]:
    return pages.looked_at(folder, value, "document.querySelector('g.parcoords')")
