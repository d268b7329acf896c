"""A run that is about to start: its space, its code and its plan."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from superparams.declare import legacy
from superparams.declare.checkpoint_methods import keeps_checkpoints
from superparams.declare.class_schema import SCHEMA, schema_of
from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import (
    name_of,
    notes_of_fields,
)
from superparams.declare.keys import Keys, fixed_inside
from superparams.declare.presentation import axes_of, given_fields, shown_fields
from superparams.declare.repeats import repeats_of
from superparams.declare.secrets import looks_secret
from superparams.declare.sequence import notes_of_size
from superparams.executor.checkpoint_folders import KEPT, CheckpointRules
from superparams.executor.code_names import generators_of
from superparams.executor.code_snapshot import Snapshot, project_folders
from superparams.executor.engines.contract import Engine
from superparams.executor.engines.registry import check, find
from superparams.executor.payload.script_data import notes_of_data
from superparams.executor.process_state import ProcessState, differences
from superparams.executor.process_state.random_generators import CANNOT_SEED
from superparams.executor.program import Program
from superparams.executor.setting_codes import setting_codes
from superparams.identity.code.fingerprint import Code, fingerprint
from superparams.identity.code.main_script import in_notebook, notebook_file
from superparams.identity.code.roots import project_root
from superparams.identity.code.script_changes import notes_of_changes
from superparams.identity.digests.digest import key_text
from superparams.identity.module_names import module_file
from superparams.identity.source_texts import importable_modules
from superparams.outcomes.batches import Returned
from superparams.run.class_checks import refuse_plain_run, refuse_unknown, refuse_without_run
from superparams.run.options import RunOptions
from superparams.run.plan import Plan, plan
from superparams.run.recorded_counts import runs_of_done
from superparams.run.resource_limits import limited_by_resources
from superparams.run.space_keys import keys_in_space
from superparams.space.groups import is_open, size_of
from superparams.store.names.field_owners import FIELDS_OF, field_conditions
from superparams.store.names.meanings import MEANINGS, NamedPoints, declared_names, names_to_json
from superparams.store.names.renames import renamed_since
from superparams.store.runs.folder import RunFolder, has_records
from superparams.store.runs.recorded_codes import ALTERNATIVES, CODES
from superparams.store.runs.recorded_space import AXES
from superparams.store.runs.results_folder import (
    FILE,
    home_of,
    note_of_other_file,
    relative_file,
    results_folder,
)
from superparams.store.staleness.acceptances import accepted_by_code
from superparams.store.staleness.current_codes import CurrentCodes
from superparams.store.table.column_order import ORDER_OF, declared_order
from superparams.store.table.index import read_index

if TYPE_CHECKING:
    from superparams.executor.engines.feed import Feed, Todo
    from superparams.run.searching import Searching
    from superparams.run.stopping import Stopping
    from superparams.strategies.stop_decisions import StopDecisions

__all__ = ["Job", "prepare"]

_SIDE_BY_SIDE: Final = ("threads", "asyncio")  # engines with several workers in this process
_PLAN_OPTIONS: Final = ("resume", "only", "shard")
_MOST_RUNS: Final = 50  # the newest runs whose set-up is compared with that of now


@dataclass(frozen=True)
class Job:
    """A run that is about to start; nothing has been written yet.

    Attributes:
        space: The settings.
        options: The options of the run.
        carrier: The engine; None where `RunOptions` has none.
        root: The folder of the experiment's results.
        program: What workers need.
        code: The fingerprint of the code.
        codes: The codes that its settings have, and those that were accepted as equivalent.
        plan: Which settings are to run.
        process_notes: Notes on state of this process that workers lack, or that differs from
            earlier runs.
        returned: Checks what `run` returns.
        names: The names of points, if they have changed since the last run.
        stopping: The stopper, if it has one.
        searching: The search, if it has a strategy.
    """

    space: Experiment
    options: RunOptions
    carrier: Engine | None
    root: Path
    program: Program
    code: Code
    codes: list[str]
    plan: Plan
    process_notes: list[str]
    returned: Returned
    names: list[NamedPoints] | None = None
    stopping: Stopping | None = None
    searching: Searching | None = None

    @property
    def proposing(self) -> Searching | None:
        """The search, if its settings are not known beforehand."""
        search = self.searching
        return None if search is None or search.proposed is None else search

    @property
    def n_todo(self) -> int:
        """The number of settings to run, as far as it is known."""
        return self.plan.n_todo if self.proposing is None else self.proposing.n_expected

    def close(self) -> None:
        """End what the search has started."""
        if self.searching is not None:
            self.searching.close()

    def is_over(self, n_left: int) -> bool:
        """Whether the run has done all of its work, with so many settings left."""
        return not n_left and (self.proposing is None or self.proposing.is_over)

    @property
    def todo(self) -> Todo | Feed:
        """The settings to run."""
        return self.plan.todo if self.proposing is None else self.proposing.feed

    @cached_property
    def project(self) -> Path:
        """The root of the experiment's project; without a file, the working directory."""
        file = module_file(type(self.space).__module__)
        return Path.cwd() if file is None else project_root(file)

    def judge(self) -> StopDecisions | None:
        """Decides at the steps of settings; None without a stopper."""
        if self.stopping is None:
            return None
        from superparams.store.results import Results

        results = Results.load(self.root, **self.known) if has_records(self.root) else None
        if self.proposing is not None:
            steps = {} if results is None else results.where(stale=False).steps.by_key()
            return self.proposing.judge(self.stopping.stopper, steps)
        return self.stopping.judge(self.plan, results)

    @property
    def known(self) -> dict[str, Any]:
        """The options for `Results.load`."""
        return {"codes": self.codes, "code": self.code, "of": self.space}

    @property
    def notes(self) -> list[str]:
        """Notes for the user, beside the outcomes."""
        space = self.space
        of_fields = [*looks_secret(space), *notes_of_fields(space), *legacy.notes_of(space)]
        return [*self.returned.notes, *self.code.notes, *of_fields, *self.process_notes]

    def todo_keys(self) -> bytes:
        """The keys of all settings to run, 16 bytes each."""
        if self.plan.keys is not None and self.plan.shard is None:
            data = self.plan.keys.buffers()[1]
            return b"".join(
                data[16 * indices.start : 16 * indices.stop] for indices in self.plan.todo
            )
        return bytes(self.program.keys.packed_ranges(self.plan.todo))

    def label(self, index: int) -> str:
        """A setting in one line."""
        return ", ".join(f"{name}={x!r}" for name, x in self.program.row(index).items())

    def constants(self) -> dict[str, dict[str, str]]:
        """The fields that are not searched, also those inside of searched groups."""
        digests = {**self.program.keys.digests, **fixed_inside(self.space)}
        return {
            name: {"value": _shown_inside(self.space, name), "digest": key_text(digest)}
            for name, digest in digests.items()
        }

    def _codes_by_setting(self) -> dict[str, Any]:
        """The entries of run.json for settings that have different codes; see `recorded_codes`."""
        codes = self.program.codes
        if codes is None:
            return {}
        alternatives = self.code.alternatives.items()
        parts = {name: sorted(code.parts) for name, code in alternatives}
        return {ALTERNATIVES: parts, CODES: codes.alternatives}

    def _keys_of_points(self) -> Keys:
        """Keys that know what each point of an axis adds to them."""
        proposed = self.program.proposed
        return self.program.keys if proposed is None else Keys(proposed.listed())

    def manifest(self, engine: str) -> dict[str, Any]:
        """The content of run.json."""
        shown = dict(shown_fields(self.space))
        file = _file_of(type(self.space))
        return {
            "experiment": self.program.name,
            "space": repr(self.space),
            AXES: _axes(self.space),
            FILE: None if file is None else relative_file(file, self.root.parent),
            "overrides": {name: shown[name] for name in given_fields(self.space)},
            "constants": self.constants(),
            **self.plan.manifest,
            "engine": engine,
            "num_proc": self.options.of_engine.num_proc,
            "code": self.code.digest,
            "parts": self.code.parts,
            **self._codes_by_setting(),
            "surroundings": self.program.surroundings.shown(self.project),
            "notes": self.notes,
            FIELDS_OF: field_conditions(self.space),
            ORDER_OF: declared_order(self.space),
            MEANINGS: names_to_json(declared_names(self.space, self._keys_of_points().of_point)),
            SCHEMA: schema_of(type(self.space), repeats_of(self.space)),
            **({} if self.stopping is None else self.stopping.manifest()),
            **({} if self.searching is None else self.searching.manifest()),
            **({KEPT: True} if keeps_checkpoints(type(self.space)) else {}),
        }


