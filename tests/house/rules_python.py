"""Rules over Python syntax. Each takes one Source and yields findings `path:line: what; the mend`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from tests.house.tree import Source

FUNCTION_LINES_MAX = 70
ROOM_WORDS_MIN = 40

CORE = {"identity", "profile", "audience", "consent", "flow", "decide", "content", "measure", "insight"}
CORE |= {"event", "expr", "fact", "kernel"}

#: design.md: what each room may import beside the standard library, msgspec (not in kernel) and einklang itself.
LIBRARIES: dict[str, set[str]] = {
    "kernel": set(),
    "event": {"jsonschema_rs"},
    "expr": {"lark", "polars", "re2"},
    "fact": {"polars"},
    "identity": set(),
    "profile": set(),
    "audience": {"polars"},
    "consent": set(),
    "flow": {"lxml"},
    "decide": {"polars", "numpy", "scipy", "highspy"},
    "content": {"liquid", "mrml", "css_inline", "typst", "segno"},
    "measure": {"polars", "numpy", "scipy"},
    "insight": {"polars", "numpy", "scipy", "sklearn", "splink"},
    "app": {"ruamel", "polars", "argon2"},
    "store": {"apsw", "deltalake", "duckdb", "polars", "pyarrow", "psycopg"},
    "channel": {"aiosmtplib", "httpcore"},
    "web": {"litestar", "uvicorn", "jinja2", "prometheus_client", "structlog", "babel"},
    "sim": {"numpy", "polars"},
    "testing": {"apsw", "deltalake", "duckdb", "hypothesis", "numpy", "polars", "psycopg", "pyarrow"},
}
#: What a room of the core has no use for: environment, files, sockets, logs, threads.
WORLD = {
    "asyncio",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
}
WORLD |= {"threading", "http", "glob", "fcntl", "select", "ssl"}

CLOCKS = {
    *("datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today"),
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.asctime"),
}
CHANCES = {"uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom", "random", "secrets"}
TIMERS = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}
TIMER_ROOMS = {"web", "channel", "store", "main"}
SEEDED = {"numpy.random.Generator", "numpy.random.Philox"}
SEEDED_ROOMS = {"measure", "sim", "testing"}

SQLITE_ONLY = re.compile(
    r"\bAUTOINCREMENT\b|\bINSERT\s+OR\b|\bWITHOUT\s+ROWID\b|\bPRAGMA\b|\bsqlite_\w+|\browid\b|\bjson_each\b|\bstrftime\s*\("
    r"|(?-i:\bGLOB\b)|(?-i:\bSTRICT\b)",
    re.IGNORECASE,
)


def long_functions(source: Source) -> Iterator[str]:
    """Functions of more than 70 lines, from `def` to the last line."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{source.path}:{node.lineno}: {node.name} has {length} lines of {FUNCTION_LINES_MAX}; split it"


def clock_and_chance(source: Source) -> Iterator[str]:
    """Reads of clock and chance outside main, timers outside the shell, unseeded generators anywhere."""
    if source.room == "main":
        return
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found = [name for name in names if name in CHANCES]
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            found = [source.dotted(node)] if _forbidden(source, source.dotted(node)) else []
        else:
            continue
        for name in found:
            yield f"{source.path}:{node.lineno}: {name}; now, timers and chance are arguments that main hands in"


def _forbidden(source: Source, name: str) -> bool:
    if name in CLOCKS or name in CHANCES - {"random", "secrets"}:
        return True
    if name in TIMERS:
        return not source.is_test and source.room not in TIMER_ROOMS
    if name == "time.sleep":
        return True
    if name.startswith("numpy.random."):
        return name not in SEEDED or not (source.is_test or source.room in SEEDED_ROOMS)
    return False


def prints(source: Source) -> Iterator[str]:
    """Prints outside main."""
    if source.room == "main":
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{source.path}:{node.lineno}: print; return the text, main prints it"


def foreign_libraries(source: Source) -> Iterator[str]:
    """Imports of libraries that design.md does not give to this room, and of the world in the core."""
    if not source.room or source.room == "main":
        return
    allowed = LIBRARIES.get(source.room, set()) | {"einklang"} | (set() if source.room == "kernel" else {"msgspec"})
    for node in source.nodes:
        if isinstance(node, ast.Import):
            modules = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            top = module.split(".")[0]
            if top in sys.stdlib_module_names:
                if top in WORLD and source.room in CORE:
                    yield f"{source.path}:{node.lineno}: {module}; a room of the core does not touch the world"
            elif top not in allowed:
                yield f"{source.path}:{node.lineno}: {module}; not a library of room {source.room}"


def relative_imports(source: Source) -> Iterator[str]:
    """Relative imports: rooms are named in full, so that a search finds who uses what."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{source.path}:{node.lineno}: relative import; write einklang.<room>.<module>"


def sqlite_in_strings(source: Source) -> Iterator[str]:
    """SQL that only SQLite understands, in string constants that are not docstrings."""
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in source.docstrings:
            for match in SQLITE_ONLY.finditer(node.value):
                yield f"{source.path}:{node.lineno}: {match[0]!r} is SQLite's alone; keep it inside store/book"


def silent_tests(source: Source) -> Iterator[str]:
    """Test functions without a docstring that states the expectation."""
    for node in source.nodes:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not (ast.get_docstring(node) or "").strip():
            yield f"{source.path}:{node.lineno}: {node.name} has no docstring; say what is expected, in one line"


def idle_tests(source: Source) -> Iterator[str]:
    """Tests that wait for time to pass, or that are switched off; conftest alone skips what needs something absent."""
    for node in source.nodes:
        if isinstance(node, ast.Call):
            name, plain = source.dotted(node.func), [a.value for a in node.args if isinstance(a, ast.Constant)]
            if (name == "asyncio.sleep" and plain != [0]) or name.endswith(".wait_for_timeout"):
                yield f"{source.path}:{node.lineno}: {name}; wait for an event, not for time to pass"
        elif isinstance(node, ast.Attribute) and source.path != "tests/conftest.py":
            name = source.dotted(node)
            if name in ("pytest.mark.skip", "pytest.mark.xfail", "unittest.skip"):
                yield f"{source.path}:{node.lineno}: {name}; mend the test, or delete it"


def short_room_docstring(source: Source) -> Iterator[str]:
    """Rooms whose __init__ does not say what it turns into what, what it never does, where to start reading."""
    words = len((ast.get_docstring(source.tree) or "").split())
    if words < ROOM_WORDS_MIN:
        yield f"{source.path}:1: docstring of {words} words; say in {ROOM_WORDS_MIN}: what into what, never what, start"
