"""The flags of `run` and `rerun` are the options of `run_all`."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click
import pytest

from superparams.cli.run_flags import run_options
from superparams.cli.verbs import rerun, run
from superparams.errors import EngineError
from superparams.executor import Processes
from superparams.run.options import RunOptions

ROOT = Path(__file__).parents[2]
OPTIONS = [one for owner in (RunOptions, Processes) for one in fields(owner) if one.init]
# What the command writes in its own way, and what it leaves out: `--max-failures 1` is enough.
BY_HAND = {"resume": {"rerun"}, "only": {"failed", "stopped", "new"}, "progress": {"no_progress"}}
NO_FLAG = {"on_error"}
# Their help says what the command takes: names of files from the project, and names of classes.
OTHER_HELP = {"results", "strategy", "stop"}
# Flags that are no options of `run_all`.
OF_THE_COMMAND = {
    *("is_plan", "is_json", "is_help", "sample", "sobol", "grid", "draw_seed"),
    *("trials", "maximize", "minimize", "warm"),
}


def flags_of(command: click.Command) -> dict[str, click.Option]:
    return {str(one.name): one for one in command.params if isinstance(one, click.Option)}


def test_every_option_has_a_flag_and_every_flag_is_an_option() -> None:
    expected = [BY_HAND.get(one.name, {one.name}) for one in OPTIONS if one.name not in NO_FLAG]
    assert set(flags_of(run.command)) == set().union(*expected) | OF_THE_COMMAND


@pytest.mark.parametrize("one", OPTIONS, ids=lambda one: one.name)
def test_a_flag_has_the_default_and_the_help_of_its_option(one: Field[Any]) -> None:
    for command in (run.command, rerun.command):
        flag = flags_of(command).get(one.name)
        if flag is None or one.name == "results":
            continue
        default = one.default if one.default is not MISSING else None
        given = flag.default.split(",") if one.name == "retry_on" else flag.default
        assert given == (list(default) if one.name == "retry_on" else default)  # type: ignore[call-overload]
        assert (flag.help == one.metadata["text"]) is (one.name not in OTHER_HELP)


def test_no_flag_at_all_is_no_option_at_all() -> None:
    with click.Context(run.command) as context:
        given = {
            name: flag.type_cast_value(context, flag.get_default(context))
            for name, flag in flags_of(run.command).items()
            if name in {one.name for one in OPTIONS} - {"results"}
        }
    assert run_options(given) == RunOptions()


@pytest.mark.parametrize(
    ("flags", "engine"),
    [
        ({"gpus": 2}, Processes(gpus=2)),
        ({"threads": 3, "engine": "processes"}, Processes(threads=3)),
        ({"start_method": "fork", "gpus": ("a", "b")}, Processes("fork", gpus=("a", "b"))),
        ({"start_method": None}, None),
        ({"gpus": 2, "debug": True}, None),
    ],
)
def test_flags_of_worker_processes_make_the_engine(flags: dict[str, Any], engine: object) -> None:
    assert run_options(flags).engine == engine


def test_flags_of_worker_processes_go_with_no_other_engine() -> None:
    with pytest.raises(EngineError, match="gpus=2 cannot be used with engine='threads'"):
        run_options({"gpus": 2, "engine": "threads"})


def test_the_page_of_the_command_names_every_flag() -> None:
    table = (ROOT / "docs" / "command.md").read_text("utf-8").partition("## Running\n")[2]
    named = set(re.findall(r"--[\w-]+", table.partition("\n## ")[0]))
    flags = [one for one in flags_of(run.command).values() if one.name != "is_help"]
    assert {option for one in flags for option in one.opts if option.startswith("--")} <= named
