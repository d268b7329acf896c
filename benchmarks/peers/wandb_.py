"""Weights & Biases without a network: a run in each process, kept in its own file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import wandb
from wandb.proto import wandb_internal_pb2

HEAD, BLOCK = 7, 2**15  # of its files, and of the pieces in which records are written


def record(folder: Path, n: int) -> None:
    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(mode="offline", project="steps", dir=folder, settings=settings) as run:
        for epoch in range(n):
            run.log({"loss": epoch * 0.5}, step=epoch)


def steps(n: int, workers: int, folder: Path) -> None:
    with multiprocessing.Pool(workers) as pool:
        pool.starmap(record, [(folder, n // workers)] * workers)


def after_steps(value: None, n: int, workers: int, folder: Path) -> int:
    paths = folder.glob("wandb/offline-run-*/*.wandb")
    return sum(is_step(record) for path in paths for record in records(path.read_bytes()))


def is_step(content: bytes) -> bool:
    parsed = wandb_internal_pb2.Record()
    parsed.ParseFromString(content)
    return bool(parsed.WhichOneof("record_type") == "history")


def records(content: bytes) -> Iterator[bytes]:
    """The records of a file, in the log format of LevelDB.

    A piece has a checksum of 4 bytes, its length in 2, and in 1 whether it is a whole record, or
    the first, a middle or the last piece of one.
    """
    at, whole = HEAD, b""
    while at + 7 <= len(content):
        if (left := BLOCK - at % BLOCK) < 7:
            at += left
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        if kind == 0:
            return
        whole = (b"" if kind in (1, 2) else whole) + content[at + 7 : at + 7 + size]
        if kind in (1, 4):
            yield whole
        at += 7 + size
