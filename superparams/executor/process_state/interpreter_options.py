"""Warning filters, logging levels, limits of the interpreter, locale and working directory."""

from __future__ import annotations

import _locale
import builtins
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from superparams.executor.process_state.import_hooks import when_loaded
from superparams.executor.process_state.part import Notes, Part, differing

__all__ = ["PARTS"]


class Filter(NamedTuple):
    """A warning filter with the name of its category, whose library may not be loaded yet."""

    action: Any
    message: str
    module_of_category: str
    category: str
    module: str
    line: int

    def __str__(self) -> str:
        about = ":".join(filter(None, (self.message, self.category, self.module)))
        return f"{self.action} {about}"


_USUAL: Final = {
    ("default", "DeprecationWarning", "__main__"),
    ("ignore", "DeprecationWarning", ""),
    ("ignore", "PendingDeprecationWarning", ""),
    ("ignore", "ImportWarning", ""),
    ("ignore", "ResourceWarning", ""),
}


def _filters() -> list[Filter]:
    held: Any = warnings.filters
    return [
        Filter(
            action,
            _text(message),
            category.__module__,
            category.__qualname__,
            _text(module),
            line,
        )
        for action, message, category, module, line in held
    ]


def _text(pattern: Any) -> str:
    """The text of a pattern; empty for a filter without a pattern."""
    text = getattr(pattern, "pattern", pattern)
    return text if isinstance(text, str) else ""


def _take_filters(_: Notes) -> dict[str, Any]:
    return {"filters": _filters()}


def _apply_filters(values: Mapping[str, Any], _: Notes) -> None:
    wanted: list[Filter] = values.get("filters", [])
    if not values or _filters() == wanted:
        return
    warnings.resetwarnings()
    for one in reversed(wanted):
        kind = _category(one)
        if kind is not None:
            warnings.filterwarnings(one.action, one.message, kind, one.module, one.line)
        elif one.module_of_category not in sys.modules:
            again = _apply_filters_later(values)
            when_loaded(one.module_of_category, "warning filters", again)


def _apply_filters_later(values: Mapping[str, Any]) -> Any:
    return lambda: _apply_filters(values, [])


def _category(one: Filter) -> Any:
    found: Any = builtins if one.module_of_category == "builtins" else None
    found = found or sys.modules.get(one.module_of_category)
    for name in one.category.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else None


def _show_filters(values: Mapping[str, Any], _: str) -> dict[str, Any]:
    """Only filters that can change a result; many libraries silence their own warnings."""
    return {
        str(one): True
        for one in values.get("filters", [])
        if (one.action == "error" or not (one.message or one.module))
        and (one.action, one.category, one.module) not in _USUAL
    }


# ---- logging


def _take_levels(_: Notes) -> dict[str, Any]:
    logging: Any = sys.modules["logging"]
    manager = logging.root.manager
    found: dict[str, Any] = {"root": logging.root.level, "disable": manager.disable}
    if logging.root.disabled:
        found["root is disabled"] = True
    for name, one in list(manager.loggerDict.items()):
        if isinstance(one, logging.Logger) and (one.level or one.disabled):
            found[f"logger {name}"] = one.level, one.disabled
    found.update({f"level {number}": name for number, name in _level_names(logging).items()})
    return differing(found, {"root": logging.WARNING, "disable": 0})


def _level_names(logging: Any) -> dict[int, str]:
    """The names of levels that a script has added or changed."""
    names: dict[int, str] = logging._levelToName
    return {
        number: name for number, name in list(names.items()) if _USUAL_LEVELS.get(number) != name
    }


def _apply_levels(values: Mapping[str, Any], _: Notes) -> None:
    logging: Any = importlib.import_module("logging")
    for number in _level_names(logging):
        logging.addLevelName(number, _USUAL_LEVELS.get(number, f"Level {number}"))
    for name, x in values.items():
        if name.startswith("level "):
            logging.addLevelName(int(name.removeprefix("level ")), x)
    logging.root.setLevel(values.get("root", logging.WARNING))
    logging.root.disabled = values.get("root is disabled", False)
    logging.disable(values.get("disable", 0))
    wanted = {n.removeprefix("logger "): x for n, x in values.items() if n.startswith("logger ")}
    for name in _set_levels - wanted.keys():
        wanted[name] = 0, False
    for name, (level, disabled) in wanted.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.disabled = disabled
    _set_levels.update(wanted)


_USUAL_LEVELS: Final = {
    0: "NOTSET",
    10: "DEBUG",
    20: "INFO",
    30: "WARNING",
    40: "ERROR",
    50: "CRITICAL",
}
_set_levels: set[str] = set()  # the loggers whose level was set here for a run


