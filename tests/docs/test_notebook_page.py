"""The notebook of the docs shows what it shows, and becomes a page."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_core.utils import ensure_event_loop
from notebooks import NOTEBOOK, ROOT, nbformat, read, run, shown

from tools.notebook_pages import as_page


@pytest.fixture
def loop_of_jupyter() -> None:
    """Jupyter keeps one event loop for good: it is not what a test leaves behind."""
    ensure_event_loop()


@pytest.mark.usefixtures("loop_of_jupyter", "no_leaks")
def test_the_notebook_of_the_docs_is_true(tmp_path: Path) -> None:
    stored = read()
    assert shown(run(stored, tmp_path)) == shown(stored), "`make notebook` stores what it shows now"


def test_it_tells_nothing_of_the_machine_it_ran_on() -> None:
    text = NOTEBOOK.read_text("utf-8")
    for word in (str(ROOT), str(Path.home()), "ipykernel_"):
        assert word not in text
    assert not re.search(r"[\s\"'(]/(home|root|Users|tmp|work|usr)\b", text)


def test_each_picture_has_a_text_for_those_who_do_not_see_it() -> None:
    pictures = [cell for cell in read().cells if "image/png" in str(cell.get("outputs"))]
    assert [bool(cell.metadata.get("alt")) for cell in pictures] == [True]


def notebook(*cells: str, **metadata: Any) -> Any:
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    made[-1].metadata.update(metadata)
    return nbformat.v4.new_notebook(cells=made)


class TestTheTestsThemselves:
    """What the comparison sees, and what it does not."""

    def test_a_restart_forgets(self, tmp_path: Path) -> None:
        done = run(notebook("x = 1", "'x' in globals()", tags=["restart"]), tmp_path)
        assert shown(done) == [[], [("text/plain", "False")]]

    def test_what_varies_is_masked_and_nothing_else(self, tmp_path: Path) -> None:
        cell = (
            "import secrets\nprint('code', secrets.token_hex(16))\nprint('done  ', {})\nprint({})"
        )
        first = shown(run(notebook(cell.format(0.123, 0.05)), tmp_path))
        assert first == [[("stdout", "code (digits)\ndone (seconds)\n0.05\n")]]
        assert shown(run(notebook(cell.format(1.5, 0.05)), tmp_path)) == first
        assert shown(run(notebook(cell.format(1.5, 0.06)), tmp_path)) != first

    def test_a_cell_that_fails_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match="ZeroDivisionError"):
            run(notebook("1 / 0"), tmp_path)


def outputs(*given: dict[str, Any], **metadata: Any) -> tuple[str, dict[str, bytes]]:
    """The page of one cell with these outputs."""
    cell = {"cell_type": "code", "source": ["x\n", "y"], "outputs": given, "metadata": metadata}
    return as_page({"cells": [cell]}, "images/a")


CODE = "```python\nx\ny\n```\n\n"


def test_page_what_is_printed_and_what_is_raised() -> None:
    printed = {"output_type": "stream", "text": ["\x1b[31ma\x1b[0m\n", "b\n"]}
    raised: dict[str, Any] = {"output_type": "error", "ename": "E", "evalue": "no"}
    raised["traceback"] = []
    page, _ = outputs(printed, raised)
    assert page == f"{CODE}```text\na\nb\n```\n\n```text\nE: no\n```\n"


def test_page_tables_and_texts() -> None:
    table = {"output_type": "display_data", "data": {"text/html": "<table>", "text/plain": "no"}}
    text = {"output_type": "execute_result", "data": {"text/plain": "```\nz"}}
    page, _ = outputs(table, text)
    assert page == f"{CODE}<div>\n<table>\n</div>\n\n````text\n```\nz\n````\n"


def test_page_pictures_are_files() -> None:
    data = {"image/png": base64.b64encode(b"png").decode(), "text/plain": "no"}
    page, pictures = outputs({"output_type": "display_data", "data": data}, alt="A line")
    assert page == f"{CODE}![A line](images/a-1.png)\n"
    assert pictures == {"images/a-1.png": b"png"}


def test_page_markdown_is_as_it_is() -> None:
    cells = [{"cell_type": "markdown", "source": "# A\n"}, {"cell_type": "raw", "source": "no"}]
    assert as_page({"cells": cells}, "a") == ("# A\n\n", {})
