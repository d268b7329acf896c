"""`experiment results`: the table, in any order, any part of it and any format."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from superparams.outcomes.batches import encode
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.runs.folder import RunFolder
from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.six_settings import edit, fits, key, record, root
from tests.recording import done
from tests.runs import Terminal
from tests.timing import PATIENCE, wait_for


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of six settings, to be looked at only."""
    return fits(tmp_path_factory.mktemp("results") / "project")


def table(project: Project, *words: str) -> list[list[str]]:
    """The lines of the table behind the heading, each as its words."""
    ended = project.run("results", "RQ1", *words)
    assert (ended.code, ended.err) == (0, ""), ended.err
    return [line.split() for line in ended.out.splitlines()[1:]]


def accuracies(project: Project, *words: str) -> list[str]:
    text = project.run("results", "RQ1", "--format", "csv", *words).out
    return [row["accuracy"] for row in csv.DictReader(io.StringIO(text))]


def test_the_table(ran: Project) -> None:
    ended = ran.run("results", "RQ1", inside="experiments")
    head, names, *rows = ended.out.splitlines()
    assert head == f"RQ1.Fit: 6 settings: 5 done, 1 failed · {root(ran) / 'results.parquet'}"
    expected = "key kernel C accuracy loss.train loss.test status error seconds"
    assert names.split() == expected.split()
    first = rows[0].split()
    assert first[:-1] == [key(ran, "linear", 0.1)[:8], "linear", "0.1", "0.901", "1", "2", "done"]
    assert "ValueError: it does not conve…" in rows[2]
    assert len({len(row) for row in rows}) == 1  # numbers end on the right


class TestOrder:
    def test_by_columns(self, ran: Project) -> None:
        rows = table(ran, "--sort", "-accuracy,kernel", "--columns", "accuracy,kernel")[1:]
        expected = [("1", "rbf"), *(("0.91", k) for k in ("linear", "rbf"))]
        assert [tuple(row) for row in rows[:3]] == expected
        assert rows[-1] == ["linear"]  # it has no accuracy, and so comes last

    def test_the_first_rows_of_it(self, ran: Project) -> None:
        assert accuracies(ran, "--sort", "-accuracy", "--limit", "2") == ["1.0", "0.91"]
        assert len(accuracies(ran, "--limit", "0")) == 6
        ended = ran.run("results", "RQ1", "--limit", "2")
        assert "… 4 more rows; --limit 0 shows all" in ended.out


class TestRows:
    def test_that_meet_conditions(self, ran: Project) -> None:
        ended = ran.run("results", "RQ1", "--where", "kernel=rbf", "--where", "C>=1")
        assert "2 of 6 rows" in ended.out
        assert len(ended.out.splitlines()) == 5
        ended = ran.run("results", "RQ1", "--where", "kernel=poly")
        assert (ended.code, ended.out.splitlines()[1:]) == (0, ["0 of 6 rows"])

    def test_that_failed(self, ran: Project) -> None:
        (row,) = table(ran, "--failed", "--columns", "kernel,C,status")[2:]
        assert row == ["linear", "10", "failed"]

    def test_that_other_code_made(self, tmp_path: Path) -> None:
        project = fits(tmp_path / "project")
        assert accuracies(project, "--stale") == []
        edit(project, "0.9 +", "0.8 +")
        assert len(accuracies(project, "--stale")) == 6
        assert project.run("rerun", "RQ1", key(project, "rbf", 1.0)).code == 0
        assert len(accuracies(project, "--stale")) == 5
        assert "0.81" in accuracies(project)
        record(project)
        assert accuracies(project, "--stale") == []


class TestColumns:
    def test_by_name_group_and_pattern(self, ran: Project) -> None:
        names = ["C", "loss.train", "loss.test", "log_start", "log_end"]
        assert table(ran, "--columns", "C,loss,log_*")[0] == names

    def test_that_are_none(self, ran: Project) -> None:
        for words in (["--columns", "acuracy"], ["--sort", "-acuracy"], ["--where", "acuracy>1"]):
            ended = ran.run("results", "RQ1", *words)
            assert (ended.code, ended.out) == (2, "")
            assert "did you mean 'accuracy'?" in ended.err


