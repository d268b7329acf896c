"""The snippets of a page: what they are, and how they are run.

All Python blocks of a page form one script, which runs in a folder of its own as a user would run
it. Between two blocks the script halts, so that the console blocks of the page come in their turn.
"""

from __future__ import annotations

import importlib.util
import os
import re
import selectors
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recorded_output import is_same, published, trimmed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Pages that need what only `make test-torch` and `make test-cluster` install.
NEEDED = {"training.md": ("torch", "keras"), "dask.md": ("distributed",), "ray.md": ("ray",)}
PATIENCE = 120.0  # seconds for a block
PYTHON, CONSOLE, TEXT = "python", "console", "text"
# What would run, were it called by its name: a snippet must not get away untested.
MISNAMED = {
    **dict.fromkeys(["py", "python3", "pycon", "ipython"], PYTHON),
    **dict.fromkeys(["bash", "sh", "shell", "zsh", "shell-session", "terminal"], CONSOLE),
}
FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?P<fence>```+|~~~+)[ ]*(?P<info>[^\n`]*)\n"
    r"(?P<body>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.DOTALL | re.MULTILINE,
)
SKIP = re.compile(r"<!--\s*not executed:\s*(?P<reason>.*?)\s*-->\s*\Z", re.DOTALL)
# A console block whose programs come from an environment of other tools: `make test-others`.
ELSEWHERE = re.compile(r"<!--\s*executed with other tools\s*-->\s*\Z")
OTHERS = os.environ.get("SUPERPARAMS_OTHERS")  # the `bin` folder of that environment
VARIES = re.compile(r"<!--\s*varies:\s*(?P<names>[^>]*?)\s*-->\s*\Z")
TITLE = re.compile(r"\btitle=\"([^\"]+)\"")
FUTURE = "^from __future__ import "
EXIT = re.compile(r"#\s*exit(?: status)? (\d+)\s*$")
MARK = "\x1esnippet done\x1e"


class SnippetError(AssertionError):
    """A snippet that does not do what its page says."""


@dataclass
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int  # of its first line of text
    title: str | None = None
    skip: str | None = None  # why it is not executed
    output: str | None = None  # what the page says that a Python block prints
    shown: tuple[int, int] = (0, 0)  # the part of the page in which output stands
    indent: str = ""
    elsewhere: bool = False  # whether its programs come from the environment of other tools
    varying: frozenset[str] = frozenset()  # numbers in the output that differ from run to run


@dataclass
class Page:
    """A page and its blocks in order."""

    path: Path
    blocks: list[Block] = field(default_factory=list[Block])

    def where(self, block: Block) -> str:
        return f"{self.path.name}:{block.line}"


def read_page(path: Path) -> Page:
    """The blocks of a Markdown file that are executed or say why they are not."""
    text = path.read_text("utf-8")
    page = Page(path)
    last: Block | None = None
    end = 0
    for found in FENCE.finditer(text):
        between, start, end = text[end : found.start()], found.start("body"), found.end()
        info = found["info"].strip()
        block = Block(
            language=(info.split() or [""])[0].strip("{.}"),
            text=textwrap.dedent(found["body"]),
            line=text.count("\n", 0, start) + 1,
            title=title[1] if (title := TITLE.search(info)) else None,
            skip=skip["reason"] if (skip := SKIP.search(between)) else None,
            shown=found.span("body"),
            indent=found["indent"],
        )
        if ELSEWHERE.search(between):
            block.elsewhere = True
            block.skip = None if OTHERS else "`make test-others` runs it with the other tool"
        if varies := VARIES.search(between):
            block.varying = frozenset(re.split(r",\s*", varies["names"]))
            between = between[: varies.start()]
        if block.language == TEXT and last and last.language == PYTHON and not between.strip():
            last.output, last.varying, last.shown = block.text, block.varying, block.shown
        elif block.title or block.language in (PYTHON, CONSOLE, *MISNAMED):
            page.blocks.append(block)
        last = block
    return page


def is_installed(path: Path) -> bool:
    """Whether all is here that a page needs."""
    return all(importlib.util.find_spec(name) for name in NEEDED.get(path.name, ()))


def recorded_outputs(path: Path) -> Iterator[tuple[Block, str]]:
    """The outputs that a page shows, those of blocks that are not executed included."""
    for block in read_page(path).blocks:
        if block.language == CONSOLE:
            yield from ((block, output) for _, output in commands(block.text) if output)
        elif block.output:
            yield block, block.output


def not_executed() -> list[str]:
    """The snippets of all pages that are not run, each with the reason."""
    return [
        f"{path.relative_to(ROOT)}:{block.line}: {block.skip}"
        for path in PAGES
        for block in read_page(path).blocks
        if block.skip is not None
    ]


Check = Callable[["Page", Block, "str | None", str], None]


