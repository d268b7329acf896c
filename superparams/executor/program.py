"""What a worker needs once: the space, the content that its factories made, keys and code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from superparams.declare.descriptors import Value
from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import Place
from superparams.declare.field import pristine
from superparams.declare.instance_state import declaration_on, on_demand
from superparams.declare.keys import Keys
from superparams.declare.layout import known_layout
from superparams.declare.metaclass import fields_of, recorded_fields
from superparams.declare.params import Params
from superparams.declare.presentation import RowMaker, row_of_field
from superparams.declare.proposed_space import ProposedSpace
from superparams.executor.checkpoint_folders import CheckpointRules
from superparams.executor.code_snapshot import Snapshot, import_from, import_patching_modules
from superparams.executor.experiment_modules import (
    Package,
    experiment_packages,
)
from superparams.executor.fork_guard import ForkGuard, this_process
from superparams.executor.payload.script import Script, UnusedDefinitions
from superparams.executor.pool_code import PoolCode, adopt_code
from superparams.executor.process_state import ProcessState
from superparams.executor.process_state.random_generators import Generators, aside
from superparams.executor.setting_codes import SettingCodes
from superparams.executor.setting_needs import SettingNeeds
from superparams.executor.worker import Worker
from superparams.identity.digests.digest import key_text
from superparams.identity.module_names import main_name
from superparams.outcomes.outcome import Outcome, Status
from superparams.outcomes.return_checks import is_async
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_group

__all__ = ["Program"]

# A declaration in a class is pickled as the names of class and field, since a worker that imports
# the class has the declaration. A declaration in a call is pickled with the space.
Owner = tuple[type[Params], str] | Value


class Program:
    """A space, and everything that a worker needs to run its settings; packed once in each run.

    Args:
        space: The experiment; a setting is a space of one.
        n_proc: The number of workers, which settings can read.
        name: ``module.Class``, as the results folder is called.
        keys: The keys of the space, if they are known already.
        snapshot: The project's code as it was when the run began.

    Attributes:
        on_failure: Called with the error of a setting, where it was raised.
        surroundings: The process-wide settings of the process in which the run began.
        generators: The global random generators to seed before each setting; None for none.
        script_notes: Sentences about parts of the script that other processes do not get.
        notes: Sentences for the user about what this process could not do.
        codes: The code of each setting; None if all have that of the class.
        stopper: The stopper of the run, as rows name it, if there is one.
        proposed: The points of the settings, if these are proposed while the run goes on.
        checkpoints: The checkpoints from which settings resume; None if there are none.
        setting_needs: What each setting needs of a machine; None without declared resources.
    """

    def __init__(
        self,
        space: Experiment,
        n_proc: int,
        name: str,
        keys: Keys | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.space = space
        self.n_proc = n_proc
        self.name = name
        self.keys = Keys(space) if keys is None else keys
        self.rows = RowMaker(space)
        self.on_failure: Callable[[BaseException], None] | None = None
        self._main = main_name()
        self.snapshot = snapshot or Snapshot()
        self._home = this_process()
        self.surroundings = ProcessState()
        self.generators: Generators | None = None
        self.script_notes: list[str] = []
        self.notes: list[str] = []
        self.codes: SettingCodes | None = None
        self.stopper: str | None = None
        self.proposed: ProposedSpace | None = None
        self.checkpoints: CheckpointRules | None = None
        self.setting_needs: SettingNeeds | None = None

    def __len__(self) -> int:
        return len(self.space)

    def prepare(self) -> None:
        """Call the factories in this process, before it is forked or the program is packed."""
        guard = ForkGuard()
        for owner, declaration in _declarations_on_demand(self.space):
            if declaration.factory is not None:
                where = f"{owner[0].__name__}.{owner[1]}" if isinstance(owner, tuple) else "value"
                try:
                    with aside(self.generators, f"{self.name} {where}"):
                        declaration.made(where)
                except BaseException as error:
                    guard.check(f"the factory of {where}", error)
                    raise
                guard.check(f"the factory of {where}")

    def libraries(self) -> list[str]:
        """Installed packages that workers will need, which another process may load ahead."""
        from superparams.executor.code_names import libraries_of  # the driver alone needs it

        cls = type(self.space)
        return libraries_of(cls, [_content_of(self.space, name) for name in fields_of(cls)])

    def payload_parts(self) -> dict[str, Any]:
        """The parts that may not be picklable, by the names that errors give them."""
        cls = type(self.space)
        fields = {
            f"{cls.__name__}.{name}": _content_of(self.space, name) for name in fields_of(cls)
        }
        methods = {f"{cls.__name__}.{n}": x for n, x in vars(cls).items() if inspect.isfunction(x)}
        return {**fields, **methods, cls.__name__: cls}

    def pool_code(self) -> PoolCode:
        """The code for pools that settings start, if no payload has been packed."""
        return PoolCode(type(self.space), self.snapshot)

    def enter(self, place: Place) -> Worker:
        """Make a worker that is ready to run settings in this process.

        Args:
            place: The rank of the worker, the number of workers, and the folder of the run.
        """
        if self._home != this_process():
            import_from(self.snapshot)  # a fork was not made from a pickle, which installs it
        self.surround()
        if is_async(type(self.space)):
            from superparams.executor.async_worker import AsyncWorker  # loads asyncio

            return AsyncWorker(self, place)
        return Worker(self, place)

    def surround(self) -> None:
        """Apply the process-wide settings of the driver to this process, or to this thread."""
        if self._home != this_process():
            self.notes += self.surroundings.apply()
        else:
            self.surroundings.apply_to_thread()

    def outcome_of_lost(self, index: int, *, status: Status, **attributes: Any) -> Outcome:
        """The outcome of a setting whose worker has died.

        Args:
            index: The index of the setting.
            status: Its status.
            attributes: Other attributes of `Outcome`.
        """
        attributes["code"] = None if self.codes is None else self.codes.at(index)
        return Outcome(index, key_text(self.keys[index]), status, self.row(index), **attributes)

    def row(self, index: int) -> dict[str, Any]:
        """The parameters of a setting by column, without running code that may fail."""
        layout = known_layout(self.space)
        if layout is None:
            setting = pristine(self.space)
        else:
            setting = layout.bare(layout.point(index))
        guard = ForkGuard()
        try:
            return self.rows.maker()(setting)
        except Exception:  # a derived field that cannot be computed
            return dict(_computable_cells(setting, ""))
        finally:
            guard.check(f"a derived field of {self.name}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the program with the content that factories made, unless workers make it.

        The code comes first, since everything else is imported from it.
        """
        declarations = _declarations_on_demand(self.space)
        state = {n: x for n, x in self.__dict__.items() if n not in ("_main", "snapshot", "_home")}
        state["_content"] = [(owner, x.content) for owner, x in declarations if x.is_carried]
        state["_unused_definitions"] = UnusedDefinitions()
        code = (self._main, Script.of_driver(), experiment_packages(), self.snapshot, self._home)
        return _program_with_code, code, state

    @classmethod
    def with_code(
        cls,
        main: str,
        script: Script,
        packages: list[Package],
        snapshot: Snapshot,
        home: str,
    ) -> Program:
        """An empty program, in a process that from now on imports code as the driver did."""
        if home != this_process():
            adopt_code(main, script, packages, snapshot)
        program = cls.__new__(cls)
        program._main, program.snapshot, program._home = main, snapshot, home
        return program

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop("_content")
        state.pop("_unused_definitions")
        is_elsewhere = self._home != this_process()
        if is_elsewhere:  # the declarations of the driver have their content already
            for owner, x in content:
                _declaration_of(owner).carry(x)
            import_patching_modules(self.snapshot)
        self.__dict__.update(state)
        if is_elsewhere:
            self.notes = [*self.notes, *self.script_notes]


