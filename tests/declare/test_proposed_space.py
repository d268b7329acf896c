"""Settings of points that are proposed one by one: keys, rows, pickles."""

from __future__ import annotations

import pickle
from typing import Any

from superparams import Experiment, Params, search
from superparams.declare.keys import Keys, key_of
from superparams.declare.layout import known_layout
from superparams.declare.presentation import RowMaker
from superparams.declare.proposed_space import ProposedSpace
from superparams.space.random_bits import RandomBits


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)


class Net(Params):
    depth: int = search(low=1, high=4)
    widths: list[int] = search([[1, 2], [3]])


class Fit(Experiment):
    lr: float = search(low=1e-4, high=1e-1, log=True)
    low: int = search([1, 2], zip="ends")
    optimizer: Adam | None = search([Adam(), None])
    high: int = search([8, 9], zip="ends")
    net: Net = Net()
    seed: int = search(range(3), repeat=True)

    def run(self) -> dict[str, Any]:
        return {}


class One(Experiment):
    lr: float = search(low=1e-4, high=1e-1, log=True)

    def run(self) -> dict[str, Any]:
        return {}


def proposed(space: Any, n: int) -> ProposedSpace:
    made = ProposedSpace(space)
    for number in range(n):
        point = made.points.space.drawn(RandomBits(3), number)
        assert made.propose(number, point) == range(
            number * made.repetitions, (number + 1) * made.repetitions
        )
    return made


def check(made: ProposedSpace, n: int) -> None:
    """Settings, keys and rows are those of the same settings made by hand."""
    keys, layout = Keys(made.settings), known_layout(made.settings)
    assert layout is not None
    row = RowMaker(made.settings).maker()
    for index in range(n * made.repetitions):
        number, repetition = divmod(index, made.repetitions)
        expected = made.points.setting(made.point(number), repetition)
        setting = layout.at(index)
        assert setting == expected
        assert keys[index] == key_of(expected)
        assert row(setting) == row(expected)


def test_settings_keys_and_rows_are_those_of_the_points() -> None:
    for space in (Fit(), One()):
        check(proposed(space, 20), 20)


def test_a_later_point_does_not_move_the_settings_before_it() -> None:
    made = proposed(Fit(), 5)
    keys = Keys(made.settings)
    before = [keys[index] for index in range(15)]
    made.propose(5, made.points.space.drawn(RandomBits(9), 5))
    assert [keys[index] for index in range(15)] == before
    assert keys[15] not in before


def test_points_follow_as_bytes_after_a_pickle() -> None:
    made = proposed(Fit(), 2)
    keys = Keys(made.settings)
    other, its_keys, settings = pickle.loads(pickle.dumps((made, keys, made.settings)))
    assert other.settings is settings
    made.propose(2, made.points.space.drawn(RandomBits(4), 2))
    other.learn(made.packed([6, 8]))
    check(other, 3)
    assert [its_keys[index] for index in range(9)] == [keys[index] for index in range(9)]
    alone = pickle.loads(pickle.dumps(made))
    check(alone, 3)
