"""Messages between the driver and its agents: plain records, which are pickled in batches."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from superparams.executor.engines.contract import Activity, Options
from superparams.executor.engines.held_resources import WorkerEnviron
from superparams.executor.payload import Handle
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.machine import MachineShare

__all__ = [
    "AgentBegun",
    "AgentEnded",
    "AgentFailed",
    "AgentPlan",
    "EndPool",
    "LogPart",
    "NeedsPayload",
    "NodeFacts",
    "OutcomeBatch",
    "RetireWorker",
    "RunChunk",
    "StartWorker",
    "StepAnswer",
    "StepsMade",
    "TakePayload",
    "UserNotes",
    "Wishes",
    "WorkerEvent",
    "WorkersNow",
    "packed",
    "unpacked",
]

# ---- from the driver to an agent


class AgentPlan(NamedTuple):
    """What an agent needs to know of a run; the first message.

    Attributes:
        handle: The payload. `TakePayload` follows if the agent cannot reach that.
        options: The options of the run. Its folder may not exist on the node.
        name: The name of the experiment.
        n_ranks: The number of ranks that there may be in all agents.
        n_workers: The number of workers that this agent may get.
        threads: BLAS and OpenMP threads of each worker; None to divide the cores of the node.
        libraries: Installed packages that the program will need.
        argv: The `sys.argv` of the driver.
        decides_steps: Whether settings wait for an answer to each step.
        environ: How the environments of workers follow from their shares of the node; None where
            settings declare no resources.
    """

    handle: Handle
    options: Options
    name: str
    n_ranks: int
    n_workers: int
    threads: int | None
    libraries: Sequence[str]
    argv: list[str]
    decides_steps: bool
    environ: WorkerEnviron | None = None


class TakePayload(NamedTuple):
    """Another handle of the payload."""

    handle: Handle


class StartWorker(NamedTuple):
    """Start the worker of a rank.

    Attributes:
        rank: The rank.
        log_size: The bytes that its log has so far.
        share: What the worker gets of the node; None if settings declare no resources.
    """

    rank: int
    log_size: int
    share: MachineShare | None = None


class RunChunk(NamedTuple):
    """Give settings to a worker; points: those of the settings, if these are proposed."""

    rank: int
    chunk: Chunk
    points: bytes


class StepAnswer(NamedTuple):
    """Tell the setting that waits, by its index, whether it goes on."""

    rank: int
    setting: int
    goes_on: bool


class RetireWorker(NamedTuple):
    """End a worker that is idle."""

    rank: int


class Wishes(NamedTuple):
    """Whether workers are to give back settings, and whether more outcomes are welcome."""

    wants_rest: bool
    has_room: bool


class EndPool(NamedTuple):
    """End all workers; is_hurried: without waiting for settings that run."""

    is_hurried: bool


# ---- from an agent to the driver


class NodeFacts(NamedTuple):
    """What an agent sees of its node.

    Attributes:
        memory: Bytes that the processes of the node may use.
        devices: The names of the devices that the process of the agent may use.
    """

    memory: int
    devices: tuple[str, ...]


class AgentBegun(NamedTuple):
    """The agent has the payload, and starts workers; facts: if settings declare resources."""

    facts: NodeFacts | None = None


class NeedsPayload(NamedTuple):
    """The agent cannot reach the payload; has_folder: it sees the folder of the run."""

    has_folder: bool


class WorkerEvent(NamedTuple):
    """An event at a worker; loss: what is known of the setting of a worker that has died."""

    event: m.PlaceEvent
    loss: Mapping[str, Any] | None = None


class OutcomeBatch(NamedTuple):
    """Encoded outcomes, as workers send them."""

    data: bytes


class StepsMade(NamedTuple):
    """Encoded steps."""

    data: bytes


class WorkersNow(NamedTuple):
    """What each worker does now."""

    activities: Sequence[Activity]


class UserNotes(NamedTuple):
    """Sentences for the user."""

    sentences: Sequence[str]


class LogPart(NamedTuple):
    """Bytes of the log of a rank, from `offset` on, if the node does not see the run's folder."""

    rank: int
    offset: int
    data: bytes


class AgentFailed(NamedTuple):
    """The pool of the agent has failed, which ends the run."""

    error: str


class AgentEnded(NamedTuple):
    """All workers have ended; the last message."""


def packed(messages: Sequence[Any]) -> bytes:
    """Messages as bytes."""
    return pickle.dumps(list(messages), protocol=5)


def unpacked(data: bytes) -> list[Any]:
    """The messages of some bytes."""
    messages: list[Any] = pickle.loads(data)
    return messages
