"""What a setting needs: `resources = Resources(cpus=4, gpus=1)`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams import Experiment, Params, Resources, search
from superparams.declare.resources import class_resources, setting_resources, shown_bytes
from superparams.errors import FieldError, ReadOnlyError
from superparams.identity.code.fingerprint import fingerprint
from tests.runs import script, tables

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no processors": ({"cpus": 0}, r"cpus=0\): give a whole number, 1 or more"),
    "a truth value": ({"cpus": True}, r"cpus=True\): give a whole number"),
    "half a processor": ({"cpus": 0.5}, r"cpus=0\.5\): give a whole number"),
    "processors as text": ({"cpus": "4"}, r"cpus='4'\): give a whole number"),
    "negative devices": ({"gpus": -1}, r"gpus=-1\): give 0, 1, 2 or more devices, or a fraction"),
    "one and a half": ({"gpus": 1.5}, r"gpus=1\.5\): give 0, 1, 2 or more devices"),
    "not a number": ({"gpus": float("nan")}, r"gpus=nan\): give 0, 1, 2 or more devices"),
    "a unit that is none": ({"memory": "16 gigs"}, r"memory='16 gigs'\): give bytes above 0, or"),
    "a bare number as text": ({"memory": "16"}, r"memory='16'\): give bytes above 0, or text"),
    "no memory": ({"memory": 0}, r"memory=0\): give bytes above 0"),
    "infinite memory": ({"memory": float("inf")}, r"memory=inf\): give bytes above 0"),
    "no time": ({"timeout": 0}, r"timeout=0\): give seconds above 0, or text"),
    "a time without a unit": ({"timeout": "2"}, r"timeout='2'\): give seconds above 0, or text"),
    "an unknown unit": ({"timeout": "2 weeks"}, r"timeout='2 weeks'\): give seconds above 0"),
    "no time as text": ({"timeout": ""}, r"timeout=''\): give seconds above 0"),
    "no nodes": ({"nodes": 0}, r"nodes=0\): give a whole number, 1 or more"),
    "no tasks": ({"tasks": None}, r"tasks=None\): give a whole number, 1 or more"),
}
NO_RESOURCES: dict[str, Any] = {"a text": "4", "a dict": {"cpus": 4}, "the class": Resources}


class Train(Experiment):
    width: int = search([1, 2])
    resources = Resources(cpus=4, gpus=1, memory="16GB", timeout="2h")

    def run(self) -> dict[str, Any]:
        return {"y": self.width}


class BySetting(Train):
    def resources(self) -> Any:  # type: ignore[override]
        return Resources(cpus=self.width) if self.width < 3 else None


@pytest.mark.parametrize(("amounts", "error"), WRONG.values(), ids=WRONG)
def test_an_amount_that_cannot_be_is_refused(amounts: dict[str, Any], error: str) -> None:
    with pytest.raises(FieldError, match=rf"^Resources\({error}"):
        Resources(**amounts)


def test_amounts_are_plain_numbers() -> None:
    found = Resources(cpus=4, gpus=0.5, memory="1.5GiB", timeout="1h30min", nodes=2, tasks=8)
    assert (found.cpus, found.gpus, found.memory) == (4, 0.5, 3 * 2**29)
    assert (found.timeout, found.nodes, found.tasks) == (5400, 2, 8)
    assert Resources(timeout="1d 2 h 3m 4.5s").timeout == 86400 + 7200 + 180 + 4.5
    assert Resources(memory="16 gb") == Resources(memory=16 * 10**9)
    assert isinstance(Resources(gpus=2.0).gpus, int)
    assert len({Resources(cpus=1), Resources(cpus=1), Resources()}) == 2


@given(
    cpus=st.none() | st.integers(1, 1000),
    gpus=st.none() | st.integers(0, 16) | st.floats(0.01, 0.99),
    memory=st.none() | st.integers(1, 10**13),
    timeout=st.none() | st.integers(1, 10**6) | st.floats(0.001, 10**6),
    nodes=st.integers(1, 100),
)
def test_the_text_of_resources_makes_the_same_ones(**amounts: Any) -> None:
    found = Resources(**amounts)
    assert pickle.loads(pickle.dumps(found)) == found
    assert eval(repr(found)) == found


def test_people_read_amounts_with_units() -> None:
    assert repr(Train.resources) == "Resources(cpus=4, gpus=1, memory='16GB', timeout=7200)"
    assert str(Train.resources) == "4 cpus, 1 gpu, 16GB, 7,200 seconds"
    assert str(Resources()) == "no resources"
    assert [shown_bytes(x) for x in (2**30, 5 * 10**8, 123456789)] == ["1GiB", "500MB", "118 MiB"]


@pytest.mark.parametrize("wrong", NO_RESOURCES.values(), ids=NO_RESOURCES)
def test_what_tells_no_resources_is_refused(wrong: Any) -> None:
    error = r"\.resources is .*: write resources = Resources\(cpus=4\), without an annotation, or"
    with pytest.raises(FieldError, match=rf"^Wrong{error}"):
        type("Wrong", (Experiment,), {"resources": wrong})
    with pytest.raises(FieldError, match=rf"^Sub{error}"):
        type("Sub", (Train,), {}).resources = wrong


def test_resources_are_no_field() -> None:
    body = {"__annotations__": {"resources": Resources}, "resources": Resources(cpus=1)}
    with pytest.raises(
        FieldError, match=r"^Wrong\.resources: resources are not a field; write them"
    ):
        type("Wrong", (Experiment,), body)


def test_groups_may_have_a_field_of_the_name() -> None:
    class Group(Params):
        resources: str = "many"

    assert Group().resources == "many"


def test_a_subclass_has_the_resources_others_or_none() -> None:
    class Same(Train):
        b: int = 1

    class Other(Train):
        resources = Resources(cpus=1)

    class Without(Train):
        resources = None

    assert [class_resources(one) for one in (Same, Other, Without)] == [
        Train.resources,
        Resources(cpus=1),
        None,
    ]


def test_a_method_tells_the_resources_of_a_setting() -> None:
    assert class_resources(BySetting) is None
    found = [setting_resources(BySetting(width=width)) for width in (1, 2, 3)]
    assert found == [Resources(cpus=1), Resources(cpus=2), Resources()]

    class Wrong(Train):
        def resources(self) -> Any:  # type: ignore[override]
            return {"cpus": 4}

    with pytest.raises(FieldError, match=r"^Wrong\.resources\(\) returned \{'cpus': 4\}: return "):
        setting_resources(Wrong(width=1))


def test_a_property_tells_them_as_well() -> None:
    class ByProperty(Experiment):
        width: int = search([1, 2])

        @property
        def resources(self) -> Resources:
            return Resources(cpus=self.width)

    assert setting_resources(ByProperty(width=2)) == Resources(cpus=2)


EDITED = """
import json, sys
from superparams import Experiment, Resources, search

