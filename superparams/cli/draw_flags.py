"""Draws settings from a space, by the flags ``--sample``, ``--sobol`` and ``--grid``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from superparams.errors import SpaceError

if TYPE_CHECKING:
    from superparams.declare.experiment import Experiment, Settings

__all__ = ["Draw"]


@dataclass(frozen=True)
class Draw:
    """How to draw settings of a space: ``sample``, ``sobol`` or ``grid``; None for all of it.

    ``search`` means that a strategy proposes them during the run.
    """

    call: str | None = None
    n: int = 0
    seed: int = 0

    def of(self, space: Experiment) -> Experiment:
        """A space of the settings that are drawn.

        Raises:
            SpaceError: For a space with ranges, if nothing is drawn from them.
        """
        from superparams.declare.layout import has_range, ranges_of

        if self.call == "search":
            return space
        if self.call is not None:
            options = {} if self.call == "grid" else {"seed": self.seed}
            settings: Settings[Experiment] = getattr(space.place, self.call)(self.n, **options)
            return settings.as_space()
        if has_range(space):
            cls, first = type(space).__name__, next(ranges_of(space))
            raise SpaceError(
                f"{cls}.{first} is a range, so {cls} has no list of settings to run: draw settings "
                f"(--sample 100, --sobol 64 or --grid 5), search (--strategy random --trials 100), "
                f"or give {first} its values"
            )
        return space
