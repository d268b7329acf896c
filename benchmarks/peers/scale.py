"""How large and how often: the cells of all tables, from the works, their ways and their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.peers import catalog
from benchmarks.peers.catalog import Way

SEARCHES = ("search", "asha")  # works whose runs may take twice the limit
MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Cell:
    """One work of one side at one size, which is measured several times.

    size: settings, bytes of an array, or rows; 0 where there is no size.
    """

    work: str
    way: Way
    size: int = 0
    workers: int = 2

    @property
    def turn(self) -> tuple[str, int, int]:
        """Cells of one turn are measured one after the other, and compared."""
        return self.work, self.size, self.workers


@dataclass(frozen=True)
class Scale:
    """What is measured.

    limit: seconds after which a run is stopped; hang: and one that has lost a worker.
    repeats, budget: how often a cell is measured at most, and for how many seconds at most.
    minutes: when the last run begins, all in all.
    """

    noop: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    arrays: tuple[tuple[int, int], ...] = ((256 * MIB, 2), (256 * MIB, 4), (GIB, 2), (GIB, 4))
    expand: tuple[int, ...] = (100, 1_000_000)
    read: tuple[int, ...] = (100, 1000, 10_000, 1_000_000)
    search: tuple[int, ...] = (100, 1000)
    limit: float = 15.0
    hang: float = 30.0
    repeats: int = 5
    budget: float = 12.0
    minutes: float = 26.0

    def patience(self, work: str) -> float:
        """Seconds after which a run is stopped; searches, and runs that are watched, are slow."""
        if work == "kill":
            return self.hang
        return self.limit * (2 if work in ("memory", *SEARCHES) else 1)

    def cells(self) -> Iterator[Cell]:
        """All cells, in the order in which they take their turns."""
        yield from (Cell("import", way) for way in catalog.IMPORT)
        yield from (Cell("help", way) for way in catalog.HELP)
        yield from (Cell("expand", way, n) for n in self.expand for way in catalog.EXPAND)
        yield from (Cell("noop", way, n) for n in self.noop for way in catalog.NOOP)
        yield from (Cell("read", way, n) for n in self.read for way in catalog.READ)
        yield from (Cell("resume", way, n) for n in self.noop for way in catalog.RESUME)
        yield from (Cell("search", way, n) for n in self.search for way in catalog.SEARCH)
        yield from (Cell("asha", way, n) for n in self.search for way in catalog.ASHA)
        yield from (Cell("kill", way) for way in catalog.KILL)
        yield from (
            Cell(work, way, size, workers)
            for work in ("array", "memory")
            for size, workers in self.arrays
            for way in catalog.ARRAY
        )


FULL = Scale()
QUICK = Scale(
    noop=(100, 1000),
    arrays=((64 * MIB, 2),),
    expand=(100, 10_000),
    read=(100, 1000),
    search=(100,),
    limit=6.0,
    hang=15.0,
    repeats=3,
    budget=2.0,
    minutes=6.0,
)
# What the tests run, so that none of this is ever broken.
TINY = replace(
    QUICK,
    noop=(20,),
    arrays=((MIB, 2),),
    expand=(200,),
    read=(20, 200),
    search=(20,),
    limit=60.0,
    hang=4.0,
    repeats=1,
)
