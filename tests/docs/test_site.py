"""The index of the site's search has the words that people type, on the page that they need.

`tests/browser/test_site_in_browser.py` types them into the search itself.
"""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from search_queries import QUERIES
from snippets import ROOT

import superparams
from tools import long_lines
from tools.narrow_screens import on_page_content
from tools.search_words import WORDS
from tools.site_version import MARK


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not here: `make setup` installs it")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*build, str(folder)], cwd=ROOT, env=quiet, check=True)
    return folder


def tokens(text: str) -> list[str]:
    """The words of a text as the search tells them apart, in lower case."""
    return re.split(r"[\s\-]+", html.unescape(re.sub(r"<[^>]+>", " ", text)).lower())


def has_all(query: str, section: dict[str, Any]) -> bool:
    """Whether a section of a page has each word of a query, or a word that begins with it."""
    words = tokens(" ".join([section["title"], section["text"], *section.get("tags", ())]))
    return all(any(word.strip("(\"'`").startswith(q) for word in words) for q in tokens(query))


def test_the_index_has_each_query_on_its_page(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    pages = {page: "" if page == "index" else f"{page}/" for page in set(QUERIES.values())}
    lost = [
        f"{query}: {page}"
        for query, page in QUERIES.items()
        if not any(
            has_all(query, section)
            for section in index["docs"]
            if section["location"].partition("#")[0] == pages[page]
        )
    ]
    assert lost == []
    assert not any(has_all("zebra crossing", section) for section in index["docs"])


def test_each_page_with_other_words_is_a_page(site: Path) -> None:
    names = {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")}
    assert set(WORDS) - {"index"} <= names


def lost_links(path: Path) -> list[str]:
    """The links of a file to files that are not in the repository, as GitHub shows it."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s#]+)", text)
    own = [link for link in links if not re.match(r"\w+:", link)]
    return [link for link in own if not (path.parent / link).exists()]


def test_links_lead_to_files_where_no_site_is_built(tmp_path: Path) -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    assert {str(page.relative_to(ROOT)): lost for page in pages if (lost := lost_links(page))} == {}
    page = tmp_path / "page.md"
    page.write_text("[a](gone.md) [b](page.md#there) [c](https://example.org/x)\n", "utf-8")
    assert lost_links(page) == ["gone.md"]


def test_links_to_generated_pages_lead_to_these_on_the_site(site: Path) -> None:
    tutorial = (site / "tutorial/index.html").read_text("utf-8")
    assert 'href="../notebook/"' in tutorial
    assert "ipynb" not in tutorial
    assert '.ipynb"' in (site / "notebook/index.html").read_text("utf-8")
    performance = (site / "performance/index.html").read_text("utf-8")
    assert 'href="../benchmarks/"' in performance
    assert 'href="../quality/"' in performance


def test_the_first_page_says_which_version_it_describes(site: Path) -> None:
    page = (site / "index.html").read_text("utf-8")
    assert f"<strong>Version {superparams.__version__}</strong>" in page
    assert MARK not in page
    assert f"superparams {superparams.__version__} · MIT licence" in page


def test_no_section_of_a_docstring_is_shown_as_a_sentence(site: Path) -> None:
    text = (site / "api" / "index.html").read_text("utf-8")
    assert re.findall(r"(?<!>)\b(?:Args|Raises|Returns|Attributes):(?!<).{0,40}", text) == []


@pytest.mark.parametrize("page", ["benchmarks", "quality"])
def test_generated_pages_say_nothing_to_their_authors(site: Path, page: str) -> None:
    text = (site / page / "index.html").read_text("utf-8")
    assert " made this " in text
    assert "edit it" not in text


def test_the_reference_has_one_row_for_what_a_function_returns(site: Path) -> None:
    """The lines of a description were rows of their own, or its words before a colon a type."""
    text = (site / "api" / "index.html").read_text("utf-8")
    tables = re.findall(r"Returns:</span></p>(.*?)</table>", text, re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        (row,) = re.findall(r'<tr class="doc-section-item">(.*?)</tr>', table, re.DOTALL)
        kind, description = re.findall(r"<td\b[^>]*>(.*?)</td>", row, re.DOTALL)
        assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", re.sub(r"<[^>]+>", "", kind)), row
        assert re.sub(r"<[^>]+>", "", description).strip().endswith("."), row


LONG = "a sentence that is much too long to stand beside two other columns on a phone"


def table(*rows: tuple[str, ...]) -> str:
    """A table as Markdown makes it; the first row is its head."""
    head, *body = [
        "".join(f'<{tag} style="x">{cell}</{tag}>' if cell else f"<{tag}></{tag}>" for cell in row)
        for row, tag in zip(rows, ["th", *["td"] * len(rows)], strict=False)
    ]
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def test_sentences_are_stacked_with_the_heads_of_their_columns() -> None:
    made = on_page_content(f"a {table(('name', 'd & e', 'c'), ('x', LONG, '<b>2</b>'))} b")
    assert made.startswith('a <table data-narrow="stack"><thead>')
    assert '<td style="x" data-label="">x</td>' in made
    assert f'<td style="x" data-label="d &amp; e">{LONG}</td>' in made
    assert '<td style="x" data-label="c"><b>2</b></td>' in made


def test_two_columns_are_stacked_without_labels_where_the_first_is_wide() -> None:
    made = on_page_content(table(("written", "meaning"), ("search(low=1e-5, high=1)", LONG)))
    assert 'data-narrow="stack"' in made
    assert f'data-label="">{LONG}' in made


@pytest.mark.parametrize("row", [("1.5 s", "2", "3"), ("a", LONG)], ids=["numbers", "short names"])
def test_other_tables_keep_their_columns(row: tuple[str, ...]) -> None:
    made = on_page_content(table(("", *row[1:]), row))
    assert made.startswith('<table data-narrow="scroll"><thead><tr><td></td><th')
    assert "data-label" not in made


def block(text: str) -> str:
    return f"<pre><span></span><code>{text}</code></pre>"


def test_messages_wrap_and_columns_do_not() -> None:
    message, columns = f"Train.rate: {LONG}", f"key  {LONG}"
    made = long_lines.on_page_content(block(f"short\n{message}\n{columns}\n"))
    assert made == block(f'short\n<span class="message">{message}</span>\n{columns}\n')


def test_commands_and_their_messages_wrap() -> None:
    command = f'<span class="gp">$ </span>experiment<span class="w">  </span>{LONG}'
    output = f'<span class="go">note: {LONG}</span>'
    made = long_lines.on_page_content(block(f"{command}\n{output}\n"))
    assert made.count('<span class="message">') == 2
    assert re.sub(r"<[^>]+>", "", made) == re.sub(r"<[^>]+>", "", f"{command}\n{output}\n")


def test_code_keeps_its_lines() -> None:
    code = block(f'<span class="k">print</span>({LONG!r})\n')
    assert long_lines.on_page_content(code) == code
