"""Warning filters, logging levels, limits of the interpreter, locale and working directory."""

from __future__ import annotations

import _locale
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from superparams.adapters.process_options import Notes, Part, differing
from superparams.executor.process_state.import_hooks import when_loaded

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


_DEFAULT_FILTERS: Final = {
    ("default", "DeprecationWarning", "__main__"),
    ("ignore", "DeprecationWarning", ""),
    ("ignore", "PendingDeprecationWarning", ""),
    ("ignore", "ImportWarning", ""),
    ("ignore", "ResourceWarning", ""),
}


def _filters() -> list[Filter]:
    filters: Any = warnings.filters
    return [
        Filter(action, _text(message), kind.__module__, kind.__qualname__, _text(module), line)
        for action, message, kind, module, line in filters
    ]


def _text(pattern: object) -> str:
    """The text of a pattern; empty for a filter without a pattern."""
    text = getattr(pattern, "pattern", pattern)
    return text if isinstance(text, str) else ""


def _read_filters(_: Notes) -> dict[str, Any]:
    return {"filters": _filters()}


def _apply_filters(values: Mapping[str, Any], _: Notes) -> None:
    filters: list[Filter] = values.get("filters", [])
    if not values or _filters() == filters:
        return
    warnings.resetwarnings()
    for rule in reversed(filters):
        kind = _category(rule)
        if kind is not None:
            warnings.filterwarnings(rule.action, rule.message, kind, rule.module, rule.line)
        elif rule.module_of_category not in sys.modules:
            apply_again = partial(_apply_filters, values, [])
            when_loaded(rule.module_of_category, "warning filters", apply_again)


def _category(rule: Filter) -> Any:
    category: Any = sys.modules.get(rule.module_of_category)
    for name in rule.category.split("."):
        category = getattr(category, name, None)
    return category if isinstance(category, type) and issubclass(category, Warning) else None


def _show_filters(values: Mapping[str, Any], _: str) -> dict[str, Any]:
    """Only filters that can change a result; many libraries silence their own warnings."""
    return {
        str(rule): True
        for rule in values.get("filters", [])
        if (rule.action == "error" or not (rule.message or rule.module))
        and (rule.action, rule.category, rule.module) not in _DEFAULT_FILTERS
    }


# ---- logging


def _read_levels(_: Notes) -> dict[str, Any]:
    logging: Any = sys.modules["logging"]
    manager = logging.root.manager
    values: dict[str, Any] = {"root": logging.root.level, "disable": manager.disable}
    if logging.root.disabled:
        values["root is disabled"] = True
    for name, logger in list(manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled):
            values[f"logger {name}"] = logger.level, logger.disabled
    values.update({f"level {number}": name for number, name in _level_names(logging).items()})
    return differing(values, {"root": logging.WARNING, "disable": 0})


def _level_names(logging: Any) -> dict[int, str]:
    """The names of levels that a script has added or changed."""
    names: dict[int, str] = logging._levelToName
    return {
        number: name for number, name in list(names.items()) if _DEFAULT_LEVELS.get(number) != name
    }


def _apply_levels(values: Mapping[str, Any], _: Notes) -> None:
    logging: Any = importlib.import_module("logging")
    for number in _level_names(logging):
        logging.addLevelName(number, _DEFAULT_LEVELS.get(number, f"Level {number}"))
    for name, x in values.items():
        if name.startswith("level "):
            logging.addLevelName(int(name.removeprefix("level ")), x)
    logging.root.setLevel(values.get("root", logging.WARNING))
    logging.root.disabled = values.get("root is disabled", False)
    logging.disable(values.get("disable", 0))
    levels = {n.removeprefix("logger "): x for n, x in values.items() if n.startswith("logger ")}
    for name in _changed_loggers - levels.keys():
        levels[name] = 0, False
    for name, (level, disabled) in levels.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.disabled = disabled
    _changed_loggers.update(levels)


