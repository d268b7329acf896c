"""What goes wrong in a user's own function says of which field and which setting it was."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from superparams import Experiment, search, value
from superparams.errors import add_field_note
from tests.runs import output


def fails() -> float:
    return 1 / 0


class Derived(Experiment):
    a: int = search([1, 0])
    d: float = value(derive=lambda s: 1 / s.a)


class Made(Experiment):
    a: int = 1
    d: float = value(factory=lambda: 1 / 0)


class Valid(Experiment):
    a: int = search([1, 0])

    def valid(self) -> bool:
        return 1 / self.a > 0


CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: Derived()[1].d, "Derived.d: value(derive=Derived.<lambda>) failed for Derived(a=0, "),
    (lambda: Made().d, "Made.d: value(factory=Made.<lambda>) failed"),
    (lambda: len(Valid()), "Valid.valid() failed for Valid(a=0)"),
    (lambda: list(Valid()), "Valid.valid() failed for Valid(a=0)"),
    (lambda: Valid()[1], "Valid.valid() failed for Valid(a=0)"),
    (lambda: len(Valid(a=0)), "Valid.valid() failed for Valid(a=0)"),
    (lambda: Made(d=value(factory=fails)).d, "Made.d: value(factory=fails) failed"),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_it_is_told_once_and_stays_what_it_is(case: int) -> None:
    act, where = CASES[case]
    with pytest.raises(ZeroDivisionError) as met:
        act()
    (note,) = getattr(met.value, "__notes__", ())
    assert note.startswith(where)
    if sys.version_info >= (3, 11):
        assert "".join(traceback.format_exception(met.value)).rstrip().endswith(note)


def test_one_error_raised_again_and_again() -> None:
    error = ValueError("always the same")

    def raises(_: object) -> float:
        raise error

    class Same(Experiment):
        a: int = 1
        d: float = value(derive=raises)

    for _ in range(3):
        with pytest.raises(ValueError, match="always the same"):
            Same().d  # noqa: B018
    assert len(getattr(error, "__notes__", ())) == 1


def test_an_error_that_takes_no_notes() -> None:
    class Odd(Exception):
        def __setattr__(self, name: str, x: object) -> None:
            raise AttributeError(name)

    add_field_note(Odd(), "E.d")


FAILS = """
from superparams import Experiment, search, value
class E(Experiment):
    a: int = search([1, 0])
    d: float = value(derive=lambda s: 1 / s.a)
    def run(self):
        return {"y": self.d}
class K(Experiment):
    a: int = search([1, 0])
    d: float = value(factory=lambda: 1 / 0, key="v1")
    def run(self):
        return {"y": self.d}
if __name__ == "__main__":
    for num_proc in (1, 2):
        (row,) = E().run_all(num_proc, progress=False).failures
        print(row["error"])
        print(row["traceback"].splitlines()[-1])
    try:
        K().run_all(2, progress=False)
    except Exception as error:
        print("K.d: value(factory=K.<lambda>) failed" in str(error))
"""


def test_a_failed_setting_says_so_too(tmp_path: Path) -> None:
    told = output(tmp_path, FAILS).splitlines()
    where = "E.d: value(derive=E.<lambda>) failed"
    setting = "E(a=0, d=value(derive=E.<lambda>))"
    one = [f"ZeroDivisionError: division by zero ({where})", f"{where} for {setting}"]
    assert told == [*one, *one, "True"]
