"""Gives the pools that `run` starts the names of the driver's script, under every engine.

If `run` starts a pool with fresh interpreters, `multiprocessing` has each of them run the script
again, without its guarded part. While settings run, the processes run
`superparams.executor.payload.pool_main` instead, which takes the names of the script from a
payload. Pools that start at another time are not affected.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from superparams.executor.payload.attachment import Handle
    from superparams.executor.payload.packer import Payload

__all__ = ["LazyPayload", "forget_fork_server", "pools_take", "share_with_pools"]

_POOL_MAIN: Final = "superparams.executor.payload.pool_main"
# The function of multiprocessing and loky that reads the name of the main module.
_READER: Final = "get_preparation_data"
_FORK_SERVER_FUNCTIONS: Final = (
    "ensure_running",
    "get_inherited_fds",
    "connect_to_new_process",
    "set_forkserver_preload",
)
_lock = threading.Lock()
_handles: list[Callable[[], Handle | None]] = []  # the last one is used


class _Spec(ModuleSpec):
    """The spec of the main module, with another name for code that is about to start a process."""

    def __init__(self, before: ModuleSpec | None) -> None:
        super().__init__("__main__", getattr(before, "loader", None))
        self.origin = getattr(before, "origin", None)
        self.before = before

    @property
    def name(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        own_name = getattr(self.__dict__.get("before"), "name", None)
        caller = sys._getframe(1).f_code  # pyright: ignore[reportPrivateUsage]
        if not _handles or caller.co_name != _READER:
            return own_name or "__main__"
        with suppress(Exception):  # if the code cannot be packed, the script runs again
            handle = _handles[-1]()
            if handle is not None:
                return f"{_POOL_MAIN}.{pickle.dumps(handle).hex()}"
        return own_name

    @name.setter
    def name(self, name: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass

    @property
    def parent(self) -> str:
        """The package of the module, for relative imports."""
        return getattr(self.before, "parent", None) or ""


def share_with_pools(handle: Callable[[], Handle | None]) -> None:
    """Let all pools of this process take the names from a payload.

    Args:
        handle: Returns the handle of the payload; None if processes here cannot attach it.
    """
    _handles[:] = [handle]
    main: Any = sys.modules["__main__"]
    main.__spec__ = _Spec(None)


@contextmanager
def pools_take(handle: Callable[[], Handle | None]) -> Generator[None]:
    """A context in which new pools of this process take the names from a payload.

    Args:
        handle: Called when a pool starts a process. If it returns None, the script runs there.
    """
    main: Any = sys.modules["__main__"]
    with _lock:
        _handles.append(handle)
        if not isinstance(spec := getattr(main, "__spec__", None), _Spec):
            main.__spec__ = _Spec(spec)
    try:
        yield
    finally:
        with _lock:
            _handles.remove(handle)
            spec = getattr(main, "__spec__", None)
            if not _handles and isinstance(spec, _Spec):
                main.__spec__ = spec.before


def forget_fork_server() -> None:
    """Let `multiprocessing` start a fork server if it has one that is no child of this process.

    A fork inherits the fork server of its parent, and cannot use it.
    """
    module = sys.modules.get("multiprocessing.forkserver")
    if module is None:
        return
    names: dict[str, Any] = vars(module)
    pid = getattr(names["_forkserver"], "_forkserver_pid", None)
    if pid is None or _is_child(pid):
        return
    names["_forkserver"] = server = names["ForkServer"]()
    for name in _FORK_SERVER_FUNCTIONS:
        names[name] = getattr(server, name)


def _is_child(pid: int) -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return False
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class LazyPayload:
    """A payload that is packed on the first call of `handle`.

    Args:
        content: Returns the object to pack.
    """

    def __init__(self, content: Callable[[], Any]) -> None:
        self._content = content
        self._lock = threading.Lock()
        self._payload: Payload | None = None
        self._error: Exception | None = None

    def handle(self) -> Handle:
        """The handle, which is valid until `close`.

        Raises:
            Exception: The error of packing, at each call.
        """
        from superparams.executor.payload.packer import pack

        with self._lock:
            if self._error is not None:
                raise self._error
            if self._payload is None:
                try:
                    self._payload = pack(self._content())
                except Exception as error:
                    self._error = error
                    raise
            return self._payload.handle

    def close(self) -> None:
        """Release the memory. A second call does nothing."""
        with self._lock:
            payload, self._payload = self._payload, None
            if payload is not None:
                payload.close()
