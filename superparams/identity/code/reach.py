"""What is reached from an experiment: by name, and by what fills tables that are reached.

A table is filled elsewhere than where it is bound: by statements at the top level of a module, by
decorators that register a function, and by classes that say themselves who they are
(``__init_subclass__``, a metaclass, ``__subclasses__``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from superparams.identity.code.dynamic_imports import Dynamic, dynamic_imports, modules_below
from superparams.identity.code.module_source import FILLING, Call, calls_in, changes_of
from superparams.identity.code.name_resolution import Target, classes_of
from superparams.identity.code.project import Binding, Project, Source
from superparams.identity.code.reach_by_name import ByName, CodePart
from superparams.identity.code.syntax import Chain, Uses, chain_of, uses

__all__ = ["CodePart", "Reach"]

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_Definition = (*_Function, ast.ClassDef)
_MOST_ALIASES = 3  # names that stand for names
_RUNS_TEXT = {("exec",), ("eval",)}
_LOADS = {"spec_from_file_location", "exec_module", "run_path", "run_module", "SourceFileLoader"}
_IMPORTS = {"import_module", "__import__", "entry_points"}


class Reach(ByName):
    """Collects all that is reached; `finish` follows all that was added.

    Args:
        project: where the user's own modules are.
        loaded: modules that were loaded, by whatever way. Where modules are imported by names that
            the text does not tell, these are what may be meant: what they register counts.
    """

    def __init__(self, project: Project, loaded: Iterable[Path] = ()) -> None:
        super().__init__(project)
        self._loaded = tuple(loaded)
        self._walks_subclasses = False
        self._imports_taken: set[Source] = set()
        self._collecting: dict[ast.ClassDef, bool] = {}
        self._dynamic: dict[Source, Dynamic] = {}
        # The files that change what was reached when they are imported.
        self.changing: dict[Path, None] = {}
        self._changed: dict[tuple[object, object], tuple[list[Target], bool, bool]] = {}

    def finish(self) -> None:
        """Follow everything until nothing new is reached."""
        self.follow_rest()
        while self._effects():
            self.follow_rest()

    def use(self, source: Source, used: Uses) -> None:
        """Note what a piece of code does that its names do not tell."""
        chains = [*used.chains, *((x.name or x.module, *rest) for x, rest in used.imports)]
        last = {chain[-1] for chain in chains}
        self._walks_subclasses |= "__subclasses__" in source.text
        for chain in _RUNS_TEXT.intersection(used.chains):
            if chain[0] not in source.bindings:
                self.project.unseen[
                    f"{source.name} uses {chain[0]}(): edits of the text that it runs do not count"
                ] = None
        if not _LOADS.isdisjoint(last):
            self.project.unseen[
                f"{source.name} loads files by names that it computes: edits of these files do not "
                "count"
            ] = None
        self._use_names(source, used)
        if not _IMPORTS.isdisjoint(last) and source not in self._imports_taken:
            self._imports_taken.add(source)
            self._take_imports(source)

    def _use_names(self, source: Source, used: Uses) -> None:
        """Take the whole module where a name of it is computed, as in ``globals()[name]``."""
        takes_itself = ("sys", "modules") in used.chains
        if takes_itself and ("__name__",) not in used.chains:
            self.project.unseen[
                f"{source.name} uses sys.modules: edits of the modules that it takes from there do "
                "not count"
            ] = None
        elif takes_itself or (("globals",) in used.chains and "globals" not in source.bindings):
            for name in list(source.bindings):
                self.want(source, name)

    def _take_imports(self, source: Source) -> None:
        """Take as a whole what code that counts imports by a name it makes."""
        for place in self._imported_by_name(source):
            self.follow_place(place, ())
        if self._dynamic_of(source).is_unknown:
            self.project.unseen[
                f"{source.name} imports modules by names that it computes: edits of these modules "
                "do not count"
            ] = None

    def _dynamic_of(self, source: Source) -> Dynamic:
        if source not in self._dynamic:
            self._dynamic[source] = dynamic_imports(source)
        return self._dynamic[source]

    def _imported_by_name(self, source: Source) -> Iterator[Path]:
        found = self._dynamic_of(source)
        for wanted in found.modules:
            place = self.project.module(source, wanted)
            if place is not None:
                yield place
        for wanted in found.packages:
            place = self.project.module(source, wanted)
            if place is not None:
                yield from modules_below(self.project, place)
        if found.walks and source.path.name == "__init__.py":
            yield from modules_below(self.project, source.path)

    # Statements that change what was reached

    def _effects(self) -> bool:
        """Take the statements that change what was reached; whether there were new ones."""
        before = len(self.taken)
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
                if any(self._collects(*base) for base in self._bases(source, node)):
                    self.changing[source.path] = None
                    self.want(source, name)
        return len(self.taken) > before or self.has_more

    def _take_effect(self, source: Source, chain: Chain, binding: Binding) -> None:
        if isinstance(binding.node, _Definition):
            self.take(source, binding.node.name, self._same(source, binding))
        else:
            self.take(source, chain[0], binding)

    @staticmethod
    def _same(source: Source, effect: Binding) -> Binding:
        """The binding of the name of a decorated function, so that it is taken once."""
        name = getattr(effect.node, "name", "")
        found = source.bindings.get(name, ())
        return next((item for item in found if item.node is effect.node), effect)

    def _is_effect(self, source: Source, chain: Chain, node: ast.stmt) -> bool:
        is_decorator = isinstance(node, _Definition)
        for target in self.locate(source, chain):
            if not _is_definition(target):
                if self._is_reached(target) or self._is_alias_of_effect(target, node):
                    return True
            # ``@area.register`` and ``Model.parts["x"] = f`` change `area` and `Model`; what is
            # called as ``@register`` changes the table that it fills.
            elif (len(chain) > 1 or not is_decorator) and self._is_reached(target):
                if not self._is_called_space(target, node):
                    return True
            elif self._fills_reached(target):
                return True
        return False

    def _is_alias_of_effect(self, target: Target, node: ast.stmt) -> bool:
        """Whether a name stands for what fills a table, as ``register = TABLE.register`` does."""
        return any(
            self._is_effect(inner, chain, node)
            for inner, chain in _aliased(target)
            if (target.source, (target.name,)) != (inner, chain)
        )

    def _is_changing(self, source: Source, call: Call, depth: int) -> bool:
        """Whether a call at the top level of a module changes what was reached."""
        if call.changed is not None and self._is_place_reached(source, call.changed):
            return True
        for target in self.locate(source, call.called):
            if _is_definition(target):
                if self._may_change(target, source, call):
                    return True
            elif depth < _MOST_ALIASES:
                for inner, chain in _aliased(target):
                    changed = chain[:-1] if len(chain) > 1 and chain[-1] in FILLING else None
                    if self._is_changing(inner, Call(chain, call.arguments, changed), depth + 1):
                        return True
        return False

    def _may_change(self, target: Target, source: Source, call: Call) -> bool:
        places, takes, runs = self._changes(target)
        if runs:
            return False
        given = call.arguments if takes else ()
        return any(map(self._is_target_reached, places)) or any(
            self._is_place_reached(source, chain) for chain in given
        )

    def _is_place_reached(self, source: Source, chain: Chain) -> bool:
        return any(map(self._is_target_reached, self.locate(source, chain)))

    def _is_target_reached(self, target: Target) -> bool:
        found = classes_of(target)
        if target.source is None or any(self.is_params(target.source, one) for one in found):
            return False
        return self._is_reached(target)

    def _changes(self, target: Target) -> tuple[list[Target], bool, bool]:
        """What a function changes, with the functions that it calls; see `Changes`."""
        key = (target.source, target.name)
        known = self._changed.get(key)
        if known is not None or target.source is None or target.name is None:
            return known or ([], False, False)
        self._changed[key] = ([], False, False)  # for a function that calls itself
        places: list[Target] = []
        takes, runs = False, False
        for binding in target.source.bindings[target.name]:
            if isinstance(binding.node, _Definition):
                found = changes_of(binding.node)
                takes, runs = takes or found.parameters, runs or found.runs
                for chain in found.outside:
                    places += self.locate(target.source, chain)
                for call in found.calls:
                    inner, has_run = self._changed_by_call(target.source, call)
                    places += inner
                    runs |= has_run
        self._changed[key] = (places, takes, runs)
        return self._changed[key]

    def _changed_by_call(self, source: Source, call: Call) -> tuple[list[Target], bool]:
        places: list[Target] = []
        has_run = False
        for called in filter(_is_definition, self.locate(source, call.called)):
            inner, takes, runs = self._changes(called)
            places += inner
            has_run |= runs
            if takes:
                places += [one for chain in call.arguments for one in self.locate(source, chain)]
        return places, has_run

    def _is_called_space(self, target: Target, node: ast.stmt) -> bool:
        """Whether a statement calls a method of a class of experiments, such as its results."""
        found = classes_of(target)
        return isinstance(node, ast.Expr) and any(
            self.is_params(target.source, one) for one in found if target.source
        )

    def _fills_reached(self, target: Target) -> bool:
        """Whether a function or class puts something into a table that was reached."""
        if target.source is None or target.name is None:
            return False
        nodes = [item.node for item in target.source.bindings[target.name]]
        return any(
            self._is_reached(table)
            for node in nodes
            if isinstance(node, _Definition)
            for chain in _filled(node)
            for table in self.locate(target.source, chain)
        )

    def _is_reached(self, target: Target) -> bool:
        ways = (True, False) if _is_definition(target) else (True,)
        return any((target.source, target.name, full) in self.done for full in ways)

    # Classes that are known to a class that was reached

    def _bases(self, source: Source, node: ast.ClassDef) -> Iterator[tuple[Source, ast.ClassDef]]:
        keywords = (one.value for one in node.keywords if one.arg == "metaclass")
        for base in (*node.bases, *keywords):
            chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
            for target in self.locate(source, chain) if chain else ():
                for found in classes_of(target):
                    if target.source is not None:
                        yield target.source, found

    def _collects(self, source: Source, node: ast.ClassDef) -> bool:
        """Whether a class, or one above it, that was reached knows the classes below it."""
        if node not in self._collecting:
            self._collecting[node] = False  # for a class among its own bases
            bases = list(self._bases(source, node))
            self._collecting[node] = self._collects_itself(source, node, bases) or any(
                self._collects(*base) for base in bases
            )
        return self._collecting[node]

    def _collects_itself(
        self, source: Source, node: ast.ClassDef, bases: list[tuple[Source, ast.ClassDef]]
    ) -> bool:
        is_taken = (source, node) in self.taken
        if is_taken and self._walks_subclasses:
            return True
        hooks = [one for one in (node, *(base for _, base in bases)) if _has_hook(one)]
        if not hooks:
            return False
        return is_taken or self._fills_reached(Target(source, node.name))

    def _all_visited(self) -> list[Source]:
        """All modules reached, and what these import, for the effects of their top levels."""
        todo = list(self.files.values())
        for source in todo:
            places = [*self._imported_by_name(source)]
            for wanted in source.visits:
                place = self.project.module(source, wanted)
                if place is not None:
                    below = self.project.submodule(place, wanted.name) if wanted.name else None
                    places += filter(None, (place, below))
            if self._dynamic_of(source).is_unknown:
                places += self._loaded
            for each in places:
                if each not in self.files:
                    new = self.visit(each)
                    todo += [new] if new is not None else []
        return list(self.files.values())


def _is_definition(target: Target) -> bool:
    """Whether a name is that of a function or class, and not of a constant."""
    if target.source is None or target.name is None:
        return False
    found = target.source.bindings.get(target.name, ())
    is_function = any(isinstance(item.node, _Function) for item in found)
    return is_function or all(isinstance(item.node, ast.ClassDef) for item in found)


def _aliased(target: Target) -> Iterator[tuple[Source, Chain]]:
    """What a name was assigned: another name, or the names in a call such as ``partial(f, x)``."""
    if target.source is None or target.name is None:
        return
    for binding in target.source.bindings.get(target.name, ()):
        value = binding.node.value if isinstance(binding.node, ast.Assign) else None
        chain = chain_of(value) if value is not None else None
        if chain is not None:
            yield target.source, chain
        elif isinstance(value, ast.Call):
            for call in calls_in(value):
                yield target.source, call.called
                yield from ((target.source, each) for each in call.arguments)


def _has_hook(node: ast.ClassDef) -> bool:
    """Whether a class hears of classes that are made from it, or makes classes."""
    hooks = {"__init_subclass__", "__new__", "__init__", "__call__"}
    is_metaclass = any((chain_of(base) or ("",))[-1] in ("type", "ABCMeta") for base in node.bases)
    names = {getattr(item, "name", "") for item in node.body}
    return "__init_subclass__" in names or (is_metaclass and not hooks.isdisjoint(names))


def _filled(node: ast.AST) -> Iterator[Chain]:
    """The containers outside a function or class that it puts something into."""
    free = {chain[0] for chain in uses([node]).chains}
    own = getattr(node, "name", "")
    for inner in ast.walk(node):
        place: ast.AST | None = None
        if isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
            place = inner.value
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            place = inner.func.value if inner.func.attr in FILLING else None
        chain = chain_of(place) if place is not None else None
        if chain is not None and (chain[0] in free or chain[0] == own):
            yield chain
