"""The engine of processes, and its parts.

`engine` has the class that users give, `pool` is one run of it, and `process_carrier` makes worker
processes the places of the scheduler. `template_handle` starts and holds the template process,
whose code is `template`. The template makes workers, whose code is `worker_main`. `protocol` frames
what goes between them, `worker_cells` is the memory they share, and `process_tree` is what the
system knows of parents and children.
"""

from superparams.executor.engines.processes.engine import Processes as Processes
