"""Notebooks in docs/ as pages of the site: a hook of mkdocs, named in mkdocs.yml.

What the cells show is stored in the notebook, so that this needs no kernel, and nothing beyond
mkdocs: the page is Markdown as the others are, with their look, search and copy buttons. `make
notebook` runs the notebook anew, and tests/docs tells when what it stores is no longer true.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give each notebook a page; it stays a file of the site too, to be downloaded."""
    from mkdocs.structure.files import File

    for file in list(files):
        if file.src_uri.endswith(".ipynb") and file.abs_src_path is not None:
            name = file.src_uri.removesuffix(".ipynb")
            notebook = json.loads(Path(file.abs_src_path).read_text("utf-8"))
            page, pictures = as_page(notebook, f"images/{name}")
            files.append(File.generated(config, f"{name}.md", content=page))
            for place, picture in pictures.items():
                files.append(File.generated(config, place, content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links to a notebook lead to its page; in the repository, they lead to the notebook."""
    if page.file.src_uri == "notebook.md":  # its own link is to the file, to be downloaded
        return markdown
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", markdown)


def as_page(notebook: dict[str, Any], pictures: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook, and its pictures by the names of their files.

    pictures: what these names begin with; the text for a picture is `alt` in its cell's metadata.
    """
    kept: dict[str, bytes] = {}
    parts: list[str] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(joined(cell["source"]))
        elif cell["cell_type"] == "code":
            parts.append(fenced("python", joined(cell["source"])))
            for data in shown(cell["outputs"]):
                if "image/png" in data:
                    place = f"{pictures}-{len(kept) + 1}.png"
                    kept[place] = base64.b64decode(joined(data["image/png"]))
                    parts.append(f"![{cell['metadata'].get('alt', '')}]({place})")
                elif "text/html" in data:
                    parts.append(f"<div>\n{joined(data['text/html'])}\n</div>")
                else:
                    parts.append(fenced("text", joined(data.get("text/plain", ""))))
    return "\n\n".join(parts) + "\n", kept


def shown(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The outputs of a cell by their media types, what it printed and raised as text."""
    for output in outputs:
        if output["output_type"] == "stream":
            yield {"text/plain": joined(output["text"])}
        elif output["output_type"] == "error":
            lines = "\n".join(output["traceback"])
            yield {"text/plain": lines or f"{output['ename']}: {output['evalue']}"}
        else:
            yield output["data"]


def joined(text: str | list[str]) -> str:
    """A text, which a notebook may hold as its lines."""
    return text if isinstance(text, str) else "".join(text)


def fenced(language: str, text: str) -> str:
    """A block of code, also of text with fences in it."""
    text = ESCAPES.sub("", text).strip("\n")
    fence = max(["``", *re.findall(r"^`{3,}", text, re.MULTILINE)], key=len) + "`"
    return f"{fence}{language}\n{text}\n{fence}"
