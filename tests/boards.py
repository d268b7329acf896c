"""A board at work: `experiment board` as a process, its answers and what it tells pages."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as parquet

from tests.cli.command import EXPERIMENT
from tests.pages import Page
from tests.runs import environment
from tests.timing import PATIENCE, wait_for


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()


class Event(NamedTuple):
    at: float  # by the monotonic clock
    version: int
    name: str
    data: str

    @property
    def about(self) -> dict[str, Any]:
        return json.loads(self.data) if self.name == "about" else {}

    @property
    def rows(self) -> list[dict[str, Any]]:
        if self.name not in ("rows", "steps", "table"):
            return []
        return parquet.read_table(io.BytesIO(base64.b64decode(self.data))).to_pylist()


class Follower:
    """A page that follows: the events that it was told."""

    def __init__(self, board: Board, words: str, number: int, headers: dict[str, str]) -> None:
        self.events: list[Event] = []
        self.is_ended = False
        self._connection = http.client.HTTPConnection("127.0.0.1", board.port, timeout=PATIENCE)
        path = f"/e/{number}/events?token={board.token}&{words}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", path, headers=named)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        known = {"id": "0", "event": "", "data": ""}
        try:
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                known[name] = value
                if not name and known["event"]:
                    told = (int(known["id"]), known["event"], known["data"])
                    self.events.append(Event(time.monotonic(), *told))
                    known["event"] = ""
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.is_ended = True

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The newest row of each key."""
        told = [row for event in self.events if event.name == "rows" for row in event.rows]
        return {row["key"]: row for row in told}

    @property
    def steps(self) -> dict[str, list[dict[str, Any]]]:
        """The newest steps of each key."""
        found: dict[str, list[dict[str, Any]]] = {}
        for event in self.events:
            if event.name == "steps":
                told = event.rows
                found.update({row["key"]: [] for row in told})
                for row in told:
                    found[row["key"]].append(row)
        return found

    @property
    def about(self) -> dict[str, Any]:
        """The newest facts."""
        return next((x.about for x in self.events[::-1] if x.name == "about"), {})

    def close(self) -> None:
        with suppress(OSError):  # the board has closed it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.answer.close()
        self._connection.close()


class Board:
    """The process of a board."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [EXPERIMENT, "board", *words],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        said = next((x.strip() for x in lines if x.strip().startswith("http")), "")
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{40,})", said)
        assert found, self.process.communicate(timeout=PATIENCE)
        self.url, self.port, self.token = said, int(found[1]), found[2]
        self.followers: list[Follower] = []

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """What a request is answered with; `TOKEN` in the path is the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path.replace("TOKEN", self.token), headers=named)
            made = connection.getresponse()
            return Answer(made.status, made.headers, made.read())
        finally:
            connection.close()

    def page(self, number: int = 0) -> Page:
        answer = self.get(f"/e/{number}/?token=TOKEN")
        assert answer.status == 200, answer.text
        return Page(answer.text)

    def follow(self, words: str = "since=0", number: int = 0, **headers: str) -> Follower:
        self.followers.append(Follower(self, words, number, headers))
        return self.followers[-1]

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C; the exit code, and what was printed since the address."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        for one in self.followers:
            wait_for(lambda one=one: one.is_ended)
            one.close()
        return self.process.returncode, out, err

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
