"""From a class body to its fields: inheritance, other decorators, and bodies that cannot work."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
import gc
import inspect
import sys
import typing
import weakref
from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, asdict, dataclass, fields, is_dataclass
from typing import Any, ClassVar, Final, Generic, Optional, TypeVar

import pytest

from superparams import Experiment, GridSearch, Params, SearchMeta, search, value
from superparams.declare.metaclass import fields_of
from superparams.errors import FieldError, SuperparamsError

CV = ClassVar
T = TypeVar("T")


class Base(Experiment):
    lr: float = search([0.1, 0.2])
    epochs: int = 3

    def run(self) -> dict[str, Any]:
        return {"lr": self.lr}


def names(cls: type[Params]) -> list[str]:
    return list(fields_of(cls))


# -- inheritance, as with dataclasses --------------------------------------------------------------


def test_fields_are_inherited_in_order() -> None:
    class Sub(Base):
        extra: int = 1
        lr: float = 0.5

    assert names(Sub) == ["lr", "epochs", "extra"]
    assert names(Base) == ["lr", "epochs"]
    assert repr(Sub()) == "Sub(lr=0.5, epochs=3, extra=1)"


def test_a_subclass_closes_opens_and_changes_an_axis() -> None:
    class Closed(Base):
        lr: float = 0.5

    class Opened(Closed):
        epochs: int = search([1, 2, 3])

    class Changed(Base):
        lr = search([1.0, 2.0, 3.0])  # the annotation is inherited

    class Fixed(Base):
        lr = 7

    assert [s.lr for s in Closed()] == [0.5]
    assert len(Opened()) == 3
    assert [s.lr for s in Changed()] == [1.0, 2.0, 3.0]
    assert Fixed().lr == 7
    assert fields_of(Changed)["lr"].annotation is float
    assert len(Base()) == 2


def test_a_default_becomes_required_again() -> None:
    class Sub(Base):
        epochs: int

    with pytest.raises(FieldError, match=r"Sub\.epochs is required.*Sub\(epochs=\.\.\.\)"):
        Sub()


def test_a_mixin_of_fields() -> None:
    class Seeded(Params):
        rng: int = search([1, 2, 3])

        def double(self) -> int:
            return self.rng * 2

    class X(Seeded, Base):
        epochs: int = 1

    assert names(X) == ["lr", "epochs", "rng"]
    assert len(X()) == 6
    assert X(lr=1.0, rng=4).double() == 8


def test_the_order_of_resolution_decides_in_a_diamond() -> None:
    class Left(Base):
        lr: float = 1.0

    class Right(Base):
        epochs: int = 9

    class Both(Left, Right):
        pass

    assert (Both().lr, Both().epochs) == (1.0, 9)
    assert names(Both) == ["lr", "epochs"]


def test_a_plain_mixin_with_methods() -> None:
    class Loud:
        volume = 3

        def shout(self) -> str:
            return f"{self!r}!"

    class X(Loud, Base):
        pass

    class Y(Base, Loud):
        pass

    assert X(lr=1.0).shout() == "X(lr=1.0, epochs=3)!"
    assert Y(lr=1.0).shout() == "Y(lr=1.0, epochs=3)!"
    assert names(X) == names(Y) == ["lr", "epochs"]


def test_a_plain_mixin_with_axes() -> None:
    """Nobody writes search() for nothing: its points count wherever the class stands."""

    class Seeded:
        rng: int = search([1, 2])
        note: str = "not a field, as with dataclasses"

    class X(Seeded, Base):
        pass

    class Y(X):
        epochs: int = 1

    for cls in (X, Y):
        assert names(cls) == ["lr", "epochs", "rng"]
        assert len(cls()) == 4
        assert [f.name for f in fields(cls)] == ["lr", "epochs", "rng"]
    assert X(lr=1.0, rng=5).replace(rng=6).rng == 6


def test_a_plain_mixin_changes_a_default() -> None:
    class Fast:
        epochs = 1

    class X(Fast, Base):
        pass

    class Later(Base, Fast):
        pass

    assert X(lr=1.0).epochs == X(lr=1.0)["epochs"] == 1
    assert Later(lr=1.0).epochs == 3


@pytest.mark.parametrize("first", [True, False])
def test_a_dataclass_as_mixin(first: bool) -> None:
    @dataclass
    class Data:
        size: int
        names: list[str] = dataclasses.field(default_factory=list)
        lr: float = 9.0

    bases: Any = (Data, Base) if first else (Base, Data)
    cls: Any = SearchMeta("X", bases, {"__module__": __name__})
    x = cls(size=search([1, 2]), lr=1.0)
    assert len(x) == 2
    assert repr(x[0]).startswith("X(")
    assert x[0] == x[0]
    assert {*x[0].keys()} == {"lr", "epochs", "size", "names"}
    assert cls.lr is not None
    assert len(cls(size=1)) == (1 if first else 2)


def test_abstract_classes() -> None:
    class Method(Experiment, abc.ABC):
        lr: float = search([0.1, 0.2])

        @abc.abstractmethod
        def fit(self) -> float: ...

        def run(self) -> dict[str, float]:
            return {"fit": self.fit()}

    class Slow(Method):
        steps: int = search([1, 2])

        def fit(self) -> float:
            return self.lr * self.steps

    with pytest.raises(TypeError, match="abstract"):
        Method()
    with pytest.raises(TypeError, match="abstract"):
        Method(lr=0.1)
    assert [s.run()["fit"] for s in Slow()] == [0.1, 0.2, 0.2, 0.4]


def test_super_run() -> None:
    class Sub(Base):
        def run(self) -> dict[str, Any]:
            return {**super().run(), "epochs": self.epochs}

    assert Sub(lr=1.0).run() == {"lr": 1.0, "epochs": 3}


def test_generic_classes() -> None:
    class Holder(Experiment, Generic[T]):
        item: T = search([1, 2])
        parts: list[T] = []

    class Ints(Holder[int]):
        more: int = 1

    for cls in (Holder, Holder[int], Ints):
        space: Any = cls()
        assert len(space) == 2
        assert space[1].item == 2
        assert space.index(space[1]) == 1
    assert len(Ints()) == 2


def test_bare_annotations_of_a_plain_mixin_are_no_fields() -> None:
    class Fits:
        lr: float
        tol: float

    class X(Base, Fits):
        pass

    assert names(X) == ["lr", "epochs"]


def test_what_is_no_field() -> None:
    class X(Experiment):
        a: ClassVar[int] = 1
        b: typing.ClassVar = 2
        c: CV[int] = 3
        _: KW_ONLY
        d: int = 4
        e = 5
        f: Final[int] = 6
        g: Optional[int] = None  # noqa: UP045

        class Inner:
            pass

        @functools.cached_property
        def lazy(self) -> int:
            return self.d + 1

        @property
        def double(self) -> int:
            return self.d * 2

        @staticmethod
        def static() -> int:
            return 7

    assert names(X) == ["d", "f", "g"]
    x = X(d=1)
    assert (x.lazy, x.double, x.static(), x.a, x.e, X.a) == (2, 2, 7, 1, 5, 1)
    X.a = 8
    assert x.a == 8


def test_defaults_of_every_kind_are_only_values() -> None:
    def relu(x: float) -> float:
        return max(x, 0)

    class X(Experiment):
        activation: Callable[[float], float] = relu
        kind: type = int
        power: Callable[[float], float] = lambda x: x * x
        nothing: None = None
        sizes: tuple[int, ...] = (1, 2)

    x = X()
    assert (x.activation(-1), x.kind, x.power(3), x.nothing, x.sizes) == (0, int, 9, None, (1, 2))
    assert X.activation is relu


def test_fields_of_dataclasses_mean_what_they_say() -> None:
    class X(Experiment):
        a: int = dataclasses.field(default=3)
        b: list[int] = dataclasses.field(default_factory=lambda: [1])
        c: int = dataclasses.field(kw_only=True)

    x, y = X(c=1), X(c=1)
    x.b.append(2)
    assert (x.a, x.b, y.b) == (3, [1, 2], [1])


def test_post_init_runs_on_settings_only() -> None:
    made: list[str] = []

    class X(Base):
        def __post_init__(self) -> None:
            super().__post_init__()
            made.append(repr(self))
            self.twice = self.lr * 2

    space = X()
    len(space), repr(space), space.replace(epochs=1)
    assert made == []
    assert [s.twice for s in space] == [0.2, 0.4]
    assert space[1].twice == 0.4
    assert X(lr=1.0).twice == 2.0
    assert len(made) == 4


# -- what dataclasses and inspect see --------------------------------------------------------------


def test_dataclasses_know_the_class() -> None:
    setting = Base(lr=0.5)
    assert is_dataclass(Base)
    assert [(f.name, f.kw_only) for f in fields(Base)] == [("lr", True), ("epochs", True)]
    assert asdict(setting) == {"lr": 0.5, "epochs": 3}
    assert dataclasses.replace(setting, epochs=4) == Base(lr=0.5, epochs=4)
    with pytest.raises(FieldError, match="no field 'epoch'; did you mean epochs"):
        dataclasses.replace(setting, epoch=4)
    match setting:
        case Base(lr=lr, epochs=3):
            assert lr == 0.5
        case _:
            pytest.fail("no match")


def test_replace_of_dataclasses_derives_anew() -> None:
    class X(Experiment):
        a: int
        b: int = value(derive=lambda s: s.a * 2)

    x = X(a=1)
    assert (x.b, dataclasses.replace(x, a=5).b) == (2, 10)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace is new in 3.13")
def test_copy_replace() -> None:
    class X(Experiment):
        a: int
        b: int = value(derive=lambda s: s.a * 2)

    changed = copy.replace(X(a=1), a=5)  # type: ignore[attr-defined,unused-ignore]
    assert (changed.a, changed.b) == (5, 10)


def test_the_signature_is_that_of_the_fields() -> None:
    class X(Experiment):
        a: int
        b: int = 2
        c: float = search([1.0, 2.0])

    assert str(inspect.signature(X)) == "(*, a: int, b: int = 2, c: float = [1.0, 2.0])"
    assert X.__doc__ is None


@pytest.mark.parametrize(
    "options",
    [{}, {"kw_only": True}, {"unsafe_hash": True}, {"order": True}, {"eq": False}, {"repr": False}],
)
def test_a_stray_dataclass_does_no_harm(options: dict[str, Any]) -> None:
    @dataclass(**options)
    class X(Experiment):
        a: int = search([1, 2])
        b: list[int] = value([1])  # noqa: RUF009
        c: float = 3.0

    space = X()
    assert len(space) == 2
    assert repr(space[0]) == "X(a=1, b=[1], c=3.0)"
    assert space[0] == X(a=1)
    assert hash(space[0]) == hash(X(a=1))
    assert X(a=search([1, 2, 3]), c=1)[2].c == 1
    with pytest.raises(FieldError, match="did you mean"):
        X(aa=3)
    if options.get("order"):
        assert X(a=1) < X(a=2)


def test_a_frozen_dataclass_says_what_is_wrong() -> None:
    with pytest.raises(TypeError, match="frozen"):

        @dataclass(frozen=True)
        class X(Experiment):
            a: int = 1


def test_slots_say_what_is_wrong() -> None:
    with pytest.raises(FieldError, match=r"X: @dataclass\(slots=True\).*remove the decorator"):

        @dataclass(slots=True)
        class X(Experiment):
            a: int = 1


def test_init_subclass_takes_its_options() -> None:
    class Registered(Experiment):
        registry: ClassVar[dict[str, type]] = {}

        def __init_subclass__(cls, *, label: str, **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.registry[label] = cls

    class X(Registered, label="x"):
        a: int = 1

    assert Registered.registry == {"x": X}
    assert GridSearch is Experiment


# -- bodies that cannot work -----------------------------------------------------------------------

WRONG: dict[str, tuple[str, str]] = {
    "empty": ("a: int = search([])", r"X\.a: search\(\[\]\) has no points; give at least one"),
    "empty range": ("a: int = search(range(0))", r"X\.a: search\(range\(0, 0\)\) has no points"),
    "empty mapping": ("a: int = search({})", r"X\.a: search\(\{\}\) has no points"),
    "nothing to list": (
        "a: int = search()",
        r"X\.a: search\(\) without points needs a bool, Enum or Literal.*not int; give the points",
    ),
    "no annotation": (
        "a = search([1, 2])",
        r"X\.a = search\(\[1, 2\]\) has no annotation; write the type.*a: float = search",
    ),
    "value without annotation": (
        "a = value(1)",
        r"X\.a = value\(1\) has no annotation.*= value\(\.\.\.\)",
    ),
    "in a list": (
        "a: list[int] = [1, search([2, 3])]",
        r"X\.a: search\(\[2, 3\]\) stands inside another value; search\(\) must be the",
    ),
    "in a tuple": ("a: tuple[int, int] = (1, search([2]))", r"X\.a: search\(\[2\]\) stands inside"),
    "in a dict": ("a: dict[str, int] = {'k': search([2])}", r"X\.a: search\(\[2\]\) stands inside"),
    "in a search": ("a: int = search([1, search([2])])", r"X\.a: search\(\[2\]\) stands inside"),
    "in a value": ("a: int = value(search([2]))", r"X\.a: search\(\[2\]\) stands inside"),
    "deep": ("a: object = {'k': [({1: search([2])},)]}", r"X\.a: search\(\[2\]\) stands inside"),
    "value in a list": ("a: list[int] = [value(1)]", r"X\.a: value\(1\) stands inside.*value\(\)"),
    "space in a list": (
        "a: object = [Base()]",
        r"X\.a: Base\(lr=search\(\[0\.1, 0\.2\]\), epochs=3\) is an open space inside another",
    ),
    "space in a value": (
        "a: object = value(Base())",
        r"X\.a: value\(Base.*write a = Base\(\.\.\.\)",
    ),
    "circular": ("a: object = LOOP", r"X\.a: list nested too deeply, or in itself"),
    "reserved": ("run: int = 1", r"X\.run: 'run' is reserved.*Experiment.*such as run_"),
    "reserved of params": ("keys: int = 1", r"X\.keys: 'keys' is reserved.*Params.*keys_"),
    "of Python": ("_abc_impl: int = 1", r"X\._abc_impl: '_abc_impl' is a method or attribute of"),
    "a method": (
        "fit: int = 1",
        r"X\.fit: 'fit' is a method or attribute of Fitting.*another name, such as fit_",
    ),
    "dunder": ("__doc__: str = 'a'", r"X\.__doc__: names that begin with __ are Python's own"),
    "two underscores": ("__a: int = 1", r"X\.__a: Python renames .* to _X__a, .*call the field a$"),
    "renamed": ("_X__a_: int = 1", r"X\.__a_: Python renames .* to _X__a_, .*call the field a$"),
    "init": ("def __init__(self): pass", r"X\.__init__: the call takes.*write __post_init__"),
    "InitVar": ("a: InitVar[int] = 1", r"X\.a: InitVar is not recorded.*value\(derive=\.\.\.\)"),
    "bare InitVar": ("a: InitVar = 1", r"X\.a: InitVar is not recorded"),
    "init=False": ("a: int = dataclasses.field(init=False)", r"X\.a: field\(init=False\).*derive"),
    "names of points": ("a: int = search({1: 2})", r"X\.a: search\(\{1: \.\.\.\}\).*must be text"),
    "zip": ("a: int = search([1], zip=3)", r"X\.a: zip=3 must be a name, a str"),
    "property over a field": (
        "@property\n    def lr(self): return 1",
        r"X\.lr replaces a field by a property; use value\(derive=",
    ),
    "method over a field": ("def lr(self): return 1", r"X\.lr replaces a field by a function"),
}


class Fitting:
    def fit(self) -> None: ...


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize("future", [True, False], ids=["future", "eager"])
@pytest.mark.parametrize("case", WRONG)
def test_a_body_that_cannot_work(case: str, future: bool) -> None:
    body, message = WRONG[case]
    source = f"class X(Fitting, Base):\n    {body}\n"
    namespace = dict(globals())
    code = compile(source, "<test>", "exec", flags=0, dont_inherit=not future)
    with pytest.raises(FieldError, match=message) as caught:
        exec(code, namespace)
    assert isinstance(caught.value, SuperparamsError)
    assert isinstance(caught.value, TypeError)
    assert "X" not in namespace


def test_nothing_half_made_stays() -> None:
    before = {id(cls) for cls in Experiment.__subclasses__()}

    def fail() -> None:
        class Half(Experiment):
            a: int = search([])

    with pytest.raises(FieldError):
        fail()
    gc.collect()
    assert {id(cls) for cls in Experiment.__subclasses__()} <= before


@pytest.mark.parametrize("kind", ["property", "function"])
def test_a_mixin_that_hides_a_field(kind: str) -> None:
    class Hiding:
        if kind == "property":
            lr = property(lambda self: 1.0)
        else:

            def lr(self) -> float:
                return 1.0

    with pytest.raises(FieldError, match=rf"Hiding\.lr replaces a field by a {kind}"):
        type(Base)("X", (Hiding, Base), {})


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("is_group", [True, False])
def test_a_reserved_name_comes_in_by_no_base(is_first: bool, is_group: bool) -> None:
    class Lora(Params):
        report: int = 8

    @dataclasses.dataclass
    class Plain:
        report: int = 8

    mixin: type[Any] = Lora if is_group else Plain
    bases = (mixin, Experiment) if is_first else (Experiment, mixin)
    origin = ", a field of Lora, is" if is_group else " is"
    with pytest.raises(
        FieldError, match=rf"X\.report: 'report'{origin} reserved.*of Experiment.*such as report_"
    ):
        type(Base)("X", bases, {"__module__": __name__})


@pytest.mark.parametrize("is_first", [True, False])
def test_a_name_of_ours_comes_in_by_any_base(is_first: bool) -> None:
    class Seeded(Params):
        seed: int = search([3, 4])
        items: str = "a"

    @dataclasses.dataclass
    class Plain:
        rank: int = 8

    bases = (Seeded, Plain, Experiment) if is_first else (Experiment, Plain, Seeded)
    made: Any = type(Base)("X", bases, {"__module__": __name__})
    assert [(one.seed, one.items, one.rank) for one in made()] == [(3, "a", 8), (4, "a", 8)]


def test_a_mixin_changes_a_seed_that_stands_behind_it() -> None:
    class Seeded(Params):
        seed: int = 3

    class Other:
        seed = 7

    def of(*bases: type[Any]) -> Any:
        return type(Base)("X", bases, {"__module__": __name__})()

    assert of(Experiment, Other, Seeded).seed == 7
    assert of(Other, Experiment, Seeded).seed == 7
    assert of(Experiment, Seeded, Other).seed == 3


def test_a_mixin_with_an_init_of_its_own() -> None:
    class Own:
        def __init__(self) -> None: ...

    with pytest.raises(FieldError, match=r"X\.__init__ comes from Own.*let Own use __post_init__"):
        type(Base)("X", (Own, Base), {})
    assert type(Base)("X", (Base, Own), {})(lr=1.0).lr == 1.0


def test_a_mixin_with_an_axis_without_annotation() -> None:
    class Loose:
        rng = search([1, 2])

    with pytest.raises(FieldError, match=r"Loose\.rng = search\(\[1, 2\]\) has no annotation"):
        type(Base)("X", (Loose, Base), {})


def test_the_class_does_not_take_fields_later() -> None:
    with pytest.raises(FieldError, match=r"Base\.lr is a field.*Base\(lr=0\.5\).*subclass"):
        Base.lr = 0.5
    with pytest.raises(FieldError, match=r"Base\.lr is a field and cannot be deleted"):
        del Base.lr
    assert len(Base()) == 2


def test_annotations_that_cannot_be_resolved() -> None:
    class X(Experiment):
        a: "Missing" = search([1, 2])  # type: ignore[name-defined]  # noqa: F821, UP037
        b: "list[Missing]" = [1]  # type: ignore[name-defined]  # noqa: F821, UP037

    assert len(X()) == 2


def test_annotations_of_local_names() -> None:
    from enum import Enum

    class Local(Enum):
        A = 1
        B = 2

    class X(Experiment):
        a: Local = search()

    assert [s.a for s in X()] == [Local.A, Local.B]


def test_a_module_that_nobody_imported() -> None:
    """A file that was executed rather than imported, as some notebooks and tests do."""
    source = """
from __future__ import annotations
import enum
from typing import Any, ClassVar
from superparams import Experiment, search

class Color(enum.Enum):
    RED = 1
    BLUE = 2

class X(Experiment):
    shared: ClassVar[int] = 1
    color: Color = search()
    lost: Missing = 3
"""
    namespace: dict[str, Any] = {"__name__": "nobody_imported_this"}
    exec(source, namespace)
    assert [s.color.name for s in namespace["X"]()] == ["RED", "BLUE"]
    assert [f.name for f in fields(namespace["X"])] == ["color", "lost"]


def test_classes_do_not_stay_alive() -> None:
    class X(Experiment):
        a: int = search([1, 2])

    space = X()
    list(space)
    gone = weakref.ref(X)
    del X, space
    gc.collect()
    assert gone() is None


def test_init_var_is_found_without_its_import() -> None:
    assert InitVar is not None
    with pytest.raises(FieldError, match="InitVar"):

        class X(Experiment):
            a: dataclasses.InitVar[int] = 1