def cpus_of(x):
    return {cpus}

class Fit(Experiment):
    a: int = search([1, 2])
    {resources}
    def run(self):
        return {{"y": self.a, "used": {used}}}

if __name__ == "__main__":
    found = Fit().run_all(progress=False)
    print(json.dumps(sorted(set(found.column("run").to_pylist()))))
"""
BY_METHOD = "def resources(self): return Resources(cpus=cpus_of(self.a))"


def _runs(folder: Path, resources: str, used: str = "1", cpus: str = "1") -> Any:
    text = EDITED.format(resources=resources, used=used, cpus=cpus)
    (row,) = tables(folder, str(script(folder, text, "fit.py")))
    return row


def test_other_resources_are_no_other_code(tmp_path: Path) -> None:
    all_runs = [
        _runs(tmp_path, "# none"),
        _runs(tmp_path, "resources = Resources(cpus=1, timeout='1h')"),
        _runs(tmp_path, BY_METHOD),
        _runs(tmp_path, BY_METHOD, cpus="x // x"),
        _runs(tmp_path, "resources = None"),
    ]
    assert [len(runs) for runs in all_runs] == [1] * 5
    assert len(set(map(str, all_runs))) == 1, "nothing ran again"


def test_resources_that_run_reads_are_code(tmp_path: Path) -> None:
    found = [
        _runs(tmp_path, f"resources = Resources(timeout={time})", "self.resources.timeout")
        for time in (50, 60)
    ]
    assert found[0] != found[1]


def test_resources_count_in_no_key() -> None:
    class Without(Train):
        resources = None

    keys = [[one.key for one in cls()] for cls in (Train, BySetting, Without)]
    assert keys[0] == keys[1] == keys[2]
    assert fingerprint(BySetting).parts.keys() >= {"tests.declare.test_resources.Train.run"}
    assert not [part for part in fingerprint(BySetting).parts if part.endswith("resources")]


class NoResources:
    resources = "4"


class Mixed(NoResources, Experiment):
    width: int = search([1, 2])


def test_wrong_resources_of_a_mixin_are_not_called_a_return_value() -> None:
    with pytest.raises(FieldError, match=r"^Mixed\.resources is '4': write resources = Resources"):
        setting_resources(Mixed(width=1))


def test_resources_cannot_be_searched() -> None:
    body = {"resources": search([Resources(cpus=1), Resources(cpus=2)])}
    with pytest.raises(FieldError, match=r"^Wrong\.resources is search\(.*or a method resources"):
        type("Wrong", (Experiment,), body)


@pytest.mark.parametrize(
    ("amounts", "error"),
    [
        (
            {"gpu": 1},
            r"Resources\(gpu=1\): gpu is none of .* did you mean gpus\? They are cpus, gp",
        ),
        ({"cpu": 2, "gpus": 1}, r"Resources\(cpu=2\): .* did you mean cpus\?"),
        ({"time": "2h"}, r"Resources\(time='2h'\): .* did you mean timeout\?"),
        ({"flavour": 3}, r"flavour is none of the resources; they are cpus, .*, nodes, tasks"),
    ],
)
def test_another_word_is_refused_with_the_right_one(amounts: Any, error: str) -> None:
    with pytest.raises(FieldError, match=error):
        Resources(**amounts)


@pytest.mark.parametrize(("amount", "remedy"), [(4, {"cpus": 4}), ("16GB", {"memory": "16GB"})])
def test_an_amount_without_a_name_is_refused(amount: Any, remedy: dict[str, Any]) -> None:
    """The remedy is one that works."""
    made: Any = Resources
    ((name, _),) = remedy.items()
    with pytest.raises(FieldError) as caught:
        made(amount)
    text = f"Resources({amount!r}): name the amount, as in Resources({name}={amount!r})"
    assert text in str(caught.value)
    Resources(**remedy)


class Alone(Experiment):
    x: int = search([1, 2])

    def run(self) -> int:
        return self.x


class WithResources(Alone):
    resources = Resources(cpus=1)


@pytest.mark.parametrize("cls", [Alone, WithResources])
@pytest.mark.parametrize("is_space", [True, False])
def test_resources_of_one_setting_cannot_be_set(cls: type[Alone], is_space: bool) -> None:
    setting: Any = cls() if is_space else cls(x=1)
    error = rf"^{cls.__name__}\.resources cannot be set on a setting .*a method resources\(self\)"
    with pytest.raises(ReadOnlyError, match=error):
        setting.resources = Resources(cpus=2)
    with pytest.raises(ReadOnlyError, match=rf"^{cls.__name__}\.goal cannot .* write goal = max"):
        setting.goal = "loss"
    setting.remark = "other attributes are the user's own"
    assert cls.resources == (Resources(cpus=1) if cls is WithResources else None)
