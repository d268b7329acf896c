"""Numbers in the notation of Python or of another tool: the error says how to write them."""

from __future__ import annotations

from typing import Any

import pytest

from superparams import Experiment
from superparams.declare.words import filter_values
from superparams.errors import FieldError


class Train(Experiment):
    rate: float = 0.1
    rates: float | None = None
    depth: int = 2
    name: str = "a"

    def run(self) -> dict[str, float]:
        return {"loss": self.rate}


@pytest.mark.parametrize(
    ("word", "remedy", "purpose"),
    [
        ("rate=0:3", "rate=0..3", "for the range from 0 to 3"),
        ("rate=0.1:0.3", "rate=0.1..0.3", "for the range from 0.1 to 0.3"),
        ("rate=0.1-0.3", "rate=0.1..0.3", "for the range from 0.1 to 0.3"),
        ("rate=-1--0.5", "rate=-1..-0.5", "for the range from -1 to -0.5"),
        ("rate=0...3", "rate=0..3", "for the range from 0 to 3"),
        ("rate=0 to 3", "rate=0..3", "for the range from 0 to 3"),
        ("rate=0:3:0.5", "rate=0..3..0.5", "for the range from 0 to 3 in steps of 0.5"),
        ("rate=0..3:lin", "rate=0..3", "for the range from 0 to 3"),
        ("rate=1e-5:1e-1:log", "rate=1e-5..1e-1:log", "for the range from 1e-05 to 0.1"),
        ("rate=search(0:3)", "rate=0..3", "for the range from 0 to 3"),
        ("rate=search(low=0, high=3)", "rate=0..3", "for the range from 0 to 3"),
        (
            "rate=search(low=1e-3,high=1,log=True)",
            "rate=1e-3..1:log",
            "for the range from 0.001 to 1",
        ),
        ("rate=uniform(0,1)", "rate=0..1", "for the range from 0 to 1"),
        ("rate=tune.loguniform(1e-4, 1)", "rate=1e-4..1:log", "for the range from 0.0001 to 1"),
        ("rate=interval(0,1)", "rate=0..1", "for the range from 0 to 1"),
        ("rates=0:3", "rates=0..3", "for the range from 0 to 3"),
        ("depth=0:3", "depth=0..3", "for all from 0 to 3"),
        ("depth=[0-3]", "depth=0..3", "for all from 0 to 3"),
        ("depth=0:9:3", "depth=0..9..3", "for all from 0 to 9 in steps of 3"),
        ("depth=7,0:3", "depth=7,0..3", "for all from 0 to 3"),
        ("depth=range(1, 5)", "depth=1..5", "for all from 1 to 5"),
        ("rate=[0.1, 0.2]", "rate=0.1,0.2", "for these values"),
        ("rate=search([0.1,0.2])", "rate=0.1,0.2", "for these values"),
        ("rate=choice(1,2)", "rate=1,2", "for these values"),
        ("depth=1|2", "depth=1,2", "for these values"),
        ("depth=1;2", "depth=1,2", "for these values"),
        ("depth=1 2 3", "depth=1,2,3", "for these values"),
    ],
)
def test_the_error_says_how_to_write_it(word: str, remedy: str, purpose: str) -> None:
    with pytest.raises(FieldError) as caught:
        Train.from_cli([word])
    assert str(caught.value).endswith(f"; write {remedy} {purpose}")
    assert Train.from_cli([remedy]) is not None


@pytest.mark.parametrize(
    "word",
    [
        "rate=3:0",  # no range of floats goes down
        "rate=0:1:log",  # 0 has no logarithm
        "rate=0.1,0:3",  # a range stands alone
        "depth=0.5:3",
        "depth=0.5..3",
        "depth=[0.5,2]",
        "depth=1/2",
        "rate=1e-3",
        "rate=:3",
        "rate=(((((1,2)))))",
    ],
)
def test_a_hint_is_never_refused_itself(word: str) -> None:
    try:
        Train.from_cli([word])
    except FieldError as error:
        for remedy in str(error).partition("; write ")[2].split(", or "):
            if remedy.startswith(("rate=", "depth=")) and "LOW" not in remedy:
                assert Train.from_cli([remedy.split()[0]]) is not None


def test_text_stays_text() -> None:
    assert Train.from_cli(["name=0:3"]).name == "0:3"
    assert Train.from_cli(["name=[1,2]"]).name == "[1,2]"


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("rate", "0:3", "write rate>=0 and rate<=3"),
        ("rate", "[0.1,0.2]", "write rate=0.1,0.2 for these values"),
        ("depth", "0:3", "write depth=0..3 for all from 0 to 3"),
    ],
)
def test_a_filter_is_explained_as_a_filter(name: str, text: str, remedy: Any) -> None:
    with pytest.raises(FieldError) as caught:
        filter_values(Train, name, text)
    assert str(caught.value).endswith(remedy)
