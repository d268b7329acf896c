"""The page of results in a real browser: what it shows, how it is used, and what it never does."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest

from superparams import Experiment, Params, maximize, search
from superparams.outcomes.batches import encode
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from tests.browser.chromium import Browser
from tests.cli.command import Project
from tests.recording import done, run
from tests.timing import wait_for

MARKUP = (
    "</script><script>window.hit=1</script><img src=x onerror=window.hit=1><!--\x00\x1b[2J\u202e"
)


class Tree(Params):
    depth: int | None = search([None, 3])


class Svm(Params):
    c: float = search([1e-3, 1.0, 1e3])


class Fit(Experiment):
    """How well does it fit?"""

    goal = maximize("accuracy")
    model: Tree | Svm = search([Tree(), Svm()])
    width: int = search([1, 10, 100])
    seed: int = search(range(2), repeat=True)

    def run(self):
        if isinstance(self.model, Svm) and self.model.c > 100:
            raise ValueError(f"<b>no {self.seed}</b>")
        print("seed", self.seed)
        for epoch in range(3):
            yield {"epoch": epoch, "loss": 1.0 / (epoch + 1)}
        return {"accuracy": self.seed + self.width / 1000, "note": MARKUP}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    results = Fit().run_all(1, results=folder / "results", progress=False)
    return results.to_html(folder / "page.html")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    root = folder / "results" / "m.X"
    outcomes = [done(n, {"y": math.sin(n), "kind": f"k{n % 7}"}) for n in range(100_000)]

    made = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(made) as ledgers:
        ledgers.append(encode(outcomes))
    made.finish()
    return Results.load(root).to_html(folder / "page.html")


def filtered(browser: Browser, words: str) -> int:
    """How many rows are left for words in the filter box."""
    browser.run("document.querySelector('#filter').focus()")
    browser.run("document.querySelector('#filter').select()")
    browser.press("BACKSPACE", *words)
    wait_for(lambda: browser.n_selected < browser.n_rows)
    return browser.n_selected


def test_the_page_shows_all_of_it_and_asks_for_nothing(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.n_rows == browser.n_selected == 30
    shown = browser.text("body")
    for text in ("Fit", "How well does it fit?", "24 done", "6 failed", "30 rows", "<b>no"):
        assert text in shown, text
    for name in ("best", "parallel", "importance", "slices", "heat", "curves", "failures", "runs"):
        assert browser.find(f"section#{name}"), name
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []


def test_none_and_no_such_field_are_told_apart(browser: Browser, page: Path) -> None:
    browser.open(page)
    cells = {
        (row[0], row[1])
        for row in browser.run(
            """const heads = [...document.querySelectorAll('#table th')].map((x) => x.innerText);
            const at = (name) => heads.findIndex((x) => x.startsWith(name));
            const [model, depth] = [at('model'), at('model.depth')];
            return [...document.querySelectorAll('#table tbody tr')].map(
                (row) => [row.cells[model].innerText, row.cells[depth].innerText])"""
        )
    }
    assert ("Tree", "None") in cells
    assert all(depth not in ("None", "3") for model, depth in cells if model == "Svm")


def test_filters_of_words_and_numbers_select_rows(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert filtered(browser, "width=10") == 10
    assert "10 of 30 rows" in browser.text("body")
    assert filtered(browser, "accuracy>1") == 12
    browser.run("document.querySelector('#clear').click()")
    wait_for(lambda: browser.n_selected == 30)


def test_dragging_along_an_axis_selects_rows(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.drag("#parallel .axis-area", 0.0, 0.4)
    wait_for(lambda: 0 < browser.n_selected < 30)
    assert browser.find("#parallel .brush")
    browser.run("document.querySelector('#clear').click()")
    wait_for(lambda: browser.n_selected == 30)


def test_an_axis_is_used_with_the_keyboard_too(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelectorAll('#parallel .thumb')[0].focus()")
    browser.press("ARROW_UP")
    wait_for(lambda: browser.n_selected < 30)
    browser.press("ESCAPE")
    wait_for(lambda: browser.n_selected == 30)


def test_a_click_on_a_head_sorts(browser: Browser, page: Path) -> None:
    browser.open(page)
    button = "[...document.querySelectorAll('#table th button')].find((x) => x.title === 'width')"
    for sorting in ("ascending", "descending"):
        browser.run(f"{button}.click()")
        (head,) = browser.find("#table th[aria-sort]")
        assert head.get_attribute("aria-sort") == sorting
        at = browser.run(f"return {button}.closest('th').cellIndex")
        cells = browser.texts(f"#table tbody td:nth-child({at + 1})")
        assert [int(x) for x in cells] == sorted(map(int, cells), reverse=sorting == "descending")


def test_a_row_leads_to_its_error_and_the_way_to_run_it_again(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('#filter').focus()")
    browser.press(*"status=failed")
    wait_for(lambda: browser.n_selected == 6)
    browser.run("document.querySelector('#table tbody button').focus()")
    browser.press("ENTER")
    wait_for(lambda: browser.find("dialog#detail[open]"))
    shown = browser.text("#detail")
    assert "ValueError: <b>no" in shown
    assert "Traceback" in shown
    assert "experiment rerun" in shown
    assert browser.violations() == []
    browser.press("ESCAPE")
    wait_for(lambda: not browser.find("dialog#detail[open]"))


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, page: Path, width: int, is_dark: bool
) -> None:
    browser.open(page, width, is_dark=is_dark)
    assert browser.width <= width
    assert browser.violations() == []
    back = browser.run("return getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, back[back.index("(") + 1 : -1].split(",")[:3])) > 384
    assert light != is_dark


def test_the_theme_is_switched_by_hand(browser: Browser, page: Path) -> None:
    browser.open(page)
    colour = functools.partial(
        browser.run, "return getComputedStyle(document.body).backgroundColor"
    )
    before = colour()
    browser.run("document.querySelector('#theme').click()")
    wait_for(lambda: colour() != before)
    assert browser.violations() == []


FACTOR = """
from superparams import Experiment, search

