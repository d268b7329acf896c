"""What a setting printed, found again in the log of its worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from superparams.store.results import Results
from superparams.store.runs.setting_logs import Log, log_of, log_of_run
from tests.recording import done, key, run


def text(log: Log | None) -> str:
    assert log is not None
    return b"".join(log.chunks()).decode()


def test_the_part_of_a_setting(tmp_path: Path) -> None:
    folder = run(
        tmp_path, [done(0, log_start=0, log_end=4), done(1, rank=1, log_start=4, log_end=9)]
    )
    (folder.logs / "0.log").write_text("one\ntwo\n")
    (folder.logs / "1.log").write_text("xxx\nfive\nmore\n")
    (folder.logs / "run.log").write_text("of the run\n")
    results = Results.load(tmp_path)
    assert text(log_of(tmp_path, results.row(key(0)))) == "one\n"
    assert text(log_of(tmp_path, results.row(key(1)))) == "five\n"
    assert text(log_of_run(folder)) == "of the run\n"
    assert text(log_of_run(folder, 0)) == "one\ntwo\n"


def test_a_setting_that_ran_without_a_log(tmp_path: Path) -> None:
    run(tmp_path, [done(0)])
    assert log_of(tmp_path, Results.load(tmp_path).row(key(0))) is None


def test_an_end_that_is_not_known_is_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("one\ntwo\n")
    assert text(Log(path, 4)) == "two\n"
    assert text(Log(path, 4, 100)) == "two\n"
    assert text(Log(path, 100, 200)) == ""


def test_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("".join(f"{n}\n" for n in range(100_000)) + "after")
    end = path.stat().st_size - len("after")
    assert Log(path, 0, end).tail(2) == ("99998\n99999", True)
    assert Log(path, end).tail(2) == ("after", False)
    assert Log(path).tail(0) == ("", True)
    path.write_bytes(b"\xff" * (3 << 20))
    shown, is_cut = Log(path).tail(2)  # one line, of which a part is enough
    assert (len(shown), is_cut) == (1 << 20, True)
    assert Log(tmp_path / "none").tail(2) == ("", False)


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be told from zeros here")
def test_a_hole_of_a_tebibyte_is_named_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("before\n")
    os.truncate(path, 1 << 40)
    with path.open("ab") as file:
        file.write(b"after\n")
    shown = text(Log(path))
    assert shown.startswith("before\n")
    assert shown.endswith("after\n")
    assert "bytes of a hole in the file]" in shown
    assert len(shown) < 3 << 20
    assert text(Log(path, (1 << 40) - 2)) == "\0\0after\n"
    assert Log(path).tail(1)[0].endswith("after")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_a_plain_file_is_read(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = tmp_path / "0.log"
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert text(Log(path)) == ""
    assert Log(path).tail(3)[0] == ""
    assert not Log(path).exists
