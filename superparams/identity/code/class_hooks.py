"""Classes that register themselves or their instances, so that code finds them without a name.

A class does so when it or an instance is created, as by ``ALL.append(self)`` in ``__post_init__``,
by ``__init_subclass__`` of a base, or by a decorator: directly, or by functions that these call. Or
a module passes the class to a library, as ``registry.add(Svm)`` does. The use in the library is not
known then.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from superparams.identity.code.module_source import Source, side_effects
from superparams.identity.code.project import Project
from superparams.identity.code.reach import Reach
from superparams.identity.code.reach_by_name import Target
from superparams.identity.code.syntax import FUNCTIONS, chain_of

__all__ = ["ReachWithHooks"]

# Methods that run when a class, a subclass or an instance is created.
_HOOKS: Final = {"__init__", "__post_init__", "__init_subclass__", "__set_name__", "__setattr__"}

Group = tuple[Source, ast.ClassDef]
# Modules whose functions do not keep the classes in their arguments.
_HARMLESS: Final = {"superparams", "typing_extensions", *sys.stdlib_module_names} - {"copyreg"}


class ReachWithHooks(Reach):
    """Reaches a class of groups, too, if it fills a table that was reached.

    Args:
        project: As for `Reach`.
        loaded: As for `Reach`.
        groups: The classes of groups of the experiment.
    """

    def __init__(self, project: Project, loaded: Iterable[Path], groups: Iterable[Group]) -> None:
        super().__init__(project, loaded)
        self._groups = list(groups)
        self._changed: dict[ast.ClassDef, list[Target]] = {}

    def _take_effects(self) -> bool:
        has_more = super()._take_effects()
        for source, node in self._groups:
            if node.name in source.bindings and (source, node.name, True) not in self.done:
                changed = self._changed_by_class(source, node)
                if any(x.source is not None and self._is_reached(x) for x in changed):
                    self.want(source, node.name)
        return has_more or self.has_more

    def _changed_by_class(self, source: Source, node: ast.ClassDef) -> list[Target]:
        """The names that change when a class, a subclass or an instance of it is created."""
        if node not in self._changed:
            self._changed[node] = [
                target
                for inner, cls in self._with_bases(source, node)
                for target in self._changed_by_hooks(inner, cls)
            ]
        return self._changed[node]

    def _changed_by_hooks(self, source: Source, node: ast.ClassDef) -> Iterator[Target]:
        for decorator in self._decorators(source, node):
            yield from self._changes_of(decorator)[0]
        for item in node.body:
            if not isinstance(item, FUNCTIONS) or item.name in _HOOKS:
                effects = side_effects(item)
                for chain in effects.outside:
                    yield from self.locate(source, chain)
                for call in effects.calls:
                    yield from self._changed_by_call(source, call)[0]

    def _with_bases(self, source: Source, node: ast.ClassDef) -> list[Group]:
        """A class and its bases, as far as they are the user's own."""
        classes = [(source, node)]
        for inner, cls in classes:  # grows
            classes += [base for base in self._bases(inner, cls) if base not in classes]
        return classes

    def _decorators(self, source: Source, node: ast.ClassDef) -> Iterator[Target]:
        for decorator in node.decorator_list:
            chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if chain is not None:
                yield from self.locate(source, chain)

    def _is_hidden_from_text(self, source: Source, node: ast.ClassDef) -> bool:
        """Whether the text hides what a call of the class creates, or who knows the class."""
        for inner, cls in self._with_bases(source, node):
            keywords = {keyword.arg for keyword in cls.keywords}
            methods = {item.name for item in cls.body if isinstance(item, FUNCTIONS)}
            if "__new__" in methods or not keywords.isdisjoint({"metaclass", None}):
                return True
            bases = [base.value if isinstance(base, ast.Subscript) else base for base in cls.bases]
            chains = [chain_of(base) for base in bases]
            targets = [x for chain in chains if chain for x in self.locate(inner, chain)]
            if None in chains or any(
                map(_keeps_classes, [*targets, *self._decorators(inner, cls)])
            ):
                return True
        return node in self._given_away

    @cached_property
    def _given_away(self) -> set[ast.ClassDef]:
        """The classes in statements of modules that call a library."""
        statements = {
            binding: source
            for source in self.files.values()
            for call, binding in source.calls
            if any(map(_keeps_classes, self.locate(source, call.called)))
        }
        return {
            node
            for binding, source in statements.items()
            for chain in binding.uses.chains
            for target in self.locate(source, chain)
            for node in target.classes
        }


def _keeps_classes(target: Target) -> bool:
    """Whether a target in a library may keep classes for later."""
    top = (target.outside or "").partition(".")[0]
    return bool(top) and top not in _HARMLESS
