"""All modules of superparams, most of which are imported when a run needs them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
_FILES = [path for path in _PACKAGE.rglob("*.py") if path.stem.isidentifier()]
_MODULES = [path.parent if path.stem == "__init__" else path.with_suffix("") for path in _FILES]

hiddenimports = sorted(".".join(path.relative_to(_PACKAGE.parent).parts) for path in _MODULES)
# The document that the page of results is made from.
datas = [(str(_PACKAGE / "views" / "page" / "page.html"), "superparams/views/page")]
