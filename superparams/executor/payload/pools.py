"""What pools that `run` starts see of the script: under every engine what the driver has.

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

__all__ = ["PackedOnce", "forget_fork_server", "pools_take", "share_with_pools"]

_POOL_MAIN: Final = "superparams.executor.payload.pool_main"
_ASKS: Final = "get_preparation_data"  # the function of multiprocessing and loky
_OF_FORK_SERVER: Final = (
    "ensure_running",
    "get_inherited_fds",
    "connect_to_new_process",
    "set_forkserver_preload",
)
_lock = threading.Lock()
_handles: list[Callable[[], Handle | None]] = []  # the last one counts


class _Spec(ModuleSpec):
    """The spec of the main module, with another name for those who are about to start a process."""

    def __init__(self, before: ModuleSpec | None) -> None:
        super().__init__("__main__", getattr(before, "loader", None))
        self.origin = getattr(before, "origin", None)
        self.before = before

    @property
    def name(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        known = getattr(self.__dict__.get("before"), "name", None)
        asker = sys._getframe(1).f_code  # pyright: ignore[reportPrivateUsage]
        if not _handles or asker.co_name != _ASKS:
            return known or "__main__"
        with suppress(Exception):  # what cannot be packed: the script runs again, as ever
            handle = _handles[-1]()
            if handle is not None:
                return f"{_POOL_MAIN}.{pickle.dumps(handle).hex()}"
        return known

    @name.setter
    def name(self, name: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass

    @property
    def parent(self) -> str:
        """The package of the module, for relative imports."""
        return getattr(self.before, "parent", None) or ""


def share_with_pools(handle: Callable[[], Handle | None]) -> None:
    """Let the pools of this process take the names from a payload, as long as it lives."""
    _handles[:] = [handle]
    main: Any = sys.modules["__main__"]
    main.__spec__ = _Spec(None)


@contextmanager
def pools_take(handle: Callable[[], Handle | None]) -> Generator[None]:
    """Let pools that start in this process meanwhile take the names from a payload.

    Args:
        handle: Called when a pool starts a process; None leaves that as it is.
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
    """Let `multiprocessing` start a fork server here, if the one it knows is no child of ours.

    A fork of a process that has a fork server inherits it, and cannot use it.
    """
    module = sys.modules.get("multiprocessing.forkserver")
    if module is None:
        return
    held: dict[str, Any] = vars(module)
    pid = getattr(held["_forkserver"], "_forkserver_pid", None)
    if pid is None or _is_child(pid):
        return
    held["_forkserver"] = server = held["ForkServer"]()
    for name in _OF_FORK_SERVER:
        held[name] = getattr(server, name)


def _is_child(pid: int) -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return False
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class PackedOnce:
    """A payload that is packed when its handle is first asked for, once."""

    def __init__(self, content: Callable[[], Any]) -> None:
        """content: makes what is to be packed."""
        self._content = content
        self._lock = threading.Lock()
        self._payload: Payload | None = None
        self._error: Exception | None = None

    def handle(self) -> Handle:
        """The handle; it works until `close`.

        Raises:
            Exception: Whatever packing raised, at each call.
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
            held, self._payload = self._payload, None
            if held is not None:
                held.close()
