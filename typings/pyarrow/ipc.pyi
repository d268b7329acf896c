# pyarrow ships no types: to both checkers everything in it is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
