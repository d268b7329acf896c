"""The built site on a local address, as a reader gets it."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

SITE: Final = Path(__file__).resolve().parents[2] / "site"


def pages_of(site: Path) -> list[str]:
    """The names of the pages of a built site; the first page is ``index``."""
    folders = (path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    return sorted("index" if folder == "." else folder for folder in folders)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Leave out the line for each request."""


class Site:
    """A server of one folder on this machine, for as long as it is entered."""

    def __init__(self, folder: Path = SITE) -> None:
        handler = partial(QuietHandler, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Site:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self) -> str:
        """What all addresses of this site begin with."""
        return f"http://127.0.0.1:{self.server.server_port}/"

    def url_of(self, page: str) -> str:
        """The address of a page, by the name of its file in docs/ without .md."""
        return self.address + ("" if page == "index" else f"{page}/")
