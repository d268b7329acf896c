"""One search on one problem: by a strategy of superparams, or by the same sampler alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quality import problems
from superparams import strategies

if TYPE_CHECKING:
    import optuna

AHEAD = 8
STARTUP = 10

# What `run_all` is given. Any number of workers up to AHEAD gives the same table.
OURS: dict[str, Callable[[int, int], Any]] = {
    "Random": lambda trials, seed: strategies.Random(trials=trials, seed=seed),
    "TPE": lambda trials, seed: strategies.TPE(trials=trials, seed=seed, ahead=AHEAD),
    "CMAES": lambda trials, seed: strategies.CMAES(trials=trials, seed=seed, ahead=AHEAD),
    "Evolution": lambda trials, seed: strategies.Evolution(trials=trials, seed=seed, ahead=AHEAD),
    "Evolution, alone": lambda trials, seed: strategies.Evolution(
        trials=trials, seed=seed, ahead=1
    ),
}


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(multivariate=True, n_startup_trials=STARTUP, seed=seed)


def cmaes(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.CmaEsSampler(seed=seed)


THEIRS: dict[str, Callable[[int], Any]] = {"Optuna TPE": tpe, "Optuna CMAES": cmaes}
METHODS = (*OURS, *THEIRS)
# Each of ours, and what it is compared with.
ALONE = {"TPE": "Optuna TPE", "CMAES": "Optuna CMAES", "Evolution": "Evolution, alone"}


def applies(method: str, problem: str) -> bool:
    """CMA-ES is for numbers: it would choose the texts of HPOLib at random."""
    return not (method.endswith("CMAES") and problem in problems.HPOLIB)


def searched(method: str, problem: str, seed: int, trials: int) -> dict[str, float]:
    """The regret of the best point that a search has found, and how many settings ran for it."""
    search = ours if method in OURS else theirs
    best, runs = search(method, problem, seed, trials)
    return {"regret": problems.regret(problem, seed, best), "runs": runs}


def ours(method: str, problem: str, seed: int, trials: int) -> tuple[float, int]:
    """By `run_all`, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        results = problems.space(problem, seed).run_all(
            strategy=OURS[method](trials, seed), results=folder, progress=False
        )
        return float(results.best()["loss"]), len(results)


def theirs(method: str, problem: str, seed: int, trials: int) -> tuple[float, int]:
    """By Optuna, one trial after the other."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    asked = problems.suggestions(problem)
    study = optuna.create_study(sampler=THEIRS[method](seed))
    study.optimize(
        lambda trial: problems.loss(problem, seed, {one.name: one.of(trial) for one in asked}),
        n_trials=trials,
    )
    return float(study.best_value), len(study.trials)
