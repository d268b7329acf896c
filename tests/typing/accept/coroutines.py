"""Methods of an experiment may be coroutine functions."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from superparams import Experiment, search


class Ask(Experiment):
    i: int = search([1, 2])

    async def setup(self) -> None:
        self.client = "client"

    async def run(self) -> dict[str, int]:
        return {"y": self.i}

    async def teardown(self) -> None:
        return None


async def by_hand() -> int:
    answer = await Ask(i=1).run()
    assert_type(answer, dict[str, int])
    return answer["y"]


def run_all() -> Any:
    return Ask().run_all(4, engine="asyncio", timeout=2.5)
