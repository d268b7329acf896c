"""The pages that `make bench` and `make bench-quality` wrote: a hook of mkdocs, see mkdocs.yml.

There is one copy of the tables and of the picture, in benchmarks/; the site takes them from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

LINKS = {
    "(../benchmarks/results.md)": "(benchmarks.md)",
    "(../benchmarks/quality.md)": "(quality.md)",
}
FOLDER = Path(__file__).parents[1] / "benchmarks"
TO_AUTHORS = " Do not edit it."  # in the files, which readers of the site do not edit
PICTURE = "images/benchmarks.svg"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add benchmarks.md, with the picture under its head, and quality.md."""
    from mkdocs.structure.files import File

    head, rest = (FOLDER / "results.md").read_text("utf-8").split("\n## ", 1)
    shown = f"![Medians of all tools, a panel for each kind of work]({PICTURE})"
    page = f"{head}\n[{shown}]({PICTURE})\n\n## {rest}".replace(TO_AUTHORS, "")
    files.append(File.generated(config, "benchmarks.md", content=page))
    picture = (FOLDER / "results.svg").read_bytes()
    files.append(File.generated(config, PICTURE, content=picture))
    quality = (FOLDER / "quality.md").read_text("utf-8").replace(TO_AUTHORS, "")
    files.append(File.generated(config, "quality.md", content=quality))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let links to these files lead to their pages; in the repository, they lead to the files."""
    for link, of_site in LINKS.items():
        markdown = markdown.replace(link, of_site)
    return markdown
