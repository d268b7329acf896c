"""How results look: in whatever width there is, with what matters at both ends."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from superparams.views.result_tables import cell
from tests.runs import Terminal, environment, output, script


def wide(root: Path, n: int = 40, seconds: float = 0.1, **result: Any) -> Results:
    params = {f"param_{at}": at for at in range(n)}
    folder = RunFolder.create(root, {"code": "c1"})
    with Ledger(folder.ledger) as ledger:
        outcome = Outcome(0, "0" * 32, "done", params, result or {"loss": 0.5}, seconds=seconds)
        ledger.append(encode([outcome]))
    folder.finish()
    return Results.load(root)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_as_wide_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, head, row, told = repr(wide(tmp_path)).splitlines()
    assert columns - 20 < len(head) <= columns
    names = head.split()
    assert names[0] == "param_0"
    assert "loss" in names, "a result has room before status and seconds have"
    assert names.count("…") == row.split().count("…") == 1
    assert "0.5" in row.split()
    assert (
        told == f"… {43 - (len(names) - 1)} columns left out to fit the width; .columns names all"
    )


def test_what_fits_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = wide(tmp_path, 3)
    whole = "param_0  param_1  param_2  loss  status  seconds"
    monkeypatch.setenv("COLUMNS", str(len(whole)))
    assert repr(found).splitlines()[1] == whole
    assert len(repr(found).splitlines()) == 3
    monkeypatch.setenv("COLUMNS", str(len(whole) - 1))
    head, _, *note = repr(found).splitlines()[1:]
    assert head.split() == ["param_0", "param_1", "param_2", "loss", "status", "…"]
    assert (
        " ".join(map(str.strip, note)) == "… 1 column left out to fit the width; .columns names all"
    )


def test_a_result_is_shown_in_any_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = wide(tmp_path)
    monkeypatch.setenv("COLUMNS", "5")
    assert repr(found).splitlines()[1].split() == ["…", "loss"]


def test_what_a_program_captures_is_120_wide(tmp_path: Path) -> None:
    wide(tmp_path)
    env = {name: x for name, x in environment().items() if name != "COLUMNS"}
    text = f"from superparams import Results\nprint(Results.load({str(tmp_path)!r}))"
    head = output(tmp_path, text, env=env).splitlines()[1]
    assert 100 < len(head) <= 120


def test_what_a_terminal_shows_is_as_wide_as_it_is(tmp_path: Path) -> None:
    wide(tmp_path)
    text = f"""
import os
os.environ.pop("COLUMNS")
import fcntl, struct, sys, termios
fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
from superparams import Results
print(Results.load({str(tmp_path)!r}))
"""
    with Terminal(tmp_path, str(script(tmp_path, text))) as terminal:
        assert terminal.end() == 0
        head = terminal.read().splitlines()[1]
        assert 50 < len(head) <= 70


@pytest.mark.parametrize("width", [70, 100])
def test_rich_is_no_wider_than_its_console(tmp_path: Path, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(wide(tmp_path))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "loss" in text
    assert "param_0 " in text, "no name is folded"
    assert "columns left out" in text


def test_html_holds_all_columns(tmp_path: Path) -> None:
    text = wide(tmp_path)._repr_html_()
    assert all(f"<th>param_{at}</th>" in text for at in range(40)), "numbers are on the right"
    assert '<th style="text-align:left">key</th>' in text
    assert '<td style="text-align:left">00000000</td>' in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.000"), (0.12345678, "0.123"), (1.23456, "1.23"), (45.678, "45.7"), (3725.5, "3726")],
)
def test_seconds_are_rounded(seconds: float, shown: str) -> None:
    assert cell("seconds", seconds) == shown


def test_cells() -> None:
    assert cell("x", None) == ""
    assert cell("x", 0.123456789) == "0.123457"
    assert cell("x", "a\n b") == "a b"
    assert cell("x", "long " * 20) == "long long long long long long…"


def test_cells_are_safe_and_as_wide_as_they_look() -> None:
    assert cell("x", "\x1b[2J\u202egnp") == r"\x1b[2J\u202egnp"
    assert cell("x", "漢" * 20) == "漢" * 14 + "…"


def test_a_run_prints_no_row_that_is_too_wide(tmp_path: Path) -> None:
    text = """
from superparams import Experiment, search
class Wide(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {f"loss_{at}": at for at in range(50)}
print(Wide().run_all(progress=False))
"""
    done = subprocess.run(
        [sys.executable, str(script(tmp_path, text))],
        cwd=tmp_path,
        env=environment(COLUMNS="90"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= 90
