"""Shards: parts of a space that run as separate processes, without a driver in common.

Which settings belong to a shard follows from the size of the space and the number of shards alone.
So shards may run at the same time or one after the other, and a shard that is resumed has the same
settings as before.

Settings are dealt in rounds, like cards: in each round, each of the n shards gets one of the next
n settings. Each round begins with another shard. If all rounds began with shard 0, an axis of
n points that varies fastest would give each shard only one of its points, perhaps the slow one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from superparams.executor.engines.option_fields import BadValue, whole

__all__ = [
    "SHARD",
    "Shard",
    "checked_shard",
    "is_another_shard",
    "is_in_shard",
    "ranges_of_shard",
    "shard_of_word",
    "shard_text",
]

Shard = tuple[int, int]  # the number of the shard from 0, and how many shards there are

SHARD: Final = "shard"  # in run.json
# In a large space, neighbours are dealt together, so that a shard has only some thousands of
# ranges.
_MOST_ROUNDS: Final = 8192
# 2**64 divided by the golden ratio: multiples of it are spread evenly over all residues.
_GOLDEN: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


def checked_shard(x: object) -> Shard:
    """Check an option ``shard``, which may be any sequence of two whole numbers.

    Raises:
        BadValue: With the remedy, for anything else.
    """
    remedy = "give the number of the shard, from 0, and how many shards there are, as in (0, 4)"
    if isinstance(x, str | bytes) or not isinstance(x, Sequence):
        raise BadValue(remedy)
    numbers = [cast("int", whole(0, remedy)(part)) for part in cast("Sequence[object]", x)]
    if len(numbers) != 2 or not numbers[1]:
        raise BadValue(remedy)
    number, count = numbers
    if number >= count:
        raise BadValue(
            f"shards are numbered from 0: give (0, {count}) to ({count - 1}, {count})"
            if count > 1
            else "the only shard of one is (0, 1)"
        )
    return number, count


def shard_of_word(word: str) -> Shard:
    """The shard of a word of the command line, such as ``3/16``.

    Raises:
        BadValue: With the remedy, for a word that names no shard.
    """
    number, _, count = word.partition("/")
    remedy = "give the number of the shard, from 0, and how many shards there are, as in 0/4"
    if not (number.isascii() and number.isdecimal() and count.isascii() and count.isdecimal()):
        raise BadValue(remedy)
    shard = int(number), int(count)
    if not shard[1]:
        raise BadValue(remedy)
    if shard[0] >= shard[1]:
        last = f" to {shard[1] - 1}/{shard[1]}" if shard[1] > 1 else ""
        raise BadValue(
            f"shards are numbered from 0: give 0/{shard[1]}{last}; a job array counts from 0 with "
            f"--array=0-{shard[1] - 1}"
        )
    return shard


def shard_text(shard: Shard) -> str:
    """A shard in words, such as ``shard 3/16``."""
    return f"shard {shard[0]}/{shard[1]}"


def is_another_shard(shard: Shard | None, manifest: Mapping[str, object]) -> bool:
    """Whether another run is a different shard of the same division, so that they share no setting.

    Args:
        shard: The shard; None for a run of all settings.
        manifest: The content of the other run's run.json.
    """
    try:
        number, count = checked_shard(manifest.get(SHARD))
    except BadValue:
        return False
    return shard is not None and count == shard[1] and number != shard[0]


def ranges_of_shard(shard: Shard | None, size: int) -> list[range]:
    """The indices of the settings of a shard, as ascending ranges.

    Args:
        shard: The shard; None for all settings.
        size: The number of settings of the space.
    """
    return [range(size)] if shard is None else list(_ranges(shard, size))


def _ranges(shard: Shard, size: int) -> Iterator[range]:
    number, count = shard
    unit = _unit(count, size)
    for deal, start in enumerate(range(0, size, count * unit)):
        first = start + (number + _turn(deal, count)) % count * unit
        if first < size:
            yield range(first, min(first + unit, size))


def is_in_shard(shard: Shard | None, size: int, index: int) -> bool:
    """Whether a shard has the setting with an index of a space of this size."""
    if shard is None:
        return True
    number, count = shard
    unit = _unit(count, size)
    deal, place = divmod(index, count * unit)
    return (place // unit - _turn(deal, count)) % count == number


def _unit(count: int, size: int) -> int:
    """How many neighbours are dealt together."""
    return max(1, size // (count * _MOST_ROUNDS))


def _turn(deal: int, count: int) -> int:
    """By how many shards the deal of a round is turned."""
    return (deal * _GOLDEN & _WORD) * count >> 64
