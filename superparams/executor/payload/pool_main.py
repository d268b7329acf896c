"""The main module of processes that a pool of a worker starts: it has the names of the script.

`multiprocessing` runs it under the name ``__mp_main__``; see `superparams.executor.payload.script`.
"""

from __future__ import annotations

if __name__ == "__mp_main__":
    from superparams.executor.payload.script import names_for_pool

    globals().update(names_for_pool())
