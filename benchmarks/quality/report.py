"""The page: `benchmarks/quality.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.quality.figures import Figures, figures, relative
from benchmarks.quality.problems import PROBLEMS
from benchmarks.quality.searches import METHODS

Rows = Sequence[Mapping[str, Any]]
HEAD = """\
# How good the strategies are

`{command}` made this page on {date}. {again}Do not edit it.

A strategy proposes trial i without the outcomes of the 7 trials before it, since these may still be
running. What does that cost? Here each strategy is compared with the same sampler alone in Optuna,
with the same options. That sampler knows all outcomes before each proposal. `Evolution` is not in
Optuna: it is compared with itself, with `ahead=1`.

The problems are tables of HPOLib, each with the losses of 62,208 trained networks, and functions of
bbob in five dimensions; here {n_problems} of them. Each search has {trials} trials, and there are
{n_seeds} seeds. The *regret* of a search is the best loss that it found, less the least loss that
there is. For each problem, the mean regret over the seeds is divided by that of random search: 0 is
perfect, and 1 is no better than random.

{versions}.

## The figures
"""
NOTE = """
- *Ratio* is the first regret to the second, with the range in which 9 of 10 ratios are if the
  seeds are drawn anew.
- *Ratio of geometric means* is the same with geometric means over the problems.
- *Worse than random* counts the problems on which the regrets are significantly larger than
  random's (Wilcoxon's test of pairs with the same seed, one-sided, p < 0.05).
- *Runs saved* is the share of trials on HPOLib whose point had an outcome already. They cost no
  run. In Optuna, each trial is a run.
- `CMAES` is for numbers, so it was tried on bbob alone.

The searches ran with one worker: any number of workers up to 8 has the same table.

## Limits
"""
REGRETS = """
## Each problem

Mean regrets, relative to random's:
"""
# What is held to.
BARS = {"TPE": 1.5, "CMAES": 1.2}
MOST_WORSE, LEAST_SAVED = 0.10, 0.08


def report(results: Mapping[str, Any]) -> str:
    """The whole page."""
    rows: Rows = results["rows"]
    found = figures(rows)
    head = HEAD.format(
        command=results["command"],
        date=results["date"],
        n_problems=len({row["problem"] for row in rows}),
        trials=rows[0]["trials"],
        n_seeds=len({row["instance"] for row in rows}),
        versions=", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        again="".join(
            f"`{method}` was measured again on {date}, after it was changed. "
            for method, date in results.get("again", {}).items()
        ),
    )
    return "\n".join([head, strategies(found), NOTE, limits(found), REGRETS, regrets(rows), ""])


def strategies(found: Sequence[Figures]) -> str:
    """A row for each strategy."""
    lines = [
        "| | problems | regret | of the sampler alone | ratio | ratio of geometric means | "
        "worse than random | runs saved |",
        f"| --- |{' ---: |' * 7}",
    ]
    for one in found:
        cells = [
            f"`{one.strategy}`",
            str(one.n_problems),
            f"{one.relative:.3f}",
            f"{one.alone:.3f}",
            f"{one.ratio:.2f} ({one.low:.2f} to {one.high:.2f})",
            f"{one.geometric:.2f}",
            " ".join([str(len(one.worse)), *([f"({', '.join(one.worse)})"] if one.worse else [])]),
            "-" if one.saved is None else f"{one.saved:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limits(found: Sequence[Figures]) -> str:
    """What is held to, and whether it is held."""
    by_name = {one.strategy: one for one in found}
    lines = ["| | limit | measured | |", "| --- | ---: | ---: | --- |"]
    for name, bar in BARS.items():
        if name in by_name:
            ratio = by_name[name].ratio
            lines.append(
                row(f"`{name}` to the sampler alone", f"{bar:g}", f"{ratio:.2f}", ratio <= bar)
            )
    for one in found:
        share = len(one.worse) / one.n_problems
        held = share <= MOST_WORSE
        lines.append(
            row(f"`{one.strategy}` worse than random", f"{MOST_WORSE:.0%}", f"{share:.0%}", held)
        )
    for one in found:
        if one.saved is not None:
            held = one.saved >= LEAST_SAVED
            lines.append(
                row(
                    f"`{one.strategy}`, runs saved",
                    f"at least {LEAST_SAVED:.0%}",
                    f"{one.saved:.0%}",
                    held,
                )
            )
    return "\n".join(lines)


def row(what: str, bar: str, measured: str, held: bool) -> str:
    return f"| {what} | {bar} | {measured} | {'held' if held else '**not held**'} |"


def regrets(rows: Rows) -> str:
    """A row for each problem, a column for each method."""
    by: dict[tuple[str, str], list[float]] = {}
    for one in rows:
        by.setdefault((one["problem"], one["method"]), []).append(one["regret"])
    methods = [name for name in METHODS if name != "Random" and any(m == name for _, m in by)]
    lines = [f"| | {' | '.join(methods)} |", f"| --- |{' ---: |' * len(methods)}"]
    for problem in PROBLEMS:
        if (problem, "Random") in by:
            cells = [
                f"{relative(name, [problem], by)[0]:.3f}" if (problem, name) in by else "-"
                for name in methods
            ]
            lines.append(f"| {problem} | {' | '.join(cells)} |")
    return "\n".join(lines)
