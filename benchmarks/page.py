"""How large the page of results is, how fast a browser shows it, and how soon the board is told.

    make bench-page

Needs what `make test-browser` installs. Each line has a figure, the bar, and whether it is held.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from tests.boards import Board
from tests.browser.chromium import Browser, missing
from tests.recording import done, key
from tests.timing import wait_for

SIZES = (1_000, 100_000, 1_000_000)
SHOWN = {1_000: 0.5, 100_000: 2.0}  # seconds until the first panels are drawn
MORE, FACTOR = 400 << 10, 1.34  # bytes in addition to so many times the parquet file
REFILTER, IMPORTANCE, ON_SCREEN = 0.1, 0.05, 0.3  # seconds
BATCH = 10_000
TYPED = ("kind=k3", "", "a", "ad", "adam", "adam k5", "adam k5 y>0.5", "", "failed", "", "0", "")


def results_of(root: Path, size: int) -> Results:
    """Recorded results of so many settings."""
    folder = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(folder) as ledgers:
        for start in range(0, size, BATCH):
            numbers = range(start, min(size, start + BATCH))
            ledgers.append(encode(list(map(outcome, numbers))))
    folder.finish()
    return Results.load(root)


def outcome(n: int) -> Outcome:
    """The outcome of a setting with six fields, of which one in fifty has failed."""
    params = {
        "lr": 10.0 ** -(n % 4),
        "width": 16 << n // 4 % 5,
        "optimizer": ("adam", "sgd", "lion")[n // 20 % 3],
        "depth": n // 60 % 10,
        "dropout": n * 7919 % 1000 / 1000,
        "seed": n // 600,
    }
    if n % 50 == 7:
        return Outcome(n, key(n), "failed", params, error="ValueError: no")
    return Outcome(n, key(n), "done", params, {"y": math.sin(n), "kind": f"k{n % 7}"})


def figures(folder: Path, browser: Browser) -> Iterator[tuple[str, str, str, bool]]:
    """Name, figure, bar, and whether it is held."""
    for size in SIZES:
        results = results_of(folder / f"{size}" / "m.X", size)
        begun = time.perf_counter()
        page = results.to_html(folder / f"{size}.html")
        written = time.perf_counter() - begun
        if size in SHOWN:
            parquet = results.path.stat().st_size
            more = page.stat().st_size - FACTOR * parquet
            name = f"(a) {size:,} rows: bytes in addition to {FACTOR} x the parquet file"
            yield name, f"{more / 1024:,.0f} KB", f"{MORE >> 10} KB", more <= MORE
        browser.open(page)
        others = [url for url in browser.requests() if url != page.as_uri()]
        yield f"(a) {size:,} rows: requests", f"{len(others)}", "0", not others
        shown = browser.mark("page-shown") / 1000
        bar = SHOWN.get(size, math.inf)
        text = f"{bar} s" if size in SHOWN else "opens"
        yield f"(b) {size:,} rows: shown", f"{shown:.2f} s", text, shown <= bar
        yield f"    {size:,} rows: written by Python", f"{written:.2f} s", "", True
        if size == 100_000:
            times = [refiltered(browser, words) for words in TYPED]
            took = sorted(times)[len(times) // 2]
            name = f"(b) {size:,} rows: filtered again"
            figure = f"{took:.3f} s, at most {max(times):.3f} s"
            yield name, figure, f"{REFILTER} s", took <= REFILTER
        represented = browser.n_represented
        yield (
            f"(c) {size:,} rows: represented",
            f"{represented:,}",
            f"{size:,}",
            represented == size,
        )
    yield importance(folder)
    yield from on_screen(folder, browser)
    browser.open(folder / "1000.html", 390, is_dark=True)
    found = browser.violations()
    yield "(f) violations that axe-core finds", f"{len(found)}", "0", not found
    yield "(f) width of the page at 390 px", f"{browser.width} px", "390 px", browser.width <= 390


def refiltered(browser: Browser, words: str) -> float:
    """Seconds from the last key, which makes the filter these words, to the next frame."""
    script = """
    const [words, done] = arguments, box = document.querySelector('#filter');
    const filters = () => performance.getEntriesByName('page-filter').length, before = filters();
    const start = performance.now();
    box.value = words;
    box.dispatchEvent(new Event('input'));
    const look = () => filters() > before
        ? requestAnimationFrame(() => done(performance.now() - start)) : setTimeout(look);
    look();"""
    took = float(browser.driver.execute_async_script(script, words)) / 1000
    time.sleep(0.3)  # somebody looks at it, and types on
    return took


def importance(folder: Path) -> tuple[str, str, str, bool]:
    """How long it takes for 10,000 rows, and whether ten calls say the same."""
    results = results_of(folder / "importance" / "m.X", 10_000)
    results.importance("y")
    times: list[float] = []
    said: set[str] = set()
    for _ in range(10):
        begun = time.perf_counter()
        said.add(repr(list(results.importance("y"))))
        times.append(time.perf_counter() - begun)
    took = sorted(times)[5]
    figure = f"{took * 1000:.0f} ms, {len(said)} answer{'s' * (len(said) > 1)} in 10 calls"
    held = took <= IMPORTANCE and len(said) == 1
    return "(d) importance of 10,000 rows", figure, "50 ms, 1 answer", held


def on_screen(folder: Path, browser: Browser) -> Iterator[tuple[str, str, str, bool]]:
    """How long it takes from an outcome in the ledger to the screen."""
    run = RunFolder.create(folder / "board" / "m.X", {"code": "c1"})
    times: list[float] = []
    with RunLedgers(run) as ledgers, Board(folder, str(folder / "board" / "m.X")) as board:
        browser.open(board.url)
        for n in range(10):
            wait_for(lambda n=n: browser.n_rows == n)
            ledgers.append(encode([done(n, {"y": n})]))
            begun = time.perf_counter()
            wait_for(lambda n=n: browser.n_rows == n + 1)
            times.append(time.perf_counter() - begun)
            time.sleep(1)
        browser.driver.get("about:blank")
    took = sorted(times)[5]
    figure = f"{took:.2f} s, at most {max(times):.2f} s"
    yield "(e) from an outcome to the screen", figure, f"{ON_SCREEN} s", took <= ON_SCREEN


def main() -> int:
    """Print all figures; 1 if a bar is not held."""
    lack = missing()
    if lack is not None:
        print(lack)
        return 2
    is_held = True
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, figure, bar, held in figures(Path(folder), browser):
                print(f"{name:58} {figure:28} {bar:16} {'' if held else 'NOT HELD'}", flush=True)
                is_held = is_held and held
    finally:
        browser.close()
    return 0 if is_held else 1


if __name__ == "__main__":
    sys.exit(main())
