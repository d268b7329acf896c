"""Text from elsewhere shows, and does nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams.cli import json_document
from superparams.errors import safe_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢字 🎉", "plain ü 漢字 🎉"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x08", r"a\rb\x08"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("\udcff", r"\udcff"),
        (5, "5"),
    ],
)
def test_in_one_line(text: object, shown: str) -> None:
    assert safe_text.line(text) == shown


def test_lines_and_tabs_stay_in_several() -> None:
    assert safe_text.lines("a\n\tb\x1b]0;title\x07\r") == "a\n\tb\\x1b]0;title\\x07\\r"


@given(st.text())
def test_nothing_that_a_terminal_obeys(text: str) -> None:
    for shown in (safe_text.line(text), safe_text.lines(text).replace("\n", "").replace("\t", "")):
        assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in shown)
        shown.encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_holds_the_text_and_nothing_that_a_terminal_obeys(text: str) -> None:
    import json

    made = json_document.text({"x": text})
    assert json.loads(made) == {"x": text}
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in made)


def test_width_and_padding() -> None:
    assert [safe_text.width(one) for one in ("abc", "漢字", "e\u0301", "")] == [3, 4, 1, 0]
    assert safe_text.padded("漢", 4) == "漢  "
    assert safe_text.padded("7", 3, right=True) == "  7"
    assert safe_text.padded("long", 2) == "long"
