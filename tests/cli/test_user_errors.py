"""Errors are shown with the lines of the user, and without those of superparams."""

from __future__ import annotations

import builtins
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search, value
from superparams.cli.user_errors import text_for_user, users_part
from superparams.declare.keys import Keys
from superparams.errors import StoreError
from superparams.store.results import Results


def raised(act: Callable[[], Any]) -> BaseException:
    """What `act` raises, as the command would catch it: from a line of ours on."""
    try:
        act()
    except BaseException as error:
        trace = error.__traceback__
        return error.with_traceback(trace and trace.tb_next)  # without this function
    raise AssertionError("nothing was raised")


@pytest.fixture
def users(tmp_path: Path) -> Any:
    """The functions of a user's file."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import json\n"
        "def fails():\n    raise ValueError('mine')\n"
        "def parses():\n    json.loads('{')\n"
        "def chained():\n    try:\n        fails()\n    except ValueError as error:\n"
        "        raise KeyError('next') from error\n"
        "def calls(act):\n    return act()\n"
    )
    return runpy.run_path(str(file))


def made_of(factory: Callable[[], Any]) -> Callable[[], Any]:
    """Something of ours that calls a function of a user's."""

    class Has(Experiment):
        a: int = search([1, 2])
        data: object = value(factory=factory)

    return lambda: Keys(Has())


def test_the_users_lines_and_where_that_was(users: Any) -> None:
    text = text_for_user(raised(made_of(users["fails"])))
    assert text is not None
    assert "mine.py" in text
    assert "in fails\n    raise ValueError('mine')\nValueError: mine" in text
    assert text.endswith("Has.data: value(factory=fails) failed")
    assert "superparams/" not in text


def test_lines_of_libraries_that_the_user_called_stay(users: Any) -> None:
    text = text_for_user(raised(users["parses"]))
    assert text is not None
    assert "in parses" in text
    assert "json/decoder.py" in text


def test_errors_behind_an_error_are_told_likewise(users: Any) -> None:
    text = text_for_user(raised(made_of(users["chained"])))
    assert text is not None
    assert text.index("ValueError: mine") < text.index("KeyError: 'next'")
    assert "direct cause" in text
    assert "superparams/" not in text


def test_an_error_of_ours_that_a_users_call_raised_is_told_by_his_line(users: Any) -> None:
    text = text_for_user(raised(lambda: users["calls"](lambda: Results.load("nothing"))))
    assert text is not None
    assert "return act()" in text
    assert text.splitlines()[-1].startswith("superparams.errors.StoreError: there are no results")


def test_an_error_of_ours_is_none() -> None:
    error = raised(lambda: Keys(None))  # type: ignore[arg-type]
    error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    assert text_for_user(error) is None
    assert text_for_user(StoreError("x")) is None


@pytest.mark.parametrize("error", [OSError(28, "No space left"), UserWarning("beware")])
def test_errors_of_the_system_and_warnings_are_what_they_say(error: Exception) -> None:
    assert text_for_user(error) == str(error)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups yet")
def test_groups(users: Any) -> None:
    inner = raised(made_of(users["fails"]))
    text = text_for_user(builtins.ExceptionGroup("all", [inner, OSError("full")]))  # type: ignore[attr-defined]
    assert text is not None
    assert "in fails" in text
    assert "OSError: full" in text
    assert "superparams/" not in text


def test_an_error_that_stands_behind_itself_ends(users: Any) -> None:
    error = raised(users["fails"])
    error.__context__ = other = raised(users["fails"])
    other.__context__ = error
    assert len(users_part(error).stack) >= 1
