"""The words of the plain language in English and German: one row a thing that can be said.

Forms of one word stand beside each other, parted by `|`: the reader takes all of them, the writer the first, or the one
that the number or the case asks for. No phrase may be the beginning of what can follow another one.
"""

from __future__ import annotations

from typing import Literal

Tongue = Literal["en", "de"]

#: Key -> (English, German).
PHRASES: dict[str, tuple[str, str]] = {
    # values
    "null": ("nothing", "nichts"),
    "true": ("true", "wahr"),
    "false": ("false", "falsch"),
    "now": ("now", "jetzt"),
    "today": ("today", "heute"),
    "entry": ("entry", "Eintritt"),
    "goal": ("goal reached", "Ziel erreicht"),
    "trait": ("trait", "Merkmal"),
    "step": ("step", "Schritt"),
    "vars": ("variable", "Variable"),
    "of_group": ("of group", "der Gruppe"),
    "group": ("group", "Gruppe"),
    # logic
    "or": ("or", "oder"),
    "and": ("and", "und"),
    "not": ("not", "nicht"),
    "if": ("if", "wenn"),
    "then": ("then", "dann"),
    "else": ("else", "sonst"),
    # comparisons
    "==": ("is", "ist"),
    "!=": ("is not", "ist nicht"),
    "<": ("is less than", "ist kleiner als"),
    "<=": ("is at most", "ist höchstens"),
    ">": ("is more than", "ist größer als"),
    ">=": ("is at least", "ist mindestens"),
    "in": ("is one of", "ist eines von"),
    "contains": ("contains", "enthält"),
    "startsWith": ("begins with", "beginnt mit"),
    "endsWith": ("ends with", "endet mit"),
    "matches": ("matches the pattern", "passt zum Muster"),
    "missing": ("is missing", "fehlt"),
    "present": ("is not missing", "fehlt nicht"),
    "has": ("is known", "ist bekannt"),
    "unchanged": ("has been so for", "ist so seit"),
    # arithmetic
    "+": ("plus", "plus"),
    "-": ("minus", "minus"),
    "*": ("times", "mal"),
    "/": ("divided by", "geteilt durch"),
    "%": ("modulo", "modulo"),
    "before": ("before", "vor"),
    "after": ("after", "nach"),
    # lengths of time: one, several, several in the dative
    "unit:s": ("second|seconds|seconds", "Sekunde|Sekunden|Sekunden"),
    "unit:m": ("minute|minutes|minutes", "Minute|Minuten|Minuten"),
    "unit:h": ("hour|hours|hours", "Stunde|Stunden|Stunden"),
    "unit:d": ("day|days|days", "Tag|Tage|Tagen"),
    "unit:w": ("week|weeks|weeks", "Woche|Wochen|Wochen"),
    "unit:mo": ("month|months|months", "Monat|Monate|Monaten"),
    "unit:y": ("year|years|years", "Jahr|Jahre|Jahren"),
    # sets: one, several
    "event": ("event|events", "Ereignis|Ereignisse"),
    "or_event": ("or event", "oder Ereignis"),
    "any_event": ("event of any name|events of any name", "Ereignis beliebigen Namens|Ereignisse beliebigen Namens"),
    "object": ("business object|business objects", "Geschäftsobjekt|Geschäftsobjekte"),
    "of_members": ("of all members of group", "aller Mitglieder der Gruppe"),
    "within": ("in the last|within", "in den letzten|innerhalb von"),
    "since": ("since", "seit"),
    "until": ("up to", "bis"),
    "where": ("with", "mit"),
    "of": ("caused by", "ausgelöst durch"),
    "latest": ("only the latest", "nur die letzten"),
    "each": ("each element of", "je Element von"),
    "followed": ("followed within", "gefolgt innerhalb von"),
    "notfollowed": ("not followed within", "nicht gefolgt innerhalb von"),
    "by": ("by", "von"),
    "without": ("without before it", "ohne davor"),
    "machine": ("including those of machines", "einschließlich derer von Maschinen"),
    # what is asked of a set
    "exists": ("there is at least one", "es gibt mindestens ein"),
    "none": ("there is no", "es gibt kein"),
    "count": ("number of", "Anzahl der"),
    "sum": ("sum of", "Summe von"),
    "avg": ("average of", "Durchschnitt von"),
    "min": ("smallest value of", "kleinster Wert von"),
    "max": ("largest value of", "größter Wert von"),
    "distinct": ("number of different values of", "Anzahl verschiedener Werte von"),
    "first": ("first value of", "erster Wert von"),
    "last": ("last value of", "letzter Wert von"),
    "list": ("all values of", "alle Werte von"),
    "nth": ("value number", "Wert Nummer"),
    "over": ("over", "über"),
    "got": ("got message", "erhielt Nachricht"),
    # lists
    "macro:exists": ("some", "ein"),
    "macro:all": ("every", "jedes"),
    "macro:exists_one": ("exactly one", "genau ein"),
    "macro:filter": ("those", "alle"),
    "macro:map": ("for each", "je"),
    "from": ("in", "aus"),
    "take": ("the value", "den Wert"),
    "list:sum": ("sum of the list", "Summe der Liste"),
    "list:min": ("smallest of the list", "Kleinstes der Liste"),
    "list:max": ("largest of the list", "Größtes der Liste"),
    # the person
    "segment": ("member of segment", "Mitglied im Segment"),
    "inJourney": ("in journey", "in Journey"),
    "stage": ("stage in", "Phase in"),
    "score": ("score", "Bewertung"),
    "openCases": ("open cases of process", "offene Vorgänge im Prozess"),
    "reachable": ("reachable by channel", "erreichbar über Kanal"),
    "bucket": ("random share of", "Zufallsanteil zu"),
    "consent": ("consent by channel", "Einwilligung über Kanal"),
    "purpose": ("for purpose", "zum Zweck"),
    "lookup": ("row of catalog", "Zeile aus Katalog"),
    "key": ("for key", "zum Schlüssel"),
    "members": ("number of members of group", "Anzahl der Mitglieder der Gruppe"),
    "group_id": ("id of group", "Kennung der Gruppe"),
    "group_role": ("role in group", "Rolle in der Gruppe"),
    "group_contact": ("contact person of group", "Ansprechperson der Gruppe"),
    # functions of one value
    "changedAt": ("last change of", "letzte Änderung von"),
    "age": ("age by", "Alter nach"),
    "anniversary": ("next anniversary of", "nächster Jahrestag von"),
    "date": ("date of", "Datum von"),
    "timestamp": ("moment of", "Zeitpunkt von"),
    "days": ("length in days of", "Länge in Tagen von"),
    "year": ("year of", "Jahr von"),
    "month": ("month of", "Monat von"),
    "day": ("day of the month of", "Monatstag von"),
    "hour": ("hour of", "Uhrstunde von"),
    "weekday": ("weekday of", "Wochentag von"),
    "size": ("size of", "Größe von"),
    "abs": ("absolute value of", "Betrag von"),
    "number": ("number from", "Zahl aus"),
    "string": ("text of", "Text von"),
    "lower": ("small letters of", "Kleinschreibung von"),
    # functions of several
    "coalesce": ("first known of", "erstes bekanntes von"),
    "min of": ("smallest of", "kleinstes von"),
    "max of": ("largest of", "größtes von"),
    # relative days
    "this:week": ("start of this week", "Beginn dieser Woche"),
    "this:month": ("start of this month", "Beginn dieses Monats"),
    "this:quarter": ("start of this quarter", "Beginn dieses Quartals"),
    "this:year": ("start of this year", "Beginn dieses Jahres"),
    "start:week": ("start of the week of", "Beginn der Woche von"),
    "start:month": ("start of the month of", "Beginn des Monats von"),
    "start:quarter": ("start of the quarter of", "Beginn des Quartals von"),
    "start:year": ("start of the year of", "Beginn des Jahres von"),
}

