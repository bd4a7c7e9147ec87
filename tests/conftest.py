"""What every test shares: the hypothesis profile. Fixtures of a room belong in the conftest of its folder."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# `ci` draws the same cases on every run and machine; `explore` looks for new ones: HYPOTHESIS_PROFILE=explore pytest ...
settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("explore", parent=settings.get_profile("ci"), derandomize=False, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