class TestFormats:
    def test_csv(self, ran: Project) -> None:
        rows = list(csv.DictReader(io.StringIO(ran.run("results", "RQ1", "--format", "csv").out)))
        assert len(rows) == 6
        assert (rows[0]["kernel"], rows[0]["C"], rows[0]["loss.test"]) == ("linear", "0.1", "2.0")
        assert rows[2]["traceback"].count("\n") > 3
        assert rows[2]["accuracy"] == ""

    def test_json_rows_and_the_document(self, ran: Project) -> None:
        words = ["--columns", "C,error", "--limit", "1"]
        rows = ran.run("results", "RQ1", "--format", "json", *words).document
        assert rows == [{"C": 0.1, "error": None}]
        (told,) = ran.run("results", "RQ1", "--json", *words).document
        assert told["experiment"] == "RQ1.Fit"
        assert told["table"] == str(root(ran) / "results.parquet")
        assert told["rows"] == rows
        every = ran.run("results", "RQ1", "--format", "json").document
        assert len(every) == 6
        assert every[0]["started"].endswith("+00:00")

    def test_parquet_to_a_file_and_a_pipe(self, ran: Project, tmp_path: Path) -> None:
        file = tmp_path / "best.parquet"
        words = ["--where", "kernel=rbf", "--sort", "-accuracy"]
        assert ran.run("results", "RQ1", "-o", str(file), *words).code == 0
        frame = pl.read_parquet(file)
        assert frame["accuracy"].to_list() == [1.0, 0.91, 0.901]
        command = [EXPERIMENT, "results", "RQ1", "--format", "parquet", *words]
        piped = subprocess.run(command, cwd=ran.folder, env=environment(), capture_output=True)
        assert pl.read_parquet(io.BytesIO(piped.stdout)).equals(frame)

    def test_markdown(self, ran: Project) -> None:
        words = ["--columns", "kernel,C", "--limit", "1", "--format", "markdown"]
        assert ran.run("results", "RQ1", *words).out.splitlines() == [
            "| kernel | C |",
            "| --- | ---: |",
            "| linear | 0.1 |",
        ]

    def test_a_file_by_its_ending(self, ran: Project, tmp_path: Path) -> None:
        for ending, begin in ((".csv", "kernel,"), (".json", "["), (".md", "| kernel")):
            file = tmp_path / f"x{ending}"
            ended = ran.run("results", "RQ1", "-o", str(file))
            assert (ended.code, ended.out, ended.err) == (0, "", "")
            assert file.read_text().startswith(begin)
        ended = ran.run("results", "RQ1", "-o", str(tmp_path / "x.txt"))
        assert ended.code == 2
        assert "end its name in .csv" in ended.err
        ended = ran.run("results", "RQ1", "-o", "page.html")
        assert ended.code == 2
        assert "`experiment report RQ1 -o " in ended.err
        ended = ran.run("results", "RQ1", "-o", str(tmp_path / "none" / "x.csv"))
        assert ended.code == 2
        assert "cannot write" in ended.err
        assert ran.run("results", "RQ1", "--format", "xml").code == 2


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the results of 40,000 settings."""
    project = Project(tmp_path_factory.mktemp("many") / "project")
    root = project.folder / "results" / "m.X"
    folder = RunFolder.create(root, {"code": "c1"})
    with RunLedgers(folder) as ledgers:
        ledgers.append(encode([done(n, {"y": n / 7, "t": f"row {n}"}) for n in range(40_000)]))
    folder.finish()
    assert project.run("results", str(root), "--limit", "1").code == 0
    return project


def end_while_it_writes(project: Project, file: Path, how: signal.Signals) -> None:
    """Write a table over a file that holds `old`, and end the command before it is done."""
    for _ in range(20):
        file.write_text("old")
        command = project.begin("results", "results/m.X", "-o", str(file))
        wait_for(lambda c=command: c.poll() is not None or is_written_beside(file))
        command.send_signal(how)
        command.communicate()
        if command.returncode != 0:  # it was done if this process stood still meanwhile
            break
    assert command.returncode in (-9, 130, -2)


def is_written_beside(file: Path) -> bool:
    """Whether there is another file, in which something stands."""
    with suppress(FileNotFoundError):  # it has taken the place of the first one
        return any(x.stat().st_size for x in file.parent.iterdir() if x != file)
    return False


class TestFilesThatExist:
    @pytest.mark.parametrize("ending", [".csv", ".json", ".md", ".parquet"])
    def test_stay_whole_when_the_disk_is_full(
        self, many: Project, tmp_path: Path, ending: str
    ) -> None:
        file = tmp_path / f"x{ending}"
        file.write_text("old")
        limited = f'ulimit -f 100; exec {EXPERIMENT} results results/m.X -o "{file}"'  # 100 KB
        ended = many.start("bash", "-c", limited)
        assert ended.code == 2, ended.err
        assert f"cannot write {file}" in ended.err
        assert "File too large" in ended.err
        assert {x.name: x.read_text() for x in tmp_path.iterdir()} == {file.name: "old"}

    def test_stay_whole_when_the_command_is_killed(self, many: Project, tmp_path: Path) -> None:
        file = tmp_path / "x.json"
        end_while_it_writes(many, file, signal.SIGKILL)
        assert file.read_text() == "old"

    def test_stay_whole_at_ctrl_c_and_nothing_is_left_beside_them(
        self, many: Project, tmp_path: Path
    ) -> None:
        file = tmp_path / "x.json"
        end_while_it_writes(many, file, signal.SIGINT)
        assert {x.name: x.read_text() for x in tmp_path.iterdir()} == {file.name: "old"}

    def test_keep_their_permissions_and_the_link_that_names_them(
        self, ran: Project, tmp_path: Path
    ) -> None:
        file, link = tmp_path / "x.csv", tmp_path / "link.csv"
        file.write_text("old")
        file.chmod(0o640)
        link.symlink_to(file)
        assert ran.run("results", "RQ1", "-o", str(link)).code == 0
        assert link.is_symlink()
        assert file.read_text().startswith("kernel,")
        assert file.stat().st_mode & 0o777 == 0o640

    def test_that_are_pipes_are_written_as_such(self, ran: Project, tmp_path: Path) -> None:
        pipe = tmp_path / "x.csv"
        os.mkfifo(pipe)
        command = ran.begin("results", "RQ1", "-o", str(pipe))
        assert pipe.read_text().startswith("kernel,")
        command.communicate()
        assert command.returncode == 0
        assert pipe.is_fifo()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two experiments in a folder, of which one has run."""
    project = Project(tmp_path_factory.mktemp("two") / "project")
    project.experiments("index/A", "index/B")
    assert project.run("run", "index.A").code == 0
    return project


