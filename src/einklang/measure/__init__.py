"""Floor 3: assignments and outcomes as mergeable statistics -> the effect of a campaign with its interval, p-value
and verdict.

It turns the lake's tables (both arms, one row a decision; one row a goal event) into a `Report`: per would-be
contacted customer, what the contacts brought. It never reads a clock or a table by itself, never looks at who
responded to judge success, and never compares contacted customers with people who would not have been contacted
(`naive` does, to show by how much that misses). Chance is Philox, keyed by the id of the campaign, so a report is a
pure function of its tables. Start with `report.report`, then `effect` and `randomise`; docs/measurement.md has the
formulas and the measured figures.
"""

from einklang.measure.arm import Arm, arm_of
from einklang.measure.checks import SampleRatio, Suppression, sample_ratio, suppression
from einklang.measure.effect import Effect, combined, effect, interval
from einklang.measure.notes import Note
from einklang.measure.randomise import RandomisationP, Stratum, randomisation_p
from einklang.measure.report import Basis, Report, naive, report

__all__ = [
    "Arm",
    "Basis",
    "Effect",
    "Note",
    "RandomisationP",
    "Report",
    "SampleRatio",
    "Stratum",
    "Suppression",
    "arm_of",
    "combined",
    "effect",
    "interval",
    "naive",
    "randomisation_p",
    "report",
    "sample_ratio",
    "suppression",
]
