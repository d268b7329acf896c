"""Reaches the code of an experiment: by name, and by code that fills tables that are reached.

Other code than the definition of a table may fill it: statements at the top level of a module,
decorators that register a function, and classes that register themselves (``__init_subclass__``, a
metaclass, ``__subclasses__``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from superparams.identity.code.dynamic_imports import (
    DynamicImports,
    dynamic_imports,
    modules_below,
)
from superparams.identity.code.module_source import (
    DEFINITIONS,
    FILLING,
    Binding,
    Call,
    Source,
    calls_in,
    side_effects,
)
from superparams.identity.code.project import Project
from superparams.identity.code.reach_by_name import ReachByName, Target
from superparams.identity.code.syntax import FUNCTIONS, Chain, Uses, chain_of, uses

__all__ = ["Reach"]

_MAX_ALIASES = 3  # names that are aliases of other names
_LOAD_FILES = {
    *("spec_from_file_location", "exec_module", "run_path", "run_module"),
    "SourceFileLoader",
}
_IMPORT_BY_NAME = {"import_module", "__import__", "entry_points"}


class Reach(ReachByName):
    """Collects the reached code; `finish` follows all names that were added.

    Args:
        project: The user's files.
        loaded: The files of all loaded modules. They are the candidates if the text does not show
            which module is imported; their registrations count.

    Attributes:
        changing: The files that change what was reached when they are imported.
    """

    def __init__(self, project: Project, loaded: Iterable[Path] = ()) -> None:
        super().__init__(project)
        self.changing: dict[Path, None] = {}
        self._loaded = tuple(loaded)
        self._walks_subclasses = False
        self._imports_taken: set[Source] = set()
        self._collecting: dict[ast.ClassDef, bool] = {}
        self._dynamic: dict[Source, DynamicImports] = {}
        self._changes: dict[tuple[object, object], tuple[list[Target], bool, bool]] = {}

    @property
    def has_unknown_imports(self) -> bool:
        """Whether modules are imported by names that the text does not show."""
        return any(dynamic.has_unknown for dynamic in self._dynamic.values())

    def finish(self) -> None:
        """Follow everything until nothing new is reached."""
        self.follow_rest()
        while self._take_effects():
            self.follow_rest()

    def use(self, source: Source, used: Uses) -> None:
        """Note effects of a piece of code that do not follow from its names."""
        chains = [*used.chains, *((x.name or x.module, *rest) for x, rest in used.imports)]
        last_names = {chain[-1] for chain in chains}
        self._walks_subclasses |= "__subclasses__" in source.text
        for name in ("exec", "eval"):
            if (name,) in used.chains and name not in source.bindings:
                self._note(source, f"uses {name}(): edits of the text that it runs do not count")
        if not _LOAD_FILES.isdisjoint(last_names):
            self._note(
                source, "loads files by names that it computes: edits of these files do not count"
            )
        self._use_computed_names(source, used)
        if not _IMPORT_BY_NAME.isdisjoint(last_names) and source not in self._imports_taken:
            self._imports_taken.add(source)
            self._take_imports(source)

    def _note(self, source: Source, limit: str) -> None:
        self.project.unseen[f"{source.name} {limit}"] = None

    def _use_computed_names(self, source: Source, used: Uses) -> None:
        """Take the whole module if a name in it is computed, as in ``globals()[name]``."""
        takes_itself = ("sys", "modules") in used.chains
        if takes_itself and ("__name__",) not in used.chains:
            self._note(
                source,
                "uses sys.modules: edits of the modules that it takes from there do not count",
            )
        elif takes_itself or (("globals",) in used.chains and "globals" not in source.bindings):
            for name in list(source.bindings):
                self.want(source, name)

    def _take_imports(self, source: Source) -> None:
        """Take the whole modules that code imports by a computed name."""
        for location in self._imported_by_name(source):
            self.follow_module(location, ())
        if self._dynamic_imports(source).has_unknown:
            self._note(
                source,
                "imports modules by names that it computes: edits of these modules do not count",
            )

    def _dynamic_imports(self, source: Source) -> DynamicImports:
        if source not in self._dynamic:
            self._dynamic[source] = dynamic_imports(source)
        return self._dynamic[source]

    def _imported_by_name(self, source: Source) -> Iterator[Path]:
        dynamic = self._dynamic_imports(source)
        for imported in dynamic.modules:
            location = self.project.module(source, imported)
            if location is not None:
                yield location
        for imported in dynamic.packages:
            location = self.project.module(source, imported)
            if location is not None:
                yield from modules_below(self.project, location)
        if dynamic.walks_package and source.path.name == "__init__.py":
            yield from modules_below(self.project, source.path)

    # Statements that change reached code

    def _take_effects(self) -> bool:
        """Add statements that change reached code; returns whether there were new ones."""
        n_before = len(self.taken)
        self._collecting.clear()
        for source in self._all_visited():
            for chain, binding in source.effects:
                if self._is_effect(source, chain, binding.node):
                    self.changing[source.path] = None
                    self._take_effect(source, chain, binding)
            for call, binding in source.calls:
                if self._is_changing(source, call, 0):
                    self.changing[source.path] = None
                    self.take(source, call.called[0], binding)
            for name, node in source.classes:
                if any(self._collects_subclasses(*base) for base in self._bases(source, node)):
                    self.changing[source.path] = None
                    self.want(source, name)
        return len(self.taken) > n_before or self.has_more

    def _take_effect(self, source: Source, chain: Chain, binding: Binding) -> None:
        node = binding.node
        if isinstance(node, DEFINITIONS):
            # By the binding of the name of a decorated function, so that it is taken once.
            bindings = source.bindings.get(node.name, ())
            own = next((item for item in bindings if item.node is node), binding)
            self.take(source, node.name, own)
        else:
            self.take(source, chain[0], binding)

    def _is_effect(self, source: Source, chain: Chain, node: ast.stmt) -> bool:
        is_decorator = isinstance(node, DEFINITIONS)
        for target in self.locate(source, chain):
            if not _is_definition(target):
                if self._is_reached(target) or self._is_alias_of_effect(target, node):
                    return True
            # ``@area.register`` and ``Model.parts["x"] = f`` change `area` and `Model`; a function
            # called as ``@register`` changes the table that it fills.
            elif (len(chain) > 1 or not is_decorator) and self._is_reached(target):
                # A method of an experiment that is called, such as `results`, changes nothing.
                if not (isinstance(node, ast.Expr) and self._is_params(target)):
                    return True
            elif self._fills_reached(target):
                return True
        return False

    def _is_alias_of_effect(self, target: Target, node: ast.stmt) -> bool:
        """Whether a name is an alias of code that fills a table: ``register = TABLE.register``."""
        return any(
            self._is_effect(inner, chain, node)
            for inner, chain in _aliased(target)
            if (target.source, (target.name,)) != (inner, chain)
        )

    def _is_changing(self, source: Source, call: Call, depth: int) -> bool:
        """Whether a call at the top level of a module changes reached code."""
        if call.changed is not None and self._is_data_reached(self.locate(source, call.changed)):
            return True
        for target in self.locate(source, call.called):
            if _is_definition(target):
                if self._may_change(target, source, call):
                    return True
            elif depth < _MAX_ALIASES:
                for inner, chain in _aliased(target):
                    changed = chain[:-1] if len(chain) > 1 and chain[-1] in FILLING else None
                    if self._is_changing(inner, Call(chain, call.arguments, changed), depth + 1):
                        return True
        return False

    def _may_change(self, function: Target, source: Source, call: Call) -> bool:
        changed, changes_arguments, runs = self._changes_of(function)
        if runs:
            return False
        arguments = call.arguments if changes_arguments else ()
        return self._is_data_reached(changed) or any(
            self._is_data_reached(self.locate(source, chain)) for chain in arguments
        )

    def _is_data_reached(self, targets: Iterable[Target]) -> bool:
        return any(self._is_reached(x) and not self._is_params(x) for x in targets if x.source)

    def _is_params(self, target: Target) -> bool:
        source = target.source
        return source is not None and any(self.is_params(source, x) for x in target.classes)

    def _changes_of(self, function: Target) -> tuple[list[Target], bool, bool]:
        """The changes of a function and of the functions that it calls.

        Returns:
            The names that it changes outside of itself, whether it changes its arguments, and
            whether it runs experiments.
        """
        key = (function.source, function.name)
        if key not in self._changes:
            self._changes[key] = ([], False, False)  # for a function that calls itself
            changed: list[Target] = []
            changes_arguments = runs = False
            for node in function.nodes:
                source = function.source
                if source is not None and isinstance(node, DEFINITIONS):
                    effects = side_effects(node)
                    changes_arguments |= effects.changes_arguments
                    runs |= effects.runs
                    for chain in effects.outside:
                        changed += self.locate(source, chain)
                    for call in effects.calls:
                        inner, inner_runs = self._changed_by_call(source, call)
                        changed += inner
                        runs |= inner_runs
            self._changes[key] = (changed, changes_arguments, runs)
        return self._changes[key]

    def _changed_by_call(self, source: Source, call: Call) -> tuple[list[Target], bool]:
        changed: list[Target] = []
        runs = False
        for function in filter(_is_definition, self.locate(source, call.called)):
            inner, changes_arguments, inner_runs = self._changes_of(function)
            changed += inner
            runs |= inner_runs
            if changes_arguments:
                changed += [x for chain in call.arguments for x in self.locate(source, chain)]
        return changed, runs

    def _fills_reached(self, target: Target) -> bool:
        """Whether a function or class adds to a table that was reached."""
        source = target.source
        return source is not None and any(
            self._is_reached(table)
            for node in target.nodes
            if isinstance(node, DEFINITIONS)
            for chain in _filled(node)
            for table in self.locate(source, chain)
        )

    def _is_reached(self, target: Target) -> bool:
        ways = (True, False) if _is_definition(target) else (True,)
        return any((target.source, target.name, full) in self.done for full in ways)

    # Classes that are known to a class that was reached

    def _bases(self, source: Source, node: ast.ClassDef) -> Iterator[tuple[Source, ast.ClassDef]]:
        keywords = (keyword.value for keyword in node.keywords if keyword.arg == "metaclass")
        for base in (*node.bases, *keywords):
            chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
            for target in self.locate(source, chain) if chain else ():
                for cls in target.classes:
                    if target.source is not None:
                        yield target.source, cls

    def _collects_subclasses(self, source: Source, node: ast.ClassDef) -> bool:
        """Whether a reached class, or a base of it, knows its subclasses."""
        if node not in self._collecting:
            self._collecting[node] = False  # for a class among its own bases
            bases = list(self._bases(source, node))
            is_taken = (source, node) in self.taken
            has_hook = any(map(_has_hook, (node, *(base for _, base in bases))))
            self._collecting[node] = (
                (is_taken and (self._walks_subclasses or has_hook))
                or (has_hook and self._fills_reached(Target(source, node.name)))
                or any(self._collects_subclasses(*base) for base in bases)
            )
        return self._collecting[node]

    def _all_visited(self) -> list[Source]:
        """All modules reached, and those that they import, for the effects of their top levels."""
        todo = list(self.files.values())
        for source in todo:
            locations = [*self._imported_by_name(source)]
            for imported in source.visits:
                location = self.project.module(source, imported)
                if location is not None:
                    below = (
                        self.project.submodule(location, imported.name) if imported.name else None
                    )
                    locations += filter(None, (location, below))
            if self._dynamic_imports(source).has_unknown:
                locations += self._loaded
            for location in locations:
                if location not in self.files:
                    visited = self.visit(location)
                    todo += [visited] if visited is not None else []
        return list(self.files.values())


def _is_definition(target: Target) -> bool:
    """Whether a name means a function or class, not a constant."""
    nodes = target.nodes
    is_function = any(isinstance(node, FUNCTIONS) for node in nodes)
    return is_function or (bool(nodes) and len(target.classes) == len(nodes))


def _aliased(target: Target) -> Iterator[tuple[Source, Chain]]:
    """The value of a name: another name, or the names in a call such as ``partial(f, x)``."""
    source = target.source
    if source is None:
        return
    for node in target.nodes:
        value = node.value if isinstance(node, ast.Assign) else None
        chain = chain_of(value) if value is not None else None
        if chain is not None:
            yield source, chain
        elif isinstance(value, ast.Call):
            for call in calls_in(value):
                yield source, call.called
                yield from ((source, argument) for argument in call.arguments)


def _has_hook(node: ast.ClassDef) -> bool:
    """Whether a class has a hook for its subclasses, or is a metaclass."""
    hooks = {"__init_subclass__", "__new__", "__init__", "__call__"}
    is_metaclass = any((chain_of(base) or ("",))[-1] in ("type", "ABCMeta") for base in node.bases)
    names = {getattr(item, "name", "") for item in node.body}
    return "__init_subclass__" in names or (is_metaclass and not hooks.isdisjoint(names))


def _filled(node: ast.AST) -> Iterator[Chain]:
    """The containers outside of a function or class to which it adds something."""
    outside = {chain[0] for chain in uses([node]).chains}
    name = getattr(node, "name", "")
    for inner in ast.walk(node):
        container: ast.AST | None = None
        if isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
            container = inner.value
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            container = inner.func.value if inner.func.attr in FILLING else None
        chain = chain_of(container) if container is not None else None
        if chain is not None and (chain[0] in outside or chain[0] == name):
            yield chain
