"""How long a test waits for what comes as soon as it can."""

from __future__ import annotations

import os

#: A green test never waits so long, also where twenty others want the processor; only what hangs is ended by it.
#: Controls, which take a guard out to see a test fail, wait less (tools/controls.py).
WAIT_S = float(os.environ.get("WAIT_S", "120"))
#: The same for what a page shows, in milliseconds: less, as a console that is broken fails in all of its tests.
SHOWN_MS = min(WAIT_S, 40) * 1000
