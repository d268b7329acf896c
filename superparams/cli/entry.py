"""`superparams.entrypoint`: the command for the folder of the file that is being run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["start"]


def start() -> None:
    """Carry out the command line of this process, and leave."""
    caller = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    if caller.f_globals.get("__name__") == "__mp_main__":
        return  # a worker of `multiprocessing`, which runs the main file to have its names
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    folder = Path(os.path.abspath(file)).parent if file else Path.cwd()
    _step_back(folder)
    from superparams.cli.command import execute
    from superparams.cli.session import Session

    program = _program(main)
    execute(program, session=Session(program, folder))


def _step_back(folder: Path) -> None:
    """Take the folder away from where Python put it, first on the path of modules.

    There, ``random.py`` would hide the `random` of Python from everything that is imported later.
    """
    if sys.path and sys.path[0] and Path(os.path.abspath(sys.path[0])) == folder:
        del sys.path[0]


def _program(main: object) -> str:
    """What was typed to get here, for messages."""
    spec = getattr(main, "__spec__", None)
    python = Path(sys.executable or "python").name
    if spec is None or spec.name == "__main__":
        return f"{python} {sys.argv[0]}"
    return f"{python} -m {spec.name.removesuffix('.__main__')}"
