"""The tables, in Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.peers import catalog, curves, task
from benchmarks.peers.scale import FULL
from benchmarks.peers.table import (
    Number,
    Record,
    amount,
    columns,
    number,
    reason,
    rows,
    title,
    viewed,
    works,
)

PLAIN = catalog.side(catalog.PLAIN).title
HEAD = """\
# superparams compared with other tools

{command} made this file, in {minutes:.0f} minutes on {date}. Do not edit it.

{machine}.

Each number is a median, with the least and the most in brackets. A run that took longer than
{limit:g} s was stopped; larger ones were then not tried. In each column the best median is bold,
whoever has it; *{plain}* is shown for scale and is no competitor. A dash means that a tool has no
such function. `benchmarks/README.md` says how each tool is used and what is counted.
"""
NOOP = """\
## Settings that do nothing

Two workers; results are kept as the tool keeps them, or written to one parquet file at the end.
"""
ARRAY = """\
## An array that all settings need

{slices} settings each sum a slice. The time includes everything, from making the array on.
"""
MEMORY = """\
The most memory that all processes of a tool held at once, shared memory counted once, in a run of
its own:
"""
EXPAND = """\
## A space expanded

All settings are made, one after the other. None is run.
"""
START = """\
## Start

A Python process that imports the tool, and one that prints the help of its command. *{plain}*: a
Python that imports nothing, and a command of click without options.
"""
RESUME = """\
## The same call again

The same call in a new process, when all settings have been run. "No results": so many settings
could not be run in the time.
"""
READ = """\
## Results read back

Into a table, from what the tool keeps. The results of joblib, Pool, concurrent.futures, Ray and
Dask are one parquet file, as in the last row.
"""
KILL = """\
## A setting that kills its worker

One of {settings} settings kills its own process, on two workers; a run that had not ended after
{hang:g} s was stopped. What is kept is what the script has in hand, or finds on disk afterwards.
"""


SEARCH = """\
## Trials that a sampler proposes

Points of five ranges, whose settings do nothing; two workers. A run that took longer than
{slow:g} s was stopped. Ray Tune and superparams take the samplers of Optuna, with the same options,
except for the random one of superparams. In superparams, points and table are the same for any
number of workers; Optuna and Ray Tune tell the sampler what came out as it comes.
"""
ASHA = """\
## ASHA

Random settings of {epochs} steps that do nothing; a third goes on at 1, 3 and 9 steps. In
superparams, settings wait for each other, so that any number of workers stops the same ones.
"""
NAPS = """\
## Trials of a sampler that take time

{naps:,} trials of TPE that sleep for 50 ms each, on two workers. A figure is the time in relation
to what is ideal, which is {ideal:g} s; a run that took longer than {slow:g} s was stopped.
Hyperopt has one worker.
"""
GO_ON = """\
## A search that goes on

After so many trials were recorded by an earlier process: the time from the call that asks for two
more until the first of these begins. "No results": so many trials could not be made in the time.
"""
EQUAL = """\
## Equal results for any number of workers

{equal:,} trials, whose settings differ in how quick they are, run by one worker and then by two:
are parameters, results and numbers of steps the same? "Yes" means in each run.
"""
STEPS = """\
## Steps

Values that two workers record while their settings run, each with one number: so many a second,
starting the workers included.
"""
CLUSTER = """\
## Settings on a cluster that runs already

Two workers of Dask or Ray on this machine. Bare tasks are functions that the cluster itself runs, a
task a setting. The second call of a process finds loaded what the first one has loaded.
"""
PAGE = """\
## A page of results

