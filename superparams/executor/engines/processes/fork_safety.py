"""Whether a process can be forked: a fork has none of the other threads of its process.

What waits for such a thread in the fork waits forever: a pool of threads or processes that was
inherited, a lock that a thread held, or a parallel region of OpenMP. And what a fork must not share
with its parent.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

from superparams.executor.engines.processes import process_tree

__all__ = ["can_fork", "other_threads", "seed_numpy_anew"]

_OURS = "superparams-"  # how the names of threads of this library begin
# Packages whose threads serve a notebook, a debugger, a test or a progress bar: no setting waits
# for one of those.
_SERVING = ("IPython", "ipykernel", "debugpy", "_pydevd_bundle", "execnet", "tqdm")
_NATIVE = ("jemalloc", "ZMQbg")  # how the names of threads begin that libraries make anew, or serve


def other_threads() -> list[str]:
    """Names of the threads that a fork of this process would miss.

    The calling thread, those of this library and those that no setting waits for are left out.
    """
    caller = threading.current_thread()
    threads = threading.enumerate()
    others = [
        thread for thread in threads if thread is not caller and not thread.name.startswith(_OURS)
    ]
    names = [thread.name for thread in others if not _serves(thread)]
    return names or _foreign(len(threads))


def can_fork() -> bool:
    """Whether a fork of this process is sound: it has one thread, or no other that matters."""
    return len(_thread_names()) == 1 or not (threading.active_count() > 1 or _foreign(1))


def seed_numpy_anew() -> None:
    """Let a fork draw other numbers than its parent, unless these were seeded on purpose.

    Numpy, unlike Python, does not do that by itself. A generator that was seeded has no seed
    sequence.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return
    generator = getattr(numpy_random, "get_bit_generator", lambda: None)()
    if getattr(generator, "seed_seq", None) is not None:
        numpy_random.seed()


def _serves(thread: threading.Thread) -> bool:
    """Whether code of one of the packages `_SERVING` runs in a thread."""
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _SERVING:
            return True
        frame = frame.f_back
    return False


def _foreign(n_python: int) -> list[str]:
    """Names of threads of libraries that a fork would miss, beside so many threads of Python.

    Libraries that handle fork end their threads before it (OpenBLAS) or make them anew in the child
    (jemalloc, Arrow), so a fork is tried first, and known threads do not count.
    """
    if len(_thread_names()) <= n_python:
        return []
    os.waitpid(process_tree.fork(lambda _: 0), 0)
    main, *others = _thread_names()
    python = {main, *(thread.name[:15] for thread in threading.enumerate())}
    named = [name for name in others if name not in python and not name.startswith(_NATIVE)]
    unnamed = len(others) - sum(name not in python for name in others) - (n_python - 1)
    return named + (["OpenMP"] if unnamed > 0 and not _all_from_arrow() else [])


def _thread_names() -> list[str]:
    """Names of the threads of this process as the system knows them, the main one first."""
    names = [""]
    with suppress(OSError):
        for thread in sorted(map(int, os.listdir("/proc/self/task"))):
            with open(f"/proc/self/task/{thread}/comm", encoding="utf-8") as file:
                names.append(file.read().rstrip("\n"))
    return names[1:] or names


def _all_from_arrow() -> bool:
    """Whether threads without a name must be Arrow's: there is no OpenMP."""
    if "pyarrow" not in sys.modules:
        return False
    with suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        held = file.read()
        return not any(name in held for name in ("libgomp", "libomp", "libiomp"))
    return False
