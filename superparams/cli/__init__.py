"""The command `experiment`: finds experiments by name, runs them, and shows their results."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

__all__ = ["entrypoint", "main"]


def main() -> NoReturn:
    """The console script ``experiment``."""
    from superparams.cli.command import execute

    execute("experiment")


def entrypoint() -> None:
    """The command `experiment` for the folder of the file that is being run.

    Put this into ``experiments/__main__.py``. The folder may have any name and place::

        from superparams import entrypoint
        entrypoint()

    Then ``python -m experiments RQ1`` and ``python path/to/experiments RQ1`` do the same as
    ``experiment RQ1``.
    """
    caller = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    if caller.f_globals.get("__name__") == "__mp_main__":
        return  # a worker of `multiprocessing` runs the main file to define its names
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    folder = Path(os.path.abspath(file)).parent if file else Path.cwd()
    # Python put the folder first on the path of modules, where `random.py` would hide `random`.
    if sys.path and sys.path[0] and Path(os.path.abspath(sys.path[0])) == folder:
        del sys.path[0]
    from superparams.cli.command import execute
    from superparams.cli.session import Session

    program = _program(main)
    execute(program, session=Session(program, folder))


def _program(main: object) -> str:
    """The command that the user typed, for messages."""
    spec = getattr(main, "__spec__", None)
    python = Path(sys.executable or "python").name
    if spec is None or spec.name == "__main__":
        return f"{python} {sys.argv[0]}"
    return f"{python} -m {spec.name.removesuffix('.__main__')}"
