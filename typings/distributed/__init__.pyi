# What superparams uses of dask.distributed.
from typing import Any

class Client:
    def __init__(
        self, address: Any = ..., *, set_as_default: bool = ..., **options: Any
    ) -> None: ...

def get_client() -> Client: ...
def get_worker() -> Any: ...
