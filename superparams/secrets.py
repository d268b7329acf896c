"""Secrets of an experiment: finds their environment variables, and removes them from texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from superparams.declare import fields_of
from superparams.fields import Axis, Value, is_group

__all__ = ["hide", "looks_secret", "points_of", "variables_of"]

MOST: Final = 1000  # only so many points of an axis are checked
SHORTEST: Final = 4  # characters; shorter secrets are not replaced: many texts have them by chance
_SECRET_NAME: Final = re.compile(
    r"(.*_)?(api_?key|access_?key|secret(_key)?|password|passwd|passphrase|private_key|"
    r"(access|auth|api|bearer|refresh)_token)",
    re.IGNORECASE,
)


def variables_of(params: Any) -> frozenset[str]:
    """The environment variables with the secrets of an instance and of its groups."""
    return frozenset(_variables(params))


def _variables(params: Any) -> Iterator[str]:
    held = params.__dict__
    for name, field in fields_of(params.__class__).items():
        declared = held.get("~lazy", {}).get(name, field.declared)
        if isinstance(declared, Value) and declared.secret is not None:
            yield declared.secret
        for group in filter(is_group, points_of(held.get(name))):
            yield from _variables(group)


def points_of(x: Any) -> Iterable[Any]:
    """The first points of an axis, none of a range, or the value itself if it is no axis."""
    if isinstance(x, Axis):
        return () if isinstance(x.points, range) else x.points[:MOST]
    return (x,)


def hide(text: str | None, variables: frozenset[str]) -> str | None:
    """Replace each secret in a text by the name of its environment variable."""
    for name in sorted(variables) if text else ():
        secret = os.environ.get(name, "")
        if len(secret) >= SHORTEST and text:
            text = text.replace(secret, f"<{name}>").replace(repr(secret)[1:-1], f"<{name}>")
    return text


def looks_secret(params: Any) -> Iterator[str]:
    """Notes on fields that are recorded in plain text although their names suggest a secret."""
    for name, field in fields_of(params.__class__).items():
        points = points_of(params.__dict__.get(name))
        for group in filter(is_group, points):
            yield from looks_secret(group)
        is_text = any(isinstance(x, str) and x for x in points)
        if is_text and _SECRET_NAME.fullmatch(name):
            yield (
                f"{field.where} is recorded in plain text; if it is a secret, write "
                f'value(secret="{name.upper()}"), which reads it from the environment and records '
                "it nowhere"
            )
