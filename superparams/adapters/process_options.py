"""A part of the process-wide settings, with functions to read, apply and show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Notes", "Part"]

Notes = list[str]  # sentences for the user


def _plain_options(values: Mapping[str, object], project: str) -> dict[str, Any]:
    return {name: x if isinstance(x, bool | int | float | str) else f"{x!s:.80}"
            for name, x in values.items()}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of the process-wide settings.

    Attributes:
        name: The name in notes and in run.json.
        module: The module of these settings, which have their defaults while it is not loaded.
        read: Reads the values that differ from the defaults.
        apply: Sets these values, and all others to their defaults.
        waits: Whether to apply the values only when other code loads `module`.
        is_of_thread: Whether a new thread begins with the defaults.
        defaults: The default values, as far as they are known.
        show: Makes the values for run.json.
        describe_change: Makes a sentence from an earlier and a present value in run.json; None for
            the usual sentence.
    """

    name: str
    module: str
    read: Callable[[Notes], dict[str, Any]]
    apply: Callable[[Mapping[str, Any], Notes], None]
    waits: bool = False
    is_of_thread: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    show: Callable[[Mapping[str, Any], str], dict[str, Any]] = _plain_options
    describe_change: Callable[[str, str], str] | None = None


def differing(values: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, Any]:
    """The values that are not the defaults."""
    return {name: x for name, x in values.items() if name not in defaults or x != defaults[name]}
