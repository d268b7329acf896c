"""The entries of `run.json` about code: fingerprints, and which settings run which parts.

Entries of `run.json`, all of which can be read without the class:

- ``code``: the fingerprint of all code of the class,
- ``parts``: the digest of each function, method, class and constant in it,
- ``alternatives``: the parts that only settings with an instance of a class run, by the class,
- ``codes``: the alternatives of which the settings of each code hold instances, by the fingerprint
  of the code. It is left out if all settings have the code of the class.

The code of a setting consists of ``parts`` without the parts of those alternatives that the setting
does not hold. The fingerprint of the code is computed from these parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from superparams.store.json_values import is_list, json_object

__all__ = ["ALTERNATIVES", "CODES", "held_by_code", "parts_of_others"]

ALTERNATIVES: Final = "alternatives"
CODES: Final = "codes"


def held_by_code(manifest: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The alternatives that the settings of each code hold; empty if the run has only one code."""
    entries = json_object(manifest.get(CODES)).items()
    return {code: tuple(map(str, names)) for code, names in entries if is_list(names)}


def parts_of_others(manifest: Mapping[str, object], code: str) -> set[str]:
    """The names of the parts that settings of a code do not run; empty if that is not known."""
    held = held_by_code(manifest).get(code)
    parts = json_object(manifest.get(ALTERNATIVES))
    if held is None:
        return set()
    own = {str(part) for name in held if is_list(parts.get(name)) for part in parts[name]}
    return {str(x) for each in parts.values() if is_list(each) for x in each} - own
