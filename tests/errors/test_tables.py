"""Tables fit into the room there is, and say what they left out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams.errors import safe_text
from superparams.errors.tables import Table, pair_lines

WIDE = Table(
    ["key", "folds", "kernel", "C", "seed", "accuracy", "status"],
    [
        ["ab12", "5", "linear", "0.1", "1", "0.5", "done"],
        ["cd34", "5", "rbf", "10", "2", "0.75", "failed"],
    ],
    right=frozenset([1, 3, 4, 5]),
    keep=frozenset([0, 6]),
)


def shown(table: Table) -> list[str]:
    return list(table.lines())


def test_all_of_it_where_there_is_room() -> None:
    for room in (None, 100, 48):
        made = WIDE.fitted(room)
        assert shown(made) == [
            "key   folds  kernel    C  seed  accuracy  status",
            "ab12      5  linear  0.1     1       0.5  done",
            "cd34      5  rbf      10     2      0.75  failed",
        ]
        assert made.notes() == []


def test_what_all_rows_say_goes_first() -> None:
    made = WIDE.fitted(47)
    assert shown(made) == [
        "key   kernel    C  seed  accuracy  status",
        "ab12  linear  0.1     1       0.5  done",
        "cd34  rbf      10     2      0.75  failed",
    ]
    assert made.notes() == ["… the same in all 2 rows: folds=5"]


def test_then_columns_in_the_middle() -> None:
    made = WIDE.fitted(36)
    assert shown(made) == [
        "key   kernel  …  accuracy  status",
        "ab12  linear  …       0.5  done",
        "cd34  rbf     …      0.75  failed",
    ]
    assert made.notes("--columns a,b chooses") == [
        "… the same in all 2 rows: folds=5",
        "… 2 columns left out to fit the width; --columns a,b chooses",
    ]


def test_as_many_columns_as_there_is_room_for() -> None:
    names = [f"c{n}" for n in range(10)]
    rows = [[f"{n}{at}" for n in range(10)] for at in range(2)]
    for room in range(3, 40):
        made = Table(names, rows).fitted(room)
        columns = len(names) - made.left_out
        assert columns == (10 if room >= 38 else max(1, (room - 1) // 4))
        shown_ = [name for name in made.names if name != "…"]
        left = (columns + 1) // 2
        assert shown_ == [*names[:left], *names[10 - (columns - left) :]]


def test_what_is_to_stay_stays_where_all_rows_say_it() -> None:
    rows = [["ab", "1", "x" * 20, "done"], ["cd", "1", "y" * 20, "done"]]
    made = Table(["key", "a", "b", "status"], rows, keep=frozenset([0, 3])).fitted(33)
    assert (list(made.names), made.folded) == (["key", "b", "status"], {"a": "1"})


def test_a_single_row_has_no_columns_that_say_the_same() -> None:
    made = Table(WIDE.names, WIDE.rows[:1], WIDE.right, WIDE.keep).fitted(40)
    assert made.folded == {}
    assert made.left_out > 0


def test_what_shown_rows_say_alike_is_not_folded_where_others_say_otherwise() -> None:
    wide = replace(WIDE, size=90, alike=lambda places: set(places) - {1})
    made = wide.fitted(40)
    assert "folds" in made.names
    assert made.folded == {"kernel": "linear", "C": "0.1", "seed": "1", "accuracy": "0.5"}
    assert made.notes()[0].startswith("… the same in all 90 rows: kernel=linear")


def test_what_is_whole_is_not_folded_but_gets_room_last() -> None:
    rows = [["ab", "1", "x" * 9, "7", "5"], ["cd", "1", "y" * 9, "8", "5"]]
    names = ["key", "loss", "long", "b", "c"]
    table = Table(names, rows, keep=frozenset([0]), whole=frozenset([1]))
    assert list(table.fitted(23).names) == ["key", "loss", "long", "b"]
    assert list(table.fitted(22).names) == ["key", "…", "long", "b"]


def test_columns_get_room_in_their_order() -> None:
    table = Table([f"c{n}" for n in range(5)], [[f"x{n}" for n in range(5)]], order=[3, 1, 4, 0, 2])
    assert list(table.fitted(15).names) == ["…", "c1", "c3", "c4"]
    assert list(table.fitted(7).names) == ["…", "c3"]
    assert list(table.fitted(1).names) == ["…", "c3"]


def test_notes_wrap_at_spaces() -> None:
    rows = [["5" * 9, "ab", "x" * 30], ["5" * 9, "ab", "y" * 30]]
    made = Table(["first", "second", "third"], rows).fitted(35)
    assert made.notes(room=30) == ["… the same in all 2 rows:", "  first=555555555, second=ab"]


def test_no_rows() -> None:
    assert shown(Table(["a", "b"], []).fitted(80)) == ["a  b"]
    assert Table(["a", "b"], []).fitted(80).notes() == []


def test_rows_that_are_left_out_have_a_line_in_the_middle() -> None:
    table = Table(["a"], [["1"], ["2"], ["8"], ["9"]], title="Ten", skipped=6)
    assert table.text(None).splitlines() == ["Ten", "a", "1", "2", "… 6 more rows", "8", "9"]
    assert re.findall(r">([^<>\n]+)<", table.html()) == [
        "Ten",
        "a",
        "1",
        "2",
        "… 6 more rows",
        "8",
        "9",
    ]


def test_pairs_are_aligned_and_need_no_head() -> None:
    assert list(pair_lines([("a", "1"), ("long", ""), ("漢", "2")])) == [
        "  a     1",
        "  long",
        "  漢    2",
    ]
    assert list(pair_lines([])) == []


def test_html_escapes_marks_rows_and_breaks_lines() -> None:
    rows = [["<b>", "done", ""], ["2\n3", "failed", "no & no"]]
    table = Table(["a", "status", "error"], rows, right=frozenset([0]), marks=["", "failed stale"])
    text = table.html()
    assert "<td>&lt;b&gt;</td>" in text, "a number is on the right"
    assert '<tr class="failed stale" style="opacity:0.6"><td>2<br>3</td>' in text
    assert "<strong>failed</strong>" in text
    assert "<strong>no &amp; no</strong>" in text
    assert text.count("<strong>") == 2


@given(
    st.integers(1, 12).flatmap(
        lambda width: st.tuples(
            st.lists(st.text("abc漢", min_size=1, max_size=9), min_size=width, max_size=width),
            st.lists(
                st.lists(st.text("xyz字 ", max_size=9), min_size=width, max_size=width), max_size=4
            ),
            st.sets(st.integers(0, width - 1)),
            st.integers(1, 80),
        )
    )
)
def test_it_fits_wherever_that_can_be(
    made: tuple[list[str], list[list[str]], set[int], int],
) -> None:
    names, rows, keep, room = made
    table = Table(names, rows, keep=frozenset(keep))
    fitted = table.fitted(room)
    lines = shown(fitted)
    assert len(lines) == len(rows) + 1
    columns = sum(name != "…" for name in fitted.names)
    assert columns + fitted.left_out + len(fitted.folded) >= len(names) - (
        len(names) - len(dict.fromkeys(names))
    )
    least = shown(
        Table(
            [names[at] for at in sorted(keep)] + ["…"],
            [[*(row[at] for at in sorted(keep)), "…"] for row in rows],
        )
    )
    if keep and max(map(safe_text.width, least)) <= room:
        assert max(map(safe_text.width, lines)) <= room


@pytest.mark.parametrize("room", range(1, 60, 7))
def test_what_is_to_stay_stays(room: int) -> None:
    made = WIDE.fitted(room)
    assert (made.names[0], made.names[-1]) == ("key", "status")
