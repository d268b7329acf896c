"""The site in a real browser: on a phone, light and dark, and what its search finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.site_server import Site, pages_of
from tests.docs.search_queries import QUERIES
from tests.timing import wait_for

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("benchmarks", "quality", "notebook")  # by the hooks in tools/
PAGES = sorted([*(path.stem for path in (ROOT / "docs").glob("*.md")), *GENERATED])
# Of the theme: each block of code has an unnamed landmark for its copy button, and can have the
# focus once it is on the screen.
OF_THE_THEME = ("landmark-unique", "scrollable-region-focusable")
PHONE = 390  # pixels
FIRST = 4  # pages of a search that a reader looks at


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True)
    assert pages_of(folder) == PAGES
    with Site(folder) as made:
        yield made


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_phone_and_can_be_read(
    browser: Browser, site: Site, page: str, is_dark: bool
) -> None:
    browser.visit(site.url_of(page), PHONE, is_dark=is_dark)
    assert browser.run("return document.body.dataset.mdColorScheme") == (
        "slate" if is_dark else "default"
    )
    assert browser.width == PHONE
    assert cut_off(browser) == []
    assert broken_pictures(browser) == []
    assert browser.violations("article", but=OF_THE_THEME) == []
    assert [url for url in browser.requests() if not url.startswith(site.address)] == []


def test_messages_wrap_on_a_phone_and_tables_of_two_columns_keep_their_heads(
    browser: Browser, site: Site
) -> None:
    browser.visit(site.url_of("resume"), PHONE)
    ends = browser.run("""
        return [...document.querySelectorAll("article .message")]
            .map((x) => x.getBoundingClientRect().right)""")
    assert ends
    assert max(ends) <= PHONE
    shown = browser.run("""
        return [...document.querySelectorAll("article table[data-narrow=stack] th")]
            .filter((x) => x.getClientRects().length).map((x) => x.innerText)""")
    assert {"to", "call"} <= set(shown)


def cut_off(browser: Browser) -> list[str]:
    """What sticks out of the page and cannot be scrolled to, each as its first words."""
    script = """
        const scrolls = (x) => x && (["auto", "scroll"].includes(getComputedStyle(x).overflowX)
            || scrolls(x.parentElement));
        return [...document.querySelectorAll("article *")]
            .filter((x) => x.getClientRects().length && x.clientWidth)
            .filter((x) => x.getBoundingClientRect().right > innerWidth + 1 && !scrolls(x))
            .map((x) => `${x.tagName}: ${x.innerText?.slice(0, 60)}`)"""
    return list(browser.run(script))


def broken_pictures(browser: Browser) -> list[str]:
    """The pictures of a page that could not be loaded, or that have no alternative text."""
    script = """
        return [...document.querySelectorAll("article img")]
            .filter((x) => !x.complete || !x.naturalWidth || !x.alt).map((x) => x.src)"""
    return list(browser.run(script))


def found(browser: Browser, words: str) -> list[str]:
    """The pages that the search of the site shows for some words, the best one first."""
    ask(browser, "")
    wait_for(lambda: hits(browser) == [])
    ask(browser, words)
    last: list[str] = []

    def is_complete() -> bool:
        nonlocal last
        before, last = last, hits(browser)
        return before == last != []

    wait_for(is_complete)
    paths = [href.split("/", 3)[3].partition("?")[0] for href in last]
    return list(dict.fromkeys(path.partition("/")[0] or "index" for path in paths))


def ask(browser: Browser, words: str) -> None:
    """Put words into the search at once, as from the clipboard, so that it answers once."""
    script = """
        const box = document.querySelector("[data-md-component=search-query]");
        box.focus();
        box.value = arguments[0];
        box.dispatchEvent(new Event("keyup", {bubbles: true}));"""
    browser.run(script, words)


def hits(browser: Browser) -> list[str]:
    """The addresses that the search shows."""
    links = "[...document.querySelectorAll('.md-search-result__item > a')]"
    return list(browser.run(f"return {links}.map((x) => x.href)"))


def test_the_search_finds_what_people_type(browser: Browser, site: Site) -> None:
    browser.visit(site.address)
    shown = {query: found(browser, query)[:FIRST] for query in QUERIES}
    lost = [f"{query}: {shown[query]}" for query in QUERIES if QUERIES[query] not in shown[query]]
    assert lost == []
