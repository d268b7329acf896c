"""`results.plot`: what lines, cells, bars, scales and labels the pictures have."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, maximize, minimize, search
from superparams.errors import StoreError
from superparams.strategies import Threshold
from tests.kernels import Kernel
from tests.runs import PROJECT

matplotlib: Any = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib.figure import Figure  # noqa: E402

# Fonts stay open from their first use on.
fonts = Figure()
fonts.text(0, 0, "first $10^{-5}$")
fonts.savefig(io.BytesIO())

pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    beta: float = search([0.9, 0.99])


class SGD(Params):
    momentum: float | None = search([None, 0.9])


class Train(Experiment):
    goal = maximize("accuracy")
    lr: float = search([0.001, 0.01, 0.1])
    width: int = search([16, 32, 64])
    optimizer: Adam | SGD = search([Adam(), SGD()])
    seed: int = search(range(2), repeat=True)

    def run(self) -> Iterator[dict[str, Any]]:
        name = type(self.optimizer).__name__
        for epoch in range(3):
            if self.lr == 0.1 and self.width == 64 and epoch == 2:
                raise ValueError("it diverges")
            accuracy = epoch + math.log10(self.lr) + 0.1 * (name == "SGD") + 0.01 * self.seed
            yield {"epoch": epoch, "accuracy": accuracy, "other": 1.0}


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Train().run_all(results=tmp_path_factory.mktemp("results"), progress=False)


def labels_of(ax: Any) -> tuple[str, str]:
    return ax.get_xlabel(), ax.get_ylabel()


def ticks_of(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def legend_of(ax: Any) -> tuple[str, list[str]]:
    legend = ax.get_legend()
    return legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()]


def draws(ax: Any) -> None:
    """Drawing shows what building a figure does not: a label or a locator that fails."""
    ax.figure.savefig(io.BytesIO())


# ---- line


def test_line_by_itself(train: Results) -> None:
    ax = train.plot.line()
    assert labels_of(ax) == ("lr", "accuracy (mean over 4 fields)")
    assert legend_of(ax) == ("optimizer", ["Adam", "SGD"])
    assert ax.get_xscale() == "log"
    draws(ax)
    assert ticks_of(ax.xaxis) == ["0.001", "0.01", "0.1"]
    adam, sgd = ax.get_lines()
    assert list(adam.get_xdata()) == [0.001, 0.01, 0.1]
    assert list(adam.get_ydata()) == pytest.approx([-0.995, 0.005, 1.005])
    assert list(sgd.get_ydata()) == pytest.approx([-0.895, 0.105, 1.105])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]  # over both seeds
    assert {round(y, 6) for y in band} == {-1.0, -0.99, 0.0, 0.01, 1.0, 1.01}


def test_line_with_names(train: Results) -> None:
    ax = train.plot.line("width", "other", by="lr")
    assert labels_of(ax) == ("width", "other (mean over 4 fields)")
    assert legend_of(ax) == ("lr", ["0.001", "0.01", "0.1"])
    assert ax.get_xscale() == "log"
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [3, 3, 2]  # one failed
    assert not ax.collections  # no band where all values are the same


def test_one_line(train: Results) -> None:
    ax = train.where(width=16, lr=0.1).plot.line(by=False)
    assert ax.get_legend() is None
    assert len(ax.get_lines()) == 1


def test_line_over_texts(train: Results) -> None:
    ax = train.plot.line("optimizer", by="seed")
    draws(ax)
    assert ticks_of(ax.xaxis) == ["Adam", "SGD"]
    assert ax.get_xscale() == "linear"
    assert labels_of(ax)[1] == "accuracy (mean over 4 fields)"
    assert [list(line.get_xdata()) for line in ax.get_lines()] == [[0, 1], [0, 1]]


def test_a_field_of_some_alternatives_is_drawn_for_the_settings_that_have_it(
    train: Results,
) -> None:
    ax = train.plot.line("optimizer.momentum", by=False)
    draws(ax)
    assert ticks_of(ax.xaxis) == ["None", "0.9"]  # SGD alone: None is a value of it
    (line,) = ax.get_lines()
    assert len(line.get_xdata()) == 2
    done = [row for row in train if row["status"] == "done"]
    of_sgd = [row["accuracy"] for row in done if row["optimizer"] == "SGD"]
    assert sum(line.get_ydata()) / 2 == pytest.approx(sum(of_sgd) / len(of_sgd))


class Wide(Experiment):
    goal = minimize("loss")
    rate: float = search(low=1e-5, high=1e-1, log=True)
    part: float = search(low=0.0, high=1.0)
    narrow: float = search(low=1.0, high=2.0, log=True)
    word: str = search(["x", "y"])

    def run(self) -> dict[str, float]:
        return {"loss": 10 ** (4 * self.part) * self.rate}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    return Wide().sample(200).run_all(results=folder, progress=False)


def test_many_numbers_are_put_into_bins(wide: Results) -> None:
    ax = wide.plot.line("rate", by="word")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    for line in ax.get_lines():
        assert 10 < len(line.get_xdata()) <= 20
        assert list(line.get_xdata()) == sorted(line.get_xdata())
    draws(ax)


@pytest.mark.parametrize("with_class", [True, False])
def test_a_range_is_drawn_as_it_was_declared(wide: Results, with_class: bool) -> None:
    results = wide if with_class else Results.load(wide.root)
    scales = {name: results.plot.line(name).get_xscale() for name in ("rate", "part", "narrow")}
    assert scales == {"rate": "log", "part": "linear", "narrow": "log"}


# ---- heat


def test_heat_by_itself(train: Results) -> None:
    ax = train.plot.heat()
    draws(ax)
    assert labels_of(ax) == ("lr", "optimizer")
    assert ticks_of(ax.xaxis) == ["0.001", "0.01", "0.1"]
    assert ticks_of(ax.yaxis) == ["Adam", "SGD"]
    (mesh,) = ax.collections
    assert mesh.get_array().ravel().tolist() == pytest.approx(
        [-0.995, 0.005, 1.005, -0.895, 0.105, 1.105]
    )
    assert [text.get_text() for text in ax.texts] == [
        *("-0.995", "0.005", "1", "-0.895", "0.105", "1.1")
    ]
    assert ax.figure.axes[1].get_ylabel() == "accuracy (mean over 4 fields)"


def test_cells_without_rows_stay_blank(train: Results) -> None:
    ax = train.plot.heat("lr", "width", "other")
    values = ax.collections[0].get_array()
    assert values.mask.tolist() == [[False] * 3, [False] * 3, [False, False, True]]
    assert len(ax.texts) == 8


def test_heat_needs_two_fields(train: Results) -> None:
    few = train.where(width=16, optimizer=Adam(beta=0.9))
    with pytest.raises(StoreError, match=r"plot\.heat\(\) of Train needs two fields .* lr is all"):
        few.plot.heat()


def test_heat_of_many_numbers(wide: Results) -> None:
    ax = wide.plot.heat("rate", "part")
    draws(ax)
    assert ax.collections[0].get_array().shape[1] == 10
    assert max(map(len, ticks_of(ax.xaxis))) <= 8


# ---- slices


def test_slices(train: Results) -> None:
    every = train.plot.slices()
    names = [ax.get_xlabel() for ax in every]
    assert names[0] == "lr"
    assert set(names) == {"lr", "width", "optimizer", "optimizer.beta", "optimizer.momentum"}
    assert len({ax.figure for ax in every}) == 1
    by_name = dict(zip(names, every, strict=True))
    n_done = train.counts["done"]
    assert len(by_name["lr"].collections[0].get_offsets()) == n_done
    assert by_name["lr"].get_xscale() == "log"
    assert by_name["optimizer"].get_xscale() == "linear"
    draws(by_name["optimizer"])
    assert ticks_of(by_name["optimizer"].xaxis) == ["Adam", "SGD"]
    assert ticks_of(by_name["optimizer.momentum"].xaxis) == ["None", "0.9"]
    offsets = by_name["optimizer.momentum"].collections[0].get_offsets()
    assert sum(not math.isnan(x) for x in offsets.filled(math.nan)[:, 0]) == n_done / 2


def test_slices_into_axes(train: Results) -> None:
    given = Figure().subplots(1, 2)
    assert train.plot.slices("other", ["lr", "width"], ax=list(given)) == list(given)
    assert given[0].get_ylabel() == "other"
    with pytest.raises(StoreError, match="2 axes for 1 fields: lr"):
        train.plot.slices(fields=["lr"], ax=list(given))


# ---- parallel


def test_parallel(train: Results) -> None:
    ax = train.plot.parallel()
    draws(ax)
    names = ["lr", "width", "optimizer", "optimizer.beta", "optimizer.momentum", "accuracy"]
    assert ticks_of(ax.xaxis) == names
    (lines,) = ax.collections
    segments = lines.get_segments()
    assert len(segments) == train.counts["done"]  # every row has a line
    shown = {(text.get_position()[0], text.get_text().strip()) for text in ax.texts}
    for wanted in ((0, "0.01"), (2, "SGD"), (3, "absent"), (4, "None"), (4, "absent")):
        assert wanted in shown, wanted
    # The best row is drawn last, over the others, and goes through the middle of no axis.
    best = segments[-1][:, 1].tolist()
    assert best[0] == best[-1] == 1
    assert best[3] < 0  # SGD is the best, and has no beta
    middle = {round(segment[0, 1], 6) for segment in segments}
    assert middle == {0, 0.5, 1}  # logarithmic


def test_the_smallest_is_the_best_for_a_goal_that_is_to_be_small(wide: Results) -> None:
    (lines,) = wide.plot.parallel().collections
    assert lines.get_segments()[-1][-1, 1] == pytest.approx(0)


# ---- importance


def test_importance(train: Results) -> None:
    ax = train.plot.importance()
    draws(ax)
    found = train.importance()
    assert ticks_of(ax.yaxis)[0] == "lr"
    assert "optimizer.beta\n(optimizer=Adam)" in ticks_of(ax.yaxis)
    widths = [bar.get_width() for bar in ax.patches]
    n = len(found)
    assert widths[:n] == [row["alone"] for row in found]
    assert widths[n:] == [row["with_others"] for row in found]
    assert ax.get_xlabel() == "share of the variance of accuracy, estimated"
    assert ax.yaxis_inverted()


# ---- curves


def test_curves(train: Results) -> None:
    ax = train.where(width=64, optimizer=SGD(momentum=0.9)).plot.curves()
    assert labels_of(ax) == ("epoch", "accuracy (mean over seed)")
    assert legend_of(ax) == ("lr", ["0.001", "0.01", "0.1", "failed, killed or timeout"])
    low, _, failed = ax.get_lines()
    assert list(low.get_ydata()) == pytest.approx([-2.895, -1.895, -0.895])
    assert list(failed.get_xdata()) == [0, 1]  # what failed is drawn, too
    marks = ax.collections[-1].get_offsets().tolist()
    assert marks == [[1, pytest.approx(0.1)], [1, pytest.approx(0.11)]]  # both seeds
    assert len(ax.collections) == 4  # three bands, and the marks
    draws(ax)


def test_many_curves_have_the_colours_of_their_values(train: Results) -> None:
    ax = train.plot.curves()
    assert len(ax.get_lines()) == 3 * 3 * 4
    assert legend_of(ax)[1] == ["failed, killed or timeout"]
    assert ax.figure.axes[1].get_ylabel() == "last accuracy"
    assert len({line.get_color() for line in ax.get_lines()}) > 3
    draws(ax)


def test_curves_by_a_field(train: Results) -> None:
    ax = train.plot.curves("other", "step", by="optimizer")
    assert labels_of(ax) == ("step", "other (mean over seed)")
    assert len({line.get_color() for line in ax.get_lines()}) == 2
    title, names = legend_of(ax)
    assert title == "optimizer"
    assert names == ["Adam", "SGD", "failed, killed or timeout"]


def test_curves_of_stopped_settings(tmp_path: Path) -> None:
    class Stopping(Experiment):
        x: int = search([1, 2])

        def run(self) -> Iterator[dict[str, float]]:
            for n in range(5):
                yield {"loss": self.x * n}

    stop = Threshold(minimize="loss", upper=4.5)
    found = Stopping().run_all(results=tmp_path, progress=False, stop=stop)
    assert found.counts == {"done": 1, "stopped": 1}
    ax = found.plot.curves()
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [5, 4]
    assert "stopped" in legend_of(ax)[1]
    assert ax.collections[-1].get_offsets().tolist() == [[4, 6]]


# ---- what all of them do


KINDS = ("line", "heat", "slices", "parallel", "importance", "curves")


@pytest.mark.parametrize("kind", KINDS)
def test_no_figure_of_pyplot_is_left(train: Results, kind: str) -> None:
    pyplot: Any = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    getattr(train.plot, kind)()
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "slices"])
def test_axes_that_are_given(train: Results, kind: str) -> None:
    ax = Figure().subplots()
    assert getattr(train.plot, kind)(ax=ax) is ax
    assert ax.lines or ax.collections or ax.patches


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_other_code_are_left_out(train: Results, kind: str) -> None:
    other = Results.load(train.root, codes=("0" * 64,))
    with pytest.raises(StoreError, match="Train"):
        getattr(other.plot, kind)()
    getattr(other.stale.plot, kind)()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_result_is_refused(train: Results, kind: str) -> None:
    words = {"heat": {"value": "acuracy"}}.get(kind, {"y": "acuracy"})
    with pytest.raises(StoreError, match="did you mean 'accuracy'"):
        getattr(train.plot, kind)(**words)


def test_an_unknown_field_is_refused(train: Results) -> None:
    with pytest.raises(StoreError, match=r"did you mean 'optimizer\.beta'"):
        train.plot.line("beta")


def test_without_a_goal_the_first_number_is_drawn(tmp_path: Path) -> None:
    class Plain(Experiment):
        x: int = search([1, 2, 3])

        def run(self) -> dict[str, Any]:
            return {"text": "x", "y": self.x**2, "z": 0.0}

    found = Plain().run_all(results=tmp_path, progress=False)
    ax = found.plot.line()
    assert labels_of(ax) == ("x", "y")
    assert list(ax.get_lines()[0].get_ydata()) == [1, 4, 9]
    with pytest.raises(StoreError, match=r"plot\.curves\(\) of Plain: no setting recorded numbers"):
        found.plot.curves()
    with pytest.raises(StoreError, match="no field varies"):
        found.where(x=1).plot.line()


MISSING = """
import json, sys
sys.modules["matplotlib"] = None  # as where it is not installed
from superparams import Experiment, Results
results = Results.load(sys.argv[1])
try:
    results.plot.line()
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def test_without_matplotlib_the_error_tells_what_to_install(train: Results) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING, str(train.root)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    name, text = json.loads(done.stdout)
    assert name == "StoreError"
    assert "pip install 'superparams[plot]'" in text


NOTEBOOK = """
from superparams import Results
ax = Results.load({root!r}).plot.line()
ax.set_title("mine")
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("notebook"))
    yield kernel
    kernel.close()


def test_a_notebook_shows_the_picture_once_and_leaves_none_open(
    train: Results, kernel: Kernel
) -> None:
    cell = kernel.run(NOTEBOOK.format(root=str(train.root)))
    assert cell.error is None
    assert cell.of("display_data") == ["<Figure size 600x400 with 1 Axes>"]
    cell = kernel.run("from matplotlib import pyplot; pyplot.get_fignums()")
    assert cell.of("execute_result") == ["[]"]
