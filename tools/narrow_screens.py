"""Prepares tables for narrow screens: a hook of mkdocs, see mkdocs.yml.

On a phone, a table of sentences has one block for each row, in which each cell has the head of its
column as a label. A table of numbers keeps its columns and scrolls inside. The style sheet
does both; this hook says which table is which, and writes the labels.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

TABLE: Final = re.compile(r"<table>.*?</table>", re.DOTALL)
HEAD: Final = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
EMPTY_HEAD: Final = re.compile(r"<th\b[^>]*></th>")
ROW: Final = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
CELL: Final = re.compile(r"<td\b([^>]*)>(.*?)</td>", re.DOTALL)
TAG: Final = re.compile(r"<[^>]+>")
LONG_ROW: Final = 70  # characters in a row of sentences
LONG_NAME: Final = 16  # characters in a first column that leaves too little room for a second one


def on_page_content(html: str, **_: Any) -> str:
    """Prepare all tables of a page that Markdown has made.

    Args:
        html: The page.

    Returns:
        The page, with tables that the style sheet can tell apart.
    """
    return TABLE.sub(lambda found: prepared(found[0]), html)


def prepared(table: str) -> str:
    """One table, with its kind and, if its rows are stacked, the labels of its cells."""
    heads = [text_of(head) for head in HEAD.findall(table)]
    table = EMPTY_HEAD.sub("<td></td>", table)
    rows = [[text_of(cell) for _, cell in CELL.findall(row)] for row in ROW.findall(body_of(table))]
    if not is_stacked([row for row in rows if row]):
        return table.replace("<table>", '<table data-narrow="scroll">', 1)
    body = body_of(table)
    labelled = table.removesuffix(body) + ROW.sub(lambda found: with_labels(found[0], heads), body)
    return labelled.replace("<table>", '<table data-narrow="stack">', 1)


def body_of(table: str) -> str:
    """A table without its head."""
    return table.partition("</thead>")[2] or table


def is_stacked(rows: list[list[str]]) -> bool:
    """Whether the rows of a table are sentences that do not fit side by side on a phone."""
    if not any(sum(map(len, row)) > LONG_ROW for row in rows):
        return False
    return len(rows[0]) > 2 or max(len(row[0]) for row in rows) > LONG_NAME


def with_labels(row: str, heads: list[str]) -> str:
    """A row whose cells have the head of their column as a label, if there are more than two."""
    labels = iter(["", *heads[1:]] if len(heads) > 2 else [])

    def with_label(found: re.Match[str]) -> str:
        label = html.escape(next(labels, ""), quote=True)
        return f'<td{found[1]} data-label="{label}">{found[2]}</td>'

    return CELL.sub(with_label, row)


def text_of(part: str) -> str:
    """What a reader sees of a piece of HTML."""
    return html.unescape(TAG.sub("", part)).strip()
