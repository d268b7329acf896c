"""web/ is safe, small and in one piece with the built page: text of users is never markup."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from source import ROOT

WEB = ROOT / "web"
BUILT = ROOT / "superparams" / "views" / "page" / "page.html"
SOURCES = sorted((WEB / "src").rglob("*.ts"))
FILE_LINES = 400
BUILT_BYTES = 400 * 1024

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|srcdoc|setHTML"
    r"|document\.write|\beval\b|new Function|\bimport\(|setAttribute\(\"(?:style|on)"
)
"""What turns text into markup or code."""


def markup_of(text: str) -> list[str]:
    return [match.group() for match in MARKUP.finditer(text)]


def test_no_source_turns_text_into_markup() -> None:
    assert SOURCES
    found = {str(path.relative_to(WEB)): markup_of(path.read_text("utf-8")) for path in SOURCES}
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "line", ["cell.innerHTML = name", 'a.setAttribute("style", x)', "eval(x)", "new Function(x)"]
)
def test_markup_would_be_seen(line: str) -> None:
    assert markup_of(line)


def test_sources_are_short() -> None:
    paths = [*SOURCES, *(WEB / "src").rglob("*.css"), *(WEB / "tests").rglob("*.ts")]
    long = {path.name: len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: lines for name, lines in long.items() if lines > FILE_LINES} == {}


def test_the_built_page_is_small() -> None:
    assert BUILT.stat().st_size <= BUILT_BYTES


def test_the_built_page_has_three_placeholders() -> None:
    text = BUILT.read_text("utf-8")
    for line in (
        '<script type="application/json" id="about">{}</script>\n',
        '<script type="application/octet-stream;base64" id="table"></script>\n',
        '<script type="application/octet-stream;base64" id="steps"></script>\n',
    ):
        assert text.count(line) == 1


def test_the_policy_of_the_built_page_allows_its_own_script_and_style_alone() -> None:
    text = BUILT.read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["connect-src"] == "'none'"
    inline = {"script": re.findall(r"<script>(.*?)</script>", text, re.DOTALL)}
    inline["style"] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for kind, texts in inline.items():
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()) for each in texts]
        assert parts[f"{kind}-src"] == " ".join(f"'sha256-{each.decode()}'" for each in digests)


def test_the_built_page_asks_for_nothing() -> None:
    text = BUILT.read_text("utf-8")
    assert re.findall(r"""(?:src|href|action)=["']|url\(|@import|<link|<img""", text) == []


def test_the_lock_file_names_no_place_to_load_from() -> None:
    lock = (WEB / "package-lock.json").read_text("utf-8")
    assert "://" not in re.sub(r'"(?:url|funding)": "https://[^"]*"', "", lock)
    packages = json.loads(lock)["packages"]
    assert all("integrity" in each for name, each in packages.items() if name)


def test_the_built_page_is_what_its_source_builds(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        lack = "needs node, and `npm ci` in web/"
        if os.environ.get("SUPERPARAMS_BROWSER"):
            pytest.fail(lack)
        pytest.skip(lack)
    page = tmp_path / "page.html"
    subprocess.run([node, WEB / "build.mjs", page], check=True, timeout=120, capture_output=True)
    assert page.read_bytes() == BUILT.read_bytes(), "run `make page`"
