"""Everything superparams raises, in one small family.

Each error is built from one finished message, so that it survives pickling between processes.
"""

from __future__ import annotations

__all__ = [
    "EngineError",
    "FieldError",
    "IdentityError",
    "PayloadError",
    "ReadOnlyError",
    "RunError",
    "SettingFailed",
    "SizeError",
    "SpaceError",
    "StoreError",
    "SuperparamsError",
]


class SuperparamsError(Exception):
    """The parent of every error of superparams."""


class FieldError(SuperparamsError, TypeError):
    """A field is declared or given in a way that cannot work: names Class.field and the remedy."""


class ReadOnlyError(SuperparamsError, AttributeError):
    """A declared field of a setting was assigned: what was recorded must be what ran."""


class SpaceError(SuperparamsError, ValueError):
    """A space was used where a setting is needed, or a setting is not one of the space."""


class SizeError(SuperparamsError, OverflowError):
    """A space has more settings than ``len`` can tell; ``space.n_settings`` tells."""


class IdentityError(SuperparamsError, TypeError):
    """A value has no stable content to identify it by."""


class PayloadError(SuperparamsError):
    """What every worker needs could not be packed or attached."""


class EngineError(SuperparamsError):
    """An engine cannot do what was asked of it."""


class StoreError(SuperparamsError):
    """A results folder could not be read or written."""


class RunError(SuperparamsError):
    """A run cannot start or go on."""


class SettingFailed(SuperparamsError):
    """Raised by ``run_all(on_error="raise")`` for the first setting that failed."""
