"""Arrow batches into a file that appears whole or not at all. Parquet or JSON lines, by the file's name."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import InputError


def write_batches(batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    """Write all batches and return the number of rows. Raises ``InputError`` for another ending or a bad place."""
    if path.suffix not in (".parquet", ".jsonl"):
        raise InputError(f"{path.name!r} is neither .parquet nor .jsonl.", remedy="The ending says what is written.")
    draft = path.with_name(f".{path.name}.part")
    rows = 0
    try:
        if path.suffix == ".parquet":
            with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    rows += batch.num_rows
        else:
            with draft.open("wb") as file:
                for batch in batches:
                    file.writelines(orjson.dumps(row) + b"\n" for row in batch.to_pylist())
                    rows += batch.num_rows
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written.", str(error)) from None
    finally:
        with suppress(OSError):  # where no draft could be, there is none
            draft.unlink()
    return rows
