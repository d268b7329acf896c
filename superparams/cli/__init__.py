"""The command `experiment`: finds experiments by name, runs them, and shows their results."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["entrypoint", "main"]


def main() -> NoReturn:
    """The console script ``experiment``."""
    from superparams.cli.command import execute

    execute("experiment")


def entrypoint() -> None:
    """The command `experiment` for the folder of the file that is being run.

    Put this into ``experiments/__main__.py``, wherever that folder lies and whatever it is called::

        from superparams import entrypoint
        entrypoint()

    Then ``python -m experiments RQ1`` or ``python path/to/experiments RQ1`` does what
    ``experiment RQ1`` does.
    """
    from superparams.cli.entry import start

    start()
