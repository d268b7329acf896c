"""Each panel of the page in a real browser, used as somebody would use it, and odd tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, Params, Results, maximize, search
from superparams.outcomes.outcome import Outcome
from tests.browser.chromium import Browser
from tests.recording import key, run
from tests.timing import wait_for


class Forest(Params):
    depth: int | None = search([None, 3])


class Margin(Params):
    c: float = search([1e-3, 1.0, 1e3])


class Trained(Experiment):
    """How well is it trained?"""

    goal = maximize("accuracy")
    model: Forest | Margin = search([Forest(), Margin()])
    width: int = search([1, 10, 100])
    seed: int = search(range(2), repeat=True)

    def run(self):
        print("seed", self.seed)
        for epoch in range(4):
            if isinstance(self.model, Margin) and self.model.c > 100 and epoch == 2:
                raise ValueError(f"no convergence at {self.width}")
            yield {"epoch": epoch, "loss": 1.0 / (epoch + 1)}
        return {"accuracy": self.width / 1000 + self.seed / 100, "loss": 1.0 / self.width}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("trained")
    return Trained().run_all(1, results=folder / "results", progress=False)


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results.to_html(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    return browser


def click(browser: Browser, selector: str, text: str = "") -> None:
    """Click the first of these elements, or the first one with a text."""
    script = """const [selector, text] = arguments;
    const all = [...document.querySelectorAll(selector)];
    const found = all.find((x) => x.textContent.includes(text));
    found.scrollIntoView({block: 'center'}); found.click()"""
    browser.run(script, selector, text)


def choose(browser: Browser, selector: str, value: str) -> None:
    script = """const list = document.querySelector(arguments[0]);
    list.value = arguments[1]; list.dispatchEvent(new Event('change'))"""
    browser.run(script, selector, value)


def say(browser: Browser, words: str) -> None:
    """Type into the filter box."""
    browser.run("document.querySelector('#filter').select()")
    browser.press("BACKSPACE", *words)
    wait_for(lambda: browser.n_selected < browser.n_rows)


def column(browser: Browser, panel: str, name: str) -> list[str]:
    """The cells of a column of a table in a panel."""
    script = """const [panel, name] = arguments;
    const table = document.querySelector(`${panel} table`);
    const at = [...table.tHead.rows[0].cells].findIndex((x) => x.textContent.startsWith(name));
    return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent)"""
    return list(browser.run(script, panel, name))


def test_a_click_on_a_status_selects_its_rows(opened: Browser) -> None:
    click(opened, ".statuses button", "failed")
    wait_for(lambda: opened.n_selected == 6)
    click(opened, ".statuses button", "failed")
    wait_for(lambda: opened.n_selected == 30)


def test_the_best_rows_follow_the_result_its_direction_and_the_selection(opened: Browser) -> None:
    assert column(opened, "#best", "accuracy")[0] == "0.11"
    say(opened, "width=10")
    wait_for(lambda: column(opened, "#best", "accuracy")[0] == "0.02")
    assert set(column(opened, "#best", "width")) == {"10"}
    click(opened, "#clear")
    choose(opened, ".bar select", "loss")
    wait_for(lambda: column(opened, "#best", "loss")[0] == "0.01")  # lower is better


def test_a_cell_of_the_heat_map_selects_its_rows_and_a_chip_lets_go_of_them(
    opened: Browser,
) -> None:
    fields = opened.run("return [...document.querySelectorAll('#heat select')].map((x) => x.value)")
    assert len(set(fields[1:])) == 2
    choose(opened, "#heat .choice:nth-child(2) select", "width")
    choose(opened, "#heat .choice:nth-child(3) select", "model")
    wait_for(lambda: len(opened.texts("#heat td button")) == 6)
    click(opened, "#heat td button")
    wait_for(lambda: opened.n_selected == 4)  # a width of forests
    chips = opened.texts(".bar .chip")
    assert [chip.partition(":")[0] for chip in chips] == ["width", "model"]
    click(opened, ".bar .chip")
    wait_for(lambda: opened.n_selected == 12)


def test_dragging_over_a_slice_selects_a_range(opened: Browser) -> None:
    x, y, width, height = opened.run(
        "const canvas = document.querySelector('#slices canvas');"
        "canvas.scrollIntoView({block: 'center'});"
        "const {x, y, width, height} = canvas.getBoundingClientRect();"
        "return [x, y, width, height]"
    )
    for kind, part in (("mousePressed", 0.2), ("mouseMoved", 0.4), ("mouseReleased", 0.6)):
        at = {"x": x + part * width, "y": y + height / 2}
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        opened.tell("Input.dispatchMouseEvent", type=kind, **at, **held)
    wait_for(lambda: 0 < opened.n_selected < 30)
    (chip,) = opened.texts(".bar .chip")
    name = opened.text("#slices figcaption")
    assert chip.startswith(name)


def test_importance_is_what_python_says(opened: Browser, results: Results) -> None:
    told = {row["field"]: row["importance"] for row in results.importance("accuracy")}
    shown = opened.texts("#importance li")
    assert len(shown) == len(told)
    for text in shown:
        name, *_, share = text.split()[:-1]
        expected = told[name]
        assert share == f"{round(expected * 100)}" or (share == "1" and expected < 0.01), text


def test_curves_are_of_all_settings_and_are_averaged_over_seeds(opened: Browser) -> None:
    assert "30 settings with steps, 6 of them without a result" in opened.text("#curves")
    say(opened, "width=10")
    wait_for(lambda: "10 settings with steps, 2 of them" in opened.text("#curves"))
    click(opened, "#clear")
    click(opened, "#curves input[type=checkbox]")
    wait_for(lambda: len(opened.texts("#curves .legend li")) == 6)
    assert "median over seed" in opened.text("#curves")


def test_repetitions_have_their_mean_and_spread(opened: Browser) -> None:
    assert column(opened, "#repeats", "mean accuracy")[0] == "0.105"
    assert column(opened, "#repeats", "deviation")[0].startswith("± 0.0070")
    assert column(opened, "#repeats", "repetitions")[0] == "2"
    assert len(opened.find("#repeats .strip-point")) == 24
    assert "15 settings" in opened.text("#repeats")


def test_failures_have_what_they_share_their_rows_and_their_traceback(opened: Browser) -> None:
    shown = opened.text("#failures")
    assert shown.count("2 failed") == 3
    assert "all have model=Margin, model.c=1000, width=10" in shown
    opened.run("document.querySelector('#failures details').open = true")
    click(opened, "#failures button", "Select these rows")
    wait_for(lambda: opened.n_selected == 2)
    click(opened, "#failures button.key")
    wait_for(lambda: opened.find("dialog#detail[open]"))
    assert "Traceback" in opened.text("#detail")


def test_a_row_has_all_that_is_known_of_it_and_leads_to_the_next(opened: Browser) -> None:
    click(opened, "#best button.key")
    wait_for(lambda: opened.find("dialog#detail[open]"))
    wait_for(lambda: "seed 1" in opened.text("#detail-log"))
    shown = opened.text("#detail")
    for text in ("accuracy", "0.11", "which only settings with model=Forest have", "rerun", "key"):
        assert text in shown, text
    assert opened.find("#detail-curve canvas")
    opened.run("document.querySelector('#detail details.code').open = true")
    assert "def run(self):" in opened.text("#detail details.code")
    first = opened.text("#detail-title")
    click(opened, "#detail header button", "Next")
    wait_for(lambda: opened.text("#detail-title") != first)
    click(opened, "#detail header button", "Previous")
    wait_for(lambda: opened.text("#detail-title") == first)


def test_columns_are_chosen_and_the_table_is_used_with_the_keyboard(opened: Browser) -> None:
    assert "seconds" not in opened.texts("#table th")
    opened.run("document.querySelector('#table details').open = true")
    wait_for(lambda: opened.find("#table .checks label"))
    click(opened, "#table .checks label", "seconds")
    wait_for(lambda: "seconds" in opened.texts("#table th"))
    opened.run("document.querySelector('#table tbody button[tabindex=\"0\"]').focus()")
    row = "return document.activeElement.closest('tr').getAttribute('aria-rowindex')"
    for pressed, expected in (
        ("ARROW_DOWN", "3"),
        ("END", "31"),
        ("ARROW_UP", "30"),
        ("HOME", "2"),
    ):
        opened.press(pressed)
        assert opened.run(row) == expected, pressed


def test_the_table_is_downloaded_as_it_is(opened: Browser, tmp_path: Path) -> None:
    opened.tell("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    click(opened, "#download")
    wait_for(lambda: [path.suffix for path in tmp_path.iterdir()] == [".parquet"])
    (file,) = tmp_path.iterdir()
    assert parquet.read_table(file).num_rows == 30
    opened.tell("Page.setDownloadBehavior", behavior="default")


# ---- odd tables


def ok(number: int, params: dict[str, Any], results: dict[str, Any]) -> Outcome:
    return Outcome(number, key(number), "done", params, results)


MIXED = ["auto", 0.1, 1, None, True, [1, 2]]
ODD: dict[str, Callable[[], list[Outcome]]] = {
    "no row": list,
    "one row": lambda: [ok(0, {"lr": 0.1}, {"y": 1.0})],
    "all failed": lambda: [
        Outcome(n, key(n), "failed", {"lr": n}, error=f"ValueError: {n % 2}") for n in range(6)
    ],
    "no number": lambda: [ok(n, {"lr": n, "a": "x"}, {"t": f"{n}", "f": n > 2}) for n in range(6)],
    "one field": lambda: [ok(n, {"lr": n}, {"y": math.sin(n)}) for n in range(6)],
    "constant result": lambda: [ok(n, {"lr": n, "a": -n}, {"y": 0.5}) for n in range(6)],
    "many columns": lambda: [
        ok(n, {f"group.long_name_{i}": n * i for i in range(300)}, {"y": n}) for n in range(9)
    ],
    "long texts": lambda: [
        ok(n, {"prompt": "lorem ipsum " * 90, "w": "x" * 300 + str(n)}, {"y": n}) for n in range(6)
    ],
    "nan and infinite": lambda: [
        ok(n, {"lr": [0.1, math.inf][n % 2]}, {"y": [math.nan, math.inf, -math.inf, 1.0][n % 4]})
        for n in range(12)
    ],
    "mixed types": lambda: [
        ok(n, {"g": MIXED[n % 6], "c": n % 4}, {"y": [1, "x", None][n % 3], "z": n})
        for n in range(24)
    ],
    "huge and tiny": lambda: [
        ok(n, {"n": 2 ** (20 + n)}, {"y": 1e-30 * 10**n, "big": 2**60 + n}) for n in range(14)
    ],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_are_shown_as_well(browser: Browser, tmp_path: Path, name: str) -> None:
    outcomes = ODD[name]()
    run(tmp_path / "m.X", outcomes)
    page = Results.load(tmp_path / "m.X").to_html(tmp_path / "page.html")
    for width, is_dark in ((1280, False), (390, True)):
        browser.open(page, width, is_dark=is_dark)
        assert browser.n_rows == len(outcomes)
        assert browser.width <= width
        assert browser.complaints() == []
        if name != "many columns" or width == 390:  # axe takes long for it
            assert browser.violations() == []
    lines = len(browser.find("#table tbody tr"))
    assert lines == max(1, len(outcomes)) if len(outcomes) < 15 else 10 < lines < 30
