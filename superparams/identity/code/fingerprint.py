"""The fingerprint of the code that runs a setting.

It covers the experiment class and all code that the class reaches by name in the user's own modules
(see `project`), from one module to the next: functions, classes with all of their methods and
bases, constants, decorators, code that registers itself (see `reach`), and the objects that
imported names mean. The normal form of each counts (see `syntax`), so comments, docstrings and
formatting do not. The same text gives the same fingerprint on every machine and every Python from
3.10 on, whether the file is run as a script or imported. A loaded module counts with the text that
was loaded (see `superparams.identity.source_texts`), another module with its present text.

Does not count:
    - Declarations of fields (annotated names in the body of a `Params` or `Experiment`, other
      defaults for them in subclasses, axes in mixins): their values are in the key. Functions and
      classes that a declaration names do count, but not constants.
    - ``report`` and ``valid`` of an experiment, unless a method uses them: they run outside of
      settings.
    - Third-party packages and the standard library, except the names that are imported from them.
    - Functions that nothing reaches by name.

The closures of the methods of the experiment class count, too. If a file defines its name more than
once, the fingerprint depends on which of these classes it is.

Does not count, because the text does not show it:
    - Values computed when a module is imported (``K = int(sys.argv[1])``): their text counts, not
      the value; nor which of two functions of one name an ``if`` or ``try`` has defined.
    - ``getattr(obj, name)`` on an object (on a *module*, all of the module counts), names computed
      at run time for ``globals()``, ``eval`` or ``exec``, and for ``importlib.import_module`` where
      the text does not tell the package. `Code.notes` names the latter three.
    - Attributes that a function changes from outside (monkeypatching); calls at the top level of a
      module that change nothing of the user's (``np.random.seed(0)``).
    - Entries of a table made elsewhere than at the top level of a module that is imported. Entries
      made there count: ``TABLE[key] = f``, ``TABLE.update(…)``, ``@TABLE.register``, ``@register``
      and ``register(f)`` if `register` fills a table or calls what does, ``setattr(A, "f", f)``,
      and subclasses of a class that collects them.
    - The class of a value that is given at the call only: pass it in `also`.
    - Data files, compiled extensions, environment variables, versions of packages.

Code without a file: a cell of a notebook counts by its text, and the constants that it uses by
their value. Without any text (``python -c``, ``exec``) the compiled code counts, which differs
between versions of Python; `Code.notes` says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from superparams.identity.code.code_without_file import CodeWithoutFile
from superparams.identity.code.compiled_functions import closure_forms
from superparams.identity.code.file_edits import Edits, find_edits, take_new_texts
from superparams.identity.code.file_stamps import Stamps, stamps
from superparams.identity.code.project import Project
from superparams.identity.code.reach import Reach
from superparams.identity.code.roots import project_root
from superparams.identity.code.setting_reach import Alternative, alternatives_of
from superparams.identity.module_names import is_fileless, module_file, module_name
from superparams.identity.source_texts import keep_texts, loaded_files

__all__ = ["Code", "code_of_reach", "fingerprint"]

_PERSON = b"superparams.cod1"


@dataclass(frozen=True)
class Code:
    """The fingerprint of an experiment, and the code in it.

    Attributes:
        digest: 32 hexadecimal digits; equal digests mean equal code.
        parts: The digest of each function, method, class and constant by ``module.qualname``.
        source: The text of each part in its file, for diffs.
        files: The user's files that were reached, or imported for their effects.
        modules: The name of each of these files, as the names of parts begin.
        notes: Sentences for the user about code that is not fully covered.
        edited: The parts that were edited after this process imported them. The fingerprint is
            of the text that was imported.
        unknown: The parts whose imported text is no longer known.
        old_copies: Compiled copies from which Python has loaded unknown code.
        texts: The texts of `files` as this process runs them.
        libraries: The folder from which each file outside of the project is imported.
        imports: The packages that the files import, anywhere in them.
        changing: The files that change reached code when they are imported, such as plugins.
        alternatives: The code that settings run only if they hold an instance of a class, by
            ``module.Class``. See `parts_of`.
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
    modules: Mapping[Path, str] = field(default_factory=dict[Path, str])
    alternatives: Mapping[str, Alternative] = field(default_factory=dict[str, Alternative])

    def parts_of(self, held: Iterable[str] | None) -> dict[str, str]:
        """The parts that count for settings which hold instances of some alternatives.

        Args:
            held: Names of alternatives; None for all of them.
        """
        if held is None:
            return self.parts
        names = set(held)
        own = {
            n for name in names & self.alternatives.keys() for n in self.alternatives[name].parts
        }
        others = {n for alternative in self.alternatives.values() for n in alternative.parts} - own
        return {name: part for name, part in self.parts.items() if name not in others}

    def digest_of(self, held: Iterable[str] | None) -> str:
        """The fingerprint of the code of such settings; see `parts_of`."""
        return digest_of_parts(self.parts_of(held))


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """The fingerprint of code that has these parts."""
    items = (item.encode("utf-8", "surrogatepass") for pair in parts.items() for item in pair)
    return _hex(*items)


# The fingerprint of a class, with the stamps of the files and folders that it depends on.
_Cache = dict[tuple[object, tuple[type[Any], ...]], tuple[Stamps, Code]]
_cache: weakref.WeakKeyDictionary[type[Any], _Cache] = weakref.WeakKeyDictionary()
_loaded: weakref.WeakKeyDictionary[type[Any], list[Path]] = weakref.WeakKeyDictionary()


