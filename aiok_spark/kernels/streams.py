"""Tables as bytes, in Arrow's stream format."""

from __future__ import annotations

import pyarrow as pa


def to_stream(table: pa.Table) -> bytes:
    """The rows of a table, or of a slice of one, and nothing around them; ``pa.ipc.open_stream`` reads it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
