"""When things happen: weights of days and hours by touchpoint, and moments drawn by them.

Local time is that of Berlin. Stores are closed on Sundays and on a few fixed public holidays; Christmas and the week
of Black Friday pull orders forward; July and August are quiet.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from einklang.kernel.time import SECOND, day_of, moment_of, start_of_day
from einklang.sim.words import ZONE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

WEB, APP, STORE, PHONE = 0, 1, 2, 3
TOUCHPOINTS = ("web", "app", "store", "phone")

_WEEKDAYS = {  # Monday to Sunday
    WEB: (1.06, 1.00, 0.98, 0.97, 0.92, 0.93, 1.14),
    APP: (1.00, 0.98, 0.98, 0.98, 0.98, 1.03, 1.05),
    STORE: (0.85, 0.85, 0.90, 1.00, 1.20, 1.60, 0.00),
    PHONE: (1.40, 1.20, 1.10, 1.10, 1.00, 0.30, 0.00),
}
_MONTHS = (0.84, 0.88, 0.95, 0.97, 0.98, 0.94, 0.86, 0.88, 0.98, 1.04, 1.22, 1.50)
_HOURS = {
    WEB: (1, 1, 0, 0, 0, 1, 2, 4, 5, 6, 6, 6, 7, 6, 6, 6, 7, 8, 9, 11, 12, 11, 7, 3),
    APP: (2, 1, 0, 0, 0, 1, 4, 8, 7, 4, 4, 5, 7, 5, 4, 5, 6, 7, 8, 9, 11, 12, 9, 5),
    STORE: (0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 7, 9, 8, 7, 7, 8, 10, 12, 10, 6, 0, 0, 0, 0),
    PHONE: (0, 0, 0, 0, 0, 0, 0, 0, 6, 10, 11, 9, 6, 7, 8, 8, 7, 5, 0, 0, 0, 0, 0, 0),
}
_CLOSED = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}


def _weight(day: date, touch: int) -> float:
    weight = _WEEKDAYS[touch][day.weekday()] * _MONTHS[day.month - 1]
    if touch in (STORE, PHONE) and (day.month, day.day) in _CLOSED:
        return 0.0
    if day.month == 11 and 23 <= day.day <= 29:
        weight *= 1.5
    if day.month == 12:
        weight *= 1.25 if day.day <= 22 else 0.45
    return weight


class Calendar:
    """`days` local days from the day of `start` (µs); draws moments by season, weekday and hour."""

    def __init__(self, start: int, days: int) -> None:
        first = day_of(start, ZONE)
        self.days = days
        self.dates = [first + timedelta(days=n) for n in range(days + 1)]
        self.midnight: Ints = np.array([start_of_day(day, ZONE) for day in self.dates], dtype=np.int64)
        noon = [moment_of(datetime(day.year, day.month, day.day, 12), ZONE) for day in self.dates]
        self.noon: Ints = np.array(noon, dtype=np.int64)
        self.start = int(self.midnight[0])
        self.end = int(self.midnight[days])
        self._sums = {touch: self._cumulate(touch) for touch in range(len(TOUCHPOINTS))}
        self._hours = {touch: np.cumsum(_HOURS[touch]) / sum(_HOURS[touch]) for touch in range(len(TOUCHPOINTS))}

    def _cumulate(self, touch: int) -> Floats:
        weights = [_weight(day, touch) for day in self.dates[: self.days]]
        sums: Floats = np.concatenate(([0.0], np.cumsum(weights)))
        return sums

    def day_index(self, at: Ints) -> Ints:
        """The number of the local day of each moment; before the first -1 or less, after the last `days` or more."""
        inside = np.searchsorted(self.midnight, at, side="right") - 1
        return np.where(at < self.start, -1, inside).astype(np.int64)

    def mass(self, touch: int, first: Ints, last: Ints) -> Floats:
        """Season-weighted years between two day numbers: 1.0 stands for a whole average year."""
        sums = self._sums[touch]
        low, high = np.clip(first, 0, self.days), np.clip(last, 0, self.days)
        scale = self.days / 365.0 / max(float(sums[-1]), 1e-9)
        return np.maximum(sums[high] - sums[low], 0.0) * scale

    def draw(self, rng: np.random.Generator, touch: int, first: Ints, last: Ints) -> Ints:
        """One moment (µs, whole milliseconds) for each pair of day numbers, within [first, last)."""
        sums = self._sums[touch]
        low, high = sums[np.clip(first, 0, self.days)], sums[np.clip(last, 0, self.days)]
        points = low + rng.random(len(first)) * (high - low)
        day = np.clip(np.searchsorted(sums, points, side="right") - 1, 0, self.days - 1)
        return self.moment(rng, touch, day.astype(np.int64))

    def moment(self, rng: np.random.Generator, touch: int, day: Ints) -> Ints:
        """A moment (µs) of each day by the hours of the touchpoint; the clock changes at 3 o'clock."""
        seconds = self.seconds(rng, touch, len(day))
        morning = self.midnight[day] + (seconds * 1000).astype(np.int64) * (SECOND // 1000)
        later = self.noon[day] + ((seconds - 43_200) * 1000).astype(np.int64) * (SECOND // 1000)
        return np.where(seconds < 3 * 3600, morning, later)

    def seconds(self, rng: np.random.Generator, touch: int, size: int) -> Floats:
        """Seconds after local midnight by the hours of the touchpoint."""
        hour = np.searchsorted(self._hours[touch], rng.random(size), side="right").clip(0, 23)
        return hour * 3600.0 + rng.random(size) * 3600.0
