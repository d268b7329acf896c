"""A page of results in a browser: how large it is, and how long it takes until it is shown."""

from __future__ import annotations

import importlib
import importlib.util
import random
import shutil
from pathlib import Path
from typing import Any

from benchmarks.peers import curves

NAME = "page.html"
QUIET = 0.5  # seconds without a long task, after which a page counts as drawn
PATIENCE = 20.0  # seconds until a page must be shown
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The tasks of the page that take 50 ms or more: it is shown when the last of them has ended.
WATCH = """
window.seen = {ready: 0, busy: 0};
new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    window.seen.busy = Math.max(window.seen.busy, one.startTime + one.duration);
}).observe({type: "longtask", buffered: true});
const look = () => {
  if (READY) requestAnimationFrame(() => { window.seen.ready = performance.now(); });
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
WAIT = """
const done = arguments[0];
const look = () => {
  const {ready, busy} = window.seen, shown = Math.max(ready, busy);
  if (ready && performance.now() - shown > QUIET) done(shown);
  else setTimeout(look, 50);
};
look();
"""


def frame(n: int) -> Any:
    """A table of so many trials: five parameters and a result."""
    import pandas

    draw = random.Random(0)
    points = [
        {name: draw.uniform(curves.LOW, curves.HIGH) for name in curves.NAMES} for _ in range(n)
    ]
    return pandas.DataFrame([{**point, "loss": curves.loss(point)} for point in points])


def looked_at(folder: Path, count: int, ready: str) -> dict[str, Any]:
    """What the page in a folder came to.

    Args:
        folder: Where the page is.
        count: How many rows were written into it.
        ready: An expression of JavaScript that is true once the page is there.
    """
    page = folder / NAME
    value = {"count": count, "bytes": page.stat().st_size, "shown": None, "lacks": "no browser"}
    if has_browser():
        took = shown(page, ready)
        value |= {"shown": took, "lacks": f"over {PATIENCE:g} s" if took is None else ""}
    return value


def has_browser() -> bool:
    programs = all(shutil.which(name) for name in ("chromium", "chromedriver"))
    return programs and importlib.util.find_spec("selenium") is not None


def shown(page: Path, ready: str) -> float | None:
    """Seconds from opening a page until it is drawn and does nothing more; None if it is late."""
    webdriver: Any = importlib.import_module("selenium.webdriver")
    service: Any = importlib.import_module("selenium.webdriver.chrome.service")
    late: Any = importlib.import_module("selenium.common.exceptions").TimeoutException
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={page.parent / 'profile'}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, service.Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(PATIENCE)
        driver.set_page_load_timeout(PATIENCE)
        watch = {"source": WATCH.replace("READY", ready)}
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", watch)
        driver.set_window_size(1280, 900)
        driver.get(page.as_uri())
        took = driver.execute_async_script(WAIT.replace("QUIET", f"{QUIET * 1000:.0f}"))
        return float(took) / 1000
    except late:
        return None
    finally:
        driver.quit()
