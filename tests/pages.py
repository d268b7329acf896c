"""Reads a page of results again: what Python put into the document."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet


class _Scripts(HTMLParser):
    """The text of the script elements that have an id, as a browser sees it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: dict[str, str] = {}
        self.tags: list[str] = []
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        name = dict(attrs).get("id")
        self._open = name if tag == "script" else None
        if self._open:
            assert self._open not in self.texts
            self.texts[self._open] = ""

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open] += data


class Page:
    """A document and what it holds."""

    def __init__(self, document: str) -> None:
        scripts = _Scripts()
        scripts.feed(document)
        self.document = document
        self.tags = scripts.tags
        self.about: dict[str, Any] = json.loads(scripts.texts["about"])
        self.table = _table(scripts.texts["table"])
        self.steps = _table(scripts.texts["steps"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.table.to_pylist()


def _table(text: str) -> pa.Table:
    return parquet.read_table(io.BytesIO(base64.b64decode(text))) if text else pa.table({})