_DEFAULT_LEVELS: Final = {
    0: "NOTSET",
    10: "DEBUG",
    20: "INFO",
    30: "WARNING",
    40: "ERROR",
    50: "CRITICAL",
}
_changed_loggers: set[str] = set()  # loggers whose level this module has set for a run


def _show_levels(values: Mapping[str, object], _: str) -> dict[str, Any]:
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
    """The functions that read and set each limit; some Pythons lack the second limit."""
    yield "recursion", (sys.getrecursionlimit, sys.setrecursionlimit)
    read, write = (getattr(sys, f"{verb}_int_max_str_digits", None) for verb in ("get", "set"))
    if read is not None and write is not None:
        yield "digits of an int", (read, write)


_LIMITS: Final = dict(_limits())
_DEFAULT_LIMITS: Final = {"recursion": 1000, "digits of an int": 4300}


def _read_limits(_: Notes) -> dict[str, Any]:
    return differing({name: get() for name, (get, _) in _LIMITS.items()}, _DEFAULT_LIMITS)


def _apply_limits(values: Mapping[str, Any], notes: Notes) -> None:
    for name, (get, set_limit) in _LIMITS.items():
        limit: int = values.get(name, _DEFAULT_LIMITS[name])
        if get() != limit:
            try:
                set_limit(limit)
            except (ValueError, RecursionError):
                notes.append(f"the limit of {name}, {limit}, cannot be set in workers")


# ---- locale and working directory

_LocaleError: type[Exception] = getattr(_locale, "Error")  # noqa: B009  # typeshed lacks it
_CATEGORIES: Final = ("CTYPE", "COLLATE", "TIME", "MONETARY", "NUMERIC", "MESSAGES")


def _locales() -> dict[str, str]:
    numbers = {name: getattr(_locale, f"LC_{name}", None) for name in _CATEGORIES}
    return {name: _locale.setlocale(n) for name, n in numbers.items() if n is not None}


def _read_locale(_: Notes) -> dict[str, Any]:
    return {**_locales()}


def _apply_locale(values: Mapping[str, Any], notes: Notes) -> None:
    here = _locales()
    for name, x in values.items():
        if here.get(name, x) != x:
            try:
                _locale.setlocale(getattr(_locale, f"LC_{name}"), x)
            except (OSError, ValueError, _LocaleError):
                notes.append(f"the locale LC_{name}={x} cannot be set in workers")


def _show_locale(values: Mapping[str, object], _: str) -> dict[str, Any]:
    """The locale without the values that Python takes from the environment."""
    return {name: x for name, x in values.items() if x != "C" and name != "CTYPE"}


def _read_directory(_: Notes) -> dict[str, Any]:
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


def _describe_directory_change(before: str, after: str) -> str:
    return f"the working directory was {_directory(before)}, and is now {_directory(after)}"


def _directory(path: str) -> str:
    """A recorded working directory for people."""
    if path == "outside of the project":
        return "a folder outside of the project"
    texts = {".": "the project's folder", "default": "not recorded"}
    return texts.get(path, f"{path:.60}/")


PARTS: Final = (
    Part("warning filters", "warnings", _read_filters, _apply_filters, show=_show_filters),
    Part(
        "logging levels",
        "logging",
        _read_levels,
        _apply_levels,
        defaults={"root": "WARNING", "disable": "NOTSET"},
        show=_show_levels,
    ),
    Part("limits", "sys", _read_limits, _apply_limits, defaults=_DEFAULT_LIMITS),
    Part(
        "locale",
        "sys",
        _read_locale,
        _apply_locale,
        defaults=dict[str, Any].fromkeys(_CATEGORIES, "C"),
        show=_show_locale,
    ),
    Part(
        "working directory",
        "sys",
        _read_directory,
        _apply_directory,
        show=_show_directory,
        describe_change=_describe_directory_change,
    ),
)
