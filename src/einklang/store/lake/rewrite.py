"""Data files -> data files: the rows of some files of a table, sorted by (person, seq) or by (person, n).

Files are cut by person, so that the memory is that of one of them. Row groups are small, for readers skip by their
minima and maxima (DuckDB also for a list of a thousand persons); smaller ones cost more to look at than they save
(docs/benchmarks.md). Columns whose values hardly repeat have no dictionary, those that are short are not compressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from einklang.store.lake import durable
from einklang.store.lake.commit import Written, statistics
from einklang.store.lake.rows import schema_of

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

FILE_ROWS = 500_000
GROUP_ROWS = 1_024
_PERSON = "person_id"
#: Minima and maxima of these alone: no identifier, no property; and they are most of what a small row group costs.
_COUNTED = frozenset({"position", "person_id", "at", "seq", "n"})
#: Values of these hardly repeat within a row group; of these they are long.
_SINGLE = frozenset({"message_id", "properties", "context", "key", "detail", "value"})
_LONG = _SINGLE | {"identifiers_all"}


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
    source = _files(folder, names, schema)
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
    return int(_files(folder, names, schema_of("events")).count_rows(filter=match))


def _files(folder: Path, names: Sequence[str], schema: pa.Schema) -> Dataset:
    """These files as one table. (Where pandas is installed this loads it, a fifth of a second: not at every start.)"""
    from pyarrow.dataset import dataset

    return dataset([str(folder / name) for name in names], schema=schema, format="parquet")


def by_person(rows: pa.Table, order: str) -> pa.Table:
    """Rows in the order of persons, each in that of the log."""
    keys = [(_PERSON, "ascending"), (order, "ascending")]
    return rows.take(pc.sort_indices(rows, sort_keys=keys))


def write(rows: pa.Table, target: Path) -> None:
    """One data file, synced."""
    leaves = _leaves(rows.schema)
    pq.write_table(
        rows,
        target,
        compression={leaf: "zstd" if leaf in _LONG else "none" for leaf in leaves},
        row_group_size=GROUP_ROWS,
        write_statistics=[leaf for leaf in leaves if leaf in _COUNTED],
        use_dictionary=[leaf for leaf, kind in leaves.items() if leaf not in _SINGLE and not _is_number(kind)],
        column_encoding={leaf: "DELTA_BINARY_PACKED" for leaf, kind in leaves.items() if _is_number(kind)},
        store_schema=False,
    )
    durable.sync(target)


def _leaves(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Name -> type of the columns as Parquet has them: a map is two of them."""
    found: dict[str, pa.DataType] = {}
    for field in schema:
        if pa.types.is_map(field.type):
            found[f"{field.name}.key_value.key"] = field.type.key_type
            found[f"{field.name}.key_value.value"] = field.type.item_type
        else:
            found[field.name] = field.type
    return found


def _is_number(kind: pa.DataType) -> bool:
    """Whole numbers and moments: one follows from the one before."""
    return bool(pa.types.is_int64(kind) or pa.types.is_timestamp(kind))


def _ranges(source: Dataset, keep: pc.Expression | None, file_rows: int) -> Iterator[pc.Expression | None]:
    """Conditions that divide the persons: nobody apart, each about `file_rows` rows; None where one file holds all."""
    if source.count_rows(filter=keep) <= file_rows:
        yield None
        return
    ends = _ends(source.files, file_rows)
    person = pc.field(_PERSON)
    yield person.is_null()
    for above, upto in zip([None, *ends], [*ends, None]):
        within = person.is_valid()
        if above is not None:
            within = within & (person > above)
        if upto is not None:
            within = within & (person <= upto)
        yield within


def _ends(files: Sequence[str], file_rows: int) -> list[str]:
    """Persons that divide the rows of these files into parts of about `file_rows`, by what their row groups say."""
    groups: list[tuple[str, int]] = []
    for file in files:
        found = pq.read_metadata(file)
        place = found.schema.names.index(_PERSON)
        for number in range(found.num_row_groups):
            group = found.row_group(number)
            statistics = group.column(place).statistics
            if statistics is not None and statistics.has_min_max:
                groups.append((statistics.max, group.num_rows))
    ends: list[str] = []
    rows = 0
    for last, count in sorted(groups):
        rows += count
        if rows >= file_rows:
            ends.append(last)
            rows = 0
    return sorted(set(ends))
