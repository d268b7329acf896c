"""Names that are like one that is not known."""

from __future__ import annotations

import pytest

from superparams.errors.suggestions import similar


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("lrr", ["epochs", "lr", "width"], ["lr"]),
        ("LR", ["lr", "epochs"], ["lr"]),
        ("lr", ["data.seed", "optimizer.lr", "other.lr"], ["optimizer.lr", "other.lr"]),
        ("optimizer.lrr", ["optimizer.lr", "width"], ["optimizer.lr"]),
        ("digit", ["vision.digits.Digits", "text.words"], ["vision.digits.Digits"]),
        ("xyz", ["lr", "epochs"], []),
        ("lr", [], []),
    ],
)
def test_similar_names(name: str, known: list[str], expected: list[str]) -> None:
    assert similar(name, known) == expected


def test_at_most_as_many_as_asked_for() -> None:
    known = [f"group{number}.lr" for number in range(9)]
    assert similar("lr", known, 2) == known[:2]
    assert similar("lr", known) == known[:3]
