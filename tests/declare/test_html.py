"""Spaces and settings as a notebook shows them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from superparams import Experiment, Params, search, value


class Table(HTMLParser):
    """The cells of a table, row by row, and its caption; every tag that is opened is closed."""

    def __init__(self, text: str | None) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.caption = ""
        self._open: list[str] = []
        assert text is not None
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"style"}
        assert "color" not in str(attrs), "it must fit a dark page as well as a light one"
        if tag == "br":
            self.rows[-1][-1] += "\n"
            return
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def table(params: Any) -> Table:
    return Table(params._repr_html_())


class Adam(Params):
    rate: float = search([0.1, 0.2])


class SGD(Params):
    rate: float = search([1, 2, 3])
    name: str = "<b>&amp;"


class Plain(Experiment):
    C: float = search([0.1, 1.0])
    kernel: str = search({"<linear>": "linear", "rbf": "rbf"}, zip="both")
    degree: int = search([1, 3], zip="both")
    seed: int = search(range(1_000_000))
    folds: int = 5


class Nested(Experiment):
    optimizer: Adam | SGD = search([Adam(), SGD()])
    other: Adam = Adam()


def test_a_space_shows_its_axes() -> None:
    shown = table(Plain())
    assert shown.caption == "Plain: Search 3 dimensions, total 4000000 combinations"
    assert shown.rows == [
        ["axis", "size", "points"],
        ["C", "2", "[0.1, 1.0]"],
        ["kernel", "2", "['<linear>', 'rbf'] (zip 'both')"],
        ["degree", "2", "[1, 3] (zip 'both')"],
        ["seed", "1,000,000", "[0, 1, 2, 3, 4, ..., 999999] (1,000,000 points)"],
    ]


def test_an_axis_of_groups_has_the_size_of_them_all() -> None:
    assert table(Nested()).rows[1:] == [
        [
            "optimizer",
            "5",
            "[Adam(rate=search([0.1, 0.2])), \nSGD(rate=search([1, 2, 3]), name='<b>&amp;')]",
        ],
        ["other.rate", "2", "[0.1, 0.2]"],
    ]


def test_a_setting_shows_its_fields() -> None:
    shown = table(Nested()[-1])
    assert shown.caption == "Nested"
    assert shown.rows == [
        ["field", "value"],
        ["optimizer", "SGD(rate=3, name='<b>&amp;')"],
        ["other", "Adam(rate=0.2)"],
    ]


def test_nothing_is_made_for_it() -> None:
    class Loads(Experiment):
        data: bytes = value(factory=lambda: 1 / 0)
        a: int = 1

    assert table(Loads()).rows[1] == ["data", "value(factory=Loads.<lambda>: not made yet)"]


def test_a_value_whose_repr_fails_is_told() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    class Holds(Params):
        x: Any = value(Broken(), key="1")

    assert table(Holds()).rows[1] == ["x", "<Broken whose repr raised ValueError>"]


def test_large_content_stays_small() -> None:
    class Large(Params):
        text: str = "x" * 100_000
        axis: str = search(["y" * 100_000, "z"])

    assert len(str(Large()._repr_html_())) < 1_000
    assert len(str(Large()[0]._repr_html_())) < 1_000


def test_a_repr_of_the_users_own_is_left_alone() -> None:
    class Own(Plain):
        def __repr__(self) -> str:
            return "mine"

    assert Own()._repr_html_() is None
    assert Own()[0]._repr_html_() is None
