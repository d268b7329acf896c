"""Tells, at the end of a run, which snippets were not executed and why."""

from __future__ import annotations

import pytest
from snippets import read_page
from test_snippets import PAGES, ROOT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        f"{path.relative_to(ROOT)}:{block.line}: {block.skip}"
        for path in PAGES
        for block in read_page(path).blocks
        if block.skip is not None
    ]
    if skipped:
        terminalreporter.section("snippets that are not executed")
        for each in skipped:
            terminalreporter.line(each)
