"""Derived fields in groups: what `run` reads is what the table holds. FAULTS row 75."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, search, value
from superparams.errors import FieldError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Net(Params):
    """One field depends on a sibling."""

    width: int = search([1, 2])
    area: int = value(derive=lambda self: self.width**2)


class Other(Params):
    """An alternative with a derived field of the same name."""

    depth: int = 3
    area: int = value(derive=lambda self: self.depth + 1)


class Deep(Net):
    """A subclass whose field depends on a derived one."""

    more: int = value(derive=lambda self: self.area + 1)


class Fixed(Net):
    """A subclass that replaces the derived field."""

    area: int = 50


class Outer(Params):
    """A group in a group, and a field that depends on it."""

    deep: Deep = Deep(width=3)
    all: int = value(derive=lambda self: self.deep.more * 2)


class Fit(Experiment):
    """A derived field of the experiment depends on one of a group."""

    scale: int = search([1, 10])
    net: Net | Other | Outer = Net()
    scaled: int = value(derive=lambda self: self.scale * getattr(self.net, "area", 0))

    def run(self) -> dict[str, Any]:
        net: Any = self.net
        deep = getattr(net, "deep", net)
        return {
            "area": getattr(deep, "area", None),
            "more": getattr(deep, "more", None),
            "all": getattr(net, "all", None),
            "seen": self.scaled,
        }


FORMS: dict[str, tuple[Any, list[Any]]] = {
    "sibling": (Net(), [1, 4]),
    "fixed": (Net(width=3), [9]),
    "overwritten": (Net(width=2, area=7), [7]),
    "searched": (Net(width=2, area=search([7, 8])), [7, 8]),
    "subclass": (Deep(), [1, 4]),
    "replaced": (Fixed(), [50, 50]),
    "alternatives": (search([Net(width=4), Other(), Deep(width=5)]), [16, 4, 25]),
    "nested": (Outer(), [9]),
    "nested_overwritten": (Outer(deep=Deep(width=2, area=6)), [6]),
}


@pytest.mark.parametrize("how", [{"num_proc": 1}, {"num_proc": 2, "engine": "processes"}], ids=str)
def test_75_derived_fields_in_groups_are_recorded_as_run_saw_them(
    how: dict[str, Any], tmp_path: Path
) -> None:
    for name, (net, areas) in FORMS.items():
        space = Fit(net=net)
        found = space.run_all(**how, results=tmp_path / name, progress=False)
        assert [row["area"] for row in found] == areas * 2, (name, found.errors)
        for row, setting in zip(found, space, strict=True):
            inner = "net.deep." if "nested" in name else "net."
            assert row[f"{inner}area"] == row["area"]
            assert row.get(f"{inner}more") == row["more"]
            assert row.get("net.all") == row["all"]
            assert row["scaled"] == row["seen"] == setting.scaled
            group: Any = getattr(setting.net, "deep", setting.net)
            assert f"area={row['area']}" in repr(group).replace(" ", ""), name


def test_75_a_group_that_asks_for_outer_fields_is_refused(tmp_path: Path) -> None:
    class Inner(Params):
        wide: int = value(derive=lambda self: self.scale * 2)  # type: ignore[attr-defined]

    class Asks(Experiment):
        scale: int = 1
        inner: Inner = Inner()

        def run(self) -> None:
            raise AssertionError("it must not run")

    with pytest.raises(FieldError, match=r"Inner.wide: .* asks for 'scale', a field of Asks"):
        Asks().run_all(results=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
