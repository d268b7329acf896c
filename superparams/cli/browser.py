"""Opens a browser at an address that nobody else may know."""

from __future__ import annotations

import atexit
import html
import os
import tempfile
import webbrowser
from contextlib import suppress
from pathlib import Path

__all__ = ["open_browser"]


def open_browser(url: str) -> bool:
    """Open a browser, and return whether there is one.

    All users of a machine can see the arguments of a program. So the browser is not given the
    address, but the path of a file that only this user can read and that redirects to the address.
    The file is removed when this process ends.
    """
    number, name = tempfile.mkstemp(prefix="superparams-", suffix=".html")
    atexit.register(_remove, name)
    target = html.escape(url, quote=True)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(
            '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0;url={target}"><a href="{target}">board</a>'
        )
    with suppress(webbrowser.Error):
        return webbrowser.open(Path(name).as_uri())
    return False


def _remove(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)
