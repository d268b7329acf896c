"""The declarations in a class body: ``search`` for an axis, ``value`` for a constant.

A type checker sees a value of the field's own type. At run time they return a `Search` or a
`Value`, which `superparams.declare.field.Field` binds to its class and name.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, overload

from superparams.adapters.content import fresh, holds_mutable, lazy_copy, snapshot
from superparams.adapters.copies import is_copied, own_of
from superparams.errors import FieldError, add_field_note
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_group

__all__ = [
    "REQUIRED",
    "Required",
    "Search",
    "Value",
    "search",
    "value",
]

# Overloads return `T | Any`: for a bare T mypy would not look at the annotation of the field, and
# take [Adam(), SGD()] for a list of their common base. A wrong T is still reported.
T = TypeVar("T")
S = TypeVar("S", bound=str)  # without it, a Literal or a member of a StrEnum would be read as str


class Required(enum.Enum):
    """Its only member means that a field has no default."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED


NO_BOUNDS: Final[Mapping[str, Any]] = {}


class Search:
    """The points or the range of a ``search(...)``, as they were written.

    `superparams.declare.points.axis_of` makes points an `Axis`, and
    `superparams.declare.range_declaration.range_of` makes a range a `Range`.

    Attributes:
        points: The points.
        zip: The name of the zip group, if any.
        bounds: The arguments ``low``, ``high``, ``log`` and ``step``, as far as they were written.
        repeat: Whether the axis is a repetition.
    """

    __slots__ = ("bounds", "given", "repeat", "zip")

    def __init__(
        self,
        points: tuple[Any, ...],
        zip: str | None,
        bounds: Mapping[str, Any] = NO_BOUNDS,
        repeat: bool = False,
    ) -> None:
        self.given = points
        self.zip = zip
        self.bounds = bounds
        self.repeat = repeat

    def __repr__(self) -> str:
        words = [shorten(point) for point in self.given]
        words += [f"{name}={shorten(x)}" for name, x in self.bounds.items()]
        words += [f"zip={self.zip!r}"] if self.zip else []
        words += ["repeat=True"] if self.repeat else []
        return f"search({', '.join(words)})"


@overload
def search(*, zip: str | None = None, repeat: bool = False) -> Any: ...
@overload
def search(*, low: int, high: int, log: bool = False, step: int | None = None) -> int | Any: ...
@overload
def search(
    *, low: float, high: float, log: bool = False, step: float | None = None
) -> float | Any: ...
@overload
def search(point: bytes, /, *, zip: str | None = None, repeat: bool = False) -> bytes: ...
@overload
def search(point: S, /, *points: S, zip: str | None = None, repeat: bool = False) -> S | Any: ...
@overload
def search(
    points: Mapping[str, S], /, *, zip: str | None = None, repeat: bool = False
) -> S | Any: ...
@overload
def search(
    points: Mapping[str, T], /, *, zip: str | None = None, repeat: bool = False
) -> T | Any: ...
@overload
def search(points: Iterable[S], /, *, zip: str | None = None, repeat: bool = False) -> S | Any: ...
@overload
def search(points: Iterable[T], /, *, zip: str | None = None, repeat: bool = False) -> T | Any: ...
@overload
def search(point: T, /, *points: T, zip: str | None = None, repeat: bool = False) -> T | Any: ...
def search(
    *points: Any,
    zip: str | None = None,
    repeat: bool = False,
    low: Any = None,
    high: Any = None,
    log: bool = False,
    step: Any = None,
) -> Any:
    """Declare a field as an axis: its candidate points, or a range of numbers.

    Args:
        points: One iterable (not a string, not a ``Params``): its elements are the points. Several
            arguments, or one scalar: they are the points. A mapping: its values are the points,
            and tables show their names. No argument: all values of a bool, Enum or Literal
            annotation. A ``Params`` with open axes among the points adds its own settings as
            alternatives.
        zip: Axes of one class with the same name here advance together, like the built-in ``zip``,
            and must have the same number of points.
        repeat: Whether the axis is a repetition, such as a seed or a fold. It is crossed as any
            other axis is. A sample has each of its points with all repetitions, and
            ``results.average()`` averages over them.
        low: The lowest number of a range, which is included. The field is annotated as ``int`` or
            ``float``, and has a number of this type. A space with a range is not run itself: draw
            settings from it by ``sample``, ``sobol``, ``latin_hypercube`` or ``grid``.
        high: The highest number of a range, which is included.
        log: Whether all orders of magnitude of a range are equally likely, instead of all numbers.
        step: The distance of neighbouring numbers, counted from `low`. It must meet `high`. Decimal
            steps are exact: 0.3, not 0.30000000000000004.

    Returns:
        For a type checker, one point of the axis, so that the field has its own type.

    Raises:
        FieldError: When the class is created. It refuses an axis that is empty, whose points never
            end, or that has no points where the annotation does not list values. It refuses a range
            that does not fit the annotation, or that has points, `zip` or `repeat` beside it.
    """
    bounds = (("low", low), ("high", high), ("log", log or None), ("step", step))
    return Search(points, zip, {name: x for name, x in bounds if x is not None}, repeat)


