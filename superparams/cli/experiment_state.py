"""How far an experiment is: what of its space is done, failed, stale, or was never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.experiment import Experiment, name_of
from superparams.declare.instance_state import declaration_on
from superparams.declare.metaclass import fields_of
from superparams.declare.params import Params, layout_of
from superparams.space.groups import is_group, is_open

if TYPE_CHECKING:
    from superparams.store.table.index import Index

__all__ = ["LARGEST", "ExperimentState", "size_of", "state_of"]

# Of a larger space it is not looked up which settings are recorded: that would take seconds.
LARGEST: Final = 200_000


@dataclass(frozen=True)
class ExperimentState:
    """Counts of the settings of a space, each once, by what is recorded of them.

    Attributes:
        done: done by the code as it is now, or by code accepted for it.
        failed: failed, killed or timed out when they last ran.
        stale: done by other code.
        todo: what the next run has to do: all that is not done.
        is_exact: whether each setting was looked up. Otherwise all that is recorded of the
            experiment is taken for settings of this space.
    """

    done: int
    failed: int
    stale: int
    todo: int
    is_exact: bool = True


def size_of(space: Experiment) -> tuple[int, bool]:
    """How many settings a space has, and whether that is exact.

    Where ``valid`` would have to be asked about more than `LARGEST` of them, it is not.
    """
    if is_open(space):
        layout = layout_of(space)
        if layout.kept is not None and layout.product.size > LARGEST:
            return layout.product.size, False
    return space.n_settings, True


def state_of(
    cls: type[Experiment], space: Experiment | None, size: int | None, results: Path
) -> ExperimentState | None:
    """What is recorded of an experiment in a results folder; None when nothing is.

    space: what to compare with what is recorded, None when that is not known; size: how many
    settings it has, None when they are not counted.

    Raises:
        SuperparamsError: When what is recorded cannot be read, or the space has no keys.
    """
    if not results.is_dir():  # before the store is loaded, and pyarrow with it
        return None
    from superparams.store.runs.folder import experiment_folder, has_records
    from superparams.store.staleness.acceptances import equivalent
    from superparams.store.table.index import read_index

    root = experiment_folder(results, name_of(cls))
    if not has_records(root):
        return None
    from superparams.identity.code.fingerprint import fingerprint

    codes = equivalent(root, fingerprint(cls).digest)
    index = read_index(root)
    is_small = size is not None and size <= LARGEST
    if space is not None and is_small and not any(_made_for_keys(space)):
        return _looked_up(space, index, codes)
    return _estimated(size or 0, index, codes)


def _looked_up(space: Experiment, index: Index, codes: list[str]) -> ExperimentState:
    from superparams.declare.keys import Keys
    from superparams.run.plan import all_keys, recorded

    counts = recorded(all_keys(Keys(space), space.n_settings).unique(), index, codes)
    return _state(counts, sum(counts.values()))


def _estimated(size: int, index: Index, codes: list[str]) -> ExperimentState:
    from superparams.run.plan import recorded

    return _state(recorded(index.keys, index, codes), size, is_exact=False)


def _state(counts: Mapping[str, int], size: int, *, is_exact: bool = True) -> ExperimentState:
    done, stale = counts["done"], counts["stale"]
    failed = sum(counts.values()) - done - stale - counts["new"]
    return ExperimentState(done, failed, stale, max(0, size - done), is_exact)


def _made_for_keys(space: Params) -> Iterator[bool]:
    """Whether the keys of a space need what a factory makes, which may take long."""
    held: dict[str, Any] = vars(space)
    for name, field in fields_of(type(space)).items():
        declared = declaration_on(space, field)
        if is_group(held.get(name)):
            yield from _made_for_keys(held[name])
        elif name not in held and isinstance(declared, Value):
            yield declared.factory is not None and declared.key is None
