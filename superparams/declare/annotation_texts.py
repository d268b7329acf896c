"""Annotations that are texts, as with ``from __future__ import annotations``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["resolve"]


def resolve(annotation: object, module: str, names: Mapping[str, object]) -> Any:
    """The object that a textual annotation names; the text itself if it names nothing yet."""
    if not isinstance(annotation, str):
        return annotation
    namespace = getattr(sys.modules.get(module), "__dict__", {})
    try:
        return eval(annotation, namespace, dict(names))
    except Exception:  # a name under TYPE_CHECKING, a syntax of a newer Python
        return annotation