class TestSeveral:
    def test_each_has_a_heading(self, two: Project) -> None:
        ended = two.run("results", "index")
        assert ended.code == 0
        assert "index.A.A: 2 settings: 2 done" in ended.out
        assert "index.B.B: not run yet" in ended.out
        first, second = two.run("results", "index", "--json").document
        assert (len(first["rows"]), second["rows"], second["table"]) == (2, [], None)

    def test_a_format_for_machines_holds_one(self, two: Project) -> None:
        for form in ("csv", "parquet"):
            ended = two.run("results", "index", "--format", form)
            assert (ended.code, ended.out) == (2, "")
            assert "holds one experiment" in ended.err
            assert "index.A.A, index.B.B" in ended.err

    def test_none_of_them_has_run(self, two: Project) -> None:
        ended = two.run("results", "index.B")
        assert (ended.code, ended.out) == (2, "")
        assert "run the experiment first" in ended.err


def test_at_a_terminal(project: Project) -> None:
    fields = "\n".join(f"    parameter_{n}: int = {n}" for n in range(20))
    project.write(
        {
            "experiments/Wide.py": f"""
import time
from superparams import Experiment, search

class Wide(Experiment):
{fields}
    x: int = search(range(150))

    def run(self):
        time.sleep(0.05 * (self.x == 0))  # so that not all took as long
        return {{f"result_{{n}}": self.x * n for n in range(1, 20)}} | {{"fixed": 1}}
"""
        }
    )
    assert project.run("run", "Wide", "-n", "2").code == 0
    with Terminal(project.folder, EXPERIMENT, "results", "Wide") as terminal:
        assert terminal.end() == 0
        lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.seen).splitlines()
    table = [line for line in lines[1:] if not line.startswith(("…", "  "))]
    assert len(table) == 1 + 100
    assert max(map(len, table)) <= 120
    names = table[0].split()
    assert names[:2] == ["key", "x"]
    assert "result_1" in names
    assert "seconds" not in names, "what settings returned has the room"
    notes = [line for line in lines if line.startswith("…")]
    assert notes[0] == "… 50 more rows; --limit 0 shows all"
    assert "the same in all 150 rows: parameter_0=0, parameter_1=1" in notes[1]
    assert "fixed" not in " ".join(lines[102:]), "a result is not folded"
    assert re.fullmatch(r"… \d+ columns left out to fit the width; --columns a,b chooses", notes[2])
    with Terminal(project.folder, EXPERIMENT, "results", "Wide", "--format", "parquet") as terminal:
        assert terminal.end() == 2
        assert "write it to a file with -o FILE" in terminal.seen


WINNERS = """
from superparams import Experiment, Params, search

class SGD(Params):
    lr: float = search([0.1, 0.01, 0.001])
    momentum: float = search([0.0, 0.9])

class Adam(Params):
    lr: float = search([0.1, 0.01, 0.001])
    beta: float = 0.9

class Train(Experiment):
    optimizer: SGD | Adam = search([SGD(), Adam()])
    batch: int = search([32, 64])
    seed: int = search(range(5))
    epochs: int = 30
    dataset: str = "digits"

    def run(self):
        if self.seed == 3 and isinstance(self.optimizer, SGD):
            raise ValueError(f"it does not converge: {'x' * 40} end")
        accuracy = 0.9 + self.optimizer.lr * self.seed * 0.01 * (self.batch == 64)
        return {"accuracy": accuracy, "loss": 1 - accuracy, "note": "a text of some length"}
"""


