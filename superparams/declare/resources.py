"""The resources of a setting: the share of a machine that it needs while it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from numbers import Real
from typing import Any, Final, ParamSpec, cast

from superparams.adapters.content import whole_number
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted, size

__all__ = [
    "Resources",
    "check_resources",
    "class_resources",
    "setting_resources",
    "shown_bytes",
    "shown_in_unit_of",
]

_NAME: Final = "resources"  # the attribute of a class
_BYTES: Final = {
    **{unit: 1000**power for power, unit in enumerate(("B", "KB", "MB", "GB", "TB"))},
    **{unit: 1024**power for power, unit in enumerate(("KIB", "MIB", "GIB", "TIB"), start=1)},
}
_UNITS: Final = {
    "TB": 1000**4,
    "TiB": 1024**4,
    "GB": 1000**3,
    "GiB": 1024**3,
    "MB": 1000**2,
    "MiB": 1024**2,
}
_SECONDS: Final = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}
_AMOUNT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")

P = ParamSpec("P")


def _names_checked(init: Callable[P, None]) -> Callable[P, None]:
    """Wrap the constructor of `Resources`, so that a wrong name gets suggestions."""

    @wraps(init)
    def checked(*args: P.args, **kwargs: P.kwargs) -> None:
        names = [field.name for field in fields(Resources)]
        if args[1:]:
            text = shorten(args[1])
            name = "memory" if isinstance(args[1], str) else "cpus"
            raise FieldError(f"Resources({text}): name the amount, as in Resources({name}={text})")
        for name in kwargs:
            if name not in names:
                raise _unknown(name, kwargs[name], names)
        init(*args, **kwargs)

    return checked


def _unknown(name: str, x: object, names: Sequence[str]) -> FieldError:
    from superparams.errors.suggestions import similar

    near = similar(name, names, 1)
    guess = f"did you mean {near[0]}? They are" if near else "they are"
    return _wrong(name, x, f"{name} is none of the resources; {guess} {', '.join(names)}")


@dataclass(frozen=True, init=False, repr=False)
class Resources:
    """What a setting needs of a machine while it runs.

    Write ``resources = Resources(cpus=4, gpus=1)`` in the body of an experiment, without an
    annotation, or a method ``resources(self)`` that returns them for a setting. As many settings
    run at once as the machine has resources for. They are not part of the key or the code of a
    setting.

    Attributes:
        cpus: Processors, which limit the threads of its libraries; None for no count.
        gpus: Devices, or a fraction of one that settings share; 0 hides all devices, None for no
            count.
        memory: Bytes; None for no limit.
        timeout: Seconds that ``run`` may take; None for no limit.
        nodes: Machines, on a cluster.
        tasks: Processes on each machine, on a cluster.
    """

    cpus: int | None
    gpus: float | None
    memory: int | None
    timeout: float | None
    nodes: int
    tasks: int

    @_names_checked
    def __init__(
        self,
        *,
        cpus: int | None = None,
        gpus: float | None = None,
        memory: int | str | None = None,
        timeout: float | str | None = None,
        nodes: int = 1,
        tasks: int = 1,
    ) -> None:
        """Declare what a setting needs.

        Args:
            cpus: Processors, 1 or more.
            gpus: Devices: 0, a whole number, or a fraction below 1 such as 0.5.
            memory: Bytes, or text such as ``"16GB"`` or ``"512MiB"``.
            timeout: Seconds, or text such as ``"2h"``, ``"90s"`` or ``"1h30min"``.
            nodes: Machines, 1 or more; more than one needs a cluster.
            tasks: Processes on each machine, 1 or more; more than one needs a cluster.

        Raises:
            FieldError: For an impossible amount, and for an unknown name.
        """
        keep = object.__setattr__
        keep(self, "cpus", None if cpus is None else _whole("cpus", cpus))
        keep(self, "gpus", None if gpus is None else _gpus(gpus))
        keep(self, "memory", None if memory is None else _memory(memory))
        keep(self, "timeout", None if timeout is None else _timeout(timeout))
        keep(self, "nodes", _whole("nodes", nodes))
        keep(self, "tasks", _whole("tasks", tasks))

    def __repr__(self) -> str:
        parts = [
            f"{field.name}={self.shown(field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != (1 if field.name in ("nodes", "tasks") else None)
        ]
        return f"Resources({', '.join(parts)})"

    def shown(self, name: str) -> str:
        """An amount as in a declaration: ``memory`` as ``'16GB'``, others as numbers."""
        x = getattr(self, name)
        if name == "memory" and x is not None:
            return repr(_in_units(x) or x)
        return repr(x)

    def __str__(self) -> str:
        """For people: ``4 cpus, 1 gpu, 16GB, 7200 seconds``."""
        parts = [
            "" if self.cpus is None else counted(self.cpus, "cpu"),
            "" if self.gpus is None else counted(self.gpus, "gpu"),
            "" if self.memory is None else shown_bytes(self.memory),
            "" if self.timeout is None else counted(self.timeout, "second"),
            "" if self.nodes == 1 else counted(self.nodes, "node"),
            "" if self.tasks == 1 else counted(self.tasks, "task"),
        ]
        return ", ".join(filter(None, parts)) or "no resources"


def check_resources(cls: type[Any], resources: object) -> None:
    """Refuse a class whose attribute ``resources`` does not declare resources.

    Args:
        cls: The experiment.
        resources: The attribute.

    Raises:
        FieldError: For anything but `Resources`, a method, a property and None.
    """
    is_method = callable(resources) and not isinstance(resources, type)
    if resources is None or is_method or isinstance(resources, Resources | property):
        return
    raise FieldError(
        f"{cls.__name__}.{_NAME} is {shorten(resources)}: write {_NAME} = "
        f"Resources(cpus=4), without an annotation, or a method {_NAME}(self) that returns "
        "Resources"
    )


def class_resources(cls: type[Any]) -> Resources | None:
    """The resources of all settings of a class; None if it has none, or if settings differ."""
    declared = getattr(cls, _NAME, None)
    return declared if isinstance(declared, Resources) else None


def setting_resources(setting: object) -> Resources:
    """The resources of a setting, by its method or property.

    Raises:
        FieldError: When that is anything but `Resources`, or None for no resources.
    """
    declared = getattr(setting, _NAME)
    is_method = callable(declared)
    resources = cast("Callable[[], object]", declared)() if is_method else declared
    if resources is None:
        return Resources()
    if isinstance(resources, Resources):
        return resources
    name = f"{type(setting).__name__}.{_NAME}"
    raise FieldError(
        f"{name}() returned {shorten(resources)}: return Resources, such as Resources(cpus=4)"
        if is_method
        else f"{name} is {shorten(resources)}: write {_NAME} = Resources(cpus=4)"
    )


def _wrong(name: str, x: object, remedy: str) -> FieldError:
    return FieldError(f"Resources({name}={shorten(x)}): {remedy}")


def _whole(name: str, x: object) -> int:
    number = whole_number(x)
    if number is None or number < 1:
        raise _wrong(name, x, "give a whole number, 1 or more")
    return number


def _number(x: object) -> float | None:
    """A finite number that is not below 0; None for anything else."""
    if isinstance(x, bool) or not isinstance(x, Real):
        return None
    try:
        number = float(x)
    except OverflowError:  # an int beyond all floats
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _gpus(x: object) -> float:
    number = _number(x)
    if number is None or (number > 1 and number != int(number)):
        remedy = "give 0, 1, 2 or more devices, or a fraction of a shared one, such as 0.5"
        raise _wrong("gpus", x, remedy)
    return int(number) if number == int(number) else number


def _memory(x: object) -> int:
    remedy = 'give bytes above 0, or text with a unit, such as "16GB", "512MB" or "2GiB"'
    if isinstance(x, str):
        amount = _AMOUNT.fullmatch(x)
        unit = _BYTES.get(amount[2].upper()) if amount else None
        number = float(amount[1]) * unit if amount and unit else None
    else:
        number = _number(x)
    if number is None or number < 1:
        raise _wrong("memory", x, remedy)
    return int(number)


def _timeout(x: object) -> float:
    remedy = 'give seconds above 0, or text with a unit, such as "2h", "90s" or "1h30min"'
    number = _seconds(x) if isinstance(x, str) else _number(x)
    if not number:
        raise _wrong("timeout", x, remedy)
    return int(number) if number == int(number) else number


def _seconds(text: str) -> float | None:
    """The seconds of a text such as ``"1h30min"``; None for anything else."""
    total, position = 0.0, 0
    while position < len(text):
        amount = _AMOUNT.match(text, position)
        if amount is None or amount[2].lower() not in _SECONDS:
            return None
        total, position = total + float(amount[1]) * _SECONDS[amount[2].lower()], amount.end()
    return total


def shown_bytes(number: int) -> str:
    """``16GB``, ``512MiB``; ``117 MiB`` for a number that no unit gives in short."""
    return _in_units(number) or size(number)


def shown_in_unit_of(number: int, limit: int) -> str:
    """A number of bytes beside a limit, in its unit: ``153.2MB`` beside ``150MB``."""
    for unit, factor in _UNITS.items():
        if shown_bytes(limit).endswith(unit) and shown_bytes(limit)[: -len(unit)][-1:].isdigit():
            return f"{number / factor:.4g}{unit}"
    return size(number)


def _in_units(number: int) -> str | None:
    """``16GB`` or ``512MiB``, if that is exact."""
    for unit, factor in _UNITS.items():
        if number * 100 % factor == 0 and number >= factor:
            return f"{number / factor:g}{unit}"
    return None