#: Fields of roots that have words of their own.
FIELDS: dict[tuple[str, str], tuple[str, str]] = {
    ("person", "id"): ("id of the person", "Kennung der Person"),
    ("person", "known"): ("the person is known by name", "die Person ist namentlich bekannt"),
    ("person", "email"): ("e-mail address of the person", "E-Mail-Adresse der Person"),
    ("person", "phone"): ("phone number of the person", "Telefonnummer der Person"),
    ("person", "language"): ("language of the person", "Sprache der Person"),
    ("person", "country"): ("country of the person", "Land der Person"),
    ("person", "timezone"): ("time zone of the person", "Zeitzone der Person"),
    ("person", "created_at"): ("first moment of the person", "erster Zeitpunkt der Person"),
    ("person", "last_seen_at"): ("latest moment of the person", "letzter Zeitpunkt der Person"),
    ("event", "at"): ("time of the event", "Zeit des Ereignisses"),
    ("event", "name"): ("name of the event", "Name des Ereignisses"),
    ("event", "touchpoint"): ("touchpoint of the event", "Kontaktpunkt des Ereignisses"),
    ("event", "source"): ("source of the event", "Quelle des Ereignisses"),
    ("event", "person"): ("person of the event", "Person des Ereignisses"),
    ("event", "received_at"): ("receipt of the event", "Eingang des Ereignisses"),
    ("prior", "at"): ("time of the earlier event", "Zeit des früheren Ereignisses"),
    ("prior", "touchpoint"): ("touchpoint of the earlier event", "Kontaktpunkt des früheren Ereignisses"),
    ("entry", "at"): ("time of the entry", "Zeit des Eintritts"),
    ("entry", "name"): ("name of the entry", "Name des Eintritts"),
    ("entry", "key"): ("key of the entry", "Schlüssel des Eintritts"),
    ("entry", "touchpoint"): ("touchpoint of the entry", "Kontaktpunkt des Eintritts"),
}

#: What parts the elements of a list, and the two halves of a number: as people write them.
COMMA = {"en": ",", "de": ";"}
POINT = {"en": ".", "de": ","}
_AT: dict[Tongue, int] = {"en": 0, "de": 1}


def forms(key: str, tongue: Tongue) -> list[str]:
    """All forms of a phrase in a language."""
    return PHRASES[key][_AT[tongue]].split("|")


def field_words(root: str, name: str, tongue: Tongue) -> str | None:
    """The words for a field of a root; None where it has none of its own."""
    found = FIELDS.get((root, name))
    return found and found[_AT[tongue]]


def vocabulary(tongue: Tongue) -> frozenset[str]:
    """All words that phrases consist of, in small letters: a name that is one of them stands in backticks."""
    phrases = [form for key in PHRASES for form in forms(key, tongue)]
    phrases += [row[_AT[tongue]] for row in FIELDS.values()]
    return frozenset(word.lower() for phrase in phrases for word in phrase.replace("-", " ").split())
