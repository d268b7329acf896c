"""Row 52: a results folder that carries a hostile `.git` runs nothing, and asks nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from superparams.errors import StoreError
from superparams.store.provenance.record import read_provenance
from superparams.store.runs.folder import RunFolder

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not here"),
]

TEXT = "x = 1\n"


def git(folder: Path, *words: str, **more: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **more},
    ).stdout.strip()


class Foreign:
    """The folder of an experiment of somebody else, with a repository of theirs around a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canary = folder.parent / "canary"
        folder.mkdir()
        git(folder, "init", "-q", "-b", "trunk")
        (folder / "a.py").write_text(TEXT)
        (folder / ".gitattributes").write_text("*.py filter=f diff=f ident\n")
        (folder / ".gitignore").write_text("runs\n")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "one")
        self.commit = git(folder, "rev-parse", "HEAD")
        self.run = RunFolder.create(folder)
        self.tell(self.commit)
        self.run.finish()
        git(folder, "config", "protocol.allow", "always")
        git(folder, "config", "protocol.ext.allow", "always")

    def tell(self, commit: str) -> None:
        self.run.update(git={"commit": commit, "root": str(self.folder)})

    @property
    def touch(self) -> str:
        return f"touch {self.canary}; cat"

    def config(self, **entries: str) -> None:
        for name, text in entries.items():
            git(self.folder, "config", name.replace("__", "."), text)

    def program(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {self.canary}\n")
        path.chmod(0o755)


def smudge(it: Foreign) -> None:
    it.config(filter__f__smudge=it.touch, filter__f__clean=it.touch, filter__f__required="true")


def process(it: Foreign) -> None:
    it.config(filter__f__process=it.touch)


def diffs(it: Foreign) -> None:
    it.config(diff__f__textconv=it.touch, diff__f__command=it.touch, diff__external=it.touch)


def programs(it: Foreign) -> None:
    it.config(
        core__fsmonitor=it.touch,
        core__sshCommand=it.touch,
        core__askPass=it.touch,
        core__pager=it.touch,
        core__editor=it.touch,
        core__alternateRefsCommand=it.touch,
        gpg__program=it.touch,
        credential__helper=f"!{it.touch}",
        alias__apply=f"!{it.touch}",
    )


def hooks(it: Foreign) -> None:
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        it.program(it.folder / ".git" / "hooks" / name)
        it.program(it.folder / "more" / name)
    it.config(core__hooksPath=str(it.folder / "more"))


def included(it: Foreign) -> None:
    (it.folder / ".git" / "extra").write_text(f'[filter "f"]\n\tsmudge = {it.touch}\n')
    it.config(include__path="extra")
    git(it.folder, "config", "includeIf.gitdir:**.path", "extra")


def promisor(it: Foreign) -> None:
    """A blob is missing, and the remote that has it is a program."""
    it.config(
        core__repositoryformatversion="1",
        extensions__partialClone="origin",
        remote__origin__promisor="true",
        remote__origin__url=f"ext::sh -c touch% {it.canary}",
    )
    blob = git(it.folder, "rev-parse", "HEAD:a.py")
    (it.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()


def all_missing(it: Foreign) -> None:
    promisor(it)
    for path in (it.folder / ".git" / "objects").glob("[0-9a-f]*/*"):
        path.unlink()


def replaced(it: Foreign) -> None:
    """Another commit stands in for the one that is named."""
    (it.folder / "a.py").write_text("x = 2\n")
    git(it.folder, "commit", "-q", "-a", "-m", "two")
    git(it.folder, "replace", it.commit, "HEAD")


def odd_places(it: Foreign) -> None:
    """FIFOs and devices where git reads files."""
    objects = it.folder / ".git" / "objects"
    (objects / "info").mkdir(exist_ok=True)
    os.mkfifo(objects / "info" / "alternates")
    (objects / "pack").mkdir(exist_ok=True)
    os.mkfifo(objects / "pack" / "pack-1.idx")
    (objects / "pack" / "pack-2.pack").symlink_to("/dev/zero")
    os.mkfifo(it.folder / ".git" / "packed-refs.lock")
    (it.folder / ".git" / "config").unlink()
    os.mkfifo(it.folder / ".git" / "config")


def elsewhere(it: Foreign) -> None:
    """`.git` is a file, and then a link, that leads to a repository beside."""
    smudge(it)
    shutil.move(it.folder / ".git", it.folder.parent / "beside.git")
    (it.folder / ".git").write_text(f"gitdir: {it.folder.parent / 'beside.git'}\n")


def borrowed(it: Foreign) -> None:
    """The objects are in another folder, which borrows from this one again."""
    smudge(it)
    other = it.folder.parent / "other"
    shutil.move(it.folder / ".git" / "objects", other)
    (other / "info").mkdir(exist_ok=True)
    (other / "info" / "alternates").write_text(f"{it.folder / '.git' / 'objects'}\n")
    (it.folder / ".git" / "objects" / "info").mkdir(parents=True)
    (it.folder / ".git" / "objects" / "info" / "alternates").write_text(f"{other}\n")


FINE = (
    smudge,
    process,
    diffs,
    programs,
    hooks,
    included,
    replaced,
    odd_places,
    elsewhere,
    borrowed,
)


@pytest.mark.parametrize("face", [*FINE, promisor, all_missing])
def test_52_nothing_of_a_foreign_repository_runs(
    tmp_path: Path, face: Callable[[Foreign], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Foreign(tmp_path / "foreign")
    face(it)
    assert not it.canary.exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_SSH_COMMAND", it.touch)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", it.touch)
    made = read_provenance(it.run)
    if face in FINE:
        assert (made.restore("then") / "a.py").read_text() == TEXT
        assert {path.name for path in Path("then").iterdir()} == {
            *("a.py", ".gitattributes", ".gitignore")
        }
    else:
        with pytest.raises(StoreError, match=r"cannot be restored|is in no repository"):
            made.restore("then")
    assert not it.canary.exists()


def tree(it: Foreign, *entries: tuple[str, str, str]) -> str:
    """A commit with such a tree, which no git would make: mode, kind, content, name."""
    raw = b""
    for mode, name, content in entries:
        if mode == "40000":
            number = content
        else:
            path = it.folder.parent / "content"
            path.write_text(content)
            number = git(it.folder, "hash-object", "-w", "--no-filters", str(path))
        raw += mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(number)
    (it.folder.parent / "tree").write_bytes(raw)
    words = ("hash-object", "-w", "-t", "tree", "--literally", str(it.folder.parent / "tree"))
    return git(it.folder, *words)


def test_52_paths_and_links_of_a_commit_stay_in_the_folder(tmp_path: Path) -> None:
    it = Foreign(tmp_path / "foreign")
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = tree(it, ("100755", "post-checkout", "#!/bin/sh\n"))
    trees = {
        "git": tree(it, ("40000", ".git", tree(it, ("40000", "hooks", inner)))),
        "GIT~1": tree(it, ("40000", "GIT~1", inner)),
        "up": tree(it, ("100644", "../up.py", TEXT)),
        "dots": tree(it, ("40000", "..", inner)),
        "slash": tree(it, ("100644", f"{outside}/x.py", TEXT)),
        "through": tree(it, ("120000", "way", str(outside)), ("40000", "way", inner)),
    }
    for name, each in trees.items():
        it.tell(git(it.folder, "commit-tree", each, "-m", name))
        with contextlib.suppress(StoreError):
            read_provenance(it.run).restore(tmp_path / name)
        written = {path.name for path in (tmp_path / name).rglob("*")} - {"way"}
        assert written <= {"post-checkout"} if name == "through" else not written, name
        assert not (tmp_path / "up.py").exists()
        assert list(outside.iterdir()) == []


def test_52_restoring_kept_files_brings_no_repository(tmp_path: Path) -> None:
    it = Foreign(tmp_path / "foreign")
    kept = it.run.source / "untracked"
    it.program(kept / ".git" / "hooks" / "post-checkout")
    it.program(kept / "sub" / ".GIT" / "config")
    (kept / "b.py").write_text(TEXT)
    (it.run.source / "project").rmdir() if (it.run.source / "project").exists() else None
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (it.run.source / "project").symlink_to(tmp_path / "secret")
    os.mkfifo(kept / "fifo.py")
    then = read_provenance(it.run).restore(tmp_path / "then")
    names = {path.relative_to(then).as_posix() for path in then.rglob("*") if path.is_file()}
    assert names == {"a.py", "b.py", ".gitattributes", ".gitignore"}
