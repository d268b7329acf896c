"""The engine around any executor with the interface of `concurrent.futures`.

`executor_carrier` hands chunks of settings to the executor, `chunk_tasks` runs them in its workers,
and `executor_facts` tells what can be known about an executor.
"""

from superparams.executor.engines.futures.executor_carrier import Futures

__all__ = ["Futures"]
