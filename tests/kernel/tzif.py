"""An independent reader of TZif files (RFC 8536), the oracle for local times: instants -> offsets, nothing else.

It shares no code with `zoneinfo`: the second data block is read by struct, the footer (a POSIX TZ rule) by hand.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

_RULE = re.compile(
    r"(?:<[^>]+>|[A-Za-z]+)(?P<off>[-+]?[\d:]+)(?:(?:<[^>]+>|[A-Za-z]+)(?P<dst>[-+]?[\d:]+)?,(?P<begin>[^,]+),(?P<end>[^,]+))?"
)
EPOCH = date(1970, 1, 1)


def seconds(text: str) -> int:
    """`-3:30` -> -12600."""
    sign = -1 if text.startswith("-") else 1
    hours, minutes, rest = ([*text.lstrip("+-").split(":"), "0", "0"])[:3]
    return sign * (int(hours) * 3600 + int(minutes) * 60 + int(rest))


def rule_day(rule: str, year: int) -> int:
    """Seconds since the epoch, in local time, at which `M3.5.0/2` or `J60` or `60` applies in this year."""
    day, _, at = rule.partition("/")
    if day.startswith("M"):
        month, week, weekday = (int(part) for part in day[1:].split("."))
        first = date(year, month, 1)
        found = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (week - 1))
        while found.month != month:
            found -= timedelta(days=7)
    else:
        found = date(year, 1, 1) + timedelta(days=int(day.lstrip("J")) - (1 if day.startswith("J") else 0))
        leap = date(year, 12, 31).timetuple().tm_yday == 366
        if day.startswith("J") and int(day[1:]) > 59 and leap:
            found += timedelta(days=1)
    return (found - EPOCH).days * 86_400 + (seconds(at) if at else 7_200)


@dataclass
class Zone:
    """Transitions (seconds since the epoch) and the offset after each; `first` holds before all of them."""

    moments: list[int]
    offsets: list[int]
    first: int

    def offset(self, at: int) -> int:
        """Seconds east of UTC at an instant."""
        index = bisect_right(self.moments, at)
        return self.offsets[index - 1] if index else self.first


def footer(rule: str, moments: list[int], offsets: list[int], until: int) -> None:
    """Adds the transitions that the footer's rule makes up to the end of the year `until`."""
    match = _RULE.fullmatch(rule)
    assert match, rule
    standard = -seconds(match["off"])
    if not match["begin"]:
        return
    summer = -seconds(match["dst"]) if match["dst"] else standard + 3600
    last = moments[-1] if moments else 0
    made = []
    for year in range(1971, until + 1):
        made.append((rule_day(match["begin"], year) - standard, summer))
        made.append((rule_day(match["end"], year) - summer, standard))
    for at, offset in sorted(made):
        if at > last and (not offsets or offsets[-1] != offset):
            moments.append(at)
            offsets.append(offset)


def read(name: str, until: int = 2041) -> Zone:
    """The zone of the pinned tzdata package."""
    folder, _, leaf = ("/" + name).rpartition("/")
    data = resources.files("tzdata.zoneinfo" + folder.replace("/", ".")).joinpath(leaf).read_bytes()
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    start = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    assert data[start : start + 4] == b"TZif"
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[start + 20 : start + 44])
    body = start + 44
    moments = list(struct.unpack(f">{times}q", data[body : body + 8 * times]))
    kinds = data[body + 8 * times : body + 9 * times]
    table = body + 9 * times
    known = [struct.unpack(">l", data[table + 6 * i : table + 6 * i + 4])[0] for i in range(types)]
    offsets = [known[kind] for kind in kinds]
    rest = table + 6 * types + chars + leap * 12 + isstd + isut
    footer(data[rest:].strip(b"\n").decode(), moments, offsets, until)
    return Zone(moments, offsets, known[0])
