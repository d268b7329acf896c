"""One Chromium for all tests here; a machine without it skips them, unless that is forbidden."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, missing


@pytest.fixture(autouse=True)
def no_children() -> None:
    """In place of the fixture of all tests: the browser outlives a test."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    lack = missing()
    if lack is not None:
        if os.environ.get("SUPERPARAMS_BROWSER"):
            pytest.fail(lack)
        pytest.skip(lack)
    made = Browser()
    yield made
    made.close()
