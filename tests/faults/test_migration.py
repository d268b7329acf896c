"""Row 66: what superparams 0.1.0 wrote otherwise is an error or a note that shows the new form."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, search, value
from superparams.errors import EngineError, FieldError, RunError
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Fit(Experiment):
    steps: int = 100
    size: int = search(16, 32)

    def run(self) -> dict[str, int]:
        return {"y": self.steps * self.size}


class Shown(Fit):
    def format_results(self, results: Any) -> None:
        """As in 0.1.0."""


def test_66_a_stray_dataclass_decorator_does_no_harm() -> None:
    made = dataclasses.dataclass(type("Made", (Fit,), {"__module__": __name__}))
    assert len(made(steps=3).run_all(progress=False)) == 2


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "fields by place": (lambda: Fit(100), FieldError, r"Fit\(steps=100\)"),
    "n_proc": (lambda: Fit().run_all(n_proc=2), RunError, r"num_proc="),  # type: ignore[call-arg]
    "no_resume": (lambda: Fit().run_all(no_resume=True), RunError, "resume=False"),  # type: ignore[call-arg]
    "rerun": (lambda: Fit().run_all(rerun=True), RunError, "resume=False"),  # type: ignore[call-arg]
    "clean": (lambda: Fit().run_all(clean=True), RunError, "experiment clean"),  # type: ignore[call-arg]
    "resume by place": (lambda: Fit().run_all(True), EngineError, "num_proc=True"),
    "format_results": (lambda: Shown().run_all(), RunError, "Shown.format_results .* report"),
}


@pytest.mark.parametrize("way", ERRORS)
def test_66_what_cannot_mean_the_same_is_an_error_before_anything_runs(
    here: Path, way: str
) -> None:
    call, kind, told = ERRORS[way]
    with pytest.raises(kind, match=told):
        call()
    assert not (here / "results").exists()


@pytest.mark.parametrize("annotation", [list[int], list, tuple[int, ...], set[int] | None])
def test_66_one_list_is_not_taken_for_one_point(annotation: Any) -> None:
    def fit(points: Any) -> type[Experiment]:
        return type(
            "Fit", (Experiment,), {"__annotations__": {"sizes": annotation}, "sizes": points}
        )

    for points in (search([16, 32]), search((16, 32)), search({16, 32})):
        with pytest.raises(
            FieldError, match=r"Fit\.sizes: .* search\(\[\[16, 32\]\]\) for one point"
        ):
            fit(points)
        with pytest.raises(FieldError, match=r"Fit\.sizes"):
            fit(search([[16, 32]]))(sizes=points)
    assert len(fit(search([[16, 32]]))()) == 1
    assert len(fit(search([[16], [32]]))()) == 2
    assert len(fit(search([(16,), None]))()) == 2
    assert len(fit(search({"a": [16], "b": [32]}))()) == 2


def test_66_other_annotations_take_the_elements() -> None:
    class Sizes(Experiment):
        size: int = search([16, 32])
        text: str = search(["ab", "cd"])
        either: int | list[int] = search([1, 2])
        anything: Any = search([1, 2])

    assert len(Sizes()) == 16


def test_66_an_unknown_keyword_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nproc'"):
        Fit().run_all(nproc=2)  # type: ignore[call-arg]


def notes(cls: type[Experiment], **fields: Any) -> list[str]:
    cls(**fields).run_all(progress=False, resume=False)
    newest = max(Path("results").glob("*/runs/*/run.json"), key=lambda path: path.parent.name)
    found: list[str] = json.loads(newest.read_text())["notes"]
    return found


class Data(Params):
    name: str = "a"
    where: str = "in/{name}"


class Templates(Fit):
    name: str = "b"
    path: str = "data/{name}"
    plain: str = "data/{{name}}"
    other: str = "{question}"
    own: str = "{own}"
    odd: str = "a { b"
    made: str = value(derive=lambda s: f"data/{s.name}")
    data: Data = Data()


class Searched(Fit):
    path: str = search(["a/{steps}", "b"])


class Resumed(Fit):
    def resume(self) -> dict[str, int]:
        return {}


class ResumedByItself(Fit):
    def run(self) -> dict[str, int]:
        return self.resume()

    def resume(self) -> dict[str, int]:
        return {"y": 1}


class Reported(Shown):
    def report(self, results: Any) -> None:
        self.format_results(results)


def test_66_text_that_was_filled_in_is_noted() -> None:
    told = notes(Templates)
    assert len(told) == 2, told
    assert "Templates.path holds {name}, which is not filled in" in told[0]
    assert 'value(derive=lambda s: f"...{s.name}...")' in told[0]
    assert "Data.where holds {name}" in told[1]
    assert ["Searched.path holds {steps}" in one for one in notes(Searched)] == [True]
    assert notes(Templates, path="x", data=Data(where="y")) == []


def test_66_a_hook_that_is_not_called_any_more_is_noted() -> None:
    assert ["Resumed.resume is not called" in one for one in notes(Resumed)] == [True]
    assert notes(ResumedByItself) == []
    assert notes(Reported) == []


def test_66_the_command_names_the_new_options(here: Path) -> None:
    project = Project(here / "project").experiments("RQ1")
    expected = {
        "--n_proc": "now use --num-proc N",
        "--resume": "settings that are done are skipped",
        "--no-resume": "now use --rerun",
        "--clean": "experiment clean NAME",
        "--from_pickle": "run_all()",
        "--steps": "Fields are given without dashes: steps=VALUE",
    }
    for option, told in expected.items():
        ended = project.run("RQ1", option, "2")
        assert (ended.code, told in ended.err) == (2, True), ended
    assert not (project.folder / "results").exists()