def run_page(page: Page, folder: Path, check: Check | None = None) -> None:
    """Run the blocks of a page, in order, in a folder.

    Args:
        page: The page.
        folder: An empty folder.
        check: Takes what the page says that a block or a command prints, and what it printed;
            by default it raises where these differ.

    Raises:
        SnippetError: at the first block that fails or prints something else.
    """
    for block in page.blocks:
        if block.language in MISNAMED and block.skip is None and not block.title:
            right = MISNAMED[block.language]
            raise SnippetError(
                f"{page.where(block)} is fenced as {block.language!r}: make it a {right!r} block, "
                "or put <!-- not executed: reason --> before it"
            )
    check = check or compare
    blocks = [block for block in page.blocks if block.skip is None]
    with Script(
        page, folder, [b for b in blocks if b.language == PYTHON and not b.title]
    ) as script:
        for block in blocks:
            if block.title:
                target = folder / block.title
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text, "utf-8")
            elif block.language == PYTHON:
                check(page, block, block.output, published(script.next_block(block), folder))
            else:
                run_console(page, block, folder, check)


class Script:
    """The Python blocks of a page as one script, which halts after each of them."""

    def __init__(self, page: Page, folder: Path, blocks: list[Block]) -> None:
        self.page = page
        self.folder = folder
        self.blocks = blocks
        self.process: subprocess.Popen[bytes] | None = None
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.errors.close()

    def next_block(self, block: Block) -> str:
        """Let the next block run; returns what it printed."""
        if self.process is None:
            self.process = self._start()
        else:
            self._go_on()
        output = self._read(block)
        if block is self.blocks[-1]:
            self._finish(block)
        return output

    def _start(self) -> subprocess.Popen[bytes]:
        path = self.folder / f"{re.sub(r'[^a-z0-9]+', '_', self.page.path.stem.lower())}.py"
        # Workers may import the script again: they must not halt.
        halt = (
            f"\nif __name__ == '__main__': print(end={MARK!r}, flush=True); "
            "__import__('sys').stdin.readline()\n"
        )
        future = [x for block in self.blocks for x in re.findall(rf"(?m){FUTURE}.*$", block.text)]
        texts = [re.sub(rf"(?m){FUTURE}.*$", "", block.text) for block in self.blocks]
        path.write_text("\n".join([*dict.fromkeys(future), halt.join([*texts, ""])]), "utf-8")
        return subprocess.Popen(
            [sys.executable, path.name],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )

    def _go_on(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def _read(self, block: Block) -> str:
        assert self.process is not None
        output = b""
        mark = MARK.encode()
        for part in read_until(self.process, time.monotonic() + PATIENCE):
            output += part
            if output.endswith(mark):
                return output[: -len(mark)].decode()
        how = "failed" if self.process.poll() is not None else f"runs for over {PATIENCE:g} s"
        raise SnippetError(f"{self.page.where(block)} {how}\n{output.decode()}\n{self._errors()}")

    def _finish(self, block: Block) -> None:
        """The script must also end well: with no error at exit, and at all."""
        assert self.process is not None
        try:
            output, _ = self.process.communicate(b"\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise SnippetError(f"{self.page.where(block)}: the script does not end") from None
        if self.process.returncode != 0:
            raise SnippetError(
                f"{self.page.where(block)}: the script ended with status "
                f"{self.process.returncode}\n{output.decode()}\n{self._errors()}"
            )

    def _errors(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")


def read_until(process: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    """What a process prints, as it comes, to its end or the deadline."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                process.wait(PATIENCE)
                return
            yield part


def run_console(page: Page, block: Block, folder: Path, check: Check) -> None:
    """Run each `$ command` of a block and check what it prints."""
    for command, expected in commands(block.text):
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment(OTHERS if block.elsewhere else None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        status = int(told[1]) if (told := EXIT.search(command)) else 0
        if done.returncode != status:
            raise SnippetError(
                f"{page.where(block)}: `{command}` ended with status {done.returncode}\n{output}"
            )
        check(page, block, expected, published(output, folder))


def commands(text: str) -> Iterator[tuple[str, str | None]]:
    """The commands of a console block, each with the output that stands under it, if any does."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        command = [lines.pop(0)]
        while command[-1].endswith("\\") and lines:
            command.append(lines.pop(0))
        expected = "\n".join(lines)
        yield "\n".join(command), expected if expected.strip() else None


def compare(page: Page, block: Block, expected: str | None, output: str) -> None:
    """Raise where a page shows output that is not what was printed."""
    if expected is not None and not is_same(expected, output, block.varying):
        raise SnippetError(
            f"{page.where(block)} prints\n{textwrap.indent(output, '    ')}\n"
            f"but the page says\n{textwrap.indent(trimmed(expected), '    ')}\n"
            "`make record` stores what is printed now"
        )


def environment(tools: str | None = None) -> dict[str, str]:
    """A plain terminal in which programs of a folder come first, by default of this environment."""
    tools = tools or str(Path(sys.executable).parent)
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))}
    return {
        **ours,
        "PATH": os.pathsep.join([tools, os.environ.get("PATH", "")]),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
