"""Recorded output: what the comparison lets pass, what it does not, and how it is recorded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from record import main, record
from recorded_output import PROJECT, is_same, published
from snippets import PAGES, ROOT, SnippetError, read_page, recorded_outputs, run_page

RUN = "20261130T182224047650Z-0e253a"
OTHER = "20250101T000000000001Z-ffffff"
TABLE = "key    lr  steps  status  seconds\n44e616  7      60  done      0.002\n"


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("a\n", "a  \n"),
        (f"run {RUN}", f"run {OTHER}"),
        ("begun 2026-11-30 18:22:54 on vm", "begun 2025-01-01 00:00:00 on node-7.example"),
        ("finished after 0.724 s, begun", "finished after 3 min 07 s, begun"),
        (
            "may take 2.57 s with 1 worker (0.4 s a setting)",
            "may take less than 1 ms with 1 worker (31 s a setting)",
        ),
        ("14.6 KiB in all", "901 bytes in all"),
        ("killed: it used 205.3MB of memory", "killed: it used 1.2GB of memory"),
        ("6 settings by code 0794f1ef:", "6 settings by code 11111111:"),
        ("code     0794f1ef, as it is now", "code     11111111, as it is now"),
        ("3 crc32=3afa94ae seq=0", "3 crc32=00000000 seq=0"),
        ('  "seconds": 0.5,', '  "seconds": 12.25,'),
        ("superparams 0.2.0.dev0", "superparams 1.0"),
        (TABLE, TABLE.replace("   0.002", "1234.506")),
        ("x  seconds  y\n1  0.1      2", "x  seconds  y\n1  12345.67  2"),
        ("x  took    code\n1  0.13 s  abcdef01", "x  took        code\n1  1 min 02 s  01234567"),
    ],
)
def test_what_differs_from_run_to_run(recorded: str, printed: str) -> None:
    assert is_same(recorded, printed)
    assert is_same(printed, recorded)


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a.c", "abc"),
        ("a  b", "a b"),
        ("took ... s", "took 1.2 s"),
        ("a\n...", "a\nb"),
        ("accuracy 0.84", "accuracy 0.85"),
        ("3 done, 27 stopped", "4 done, 26 stopped"),
        ("timeout=1 s", "timeout=2 s"),
        ("finished after 0.7 s", "finished after a while"),
        ("finished after 0.7 s with 1 failed", "finished after 0.8 s with 2 failed"),
        (f"run {RUN}", "run yesterday"),
        ("roots 9258175fcf8b8f717689296f9c13ec79", "roots 1111175fcf8b8f717689296f9c13ec79"),
        ("memory='200MB'", "memory='300MB'"),
        (TABLE, TABLE.replace("60", "61")),
        (TABLE, TABLE.replace("44e616", "54e616")),
        (TABLE, TABLE.replace("done  ", "failed")),
        (TABLE, TABLE.replace("0.002", "never")),
        (TABLE, TABLE.replace("0.002", "")),
        (TABLE, f"{TABLE}55e616  7      60  done      0.002\n"),
        (
            TABLE.replace("seconds", "metres "),
            TABLE.replace("seconds", "metres ").replace("0.002", "0.003"),
        ),
        (f"{TABLE}\nno table  0.002", f"{TABLE}\nno table  0.003"),
    ],
)
def test_everything_else_must_be_equal(recorded: str, printed: str) -> None:
    assert not is_same(recorded, printed)


def test_a_page_names_further_numbers_that_differ() -> None:
    told = frozenset(["done", "accuracy"])
    line = "6 settings: 3 done, 27 stopped · best accuracy 0.97"
    assert is_same(line, line.replace("3 done", "5 done").replace("0.97", "1"), told)
    assert not is_same(line, line.replace("27", "28"), told)
    assert not is_same(line, line.replace("0.97", "high"), told)
    table = "x  accuracy  loss\n1       0.5  0.25"
    assert is_same(table, table.replace("      0.5", "     0.51"), told)
    assert not is_same(table, table.replace("0.25", "0.26"), told)


def test_output_is_published_without_folder_and_progress(tmp_path: Path) -> None:
    output = (
        f"\nFit: 1/12\nFit: 2/12, 2 done, 0.4/s, 0:03 left\n{tmp_path}/a.py\nepoch: 3\n  2: 1/2\n"
    )
    assert published(output, tmp_path) == f"{PROJECT}/a.py\nepoch: 3\n  2: 1/2"


def test_a_page_that_tells_other_numbers_fails(tmp_path: Path) -> None:
    path = page(tmp_path, "0.25", "1.5")
    with pytest.raises(SnippetError, match="`make record`"):
        run_page(read_page(path), tmp_path)
    run_page(read_page(page(tmp_path, "0.5", "1.5")), tmp_path)


def page(folder: Path, loss: str, seconds: str) -> Path:
    """A page with a script, a table that it prints, and three commands."""
    text = f"""# A

- a list

    '''python
    print("loss  seconds")
    print("0.5   0.123")
    '''

    <!-- varies: nothing -->

    '''text
    loss  seconds
    {loss}  {seconds}
    '''

'''console
$ echo a; \\
    echo b
wrong
$ echo silent
$ pwd
{PROJECT}
'''
"""
    path = folder / "a page.md"
    path.write_text(
        text.replace("'''", "```").replace("wrong", "wrong" if loss == "0.25" else "a\nb"), "utf-8"
    )
    return path


def test_recording_changes_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    path = page(tmp_path, "0.25", "1.5")
    before = path.read_text("utf-8")
    assert record(path) == 2
    now = before.replace("    0.25  1.5", "    0.5   0.123").replace("wrong", "a\nb")
    assert path.read_text("utf-8") == now
    assert record(path) == 0


def test_recording_all_takes_new_times(tmp_path: Path) -> None:
    path = page(tmp_path, "0.5", "1.5")
    assert record(path) == 0
    assert main([str(path), "--all"]) == 0
    assert "    0.5   0.123\n" in path.read_text("utf-8")


def test_recording_a_page_that_fails_leaves_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.md"
    text = "```python\nprint(1)\n```\n```text\n2\n```\n```python\n1 / 0\n```\n"
    path.write_text(text, "utf-8")
    assert main([str(path)]) == 1
    assert path.read_text("utf-8") == text
    assert "ZeroDivisionError" in capsys.readouterr().err


# What Python and the command print with three dots: data=..., Train(...), [...], [FIELD=VALUES]...
PRINTED = re.compile(r"(?<=[=(\[\]])\.\.\.")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_show_output_as_it_was_printed(path: Path) -> None:
    elided = [
        f"{path.name}:{block.line}: {line}"
        for block, output in recorded_outputs(path)
        for line in output.splitlines()
        if "..." in PRINTED.sub("", line)
    ]
    assert not elided, "`make record` stores what is printed; `| head -n 5` shows the beginning"