class Value:
    """A constant of a class: given, made by a factory, or derived from the other fields.

    Attributes:
        constant: The constant; `REQUIRED` if it is made or derived.
        plain: Whether it is a default such as ``epochs: int = 5``, without ``value(...)``.
        mutable: Whether each setting needs a copy of its own.
    """

    __slots__ = (
        "_is_making",
        "_lock",
        "_made",
        "derive",
        "factory",
        "given",
        "key",
        "mutable",
        "plain",
        "secret",
    )

    def __init__(
        self,
        constant: Any = REQUIRED,
        *,
        factory: Callable[[], Any] | None = None,
        derive: Callable[[Any], Any] | None = None,
        key: str | None = None,
        secret: str | None = None,
        plain: bool = False,
    ) -> None:
        self.given = snapshot(constant)
        self.factory = factory
        self.derive = derive
        self.key = key
        self.secret = secret
        self.plain = plain
        self.mutable = constant is not REQUIRED and holds_mutable(constant)
        self._start()

    def _start(self) -> None:
        self._made: Any = REQUIRED
        self._is_making = False
        self._lock = None if self.factory is None else threading.RLock()

    @property
    def is_made(self) -> bool:
        """Whether the factory has run in this process, or `put` has set its result."""
        return self._made is not REQUIRED

    def made(self, where: str = "value") -> Any:
        """The result of the factory, which is called once in each process, when it is first needed.

        Args:
            where: ``"Class.field"``, for errors.

        Raises:
            FieldError: When the factory needs its own result.
        """
        if self._made is REQUIRED:
            assert self._lock is not None
            with self._lock:
                if self._made is REQUIRED:
                    self._make(where)
        return self._made

    def _make(self, where: str) -> None:
        assert self.factory is not None
        if self._is_making:
            raise FieldError(
                f"{where}: {self!r} needs what it makes; take the parts it needs from elsewhere"
            )
        self._is_making = True
        try:
            new_value = self.factory()
        except Exception as error:
            add_field_note(error, f"{where}: value(factory={name_of(self.factory)}) failed")
            raise
        finally:
            self._is_making = False
        self.put(new_value)

    def put(self, content: Any) -> None:
        """Set the result of the factory: a worker gets that of the driver, and calls no factory."""
        self._made = lazy_copy(content)

    @property
    def mutable_made(self) -> bool:
        """Whether each setting needs its own copy of the factory's result."""
        return is_copied(self._made) or is_group(self._made)

    @property
    def is_carried(self) -> bool:
        """Whether the payload must carry the content to workers.

        A worker that imports the class would create the constant again, perhaps with another value.
        An immutable constant without a key is part of the space, and is sent with it.
        """
        is_off_space = self.mutable or self.key is not None
        return self.is_made or (self.given is not REQUIRED and is_off_space)

    @property
    def content(self) -> Any:
        """The constant, or the result of the factory if that has run."""
        return self._made if self.is_made else self.given

    def carry(self, content: Any) -> None:
        """Set the content to the content in the process that started the run."""
        if self.factory is None:
            self.given = content
        else:
            self.put(content)

    def own(self) -> Any:
        """The content for one setting: a copy if each setting needs its own."""
        if self.is_made:
            return own_of(self._made)
        if not self.mutable:
            return self.given
        return fresh(self.given) if self.plain else own_of(self.given)

    def __getstate__(self) -> dict[str, Any]:
        # The result of a factory is sent once, in the payload, never with the declaration.
        names = ("given", "factory", "derive", "key", "secret", "plain", "mutable")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, item in state.items():
            setattr(self, name, item)
        self._start()

    def __repr__(self) -> str:
        if self.factory is not None:
            text = shorten(self._made) if self.is_made else "not made yet"
            return f"value(factory={name_of(self.factory)}: {text})"
        if self.derive is not None:
            return f"value(derive={name_of(self.derive)})"
        if self.secret is not None:
            return f"value(secret={self.secret!r})"
        return f"value({shorten(self.given)})"


@overload
def value(x: T, /, *, key: str | None = None) -> T | Any: ...
@overload
def value(*, factory: Callable[[], T], key: str | None = None) -> T | Any: ...
@overload
def value(*, derive: Callable[[Any], T]) -> T | Any: ...
@overload
def value(*, secret: str) -> str: ...
def value(
    x: Any = REQUIRED,
    /,
    *,
    factory: Callable[[], Any] | None = None,
    derive: Callable[[Any], Any] | None = None,
    key: str | None = None,
    secret: str | None = None,
) -> Any:
    """Declare a field as a constant: shared by all settings and read-only, never an axis.

    Args:
        x: The constant itself.
        factory: A function without arguments that makes the constant; called once, when the
            constant is first needed.
        derive: A function that computes the field from a setting. The field is recorded like any
            other, and can be fixed at the call.
        key: Identifies the constant instead of its content; change the key when the constant
            changes.
        secret: The name of an environment variable that holds a password or a token. Each access
            reads the variable, in the process where the setting runs. The secret is in no key,
            table, ledger or file. It cannot be an axis, nor given at the call or on the command
            line.

    Raises:
        FieldError: When the class is created, unless exactly one of `x`, `factory`, `derive` and
            `secret` is given.
    """
    return Value(x, factory=factory, derive=derive, key=key, secret=secret)


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function for messages."""
    name: str | None = getattr(function, "__qualname__", None)
    return name.rpartition("<locals>.")[2] if name else repr(function)
