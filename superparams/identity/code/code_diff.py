"""The differences between two versions of the code of an experiment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal, NamedTuple

__all__ = ["Change", "changes_between"]


class Change(NamedTuple):
    """One function, class or constant that differs.

    Attributes:
        name: Its full name, ``module.qualname``.
        how: Whether it was changed, added or removed.
        diff: A unified diff; empty if a text is not kept, or both are the same.
    """

    name: str
    how: Literal["changed", "added", "removed"]
    diff: str

    def __str__(self) -> str:
        return f"{self.how} {self.name}"


def changes_between(
    before: Mapping[str, str],
    after: Mapping[str, str],
    old_texts: Mapping[str, str],
    new_texts: Mapping[str, str],
    *,
    labels: tuple[str, str] = ("then", "now"),
) -> list[Change]:
    """The differences between two versions of code, by name.

    Args:
        before: The digest of each part of the old code, by its full name.
        after: The same of the new code.
        old_texts: The texts of parts of the old code, as far as they are kept.
        new_texts: The same of the new code.
        labels: The names of the two versions in diffs.
    """
    return [
        Change(
            name,
            "added" if name not in before else "removed" if name not in after else "changed",
            _unified(name, labels, old_texts.get(name, ""), new_texts.get(name, "")),
        )
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _unified(name: str, labels: tuple[str, str], old: str, new: str) -> str:
    lines = old.splitlines(), new.splitlines()
    before, after = (f"{name} ({label})" for label in labels)
    return "\n".join(difflib.unified_diff(*lines, before, after, lineterm=""))
