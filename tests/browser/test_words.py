"""The words of the screens: what docs/glossary.md forbids stands in neither dictionary of the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

I18N = Path(__file__).resolve().parents[2] / "console" / "src" / "i18n"

#: Forbidden word (a pattern) and the one to use instead, by language. The same concept has one word everywhere.
FORBIDDEN: dict[str, dict[str, str]] = {
    "de": {
        r"Events?": "Ereignis",
        r"Users?|Nutzer\w*|Anwender\w*": "Person",
        r"Profile?n?": "Person",
        r"Identität\w*|Identifier\w*": "Kennung",
        r"Touchpoints?|Berührungspunkt\w*": "Kontaktpunkt",
        r"Timeline|Historie|Zeitachse|Zeitstrahl": "Verlauf",
        r"Eigenschaft\w*|Attribut\w*|Traits?": "Merkmal",
        r"Zielgruppensegment\w*|Audience": "Segment oder Zielgruppe",
        r"Channels?": "Kanal",
        r"Workflow\w*|Strecke\w*": "Journey",
        r"Steps?": "Schritt",
        r"Genehmigung\w*": "Freigabe",
        r"Consents?|Zustimmung\w*|Permissions?": "Einwilligung",
        r"Opt-?out\w*": "Widerruf",
        r"Blacklist\w*|Ausschlussliste\w*": "Sperrliste",
        r"Präferenzcenter\w*": "Kontakteinstellungen",
        r"Testgruppe\w*|Zielkontrolle\w*|Holdout\w*|Control": "Kontaktgruppe, Kontrollgruppe",
        r"Geisterkontakt\w*": "Vergleichskontakt",
        r"Responder\w*|Antworter\w*": "Reagierer",
        r"Conversions?|Konversion\w*": "Abschluss",
        r"Uplift\w*|Lift": "Mehrumsatz, Steigerung",
        r"Vertrauensintervall\w*": "Konfidenzintervall",
        r"Kannibalisierung\w*": "Substitution",
        r"Coupons?": "Gutschein",
        r"Tickets?|Fälle": "Vorgang",
        r"Reports?|Reporting": "Bericht",
        r"Dashboards?": "Übersicht",
        r"Dead Letters?": "zurückgestellte Ereignisse",
        r"Goals?": "Ziel",
        r"Loading|Search|Settings|Language|Sign in|Retry|Members?": "das deutsche Wort",
        r"du|dein\w*|dir|dich": "Sie, oder die neutrale Grundform",
    },
    "en": {
        r"users?|subscribers?|end customers?": "person",
        r"profiles?": "person",
        r"identit(?:y|ies)": "identifier",
        r"touch points?": "touchpoint",
        r"activity feed|activities|history": "timeline",
        r"attributes?|characteristics?": "trait",
        r"lists? of contacts|contact lists?|a contact person's contact": "persons",
        r"workflows?|flows?": "journey",
        r"opt-?outs?|unsubscriptions?": "withdrawal",
        r"permissions?": "consent",
        r"black-?lists?": "suppression list",
        r"test group|treatment group|hold-?outs?": "contact group, control group",
        r"uplift": "incremental revenue, lift",
        r"coupons?": "voucher",
        r"tickets?": "case",
        r"cannibali[sz]ation": "substitution",
        r"failed events?|rejected events?": "dead letters",
        r"\w*[äöüß]\w*": "the English word",
    },
}
#: Names of events, keys and commands are English everywhere: they are data, not words of the screen.
AS_IT_IS = re.compile(
    r"Order Completed|Consent (?:Given|Withdrawn)|WRITE_KEY|control: 0\.1|goal:|segment\.yaml|journey\.yaml|"
    r"identify-Aufrufen"
)
LITERAL = re.compile(r"'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`")
HOLE = re.compile(r"\$\{[^}]*\}")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every literal of a dictionary, without the holes for values; comments and imports are none."""
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith(("//", "import ", "*", "/*")):
            continue
        for match in LITERAL.finditer(line):
            yield number, AS_IT_IS.sub("", HOLE.sub(" ", match[1] or match[2] or ""))


def findings(source: str, language: str) -> list[str]:
    """Line, forbidden word and the word to use, for every slip in a dictionary."""
    found = []
    for number, text in texts(source):
        for pattern, better in FORBIDDEN[language].items():
            flags = re.IGNORECASE if language == "en" else re.NOFLAG
            found += [f"{number}: {hit[0]!r}; use {better}" for hit in re.finditer(rf"\b(?:{pattern})\b", text, flags)]
    return found


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_forbidden_word(language: str) -> None:
    """No text of the console uses a word that the glossary forbids."""
    for name in (f"{language}.ts", f"{language}_data.ts", f"{language}_audience.ts", f"{language}_lists.ts"):
        assert findings((I18N / name).read_text(), language) == []
    names = re.sub(r"^ *(?:'[^']*'|\w+):", "", (I18N / "de_events.ts").read_text(), flags=re.MULTILINE)
    assert len(list(texts(names))) > 100
    assert findings(names, "de") == []


#: What only who builds software says: it does not stand where marketers choose whom they mean.
IT_WORDS = re.compile(
    r"\b(?:quer(?:y|ies)|bool\w*|null\w*|sql|expressions?|operators?|operands?|regex\w*|strings?|arrays?|json|yaml|booleans?|"
    r"parameters?|syntax\w*|parser\w*|tree|node|api|backend|cache|filter\w*|abfrage\w*|ausdr[uü]ck\w*|operator\w*|"
    r"parameter\w*|zeichenkette\w*|wahrheitswert\w*|baum|knoten|datenbank\w*|database\w*)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", ["de", "en"])
def test_builders_need_no_it_word(language: str) -> None:
    """No text of the builder of segments uses a word of software."""
    found = texts((I18N / f"{language}_audience.ts").read_text())
    assert [(line, text) for line, text in found if IT_WORDS.search(text)] == []
    assert IT_WORDS.search("a Boolean query")


@pytest.mark.parametrize(
    ("language", "slip"),
    [
        ("de", "  title: 'Alle Events',"),
        ("de", "  title: (n) => `${n} Nutzer am Touchpoint`,"),
        ("de", "  hint: 'Prüfe dein Dashboard',"),
        ("en", "  title: 'All users',"),
        ("en", "  hint: `Übersicht of ${n}`,"),
    ],
)
def test_planted_slips_are_found(language: str, slip: str) -> None:
    """Positive control: a forbidden synonym in either dictionary is found; the same in a comment is not."""
    source = (I18N / f"{language}.ts").read_text()
    assert findings(source + slip, language) != []
    assert findings(source + "\n// " + slip, language) == []


@pytest.mark.parametrize("language", ["de", "en"])
def test_texts_are_read_at_all(language: str) -> None:
    """The reader sees the dictionary: hundreds of texts, among them one that everybody knows."""
    found = [text for _, text in texts((I18N / f"{language}.ts").read_text())]
    assert len(found) > 250
    assert {"de": "Noch kein Bericht", "en": "No report yet"}[language] in found
