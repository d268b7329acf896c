"""A module of the user as text: the names that it binds, and the changes that it makes elsewhere.

A statement changes a name of another module directly, as ``lib.TABLE["a"] = f`` does, or by a call:
``lib.register("a", f)`` where `register` fills the table or calls a function that does.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import decode_source
from pathlib import Path
from typing import NamedTuple, cast

from superparams.identity.code.class_parts import ClassParts
from superparams.identity.code.indirect_bindings import indirect_names, may_bind_indirectly
from superparams.identity.code.syntax import (
    FUNCTIONS,
    Chain,
    Imported,
    Uses,
    bound_names,
    chain_of,
    imported,
    normal,
    parsed,
    uses,
)
from superparams.identity.source_texts import file_stamp, loaded_text

__all__ = [
    "DEFINITIONS",
    "FILLING",
    "Binding",
    "Call",
    "SideEffects",
    "Source",
    "calls_in",
    "read_source",
    "side_effects",
]

DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
# Methods that change their object.
FILLING = {"add", "append", "appendleft", "extend", "insert", "register", "setdefault", "update"}
# Functions of Python that change their first argument.
_CHANGING = {
    *("setattr", "delattr", "setitem", "delitem", "heappush", "heapify"),
    *("insort", "insort_left", "insort_right", "shuffle"),
}


class Call(NamedTuple):
    """A call: the called name, and the arguments that are names.

    Attributes:
        changed: The names that a function of Python such as ``setattr``, or a method of a table,
            changes.
    """

    called: Chain
    arguments: tuple[Chain, ...]
    changed: Chain | None


class SideEffects(NamedTuple):
    """The changes of a function or class outside of itself.

    Attributes:
        outside: Tables, attributes and global variables.
        calls: The calls in it.
        changes_arguments: Whether it changes its arguments.
        runs: Whether it runs experiments, so that it is no part of them.
    """

    outside: tuple[Chain, ...]
    calls: tuple[Call, ...]
    changes_arguments: bool
    runs: bool


@dataclass(eq=False)
class Binding:
    """One statement that binds a name, and the conditions of the ``if`` around it."""

    node: ast.stmt
    tests: tuple[ast.expr, ...] = ()
    imported: Imported | None = None

    @functools.cached_property
    def form(self) -> bytes:
        """The normal form, conditions included."""
        return normal((*self.tests, self.node))

    @functools.cached_property
    def uses(self) -> Uses:
        """The names that the statement takes from its module, conditions included."""
        return uses((*self.tests, self.node))


@dataclass(eq=False)
class Source:
    """The text of a file (or of a notebook cell) and what it binds at its top level.

    Attributes:
        effects: Statements that change the value of a name without binding it, with the name:
            ``TABLE["x"] = …``, ``TABLE.update(…)``, ``@TABLE.register`` on a def.
        calls: The calls at its top level, except those under ``if __name__ == "__main__"``.
        indirect: The statements that bind a name by ``global``, ``globals()`` and the like.
        stars: The modules in ``from module import *``.
        visits: All imports anywhere in the file.
        parts: The parts of classes, by the arguments of `class_parts`.
        around: The source in which names that are not bound here are looked up, for the body of a
            function.
        data: The text as it was read, in bytes.
    """

    name: str
    path: Path
    text: str
    bindings: dict[str, list[Binding]] = field(default_factory=dict[str, list[Binding]])
    indirect: dict[str, list[Binding]] = field(default_factory=dict[str, list[Binding]])
    effects: list[tuple[Chain, Binding]] = field(default_factory=list[tuple[Chain, Binding]])
    calls: list[tuple[Call, Binding]] = field(default_factory=list[tuple[Call, Binding]])
    stars: list[Imported] = field(default_factory=list[Imported])
    visits: list[Imported] = field(default_factory=list[Imported])
    parts: dict[tuple[ast.ClassDef, frozenset[str], bool], ClassParts] = field(
        default_factory=dict[tuple[ast.ClassDef, frozenset[str], bool], ClassParts]
    )
    around: Source | None = None
    data: bytes = field(default=b"", repr=False)

    @functools.cached_property
    def globals_in_functions(self) -> frozenset[str]:
        """The names that ``global`` statements list."""
        statements = (node for node in ast.walk(self.tree) if isinstance(node, ast.Global))
        return frozenset(name for node in statements for name in node.names)

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()

    @functools.cached_property
    def classes(self) -> list[tuple[str, ast.ClassDef]]:
        """The classes at the top level that have bases."""
        nodes = ((name, x.node) for name, bindings in self.bindings.items() for x in bindings)
        return [(n, x) for n, x in nodes if isinstance(x, ast.ClassDef) and (x.bases or x.keywords)]

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The tree of the text; an empty one if the text is not Python."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python has shown them at the import
            try:
                return parsed(self.text)
            except (SyntaxError, ValueError):
                return ast.Module([], [])

    def __post_init__(self) -> None:
        self._scan(self.tree.body, ())
        for node in _statements(self.tree.body, in_definitions=True):
            if isinstance(node, ast.Import):
                self.visits += [Imported(alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                self.visits += [target for _, target in imported(node)]

    def inside(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Source:
        """The body of a function, as the scope in which a class of its own looks up names."""
        inner = Source(f"{self.name}.{function.name}", self.path, "", around=self)
        inner._scan(function.body, ())
        # The whole text, since positions in the tree are positions in the file.
        inner.text = self.text
        return inner

    def _scan(self, body: Iterable[ast.stmt], tests: tuple[ast.expr, ...]) -> None:
        """Note what the statements of `body` bind, those under ``if`` and ``try`` included."""
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, target in imported(node):
                    if name == "*":
                        self.stars.append(target)
                    else:
                        self._bind([name], Binding(node, tests, target))
            elif isinstance(node, ast.If):
                self._scan(node.body, (*tests, node.test))
                self._scan(node.orelse, (*tests, node.test))
            elif type(node).__name__ in ("Try", "TryStar"):  # ``TryStar`` since Python 3.11
                node = cast("ast.Try", node)
                handled = [statement for handler in node.handlers for statement in handler.body]
                self._scan([*node.body, *handled, *node.orelse, *node.finalbody], tests)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                contexts = [item.context_expr for item in node.items]
                self._scan(node.body, (*tests, *contexts))
                targets = [item.optional_vars for item in node.items if item.optional_vars]
                self._bind(bound_names(targets), Binding(node, tests))
            else:
                binding = Binding(node, tests)  # shared by all names of one statement
                self._bind(bound_names([node]), binding)
                names = indirect_names(node) if may_bind_indirectly(self.text) else ()
                for name in dict.fromkeys(names):
                    self.indirect.setdefault(name, []).append(binding)
                self._note_effects(binding)

    def bound(self, name: str) -> list[Binding]:
        """The statements that bind a name; indirectly where no other one does."""
        return self.bindings.get(name) or self.indirect.get(name, [])

    def _bind(self, names: Iterable[str], binding: Binding) -> None:
        for name in names:
            self.bindings.setdefault(name, []).append(binding)

    def _note_effects(self, binding: Binding) -> None:
        # A loop changes what its statements change.
        statements = _statements([binding.node], in_definitions=False)
        self.effects += [(chain, binding) for node in statements for chain in _changed(node)]
        is_main = any(map(_is_main_guard, binding.tests))
        if not is_main and not isinstance(binding.node, DEFINITIONS):
            self.calls += [(call, binding) for call in calls_in(binding.node)]


def _statements(body: Iterable[ast.AST], *, in_definitions: bool) -> Iterator[ast.AST]:
    """All statements in `body`, at any depth; `in_definitions`: in functions and classes, too."""
    for node in body:
        yield node
        if in_definitions or not isinstance(node, DEFINITIONS):
            for name in ("body", "orelse", "handlers", "finalbody", "cases"):
                inner: list[ast.AST] = getattr(node, name, None) or []
                yield from _statements(inner, in_definitions=in_definitions)


def _changed(node: ast.AST) -> list[Chain]:
    """The names whose content a statement at the top level of a module changes."""
    nodes: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        nodes = [target for target in node.targets if not isinstance(target, ast.Name)]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and not isinstance(node.target, ast.Name):
        nodes = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        # TABLE.update(…) changes TABLE; print(TABLE) does not.
        if isinstance(node.value.func, ast.Attribute):
            nodes = [node.value.func.value]
    elif isinstance(node, DEFINITIONS):
        nodes = [getattr(decorator, "func", decorator) for decorator in node.decorator_list]
        return [chain for chain in map(chain_of, nodes) if chain is not None]
    return [chain for chain in map(_root_chain, nodes) if chain is not None]


def _root_chain(node: ast.AST) -> Chain | None:
    while isinstance(node, (ast.Subscript, ast.Starred)):
        node = node.value
    return chain_of(node)


def _is_main_guard(test: ast.expr) -> bool:
    """Whether a condition is ``__name__ == "__main__"``."""
    return any(isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(test))


_sources: dict[Path, tuple[tuple[object, ...], Source]] = {}


def read_source(path: Path, name: str, *, as_on_disk: bool = False) -> Source | None:
    """The module at `path`; None if it cannot be read. It is read again only after a change.

    Args:
        path: The file.
        name: The dotted name of the module.
        as_on_disk: Whether to read the file even if the text that was loaded is known.
    """
    loaded = None if as_on_disk else loaded_text(path)
    try:
        stamp = (loaded.number if loaded else file_stamp(str(path)), name)
        entry = _sources.get(path)
        if entry is not None and entry[0] == stamp:
            return entry[1]
        data = loaded.text if loaded else path.read_bytes()
        text = decode_source(data)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    source = Source(name, path, text, data=data)
    _sources[path] = (stamp, source)
    return source


def calls_in(node: ast.AST) -> Iterator[Call]:
    """The calls that happen when a statement at the top level of a module runs."""
    todo = [node]
    while todo:
        inner = todo.pop()
        if isinstance(inner, (*FUNCTIONS, ast.Lambda)):
            continue
        if isinstance(inner, ast.Call):
            call = _call(inner)
            if call is not None:
                yield call
        todo += ast.iter_child_nodes(inner)


def _call(node: ast.Call) -> Call | None:
    called = chain_of(node.func)
    if called is None:
        return None
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    chains = [chain_of(x.value if isinstance(x, ast.Starred) else x) for x in values]
    return Call(called, tuple(filter(None, chains)), _changed_by_call(node, called))


def _changed_by_call(node: ast.Call, called: Chain) -> Chain | None:
    if called[-1] in _CHANGING:
        first = chain_of(node.args[0]) if node.args else None
        name = node.args[1] if called[-1] == "setattr" and len(node.args) > 1 else None
        if first and isinstance(name, ast.Constant) and isinstance(name.value, str):
            return (*first, name.value)
        return first
    return called[:-1] if len(called) > 1 and called[-1] in FILLING else None


@functools.lru_cache(maxsize=4096)
def side_effects(node: ast.AST) -> SideEffects:
    """The changes of a function or class, functions inside it included."""
    body: list[ast.AST] = list(getattr(node, "body", ()))
    local = set(bound_names(body)) if isinstance(node, FUNCTIONS) else set[str]()
    parameters = {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    outside: list[Chain] = []
    calls: list[Call] = []
    changes_arguments = runs = False
    for inner in ast.walk(node):
        call = _call(inner) if isinstance(inner, ast.Call) else None
        chain: Chain | None = None
        if call is not None:
            calls.append(call)
            chain = call.changed
        elif isinstance(inner, ast.Global):
            outside += [(name,) for name in inner.names]
        elif isinstance(inner, (ast.Subscript, ast.Attribute)):
            runs |= isinstance(inner, ast.Attribute) and inner.attr == "run_all"
            if not isinstance(inner.ctx, ast.Load):
                chain = chain_of(inner.value if isinstance(inner, ast.Subscript) else inner)
        if chain is not None and chain[0] in parameters:
            changes_arguments |= chain[0] not in ("self", "cls")
        elif chain is not None and chain[0] not in local:
            outside.append(chain)
    return SideEffects(tuple(outside), tuple(calls), changes_arguments, runs)
