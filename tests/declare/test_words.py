"""Words: the names in them, and which words are none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from one_field import ENVIRONMENT

from superparams import Experiment, Params, search
from superparams.declare.descriptors import Search
from superparams.declare.words import parse
from superparams.errors import FieldError, SuperparamsError
from tests.timing import PATIENCE


class Adam(Params):
    rate: float = 0.1
    num_steps: int = 5


class Train(Experiment):
    num_layers: int = 2
    name: str = "a"
    flag: bool = False
    größe: int = 1
    optimizer: Adam = Adam()


@pytest.mark.parametrize(
    ("word", "field", "expected"),
    [
        ("num_layers=3", "num_layers", 3),
        ("num-layers=3", "num_layers", 3),
        (" num_layers = 3 ", "num_layers", 3),
        ("name=a=b", "name", "a=b"),
        ("name==", "name", "="),
        ("größe=2", "größe", 2),
        ("gro\u0308ße=2", "größe", 2),  # as some file systems and terminals write it
        ("ｎame=b", "name", "b"),  # Python reads both as one name  # noqa: RUF001
    ],
)
def test_names(word: str, field: str, expected: Any) -> None:
    assert parse(Train, [word]) == {field: expected}


def test_dashes_in_dotted_names() -> None:
    assert Train.from_cli(["optimizer.num-steps=7"]).optimizer.num_steps == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["epochs=3"],
            "Train has no field 'epochs'; its fields: num_layers, name, flag, größe, op",
        ),
        (["num_layer=3"], "Train has no field 'num_layer'; did you mean num_layers? Its fields: "),
        (["num-layer=3"], "did you mean num_layers?"),
        (["rate=3"], "Train has no field 'rate' of its own; did you mean optimizer.rate?"),
        (
            ["optimizer.rat=3"],
            "has no field 'rat' to set to '3'; did you mean rate? Its fields: ra",
        ),
        (["optimizer.=3"], "has no field '' to set to '3'; its fields: rate, num_steps"),
        (["optimizer.rate.x=3"], "Adam.rate has no field 'x' to set to '3'; its fields: none"),
        (["name.x=3"], "Train.name has no field 'x' to set to '3'"),
        ([".=3"], "Train has no field ''"),
        (["--num-layers=3"], "has no field '--num-layers'; write num_layers=..., without dashes"),
        (["-name=b"], "write name=..., without dashes"),
        (
            ["num_layers"],
            "Train: 'num_layers' gives no field a value; write name=value, as in num_",
        ),
        (["flag"], "'flag' gives no field a value; write name=value, as in flag=true"),
        ([""], "'' gives no field a value; write name=value, as in num_layers=1"),
        (["=5"], "'=5' gives no field a value"),
        (["  =5"], "gives no field a value"),
        (["name:b"], "'name:b' gives no field a value"),
        (["name=a", "name=b"], "Train.name is given twice, as 'a' and as 'b'; write name=a,b to"),
        (["name=a", "name=a"], "is given twice"),
        (["num-layers=1", "num_layers=1"], "Train.num_layers is given twice"),
        (["optimizer.rate=1", "optimizer.rate=2"], "Adam.rate is given twice, as '1' and as '2'; "),
        (["run=1"], "Train has no field 'run'"),
        (["__class__=1"], "Train has no field '__class__'"),
        (["na\0me=1"], r"Train has no field 'na\x00me'; did you mean name?"),
        (["\udcff=1"], r"Train has no field '\udcff'"),
        (["." * 5000 + "=1"], "goes deeper than groups are nested"),
        ([5], "Train: 5 is not a word such as 'num_layers=1'"),
        ([b"name=a"], "b'name=a' is not a word"),
        ([None], "None is not a word"),
    ],
)
def test_what_is_no_word(words: list[Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Train.from_cli(words)
    assert message in str(caught.value)
    str(caught.value).encode()  # it can be printed
    assert isinstance(caught.value, SuperparamsError)


def test_the_name_in_an_error_is_short() -> None:
    with pytest.raises(FieldError) as caught:
        Train.from_cli(["x" * 100_000 + "=1"])
    assert len(str(caught.value)) < 300


def test_one_text_is_no_list_of_words() -> None:
    with pytest.raises(FieldError, match=r"Train: give a list of words, as in \['name=a'\]"):
        Train.from_cli("name=a")


def test_a_class_without_fields() -> None:
    class Bare(Experiment):
        pass

    assert Bare.from_cli([]) == Bare()
    with pytest.raises(FieldError, match=r"Bare has no field 'x'; its fields: none"):
        Bare.from_cli(["x=1"])
    with pytest.raises(FieldError, match="write name=value, as in name=value"):
        Bare.from_cli(["x"])


def test_any_iterable_of_words_will_do() -> None:
    assert Train.from_cli(word for word in ["name=b"]) == Train.from_cli(("name=b",))
    assert Train.from_cli([]) == Train()


def test_what_is_parsed_is_what_the_call_takes() -> None:
    given = parse(Train, ["num_layers=1,2", "optimizer.rate=0.5", "name=b"])
    assert isinstance(given["num_layers"], Search)
    assert given["optimizer"] == Adam(rate=0.5)
    assert Train(**given) == Train.from_cli(["name=b", "optimizer.rate=0.5", "num_layers=1,2"])
    expected = Train(num_layers=search([1, 2]), optimizer=Adam(rate=0.5), name="b")
    assert Train(**given) == expected


def test_from_cli_makes_the_class_it_is_called_on() -> None:
    class Sub(Train):
        more: int = 0

    found = Sub.from_cli(["more=1", "name=b"])
    assert type(found) is Sub
    assert (found.more, found.name) == (1, "b")


def test_what_a_new_setting_raises_is_passed_on() -> None:
    class Strict(Experiment):
        rate: float = 0.1

        def __post_init__(self) -> None:
            if self.rate > 1:
                raise ValueError("too fast")

    with pytest.raises(ValueError, match="too fast"):
        Strict.from_cli(["rate=2"])


def test_a_script_reads_its_command_line() -> None:
    code = """
import sys
from superparams import Experiment, search

class Train(Experiment):
    epochs: int = 5
    name: str = "a"

print(Train.from_cli(sys.argv[1:]))
"""

    def run(*words: str | bytes) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=ENVIRONMENT,
            capture_output=True,
            timeout=PATIENCE,
        )
        return os.fsdecode(done.stdout + done.stderr).strip()

    assert run("epochs=7", 'name="a,b"') == "Train(epochs=7, name='a,b')"
    assert run(b"name=\xff") == r"Train(epochs=5, name='\udcff')"
    assert (
        run("epochs=x")
        .splitlines()[-1]
        .endswith("Train.epochs takes int, not 'x'; write epochs=1, or epochs=1,2 to search")
    )


def test_the_import_stays_light() -> None:
    code = (
        "import sys, superparams; before = set(sys.modules)\n"
        "assert not any(name.startswith('superparams.declare.words') for name in before)\n"
        "import superparams.declare.words\n"
        "new = {name for name in set(sys.modules) - before if not name.startswith('superparams')}\n"
        "assert not new & {'datetime', 'decimal', 'pathlib', 'difflib', 'uuid', 'click'}, new\n"
        "assert len(new) < 5, new"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
