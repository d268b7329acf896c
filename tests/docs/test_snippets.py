"""Every snippet of the README and of the pages does what the page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from snippets import (
    NEEDED,
    PAGES,
    ROOT,
    SnippetError,
    commands,
    is_installed,
    read_page,
    run_page,
)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, marks=[pytest.mark.torch] if "torch" in NEEDED.get(path.name, ()) else []
        )
        for path in PAGES
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_page(path: Path, tmp_path: Path) -> None:
    if not is_installed(path):
        pytest.skip(f"{' and '.join(NEEDED[path.name])} are not here")
    if "$ git " in path.read_text("utf-8") and shutil.which("git") is None:
        pytest.skip("git is not here")
    run_page(read_page(path), tmp_path)


def run(tmp_path: Path, text: str) -> Path:
    """Run a page with this text; returns the folder it ran in."""
    path = tmp_path / "a page.md"
    path.write_text(text.replace("'''", "```"), "utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    run_page(read_page(path), folder)
    return folder


class TestWhatRuns:
    def test_blocks_share_their_names(self, tmp_path: Path) -> None:
        run(tmp_path, "'''python\na = 1\n'''\nand\n'''python\nassert a == 1\n'''\n")

    def test_output_is_compared(self, tmp_path: Path) -> None:
        run(tmp_path, "'''python\nprint('a\\nb')\n'''\n\n'''text\na\nb\n'''\n")

    def test_each_output_belongs_to_its_block(self, tmp_path: Path) -> None:
        one = "'''python\nprint(1)\n'''\n'''text\n1\n'''\n"
        run(tmp_path, f"{one}\n{one.replace('1', '2')}")

    def test_console_comes_in_its_turn(self, tmp_path: Path) -> None:
        text = (
            "'''python\nopen('a', 'w').write('x')\n'''\n"
            "'''console\n$ cat a\nx\n$ echo y > b\n'''\n"
            "'''python\nprint(open('b').read())\n'''\n"
            "'''text\ny\n'''\n"
        )
        run(tmp_path, text)

    def test_a_titled_block_is_a_file(self, tmp_path: Path) -> None:
        script = "'''python title=\"exp.py\"\nprint('hello')\n'''\n"
        text = f"{script}'''console\n$ python exp.py\nhello\n'''\n"
        assert (run(tmp_path, text) / "exp.py").read_text() == "print('hello')\n"

    def test_future_imports_may_stand_in_any_block(self, tmp_path: Path) -> None:
        block = "'''python\nfrom __future__ import annotations\nx: nowhere\n'''\n"
        run(tmp_path, block + block)

    def test_classes_have_their_source(self, tmp_path: Path) -> None:
        block = "'''python\nimport inspect\nclass A:\n    x = 1\nprint(inspect.getsource(A))\n'''\n"
        run(tmp_path, f"{block}'''text\nclass A:\n    x = 1\n'''\n")

    def test_workers_that_import_the_script_do_not_halt(self, tmp_path: Path) -> None:
        text = (
            "'''python\nimport multiprocessing as mp\ndef f(x): return x + 1\n'''\n"
            "'''python\nif __name__ == '__main__':\n"
            "    with mp.get_context('spawn').Pool(1) as pool:\n"
            "        print(pool.map(f, [1]))\n'''\n'''text\n[2]\n'''\n"
        )
        run(tmp_path, text)

    def test_indented_blocks_run(self, tmp_path: Path) -> None:
        with pytest.raises(SnippetError):
            run(tmp_path, "!!! note\n\n    '''python\n    1 / 0\n    '''\n")

    def test_other_languages_do_not(self, tmp_path: Path) -> None:
        run(tmp_path, "'''toml\n[a]\n'''\n'''text\nx\n'''\n'''\nno language\n'''\n")

    def test_not_executed(self, tmp_path: Path) -> None:
        text = "<!-- not executed: it\n     divides -->\n\n'''python\n1 / 0\n'''\n"
        run(tmp_path, text)
        (block,) = read_page(tmp_path / "a page.md").blocks
        assert block.skip is not None
        assert block.skip.startswith("it")

    def test_a_status_may_be_told(self, tmp_path: Path) -> None:
        run(tmp_path, "'''console\n$ echo no; false  # exit 1\nno\n'''\n")


class TestWhatFails:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("'''python\n1 / 0\n'''", "ZeroDivisionError"),
            ("'''python\nprint(1)\n'''\n'''text\n2\n'''", "prints"),
            ("'''python\nimport os; os._exit(0)\n'''", "failed"),
            ("'''python\nimport atexit, os; atexit.register(os._exit, 3)\n'''", "status 3"),
            ("'''console\n$ false\n'''", "status 1"),
            ("'''console\n$ echo a\nb\n'''", "prints"),
            (
                "'''python title=\"a.py\"\n1 / 0\n'''\n'''console\n$ python a.py\n'''",
                "ZeroDivision",
            ),
            ("'''py\n1\n'''", "make it a 'python' block"),
            ("'''bash\nls\n'''", "make it a 'console' block"),
        ],
    )
    def test_it_is_told(self, tmp_path: Path, text: str, said: str) -> None:
        with pytest.raises(SnippetError, match=said):
            run(tmp_path, f"{text}\n")

    def test_the_line_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SnippetError, match=r"a page\.md:4 "):
            run(tmp_path, "# A\n\n'''python\n1 / 0\n'''\n")


def test_commands() -> None:
    text = "$ a \\\n  b\nout\n$ c\n"
    assert list(commands(text)) == [("a \\\n  b", "out"), ("c", None)]
