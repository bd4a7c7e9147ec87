"""Rules over the text of any file. Each takes one Source and yields findings `path:line: what; the mend`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.house.rules_python import FUNCTION_LINES_MAX, SQLITE_ONLY
from tests.house.tree import Source

FILE_LINES_MAX = 500
COUNTED = (".py", ".ts", ".tsx", ".sql", ".css")

# Written in pieces, so that this file obeys its own rules.
LOOSE_ENDS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
SILENCED = re.compile(
    r"#\s*(?:type:\s*ignore|no"
    + r"qa|pragma:\s*no cover)(?P<codes>\[[^\]]+\]|:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?(?P<why>.*)"
)
ADDRESSES = re.compile(
    r"registry\.npm" + r"js|pypi\.or" + r"g|pythonhosted\.or" + r"g|registry\.yarn" + r"pkg|deb\.debian\.or" + r"g"
    r'|"resolved"\s*:\s*"http|--(?:extra-)?index-u' + r"rl\b|--find-li" + r"nks\b(?!,)|_auth" + r"Token"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}/)\-*])/(?:wor" + r"k|roo" + r"t|tm" + r"p|op" + r"t|home/\w+|Users/\w+)(?:/|\b(?!-))"
)
SQL_CLOCKS = re.compile(
    r"\bCURRENT_(?:TIMESTAMP|TIME|DATE)\b|\b(?:now|random|datetime|julianday|unixepoch)\s*\(", re.IGNORECASE
)
TS_HEAD = re.compile(r"^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:function\s*\*?\s*(\w*)|const\s+(\w+)[^=]*=.*=>)")


def long_files(source: Source) -> Iterator[str]:
    """Code files of more than 500 lines."""
    if source.path.endswith(COUNTED) and len(source.lines) > FILE_LINES_MAX:
        yield f"{source.path}:1: {len(source.lines)} lines; at most {FILE_LINES_MAX}: split it by subject"


def long_ts_functions(source: Source) -> Iterator[str]:
    """TypeScript functions of more than 70 lines: from the head to the next line that begins with `}`."""
    start, name = 0, ""
    for number, line in enumerate(source.lines, 1):
        head = TS_HEAD.match(line)
        if head and not line.rstrip().endswith(";"):
            start, name = number, head[1] or head[2] or "default"
        elif start and line.startswith("}") and not line.startswith(("} & ", "}) {", "}: ")):
            if number - start + 1 > FUNCTION_LINES_MAX:
                yield f"{source.path}:{start}: {name} has {number - start + 1} lines of {FUNCTION_LINES_MAX}; split it"
            start = 0


def loose_ends(source: Source) -> Iterator[str]:
    """Notes to oneself that were left behind."""
    yield from _each(source, LOOSE_ENDS, "do it, or open an issue and name it in the text")


def unexplained_silence(source: Source) -> Iterator[str]:
    """A silenced checker without its code and the reason at the line."""
    for number, line in enumerate(source.lines, 1):
        match = SILENCED.search(line)
        if match and ((not match["codes"] and "pragma" not in match[0]) or len(match["why"].strip(" #-:")) < 8):
            yield f"{source.path}:{number}: {match[0][:40]!r} without code or reason; write both at the line"


def addresses(source: Source) -> Iterator[str]:
    """Download addresses of registries and paths of somebody's machine."""
    yield from _each(source, ADDRESSES, "no registry is named in a committed file")
    yield from _each(source, MACHINE_PATHS, "no path of a machine in a committed file")


def sqlite_in_sql(source: Source) -> Iterator[str]:
    """Words in .sql files that PostgreSQL would not understand; comments may say them."""
    for number, line in enumerate(source.lines, 1):
        for match in SQLITE_ONLY.finditer(line.split("--")[0]):
            yield f"{source.path}:{number}: {match[0]!r} is SQLite's alone; use the common subset"


def sql_clocks(source: Source) -> Iterator[str]:
    """Clock and chance read by the database."""
    for number, line in enumerate(source.lines, 1):
        for match in SQL_CLOCKS.finditer(line.split("--")[0]):
            yield f"{source.path}:{number}: {match[0]!r}; now and chance are parameters"


def _each(source: Source, pattern: re.Pattern[str], mend: str) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        for match in pattern.finditer(line):
            yield f"{source.path}:{number}: {match[0]!r}; {mend}"
