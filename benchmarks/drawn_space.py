"""A space to search, in a module that workers load at once."""

from __future__ import annotations

import time

from superparams import Experiment, minimize, search


class Drawn(Experiment):
    """Settings that do nothing, or sleep, of a space with ranges."""

    x: float = search(low=-2.0, high=2.0)
    y: float = search(low=1e-4, high=1.0, log=True)
    kind: str = search(["a", "b", "c"])
    seconds: float = 0.0
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        if self.seconds:
            time.sleep(self.seconds)
        return {"loss": self.x**2 + self.y + (self.kind != "b")}
