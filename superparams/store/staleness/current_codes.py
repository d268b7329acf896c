"""Which of the recorded codes are current.

The code of a setting depends on the alternatives that the setting holds. So a recorded code is
current if settings with the same alternatives have this code now, or if it was accepted for the
code that they have now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from superparams.identity.code.fingerprint import Code
from superparams.store.runs.folder import TABLE, run_folders
from superparams.store.runs.recorded_codes import CODES, held_by_code
from superparams.store.staleness.acceptances import Accepted, accepted_among, decisions

__all__ = ["CurrentCodes", "recorded_alternatives"]


@dataclass(frozen=True)
class CurrentCodes:
    """The present codes of settings, and the recorded codes that count as current.

    Attributes:
        root: The folder of the experiment.
        code: The code.
    """

    root: Path
    code: Code

    @cached_property
    def held(self) -> Mapping[str, tuple[str, ...]]:
        """The alternatives that settings of each recorded code hold; none if all have one code."""
        return recorded_alternatives(self.root) if self.code.alternatives else {}

    @cached_property
    def _codes_now(self) -> Mapping[str, str]:
        return {recorded: self.code.digest_of(names) for recorded, names in self.held.items()}

    def now(self, recorded: str) -> str:
        """The present code of settings that were recorded with this code."""
        return self._codes_now.get(recorded, self.code.digest)

    @cached_property
    def own(self) -> list[str]:
        """The present codes of settings: first the code of the class.

        The codes of settings with other alternatives are missing if no such setting is recorded.
        """
        return list(dict.fromkeys([self.code.digest, *self._codes_now.values()]))

    @cached_property
    def accepted(self) -> list[Accepted]:
        """The decisions that make other code valid for these."""
        return accepted_among(decisions(self.root), self.own)

    @cached_property
    def codes(self) -> list[str]:
        """The codes that are current: those of `own`, then the accepted ones."""
        every = decisions(self.root)
        codes = [*self.own, *(x.old for x in accepted_among(every, [self.code.digest]))]
        for recorded, now in self._codes_now.items():
            codes += [x.old for x in accepted_among(every, [now]) if x.old == recorded]
        return list(dict.fromkeys(codes))


def recorded_alternatives(root: Path) -> dict[str, tuple[str, ...]]:
    """The alternatives that settings of each code hold, as the table and the runs say."""
    from superparams.store.table.table_file import open_table  # pyarrow comes with it

    held: dict[str, tuple[str, ...]] = {}
    with contextlib.suppress(OSError):  # of a damaged table
        table = open_table(root / TABLE, verify=False)
        if table is not None:
            held.update(held_by_code({CODES: table.held}))
            table.close()
    for run in run_folders(root):
        held.update(held_by_code(run.manifest()))
    return held
