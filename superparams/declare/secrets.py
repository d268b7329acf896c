"""Secrets of an experiment: finds their environment variables, and removes them from texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.field import secrets_read
from superparams.declare.instance_state import declaration_on
from superparams.declare.metaclass import fields_of
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["hide", "looks_secret", "points_of", "variables_of"]

MOST: Final = 1000  # only so many points of an axis are checked
SHORTEST: Final = 4  # characters; shorter secrets are not replaced: many texts have them by chance
LONG_LINE: Final = 8  # characters; shorter lines of a secret are not replaced on their own
_SECRET_NAME: Final = (  # compiled on use, so that `import superparams` stays quick
    r"(?i)(.*_)?(api_?key|access_?key|secret(_key)?|password|passwd|passphrase|private_key|"
    r"(access|auth|api|bearer|refresh)_token)"
)


def variables_of(params: object) -> frozenset[str]:
    """The environment variables with the secrets of an instance and of its groups."""
    return frozenset(_variables(params))


def _variables(params: object) -> Iterator[str]:
    for name, field in fields_of(params.__class__).items():
        declared = declaration_on(params, field)
        if isinstance(declared, Value) and declared.secret is not None:
            yield declared.secret
        for group in filter(is_group, points_of(params.__dict__.get(name))):
            yield from _variables(group)


def points_of(x: object) -> Iterable[Any]:
    """The first points of an axis, none of a range, or the value itself if it is no axis."""
    if isinstance(x, Axis):
        return () if isinstance(x.points, range) else x.points[:MOST]
    return (x,)


def hide(text: str | None, variables: frozenset[str]) -> str | None:
    """Replace each secret in a text by the name of its environment variable.

    A secret is found as it is, and as `repr`, `json` and a URL write it.

    Args:
        text: A text, or None.
        variables: The names of environment variables.
    """
    if not text or not variables:
        return text
    names: dict[str, str] = {}
    for name in sorted(variables):
        for secret in {os.environ.get(name, ""), *secrets_read(name)}:
            names.update(dict.fromkeys(_forms(secret), f"<{name}>"))
    # The longest come first: a secret may begin as another one does.
    every = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(every, lambda match: names[match[0]], text) if every else text


def _forms(secret: str) -> Iterator[str]:
    """The forms in which a text may contain a secret."""
    import json
    from urllib.parse import quote, quote_plus

    if len(secret) < SHORTEST:
        return
    lines = secret.splitlines()  # a traceback may indent each line of a private key
    for form in {secret, *(line for line in lines if len(line) >= LONG_LINE)}:
        data = form.encode(errors="surrogateescape")
        yield from (form, repr(form)[1:-1], ascii(form)[1:-1], repr(data)[2:-1])
        yield from (repr("'\"" + form)[4:-1], repr(b"'\"" + data)[5:-1])  # both quotes in a text
        yield from (json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1])
        yield from (quote(data), quote(data, safe=""), quote_plus(data))


def looks_secret(params: object) -> Iterator[str]:
    """Notes on fields that are recorded in plain text although their names suggest a secret."""
    for name, field in fields_of(params.__class__).items():
        points = points_of(params.__dict__.get(name))
        for group in filter(is_group, points):
            yield from looks_secret(group)
        is_text = any(isinstance(x, str) and x for x in points)
        if is_text and re.fullmatch(_SECRET_NAME, name):
            yield (
                f"{field.where} is recorded in plain text; if it is a secret, write "
                f'value(secret="{name.upper()}"), which reads it from the environment and records '
                "it nowhere"
            )
