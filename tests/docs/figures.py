"""The figures of the pages, drawn by the pages themselves: for light and for dark.

`python tests/docs/figures.py` (which is `make figures`) runs the pages that show figures, and puts
the SVG files that they save into `docs/images/`.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from snippets import PAGES, ROOT, read_page, run_page

IMAGES: Final = ROOT / "docs" / "images"
THEMES: Final = ("light", "dark")
SHOWN: Final = re.compile(r"\]\(images/(\w+)-(\w+)\.svg#only-(\w+)\)")
# The colours of matplotlib on the page of each theme, which shines through.
COLORS: Final = {"light": ("#222222", "#ffffff"), "dark": ("#dddddd", "#1e2129")}


def figures_of(path: Path) -> list[tuple[str, str]]:
    """The figures that a page shows: their names and themes."""
    return [(name, theme) for name, theme, _ in SHOWN.findall(path.read_text("utf-8"))]


def pages_with_figures() -> Iterator[Path]:
    """The pages that show figures."""
    return filter(figures_of, PAGES)


def settings_of(theme: str) -> str:
    """A file `matplotlibrc`, which matplotlib reads in the folder where it is used."""
    text, page = COLORS[theme]
    colored = ("text", "axes.labelcolor", "axes.edgecolor", "xtick", "ytick")
    keys = [key if "." in key else f"{key}.color" for key in colored]
    lines = [f'{key}: "{text}"' for key in keys]
    lines += ["savefig.transparent: True", "svg.hashsalt: figures", f'axes.facecolor: "{page}"']
    return "\n".join([*lines, ""])


def draw(path: Path, theme: str, folder: Path) -> list[Path]:
    """Run a page in a folder; returns the figures that it saved.

    Args:
        path: The page.
        theme: ``light`` or ``dark``.
        folder: An empty folder.
    """
    (folder / "matplotlibrc").write_text(settings_of(theme), "utf-8")
    run_page(read_page(path), folder)
    return [folder / f"{name}.svg" for name, one in figures_of(path) if one == theme]


def main() -> None:
    """Draw all figures."""
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # no date in the files
    for path in pages_with_figures():
        for theme in THEMES:
            with tempfile.TemporaryDirectory() as folder:
                for figure in draw(path, theme, Path(folder)):
                    shutil.copy(figure, IMAGES / f"{figure.stem}-{theme}.svg")


if __name__ == "__main__":
    main()