def _axes(space: Experiment) -> dict[str, str]:
    """The axes of a space as text, by the dotted name of the field."""
    return {name: "".join(parts) for name, _, parts in axes_of(space)} if is_open(space) else {}


def _file_of(cls: type[Experiment]) -> Path | None:
    """The file of the class: a module, a script or a notebook; None if it is not known."""
    if cls.__module__ == "__main__" and in_notebook():
        return notebook_file()
    return module_file(cls.__module__)


def _shown_inside(params: object, name: str) -> str:
    """The text for the field with a dotted name."""
    head, _, rest = name.partition(".")
    return _shown_inside(params.__dict__[head], rest) if rest else dict(shown_fields(params))[head]


def prepare(space: Experiment, options: RunOptions) -> Job:
    """Find out which settings are to run; nothing is written.

    Raises:
        EngineError: When the engine does not support an option.
        StoreError: When `results` is a file, or the records cannot be read.
        RunError: When there is no ``run``, when the text of code is not known, and as `plan`.
    """
    cls = type(space)
    refuse_without_run(cls)
    options = options.for_class(cls)
    searching, proposed = _searching(space, options), None
    if searching is not None:
        space, proposed, options = searching.space, searching.proposed, searching.limited(options)
    carrier = None if options.carrier is None else find(options.carrier)
    if carrier is not None:
        check(carrier, options.of_engine)
        refuse_plain_run(cls, carrier.name)
    name = name_of(cls)
    code = fingerprint(cls)
    refuse_unknown(code)
    root, about_root = home_of(results_folder(options.results), name, code.digest)
    program = Program(space, options.of_engine.num_proc, name, Keys(space), _snapshot_of(code))
    program.surroundings = ProcessState.here()
    program.proposed = proposed
    program.codes = setting_codes(space, code, None if proposed is None else proposed.listed())
    codes = _codes(program, root, code, is_resumed=options.resume)
    recorded = read_index(root) if has_records(root) else None
    stopping = _stopping(program, options, carrier, searching)
    planned = Plan([], 0)
    if proposed is None:
        plan_options: dict[str, Any] = {name: getattr(options, name) for name in _PLAN_OPTIONS}
        plan_options["same_stops"] = [] if stopping is None else stopping.same_runs(root)
        planned = plan(program.keys, size_of(space), recorded, codes, **plan_options)
    options = limited_by_resources(program, planned, carrier, options)
    notes: list[str] = [] if about_root is None else [about_root]
    notes += [] if planned.size or proposed is not None else notes_of_size(space)
    if recorded is not None:
        notes += note_of_other_file(root, _file_of(cls), code.digest)
    names, about_names = (None, []) if recorded is None else renamed_since(root, space)
    notes += about_names
    more = Returned(cls), names, stopping, searching
    job = Job(space, options, carrier, root, program, code, codes, planned, notes, *more)
    program.generators = generators_of(cls, code.files, code.imports)
    if searching is not None:
        searching.begin(root, codes, program.keys, job.known)
    if carrier is not None and job.n_todo and carrier.name not in ("serial", *_SIDE_BY_SIDE):
        program.script_notes = [*notes_of_changes(code), *notes_of_data()]
    if carrier is not None and carrier.name != "serial":
        notes += program.surroundings.notes
    if carrier is not None and carrier.name in _SIDE_BY_SIDE and program.generators is not None:
        program.generators = None
        notes.append(CANNOT_SEED)
    if recorded is not None and planned.done:
        keys = planned.keys
        if keys is None:  # the space is so large that recorded keys were looked up in it
            keys = keys_in_space(program.keys, recorded.keys, planned.shard, planned.size)
        notes += _set_up_otherwise(job, runs_of_done(keys, recorded, codes))
    return job


