"""`place`: the attributes of superparams on an instance, under names that no field hides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar, cast

from superparams.declare import plain_data, presentation, sequence
from superparams.errors import SpaceError
from superparams.errors.short_repr import shorten

__all__ = ["ParamsPlace", "ParamsPlaceOf", "from_words"]

P = TypeVar("P")


def from_words(cls: type[P], words: Iterable[str], /) -> P:
    """An instance of a class from words such as ``epochs=5``."""
    from superparams.declare.words import parse  # not needed for a class body

    return cls(**parse(cls, words))


class ParamsPlace(Generic[P]):
    """The attributes of superparams on an instance, under names that no field hides.

    Each of these names is an attribute of the instance as well, unless a field, a method or another
    attribute of its class has the name: ``setting.place.index`` is ``setting.index`` there.
    """

    __slots__ = ("_of",)

    def __init__(self, owner: P | type[P]) -> None:
        self._of = owner

    @property
    def _params(self) -> P:
        """The instance."""
        if isinstance(self._of, type):
            name = self._of.__name__
            raise SpaceError(
                f"{name}.place: a class has no setting; make an instance, as in {name}(...).place"
            )
        return self._of

    @property
    def _cls(self) -> type[P]:
        return self._of if isinstance(self._of, type) else type(self._of)

    def from_cli(self, words: Iterable[str], /) -> P:
        """An instance from words such as ``epochs=5``, as the command ``experiment`` takes them.

        Args:
            words: ``name=value`` fixes a field, ``name=value,value`` searches it, and a dotted
                name (``optimizer.lr=0.1``) means a field of a nested group. The annotation of the
                field decides how the text of a value is read.

        Raises:
            FieldError: For a word that names no field, a text that is no value of the type, and a
                required field that is not given.
        """
        return from_words(self._cls, words)

    @property
    def n_settings(self) -> int:
        """The number of settings, of any size; exact also with ``valid``."""
        return sequence.number_of_settings(self._params)

    def index(self, setting: P, /) -> int:
        """The index of `setting` in this space, the inverse of ``space[i]``.

        Raises:
            SpaceError: When the space does not have this setting; names the field that differs.
        """
        return sequence.index_of(self._params, setting)

    def values(self) -> list[Any]:
        """The values of the fields, in order, without secrets."""
        return plain_data.values_of(self._params)

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields, in order, without secrets."""
        return plain_data.items_of(self._params)

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, nested groups as dicts.

        If the annotation of a group allows several classes (a union, a base class), the dict has
        the name of the class under ``"class"``.
        """
        return plain_data.as_dict(self._params)

    def to_json(self, **options: object) -> str:
        """`as_dict` as JSON; `options` go to `json.dumps`.

        Values that JSON does not have become the text that tables show, unless ``default=``
        converts them.

        Raises:
            FieldError: For a dict whose keys JSON does not have; names the field.
        """
        return plain_data.to_json(self._params, **options)

    def as_row(self) -> dict[str, Any]:
        """The columns that this setting has in a table: dotted names, the names of named points.

        Values that a factory makes are left out; other large values become a short text.
        """
        return presentation.row_of(self._params)

    @property
    def inline_repr(self) -> str:
        """The repr on one line, also of a space."""
        return presentation.inline(self._params)

    def __repr__(self) -> str:
        text = self._of.__name__ if isinstance(self._of, type) else shorten(self._of)
        return f"{text}.place"


class ParamsPlaceOf:
    """Gives the `ParamsPlace` of a class or of an instance."""

    def __get__(self, params: object, cls: type[P]) -> ParamsPlace[P]:
        return ParamsPlace(cls if params is None else cast("P", params))
