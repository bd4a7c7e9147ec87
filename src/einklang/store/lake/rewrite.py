"""Data files -> data files: the rows of some files of a table, sorted by (person, seq) or by (person, n).

Files are cut by person, so that the memory is that of one of them, and one file is read for few persons. Row groups
and pages are small: readers skip by the minima and maxima of row groups (DuckDB, Polars, Spark), and what they do not
skip they need not unpack for rows that are not wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from einklang.store.lake import durable
from einklang.store.lake.commit import Written, statistics
from einklang.store.lake.rows import schema_of

FILE_ROWS = 500_000
GROUP_ROWS = 4_096
PAGE_ROWS = 512
_PERSON = "person_id"


def sorted_files(
    table: str,
    folder: Path,
    names: Sequence[str],
    order: str,
    counted: Sequence[str],
    *,
    keep: pc.Expression | None = None,
    file_rows: int = FILE_ROWS,
) -> Iterator[Written]:
    """Write the rows of the files `names` (those where `keep` holds) into new files, synced, in the order of persons.

    order: the running number of the table. counted: columns with statistics in the Delta log. A column that older
    files do not have is null there. The names of the new files follow from the old ones.
    """
    schema = schema_of(table)
    source = ds.dataset([str(folder / name) for name in names], schema=schema, format="parquet")
    stem = blake2b("\n".join(sorted(names)).encode() + str(keep).encode(), digest_size=12).hexdigest()
    for number, persons in enumerate(_ranges(source, keep, file_rows)):
        wanted = [part for part in (keep, persons) if part is not None]
        condition = wanted[0] & wanted[1] if len(wanted) == 2 else wanted[0] if wanted else None
        rows = source.to_table(filter=condition, batch_readahead=2, fragment_readahead=1)
        if not rows.num_rows:
            continue
        rows = by_person(rows, order)
        target = folder / f"{order}-{stem}-{number:03}.zstd.parquet"
        write(rows.cast(schema), target)
        stat = target.stat()
        yield Written(target.name, stat.st_size, stat.st_mtime_ns // 1_000_000, statistics(rows, counted))
    durable.sync(folder)


def count(folder: Path, names: Sequence[str], match: pc.Expression) -> int:
    """How many rows of these files of events there are for which `match` holds."""
    source = ds.dataset([str(folder / name) for name in names], schema=schema_of("events"), format="parquet")
    return int(source.count_rows(filter=match))


def by_person(rows: pa.Table, order: str) -> pa.Table:
    """Rows in the order of persons, each in that of the log."""
    keys = [(_PERSON, "ascending"), (order, "ascending")]
    return rows.take(pc.sort_indices(rows, sort_keys=keys))


def write(rows: pa.Table, target: Path) -> None:
    """One data file, synced."""
    pq.write_table(
        rows,
        target,
        compression="zstd",
        compression_level=3,
        row_group_size=GROUP_ROWS,
        max_rows_per_page=PAGE_ROWS,
        write_page_index=True,
        store_schema=False,
    )
    durable.sync(target)


def _ranges(source: ds.Dataset, keep: pc.Expression | None, file_rows: int) -> Iterator[pc.Expression | None]:
    """Conditions that divide the persons: nobody apart, each about `file_rows` rows; None where one file holds all."""
    count = source.count_rows(filter=keep)
    if count <= file_rows:
        yield None
        return
    persons = source.to_table(columns=[_PERSON], filter=keep).column(_PERSON).drop_null().combine_chunks()
    persons = persons.take(pc.sort_indices(persons))
    ends = sorted({persons[place].as_py() for place in range(file_rows, len(persons), file_rows)})
    person = ds.field(_PERSON)
    yield person.is_null()
    for above, upto in zip([None, *ends], [*ends, None]):
        within = person.is_valid()
        if above is not None:
            within = within & (person > above)
        if upto is not None:
            within = within & (person <= upto)
        yield within