def _snapshot_of(code: Code) -> Snapshot:
    """The present code of the project, for workers."""
    texts = {str(path): text for path, text in code.texts.items()}
    changing = importable_modules(code.changing)
    in_order = tuple(name for name in list(sys.modules) if name in changing) if changing else ()
    return Snapshot(texts, importable_modules(code.texts), in_order, project_folders())


def _codes(program: Program, root: Path, code: Code, *, is_resumed: bool) -> list[str]:
    """The codes that settings have, and those that were accepted as equivalent.

    They also decide which checkpoints settings resume from.
    """
    own = () if program.codes is None else program.codes.alternatives.keys()
    codes = list(dict.fromkeys([*CurrentCodes(root, code).codes, *own]))
    accepted = accepted_by_code(root, codes)
    program.checkpoints = CheckpointRules(code.digest, accepted, not is_resumed)
    return codes


def _searching(space: Experiment, options: RunOptions) -> Searching | None:
    """The search, if there is a strategy."""
    if options.strategy is None:
        return None
    from superparams.run.new_search import searching_of  # most runs need none of it

    return searching_of(space, options)


def _stopping(
    program: Program, options: RunOptions, carrier: Engine | None, searching: Searching | None
) -> Stopping | None:
    """The stopper of the run; rows have its name."""
    search = None if searching is None else searching.identify(program.keys, options.stop)
    if options.stop is None:
        return None
    from superparams.run.stopping import stopping_of  # most runs need none of it

    selection = None if program.proposed is None else search
    stopping = stopping_of(program.space, options, program.keys, carrier, selection)
    program.stopper = None if stopping is None else stopping.text
    return stopping


def _set_up_otherwise(job: Job, runs: Iterable[str]) -> list[str]:
    """A note if skipped settings ran with other process-wide options than this process has."""
    now = job.program.surroundings.shown(job.project)
    changes: dict[str, None] = {}
    for name in list(runs)[-_MOST_RUNS:]:
        then = RunFolder(job.root / "runs" / name).manifest().get("surroundings")
        if isinstance(then, dict):
            changes.update(dict.fromkeys(differences(cast("dict[str, Any]", then), now)))
    if not changes:
        return []
    return [f"skipped settings ran with a different set-up: {'; '.join(changes)}"]
