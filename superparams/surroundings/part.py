"""One part of the set-up of a process, and how it is taken, set and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Notes", "Part"]

Notes = list[str]  # sentences for the user


def _plain(values: Mapping[str, Any], project: str) -> dict[str, Any]:
    return {name: x if isinstance(x, bool | int | float | str) else f"{x!s:.80}"
            for name, x in values.items()}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of the set-up.

    Attributes:
        name: as people read it.
        module: what has to be loaded for it to differ from the defaults.
        take: gives the values that differ from the defaults.
        apply: sets these values, and the defaults for all others.
        waits: whether `module` is not loaded for it, but set up when somebody loads it.
        is_of_thread: whether a new thread begins with the defaults.
        defaults: the value of each that is left out, as far as it is known.
        show: what is recorded.
    """

    name: str
    module: str
    take: Callable[[Notes], dict[str, Any]]
    apply: Callable[[Mapping[str, Any], Notes], None]
    waits: bool = False
    is_of_thread: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    show: Callable[[Mapping[str, Any], str], dict[str, Any]] = _plain


def differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the defaults."""
    return {name: x for name, x in values.items() if name not in defaults or x != defaults[name]}
