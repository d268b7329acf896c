"""One Chromium for all tests here, which `make test-browser` sets up and runs."""

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
    if not os.environ.get("SUPERPARAMS_BROWSER"):
        pytest.skip("`make test-browser` runs what needs a browser")
    lack = missing()
    if lack is not None:
        pytest.fail(lack)
    made = Browser()
    yield made
    made.close()