A file that shows parallel coordinates without a network. "Shown" is the time until a browser
(Chromium, without a graphics processor) has drawn it and has nothing more to do.
"""
ADDED = """\
This table is of another day than the others: {date}, by `{command}`{machine}{busy}.
{versions}.
"""
BUSY_HEAD = """\
The machine was busy with other work when this began ({load:.0f} processes wanted its cores): times
compare with each other, and with no other machine.
"""
BUSY = """; the machine was busy with other work ({load:.0f} processes wanted its \
{cores} cores), so its times compare with each other, and with no other table"""


def report(results: dict[str, Any]) -> str:
    """The whole page."""
    records, limit = results["cells"], results["limit"]
    given = dict(
        results,
        plain=PLAIN,
        slices=task.SLICES,
        settings=task.SETTINGS,
        epochs=curves.EPOCHS,
        slow=2 * limit,
        **trials(records),
        command=f"`{results['command']}`",
    )
    timed = (
        (NOOP, "noop"),
        (ARRAY, "array"),
        (MEMORY, "memory"),
        (EXPAND, "expand"),
        (START, ("import", "help")),
        (RESUME, "resume"),
        (READ, "read"),
        (SEARCH, "search"),
        (NAPS, "naps"),
        (GO_ON, "go-on"),
        (ASHA, "asha"),
        (EQUAL, "equal"),
        (STEPS, "steps"),
        (CLUSTER, ("cluster", "cluster-naps")),
        (PAGE, "page"),
    )
    parts = [HEAD, *([BUSY_HEAD.format(**results)] if is_busy(results) else [])]
    for text, names in timed:
        every = [names] if isinstance(names, str) else names
        found = works(records, *every)
        parts += [text, *later(results, every[0]), *grids(found, limit)] if found else []
    if killed := works(records, "kill"):
        parts += [KILL, kills(killed, results["hang"])]
    filled = [part.format(**given) if "{" in part else part for part in parts]
    return "\n".join([*filled, ending(results)])


def trials(records: list[Record]) -> dict[str, float]:
    """How many trials of some works there are, and how long they take at least."""
    sizes = {one["work"]: one["size"] for one in records}
    naps = sizes.get("naps", FULL.naps)
    return {"naps": naps, "equal": sizes.get("equal", FULL.equal), "ideal": naps * task.NAP / 2}


def later(results: dict[str, Any], work: str) -> list[str]:
    """When a work was measured, if it was not with the others."""
    for one in results.get("added", []):
        if work in one["works"]:
            versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
            same = one["machine"] == results["machine"]
            machine = "" if same else f", on another machine: {one['machine']}"
            cores = int(one["machine"].split()[0])
            busy = BUSY.format(load=one["load"], cores=cores) if is_busy(one) else ""
            told = {**one, "versions": versions, "machine": machine, "busy": busy}
            return [ADDED.format(**told)]
    return []


def is_busy(measured: dict[str, Any]) -> bool:
    """Whether more processes wanted processors than there are, when it began."""
    return bool(measured.get("load", 0) > int(measured["machine"].split()[0]))


def grids(records: list[Record], limit: float) -> list[str]:
    """A table, or one for each sampler or cluster: these are no contest."""
    work = records[0]["work"]
    if work == "equal":
        return [equality(records, limit)]
    if work in ("search", "go-on"):
        apart = [one["label"] for one in records]
    elif work == "cluster":
        apart = [catalog.side(one["side"]).given["kind"] for one in records]
    else:
        return [grid(viewed(records), limit)]
    return [
        grid([one for one, name in zip(records, apart, strict=True) if name == each], limit)
        for each in dict.fromkeys(apart)
    ]


def equality(records: list[Record], limit: float) -> str:
    """Yes or no: a row for each side, a column for each kind of search."""
    labels = dict.fromkeys(one["label"] for one in records)
    sides: dict[str, dict[str, str]] = {}
    for one in records:
        name = catalog.side(one["side"]).title
        sides.setdefault(name, {})[one["label"]] = said(one, limit)
    lines = [line(name, [ones.get(label, "-") for label in labels]) for name, ones in sides.items()]
    return "\n".join([line("", labels), rule(len(labels)), *lines, ""])


def said(one: Record, limit: float) -> str:
    """Whether tables were equal in each run, and in how many runs."""
    runs = len(one["samples"])
    if (is_same := is_equal(one)) is None:
        return reason(one, limit)
    return f"{'**yes**' if is_same else 'no'} ({runs} run{'s' * (runs > 1)})"


def is_equal(one: Record) -> bool | None:
    """Whether tables were equal in each run; None if a run has not ended."""
    good = [sample for sample in one["samples"] if sample["fate"] == "done"]
    if not good or len(good) < len(one["samples"]):
        return None
    return all(sample["value"]["equal"] for sample in good)


def grid(records: list[Record], limit: float) -> str:
    """A table of numbers: a row for each way, a column for each size."""
    heads = columns(records)
    numbers = {
        name: {at: number(one, limit) for at, one in cells.items()} for name, cells in rows(records)
    }
    best = {
        at: min((ones[at].rank for name, ones in contest(numbers) if at in ones), default=0.0)
        for at in heads
    }
    lines = [
        line(name, [told(ones.get(at), best[at], name) for at in heads])
        for name, ones in numbers.items()
    ]
    return "\n".join([line("", heads.values()), rule(len(heads)), *lines, ""])


def contest(numbers: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, ones) for name, ones in numbers.items() if not name.startswith(PLAIN)]


def told(one: Number | None, best: float, name: str) -> str:
    if one is None:
        return "-"
    return one.text(best=one.rank == best and not name.startswith(PLAIN))


def line(name: str, cells: Any) -> str:
    name = f"*{name}*" if name.startswith(PLAIN) else name
    return f"| {' | '.join([name, *cells])} |"


def rule(count: int) -> str:
    return f"| --- |{' ---: |' * count}"


def kills(records: list[Record], limit: float) -> str:
    """What is kept, how it ends, and after how long."""
    most = max((max(kept(one), default=0) for one in records), default=0)
    lines = []
    for one in records:
        values = kept(one)
        told = span(values) if values else reason(one, limit)
        best = values and min(values) == most and fate(one) == "ends"
        bold = f"**{told}**" if best else told
        lines.append(line(title(one), [bold, fate(one), seconds(one)]))
    return "\n".join([line("", ["kept", "end", "after"]), rule(3), *lines, ""])


def kept(one: Record) -> list[int]:
    return [sample["value"] or 0 for sample in one["samples"]]


def span(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low} of {task.SETTINGS}" if low == high else f"{low} to {high} of {task.SETTINGS}"


def fate(one: Record) -> str:
    names = {"done": "ends", "over": "does not end", "died": "dies with it", "failed": "fails"}
    return ", ".join(sorted({names[sample["fate"]] for sample in one["samples"]}))


def seconds(one: Record) -> str:
    times = [sample["seconds"] for sample in one["samples"] if sample["fate"] != "over"]
    return amount(statistics.median(times), "s") if times else "-"


def ending(results: dict[str, Any]) -> str:
    """Versions, what is missing, and what was left running."""
    versions = [f"{name} {version}" for name, version in results["versions"].items()]
    lines = ["## Versions", "", ", ".join(versions) + ".", ""]
    for name, why in results["missing"].items():
        lines.append(f"- {name} is not installed: {why}")
    lines += ["", "## Left behind", ""]
    for name, left in results["left"].items():
        lines.append(f"- {name} left processes running after its own had ended: {', '.join(left)}.")
    lines.append(f"After the last run {results['after']}.")
    return "\n".join(lines) + "\n"
