"""The notebook of the docs: run anew, and compared with what it stores.

`python tests/docs/notebooks.py` (which is `make notebook`) runs it and stores what its cells show.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from snippets import environment

nbformat: Any = importlib.import_module("nbformat")  # which has types of some functions only
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs/notebook.ipynb"
PATIENCE = 120  # seconds for a cell
# A markdown cell with this tag tells that the kernel is restarted: another one runs the rest.
RESTART = "restart"
# What differs from run to run: the name of a run, fingerprints, seconds.
RUN = re.compile(r"\d{8}T\d{6}\S*")
HEX = re.compile(r"\b[0-9a-f]{8,}\b")
SECONDS = re.compile(r"(\bdone(?:</td><td>| in | +))\d+(?:\.\d+)?")
FONTS = "building the font cache"  # what matplotlib says once on a machine


def read(path: Path = NOTEBOOK) -> Any:
    return nbformat.read(path, as_version=4)


def run(notebook: Any, folder: Path) -> Any:
    """A copy of a notebook that was run in a folder, its code as it is and its outputs new.

    Raises:
        CellExecutionError: of nbclient, when a cell fails.
    """
    fresh = nbformat.from_dict(notebook)
    for part in parts(fresh.cells):
        run_part(part, folder)
    return fresh


def parts(cells: list[Any]) -> Iterator[list[Any]]:
    """The cells between two restarts of the kernel."""
    part: list[Any] = []
    for cell in cells:
        if RESTART in cell.metadata.get("tags", ()):
            yield part
            part = []
        part.append(cell)
    yield part


def run_part(cells: list[Any], folder: Path) -> None:
    """Run these cells in a kernel of their own; what they show goes into them."""
    own = tempfile.mkdtemp(prefix="kernel-")
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook,
        timeout=PATIENCE,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.create_kernel_manager()
    assert client.km is not None
    client.km.transport = "ipc"  # nobody else on the machine hears it
    client.km.ip = f"{own}/ipc"
    client.km.connection_file = f"{own}/connection.json"
    kernel = {**environment(), "PYTHONPATH": str(ROOT), "IPYTHONDIR": own, "MPLBACKEND": ""}
    try:
        client.execute(env={k: v for k, v in kernel.items() if v})
    finally:
        shutil.rmtree(own, ignore_errors=True)
    # Cells are replaced by what was run, not changed.
    for cell, done in zip(cells, client.nb.cells, strict=True):
        cell.update(done)


def shown(notebook: Any) -> list[list[tuple[str, str]]]:
    """What each code cell shows, as kinds and texts in which what varies is masked."""
    return [
        [pair for output in cell.outputs for pair in masked(output)]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def masked(output: Any) -> Iterator[tuple[str, str]]:
    if output.output_type == "stream":
        if FONTS not in output.text:
            yield output.name, mask(output.text)
    elif output.output_type == "error":
        yield "error", f"{output.ename}: {mask(output.evalue)}"
    elif "image/png" in output.data:
        yield "image/png", "drawn a little differently by each version of matplotlib"
    else:
        yield from ((kind, mask(data)) for kind, data in sorted(output.data.items()))


def mask(text: str) -> str:
    """A text without what differs from run to run."""
    text = SECONDS.sub(r"\1(seconds)", HEX.sub("(digits)", RUN.sub("(run)", text)))
    return re.sub(r" +", " ", text)  # columns are as wide as the longest number


def tidy(notebook: Any) -> None:
    """Leave out what tells of the machine, or changes although nothing did."""
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "alt")}
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", ()):
                output.data.pop("text/plain", None)  # a repr, which says nothing


def main() -> None:
    notebook = read()
    with tempfile.TemporaryDirectory() as folder:
        fresh = run(notebook, Path(folder))
    tidy(fresh)
    nbformat.validate(fresh)
    nbformat.write(fresh, NOTEBOOK)
    print(f"wrote {os.path.relpath(NOTEBOOK)}", file=sys.stderr)


if __name__ == "__main__":
    main()
