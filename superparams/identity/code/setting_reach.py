"""Finds the code that each alternative of an experiment adds to the code of a setting.

An alternative is a `Params` class whose instances a field may hold. Settings that hold no instance
of it do not run its methods, unless their other code names the class. So the code is first reached
without the alternatives that only declarations name, and then once more with each of them. Code
that is reached without them belongs to all settings.

A piece of code reaches the same code, whatever else is reached: an effect of a module counts as
soon as the changed name is reached. So the code of a setting that holds several alternatives is the
union of the code that each of them reaches.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

from superparams.identity.code.class_hooks import ReachWithHooks
from superparams.identity.code.declared_alternatives import (
    Declared,
    read_annotation,
    read_points,
    read_statement,
)
from superparams.identity.code.module_source import Binding, Source
from superparams.identity.code.opaque_code import gives_its_class_away, is_opaque, loads_objects
from superparams.identity.code.reach import Reach
from superparams.identity.code.reach_by_name import Target
from superparams.identity.code.syntax import Chain, Uses, chain_of, uses

__all__ = ["Alternative", "alternatives_of"]

_Name = tuple[Source, str]  # a name in a module
# The attributes of a reach that grow.
_STATE: Final = (
    *("names", "files", "done", "taken", "_inherited", "_hidden", "_read"),
    *("_todo", "_whole_modules", "_noted_imports", "_imports_taken"),
)


class Alternative(NamedTuple):
    """A class whose instances a field may hold, and the code that only its settings run.

    Attributes:
        file: The file of the class.
        parts: The names of the parts that it adds to the code of a setting.
    """

    file: Path
    parts: frozenset[str]


def alternatives_of(whole: Reach, roots: Iterable[tuple[Path, str]]) -> dict[str, Alternative]:
    """The alternatives of an experiment, by ``module.Class``; empty if the text does not show them.

    Args:
        whole: All that the experiment reaches.
        roots: The file and the name of its class and of each of its bases.
    """
    unseen = dict(whole.project.unseen)
    try:
        return dict(_alternatives(whole, roots))
    finally:  # code that is reached only here needs no notes for the user
        whole.project.unseen.clear()
        whole.project.unseen.update(unseen)


def _alternatives(
    whole: Reach, roots: Iterable[tuple[Path, str]]
) -> Iterator[tuple[str, Alternative]]:
    common = _SettingReach(whole)
    roots = list(roots)
    if not common.has_more_than(len(roots)):
        return
    for file, name in roots:
        source = common.visit(file)
        if source is None or not common.inherit(Target(source, name)):
            return
    common.finish()
    if common.is_opaque:
        return
    parts_by_name: dict[_Name, frozenset[str]] = {}
    todo = list(common.found)
    for source, name in todo:  # grows: alternatives have alternatives inside
        if (source, name) in parts_by_name:
            continue
        reach = common.continued()
        reach.inherit(Target(source, name))
        reach.finish()
        names = whole.parts.keys() if reach.is_opaque else reach.names
        parts_by_name[source, name] = frozenset(names & whole.parts.keys() - common.names)
        todo += reach.found
    for (source, name), parts in parts_by_name.items():
        if parts:
            yield f"{source.name}.{name}", Alternative(source.path, parts)


class _SettingReach(ReachWithHooks):
    """Reaches code without the alternatives that only declarations name.

    A class is *inherited* if it is an experiment, an alternative, or a base of one of these: code
    has instances of it, but not the class. Its declarations are searched for alternatives. If code
    names such a class nevertheless, everything that its declarations name counts.

    Args:
        whole: All that the experiment reaches.

    Attributes:
        names: The names of the parts that were reached.
        found: The alternatives that declarations name.
        is_opaque: Whether some of the reached code does not show in its text what it uses.
    """

    def __init__(self, whole: Reach) -> None:
        super().__init__(whole.project, whole._loaded, _groups_of(whole))
        self.names: set[str] = set()
        self.found: dict[_Name, None] = {}
        self._is_opaque = False
        self._whole = whole
        # Effects of all modules of the experiment count for each setting.
        self.files = dict(whole.files)
        self._targets = whole._targets
        self._inherited: set[_Name] = set()
        self._hidden: set[ast.ClassDef] = set()  # classes whose declarations were read
        self._read: set[_Name] = set()  # constants that were searched for alternatives
        # How many classes of groups have each name.
        self._counts = Counter(node.name for _, node in self._groups)

    def has_more_than(self, number: int) -> bool:
        """Whether the experiment reaches more classes of groups than so many."""
        return self._counts.total() > number

    def continued(self) -> _SettingReach:
        """A copy that continues from here, while this object does not change."""
        new = copy.copy(self)
        new.found = {}
        for name in _STATE:
            setattr(new, name, copy.copy(getattr(self, name)))
        return new

    @property
    def is_opaque(self) -> bool:
        return self._is_opaque or self._walks_subclasses

    # Reached code

    def inherit(self, target: Target) -> bool:
        """Reach a class, if code has instances of it; False if its name is not unique.

        Args:
            target: The name of the class.
        """
        source, binding = target.source, _only_binding(target)
        if source is None or binding is None or not isinstance(binding.node, ast.ClassDef):
            return False
        name = cast("str", target.name)
        self._inherited.add((source, name))
        node = binding.node
        if (source, node) in self.taken:
            return True
        self.taken.add((source, node))
        self._hidden.add(node)
        self._look_at(source, [node])
        self._is_opaque |= gives_its_class_away(node)
        parts = self._class_parts(source, node)
        self.names.add(f"{source.name}.{name}")
        self.names.update(f"{source.name}.{name}.{method.name}" for method, _ in parts.methods)
        self.follow(source, uses(binding.tests))
        without_bases = copy.copy(node)
        without_bases.bases, without_bases.body = [], parts.used_body
        self.follow(source, uses([without_bases]))
        for base in node.bases:
            self._follow_base(source, base)
        for statement in parts.declarations:
            declared = self._declared(source)
            read_statement(statement, declared)
            self._follow_declared(source, declared)
        for inner in parts.inner:
            self.take_class(source, f"{name}.{inner.name}", Binding(inner), inner)
        return True

    def _follow_base(self, source: Source, base: ast.expr) -> None:
        chain = chain_of(base)
        if chain is None:
            self.follow(source, uses([base]))
            return
        self._note_imports(source, chain[0])
        targets = self.locate(source, chain)
        is_one = len(targets) == 1 and _is_whole(self, source, chain, targets[0])
        if not (is_one and self.inherit(targets[0])):
            self._follow_chain(source, chain, True)

    def take_class(self, source: Source, name: str, binding: Binding, node: ast.ClassDef) -> None:
        """Count a class that code names, with all names in its declarations."""
        self._look_at(source, [node])
        if node in self._hidden:
            self._hidden.discard(node)
            parts = self._class_parts(source, node)
            self.follow(source, parts.uses)  # its bases are named as well
            self.follow(source, parts.uses_of_declarations, full=False)
        super().take_class(source, name, binding, node)

    def take(self, source: Source, name: str, binding: Binding, full: bool = True) -> None:
        """Count a piece of code; see `Reach.take`."""
        self._look_at(source, [binding.node, *binding.tests])
        super().take(source, name, binding, full)

    def use(self, source: Source, used: Uses) -> None:
        """Note the names that code uses; see `Reach.use`."""
        self._is_opaque |= loads_objects(source, used)
        super().use(source, used)

    def _look_at(self, source: Source, nodes: Iterable[ast.AST]) -> None:
        self._is_opaque = self._is_opaque or is_opaque(source, nodes)

    def _note(self, source: Source, limit: str) -> None:
        self._is_opaque = True

    def _is_reached(self, target: Target) -> bool:
        name = cast("_Name", (target.source, target.name))
        return name in self._inherited or name in self._read or super()._is_reached(target)

    def _add(
        self,
        source: Source,
        name: str,
        form: bytes,
        node: ast.stmt,
        hidden: Iterable[ast.stmt] = (),
    ) -> None:
        self.names.add(f"{source.name}.{name}")

    # Declarations

    def _declared(self, source: Source) -> Declared:
        return Declared(
            lambda chain: self._alternative(source, chain) is not None,
            lambda chain: any(x.is_superparams for x in self.locate(source, chain)),
        )

    def _follow_declared(self, source: Source, declared: Declared) -> None:
        for chain in declared.alternatives:
            target = self._alternative(source, chain)
            assert target is not None
            self.found[cast("_Name", (target.source, target.name))] = None
        for chain in declared.of_annotations:
            self._read_constant(source, chain, is_annotation=True)
        for chain in declared.of_points:
            self._read_constant(source, chain, is_annotation=False)
        self._look_at(source, declared.rest)
        self.follow(source, uses(declared.rest))

    def _alternative(self, source: Source, chain: Chain) -> Target | None:
        """The class with that name, if it is used here only for instances that a field holds."""
        targets = self.locate(source, chain)
        target = targets[0] if len(targets) == 1 else None
        binding = None if target is None else _only_binding(target)
        if target is None or binding is None or not isinstance(binding.node, ast.ClassDef):
            return None
        inner, node = cast("Source", target.source), binding.node
        # The key of a setting has the name of the class without that of its module.
        is_only = self._counts[node.name] == 1 and _is_whole(self, source, chain, target)
        is_plain = self.is_params(inner, node) and not self._is_hidden_from_text(inner, node)
        return target if is_only and is_plain else None

    def _read_constant(self, source: Source, chain: Chain, *, is_annotation: bool) -> None:
        """Read what a name means: ``MODELS = [Svm(), Forest()]``, ``Model = Svm | Forest``."""
        targets = self.locate(source, chain)
        target = targets[0] if len(targets) == 1 else None
        binding = None if target is None else _only_binding(target)
        value = None if binding is None else _assigned(binding.node)
        if target is None or value is None or not _is_whole(self, source, chain, target):
            self._follow_chain(source, chain, True)
            return
        inner = cast("Source", target.source)
        name = cast("_Name", (inner, target.name))
        if name in self._read:
            return
        self._read.add(name)
        declared = self._declared(inner)
        (read_annotation if is_annotation else read_points)(value, declared)
        self._follow_declared(inner, declared)


def _groups_of(whole: Reach) -> Iterator[tuple[Source, ast.ClassDef]]:
    for entry in whole.taken:
        source, node, *_ = cast("tuple[Source, ast.AST]", entry)
        if isinstance(node, ast.ClassDef) and whole.is_params(source, node):
            yield source, node


def _only_binding(target: Target) -> Binding | None:
    """The statement that binds a name, if it is the only one."""
    if target.source is None or target.name is None:
        return None
    bindings = target.source.bindings.get(target.name, [])
    return bindings[0] if len(bindings) == 1 and bindings[0].imported is None else None


def _assigned(node: ast.stmt) -> ast.expr | None:
    """The value of a plain assignment to one name, or of a type alias."""
    if isinstance(node, ast.Assign):
        is_plain = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        return node.value if is_plain else None
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.value
    return cast("ast.expr", getattr(node, "value", None)) if _is_alias(node) else None


def _is_alias(node: ast.stmt) -> bool:
    return type(node).__name__ == "TypeAlias"  # since Python 3.12


def _is_whole(reach: Reach, source: Source, chain: Chain, target: Target) -> bool:
    """Whether a target belongs to a complete chain of names, not only to its beginning."""
    if len(chain) == 1:
        return True
    modules = reach.locate(source, chain[:-1])
    is_module = bool(modules) and all(x.source is not None and x.name is None for x in modules)
    return is_module and target.name == chain[-1]
