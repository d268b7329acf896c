"""Finds the experiments of a file in its text: nothing is imported.

If the text does not say whether a class is an experiment, as with a base class from an installed
package, the class may be one.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from superparams.cli.name_lookup import ExperimentReference, Root
from superparams.cli.text_spaces import TextSpace, space_in_text
from superparams.declare.goal import Goal, maximize, minimize
from superparams.identity.code.module_source import Source
from superparams.identity.code.project import Project
from superparams.identity.code.reach_by_name import ReachByName, Target
from superparams.identity.code.roots import dotted_path, experiments_folder
from superparams.identity.code.syntax import chain_of

__all__ = ["TextClass", "TextClasses"]

_ROOTS: Final = ("Experiment", "GridSearch")
MOST_ALIASES: Final = 5  # names that are aliases of classes


@dataclass(frozen=True)
class TextClass:
    """A class in the text of a file.

    Attributes:
        name: ``module.Class``, as results are named.
        file: The file that defines it.
        qualname: The class.
        is_experiment: Whether it is an experiment with a ``run``; None if the text does not say.
        lacks_run: Whether it is an experiment without a ``run``.
        goal: The goal in its body; None if there is none, or if the text does not show it.
        description: The first line of its docstring.
    """

    name: str
    file: Path
    qualname: str
    is_experiment: bool | None
    lacks_run: bool = False
    goal: Goal | None = None
    description: str = ""


class TextClasses:
    """The classes in the files of an experiments folder."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._known: dict[ast.ClassDef, tuple[bool | None, bool | None]] = {}

    @cached_property
    def _lookup(self) -> ReachByName:
        project = self._root.project.resolve()
        more = [project, self._root.folder.parent, self._root.folder]
        return ReachByName(Project(project, as_on_disk=True, more=more))

    def text_of(self, reference: ExperimentReference) -> str:
        """The text of a file; empty if it cannot be read."""
        source = self._source(reference.file)
        return "" if source is None else source.text

    def problem(self, reference: ExperimentReference) -> str | None:
        """The syntax error in the text of a file; None without one."""
        try:
            ast.parse(reference.file.read_bytes())
        except SyntaxError as error:
            return f"line {error.lineno}: {error.msg}"
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            return str(error) or type(error).__name__
        return None

    def public(self, reference: ExperimentReference) -> list[TextClass]:
        """The public classes of a file that are experiments or may be, in their order."""
        source = self._source(reference.file)
        bindings = {} if source is None else source.bindings
        return [
            self._class(source, name, node, _module_at(reference.file))
            for name, bound in bindings.items()
            for node in [x.node for x in bound if isinstance(x.node, ast.ClassDef)][-1:]
            if source is not None and not name.startswith("_")
        ]

    def space(self, cls: TextClass) -> TextSpace:
        """The declared space of a class."""
        source = self._source(cls.file)
        bound = source.bindings.get(cls.qualname, ()) if source is not None else ()
        nodes = [binding.node for binding in bound if isinstance(binding.node, ast.ClassDef)]
        if source is None or len(nodes) != len(bound) or len(nodes) != 1:
            return TextSpace()
        return space_in_text(self._lookup, source, nodes[0])

    def called(self, reference: ExperimentReference, name: str) -> TextClass | None:
        """The class that a name in a file means; None if the text has no such class."""
        source = self._source(reference.file)
        if source is None:
            return None
        for target in self._lookup.locate(source, (name,)):
            for node in target.classes[-1:]:
                if target.source is not None:
                    is_own = target.source is source
                    module = _module_at(reference.file if is_own else target.source.path)
                    return self._class(target.source, node.name, node, module)
        return None

    def _source(self, file: Path) -> Source | None:
        try:
            return self._lookup.visit(file.resolve())
        except (RecursionError, MemoryError):
            return None

    def _class(
        self, source: Source, name: str, node: ast.ClassDef, module: str | None
    ) -> TextClass:
        is_experiment, has_run = self._kind(source, node)
        both = (is_experiment, has_run)
        is_one = False if False in both else None if None in both else True
        lacks_run = bool(is_experiment) and has_run is False
        full, goal = f"{module or source.name}.{name}", _goal_in(node)
        text = (ast.get_docstring(node) or "").strip().partition("\n")[0]
        return TextClass(full, source.path, name, is_one, lacks_run, goal, text)

    def _kind(self, source: Source, node: ast.ClassDef) -> tuple[bool | None, bool | None]:
        """Whether a class is an experiment, and whether it has a ``run``; None if not known."""
        if node not in self._known:
            self._known[node] = (False, False)  # for a class among its own bases
            bases = [kind for base in node.bases for kind in self._kinds_of_base(source, base)]
            own = any(_binds_run(item) for item in node.body)
            self._known[node] = (
                _any_if_known([is_experiment for is_experiment, _ in bases]),
                own or _any_if_known([has_run for _, has_run in bases]),
            )
        return self._known[node]

    def _kinds_of_base(
        self, source: Source, base: ast.expr
    ) -> Iterator[tuple[bool | None, bool | None]]:
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        if chain is None:
            yield None, None
            return
        targets = self._lookup.locate(source, chain)
        if not targets:
            yield (False, False) if hasattr(builtins, chain[0]) else (None, None)
        for target in targets:
            yield from self._kinds_of_target(target, 0)

    def _kinds_of_target(
        self, target: Target, depth: int
    ) -> Iterator[tuple[bool | None, bool | None]]:
        if target.source is None:
            top, _, last = (target.outside or "").rpartition(".")
            top = top.partition(".")[0]
            is_known = top == "superparams" or top in sys.stdlib_module_names
            yield (top == "superparams" and last in _ROOTS, False) if is_known else (None, None)
            return
        for cls in target.classes:
            yield self._kind(target.source, cls)
        for node in target.nodes:
            if isinstance(node, ast.ClassDef):
                continue
            chain = chain_of(node.value) if isinstance(node, ast.Assign) else None
            if chain is None or depth >= MOST_ALIASES:
                yield None, None
                continue
            for inner in self._lookup.locate(target.source, chain):
                yield from self._kinds_of_target(inner, depth + 1)


def _module_at(file: Path) -> str | None:
    """The name of the module of a file in an experiments folder; None for another file."""
    folder = experiments_folder(file)
    return None if folder is None else dotted_path(folder, file)


def _goal_in(node: ast.ClassDef) -> Goal | None:
    """The goal in the body of a class, as in ``goal = maximize("accuracy")``."""
    for item in node.body:
        match item:
            case ast.Assign(
                targets=[ast.Name(id="goal")],
                value=ast.Call(func=called, args=[ast.Constant(value=str(column))], keywords=[]),
            ):
                by_name = {"maximize": maximize, "minimize": minimize}
                make = by_name.get((chain_of(called) or ("",))[-1])
                return make(column) if make is not None and column.strip() else None
            case _:
                pass
    return None


def _any_if_known(kinds: list[bool | None]) -> bool | None:
    return True if True in kinds else None if None in kinds else False


def _binds_run(item: ast.stmt) -> bool:
    if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return item.name == "run"
    targets = item.targets if isinstance(item, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "run" for target in targets)
