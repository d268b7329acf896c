"""Wraps messages and commands in blocks of output: a hook of mkdocs, see mkdocs.yml.

A message of 180 characters would have to be scrolled sideways to be read, on a phone even one of
60. Lines of a table keep their columns, and code keeps its lines. The style sheet wraps; this hook
says which lines are messages. What a reader copies stays one line.
"""

from __future__ import annotations

import re
from typing import Any, Final

BLOCK: Final = re.compile(r"(<pre><span></span><code>)(.*?)(</code></pre>)", re.DOTALL)
# What a lexer makes of a console: a prompt begins the line of a command, the rest is output.
PROMPT: Final = '<span class="gp">'
OUTPUT: Final = '<span class="go">'
TAG: Final = re.compile(r"<[^>]+>")
COLUMNS: Final = re.compile(r"\S {2,}\S")
LONG: Final = 40  # characters that a phone shows


def on_page_content(html: str, **_: Any) -> str:
    """Mark the messages in all blocks of a page that Markdown has made.

    Args:
        html: The page.

    Returns:
        The page, with messages that the style sheet can wrap.
    """
    return BLOCK.sub(lambda found: found[1] + with_messages(found[2]) + found[3], html)


def with_messages(block: str) -> str:
    """A block of output or of a console, with marked messages; another block as it is."""
    is_console = block.startswith((PROMPT, OUTPUT))
    if not is_console and "<span" in block:
        return block
    lines = block.split("\n")
    return "\n".join(f'<span class="message">{x}</span>' if is_message(x) else x for x in lines)


def is_message(line: str) -> bool:
    """Whether a line is longer than a phone is wide, and no line of a table of output."""
    text = TAG.sub("", line)
    is_whole = line.count("<span") == line.count("</span>")
    has_columns = not line.startswith(PROMPT) and COLUMNS.search(text)
    return is_whole and len(text) > LONG and not has_columns
