"""A class with one field, made on the spot, and what a text means for that field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from superparams import Params
from superparams.space.axis import Axis

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def made(annotation: Any, default: Any = None) -> Any:
    """A class `Made` with the field `x`."""
    namespace = {
        "__module__": __name__,
        "__qualname__": "Made",
        "__annotations__": {"x": annotation},
        "x": default,
    }
    return type(Params)("Made", (Params,), namespace)


def meant(annotation: Any, text: str) -> Any:
    """What ``x=text`` makes of a field with this annotation: its value, or its axis."""
    x = vars(made(annotation).from_cli([f"x={text}"])).get("x", ...)
    return made(annotation).from_cli([f"x={text}"]).x if x is ... else x


def points(annotation: Any, text: str) -> list[Any]:
    """The points of the axis that ``x=text`` makes."""
    axis = meant(annotation, text)
    assert isinstance(axis, Axis), f"{text} fixes x to {axis!r}"
    return list(axis)