def _show_levels(values: Mapping[str, Any], _: str) -> dict[str, Any]:
    return {name: _level(x) for name, x in values.items()}


def _level(x: Any) -> Any:
    if isinstance(x, str):
        return x
    if isinstance(x, tuple):
        return "disabled" if x[1] else _level(x[0])
    logging: Any = sys.modules.get("logging")
    return x if isinstance(x, bool) or logging is None else str(logging.getLevelName(x))


# ---- limits of the interpreter


def _limits() -> Iterator[tuple[str, tuple[Callable[[], int], Callable[[int], object]]]]:
    """How each limit of the interpreter is read and set; some Pythons lack the second."""
    yield "recursion", (sys.getrecursionlimit, sys.setrecursionlimit)
    read, write = (getattr(sys, f"{what}_int_max_str_digits", None) for what in ("get", "set"))
    if read is not None and write is not None:
        yield "digits of an int", (read, write)


_LIMITS: Final = dict(_limits())
_USUAL_LIMITS: Final = {"recursion": 1000, "digits of an int": 4300}


def _take_limits(_: Notes) -> dict[str, Any]:
    return differing({name: get() for name, (get, _) in _LIMITS.items()}, _USUAL_LIMITS)


def _apply_limits(values: Mapping[str, Any], notes: Notes) -> None:
    for name, (get, put) in _LIMITS.items():
        wanted: int = values.get(name, _USUAL_LIMITS[name])
        if get() != wanted:
            try:
                put(wanted)
            except (ValueError, RecursionError):
                notes.append(f"the limit of {name}, {wanted}, cannot be set in workers")


# ---- locale and working directory

_Refused: type[Exception] = getattr(_locale, "Error")  # noqa: B009  # typeshed lacks it
_CATEGORIES: Final = ("CTYPE", "COLLATE", "TIME", "MONETARY", "NUMERIC", "MESSAGES")


def _locales() -> dict[str, str]:
    numbers = {name: getattr(_locale, f"LC_{name}", None) for name in _CATEGORIES}
    return {name: _locale.setlocale(n) for name, n in numbers.items() if n is not None}


def _take_locale(_: Notes) -> dict[str, Any]:
    return dict(_locales())


def _apply_locale(values: Mapping[str, Any], notes: Notes) -> None:
    here = _locales()
    for name, x in values.items():
        if here.get(name, x) != x:
            try:
                _locale.setlocale(getattr(_locale, f"LC_{name}"), x)
            except (OSError, ValueError, _Refused):
                notes.append(f"the locale LC_{name}={x} cannot be set in workers")


def _show_locale(values: Mapping[str, Any], _: str) -> dict[str, Any]:
    """The locale without the values that Python takes from the environment."""
    return {name: x for name, x in values.items() if x != "C" and name != "CTYPE"}


def _take_directory(_: Notes) -> dict[str, Any]:
    with suppress(OSError):  # it was deleted
        return {"path": os.getcwd()}
    return {}


def _apply_directory(values: Mapping[str, Any], notes: Notes) -> None:
    with suppress(OSError):
        if values.get("path", os.getcwd()) == os.getcwd():
            return
    try:
        os.chdir(values["path"])
    except (OSError, KeyError):
        notes.append("the working directory does not exist where workers are")


def _show_directory(values: Mapping[str, Any], project: str) -> dict[str, Any]:
    path = Path(values.get("path", project)).resolve()
    root = Path(project).resolve()
    inside = path.is_relative_to(root)
    return {"path": path.relative_to(root).as_posix() if inside else "outside of the project"}


def _tell_directory(was: str, now: str) -> str:
    return f"the working directory was {_directory(was)}, and is now {_directory(now)}"


def _directory(path: str) -> str:
    """How a recorded working directory is called."""
    if path == "outside of the project":
        return "a folder outside of the project"
    known = {".": "the project's folder", "default": "not recorded"}
    return known.get(path, f"{path:.60}/")


def _names(names: Iterable[str], x: object) -> dict[str, Any]:
    return dict.fromkeys(names, x)


PARTS: Final = (
    Part("warning filters", "warnings", _take_filters, _apply_filters, show=_show_filters),
    Part(
        "logging levels",
        "logging",
        _take_levels,
        _apply_levels,
        defaults={"root": "WARNING", "disable": "NOTSET"},
        show=_show_levels,
    ),
    Part("limits", "sys", _take_limits, _apply_limits, defaults=_USUAL_LIMITS),
    Part(
        "locale",
        "sys",
        _take_locale,
        _apply_locale,
        defaults=_names(_CATEGORIES, "C"),
        show=_show_locale,
    ),
    Part(
        "working directory",
        "sys",
        _take_directory,
        _apply_directory,
        show=_show_directory,
        tell=_tell_directory,
    ),
)
