"""Whether the memory of a server stays flat: its resident memory over time, judged once its caches have filled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

#: What a server under a soak may keep of persons: little, so that this cache is full long before the end.
WORKING_SET_MB = 64
#: By how much the last quarter of a run may lie above the third one, as a part of it.
FLAT_SHARE = 0.03
#: Shorter runs say nothing: caches still fill.
JUDGED_S = 300.0
_POINTS = 12

#: (second of the run, MB resident)
Sample = tuple[float, float]


def memory(samples: Sequence[Sample], *, killed: bool = False) -> dict[str, Any] | None:
    """Resident memory over time in MB: medians of the twelfths of the run, of its third and its last quarter.

    `flat`: whether the last quarter lies no higher than FLAT_SHARE above the third; None where nothing can be said, as
    the run was short or the server was killed. None at all where the system does not tell.
    """
    if not samples:
        return None
    values = [value for _, value in samples]
    quarters = _parts(samples, min(4, len(samples)))
    third, last = _median(quarters[-2:][0]), _median(quarters[-1])
    judged = not killed and samples[-1][0] - samples[0][0] >= JUDGED_S
    return {
        "over_time": [
            [round(part[-1][0]), round(_median(part), 1)] for part in _parts(samples, min(_POINTS, len(samples)))
        ],
        "third_quarter": round(third, 1),
        "last_quarter": round(last, 1),
        "max": round(max(values), 1),
        "flat": last - third <= FLAT_SHARE * third if judged else None,
    }


def _parts(samples: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    ends = [len(samples) * n // count for n in range(count + 1)]
    return [samples[start:end] for start, end in pairwise(ends)]


def _median(samples: Sequence[Sample]) -> float:
    return float(np.median([value for _, value in samples]))
