"""`experiment board`: who may ask, what is told while runs go on, and that nothing is written."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.outcomes.batches import encode
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.runs.folder import RunFolder
from tests.boards import Board
from tests.cli.command import EXPERIMENT, Project
from tests.recording import done, failed, run
from tests.runs import environment
from tests.timing import wait_for, within

WAITS = """
import os, time
from superparams import Experiment, maximize, search

class Waits(Experiment):
    \"\"\"Waits for files.\"\"\"
    goal = maximize("y")
    a: int = search(range(3))

    def run(self):
        yield {"epoch": 1, "loss": 0.5}
        open(f"at-{self.a}", "w").close()
        while not os.path.exists(f"go-{self.a}"):
            time.sleep(0.005)
        with open(f"went-{self.a}", "w") as file:
            file.write(str(time.monotonic()))
        return {"y": self.a, "at": time.monotonic()}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project").write({"experiments/waits.py": WAITS})
    return made.experiments("RQ1")


@pytest.fixture
def board(project: Project) -> Iterator[Board]:
    assert project.run("RQ1", "-n", "1", "--no-progress").code == 0
    with Board(project.folder, "RQ1") as made:
        yield made


def start(project: Project, *words: str) -> Any:
    return psutil.Popen(
        [EXPERIMENT, "waits", "--no-progress", *words],
        cwd=project.folder,
        env=environment(),
        stdin=-3,
        stdout=-3,
        stderr=-3,
    )


def go(project: Project, *numbers: int) -> None:
    for n in numbers:
        (project.folder / f"go-{n}").touch()


# ---- who may ask


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 403),
        ("/e/0/", {}, 403),
        ("/e/0/events", {}, 403),
        ("/e/0/?token=", {}, 403),
        ("/e/0/?token=x", {}, 403),
        ("/e/0/?token=TOKEN&token=TOKEN", {}, 403),
        ("/e/0/?token=TOKENx", {}, 403),
        ("/e/0/?token=%C3%A4%00", {}, 403),
        ("/e/0/?token=TOKEN", {"Host": "example.org"}, 403),
        ("/e/0/?token=TOKEN", {"Host": "127.0.0.1"}, 403),
        ("/e/0/?token=TOKEN", {"Host": "127.0.0.1.example.org:{port}"}, 403),
        ("/e/0/?token=TOKEN", {"Host": "localhost:{port}"}, 200),
        ("/e/0/?token=TOKEN", {"Origin": "http://example.org"}, 403),
        ("/e/0/?token=TOKEN", {"Origin": "null"}, 403),
        ("/e/0/?token=TOKEN", {"Origin": "http://127.0.0.1:{port}"}, 200),
        ("/e/0/events?token=TOKEN", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/e/0/?token=TOKEN", {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
        ("/e/1/?token=TOKEN", {}, 404),
        ("/e/-1/?token=TOKEN", {}, 404),
        ("/e/99999999999999999999/?token=TOKEN", {}, 404),
        ("/e/0/results.parquet?token=TOKEN", {}, 404),
        ("/e/0/../../etc/passwd?token=TOKEN", {}, 404),
        ("/e/0/..%2f..%2fetc%2fpasswd?token=TOKEN", {}, 404),
        ("//etc/passwd?token=TOKEN", {}, 404),
        ("/e/0/code?token=TOKEN&run=../../..", {}, 404),
        ("/e/0/code?token=TOKEN&run=", {}, 404),
        ("/e/0/log?token=TOKEN&key=..", {}, 404),
        ("/e/0/events?token=TOKEN&since=-1", {}, 400),
        ("/?" + "&".join(f"x{n}=1" for n in range(100)) + "&token=TOKEN", {}, 403),
    ],
)
def test_only_what_is_named_is_served_to_who_may_ask(
    shared_board: Board, path: str, headers: dict[str, str], status: int
) -> None:
    port = shared_board.port
    answer = shared_board.get(path, **{k: v.format(port=port) for k, v in headers.items()})
    assert answer.status == status, answer.text
    assert ("def run" in answer.text) == (status == 200)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.fixture(scope="module")
