"""Record batches as Arrow IPC streams, one after another in the same bytes.

The metadata of each schema has the version of the format, and each message has a place for what the
ledger stamps on it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from superparams.outcomes.columns import FORMAT

# A place in the metadata of every message which the ledger overwrites with a sequence number and a
# checksum.
STAMP_KEY = b"superparams.stamp"
STAMP = b"crc32=00000000 seq=000000000000"

# The version of the format, in the metadata of every schema.
FORMAT_KEY: Final = b"superparams.format"


def encode_batch(batch: pa.RecordBatch) -> bytes:
    """One record batch as an IPC stream, with the places that the ledger stamps."""
    metadata: dict[bytes, bytes] = batch.schema.metadata or {}
    head = {**metadata, FORMAT_KEY: str(FORMAT).encode(), STAMP_KEY: STAMP}
    batch = batch.replace_schema_metadata(head)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch, custom_metadata={STAMP_KEY: STAMP})
    return bytes(sink.getvalue())


def decode(data: object) -> list[pa.RecordBatch]:
    """The record batches of what `encode` made (bytes or any buffer)."""
    source = pa.BufferReader(data)
    batches: list[pa.RecordBatch] = []
    while source.tell() < source.size():
        with pa.ipc.open_stream(source) as reader:
            batches.extend(reader)
    return batches
