"""The output that pages show, recorded anew by a run of them.

`python tests/docs/record.py docs/steps.md` (which is `make record PAGES=docs/steps.md`) runs the
page. Output that is no longer what the page shows is replaced; with `--all`, times and the like as
well. Without names all pages are recorded that can run here.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from recorded_output import is_same
from snippets import (
    CONSOLE,
    PAGES,
    Block,
    Page,
    SnippetError,
    commands,
    is_installed,
    read_page,
    run_page,
)


class Recorder:
    """What the blocks of a page printed, where the page shows output."""

    def __init__(self, *, everything: bool) -> None:
        self.everything = everything
        self.outputs: dict[int, list[str | None]] = {}
        self.changed: dict[int, Block] = {}

    def take(self, page: Page, block: Block, expected: str | None, output: str) -> None:
        """Keep an output, and note whether it is another one."""
        changed = expected is not None and (
            self.everything or not is_same(expected, output, block.varying)
        )
        if changed:
            self.changed[block.line] = block
        kept = self.outputs.setdefault(block.line, [])
        kept.append(output if changed else expected)

    def rewritten(self, text: str) -> str:
        """The text of the page with the outputs that changed."""
        for block in sorted(self.changed.values(), key=lambda block: -block.shown[0]):
            start, end = block.shown
            outputs = self.outputs[block.line]
            body = console(block.text, outputs) if block.language == CONSOLE else str(outputs[0])
            text = text[:start] + textwrap.indent(f"{body}\n", block.indent) + text[end:]
        return text


def console(text: str, outputs: list[str | None]) -> str:
    """A console block with other outputs, one a command."""
    told = zip(commands(text), outputs, strict=True)
    return "\n".join(
        line for (command, _), output in told for line in (f"$ {command}", *shown(output))
    )


def shown(output: str | None) -> Iterator[str]:
    if output is not None:
        yield output.strip("\n")


def record(path: Path, *, everything: bool = False) -> int:
    """Run a page and store what it printed; returns the number of blocks that changed.

    Raises:
        SnippetError: if a block fails. The page is left as it is.
    """
    recorder = Recorder(everything=everything)
    with tempfile.TemporaryDirectory() as folder:
        run_page(read_page(path), Path(folder), recorder.take)
    if recorder.changed:
        path.write_text(recorder.rewritten(path.read_text("utf-8")), "utf-8")
    return len(recorder.changed)


def main(words: list[str]) -> int:
    """Record the pages with these names; returns the exit status."""
    everything = "--all" in words
    named = [Path(word).resolve() for word in words if word != "--all"]
    status = 0
    for path in named or filter(is_installed, PAGES):
        try:
            changed = record(path, everything=everything)
        except SnippetError as error:
            print(f"{path.name} is left as it is: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{path.name}: {changed} block{'s' * (changed != 1)} changed")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
