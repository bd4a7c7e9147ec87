"""What every test shares: hypothesis profile, what may be absent, browser. Fixtures of a room belong in its folder."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import copy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import apsw
import playwright
import pytest
import structlog
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, settings

from einklang.app import staff
from einklang.store.book import Setup, sqlite
from einklang.store.book.connect import BOOK_FILE
from einklang.testing.cluster import Cluster, programs
from einklang.web import app as web_app
from tests.waits import SHOWN_MS

ROOT = Path(__file__).resolve().parents[1]
#: Real data lie beside the repository; they are not part of it.
REAL_DATA = ROOT.parent / "shared" / "data"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")

# `ci` draws the same cases each time, `quick` fewer of them (make check), `explore` others: HYPOTHESIS_PROFILE=explore
settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("explore", parent=settings.get_profile("ci"), derandomize=False, max_examples=1_000)
settings.register_profile("quick", parent=settings.get_profile("ci"), max_examples=12)
# of a guard that was taken out (tools/controls.py) any failure will do, the smallest is not wanted
settings.register_profile("control", parent=settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"


# Half a million objects of the libraries and the collected tests stay to the end: looking through them again and again
# for garbage took a fifth of the whole run.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    """What has been imported and collected is no garbage."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """At the end everything is let go: libraries look for what was left."""
    gc.unfreeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """In the quick loop a test that names its number of cases draws no more than others do."""
    test = getattr(item, "obj", None)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and QUICK:
        fewer = min(own.max_examples, settings.get_profile("quick").max_examples)
        vars(test)["_hypothesis_internal_use_settings"] = settings(own, max_examples=fewer)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the quick loop a test that is made for several seeds runs with the first of them."""
    if not QUICK:
        return
    begun: set[tuple[str, str]] = set()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        given = dict(vars(item)["callspec"].params) if "callspec" in vars(item) else {}
        again = given.pop("seed", None) is not None
        name = (item.nodeid.partition("[")[0], repr(given))
        (left if again and name in begun else kept).append(item)
        begun.add(name)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


@cache
def _driver_starts() -> bool:
    """Whether the Node that Playwright brings finds its libraries."""
    node = Path(playwright.__file__).parent / "driver" / "node"
    return subprocess.run([node, "--version"], capture_output=True, check=False).returncode == 0


def _absent(marker: str) -> str:
    """What a test with this marker needs and this machine has not, with the mend; "" if it has it."""
    if marker == "real":
        return "" if REAL_DATA.is_dir() else "no real data in ../shared/data"
    if marker == "browser":
        if not CHROMIUM:
            return "no Chromium found (Debian: apt install chromium)"
        return "" if _driver_starts() else "the driver of Playwright does not start (Debian: apt install libatomic1)"
    if marker == "spark":
        if not shutil.which("java"):
            return "no Java found (Debian: apt install default-jre-headless)"
        return "" if find_spec("pyspark") else "no Spark found (make spark)"
    return "" if programs() else "no PostgreSQL found (Debian: apt install postgresql)"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs something that is absent here, before any fixture asks for it; pytest folds these skips into one
    line a reason, as they have one place. CI installs all but the real data: there, what is absent is a failure."""
    for marker in ("real", "browser", "stores", "spark"):
        if item.get_closest_marker(marker) and (reason := _absent(marker)):
            if IN_CI and marker != "real":
                pytest.fail(f"{reason}; CI must have it", pytrace=False)
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each thing that a test wants to be read even if it passes: `record_property("said", line)`."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    lines = [text for one in reports for name, text in getattr(one, "user_properties", ()) if name == "said"]
    if lines:
        terminalreporter.section("said by the tests")
        for line in dict.fromkeys(lines):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The machine's Chromium instead of a downloaded one; it refuses its sandbox as root. Pages are waited for long."""
    from playwright.sync_api import expect

    expect.set_options(timeout=SHOWN_MS)
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return {"executable_path": CHROMIUM or "chromium", "args": [*arguments, "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets; tests that use it are marked `real`."""
    return REAL_DATA


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A private PostgreSQL for the tests marked `stores`, in memory where there is room for it."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    found = Cluster({"fsync": "off", "full_page_writes": "off"}, folder=memory)
    found.start()
    yield found
    found.remove()


_schemas = itertools.count(1)


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    """The address of a schema of its own, as for EINKLANG_DATABASE_URL."""
    schema = f"test_{next(_schemas)}"
    yield cluster.url(schema=schema)
    cluster.drop(schema)


@pytest.fixture(scope="session", autouse=True)
def _homes_are_copied() -> Iterator[None]:
    """The tables of a home are made once a process; where nothing is yet the next homes are copies, with their salt."""
    made: dict[Setup, tuple[bytes, list[str]]] = {}
    create = sqlite._create_file

    def quick(home: Path, setup: Setup, meta: Mapping[str, str]) -> None:
        file = home / BOOK_FILE
        if file.exists() or setup not in made:
            fresh = not file.exists()
            create(home, setup, meta)
            if fresh:
                made[setup] = file.read_bytes(), list(meta)
            return
        file.touch(0o600)
        whole, names = made[setup]
        file.write_bytes(whole)
        with closing(apsw.Connection(str(file))) as connection:
            connection.execute("BEGIN")
            connection.executemany("DELETE FROM meta WHERE key = ?", [(name,) for name in names])
            connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", list(meta.items()))
            connection.execute("COMMIT")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "_create_file", quick)
        yield


@pytest.fixture(scope="session", autouse=True)
def _routes_are_read_once() -> Iterator[None]:
    """Litestar reads the signatures of all routes, a quarter of a second: the applications of a process share it."""
    framework = web_app._framework

    @cache
    def read(*routes: Any) -> Any:
        return framework()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_app, "_framework", lambda: copy(read(*web_app.API)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_hashing() -> Iterator[None]:
    """Passwords are hashed with the least effort: what it costs on purpose is looked at in test_staff."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staff, "_HASHER", quick)
        patch.setattr(staff, "_NOBODY", quick.hash("nobody at all", salt=bytes(16)))
        yield


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A test that starts a server sets where the log goes, to a stream that ends with it: the next begins afresh."""
    yield
    structlog.reset_defaults()
