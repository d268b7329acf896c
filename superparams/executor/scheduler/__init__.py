"""The scheduler: which settings go to which worker, as a state machine without I/O.

It offers `Scheduler`, the events that go in and the instructions that come out. It knows no
process, socket, thread or clock: an engine tells what happened, and does what it is told. So every
engine has the same chunks, retries, blame and draining, and tests can try any order of events.

It may import `outcomes` and the rooms above it, and nothing else of `executor`.
"""

from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.retries import Retries
from superparams.executor.scheduler.state_machine import Limits, Scheduler

__all__ = ["Chunk", "Limits", "Retries", "Scheduler"]
