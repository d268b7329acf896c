"""An experiment whose fields have every name that superparams leaves to its users.

The tests write the text of this module into a project of their own. `NAMES` is compared with
what the classes of superparams define.
"""

NAMES = """
# names of Params and Experiment
as_dict as_row folder from_cli grid index inline_repr items key latin_hypercube n_proc n_settings
one_at_a_time rank results sample seed sobol
checkpoint keep_checkpoints load log save
seed_globals to_json values
# columns of outcomes
attempt code error log_end log_start n_steps peak_memory row started status stopped_by seconds
traceback stale
# what libraries ask of arrays, frames and groups
args columns copy dtype equals fields func given iloc item name names ndim owner points rvs
payload_parts self shape shuffle state_dict tolist to_arrow
# private names of superparams
_at _key _layout _of _place _repr_html_ _reach _seed
"""
FREE = [name for line in NAMES.splitlines() if line[:1] != "#" for name in line.split()]


def body(skipped: str = "") -> str:
    """The lines of a class body that declare a field of each name."""
    lines: list[str] = []
    for number, name in enumerate(FREE):
        if name not in skipped.split():
            lines.append(
                f"    {name}: object = {['name', number, 1.5, None, (1, 2)][number % 5]!r}"
            )
    return "\n".join(lines)


MODULE = f"""
from __future__ import annotations

from typing import Any

from superparams import Experiment, Params, search, value


class Group(Params):
    rank: int = search([1, 2])
{body("rank")}
    run: str = "a group has no run"
    report: int = 3


class Other(Params):
    rank: int = 5
{body("rank index")}
    index: str = value(derive=lambda s: f"index of {{s.rank}}")


class Mixin:
    n_settings: int = search([3, 30], zip="mixed")
    items: list[int] = search([[1], [2]], zip="mixed")


class Every(Mixin, Experiment):
    rank: int = search([4, 8])
    key: str = search({{"small": 1, "large": 2}})
    status: str = value("mine", key="status of mine")
    log: bool = False
    values: dict[str, int] = value(factory=lambda: {{"a": 1}})
    seconds: str = value(derive=lambda s: f"seconds of {{s.rank}}")
    group: Group = Group()
    index: Group | Other = search([Group(rank=7), Other()])
    token: str = value(secret="EVERY_TOKEN")
{body("rank key status log values seconds index n_settings items")}

    def setup(self):
        self.started_by = self.place.rank

    def valid(self):
        return self.group.rank < 2 or self.rank == 4

    def run(self):
        place = self.place
        (place.folder / "note").write_text(str(self.rank))
        print("rank", self.rank, "of worker", place.rank)
        return {{
            "rank": self.rank,
            "worker": [place.rank, place.n_proc, self.started_by],
            "place_key": place.key,
            "place_seed": place.seed,
            "place_folder": place.folder.name,
            "inner": self.index.rank,
            "named": place.as_row()["key"],
        }}

    def report(self, results):
        return f"{{len(results)}} rows"
"""
SIZE = 2 * 2 * 2 * 2 * 2 - 8  # rank, key, group.rank, index, n_settings; valid leaves out 8
