"""The document of the page: the built `page.html`, filled with the content."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from superparams.errors import StoreError
from superparams.store.plain_files import is_plain
from superparams.store.runs.folder import write_durably
from superparams.store.runs.results_folder import full_path, short_path

__all__ = ["PageContent", "filled", "json_for_script", "policy", "write_page"]

TEMPLATE: Final = Path(__file__).with_name("page.html")
DATA: Final = '<script type="application/octet-stream;base64" id="{}"></script>'
SLOTS: Final = (
    '<script type="application/json" id="about">{}</script>',
    DATA.format("table"),
    DATA.format("steps"),
)
FIRST: Final = '<meta charset="utf-8">'
OURS: Final = '<meta name="generator" content="superparams">'
HEAD: Final = 4000  # bytes of a file in which `OURS` is looked for
_POLICY: Final = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"')
_CLOSED, _OPEN = "connect-src 'none'", "connect-src 'self'"
# Characters that would end a script or begin a comment; old browsers end lines at the last two.
_ESCAPES: Final = {ord(x): f"\\u{ord(x):04x}" for x in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class PageContent:
    """The content of the page.

    Attributes:
        about: Facts, in types of JSON.
        table: The rows, as the bytes of a parquet file.
        steps: The steps, as the bytes of a parquet file; empty without steps.
    """

    about: Mapping[str, Any]
    table: bytes
    steps: bytes


def filled(content: PageContent, *, may_connect: bool = False) -> str:
    """The document.

    Args:
        content: The content of the page.
        may_connect: Whether the page may ask the server that it comes from.
    """
    head, after_about, after_table, end = _parts(may_connect)
    about = SLOTS[0].replace("{}", json_for_script(content.about))
    table, steps = (
        slot.replace("></", f">{base64.b64encode(data).decode('ascii')}</")
        for slot, data in zip(SLOTS[1:], (content.table, content.steps), strict=True)
    )
    return "".join((head, about, after_about, table, after_table, steps, end))


@functools.cache
def _parts(may_connect: bool) -> list[str]:
    """The text of the template between the slots."""
    text = TEMPLATE.read_text("utf-8")
    parts: list[str] = []
    for slot in SLOTS:
        before, separator, text = text.partition(slot)
        if not separator or slot in text:
            raise StoreError(f"{TEMPLATE} is damaged: {slot} is not in it once; install again")
        parts.append(before)
    parts.append(text)
    if OURS not in parts[0]:
        parts[0] = parts[0].replace(FIRST, f"{FIRST}\n{OURS}", 1)
    return [x.replace(_CLOSED, _OPEN) for x in parts] if may_connect else parts


def policy() -> str:
    """The Content-Security-Policy of a page that may ask the server that it comes from."""
    match = _POLICY.search(_parts(True)[0])
    if match is None:
        raise StoreError(f"{TEMPLATE} is damaged: it has no Content-Security-Policy; install again")
    return match[1].replace("&#39;", "'")


def json_for_script(facts: object) -> str:
    """Facts as JSON that is safe in a script element."""
    return json.dumps(facts, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def write_page(path: Path | str, document: str, *, overwrite: bool = False) -> Path:
    """Write a document to a file, and return the path of the file.

    A link stays, and the file that it names is written.

    Args:
        path: The file.
        document: The document.
        overwrite: Whether a file that is not a page of superparams may be replaced.

    Raises:
        StoreError: When such a file may not be replaced, or the file cannot be written.
    """
    file = full_path(path)
    if file.is_dir():
        raise StoreError(f"{short_path(file)} is a folder: give the path of a file, as in x.html")
    if file.exists() and not is_plain(file):  # renaming over a device would remove it
        raise StoreError(
            f"{short_path(file)} is not a regular file: give the path of a file, as in x.html"
        )
    if not overwrite and file.exists() and not _is_ours(file):
        raise StoreError(
            f"{short_path(file)} exists, and is not a page of superparams: give another path, or "
            "allow it to be replaced (overwrite=True, or --force on the command line)"
        )
    target = Path(os.path.realpath(file))
    if not target.parent.is_dir():
        raise StoreError(f"{short_path(file)}: there is no folder {short_path(target.parent)}")
    write_durably(target, document.encode())
    return file


def _is_ours(file: Path) -> bool:
    with open(file, "rb") as opened:
        return OURS.encode() in opened.read(HEAD)
