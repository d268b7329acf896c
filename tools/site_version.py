"""Writes the version of superparams on the first page, and below each page: a hook of mkdocs.

The version stands once in the project, in pyproject.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import superparams

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

MARK: Final = "<!-- version -->"
LINE: Final = (
    f"**Version {superparams.__version__}** · MIT licence · Python 3.10 to 3.14 · "
    "[source code on GitHub](https://github.com/Ar4l/superparams)"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the version into the last line of each page.

    Args:
        config: The configuration of the site.

    Returns:
        The same configuration, with that line.
    """
    config.copyright = f"superparams {superparams.__version__} · MIT licence"
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Write the version where a page asks for it.

    Args:
        markdown: The text of the page.

    Returns:
        The text, with the line in place of the mark.
    """
    return markdown.replace(MARK, LINE)
