"""Photographs all pages of the built site, at two widths, light and dark, for somebody to look at.

    make docs && python -m tools.site_pictures [NAME ...] [--into FOLDER]

It needs what `make test-browser` installs. Each picture is a whole page, cut into columns that
stand side by side. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from tests.browser.chromium import Browser, missing
from tests.browser.site_server import SITE, Site, pages_of

WIDTHS: Final = (390, 1280)
# Soon after a visit, the document may still say the height of the window; the footer ends the page.
HEIGHT: Final = """
    const end = document.querySelector("footer").getBoundingClientRect().bottom + window.scrollY;
    return Math.ceil(Math.max(document.documentElement.scrollHeight, end));
"""
COLUMN: Final = 2200  # pixels of a page that stand in one column
COLUMNS: Final = 6  # of one picture; a longer page has several pictures


def photograph(browser: Browser, url: str, width: int, *, is_dark: bool) -> Image.Image:
    """A picture of a whole page."""
    browser.visit(url, width, is_dark=is_dark)
    height = int(browser.run(HEIGHT))
    clip: dict[str, float] = {"x": 0, "y": 0, "scale": 1, "width": width, "height": height}
    how = {"format": "png", "captureBeyondViewport": True}
    made = browser.tell("Page.captureScreenshot", clip=clip, **how)
    return Image.open(io.BytesIO(base64.b64decode(made["data"]))).convert("RGB")


def sheets(image: Image.Image) -> list[Image.Image]:
    """A long picture as sheets of columns."""
    tops = range(0, image.height, COLUMN)
    columns = [image.crop((0, top, image.width, min(top + COLUMN, image.height))) for top in tops]
    made: list[Image.Image] = []
    for start in range(0, len(columns), COLUMNS):
        some = columns[start : start + COLUMNS]
        size = (len(some) * (image.width + 10), min(COLUMN, max(one.height for one in some)))
        sheet = Image.new("RGB", size, "#888888")
        for n, column in enumerate(some):
            sheet.paste(column, (n * (image.width + 10), 0))
        made.append(sheet)
    return made


def save(folder: Path, name: str, image: Image.Image) -> None:
    """Write the sheets of one picture."""
    for n, sheet in enumerate(sheets(image), 1):
        sheet.save(folder / f"{name}-{n}.png")


def main(words: Sequence[str] | None = None) -> None:
    """Photograph the pages that are named, or all of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="such as index or fields; all pages by default")
    parser.add_argument("--into", type=Path, default=Path("build/site_pictures"))
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    given = parser.parse_args(words)
    lack = missing() or (None if SITE.is_dir() else "site/ is not here: `make docs` builds it")
    if lack is not None:
        sys.exit(lack)
    given.into.mkdir(parents=True, exist_ok=True)
    browser = Browser()
    try:
        with Site() as site:
            for page in pages_of(SITE):
                if given.names and page not in given.names:
                    continue
                for width in given.widths:
                    for theme in ("light", "dark"):
                        url = site.url_of(page)
                        image = photograph(browser, url, width, is_dark=theme == "dark")
                        save(given.into, f"{page}-{width}-{theme}", image)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
