"""The fingerprint of the code that runs a setting.

It covers the experiment class and what it reaches by name in the user's own modules (those of the
project and of libraries beside it, see `territory`), from one module to the next: functions,
classes with all of their methods and bases, constants, decorators, what registers itself (see
`reach`), and what the names that come by import stand for. The normal form of each counts (see
`syntax`): comments, docstrings and formatting do not. The same text gives the same fingerprint on
every machine and every Python from 3.10 on, whether the file is run as a script or imported.

Does not count:
    - Declarations of fields (annotated names in the body of a `Params` or `Experiment`, other
      defaults for them in subclasses, axes in mixins): their values are in the key. Functions and
      classes that a declaration names do count, a constant it names does not.
    - ``report`` and ``valid`` of an experiment, unless a method uses them: they run outside of
      settings.
    - Third-party packages and the standard library, beyond which names are taken from them.
    - Functions that nothing reached by name, however close they stand.

Of the experiment class itself, what its methods closed over counts too, and where a file defines
its name more than once, which of the classes it is.

Cannot be seen from the text, and so does not count either:
    - Values computed when a module is imported (``K = int(sys.argv[1])``): their text counts, not
      what came out; the same for which of two functions of one name an ``if`` or ``try`` defined.
    - ``getattr(obj, name)`` on an object (on a *module*, all of the module counts), names computed
      at run time for ``globals()``, ``eval`` or ``exec``, and for ``importlib.import_module`` where
      the text does not tell the package. `Code.notes` names the latter three.
    - Attributes that a function changes from outside (monkeypatching); calls at the top level of a
      module that change nothing of the user's (``np.random.seed(0)``).
    - Entries of a table made elsewhere than at the top level of a module that is imported. Those
      made there count: ``TABLE[key] = f``, ``TABLE.update(…)``, ``@TABLE.register``, ``@register``
      and ``register(f)`` when `register` fills a table or calls what does, ``setattr(A, "f", f)``,
      and subclasses of a class that collects them.
    - The class of a value that is given at the call only: pass it in `also`.
    - Data files, compiled extensions, environment variables, versions of packages.

A module that is loaded counts as it was loaded (see `superparams.identity.source_texts`), others
as they are now.

Code without a file: a cell of a notebook is found by its text, and the constants that it uses count
by their value. Without any text (``python -c``, ``exec``) the compiled code counts, which differs
between versions of Python; `Code.notes` says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from superparams.identity.code.closures import closure_forms
from superparams.identity.code.code_without_file import Live
from superparams.identity.code.file_edits import Edits, edits_of, take_in_place
from superparams.identity.code.project import Project, project_root
from superparams.identity.code.reach import Reach
from superparams.identity.module_names import is_fileless, module_file, module_name
from superparams.identity.source_texts import file_stamp, keep_texts, loaded_files, loaded_text

__all__ = ["Code", "fingerprint"]

_PERSON = b"superparams.cod1"


@dataclass(frozen=True)
class Code:
    """The fingerprint of an experiment, and what went into it.

    Attributes:
        digest: 32 hexadecimal digits; equal digests mean equal code.
        parts: the digest of each function, method, class and constant by ``module.qualname``.
        source: the text of each part as it stands in its file, for diffs.
        files: the project's files that were reached, those imported for their effects included.
        notes: what could not be done fully, in sentences for the user.
        edited: the parts that were edited after this process imported them. The fingerprint is
            of the text that was imported.
        unknown: the parts of which the text that was imported is not known any more.
        old_copies: compiled copies from which Python has loaded what is unknown.
        texts: what the files held that were reached, as this process runs them.
        libraries: the folder that a file is imported from, for files outside of the project.
        imports: the packages that the files import, anywhere in them.
        changing: the files that change what is reached when they are imported, such as plugins.
    """

    digest: str
    parts: dict[str, str]
    source: dict[str, str] = field(repr=False)
    files: list[Path] = field(default_factory=list[Path])
    notes: list[str] = field(default_factory=list[str])
    edited: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    old_copies: list[str] = field(default_factory=list[str])
    texts: Mapping[Path, bytes] = field(default_factory=dict[Path, bytes], repr=False)
    libraries: Mapping[Path, Path] = field(default_factory=dict[Path, Path], repr=False)
    imports: frozenset[str] = frozenset()
    changing: tuple[Path, ...] = ()


def fingerprint(
    cls: type[Any], root: str | Path | None = None, *, also: Iterable[type[Any]] = ()
) -> Code:
    """The fingerprint of the experiment class `cls`, as this process has imported it.

    Take it at the start of a run. A file that was edited since it was imported counts as it was
    then; `Code.notes` names what differs. What is not imported yet counts as its file is now.

    Args:
        cls: the class; anything it reaches is found from here.
        root: the folder of the project; by default found from the file of `cls`
            (`project_root`).
        also: further classes to cover, such as those of values given at the call.
    """
    classes = (cls, *also)
    file = module_file(cls.__module__)
    if root is None:
        root = project_root(file) if file is not None else Path.cwd()
    keep_texts()
    known = _known.setdefault(cls, {}).get((root, classes[1:]))
    if known is not None and _stamps(known[0]) == known[0]:
        return known[1]
    root = Path(root)
    reach, live = _reached(classes, root)
    if take_in_place(reach, classes):
        reach, live = _reached(classes, root)
    edits = edits_of(reach, classes, lambda: _reached(classes, root, as_on_disk=True)[0])
    found, is_in_memory = _code(reach, live.notes, _instances(classes, reach.project), edits)
    if not (live.is_used or is_in_memory):
        _known[cls][root, classes[1:]] = (_stamps(_watched(reach)), found)
    return found


def _reached(
    classes: tuple[type[Any], ...], root: Path, *, as_on_disk: bool = False
) -> tuple[Reach, Live]:
    project = Project(root.resolve(), as_on_disk=as_on_disk)
    # As they were first seen for this class: what a run imports must not make its own code another.
    loaded = _loaded.setdefault(classes[0], loaded_files())
    reach = Reach(project, filter(project.owns, loaded))
    live = Live(reach)
    for each in _with_parents(classes):
        where = module_file(each.__module__)
        if where is None or not reach.project.owns(where):
            if each in classes or is_fileless(each.__module__):
                live.add(each)
        elif not reach.add_qualname(where, each.__qualname__) and each in classes:
            live.add(each)
    reach.finish()
    return reach, live


# What was found for a class, with the times of all files and folders that it was found in.
_Stamps = dict[Path, int]
_Known = dict[tuple[Any, tuple[type[Any], ...]], tuple[_Stamps, Code]]
_known: weakref.WeakKeyDictionary[type[Any], _Known] = weakref.WeakKeyDictionary()
_loaded: weakref.WeakKeyDictionary[type[Any], list[Path]] = weakref.WeakKeyDictionary()


def _watched(reach: Reach) -> Iterable[Path]:
    # A folder too: a new file in it can be what an import means from now on.
    return [*reach.files, reach.project.root, *(path.parent for path in reach.files)]


def _stamps(paths: Iterable[Path]) -> _Stamps:
    found: _Stamps = {}
    for path in paths:
        held = loaded_text(path)
        found[path] = hash((file_stamp(str(path)), held.number if held else 0))
    return found


def _with_parents(classes: Iterable[type[Any]]) -> list[type[Any]]:
    found = [parent for cls in classes for parent in cls.__mro__]
    return [cls for cls in dict.fromkeys(found) if cls.__module__ != "builtins"]


def _hex(*parts: bytes) -> str:
    state = blake2b(digest_size=16, person=_PERSON)
    for part in parts:
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.hexdigest()


def _instances(classes: Iterable[type[Any]], project: Project) -> dict[str, list[bytes]]:
    """What only the classes themselves tell, by the name of their part."""
    found: dict[str, list[bytes]] = {}
    for cls in classes:
        file = module_file(cls.__module__)
        source = project.source(file) if file is not None and project.owns(file) else None
        forms = closure_forms(cls, source)
        if forms:
            found[f"{module_name(cls.__module__)}.{cls.__qualname__} (this one)"] = forms
    return found


def _code(
    reach: Reach,
    notes: list[str],
    instances: Mapping[str, list[bytes]],
    edits: Edits | None = None,
) -> tuple[Code, bool]:
    """The fingerprint, and whether it is of what is in memory rather than of what is on disk."""
    edits = edits or Edits()
    forms = {
        name: [*part.forms, *([edits.unknown[name]] if name in edits.unknown else [])]
        for name, part in sorted(reach.parts.items())
    }
    parts = {name: _hex(*form) for name, form in {**forms, **instances}.items()}
    items = (item.encode("utf-8", "surrogatepass") for pair in parts.items() for item in pair)
    source = {name: "\n\n".join(reach.parts[name].texts) for name in forms}
    outside = {path: reach.project.library(path) for path in reach.files}
    code = Code(
        _hex(*items),
        parts,
        source,
        sorted(reach.files),
        [*notes, *reach.project.unseen, *edits.notes],
        sorted(edits.names),
        sorted(edits.unknown),
        edits.old_copies,
        {path: reach.files[path].data for path in sorted(reach.files)},
        {path: folder for path, folder in sorted(outside.items()) if folder is not None},
        _imports(reach),
        tuple(reach.changing),
    )
    return code, bool(edits.notes)


def _imports(reach: Reach) -> frozenset[str]:
    visits = (wanted for source in reach.files.values() for wanted in source.visits)
    return frozenset(wanted.module.partition(".")[0] for wanted in visits if not wanted.level)
