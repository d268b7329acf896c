"""The fields of an experiment, for its help."""

from __future__ import annotations

import click

from superparams.cli.terminal import styled
from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import name_of
from superparams.declare.words import Described, describe
from superparams.errors import safe_text

__all__ = ["write_fields"]

SHOWN = 60  # characters of a default


def write_fields(formatter: click.HelpFormatter, cls: type[Experiment]) -> None:
    """Write the first line of the docstring, and the fields with types, points and docs."""
    doc = cls.__doc__ if isinstance(cls.__doc__, str) else ""
    about = safe_text.line(next(iter(doc.strip().splitlines()), ""))
    name = styled(safe_text.line(name_of(cls)), bold=True)
    formatter.write_paragraph()
    formatter.write_text(f"{name}: {about}" if about else name)
    rows = [
        (safe_text.line(f"{field.name}: {field.type}"), _text(field)) for field in describe(cls)
    ]
    with formatter.indentation():
        if rows:
            formatter.write_dl(rows)
        else:
            formatter.write_text("It has no fields.")


def _text(field: Described) -> str:
    default = field.default if len(field.default) <= SHOWN else field.default[: SHOWN - 1] + "…"
    return safe_text.line("  ".join([default, " ".join(field.doc.split())])).rstrip()