def shared_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    made = Project(tmp_path_factory.mktemp("board") / "project").experiments("RQ1")
    assert made.run("RQ1", "-n", "1", "--no-progress").code == 0
    with Board(made.folder, "RQ1") as board:
        yield board


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT"])
def test_nothing_but_get_is_answered(shared_board: Board, method: str) -> None:
    assert shared_board.get("/e/0/?token=TOKEN", method).status == 501


def test_a_request_without_host_or_with_two_is_refused(shared_board: Board) -> None:
    port, token = shared_board.port, shared_board.token
    for hosts in ("", f"Host: 127.0.0.1:{port}\r\nHost: example.org\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as made:
            made.sendall(f"GET /e/0/?token={token} HTTP/1.1\r\n{hosts}\r\n".encode())
            assert b" 403 " in made.recv(1000).partition(b"\r\n")[0]


def test_a_page_may_connect_to_the_board_alone(shared_board: Board) -> None:
    answer = shared_board.get("/e/0/?token=TOKEN")
    sent = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in sent
    assert "connect-src 'self'" in sent
    assert "frame-ancestors 'none'" in sent
    assert "unsafe" not in sent
    assert "connect-src 'none'" not in answer.text.partition("</head>")[0]


def test_the_board_listens_on_this_machine_alone(shared_board: Board) -> None:
    process = psutil.Process(shared_board.process.pid)
    listening = [x.laddr for x in process.net_connections() if x.status == psutil.CONN_LISTEN]
    assert [x.ip for x in listening] == ["127.0.0.1"]


def test_the_address_leads_to_the_page(shared_board: Board) -> None:
    answer = shared_board.get("/?token=TOKEN")
    assert answer.status == 302
    assert answer.headers["Location"] == f"/e/0/?token={shared_board.token}"
    page = shared_board.page()
    assert page.about["live"] == {"token": shared_board.token, "version": 0, "others": []}
    assert page.table.column("y").to_pylist() == [1, 2]


def test_logs_and_code_are_text(shared_board: Board) -> None:
    page = shared_board.page()
    code = shared_board.get(f"/e/0/code?token=TOKEN&run={page.about['runs'][0]['id']}")
    assert code.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "def run(self):" in code.text
    log = shared_board.get(f"/e/0/log?token=TOKEN&key={page.rows[0]['key']}")
    assert (log.status, log.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")


# ---- what is told


def test_a_run_is_followed_from_its_first_outcome_to_its_end(project: Project) -> None:
    with Board(project.folder, "waits") as board:
        assert board.page().table.num_rows == 0
        page = board.follow()
        driver = start(project, "-n", "1")
        try:
            wait_for(lambda: page.about.get("running"))
            assert page.about["running"][0]["values"] == {"epoch": "1", "loss": "0.5"}
            assert page.about["runs"][-1]["state"] == "running"
            go(project, 0)
            wait_for(lambda: len(page.rows) == 1)
            (row,) = page.rows.values()
            assert (row["a"], row["y"], row["status"]) == (0, 0, "done")
            late = board.follow(f"since={page.events[-1].version}")
            go(project, 1, 2)
            wait_for(lambda: len(page.rows) == 3)
            wait_for(lambda: page.about["runs"][-1]["state"] == "finished")
        finally:
            driver.kill()
            driver.wait()
        assert page.about["counts"] == {"done": 3, "running": 0, "todo": 0, "total": 3}
        told = {x["key"] for e in page.events if e.name == "steps" for x in e.rows}
        assert told == set(page.rows)
        wait_for(lambda: len(late.rows) == 2)
        wait_for(lambda: page.about["importance"].get("y"))
        assert page.about["importance"]["y"][0]["field"] == "a"


SPEAKS = """
import os, time
from superparams import Experiment, search

class Speaks(Experiment):
    a: int = search(range(5))

    def run(self):
        for epoch in range(700):
            yield {"epoch": epoch, "loss": 1 / (self.a + epoch + 1)}
        open(f"at-{self.a}", "w").close()
        while not os.path.exists(f"more-{self.a}"):
            time.sleep(0.005)
        yield {"epoch": 700, "loss": 0.0}
        while not os.path.exists(f"go-{self.a}"):
            time.sleep(0.005)
        return {"y": self.a}
"""


def test_curves_and_number_of_running_settings_are_told_while_they_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write({"experiments/waits.py": SPEAKS})
    with Board(project.folder, "waits") as board:
        board.page()
        page = board.follow()
        driver = start(project, "-n", "2")
        try:
            wait_for(lambda: len(page.steps) == 2)
            wait_for(lambda: all(rows[-1]["epoch"] == 699 for rows in page.steps.values()))
            for rows in page.steps.values():
                assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
                assert 200 < len(rows) <= 301  # thinned out, the last one included
            wait_for(lambda: all(x.get("fields") for x in page.about["running"]))
            assert {x["fields"]["a"] for x in page.about["running"]} == {"0", "1"}
            assert page.about["counts"] == {"running": 2, "todo": 3, "total": 0}
            late = board.follow(f"since={page.events[-1].version}")
            wait_for(lambda: len(late.steps) == 2)  # what runs is told to each new page
            (project.folder / "more-0").touch()
            wait_for(lambda: any(x[-1]["loss"] == 0.0 for x in page.steps.values()))
            go(project, 0)
            wait_for(lambda: len(page.rows) == 1)
            (key,) = page.rows
            wait_for(lambda: len(page.steps[key]) == 701)  # all of them, once it has ended
            wait_for(lambda: page.about["counts"]["running"] == 2)
        finally:
            driver.kill()
            driver.wait()
        wait_for(lambda: page.about["counts"]["running"] == 0)


@pytest.mark.timed
def test_an_outcome_is_told_within_three_tenths_of_a_second(project: Project) -> None:
    with Board(project.folder, "waits") as board:
        board.page()
        page = board.follow()
        driver = start(project, "-n", "1")
        try:
            for n in range(3):
                wait_for(lambda: page.about.get("running"))
                with within(0.3):
                    go(project, n)
                    wait_for(lambda n=n: len(page.rows) == n + 1)
        finally:
            driver.kill()
            driver.wait()


def test_a_killed_driver_is_told_and_the_next_run_is_followed(project: Project) -> None:
    with Board(project.folder, "waits") as board:
        board.page()
        page = board.follow()
        driver = start(project, "-n", "1")
        wait_for(lambda: page.about.get("running"))
        go(project, 0)
        wait_for(lambda: len(page.rows) == 1)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_for(lambda: page.about["runs"][-1]["state"] == "crashed")
        assert page.about["counts"]["done"] == 1
        assert len(board.page().rows) == 1
        go(project, 1, 2)
        again = start(project, "-n", "1")
        again.wait()
        wait_for(lambda: len(page.rows) == 3)
        wait_for(lambda: [x["state"] for x in page.about["runs"]] == ["crashed", "finished"])


def test_a_page_that_was_away_is_told_what_it_missed(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    with Board(tmp_path, str(root)) as board:
        board.page()
        first = board.follow("since=0")
        run(root, [done(1, {"y": 1})])
        wait_for(lambda: len(first.rows) == 1)
        version = first.events[-1].version
        first.close()
        again = board.follow("since=0", Last_Event_ID=str(version))
        run(root, [done(2, {"y": 2}), done(0, {"y": 5})])
        wait_for(lambda: len(again.rows) == 2)
        assert sorted(row["y"] for row in again.rows.values()) == [2, 5]
        ahead = board.follow("since=1000")
        wait_for(lambda: ahead.events)
        assert ahead.events[0].name == "reset"


def test_rows_that_are_gone_make_pages_load_again(tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    kept = run(root, [done(1, {"y": 1})])
    with Board(tmp_path, str(root)) as board:
        assert board.page().table.num_rows == 2
        page = board.follow()
        shutil.rmtree(kept.path)
        wait_for(lambda: [x.name for x in page.events][-1:] == ["reset"])
        assert board.page().table.num_rows == 1


def test_more_rows_than_a_page_has_are_followed_by_new_samples(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    folder = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(folder) as ledgers, Board(tmp_path, str(root)) as board:
        ledgers.append(encode([done(n, {"y": n}) for n in range(99_990)]))
        board.page()
        page = board.follow()
        ledgers.append(encode([done(n, {"y": n}) for n in range(99_990, 120_000)]))
        wait_for(lambda: page.about.get("counts", {}).get("done") == 120_000)
        wait_for(lambda: page.events[-1].name == "table")
        ledgers.append(encode([failed(n) for n in range(120_000, 120_007)]))
        wait_for(lambda: page.about["counts"].get("failed") == 7)
        wait_for(lambda: page.events[-1].name == "table" and page.events[-2].about["counts"])
        rows = page.events[-1].rows
        assert len(rows) <= 100_010
        assert sum(row["represents"] for row in rows) == 120_007
        assert sum(row["status"] == "failed" for row in rows) == 7
        assert page.about["sample"]["of"] == 120_007
        assert "reset" not in {event.name for event in page.events}
        late = board.follow("since=0")  # the newest sample is enough
        wait_for(lambda: "table" in {event.name for event in late.events})
        assert "reset" not in {event.name for event in late.events}


def test_several_experiments_have_a_page_each(tmp_path: Path) -> None:
    for n, name in enumerate(("m.X", "m.<b>Y")):
        run(tmp_path / "results" / name, [done(n, {"y": n})])
    with Board(tmp_path) as board:
        index = board.get("/?token=TOKEN")
        assert index.text.count("<li>") == 2
        assert "<b>" not in index.text
        pages = [board.page(n) for n in range(2)]
        assert sorted(page.table.column("y").to_pylist() for page in pages) == [[0], [1]]
        (other,) = pages[0].about["live"]["others"]
        assert other["href"] == f"../1/?token={board.token}"


# ---- what stays as it is


def test_nothing_is_written(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    with Board(tmp_path, str(root)) as board:
        board.page()
        page = board.follow()
        run(root, [done(1, {"y": 1})])
        before = files(tmp_path)
        wait_for(lambda: page.rows)
        (key,) = page.rows
        assert board.get(f"/e/0/log?token=TOKEN&key={key}").status == 200
        assert board.page().table.num_rows == 2
    assert files(tmp_path) == before
    assert not (root / "results.parquet").exists()


def files(folder: Path) -> dict[str, tuple[int, int]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(x): (x.stat().st_mtime_ns, x.stat().st_size) for x in found}


@pytest.mark.timed
def test_ctrl_c_ends_the_board_at_once_also_while_pages_follow(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    board = Board(tmp_path, str(root))
    board.page()
    pages = [board.follow() for _ in range(3)]
    with within(1.0):
        code, out, err = board.end()
    assert (code, err) == (0, "")
    assert "The board has ended." in out
    assert all(page.is_ended for page in pages)


def test_a_program_gets_the_address_as_json(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    process = psutil.Popen(
        [EXPERIMENT, "board", str(root), "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=-1,
        stderr=-1,
        text=True,
    )
    told = ""
    while not told.rstrip().endswith("}"):
        told += process.stdout.readline()
    document = json.loads(told)
    assert document["experiments"] == ["m.X"]
    assert document["address"].startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "\nThe board has ended.\n")


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [done(0, {"y": 0})])
    project = Project(tmp_path / "project")
    with Board(tmp_path, str(root)) as board:
        words = ("board", str(root), "--port", str(board.port))
        refused = project.run(*words)
        assert refused.code == 2
        assert f"--port {board.port}: Address already in use; give another" in refused.err


def test_a_board_without_results_says_what_to_do(tmp_path: Path) -> None:
    refused = Project(tmp_path / "project").run("board")
    assert refused.code == 2
    assert "run an experiment first" in refused.err


@pytest.mark.thorough
def test_memory_is_held_over_ten_thousand_outcomes_with_three_pages(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    folder = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(folder) as ledgers, Board(tmp_path, str(root)) as board:
        board.page()
        pages = [board.follow() for _ in range(3)]
        process = psutil.Process(board.process.pid)
        sizes: list[int] = []
        for start in range(0, 10_000, 50):
            outcomes = [done(n, {"y": n / 7, "text": f"row {n}"}) for n in range(start, start + 50)]
            ledgers.append(encode(outcomes))
            if start % 500 == 450:
                wait_for(lambda n=start: all(len(page.rows) >= n + 50 for page in pages))
                sizes.append(process.memory_info().rss)
            time.sleep(0.01)
        assert sizes[-1] - sizes[1] < 60 << 20, [size >> 20 for size in sizes]
        assert all(page.about["counts"]["done"] == 10_000 for page in pages)
