"""Whether a snippet printed what its page shows, apart from what differs from run to run.

A page shows output as a run printed it. What differs from run to run is told by its shape: a time
where the page has a time, a run name where it has a run name. Everything else must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROJECT: Final = "/home/you/project"  # the folder of the page, as pages name it

RUN: Final = r"\d{8}T\d{12}Z-[0-9a-f]{6}"
DATE: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
NUMBER: Final = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
DURATION: Final = (
    r"(?:less than 1 ms|\d+(?:\.\d+)?(?:e[-+]?\d+)? s|\d+ (?:min|h|d) \d\d (?:s|min|h))"
)
SIZE: Final = r"(?:\d+ bytes|\d+(?:\.\d+)? [KMGT]iB)"
# What differs from run to run, wherever it stands; a group is what stays.
KINDS: Final = {
    "run": RUN,
    "date": DATE,
    "time": rf"\b(?:(?<=took )|(?<=take )|(?<=after )|(?<=\()){DURATION}(?![\w-])"
    rf'|(?<="seconds": ){NUMBER}',
    "size": rf"{SIZE}(?= in all\b)|(?<=used )\d+(?:\.\d+)?[MG]B(?= of memory)",
    "code": r"(?<=\bcode)( +)[0-9a-f]{8,32}\b",
    "checksum": r"(?<=crc32=)[0-9a-f]{8}",
    "process": r"(?<=\(process )\d+(?=\))",
    "host": rf"(?<=begun )({DATE} on )\S+",
    "version": r"(?<=^superparams )\d+(?:\.\w+)+$",
}
# What differs in the rows under one of these heads.
COLUMNS: Final = {
    "seconds": NUMBER,
    "took": DURATION,
    "started": DATE,
    "code": "[0-9a-f]{8,32}",
    "host": r"\S+",
}
# Lines that show the progress of a run: how many there are depends on the time that it takes.
PROGRESS: Final = re.compile(r"(?m)^[\w.]+: \d[\d,]*/\d[\d,]*(?:, .*)?(?:\n|\Z)")
CELL: Final = re.compile(r"\S+(?: \S+)*")


def published(output: str, folder: Path) -> str:
    """Output as a page shows it: in the folder that pages name, and without progress."""
    for path in dict.fromkeys([str(folder.resolve()), str(folder)]):
        output = output.replace(path, PROJECT).replace(path[1:], PROJECT[1:])
    return trimmed(PROGRESS.sub("", output))


def is_same(recorded: str, output: str, varying: frozenset[str] = frozenset()) -> bool:
    """Whether output is what a page recorded, apart from what differs from run to run.

    Args:
        recorded: What the page shows.
        output: What was printed, as it would be published.
        varying: Names of columns, or of numbers that stand beside a name, that differ as well.
    """
    recorded, output = trimmed(recorded), trimmed(output)
    return recorded == output or masked(recorded, varying) == masked(output, varying)


def masked(text: str, varying: frozenset[str] = frozenset()) -> str:
    """A text with a name in place of whatever differs from run to run.

    Columns are as wide as their longest cell. So spaces count as one where anything was replaced.
    """
    columns = {**dict.fromkeys(varying, NUMBER), **COLUMNS}
    shown = "\n".join(_masked_tables(text.splitlines(), columns))
    for name in sorted(varying):
        beside = rf"{NUMBER}(?= {re.escape(name)}\b)|(?<={re.escape(name)}[ =]){NUMBER}"
        shown = re.sub(beside, f"<{name}>", shown)
    for kind, pattern in reversed(KINDS.items()):  # a host is found by its date, which goes then
        kept = r"\1" if re.compile(pattern).groups else ""
        shown = re.sub(rf"(?m){pattern}", f"{kept}<{kind}>", shown)
    return shown if shown == text else re.sub(r"(?<=\S) +", " ", shown)


def _masked_tables(lines: list[str], columns: dict[str, str]) -> Iterator[str]:
    """The lines, with the cells replaced that stand under one of these heads."""
    heads: list[re.Match[str]] = []
    for line in lines:
        cells = list(CELL.finditer(line))
        found = [cell for cell in cells if cell[0] in columns]
        if found and len(cells) > 1:
            heads = found
        elif len(cells) < 2:
            heads = []
        for cell in reversed(cells):
            head = next(
                (h for h in heads if h.start() < cell.end() and cell.start() < h.end()), None
            )
            if head and re.fullmatch(columns[head[0]], cell[0]):
                line = f"{line[: cell.start()]}<{head[0]}>{line[cell.end() :]}"
        yield line


def trimmed(text: str) -> str:
    """A text without empty lines around it, and without spaces at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
