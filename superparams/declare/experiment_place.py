"""The attributes of superparams on an experiment, whatever names its fields have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from superparams.declare.checkpoint_methods import (
    checkpoint_of,
    keeps_checkpoints,
    load_of,
    save_of,
)
from superparams.declare.descriptors import Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on, key_on, place_on, set_key
from superparams.declare.log_method import log_of
from superparams.declare.metaclass import fields_of
from superparams.declare.mistakes import is_scalar
from superparams.declare.place import ParamsPlace
from superparams.declare.presentation import points_shown_alike
from superparams.declare.saved_state import NOTHING
from superparams.declare.secrets import points_of
from superparams.errors import SpaceError
from superparams.errors.short_repr import shorten
from superparams.space.groups import is_group

if TYPE_CHECKING:
    from pathlib import Path

    from superparams.declare import drawn_settings
    from superparams.declare.drawn_settings import ChosenSettings
    from superparams.declare.experiment import Experiment, Settings
    from superparams.store.results import Results

__all__ = [
    "ExperimentPlace",
    "ExperimentPlaceOf",
    "OwnDraw",
    "Place",
    "folder_of",
    "n_proc_of",
    "name_of",
    "notes_of_fields",
    "rank_of",
    "recorded_results",
    "seed_of_setting",
    "seeds_globals",
    "text_of_key",
]

E = TypeVar("E", bound="Experiment")
P = ParamSpec("P")


@dataclass(frozen=True)
class Place:
    """Where a setting runs: worker `rank` of `n_proc`, for the run that writes to `folder`."""

    rank: int = 0
    n_proc: int = 1
    folder: Path | None = None


ALONE: Final = Place()


def name_of(cls: type[Experiment]) -> str:
    """``module.Class``, the same whether its file is run or imported."""
    from superparams.identity.module_names import module_name

    return f"{module_name(cls.__module__)}.{cls.__qualname__.replace('<locals>.', '')}"


def place_of(setting: object) -> Place:
    """Where a setting runs; outside of a run, alone."""
    place: Place | None = place_on(setting)
    return ALONE if place is None else place


def rank_of(setting: object) -> int:
    """The number of the worker that runs this setting: 0 to ``n_proc - 1``."""
    return place_of(setting).rank


def n_proc_of(setting: object) -> int:
    """The number of workers of the run."""
    return place_of(setting).n_proc


def _number_of(setting: Any) -> int:
    """The key of a setting as a number."""
    key = key_on(setting)
    if key is None:  # a setting outside of a run
        from superparams.declare.keys import key_of

        key = key_of(setting)
        set_key(setting, key)
    return key


def text_of_key(setting: object) -> str:
    """The identity of this setting in every run: 32 hexadecimal digits."""
    from superparams.identity.digests.digest import key_text

    return key_text(_number_of(setting))


def seed_of_setting(setting: object) -> int:
    """A seed that is computed from the key, so it is the same in every run."""
    from superparams.identity.digests.digest import seed_of

    return seed_of(_number_of(setting))


def folder_of(setting: Any) -> Path:
    """The directory of this setting, the same in every run; it is created on first use."""
    from superparams.store.runs.folder import experiment_folder
    from superparams.store.runs.results_folder import results_folder

    run = place_of(setting).folder
    if run is None:
        root = experiment_folder(results_folder("results"), name_of(setting.__class__))
    else:
        root = run.parents[1]
    folder = root.absolute() / "settings" / text_of_key(setting)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def recorded_results(owner: Any, results: str | Path = "results") -> Results:
    """Load the recorded results of a class or a space, without running anything."""
    from superparams.run.run_results import results_of

    return results_of(owner, results)


def seeds_globals(cls: type[Any]) -> bool:
    """Whether global generators are seeded before settings of this class.

    A field with the name ``seed_globals`` is a parameter, and does not decide about this.
    """
    held = [vars(base)["seed_globals"] for base in cls.__mro__ if "seed_globals" in vars(base)]
    return bool(next((x for x in held if not isinstance(x, Field)), True))


# Attributes that a class may set without an annotation; a field of the same name has no effect.
_SAID_OF_CLASSES: Final = (
    ("seed_globals", False, "global generators are seeded all the same; to turn that off"),
    ("keep_checkpoints", True, "checkpoints are removed all the same; to keep them"),
)


def notes_of_fields(space: object) -> Iterator[str]:
    """Notes on fields whose declaration may mean something else than what it says."""
    yield from _lists_of_one_value(space)
    yield from points_shown_alike(space)
    for name, usual, otherwise in _SAID_OF_CLASSES:
        field = fields_of(space.__class__).get(name)
        if field is not None and any(x is usual for x in points_of(space.__dict__.get(name))):
            yield (
                f"{field.where} is a parameter, so {otherwise}, write {name} = {usual} without an "
                "annotation"
            )


def _lists_of_one_value(params: object) -> Iterator[str]:
    """Notes on fields of one number or text that hold a list, where `search` may be meant."""
    for field in fields_of(params.__class__).values():
        declared = declaration_on(params, field)
        x = params.__dict__.get(field.name, declared)
        x = x.given if isinstance(x, Value) else x
        if issubclass(type(x), (list, tuple, range, set)) and is_scalar(field.annotation):
            text = shorten(x)
            yield (
                f"{field.where} is {text}, one value, though its annotation allows no "
                f"{type(x).__name__}; to search these values, write {field.name}=search({text})"
            )
        for point in points_of(x):
            if is_group(point):
                yield from _lists_of_one_value(point)


class _DrawnSettings:
    """The module `drawn_settings`, which is imported only when something is drawn."""

    def __getattr__(self, name: str) -> Any:
        def draw(*args: object, **options: object) -> Any:
            from superparams.declare import drawn_settings as module

            return getattr(module, name)(*args, **options)

        return draw


if not TYPE_CHECKING:
    drawn_settings = _DrawnSettings()


class OwnDraw(Generic[P]):
    """A function that chooses settings of a space, as a method of the space and of its `place`."""

    def __init__(self, function: Callable[Concatenate[Any, P], ChosenSettings]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: ExperimentPlace[E], cls: type[Any]) -> Callable[P, Settings[E]]: ...
    @overload
    def __get__(self, instance: object, cls: type[E]) -> Callable[P, Settings[E]] | Any: ...
    def __get__(self, instance: object, cls: type[Any]) -> Any:
        return (
            partial(self._of_class, cls) if instance is None else MethodType(self._choose, instance)
        )

    def _of_class(self, cls: type[Any], /, *args: Any, **options: Any) -> Settings[Any]:
        """Refuse a call on the class, which has no settings."""
        if args and is_group(args[0]):
            return self._choose(*args, **options)
        call = self._name
        arguments = ", ".join(
            [*map(shorten, args), *(f"{x}={shorten(y)}" for x, y in options.items())]
        )
        raise SpaceError(
            f"{cls.__name__}.{call}({arguments}): a class has no settings; call it for its space, "
            f"{cls.__name__}().{call}({arguments})"
        )

    def _choose(self, space_or_place: Any, /, *args: P.args, **options: P.kwargs) -> Settings[Any]:
        space: Any = space_or_place if is_group(space_or_place) else space_or_place._params
        chosen: Settings[Any] = space.__superparams_chosen__(
            self._function(space, *args, **options)
        )
        return chosen


class ExperimentPlace(ParamsPlace[E]):
    """The attributes of superparams on an experiment, under names that no field hides.

    Each of these names is an attribute of the experiment as well, unless a field, a method or
    another attribute of its class has the name: ``self.place.rank`` is ``self.rank`` there.
    """

    __slots__ = ()

    @property
    def rank(self) -> int:
        """The number of the worker that runs this setting: 0 to ``n_proc - 1``."""
        return rank_of(self._params)

    @property
    def n_proc(self) -> int:
        """The number of workers of the run."""
        return n_proc_of(self._params)

    @property
    def key(self) -> str:
        """The identity of this setting in every run: 32 hexadecimal digits.

        Raises:
            SpaceError: For an open space; each of its settings has a key.
            IdentityError: For a field whose value has no stable content.
        """
        return text_of_key(self._params)

    @property
    def seed(self) -> int:
        """A seed that is computed from the key, so it is the same in every run.

        ``0 <= seed < 2**63``. Use it as in ``rng = numpy.random.default_rng(self.seed)``. Global
        generators are seeded from it as well, see `seed_globals`.
        """
        return seed_of_setting(self._params)

    @property
    def seed_globals(self) -> bool:
        """Whether the global generators of `random`, `numpy.random` and torch are seeded from
        `seed` before each setting, if its code may draw from them.

        ``seed_globals = False`` in the class, without an annotation, turns that off.
        """
        return seeds_globals(self._cls)

    @property
    def folder(self) -> Path:
        """The directory of this setting, the same in every run; it is created on first use."""
        return folder_of(self._params)

    def log(self, row: object = None, /, *more: object, **fields: object) -> None:
        """Record a step of this setting, see `Experiment.log`."""
        log_of(self._params, row, *more, **fields)

    @property
    def checkpoint(self) -> Path:
        """The directory of this setting and its code, see `Experiment.checkpoint`."""
        return checkpoint_of(self._params)

    def save(self, state: object = NOTHING, /, *more: object, **named: object) -> None:
        """Save an object for a later attempt of this setting, see `Experiment.save`."""
        save_of(self._params, state, *more, **named)

    def load(self, default: object = None) -> Any:
        """The object that was saved last for this setting, see `Experiment.load`."""
        return load_of(self._params, default)

    @property
    def keep_checkpoints(self) -> bool:
        """Whether checkpoints stay when their setting is done.

        ``keep_checkpoints = True`` in the class, without an annotation, turns that on.
        """
        return keeps_checkpoints(self._cls)

    def results(self, results: str | Path = "results") -> Results:
        """Load the recorded results, without running anything.

        ``Class.results()`` returns the newest outcome of every setting that ever ran.
        ``space.results()`` returns the outcomes of the settings of a space, in its order, as
        ``run_all`` does. A setting is a space of one.

        Raises:
            StoreError: When nothing is recorded under the folder `results`.
        """
        return recorded_results(self._of, results)

    sample = OwnDraw(drawn_settings.sample)
    """Settings of points that are drawn at random."""
    sobol = OwnDraw(drawn_settings.sobol)
    """Settings of points that cover the space more evenly than random ones."""
    latin_hypercube = OwnDraw(drawn_settings.latin_hypercube)
    """Settings of n points, one in each of n equal parts of each axis."""
    grid = OwnDraw(drawn_settings.grid)
    """All settings with at most k values of each range."""
    one_at_a_time = OwnDraw(drawn_settings.one_at_a_time)
    """A setting, and each setting of the space that differs from it in one axis."""


class ExperimentPlaceOf:
    """Gives the `ExperimentPlace` of a class or of an instance."""

    def __get__(self, params: object, cls: type[E]) -> ExperimentPlace[E]:
        return ExperimentPlace(cls if params is None else cast("E", params))
