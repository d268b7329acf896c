"""The code of each setting of a space, where settings with other alternatives run other code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from superparams.declare.experiment import Experiment
from superparams.declare.held_groups import Classes, HeldGroups, UnknownGroup
from superparams.identity.code.fingerprint import Code
from superparams.identity.code.held_alternatives import held_alternatives

__all__ = ["SettingCodes", "setting_codes"]

# A run with more combinations of alternatives than this has one code.
MOST_COMBINATIONS: Final = 4096


@dataclass(frozen=True)
class SettingCodes:
    """The codes of the settings of a space; picklable.

    Attributes:
        alternatives: The names of the alternatives that the settings of each code hold.
    """

    alternatives: Mapping[str, tuple[str, ...]]
    _held: HeldGroups
    _codes: Mapping[Classes, str]

    def at(self, index: int) -> str:
        """The fingerprint of the code of the setting at ``0 <= index < size``."""
        return self._codes[self._held.at(index)]


def setting_codes(
    space: Experiment, code: Code, listed: Experiment | None = None
) -> SettingCodes | None:
    """The codes of the settings of a space; None if all settings have that of the class.

    Args:
        space: The space.
        code: The code of its class.
        listed: A space with the same alternatives, where those of `space` cannot be listed.
    """
    held = HeldGroups(space) if code.alternatives else None
    every = held if listed is None or held is None else HeldGroups(listed)
    combinations = None if every is None else every.combinations(MOST_COMBINATIONS)
    if held is None or combinations is None:
        return None
    alternatives = {code.digest: tuple(sorted(code.alternatives))}
    codes: dict[Classes, str] = {}
    for classes in combinations:
        names = None if UnknownGroup in classes else held_alternatives(code, classes)
        codes[classes] = code.digest_of(names)
        if names is not None:
            alternatives.setdefault(codes[classes], names)
    return SettingCodes(alternatives, held, codes)
