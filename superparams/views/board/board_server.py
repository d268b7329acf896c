"""Serves the board on this machine: pages, changes to the pages, logs and code.

A request is answered only if it has the token of this board, which nobody else knows, and if its
``Host`` is the address of this board. A page of another site has another ``Host``, even if the
domain name of that site was made to point to this machine. A request can change nothing.
"""

from __future__ import annotations

import hmac
import secrets
import socketserver
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qs, quote, urlsplit

from superparams.errors import SuperparamsError
from superparams.errors.safe_text import lines, markup
from superparams.store.runs.run_records import run_of_name
from superparams.store.runs.setting_logs import log_of
from superparams.views.board.result_feed import FollowedExperiment, ResultFeed
from superparams.views.page.page_document import filled, policy

__all__ = ["BoardServer"]

ADDRESS: Final = "127.0.0.1"
MOST_STREAMS: Final = 64  # pages that follow at once
LONGEST_LOG: Final = 2000  # lines
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
STREAM: Final = "text/event-stream; charset=utf-8"
PLAIN_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class RefusedRequest(Exception):
    """A request that is not answered; it has the status of the answer and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class SentAnswer(NamedTuple):
    """An answer that is sent in one piece."""

    kind: str
    text: str
    policy: str = PLAIN_POLICY


class BoardServer(socketserver.ThreadingMixIn, HTTPServer):
    """The server of a board.

    Attributes:
        token: What every request must have.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, experiments: Sequence[FollowedExperiment], port: int = 0) -> None:
        """Listen on this machine, for these experiments.

        Args:
            experiments: The experiments.
            port: The port; 0 for any that is free.

        Raises:
            OSError: When the port is in use.
        """
        self.feeds = list(map(ResultFeed, experiments))
        self.token = secrets.token_urlsafe(32)
        self.n_streams = 0
        self.counting = threading.Lock()
        super().__init__((ADDRESS, port), BoardRequest)

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address with the token, for a browser."""
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    def server_bind(self) -> None:
        """Bind, but do not look up the name of this machine, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.port

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: as a rule, a browser has closed a connection."""

    def end(self) -> None:
        """End all pages that follow, and close."""
        for feed in self.feeds:
            feed.end()
        self.server_close()

    def place_of(self, number: int) -> str:
        """The address of an experiment, relative to that of another."""
        return f"../{number}/?token={quote(self.token)}"


class BoardRequest(BaseHTTPRequestHandler):
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"
    server_version = "superparams"
    sys_version = ""
    timeout = 60.0

    @property
    def board(self) -> BoardServer:
        """The server that got the request."""
        return cast("BoardServer", self.server)

    def do_GET(self) -> None:
        """Answer a request."""
        try:
            self._checked()
            self._answered()
        except RefusedRequest as refused:
            self._send(SentAnswer(TEXT, f"{refused}\n"), refused.status)
        except SuperparamsError as error:
            self._send(SentAnswer(TEXT, f"{lines(error)}\n"), 404)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the line of a request has the token."""

    # ---- who may ask

    def _checked(self) -> None:
        port = self.board.port
        hosts = [f"{ADDRESS}:{port}", f"localhost:{port}"]
        if self.headers.get_all("Host") not in [[x] for x in hosts]:
            raise RefusedRequest(403, "this board answers to its own address only")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{x}" for x in hosts]:
            raise RefusedRequest(403, "this board answers to its own pages only")
        site, mode = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        if site in ("cross-site", "same-site") and mode != "navigate":
            raise RefusedRequest(403, "this board answers to its own pages only")
        if not hmac.compare_digest(self._word("token").encode(), self.board.token.encode()):
            raise RefusedRequest(
                403, "the token is missing or wrong: open the address that was printed"
            )

    def _word(self, name: str) -> str:
        """The value of a name in the address; empty unless the name is there exactly once."""
        try:
            words = parse_qs(urlsplit(self.path).query, max_num_fields=10).get(name, [])
        except ValueError:  # there are more
            return ""
        return words[0] if len(words) == 1 else ""

    # ---- answers

    def _answered(self) -> None:
        match urlsplit(self.path).path.split("/"):
            case ["", ""]:
                self._index()
            case ["", "e", number, *rest] if number.isdecimal() and len(number) < 6:
                self._of_experiment(int(number), rest)
            case _:
                raise RefusedRequest(404, "there is nothing of this name")

    def _index(self) -> None:
        if len(self.board.feeds) == 1:
            self._redirect(f"/e/0/?token={quote(self.board.token)}")
            return
        entries = "".join(
            f'<li><a href="/e/{n}/?token={quote(self.board.token)}">'
            f"{markup(feed.experiment.name)}</a></li>"
            for n, feed in enumerate(self.board.feeds)
        )
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>superparams</title>'
        body = f"<main><h1>Experiments</h1><ul>{entries}</ul></main>"
        self._send(SentAnswer(HTML, head + body))

    def _of_experiment(self, number: int, rest: Sequence[str]) -> None:
        if number >= len(self.board.feeds):
            raise RefusedRequest(404, "there is no such experiment")
        feed = self.board.feeds[number]
        answers: Mapping[str, Callable[[ResultFeed], SentAnswer]] = {
            "": self._page,
            "log": self._log,
            "code": self._code,
        }
        if list(rest) == ["events"]:
            self._stream(feed)
        elif len(rest) == 1 and rest[0] in answers:
            self._send(answers[rest[0]](feed))
        else:
            raise RefusedRequest(404, "there is nothing of this name")

    def _page(self, feed: ResultFeed) -> SentAnswer:
        others = [
            {"name": lines(x.experiment.name), "href": self.board.place_of(n)}
            for n, x in enumerate(self.board.feeds)
            if x is not feed
        ]
        content = feed.content({"token": self.board.token, "others": others})
        return SentAnswer(HTML, filled(content, may_connect=True), policy())

    def _log(self, feed: ResultFeed) -> SentAnswer:
        results = feed.results()
        log = log_of(results.root, results.row(self._word("key")))
        return SentAnswer(TEXT, "" if log is None else log.tail(LONGEST_LOG)[0])

    def _code(self, feed: ResultFeed) -> SentAnswer:
        run = run_of_name(feed.experiment.root, self._word("run"))
        return SentAnswer(
            TEXT, "\n\n".join(f"# {name}\n{text}" for name, text in run.texts.items())
        )

    # ---- sending

    def _send(self, answer: SentAnswer, status: int = 200) -> None:
        data = answer.text.encode("utf-8", "replace")
        self.send_response(status)
        self._headers(answer.kind, answer.policy)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _redirect(self, to: str) -> None:
        self.send_response(302)
        self._headers(TEXT, PLAIN_POLICY)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _headers(self, kind: str, content_policy: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", f"{content_policy}; frame-ancestors 'none'")
        for name, value in HEADERS.items():
            self.send_header(name, value)

    def _stream(self, feed: ResultFeed) -> None:
        since = self.headers.get("Last-Event-ID") or self._word("since")
        if since and not (since.isdecimal() and len(since) < 12):
            raise RefusedRequest(400, "since is a version, as in since=3")
        with self._counted():
            self.send_response(200)
            self._headers(STREAM, PLAIN_POLICY)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for events in feed.events(int(since or 0)):
                self.wfile.write(events)

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Count one more page that follows, and refuse it if there are too many."""
        server = self.board
        with server.counting:
            if server.n_streams >= MOST_STREAMS:
                raise RefusedRequest(
                    503, f"{MOST_STREAMS} pages follow this board already: close some"
                )
            server.n_streams += 1
        try:
            yield
        finally:
            with server.counting:
                server.n_streams -= 1