def fingerprint(
    cls: type[Any], root: str | Path | None = None, *, also: Iterable[type[Any]] = ()
) -> Code:
    """The fingerprint of the experiment class `cls`, as this process has imported it.

    Take it at the start of a run. A file that was edited since its import counts with its imported
    text; `Code.notes` names the differences. A module that is not imported yet counts with its
    present text.

    Args:
        cls: The experiment class.
        root: The folder of the project; by default the `project_root` of the file of `cls`.
        also: Further classes to cover, such as those of values given at the call.
    """
    classes = (cls, *also)
    file = module_file(cls.__module__)
    if root is None:
        root = project_root(file) if file is not None else Path.cwd()
    keep_texts()
    key = (root, classes[1:])
    entry = _cache.setdefault(cls, {}).get(key)
    if entry is not None and stamps(entry[0]) == entry[0]:
        return entry[1]
    root = Path(root)
    reach, without_file = _reached(classes, root)
    if take_new_texts(reach, classes):
        reach, without_file = _reached(classes, root)
    edits = find_edits(reach, classes, lambda: _reached(classes, root, as_on_disk=True)[0])
    alternatives = {} if without_file.is_used else alternatives_of(reach, _roots(classes, reach))
    forms = _forms_of_classes(classes, reach.project)
    code = _code(reach, without_file.notes, forms, edits, alternatives)
    if not (without_file.is_used or edits.notes):
        # A folder counts too: a new file in it can change the meaning of an import.
        folders = (path.parent for path in reach.files)
        _cache[cls][key] = (stamps([*reach.files, reach.project.root, *folders]), code)
    return code


def _reached(
    classes: tuple[type[Any], ...], root: Path, *, as_on_disk: bool = False
) -> tuple[Reach, CodeWithoutFile]:
    project = Project(root.resolve(), as_on_disk=as_on_disk)
    # The modules of the first time: imports of a run must not change the code of its class.
    loaded = _loaded.setdefault(classes[0], loaded_files())
    reach = Reach(project, filter(project.owns, loaded))
    without_file = CodeWithoutFile(reach)
    parents = [parent for cls in classes for parent in cls.__mro__ if parent is not object]
    for cls in dict.fromkeys(parents):
        file = module_file(cls.__module__)
        if cls.__module__ == "builtins":
            continue
        if file is None or not project.owns(file):
            if cls in classes or is_fileless(cls.__module__):
                without_file.add(cls)
        elif not reach.add_qualname(file, cls.__qualname__) and cls in classes:
            without_file.add(cls)
    reach.finish()
    return reach, without_file


def _roots(classes: Iterable[type[Any]], reach: Reach) -> Iterator[tuple[Path, str]]:
    """The file and the name of each class, and of each of its bases that is the user's own."""
    parents = [parent for cls in classes for parent in cls.__mro__ if parent is not object]
    for cls in dict.fromkeys(parents):
        file = module_file(cls.__module__)
        if cls.__module__ != "builtins" and file is not None and reach.project.owns(file):
            yield file, cls.__qualname__


def _forms_of_classes(classes: Iterable[type[Any]], project: Project) -> dict[str, list[bytes]]:
    """The forms of classes that do not follow from their text, by the names of their parts."""
    forms_of_parts: dict[str, list[bytes]] = {}
    for cls in classes:
        file = module_file(cls.__module__)
        source = project.source(file) if file is not None and project.owns(file) else None
        forms = closure_forms(cls, source)
        if forms:
            forms_of_parts[f"{module_name(cls.__module__)}.{cls.__qualname__} (this one)"] = forms
    return forms_of_parts


def _code(
    reach: Reach,
    notes: Iterable[str] = (),
    forms_of_classes: Mapping[str, list[bytes]] | None = None,
    edits: Edits | None = None,
    alternatives: Mapping[str, Alternative] | None = None,
) -> Code:
    edits = edits or Edits()
    forms = {name: part.forms for name, part in sorted(reach.parts.items())}
    source = {name: "\n\n".join(reach.parts[name].texts) for name in forms}
    for name in forms.keys() & edits.unknown.keys():
        forms[name] = [*forms[name], edits.unknown[name]]
    forms |= forms_of_classes or {}
    parts = {name: _hex(*form) for name, form in forms.items()}
    files = sorted(reach.files)
    libraries = {path: reach.project.library(path) for path in files}
    imports = (imported for source in reach.files.values() for imported in source.visits)
    return Code(
        digest=digest_of_parts(parts),
        parts=parts,
        source=source,
        files=files,
        notes=[*notes, *reach.project.unseen, *edits.notes],
        edited=sorted(edits.names),
        unknown=sorted(edits.unknown),
        old_copies=edits.old_copies,
        texts={path: reach.files[path].data for path in files},
        libraries={path: folder for path, folder in libraries.items() if folder is not None},
        imports=frozenset(x.module.partition(".")[0] for x in imports if not x.level),
        changing=tuple(reach.changing),
        modules={path: reach.files[path].name for path in files},
        alternatives=alternatives or {},
    )


def code_of_reach(reach: Reach, roots: Iterable[tuple[Path, str]]) -> Code:
    """The code that was reached from the text of files, without any imported class.

    Args:
        reach: The reached code.
        roots: The file and the name of the class, and of each of its bases.
    """
    return _code(reach, alternatives=alternatives_of(reach, roots))


def _hex(*parts: bytes) -> str:
    state = blake2b(digest_size=16, person=_PERSON)
    for part in parts:
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.hexdigest()
