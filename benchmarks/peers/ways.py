"""Which function of a side's file does which kind of work, and in how many ways."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers.catalog import PLAIN, SIDES


@dataclass(frozen=True)
class Way:
    """A side at one kind of work, in one way if there are several: a function of its file."""

    side: str
    function: str
    label: str = ""


def ways(function: str, *sides: str) -> tuple[Way, ...]:
    return tuple(Way(side, function) for side in sides)


KEEPERS = (
    "superparams",
    "superparams-0.1.0",
    "joblib-memory",
    "tune",
    "optuna-journal",
    "optuna-sqlite",
    "labtech",
)
RUNNERS = (
    *("superparams", "superparams-0.1.0", "joblib", "joblib-memory", "pool", "futures", "ray"),
    *("tune", "dask", "optuna-memory", "optuna-journal", "optuna-sqlite", "hydra"),
    *("hydra-joblib", "labtech"),
)
NOOP = ways("noop", *RUNNERS, PLAIN)
ARRAY = (
    Way("superparams", "array", "array given, its content digested"),
    Way("superparams", "array_with_key", "array given with a key"),
    Way("superparams", "array_of_factory", "made by a factory"),
    Way("superparams", "array_forked", "array given with a key, start method fork"),
    Way("superparams-0.1.0", "array", "made by each setting"),
    Way("joblib", "array", "an argument"),
    Way("pool", "array_as_argument", "an argument"),
    Way("pool", "array_of_initializer", "forked, by an initializer"),
    Way("futures", "array", "forked, by an initializer"),
    Way("ray", "array", "ray.put"),
    Way("tune", "array", "with_parameters"),
    Way("dask", "array", "scatter"),
    Way("optuna-memory", "array", "threads"),
    Way("hydra-joblib", "array", "joblib launcher, cached in each process"),
    Way("labtech", "array", "forked, in the context"),
    Way(PLAIN, "array", "a loop in one process"),
)
EXPAND = (
    Way("superparams", "expand"),
    Way("superparams-0.1.0", "expand"),
    Way("tune", "expand", "generate_variants"),
    Way("optuna-memory", "expand", "GridSampler, tuples"),
    Way("hydra", "expand", "sweeper, overrides"),
    Way("hydra", "expand_composed", "configurations"),
    Way("labtech", "expand", "list of tasks"),
    Way("sklearn", "expand"),
    Way(PLAIN, "expand", "itertools.product, dict"),
    Way(PLAIN, "expand_into_dataclass", "itertools.product, dataclass"),
)
RESUME = ways("resume", *KEEPERS)
READ = ways("read", *(name for name in KEEPERS if name != "joblib-memory"), "hydra", PLAIN)
KILL = ways("kill", *RUNNERS)
SEARCHERS = ("superparams", "optuna-memory", "optuna-journal", "tune")
SAMPLERS = (("random_search", "random"), ("tpe", "TPE"), ("cmaes", "CMA-ES"))
SEARCH = (
    *(Way(side, function, label) for function, label in SAMPLERS for side in SEARCHERS),
    Way("hyperopt", "random_search", "random"),
    Way("hyperopt", "tpe", "TPE"),
)
NAPS = ways("naps", *SEARCHERS, "optuna-sqlite", "hyperopt", "orion")
GOING_ON = ("superparams", "optuna-journal", "optuna-sqlite", "tune", "hyperopt", "orion")
GO_ON_RANDOM = tuple(Way(side, "go_on_random", "random") for side in GOING_ON)
GO_ON_TPE = tuple(Way(side, "go_on_tpe", "TPE") for side in GOING_ON)
ASHA = ways("asha", *SEARCHERS)
EQUAL = (
    *(Way(side, "equal_asha", "ASHA") for side in SEARCHERS),
    *(Way(side, "equal_tpe", "TPE") for side in (*SEARCHERS, "orion")),
)
STEPS = ways(
    "steps",
    *("superparams", "optuna-memory", "optuna-journal", "optuna-sqlite", "tune", "mlflow", "wandb"),
    *("tensorboardx", "jsonl"),
)
ON_CLUSTERS = ("superparams-dask", "dask-tasks", "superparams-ray", "ray-tasks")
CALLS = (("first", "first call"), ("later", "later call"))
CLUSTER = tuple(Way(side, name, label) for side in ON_CLUSTERS for name, label in CALLS)
CLUSTER_NAPS = tuple(Way(side, "later_naps", "later call") for side in ON_CLUSTERS)
PAGE = ways("page", "superparams", "optuna-memory", "plotly", "hiplot")
IMPORT = ways("import", *(side.name for side in SIDES if side.statement))
HELP = ways("help", *(side.name for side in SIDES if side.command))