def factor():
    return {}

class Fit(Experiment):
    a: int = search([1, 2])

    def run(self):
        return {{"y": self.a * factor()}}
"""


def test_any_two_runs_are_compared(browser: Browser, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for number in (10, 20, 30):
        project.write({"experiments/fit.py": FACTOR.format(number)})
        assert project.run("fit", "-n", "1", "--no-progress").code == 0
    assert project.run("report", "fit", "-o", "x.html").code == 0
    browser.open(project.folder / "x.html")
    panel = "#run-comparison"
    assert "-    return 20" in browser.text(panel)
    assert "+    return 30" in browser.text(panel)
    oldest = "const list = document.querySelector('#run-comparison select');"
    browser.run(f"{oldest} list.selectedIndex = 2; list.dispatchEvent(new Event('change'))")
    wait_for(lambda: "-    return 10" in browser.text(panel))
    assert "+    return 30" in browser.text(panel)
    assert "return 20" not in browser.text(panel)
    wait_for(lambda: "60" in browser.text(f"{panel} .best-of-runs"))
    summary = browser.texts("#runs > ul > li summary")[0]
    assert "the code changed since the previous run" in summary
    browser.run("document.querySelector('#runs > ul > li details').open = true")
    assert "+    return 30" in browser.text("#runs > ul > li")
    browser.run("document.querySelector('#runs details.code').open = true")
    assert "def factor():" in browser.text("#runs details.code")
    assert browser.violations() == []
    browser.open(project.folder / "x.html", 390)
    assert browser.width <= 390


def test_hostile_values_and_names_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    values = {
        MARKUP: 1,
        "markup": MARKUP,
        "long": "<x>" * 400_000,
        "nan": math.nan,
        "infinite": math.inf,
        "huge": 2**200,
        "raw": b"</script>\x00",
        "nested": {"a": [MARKUP]},
        "surrogate": "\ud800",
    }
    run(root, [done(0, values), done(1, {"markup": "plain"})])
    browser.open(Results.load(root).to_html(tmp_path / "page.html"))
    assert browser.n_rows == 2
    assert browser.run("return window.hit") is None
    assert browser.find("img, iframe, object, embed, link") == []
    assert "<img src=x onerror=window.hit=1>" in browser.text("#table")
    assert browser.requests() == [(tmp_path / "page.html").as_uri()]
    assert browser.complaints() == []
    assert browser.violations() == []


def test_nothing_can_be_added_to_the_page(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(
        "const x = document.createElement('script'); x.textContent = 'window.hit = 1';"
        "document.body.append(x)"
    )
    assert browser.run("return window.hit") is None
    assert browser.driver.execute_async_script(
        "fetch('http://127.0.0.1:1/').then(() => arguments[0](false), () => arguments[0](true))"
    )
    assert any("Content Security Policy" in x for x in browser.complaints())


def test_a_hundred_thousand_rows_are_shown_filtered_and_represented(
    browser: Browser, large: Path
) -> None:
    browser.open(large)
    assert browser.n_rows == 100_000
    assert "100,000 rows" in browser.text("body")
    assert filtered(browser, "kind=k3") == len(range(3, 100_000, 7))
    assert len(browser.find("#table tbody tr")) < 200
    assert browser.complaints() == []


def test_a_notebook_shows_the_page_in_a_frame(
    browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(n, {"y": n}) for n in range(5)])
    shown = Results.load(root).view()._repr_html_()
    (tmp_path / "cell.html").write_text(
        f'<!doctype html><body data-ready=""><script>window.secret = 1</script>{shown}', "utf-8"
    )
    browser.open(tmp_path / "cell.html")
    (frame,) = browser.find("iframe")
    browser.driver.switch_to.frame(frame)
    wait_for(lambda: browser.run("return document.body?.dataset.ready") == "")
    assert browser.n_rows == 5
    reach = "try { return window.parent.secret } catch (error) { return error.name }"
    assert browser.run(reach) == "SecurityError"
    browser.driver.switch_to.default_content()
