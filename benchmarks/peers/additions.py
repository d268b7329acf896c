"""Works that are measured later than the others, and stand in the same tables."""

from __future__ import annotations

from typing import Any

HELD = ("command", "date", "minutes", "machine", "load", "versions", "missing", "left")


def added(kept: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with the works of a later measurement in place of its own.

    Args:
        kept: What `make bench` has written.
        new: What was measured now: some of the works.
    """
    works = list(dict.fromkeys(cell["work"] for cell in new["cells"]))
    earlier = [one for one in kept.get("added", []) if not set(one["works"]) <= set(works)]
    others = [cell for cell in kept["cells"] if cell["work"] not in works]
    later = {"works": works, **{name: new[name] for name in HELD}}
    return {**kept, "added": [*earlier, later], "cells": [*others, *new["cells"]]}
