"""The figures of the pages: each is there for light and dark, and its page draws it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from figures import COLORS, IMAGES, THEMES, figures_of, pages_with_figures, settings_of
from snippets import PAGES as ALL_PAGES
from snippets import ROOT

PAGES = list(pages_with_figures())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_figure_is_shown_in_both_themes(path: Path) -> None:
    shown = figures_of(path)
    text = path.read_text("utf-8")
    for name in {name for name, _ in shown}:
        assert [theme for one, theme in shown if one == name] == list(THEMES), name
        assert f'savefig("{name}.svg")' in text, name
    for name, theme in shown:
        assert (IMAGES / f"{name}-{theme}.svg").is_file(), "`make figures` draws it"


def test_every_image_is_shown() -> None:
    shown = {f"{name}-{theme}.svg" for path in PAGES for name, theme in figures_of(path)}
    assert {path.name for path in IMAGES.glob("*.svg")} == shown
    pages = "".join(path.read_text("utf-8") for path in ALL_PAGES)
    others = {path.name for path in IMAGES.iterdir()} - shown
    assert {name for name in others if f"images/{name}" not in pages} == set()
    assert shown


@pytest.mark.parametrize("theme", THEMES)
def test_figures_have_the_colours_of_their_theme(theme: str) -> None:
    other = COLORS[THEMES[theme == "light"]][0]
    for path in IMAGES.glob(f"*-{theme}.svg"):
        text = path.read_text("utf-8")
        assert COLORS[theme][0] in text, path.name
        assert other not in text, path.name
        assert str(ROOT) not in text
        assert not re.search(r"<dc:date>(?!1970)", text), "SOURCE_DATE_EPOCH is not set"
        assert f'"{COLORS[theme][0]}"' in settings_of(theme)
