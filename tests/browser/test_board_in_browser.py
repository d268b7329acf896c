"""The board in a real browser: rows appear while a run goes on, and when its driver is killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from superparams.outcomes.batches import encode
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.runs.folder import RunFolder
from tests.boards import Board
from tests.browser.chromium import Browser
from tests.cli.command import Project
from tests.cli.test_verb_board import WAITS, go, start
from tests.recording import done
from tests.timing import wait_for, within


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project").write({"experiments/waits.py": WAITS})


def test_rows_appear_while_a_run_goes_on_and_after_its_driver_was_killed(
    browser: Browser, project: Project
) -> None:
    with Board(project.folder, "waits") as board:
        browser.open(board.url)
        wait_for(lambda: browser.find("#live[data-state=connected]"))
        assert browser.n_rows == 0
        driver = start(project, "-n", "1")
        wait_for(lambda: "loss" in browser.text("body"))
        wait_for(lambda: "1 of them still running" in browser.text("section#curves"))
        assert "1 running" in browser.text("header.top")
        wait_for(lambda: "a=0" in browser.text("section#running"))
        go(project, 0)
        wait_for(lambda: browser.n_rows == 1)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_for(lambda: "crashed" in browser.text("section#runs"))
        assert browser.n_rows == 1
        go(project, 1, 2)
        start(project, "-n", "1").wait()
        wait_for(lambda: browser.n_rows == 3)
        wait_for(lambda: "3 done" in browser.text("body"))
        assert browser.violations() == []
        own = f"http://127.0.0.1:{board.port}/"
        assert all(url.startswith(own) for url in browser.requests())
        assert browser.complaints() == []
        browser.driver.get("about:blank")


def test_a_board_of_very_many_rows_follows_and_keeps_its_filter(
    browser: Browser, tmp_path: Path
) -> None:
    root = tmp_path / "results" / "m.X"
    folder = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(folder) as ledgers, Board(tmp_path, str(root)) as board:
        ledgers.append(encode([done(n, {"y": n % 10}) for n in range(100_500)]))
        browser.open(board.url)
        assert browser.n_represented == 100_500
        browser.run("document.querySelector('#filter').focus()")
        browser.press(*"y=3")
        wait_for(lambda: browser.n_selected < browser.n_rows)
        ledgers.append(encode([done(n, {"y": n % 10}) for n in range(100_500, 101_500)]))
        wait_for(lambda: "of 101,500 rows" in browser.text(".bar [aria-live]"))
        assert browser.n_rows <= 100_010
        assert browser.n_selected < browser.n_rows / 9
        assert browser.run("return document.querySelector('#filter').value") == "y=3"
        assert browser.complaints() == []
        browser.driver.get("about:blank")


@pytest.mark.timed
def test_an_outcome_is_on_the_screen_after_three_tenths_of_a_second(
    browser: Browser, project: Project
) -> None:
    with Board(project.folder, "waits") as board:
        browser.open(board.url)
        driver = start(project, "-n", "1")
        try:
            for n in range(3):
                wait_for(lambda n=n: (project.folder / f"at-{n}").exists())
                with within(0.3):
                    go(project, n)
                    wait_for(lambda n=n: browser.n_rows == n + 1)
        finally:
            driver.kill()
            driver.wait()
            browser.driver.get("about:blank")
