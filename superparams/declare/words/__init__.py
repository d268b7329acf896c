"""Words such as ``epochs=5`` or ``optimizer.lr=0.1,0.01`` as what the call of a class takes.

The text of a word is read as the field's annotation says; several values between commas make an
axis. `describe` tells what can be given.
"""

from __future__ import annotations

from superparams.declare.words.field_help import Described, describe
from superparams.declare.words.parser import parse

__all__ = ["Described", "describe", "parse"]
