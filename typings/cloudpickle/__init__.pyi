# cloudpickle ships no types: the part of it that is used here.
from collections.abc import Callable, Iterable
from pickle import PickleBuffer
from types import ModuleType
from typing import IO, Any

class Pickler:
    dispatch_table: Any
    globals_ref: dict[int, Any]
    def __init__(
        self,
        file: IO[bytes],
        protocol: int | None = None,
        buffer_callback: Callable[[PickleBuffer], object] | None = None,
    ) -> None: ...
    def dump(self, obj: object) -> None: ...
    def reducer_override(self, obj: Any) -> Any: ...

CloudPickler = Pickler

def dumps(
    obj: object,
    protocol: int | None = None,
    buffer_callback: Callable[[PickleBuffer], object] | None = None,
) -> bytes: ...
def loads(data: bytes | bytearray | memoryview, *, buffers: Iterable[Any] | None = ...) -> Any: ...
def register_pickle_by_value(module: ModuleType) -> None: ...
def unregister_pickle_by_value(module: ModuleType) -> None: ...
def __getattr__(name: str) -> Any: ...
