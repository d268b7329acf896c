"""One work of one tool, in a process of its own: `python -m benchmarks.peers.one`.

    python -m benchmarks.peers.one ANSWER MODULE FUNCTION ARGUMENTS

Imports are not counted, those that a module has in `ahead` included, nor what a function
`before_FUNCTION` prepares, nor what the tool's `close` does after the work: what is counted ends
when results are in hand and kept. A function `after_FUNCTION` looks at what was kept: it gets the
value, and returns another one. A value with "seconds" says itself how long its work took. The
answer is a file of JSON, because tools print; a file `begun` beside it shows that the imports are
done.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def arguments(text: str) -> dict[str, Any]:
    """What a function is called with; its folder is a path."""
    given: dict[str, Any] = json.loads(text)
    return {name: Path(one) if name == "folder" else one for name, one in given.items()}


def main() -> None:
    answer, name, function, text = sys.argv[1:]
    module = importlib.import_module(f"benchmarks.peers.{name}")
    getattr(module, "ahead", lambda: None)()
    if function.startswith("array"):
        import numpy  # noqa: F401
    act, given = getattr(module, function), arguments(text)
    getattr(module, f"before_{function}", lambda **_: None)(**given)
    Path(answer).with_name("begun").touch()
    began = time.perf_counter()
    value = act(**given)
    seconds = time.perf_counter() - began
    value = getattr(module, f"after_{function}", lambda value, **_: value)(value, **given)
    if isinstance(value, dict) and "seconds" in value:
        seconds = value["seconds"]
    draft = Path(answer).with_name("draft")
    draft.write_text(json.dumps({"seconds": seconds, "value": value}))
    draft.rename(answer)
    getattr(module, "close", lambda: None)()


if __name__ == "__main__":
    main()
