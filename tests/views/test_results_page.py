"""The page of results: what stands in the document, whatever the values are."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import os
import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams import Experiment, Params, maximize, search
from superparams.errors import StoreError
from superparams.store.results import Results
from superparams.views.page.page_document import TEMPLATE
from superparams.views.page.page_sample import sample_of
from superparams.views.page.private_paths import PrivatePaths
from tests.pages import Page
from tests.recording import done, failed, run

MARKUP = "</script><script>alert(1)</script><!-- <b> ]]> &lt; \u2028 \x00\x1b[2J\u202e"


class Tree(Params):
    depth: int | None = search([None, 3])


class Svm(Params):
    c: float = search([1e-3, 1.0, 1e3])


class Fit(Experiment):
    """How well does it fit?"""

    goal = maximize("accuracy")
    model: Tree | Svm = search([Tree(), Svm()])
    seed: int = search(range(2), repeat=True)
    kind: str = "plain"

    def run(self):
        if isinstance(self.model, Svm) and self.model.c > 100:
            raise ValueError(f"no {self.seed}")
        print("seed", self.seed)
        for epoch in range(3):
            yield {"epoch": epoch, "loss": 1.0 / (epoch + 1)}
        return {"accuracy": self.seed + 0.5, "epoch": 2}


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Fit().run_all(1, results=tmp_path_factory.mktemp("fit"), progress=False)


def page(found: Results, tmp_path: Path) -> Page:
    return Page(found.to_html(tmp_path / "page.html").read_text("utf-8"))


def recorded(tmp_path: Path, *results: Any) -> Results:
    root = tmp_path / "results" / "m.X"
    run(root, [done(n, result) for n, result in enumerate(results)])
    return Results.load(root)


def test_the_page_tells_what_the_results_are(fit: Results, tmp_path: Path) -> None:
    about = page(fit, tmp_path).about
    assert about["title"] == "Fit"
    assert about["experiment"].endswith(".Fit")
    assert about["doc"] == "How well does it fit?"
    assert about["goal"] == {"column": "accuracy", "direction": "maximize"}
    assert about["results"] == ["accuracy", "epoch"]
    assert about["repeats"] == ["seed"]
    assert about["counts"] == {"done": 8, "failed": 2, "running": 0, "todo": 0, "total": 10}
    assert about["rerun"] == f"experiment rerun {about['experiment']} {{key}}"
    assert about["live"] is None
    assert about["sample"] is None
    fields = {field["name"]: field for field in about["fields"]}
    assert list(fields) == ["model", "model.depth", "model.c", "seed", "kind"]
    assert fields["model.c"] == {
        "name": "model.c",
        "kind": "number",
        "varies": True,
        "log": True,
        "owners": [{"model": "Svm"}],
        "points": [1e-3, 1.0, 1e3],
    }
    assert fields["model"]["kind"] == "category"
    assert fields["model"]["owners"] == [{}]
    assert not fields["kind"]["varies"]


def test_every_row_is_in_the_page(fit: Results, tmp_path: Path) -> None:
    found = page(fit, tmp_path)
    assert found.table.num_rows == 10
    assert [row["key"] for row in found.rows] == fit.column("key").to_pylist()
    errors = {row["error"] for row in found.rows if row["status"] == "failed"}
    assert errors == {"ValueError: no 0", "ValueError: no 1"}
    assert {"log_start", "log_end"}.isdisjoint(found.table.column_names)
    assert all(dt.datetime.fromisoformat(x["started"].replace("Z", "+00:00")) for x in found.rows)


def test_none_differs_from_no_such_field(fit: Results, tmp_path: Path) -> None:
    found = page(fit, tmp_path)
    (name,) = found.about["columns"]["none"].values()
    assert found.about["columns"]["none"] == {"model.depth": name}
    known = {(row["model"], row["model.depth"], row[name]) for row in found.rows}
    assert known == {("Tree", None, True), ("Tree", 3, False), ("Svm", None, False)}


def test_the_page_has_steps_logs_importance_and_runs(fit: Results, tmp_path: Path) -> None:
    found = page(fit, tmp_path)
    about = found.about
    assert found.steps.column_names == ["key", "attempt", "step", "seconds", "epoch", "loss"]
    assert found.steps.num_rows == 24
    assert set(about["logs"].values()) <= {"seed 0", "seed 1"}
    told = {row["field"]: row["importance"] for row in fit.importance("accuracy")}
    assert {x["field"]: x["share"] for x in about["importance"]["accuracy"]} == told
    assert next(iter(about["importance"])) == "accuracy"
    (made,) = about["runs"]
    assert made["id"] == fit.runs[0]
    assert made["state"] == "finished"
    parts, texts = about["parts"][made["code"]], about["texts"]
    assert any("raise ValueError" in texts[x] for x in parts.values() if isinstance(x, int))
    assert "seed" in made["space"]


def test_two_pages_of_the_same_results_are_equal_but_for_the_time(
    fit: Results, tmp_path: Path
) -> None:
    one, other = page(fit, tmp_path), page(fit, tmp_path)
    assert {**one.about, "written": ""} == {**other.about, "written": ""}
    assert one.table.equals(other.table)
    assert one.steps.equals(other.steps)


def test_rows_of_other_code_are_marked(fit: Results, tmp_path: Path) -> None:
    code = fit.column("code").to_pylist()[0]
    for codes, stale in ((["f" * 32], True), ([code], False), ([], None)):
        found = page(Results.load(fit.root, codes=codes), tmp_path)
        name = found.about["columns"]["stale"]
        assert (name is None) == (stale is None)
        if name is not None:
            marks = {row[name] for row in found.rows if row["code"] == code}
            assert marks == {stale}
            assert found.about["stale"] == sum(row[name] for row in found.rows)


def test_fewer_rows_make_a_page_of_these(fit: Results, tmp_path: Path) -> None:
    found = page(fit.where(model="Tree"), tmp_path)
    assert {row["model"] for row in found.rows} == {"Tree"}
    assert set(found.steps.column("key").to_pylist()) <= {row["key"] for row in found.rows}


# ---- hostile values


VALUES = {
    "markup": MARKUP,
    "surrogate": "a\ud800b",
    "long": "<x>" * 400_000,
    "nan": math.nan,
    "infinite": -math.inf,
    "huge": 2**70,
    "large": 2**60,
    "exact": 2**52,
    "raw": b"\x00\xff</script>",
    "nested": {"a": [1, {"b": "</script>"}]},
    "listed": ["<b>", "\x1b"],
    "number": decimal.Decimal("1.5"),
    "when": dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.timezone.utc),
    "lasted": dt.timedelta(hours=1),
    "day": dt.date(2026, 1, 2),
    "nothing": None,
    "flag": True,
}


def test_hostile_values_are_text_that_is_safe(tmp_path: Path) -> None:
    found = page(recorded(tmp_path, VALUES, dict.fromkeys(VALUES)), tmp_path)
    plain = TEMPLATE.read_text("utf-8")
    assert found.tags == tags_of(plain)
    row = found.rows[0]
    assert row["markup"].startswith("</script><script>alert(1)")
    assert "\\x1b[2J" in row["markup"]
    assert "\\ud800" in row["surrogate"] or "?" in row["surrogate"]
    assert len(row["long"]) <= 2000
    assert "…" in row["long"]
    assert math.isnan(row["nan"])
    assert row["infinite"] == -math.inf
    assert row["huge"] == str(2**70)
    assert row["large"] == str(2**60)
    assert row["exact"] == 2**52
    assert row["number"] == 1.5
    assert row["flag"] is True
    assert row["when"].startswith("2026-01-02T03:04:05.000006")
    assert row["lasted"] == "1:00:00"
    assert row["day"] == "2026-01-02"
    assert row["nothing"] is None
    for name in ("raw", "listed"):
        assert isinstance(row[name], str)
        assert row[name].isprintable()
    kinds = {field.type for field in found.table.schema}
    assert kinds <= {pa.string(), pa.large_string(), pa.bool_(), pa.int32(), pa.float64()}


def tags_of(document: str) -> list[str]:
    return Page(document).tags


@pytest.mark.parametrize("name", ["<img src=x>", "</script>", "a\x1bb", "none:a", "stale", ""])
def test_hostile_names_of_results_are_kept_apart(name: str, tmp_path: Path) -> None:
    found = page(recorded(tmp_path, {name: 1, "y": 2}, {name: 3, "y": 4}), tmp_path)
    assert len(set(found.table.column_names)) == len(found.table.column_names)
    assert set(found.about["results"]) <= set(found.table.column_names)
    assert [row[found.about["results"][0]] for row in found.rows] in ([1, 3], [2, 4])


def test_an_error_of_a_megabyte_and_a_log_of_one_are_cut(tmp_path: Path) -> None:
    class Loud(Experiment):
        a: int = search(range(3))

        def run(self) -> dict[str, int]:
            print("</script>" * 200_000)
            raise ValueError("<b>" * 400_000)

    found = Loud().run_all(1, results=tmp_path / "results", progress=False)
    written = found.to_html(tmp_path / "page.html")
    assert written.stat().st_size < TEMPLATE.stat().st_size + 300_000
    assert Page(written.read_text("utf-8")).about["counts"]["failed"] == 3


def test_the_page_is_at_most_400_kb_beside_its_rows(tmp_path: Path) -> None:
    class Loud(Experiment):
        a: int = search(range(120))

        def run(self) -> dict[str, int]:
            print(f"{self.a} says nothing " * 500)
            raise ValueError(f"{self.a} is not enough " * 100)

    found = Loud().run_all(1, results=tmp_path / "results", progress=False)
    written = found.to_html(tmp_path / "page.html")
    logs = Page(written.read_text("utf-8")).about["logs"]
    assert 110_000 < sum(map(len, logs.values())) < 130_000
    assert written.stat().st_size - 1.34 * found.path.stat().st_size < 400 << 10


# ---- what must not be in it


def test_the_page_names_neither_the_machine_nor_its_folders(tmp_path: Path) -> None:
    home = tmp_path / "home" / "somebody" / "project"
    (home / "experiments").mkdir(parents=True)

    class Tells(Experiment):
        a: int = search(range(2))

        def run(self) -> dict[str, str]:
            print("reading", home / "data.csv")
            if self.a:
                raise FileNotFoundError(f"no file {home / 'data.csv'}")
            return {"y": "ok"}

    found = Tells().run_all(1, results=home / "results", progress=False)
    root = found.root
    for folder in (root / "runs").iterdir():
        manifest = json.loads((folder / "run.json").read_text())
        manifest["project"] = manifest["cwd"] = str(home)
        (folder / "run.json").write_text(json.dumps(manifest))
    page = Page(Results.load(root).to_html(tmp_path / "page.html").read_text("utf-8"))
    (error,) = [row["error"] for row in page.rows if row["error"]]
    assert error == "FileNotFoundError: no file data.csv"
    (traceback,) = [row["traceback"] for row in page.rows if row["traceback"]]
    assert 'test_results_page.py", line' in traceback
    everything = json.dumps(page.about) + json.dumps(page.rows)
    for private in (str(tmp_path), str(Path.home()) + "/", str(Path(os.__file__).parent), "argv"):
        assert private not in everything
    assert f'"{socket.gethostname()}"' not in everything


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("in /srv/lab/run/data.csv", "in data.csv"),
        ("at /srv/lab/run", "at "),
        ("/srv/lab/runner/x", "/srv/lab/runner/x"),
        ("/home/ada/x and /Users/bob/y", "~/x and ~/y"),
        ('File "/opt/py/lib/python3.12/json/a.py", line 1', 'File "json/a.py", line 1'),
        ('File "/v/lib/python3.12/site-packages/torch/a.py"', 'File "torch/a.py"'),
        ('File "/data/other/tool.py", line 3', 'File "…/tool.py", line 3'),
        ("https://example.org/home/x", "https://example.org/home/x"),
        ("no path", "no path"),
    ],
)
def test_paths_of_a_machine_are_left_out(text: str, shown: str) -> None:
    assert PrivatePaths(["/srv/lab/run"]).hidden(text) == shown


# ---- large tables


def test_a_sample_represents_every_row(tmp_path: Path) -> None:
    status = pa.chunked_array([["done"] * 900 + ["failed"] * 100])
    sample = sample_of(status, [555], 200)
    assert sample is not None
    places, numbers = sample.places.to_pylist(), sample.represents.to_pylist()
    assert 555 in places
    assert places == sorted(set(places))
    assert len(places) <= 201
    assert sum(numbers) == 1000
    assert min(numbers) >= 1
    assert sum(n for place, n in zip(places, numbers, strict=True) if place >= 900) == 100
    assert sample_of(status, [], 1000) is None


@pytest.mark.parametrize("n_failed", [0, 1, 50, 999, 1000])
def test_rare_failures_are_all_in_a_sample(n_failed: int) -> None:
    status = pa.chunked_array([["failed"] * n_failed + ["done"] * (1000 - n_failed)])
    sample = sample_of(status, [], 500)
    assert sample is not None
    assert sum(sample.represents.to_pylist()) == 1000
    n_kept = sum(place < n_failed for place in sample.places.to_pylist())
    assert n_kept == n_failed if n_failed <= 100 else 100 <= n_kept <= 500


def test_a_page_of_a_sample_tells_the_true_counts(tmp_path: Path) -> None:
    from superparams.views.page.results_page import page_of

    root = tmp_path / "results" / "m.X"
    run(root, [done(n, {"y": n}) for n in range(300)] + [failed(n) for n in range(300, 320)])
    found = Page(page_of(Results.load(root), most=100))
    assert found.about["counts"]["done"] == 300
    assert found.about["counts"]["failed"] == 20
    assert found.about["sample"]["of"] == 320
    assert found.about["sample"]["rows"] == found.table.num_rows <= 101
    name = found.about["columns"]["represents"]
    assert sum(found.table.column(name).to_pylist()) == 320


# ---- the file, and notebooks


def test_an_older_page_is_replaced_and_another_file_is_not(fit: Results, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert fit.to_html(path) == path
    assert fit.to_html(str(path)) == path
    path.write_text("<html>mine</html>")
    with pytest.raises(StoreError, match=r"is not a page of superparams.*another path"):
        fit.to_html(path)
    assert path.read_text() == "<html>mine</html>"
    fit.to_html(path, overwrite=True)
    assert Page(path.read_text("utf-8")).table.num_rows == 10
    with pytest.raises(StoreError, match="is a folder"):
        fit.to_html(tmp_path)
    with pytest.raises(StoreError, match="there is no folder"):
        fit.to_html(tmp_path / "none" / "page.html")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_never_replaced(
    fit: Results, overwrite: bool, tmp_path: Path
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "to_device.html"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link):
        with pytest.raises(StoreError, match="is not a regular file"):
            fit.to_html(path, overwrite=overwrite)
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_link_stays_and_its_file_is_written(fit: Results, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    file, link = folder / "page.html", tmp_path / "newest.html"
    link.symlink_to(file)
    for _ in range(2):  # a file that is not there yet, and one that is
        assert fit.to_html(link) == link
        assert link.readlink() == file
        assert Page(file.read_text("utf-8")).table.num_rows == 10
    file.write_text("mine")
    with pytest.raises(StoreError, match="is not a page of superparams"):
        fit.to_html(link)
    assert list(folder.iterdir()) == [file]


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(fit: Results, tmp_path: Path) -> None:
    view = fit.view(height=700)
    shown = view._repr_html_()
    assert repr(view) == f"page of {fit.summary}"
    assert shown.startswith("<iframe ")
    assert shown.count("<") == 2
    assert "height:700px" in shown
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    written = fit.to_html(tmp_path / "page.html").read_text("utf-8")
    assert Page(view.document).table.equals(Page(written).table)


def test_results_of_nothing_make_a_page(tmp_path: Path) -> None:
    root = tmp_path / "results" / "m.X"
    run(root, [])
    found = page(Results.load(root), tmp_path)
    assert found.table.num_rows == 0
    assert found.about["counts"]["total"] == 0
