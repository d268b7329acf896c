"""How large and how often: the cells of all tables, from the works, their ways and their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.peers import ways
from benchmarks.peers.ways import Way

# How many times the limit runs may take that are watched, that have browsers, or that search.
SLOW = {"memory": 2, "search": 2, "asha": 2, "naps": 2, "page": 4, "equal": 4}
KEEPING = 40.0  # seconds that it may take to make what another run goes on from
MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Cell:
    """One work of one side at one size, which is measured several times.

    size: settings, steps, rows, or bytes of an array; 0 where there is no size.
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
    arrays: tuple[tuple[int, int], ...] = ((256 * MIB, 2), (GIB, 2))
    memory: tuple[tuple[int, int], ...] = ((GIB, 2), (GIB, 4))
    expand: tuple[int, ...] = (100, 1_000_000)
    read: tuple[int, ...] = (100, 1000, 10_000, 1_000_000)
    search: tuple[int, ...] = (100, 1000)
    naps: int = 200
    go_on_random: tuple[int, ...] = (1000, 10_000)
    go_on_tpe: tuple[int, ...] = (1000,)
    equal: int = 30
    steps: tuple[int, ...] = (1000, 10_000, 100_000)
    cluster: int = 2000
    cluster_naps: int = 100
    page: tuple[int, ...] = (1000, 100_000)
    limit: float = 10.0
    hang: float = 15.0
    repeats: int = 5
    budget: float = 12.0
    minutes: float = 26.0

    def patience(self, work: str) -> float:
        """Seconds after which a run is stopped."""
        if work == "kill":
            return self.hang
        if work == "keep":
            return KEEPING
        return self.limit * SLOW.get(work, 1)

    def cells(self) -> Iterator[Cell]:
        """All cells, in the order in which they take their turns."""
        yield from (Cell("import", way) for way in ways.IMPORT)
        yield from (Cell("help", way) for way in ways.HELP)
        yield from (Cell("noop", way, n) for n in self.noop for way in ways.NOOP)
        yield from (Cell("read", way, n) for n in self.read for way in ways.READ)
        yield from (Cell("resume", way, n) for n in self.noop for way in ways.RESUME)
        yield from (Cell("kill", way) for way in ways.KILL)
        yield from (Cell("search", way, n) for n in self.search for way in ways.SEARCH)
        yield from (Cell("naps", way, self.naps) for way in ways.NAPS)
        yield from (Cell("go-on", way, n) for n in self.go_on_random for way in ways.GO_ON_RANDOM)
        yield from (Cell("go-on", way, n) for n in self.go_on_tpe for way in ways.GO_ON_TPE)
        yield from (Cell("asha", way, n) for n in self.search for way in ways.ASHA)
        yield from (Cell("equal", way, self.equal) for way in ways.EQUAL)
        for size, workers in self.arrays:
            yield from (Cell("array", way, size, workers) for way in ways.ARRAY)
        yield from (Cell("steps", way, n) for n in self.steps for way in ways.STEPS)
        yield from (Cell("cluster", way, self.cluster) for way in ways.CLUSTER)
        yield from (Cell("cluster-naps", way, self.cluster_naps) for way in ways.CLUSTER_NAPS)
        yield from (Cell("page", way, n) for n in self.page for way in ways.PAGE)
        yield from (Cell("expand", way, n) for n in self.expand for way in ways.EXPAND)
        for size, workers in self.memory:
            yield from (Cell("memory", way, size, workers) for way in ways.ARRAY)


FULL = Scale()
QUICK = Scale(
    noop=(100,),
    arrays=((64 * MIB, 2),),
    memory=((64 * MIB, 2),),
    expand=(10_000,),
    read=(100,),
    search=(20,),
    naps=40,
    go_on_random=(100,),
    go_on_tpe=(100,),
    equal=10,
    steps=(2000,),
    cluster=200,
    cluster_naps=20,
    page=(1000,),
    limit=6.0,
    hang=10.0,
    repeats=3,
    budget=2.0,
    minutes=4.5,
)
# What the tests run, so that none of this is ever broken.
TINY = replace(
    QUICK,
    noop=(20,),
    arrays=((MIB, 2),),
    memory=((MIB, 2),),
    expand=(200,),
    read=(20, 200),
    search=(20,),
    naps=10,
    go_on_random=(20,),
    go_on_tpe=(20,),
    equal=6,
    steps=(20,),
    cluster=20,
    cluster_naps=4,
    page=(20,),
    limit=60.0,
    hang=4.0,
    repeats=1,
)
