"""The scheduler: which settings go to which worker, as a state machine without I/O.

`state_machine` has the scheduler, and `messages` the events that go in and the instructions that
come out. It knows no process, socket, thread or clock: an engine reports events to it, and carries
out its instructions. So every engine has the same chunks, retries, blame and draining, and tests
can try any order of events.

It may import `outcomes` and the rooms above it, and nothing else of `executor`. Nothing is imported
here: a worker process needs only `chunk` and `retries`.
"""
