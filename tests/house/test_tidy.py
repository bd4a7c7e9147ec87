"""The style of the house, held by tests: rules may only tighten. Each rule is shown to bite on a small bad snippet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.house import rules_python, rules_text
from tests.house.tree import ROOT, House, Source

Rule = Callable[[Source], Iterator[str]]

BYTES_MAX = 600_000
#: Made by a command; what it may not hold is tested in test_dependencies.py.
MADE = ("console/package-lock.json",)

PYTHON_RULES: list[tuple[Rule, tuple[str, ...], str]] = [
    (
        rules_python.long_functions,
        ("src/", "tests/", "tools/", "examples/", "hatch_build.py"),
        "def f():\n" + " x = 1\n" * 70,
    ),
    (rules_python.clock_and_chance, ("src/", "tests/"), "from datetime import datetime as d\nd.now()\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import datetime\nf = datetime.datetime.utcnow\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import random\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "from secrets import token_hex\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "from uuid import uuid4\nuuid4()\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import time\ntime.time()\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import time\ntime.sleep(1)\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "from time import monotonic\nmonotonic()\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import numpy as np\nnp.random.default_rng()\n"),
    (rules_python.clock_and_chance, ("src/", "tests/"), "import os\nos.urandom(8)\n"),
    (rules_python.prints, ("src/",), "print(1)\n"),
    (rules_python.foreign_libraries, ("src/",), "import requests\n"),
    (rules_python.foreign_libraries, ("src/",), "from polars import col\n"),
    (rules_python.foreign_libraries, ("src/",), "import os.path\n"),
    (rules_python.relative_imports, ("src/", "tests/"), "from . import tree\n"),
    (rules_python.sqlite_in_strings, ("src/", "examples/", "tools/"), "x = 'insert or ignore into t values (1)'\n"),
    (rules_python.idle_tests, ("tests/",), "from asyncio import sleep\nasync def f():\n    await sleep(0.1)\n"),
    (rules_python.idle_tests, ("tests/",), "page.wait_for_timeout(500)\n"),
    (rules_python.idle_tests, ("tests/",), "import pytest\n@pytest.mark.skip\ndef f(): ...\n"),
    (rules_python.silent_tests, ("tests/",), "def test_x():\n    assert True\n"),
]
TEXT_RULES: list[tuple[Rule, tuple[str, ...], str]] = [
    (rules_text.long_files, ("",), "x = 1\n" * 501),
    (rules_text.loose_ends, ("",), "# TO" + "DO later\n"),
    (rules_text.unexplained_silence, ("",), "x = 1  # type: " + "ignore[arg-type]\n"),
    (rules_text.unexplained_silence, ("",), "x = 1  # no" + "qa: E501\n"),
    (rules_text.addresses, ("",), '{"resolved": "' + "https://registry.npm" + 'js.org/x"}\n'),
    (rules_text.addresses, ("",), "see /wor" + "k/main/README.md\n"),
    (rules_text.addresses, ("",), "open('/tm" + "p/x')\n"),
]


def findings(rule: Rule, sources: Iterable[Source]) -> list[str]:
    """All findings of one rule."""
    return [finding for source in sources for finding in rule(source)]


def clean(found: list[str]) -> None:
    """Fails with one finding a line."""
    assert not found, "\n" + "\n".join(found)


def unique(rules: list[tuple[Rule, tuple[str, ...], str]]) -> list[tuple[Rule, tuple[str, ...]]]:
    """Each rule once, with its folders."""
    return list({rule.__name__: (rule, folders) for rule, folders, _ in rules}.values())


@pytest.mark.parametrize(("rule", "folders"), unique(PYTHON_RULES), ids=lambda value: getattr(value, "__name__", ""))
def test_python_obeys(house: House, rule: Rule, folders: tuple[str, ...]) -> None:
    """No Python file breaks the rule."""
    sources = [s for s in house.python(*folders) if rule is not rules_python.sqlite_in_strings or not _in_book(s)]
    clean(findings(rule, sources))


@pytest.mark.parametrize(("rule", "folders"), unique(TEXT_RULES), ids=lambda value: getattr(value, "__name__", ""))
def test_text_obeys(house: House, rule: Rule, folders: tuple[str, ...]) -> None:
    """No text file breaks the rule."""
    written = (
        source for path, source in house.sources.items() if path.startswith(folders) and not path.startswith(MADE)
    )
    clean(findings(rule, written))


@pytest.mark.parametrize(("rule", "snippet"), [(rule, snippet) for rule, _, snippet in PYTHON_RULES + TEXT_RULES])
def test_each_rule_bites(rule: Rule, snippet: str) -> None:
    """Positive control: the rule finds its snippet in a room of the core."""
    assert findings(rule, [Source("src/einklang/profile/bad.py", snippet)])


GOOD = [
    (rules_python.clock_and_chance, "src/einklang/main/clock.py", "import time, secrets\ntime.time()\n"),
    (rules_python.clock_and_chance, "src/einklang/store/x.py", "import time\ntime.monotonic()\n"),
    (
        rules_python.clock_and_chance,
        "src/einklang/sim/x.py",
        "import numpy as np\nnp.random.Generator(np.random.Philox(7))\n",
    ),
    (rules_python.clock_and_chance, "src/einklang/expr/x.py", "def f(now: int) -> int:\n    return now\n"),
    (rules_python.foreign_libraries, "src/einklang/expr/x.py", "import lark, msgspec, re, einklang.kernel.time\n"),
    (rules_python.long_functions, "src/einklang/expr/x.py", "def f():\n" + " x = 1\n" * 69),
    (rules_python.sqlite_in_strings, "src/einklang/app/x.py", "x = 'ON CONFLICT DO NOTHING; be strict'\n"),
    (
        rules_text.unexplained_silence,
        "x.py",
        "x = 1  # type: " + "ignore[arg-type]  # the stubs of apsw lack this argument\n",
    ),
    (rules_text.addresses, "x.md", "src/work/x GET /api/work see https://example.org/tmp ../shared/data\n"),
]


@pytest.mark.parametrize(("rule", "path", "snippet"), GOOD)
def test_each_rule_lets_pass_what_is_meant(rule: Rule, path: str, snippet: str) -> None:
    """What the rules allow is not found."""
    clean(findings(rule, [Source(path, snippet)]))


def _in_book(source: Source) -> bool:
    return source.path.startswith("src/einklang/store/book/")


def test_sql_is_the_common_subset(house: House) -> None:
    """Named SQL holds nothing that only SQLite has; migrations of the SQLite driver may."""
    sql = [s for p, s in house.sources.items() if p.endswith(".sql") and "/book/migrations/" not in p]
    clean(findings(rules_text.sqlite_in_sql, sql))
    assert findings(rules_text.sqlite_in_sql, [Source("x.sql", "INSERT OR REPLACE INTO t VALUES (?);")])
    assert not findings(rules_text.sqlite_in_sql, [Source("x.sql", "-- not a PRAGMA\nSELECT 1;")])


def test_sql_reads_no_clock(house: House) -> None:
    """Databases are told the time."""
    clean(findings(rules_text.sql_clocks, (s for p, s in house.sources.items() if p.endswith(".sql"))))
    assert findings(rules_text.sql_clocks, [Source("x.sql", "SELECT CURRENT_TIMESTAMP;")])


def test_console_functions_are_short(house: House) -> None:
    """Functions of the console have at most 70 lines, too."""
    console = [s for p, s in house.sources.items() if p.startswith("console/src/") and p.endswith((".ts", ".tsx"))]
    clean(findings(rules_text.long_ts_functions, console))
    bad = "export function Page() {\n" + "  let x = 1;\n" * 70 + "}\n"
    assert findings(rules_text.long_ts_functions, [Source("x.tsx", bad)])


def test_rooms_say_what_they_are(house: House) -> None:
    """Each room's __init__ says what it turns into what, what it never does and where to start reading."""
    rooms = [
        house.sources.get(f"src/einklang/{room}/__init__.py", Source(f"{room}/__init__.py", "")) for room in house.rooms
    ]
    clean(findings(rules_python.short_room_docstring, rooms))
    assert findings(rules_python.short_room_docstring, [Source("x/__init__.py", '"""Things."""')])


def test_kernel_stays_small(house: House) -> None:
    """The ground floor has at most 600 lines."""
    assert sum(len(source.lines) for source in house.python("src/einklang/kernel/")) <= 600


def test_nothing_big_or_built_is_committed(house: House) -> None:
    """No file over 600 kB, no built asset, no archive; pictures only in docs/img and the console's public folder."""
    big = [path for path in house.paths if (ROOT / path).stat().st_size > BYTES_MAX]
    binary = [
        path for path in house.paths if path.endswith((".whl", ".gz", ".zip", ".woff2", ".map", ".min.js", ".parquet"))
    ]
    pictures = [path for path in house.paths if path.endswith((".png", ".jpg", ".gif", ".ico"))]
    assert big == []
    assert [path for path in binary if not path.startswith("tests/")] == []
    assert [path for path in pictures if not path.startswith(("docs/img/", "console/public/"))] == []


def test_test_files_have_names_of_their_own(house: House) -> None:
    """Base names of test files are unique, so that a report names one file."""
    names = [path.rsplit("/", 1)[1] for path in house.paths if path.startswith("tests/") and "/test_" in path]
    assert len(names) == len(set(names))
