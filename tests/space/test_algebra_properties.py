"""What holds for every space: random ones, nested as deep as three levels."""

from __future__ import annotations

import math
import pickle
from typing import Any

import cloudpickle
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from superparams import Experiment, Params, search, value
from superparams.declare.keys import Keys, key_of

LARGEST = 300
steady = settings(
    max_examples=70,
    deadline=None,
    derandomize=True,  # the same examples in every run
    database=None,
    suppress_health_check=list(HealthCheck),
)

atoms = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.just(math.nan)
    | st.text(max_size=3)
    | st.sampled_from([b"x", int, len, 1 + 2j, 10**30])
)
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=3,
)
counter = iter(range(10**9))


def made(base: Any, body: dict[str, Any], valid: int | None) -> Any:
    """A class with these fields; with `valid`, one of so many settings is left out."""
    number = next(counter)
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": f"Made{number}",
        "__annotations__": dict.fromkeys(body, Any),
        **body,
    }
    if valid:
        namespace["valid"] = lambda self: len(repr(self.values())) % valid != 0
    return type(base)(f"Made{number}", (base,), namespace)


def distinct(points: list[Any]) -> list[Any]:
    """Points without those that another one equals, nested spaces counted by their settings."""
    kept: list[Any] = []
    seen: set[str] = set()
    for point in points:
        inside = (
            [repr(_plain(s)) for s in point] if isinstance(point, Params) else [repr(_plain(point))]
        )
        if not seen & set(inside):
            seen |= set(inside)
            kept.append(point)
    return kept


def _plain(x: Any) -> Any:
    """Numbers of one value as one, so that 1 and 1.0 are no two points; a bool stays apart."""
    if isinstance(x, Params):
        return (type(x), [_plain(v) for v in x.values()])
    if isinstance(x, list | tuple):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in sorted(x.items())}
    if isinstance(x, int | float) and not isinstance(x, bool):
        return ("number", math.nan if x != x else x + 0 if abs(x) > 2**53 else float(x) + 0.0)
    return x


@st.composite
def declared(draw: st.DrawFn, depth: int, groups: int) -> dict[str, Any]:
    """The body of a class: what each field is declared as."""
    body: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from("abcd"), min_size=1, max_size=3)):
        points = st.lists(
            plain if depth == 0 else plain | spaces(depth - 1, Params), min_size=1, max_size=3
        )
        kind = draw(
            st.sampled_from(["axis", "axis", "named", "constant", "value", "range", "nested"])
        )
        if kind == "axis":
            body[name] = search(distinct(draw(points)))
        elif kind == "named":
            body[name] = search({f"p{i}": p for i, p in enumerate(distinct(draw(points)))})
        elif kind == "range":
            body[name] = search(range(draw(st.integers(1, 4))))
        elif kind == "nested" and depth:
            body[name] = draw(spaces(depth - 1, Params))
        else:
            constant = draw(plain)
            body[name] = value(constant) if kind == "value" else constant
    for group in range(groups):
        size = draw(st.integers(1, 3))
        for name in ("y", "z"):
            body[f"{name}{group}"] = search(range(size), zip=f"g{group}")
    return body


@st.composite
def spaces(draw: st.DrawFn, depth: int, base: Any) -> Any:
    """An instance of a class made up on the spot."""
    body = draw(declared(depth, draw(st.integers(0, 1))))
    cls = made(base, body, draw(st.sampled_from([None, None, 2, 3])))
    space = cls()
    assume(0 < space.n_settings <= LARGEST)
    return space


experiments = spaces(2, Experiment)


@steady
@given(experiments)
def test_every_way_to_a_setting_leads_to_the_same_one(space: Any) -> None:
    found = list(space)
    assert len(space) == space.n_settings == len(found)
    for i, setting in enumerate(found):
        assert space[i] == setting
        assert space[i - len(found)] == setting
        assert space.index(setting) == space.index(space[i]) == i
        assert setting in space


@steady
@given(experiments)
def test_no_setting_comes_twice(space: Any) -> None:
    found = list(space)
    assert all(found[i] != found[j] for i in range(min(len(found), 40)) for j in range(i))
    assert len(set(found)) == len(found)


@steady
@given(experiments, st.slices(12))
def test_slices_are_those_of_a_list(space: Any, cut: slice) -> None:
    found = list(space)
    assert list(space[cut]) == found[cut]
    assert space[cut] == found[cut]
    assert len(space[cut]) == len(found[cut])


@steady
@given(experiments, st.booleans())
def test_a_space_travels(space: Any, warm: bool) -> None:
    if warm:
        len(space)
    other, setting = pickle.loads(cloudpickle.dumps((space, space[-1])))
    assert other == space
    assert hash(other) == hash(space)
    assert repr(other) == repr(space)
    assert list(other) == list(space)
    assert setting == space[-1]
    assert other.index(setting) == len(space) - 1


@steady
@given(experiments)
def test_keys_by_index_are_those_of_the_settings(space: Any) -> None:
    keys = Keys(space)
    found = [keys[i] for i in range(len(space))]
    assert found == [key_of(s) for s in space]
    assert len(set(found)) == len(found)


@steady
@given(experiments)
def test_a_setting_is_made_again_from_its_fields(space: Any) -> None:
    for setting in space[:20]:
        assert type(space)(**setting) == setting == setting.replace()
        assert hash(setting.replace()) == hash(setting)
        assert {k.partition(".")[0] for k in setting.as_row()} <= set(setting.keys())
