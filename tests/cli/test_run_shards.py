"""`run --shard I/N`: one part of a space, as a task of a job array runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Project
from tests.cli.noting_experiment import bad, ran, run

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_all_shards_together_run_each_setting_once(fit: Project) -> None:
    parts = []
    for number in (2, 0, 1):
        line = run(fit, "RQ1", "a=1..20", "--shard", f"{number}/3", "-n", "2").out
        parts.append(ran(fit))
        n = len(parts[-1])
        assert line.startswith(f"shard {number}/3, {n} settings: {n} done")
    assert sorted(x for part in parts for x in part) == list(range(1, 21))
    assert sorted(map(len, parts)) == [6, 7, 7]
    assert run(fit, "RQ1", "a=1..20", "--plan").out.endswith("nothing to run\n")
    assert "20 done" in run(fit, "RQ1", "a=1..20").out
    assert ran(fit) == []


def test_a_plan_names_the_shard_and_counts_its_settings(fit: Project) -> None:
    words = ("RQ1", "a=1..20", "--shard", "1/3")
    told = run(fit, *words, "--plan").out.splitlines()[0]
    assert told == "RQ1.Fit: shard 1/3, 7 of 20 settings (7 new); 7 to run"
    (document,) = run(fit, *words, "--plan", "--json").document
    assert (document["settings"], document["shard"], document["in_shard"]) == (20, [1, 3], 7)
    assert ran(fit) == []
    run(fit, *words)
    part = ran(fit)
    bad(fit, part[0])
    run(fit, *words, "--rerun", code=1)
    assert ran(fit) == part
    told = run(fit, *words, "--plan").out.splitlines()[0]
    assert told == "RQ1.Fit: shard 1/3, 7 of 20 settings (6 done, 1 failed); 1 to run"
    bad(fit)
    run(fit, *words, "--new", code=1)  # the failure is in the table of this shard
    assert ran(fit) == []
    run(fit, *words, "--failed")
    assert ran(fit) == [part[0]]
    assert "nothing to run" in run(fit, *words, "--plan").out


def test_failures_of_other_shards_are_not_those_of_this_task(fit: Project) -> None:
    (first,) = [run(fit, "RQ1", "--shard", "0/4", "--json").document]
    assert (first[0]["shard"], first[0]["counts"], first[0]["settings"]) == ([0, 4], {"done": 1}, 4)
    bad(fit, *ran(fit))
    run(fit, "RQ1", "--shard", "0/4", "--rerun", code=1)
    for number in (1, 2, 3):
        run(fit, "RQ1", "--shard", f"{number}/4")
    run(fit, "RQ1", code=1)


def test_status_and_runs_name_shards_and_count_the_whole_space(fit: Project) -> None:
    run(fit, "RQ1", "--shard", "1/4")
    status = run(fit, "status", "RQ1").out
    assert "settings 1 done, 3 to do" in status
    assert ": shard 1/4, finished after" in status
    assert "shard" in run(fit, "runs", "RQ1").out.splitlines()[0]
    (listed,) = run(fit, "runs", "RQ1", "--json").document
    assert [one["shard"] for one in listed["runs"]] == ["1/4"]
    (manifest,) = fit.folder.glob("results/RQ1.Fit/runs/*/run.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "shard": ["\x1b[31m", {}]}))
    assert "shard" not in run(fit, "runs", "RQ1").out


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("4/4", "'4/4': shards are numbered from 0: give 0/4 to 3/4"),
        ("16/16", "with --array=0-15."),
        ("1/1", "give 0/1; a job array"),
        (
            "1",
            "'1': give the number of the shard, from 0, and how many shards there are, as in 0/4",
        ),
        ("/3", "as in 0/4"),
        ("-1/3", "as in 0/4"),
        ("0/0", "as in 0/4"),
        ("1.0/3", "as in 0/4"),
        ("$SLURM_ARRAY_TASK_ID/4", "as in 0/4"),
        ("²/4", "as in 0/4"),
    ],
)
def test_what_is_no_shard_is_refused_before_anything_runs(
    fit: Project, word: str, told: str
) -> None:
    ended = run(fit, "RQ1", "--shard", word, code=2)
    assert told in ended.err
    assert ran(fit) == []
    assert not (fit.folder / "results").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--trials", "3", "--maximize", "y", "--strategy", "random"),
        ("--stop", "threshold(lower=0.1)", "--maximize", "y"),
    ],
)
def test_searches_and_stoppers_are_refused(fit: Project, words: tuple[str, ...]) -> None:
    told = run(fit, "RQ1", "--shard", "0/2", *words, code=2).err
    assert "cannot be used with shard=(0, 2)" in told
    assert "leave one of the two out" in told
    assert ran(fit) == []


def test_draws_are_divided_as_spaces_are(fit: Project) -> None:
    seen: list[int] = []
    for number in range(3):
        run(fit, "RQ1", "--sample", "9", "--shard", f"{number}/3")
        seen += ran(fit)
    run(fit, "RQ1", "--sample", "9")
    assert ran(fit) == []
    assert len(seen) == len(set(seen))
