"""Photographs the page of results of the digits example, light and dark, into docs/images.

    python -m tools.pictures

It needs what `make test-browser` installs. `make pictures` calls it.
"""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

from superparams.store.results import Results
from tests.browser.chromium import Browser, missing

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images"
EXAMPLE: Final = ROOT / "examples" / "experiments" / "digits.py"
COLORS: Final = 96  # few enough for a small file
SIZE: Final = {"width": 1000, "height": 860}  # pixels


def page_of_example(folder: Path) -> Path:
    """Run the example in a folder, and write its page there."""
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLE.parent, ROOT)))}
    subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=around, check=True)
    (root,) = (folder / "results").iterdir()
    return Results.load(root).to_html(folder / "digits.html")


RUN: Final = """
from digits import Digits
if __name__ == "__main__":
    Digits().run_all(2, results="results", progress=False)
"""


def photograph(browser: Browser, page: Path, theme: str) -> Path:
    """A picture of the upper part of a page."""
    browser.open(page, SIZE["width"], is_dark=theme == "dark")
    clip: dict[str, float] = {"x": 0, "y": 0, "scale": 1, **SIZE}
    how = {"format": "png", "captureBeyondViewport": True}
    made = browser.tell("Page.captureScreenshot", clip=clip, **how)
    path = IMAGES / f"page-{theme}.png"
    image = Image.open(io.BytesIO(base64.b64decode(made["data"]))).convert("RGB")
    image.quantize(COLORS).save(path, optimize=True)
    return path


def main() -> None:
    """Take both pictures."""
    lack = missing()
    if lack is not None:
        sys.exit(lack)
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as name:
            page = page_of_example(Path(name))
            for theme in ("light", "dark"):
                path = photograph(browser, page, theme)
                print(path.relative_to(ROOT), f"{path.stat().st_size:,} bytes")
    finally:
        browser.close()


if __name__ == "__main__":
    main()