def shown_at(project: Project, width: int, *words: str) -> list[str]:
    with Terminal(project.folder, EXPERIMENT, *words, columns=width) as terminal:
        assert terminal.end() == 0
    return re.sub(r"\x1b\[[\d;]*m", "", terminal.seen).splitlines()


@pytest.mark.parametrize("width", [80, 110, 200])
def test_what_is_sorted_by_and_what_won_is_there_in_any_width(project: Project, width: int) -> None:
    project.write({"experiments/Train.py": WINNERS})
    assert project.run("run", "Train").code == 1
    lines = shown_at(project, width, "results", "Train", "--sort", "-accuracy", "--limit", "6")
    names, rows, notes = lines[1].split(), lines[2:8], lines[8:]
    for wanted in ("key", "accuracy", "optimizer", "optimizer.lr", "batch", "seed"):
        assert wanted in names, f"{wanted} at {width}"
    assert max(map(len, lines[1:])) <= width
    assert all(row.split()[1:3] == ["SGD", "0.1"] or row.split()[1] == "Adam" for row in rows)
    told = " ".join(notes)
    if width < 200:  # of all rows, the six that are shown among them
        assert "the same in all 90 rows: epochs=30, dataset=digits" in told
    else:
        assert "the same" not in told
    failed = shown_at(project, width, "results", "Train", "--failed")
    assert "error" in failed[2].split()
    assert "accuracy" not in failed[2].split(), "what failed has no results"
    long = f"ValueError: it does not converge: {'x' * 40} end"
    assert (long in failed[3]) is (width == 200)
    assert "ValueError: it does not converge: xx" in failed[3]
    started = shown_at(project, width, "results", "Train", "--sort", "started", "--limit", "1")
    assert "started" in started[1].split()


def test_chosen_columns_are_never_folded(project: Project) -> None:
    project.write({"experiments/Train.py": WINNERS})
    assert project.run("run", "Train", "seed=0", "batch=32").code == 0
    words = ["results", "Train", "--columns", "epochs,dataset,note,optimizer,seconds,started"]
    lines = shown_at(project, 60, *words)
    assert lines[1].split() == words[3].split(",")
    assert not [line for line in lines if line.startswith("…")]


def test_a_reader_that_leaves_early(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write(
        {
            "experiments/Many.py": """
                import pyarrow as pa
                from superparams import Experiment

                class Many(Experiment):
                    def run(self):
                        return pa.table({"x": range(200_000)})
            """
        }
    )
    assert project.run("run", "Many").code == 0
    for words in (["--format", "csv"], []):
        process = subprocess.Popen(
            [EXPERIMENT, "results", "Many", *words],
            cwd=project.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(timeout=PATIENCE)
        process.stderr.close()


def test_numbers_that_json_does_not_have(project: Project) -> None:
    project.write(
        {
            "experiments/Odd.py": """
                import datetime, math
                from superparams import Experiment

                class Odd(Experiment):
                    def run(self):
                        return {
                            "nan": math.nan, "inf": -math.inf, "huge": 10**30, "raw": b"ab",
                            "when": datetime.datetime(2026, 1, 2), "many": [1.5, math.nan],
                            "took": datetime.timedelta(seconds=90), "text": 'a,"b"\\nc|d\\x1b[31m',
                        }
            """
        }
    )
    assert project.run("run", "Odd").code == 0
    ended = project.run("results", "Odd", "--json")
    assert "\x1b" not in ended.out
    (row,) = json.loads(ended.out, parse_constant=pytest.fail)[0]["rows"]
    assert (row["nan"], row["inf"], row["many"]) == ("NaN", "-Infinity", [1.5, "NaN"])
    assert (row["raw"], row["when"], row["took"]) == ("YWI=", "2026-01-02T00:00:00", 90.0)
    assert row["text"] == 'a,"b"\nc|d\x1b[31m'
    (row,) = csv.DictReader(io.StringIO(project.run("results", "Odd", "--format", "csv").out))
    assert (row["nan"], row["inf"], row["many"]) == ("nan", "-inf", '[1.5, "NaN"]')
    assert row["text"] == 'a,"b"\nc|d\x1b[31m'
    ended = project.run("results", "Odd", "--format", "markdown", "--columns", "text")
    assert ended.out.splitlines()[2] == '| a,"b" c\\|d\\\\x1b[31m |'
