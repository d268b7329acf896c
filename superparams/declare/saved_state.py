"""The pickle that `save` writes and `load` reads.

Only `load` reads such a pickle, inside of `run`, since a pickle may execute anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, Final, Protocol, cast

from superparams.declare.own_names import RESERVED
from superparams.errors import RunError, headline
from superparams.space.groups import is_group

__all__ = ["ReadableFile", "WritableFile", "read_state", "refuse_more", "state_of", "write_state"]

NOTHING: Final = object()


class WritableFile(Protocol):
    """A file or a buffer to which a pickle is written."""

    def write(self, data: Any, /) -> int:
        """Write bytes, or anything with a buffer."""
        ...


class ReadableFile(Protocol):
    """A file or a buffer from which a pickle is read."""

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes."""
        ...

    def readline(self, size: int = -1, /) -> bytes:
        """A line."""
        ...


def refuse_more(where: str, values: Sequence[object], example: str) -> None:
    """Refuse several positional objects: the method takes one object, or several by name.

    Args:
        where: The method, for errors: `Class.save()`.
        values: Its positional arguments.
        example: A correct call.

    Raises:
        TypeError: For more than one.
    """
    if len(values) > 1:
        raise TypeError(
            f"{where} takes one object, or names with values, and was given {len(values)} objects; "
            f"name them, as in {example}"
        )


def state_of(where: str, state: object, named: Mapping[str, object]) -> Any:
    """The object to save: the argument of `save`, or a dict of its keywords.

    Args:
        where: The method, for errors: `Class.save()`.
        state: The object, or `NOTHING`.
        named: The keywords.

    Raises:
        TypeError: For both.
    """
    if state is NOTHING:
        return dict(named)
    if named:
        raise TypeError(
            f"{where} takes one object, or names with values, but not both; give "
            f"{', '.join(f'{name}=...' for name in named)} and a name for the object"
        )
    return state


def write_state(where: str, state: object, file: WritableFile) -> None:
    """Pickle an object into a file.

    Raises:
        RunError: For an object that cannot be pickled, and for a setting, which may hold secrets.
        OSError: When the file cannot be written.
    """
    import cloudpickle

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, obj: object) -> Any:
            if is_group(obj):
                _refuse_secrets(where, obj)
            return super().reducer_override(obj)

    try:
        Pickler(cast("IO[bytes]", file), protocol=5).dump(state)
    except (RunError, OSError, MemoryError):
        raise
    except Exception as error:  # methods of the object may raise any error
        raise RunError(
            f"{where}: the object cannot be pickled: {headline(error)}; save plain data, arrays "
            "and state_dict() instead of objects that hold files, locks or connections"
        ) from error


def _refuse_secrets(where: str, group: object) -> None:
    """Refuse an experiment, and a group that has a secret."""
    from superparams.declare.secrets import variables_of

    cls: type[Any] = group.__class__
    if "run_all" in getattr(cls, RESERVED, ()):
        raise RunError(
            f"{where}: the object to save contains a setting of {cls.__name__}, with all its data "
            "and secrets; save values that have changed, such as weights and an epoch, and no "
            "object or method that refers to self"
        )
    if variables_of(group):
        raise RunError(
            f"{where}: the object to save contains {cls.__name__}, which has a secret, and secrets "
            "are recorded nowhere; save only the other values"
        )


def read_state(where: str, file: ReadableFile) -> Any:
    """Unpickle what `write_state` has written.

    Raises:
        RunError: When that fails, for example since a library has changed.
    """
    import pickle

    try:
        return pickle.load(file)
    except Exception as error:  # the code of the user's classes runs
        raise RunError(
            f"{where}: what was saved cannot be read: {headline(error)}; run the setting with "
            "resume=False, which begins anew"
        ) from error
