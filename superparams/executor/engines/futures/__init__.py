"""The engine around any executor with the interface of `concurrent.futures`.

`executor_carrier` hands chunks of settings to the executor, `chunk_tasks` runs them in its workers,
`executor_facts` tells what can be known about an executor, and `worker_versions` compares the
versions of the driver and the workers.
"""

from superparams.executor.engines.futures.executor_carrier import Futures

__all__ = ["Futures"]
