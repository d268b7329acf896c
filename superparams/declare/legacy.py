"""Errors and notes that show users of superparams 0.1.0 what to write now."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, ParamSpec, TypeVar

from superparams.declare.metaclass import recorded_fields
from superparams.declare.secrets import points_of
from superparams.errors import RunError
from superparams.space.groups import is_group

__all__ = ["OPTIONS", "notes_of", "refuse_old_hook", "with_new_names"]

P = ParamSpec("P")
R = TypeVar("R")

PAGE: Final = 'the page "From 0.1.0"'
# The replacement of each old keyword of `run_all`.
KEYWORDS: Final = {
    "n_proc": "num_proc=",
    "no_resume": "resume=False; settings that are done are skipped by default",
    "rerun": "resume=False",
    "clean": "the command `experiment clean NAME`, or another results= folder",
}
# The replacement of each old option of the command.
OPTIONS: Final = {
    "--n_proc": "--num-proc N, or -n N",
    "--resume": "no option: settings that are done are skipped",
    "--no-resume": "--rerun",
    "--clean": "the verb clean: experiment clean NAME",
    "--from_pickle": "run_all() of the instance, in Python",
}


def with_new_names(run_all: Callable[P, R]) -> Callable[P, R]:
    """Wrap `run_all`: an old keyword, and a call on the class, are errors that name the remedy.

    A KeyboardInterrupt leaves it with the frames of the user's code alone.
    """

    @functools.wraps(run_all)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not args or not hasattr(args[0], "run_all"):
            raise TypeError(
                "run_all() was called on a class, and needs an instance: write MyExperiment()"
                ".run_all(), with parentheses after the name of the class"
            )
        for name in kwargs.keys() & KEYWORDS.keys():
            raise RunError(
                f"run_all({name}=...) was an option of superparams 0.1.0; now use "
                f"{KEYWORDS[name]} (see {PAGE})"
            )
        try:
            return run_all(*args, **kwargs)
        except KeyboardInterrupt as error:  # the frames of this library are of no interest
            from superparams.errors.user_lines import user_traceback

            here = error.__traceback__
            error.__traceback__ = user_traceback(here)
            if here is not None:  # Python 3.10 shows this frame nevertheless
                here.tb_next = error.__traceback__
            raise

    return wrapper


def refuse_old_hook(cls: type[Any]) -> None:
    """Refuse an experiment with a ``format_results`` that is never called.

    Raises:
        RunError: When the class has one, and neither ``report`` nor a method that calls it.
    """
    if _is_idle(cls, "format_results") and not _has(cls, "report"):
        raise RunError(
            f"{cls.__name__}.format_results is no longer called: rename it to report, which "
            f"also takes the results as its argument (see {PAGE})"
        )


def notes_of(params: object) -> Iterator[str]:
    """Notes on methods and values that had another meaning in superparams 0.1.0."""
    cls = params.__class__
    if _is_idle(cls, "resume"):
        yield f"{cls.__name__}.resume is not called: run_all calls run, and skips what is done"
    fields = recorded_fields(cls)
    for name, field in fields.items():
        points = points_of(params.__dict__.get(name))
        for x in () if set(map(type, points)) <= {int, float} else points:
            if is_group(x):
                yield from notes_of(x)
            used = [
                placeholder
                for placeholder in _placeholders(x)
                if placeholder in fields and placeholder != name
            ]
            if used:
                yield (
                    f"{field.where} holds {{{used[0]}}}, which is not filled in as it was in "
                    f'0.1.0; to fill it in, write value(derive=lambda s: f"...{{s.{used[0]}}}...")'
                )
                break


def _placeholders(text: object) -> list[str]:
    if not isinstance(text, str) or "{" not in text:
        return []
    from string import Formatter

    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name]
    except ValueError:  # a literal brace
        return []


def _is_idle(cls: type[Any], name: str) -> bool:
    """Whether a class has a method `name` that none of its own methods uses."""
    attribute = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    if not callable(attribute) or not _has(cls, name):  # a field is not callable, whatever it holds
        return False
    methods = [x for base in _own_classes(cls) for x in vars(base).values()]
    codes = [getattr(method, "__code__", None) for method in methods]
    return not any(code is not None and name in code.co_names for code in codes)


def _has(cls: type[Any], name: str) -> bool:
    """Whether a class of the user defines this name."""
    return any(name in vars(base) for base in _own_classes(cls))


def _own_classes(cls: type[Any]) -> list[type[Any]]:
    """The class and its bases without those of superparams."""
    return [base for base in cls.__mro__ if not base.__module__.startswith("superparams.")]
