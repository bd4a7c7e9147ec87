"""What every test shares: hypothesis profile, browser, real data. Fixtures of a room belong in its folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

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
settings.register_profile("quick", parent=settings.get_profile("ci"), max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs something that is absent here. In CI a missing browser is a failure, not a skip."""
    no_browser = pytest.mark.skip(reason="no Chromium found (Debian: apt install chromium)")
    no_data = pytest.mark.skip(reason="no real data in ../shared/data")
    for item in items:
        if item.get_closest_marker("browser") and not CHROMIUM and not IN_CI:
            item.add_marker(no_browser)
        if item.get_closest_marker("real") and not REAL_DATA.is_dir():
            item.add_marker(no_data)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The machine's Chromium instead of a downloaded one; it refuses its sandbox as root."""
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return {"executable_path": CHROMIUM or "chromium", "args": [*arguments, "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets; tests that use it are marked `real`."""
    return REAL_DATA


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A test that starts a server sets where the log goes, to a stream that ends with it: the next begins afresh."""
    yield
    structlog.reset_defaults()
