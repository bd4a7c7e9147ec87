"""What a report must say beside its figures, as codes with texts in both languages.

An *alarm* means that the arms cannot be compared: the verdict is withheld. A *warning* tells how to read the figures.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Note(Struct, frozen=True):
    """code: stable name; level: "alarm" or "warning"; text: language ("de", "en") -> one sentence."""

    code: str
    level: Literal["alarm", "warning"]
    text: dict[str, str]


_TEXTS: dict[str, tuple[Literal["alarm", "warning"], str, str]] = {
    "sample_ratio": (
        "alarm",
        "The control group holds {observed:.2%} of the would-be contacted instead of {expected:.2%}:"
        " something removes customers from one arm.",
        "Die Kontrollgruppe hält {observed:.2%} der Vorgesehenen statt {expected:.2%}:"
        " Etwas entfernt Kunden aus nur einer Gruppe.",
    ),
    "sample_ratio_eligible": (
        "alarm",
        "The control group holds {observed:.2%} of the eligible instead of {expected:.2%}:"
        " the assignment does not follow its design.",
        "Die Kontrollgruppe hält {observed:.2%} der Zugelassenen statt {expected:.2%}:"
        " Die Zuteilung folgt nicht ihrem Plan.",
    ),
    "suppression_differs": (
        "alarm",
        "Rules held back {treated:.2%} of the contact group but {control:.2%} of the control group:"
        " a rule can see the group.",
        "Regeln hielten {treated:.2%} der Kontaktgruppe zurück, aber {control:.2%} der Kontrollgruppe:"
        " Eine Regel kennt die Gruppe.",
    ),
    "contact_leakage": (
        "alarm",
        "Customers of the control group who were contacted: {count}. There must be none.",
        "Kontaktierte Kunden der Kontrollgruppe: {count}. Es darf keine geben.",
    ),
    "small_control": (
        "warning",
        "Revenue is very skewed: for a dependable interval the control group should hold about"
        " {wanted} customers, it holds {n}.",
        "Der Umsatz ist sehr schief verteilt: Für ein belastbares Konfidenzintervall sollte die Kontrollgruppe"
        " etwa {wanted} Kunden haben, sie hat {n}.",
    ),
    "no_control": (
        "warning",
        "Customers without comparison, because their control share was 0 or 1 or their group too small: {count}."
        " The effect leaves them out.",
        "Kunden ohne Vergleich, weil ihr Kontrollanteil 0 oder 1 war oder ihre Gruppe zu klein: {count}."
        " Der Effekt lässt sie aus.",
    ),
    "mixed_shares": (
        "warning",
        "The control share changed ({count} different shares): compared within each share, weighted by its customers.",
        "Der Kontrollanteil wurde geändert ({count} verschiedene): Verglichen wird je Anteil, gewichtet nach Kunden.",
    ),
    "values_missing": (
        "warning",
        "Outcomes without a value: {count}. They count as zero.",
        "Abschlüsse ohne Wert: {count}. Sie zählen als null.",
    ),
}


def note(code: str, **values: float | int) -> Note:
    """The note of this code with its numbers filled in. Raises KeyError for an unknown code."""
    level, english, german = _TEXTS[code]
    return Note(code, level, {"de": german.format(**values), "en": english.format(**values)})