def _program_with_code(*code: Any) -> Program:
    """`Program.with_code` as a function: a class method would be pickled by value."""
    return Program.with_code(*code)


def _computable_cells(params: object, prefix: str) -> Iterator[tuple[str, Any]]:
    """The columns of a setting, None for a derived field that cannot be computed."""
    for name, field in recorded_fields(params.__class__).items():
        try:
            yield from row_of_field(params, field, prefix)
        except Exception:  # it is derived, or a group has such a field
            group: Any = params.__dict__.get(name)
            if is_group(group):
                yield from _computable_cells(group, f"{prefix}{name}.")
            else:
                yield prefix + name, None


# ---- values that a setting makes or copies when they are read


def _declarations_on_demand(params: Params) -> Iterator[tuple[Owner, Value]]:
    """The declarations of values that a setting does not hold, but makes or copies when read."""
    held, of_call = params.__dict__, on_demand(params)
    for name, field in fields_of(type(params)).items():
        if name in held:
            points = held[name] if isinstance(held[name], Axis) else [held[name]]
            is_range = isinstance(getattr(points, "points", None), range)
            if not is_range and has_groups(points):
                for group in filter(is_group, points):
                    yield from _declarations_on_demand(group)
        elif name in of_call:
            yield of_call[name], of_call[name]
        elif isinstance(field.declared, Value):
            yield (type(params), name), field.declared


def _content_of(params: Params, name: str) -> Any:
    """The value of a field, or the function that makes it, without calling that function."""
    held: dict[str, Any] = vars(params)
    if name in held:
        return held[name]
    declaration = declaration_on(params, fields_of(type(params))[name])
    if not isinstance(declaration, Value):
        return declaration
    if declaration.is_made:
        return declaration.made()
    return declaration.factory or declaration.derive or declaration.given


def _declaration_of(owner: Owner) -> Value:
    """The declaration in this process that `_declarations_on_demand` named."""
    if isinstance(owner, Value):
        return owner
    declaration = fields_of(owner[0])[owner[1]].declared
    assert isinstance(declaration, Value)
    return declaration
