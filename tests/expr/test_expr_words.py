"""Tree <-> plain words, in English and German: there and back is exact, and a wrong word is told where it stands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.expr import ExprError, Tongue, of_words, parse, to_words, write
from einklang.expr.phrases import FIELDS, PHRASES, forms
from tests.expr.test_expr_trees import shape, trees, well_typed

TONGUES: tuple[Tongue, ...] = ("en", "de")
#: What the random trees say too rarely, so that every phrase is said.
RARE = (
    'stage("s") == "x" || score("c") > openCases("p")',
    'changedAt(consent("email", "news")) <= now - duration("1y2mo3w4d5h6m7s") || changedAt(trait.x) > now',
    'startOf("week", a) < startOf("week", today) || startOf("month", a) < startOf("month", today)',
    'startOf("quarter", a) < startOf("quarter", today) || startOf("year", a) < startOf("year", today)',
    'group("g").size() > 1 && group("g").id != group("g").trait.x && group("g") && goal',
    'events("A").nth(2, x) in l.map(p, 1) && l.sum() > l.min() + l.max() && has(vars.x)',
    'events("A").of(step.a).since(entry).within("2d").sum(x) > events().avg(x)',
    'events("A").followedBy(events("B"), "2d", events("C")).exists() || objects("o").exists()',
    'events("A").max(x) > events("A").min(x) + events("A").first(x) + objects("o").last(x)',
    'events("Message Sent").within("30d").where(message == "x").exists()',
    'reachable("sms") && bucket("b") < lookup("c", k).x && inJourney("j") && a.matches("b")',
    "days(b) > 1 || date(lower(c)) == timestamp(d) || max(1, abs(2)) > number(e) || day(a) == -hour(a)",
    'events("A").list(x) == [] || weekday(a) == month(a) || a.startsWith("b") || 1 % 2 == a || b.endsWith("c")',
    "year(a) < size(b) || age(a) > number(string(b)) || anniversary(a) == coalesce(b, c) || min(a, b) == c",
    "l.all(p, true) && !(l.exists_one(p, null)) || l.filter(p, false).exists(p, p) || x != null",
    " || ".join(f"{root}.{name} == a" for root, name in FIELDS),
)


@pytest.mark.parametrize("tongue", TONGUES)
def test_words_are_read_as_the_same_tree(tongue: Tongue) -> None:
    """tree -> plain words -> tree is exact for every tree, in both languages."""
    for tree in trees(11, 150):
        said = to_words(tree, tongue)
        assert shape(of_words(said, tongue)) == shape(tree), said


@pytest.mark.parametrize("tongue", TONGUES)
def test_every_phrase_is_said_and_understood(tongue: Tongue) -> None:
    """No phrase of the table is dead or unknown to the reader, and none has two meanings in one place."""
    texts = [*RARE, *well_typed(12, 150)]
    said = " ".join(to_words(parse(text), tongue) for text in texts)
    for text in RARE:
        assert write(of_words(to_words(parse(text), tongue), tongue)) == write(parse(text))
    silent = [
        key for key in PHRASES if not any(re.search(rf"\b{re.escape(form)}\b", said) for form in forms(key, tongue))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("text", "english", "german"),
    [
        ('trait.country == "DE"', 'trait country is "DE"', 'Merkmal country ist "DE"'),
        ("trait.x != null && !(a > 1)", "trait x is not missing and not a is more than 1",
         "Merkmal x fehlt nicht und nicht a ist größer als 1"),
        ('today == trait.birthday - duration("7d")', "today is 7 days before trait birthday",
         "heute ist 7 Tage vor Merkmal birthday"),
        ('changedAt(segment("vip")) <= now - duration("30d")', 'member of segment "vip" has been so for 30 days',
         'Mitglied im Segment "vip" ist so seit 30 Tagen'),
        ('events("A").within("1d").count() >= 2', 'number of events "A" within 1 day is at least 2',
         'Anzahl der Ereignisse "A" innerhalb von 1 Tag ist mindestens 2'),
        ('!events("A", "B").since(startOf("month", today)).exists()',
         'there is no event "A" or event "B" since start of this month',
         'es gibt kein Ereignis "A" oder Ereignis "B" seit Beginn dieses Monats'),
        ('events("Message Sent").within("30d").where(message == "hi").exists()', 'got message "hi" in the last 30 days',
         'erhielt Nachricht "hi" in den letzten 30 Tagen'),
        ('events("A").followedBy(events("B"), "2d", events("C")).count()',
         'number of events "A" followed within 2 days by (event "B") without before it (event "C")',
         'Anzahl der Ereignisse "A" gefolgt innerhalb von 2 Tagen von (Ereignis "B") ohne davor (Ereignis "C")'),
        ('events("A").since(now - duration("7d")).until(today - duration("1d")).exists()',
         'there is at least one event "A" since 7 days before now up to 1 day before today',
         'es gibt mindestens ein Ereignis "A" seit 7 Tagen vor jetzt bis 1 Tag vor heute'),
        ("trait.n in [1.5, 2] ? is : trait.is", "if trait n is one of [1.5, 2] then `is` else trait is",
         "wenn Merkmal n ist eines von [1,5; 2] dann is sonst Merkmal is"),
        ('month(trait.birthday) == month(today) && weekday(today) == "MON"',
         'month of trait birthday is month of today and weekday of today is "MON"',
         'Monat von Merkmal birthday ist Monat von heute und Wochentag von heute ist "MON"'),
    ],
)  # fmt: skip
def test_what_it_sounds_like(text: str, english: str, german: str) -> None:
    """Sentences of the trade, word by word, in both languages."""
    assert to_words(parse(text), "en") == english
    assert to_words(parse(text), "de") == german


@pytest.mark.parametrize(
    ("tongue", "words", "text"),
    [
        ("en", 'There Is no  EVENT "A"', '!events("A").exists()'),
        ("en", 'number of event "A" is 1', 'events("A").count() == 1'),
        ("de", "heute ist mindestens 1 Jahr 6 Monate nach Merkmal x", 'today >= trait.x + duration("1y6mo")'),
        ("de", "Merkmal x ist nichts", "trait.x == null"),
        ("de", "preis ist größer als 1,5", "preis > 1.5"),
        ("en", "trait a is 1 or (trait b is 2 or trait c is 3)", "trait.a == 1 || trait.b == 2 || trait.c == 3"),
    ],
)  # fmt: skip
def test_words_as_people_write_them(tongue: Tongue, words: str, text: str) -> None:
    """Capital letters, blanks, one for several and brackets too many do not matter."""
    assert write(of_words(words, tongue)) == text


@pytest.mark.parametrize(
    ("words", "code", "column", "part"),
    [
        ("", "syntax", 1, "the end"),
        ("trait country is", "syntax", 17, "a value"),
        ('trait country iz "DE"', "syntax", 15, "found `iz`"),
        ("number of trait x", "syntax", 11, "`event`"),
        ("2 days befor x", "syntax", 8, "did you mean"),
        ('there is no event "A" in the last week', "syntax", 35, "a whole number"),
        ("some p in l [p]", "syntax", 16, "`with`"),
        ('"unended', "syntax", 1, "a value"),
        ("trait while is 1", "reserved_word", 7, "reserved"),
        ("a ** b", "syntax", 3, "found `*`"),
        ('a is "\\q"', "bad_escape", 6, "escape"),
        ("9" * 40, "number_too_large", 1, "10^29"),
    ],
)
def test_a_wrong_word_is_told_where_it_stands(words: str, code: str, column: int, part: str) -> None:
    """Position in the words, what was found and expected, the nearest phrase."""
    with pytest.raises(ExprError) as caught:
        of_words(words, "en")
    assert (caught.value.code, caught.value.line_number, caught.value.column) == (code, 1, column)
    assert part in caught.value.line()
    assert caught.value.mend


def test_words_have_limits() -> None:
    """Too long and too deep are errors of their own, whatever it is that nests; 32 levels are not too deep."""
    for words, code in (
        ("not " * 3_000 + "a", "too_deep"),
        ("minus " * 2_000 + "a", "too_deep"),
        ("(" * 5_000, "too_deep"),
        ("age by " * 2_000 + "a", "too_deep"),
        ("if a then b else " * 900 + "c", "too_deep"),
        ("[" * 5_000, "too_deep"),
        ("some p in " * 1_000, "too_deep"),
        (" " * 16_001, "too_long"),
    ):
        with pytest.raises(ExprError) as caught:
            of_words(words, "en")
        assert caught.value.code == code, words[:20]
    for text in (
        "!" * 31 + "a",
        "[" * 31 + "]" * 31,
        "a == (" * 31 + "a" + ")" * 31,
        "f(" * 31 + ")" * 31,
        "-" * 31 + "a",
    ):
        assert write(of_words(to_words(parse(text), "en"), "en")) == write(parse(text))


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([*(form for key in PHRASES for form in forms(key, "en")), "a", "1", '"x"', *"()[]{}.,:`"]))
)
def test_any_words_are_a_tree_or_have_a_position(words: list[str]) -> None:
    """Whatever is said, it is a tree that can be said again, or an error inside the words."""
    text, error, tree = " ".join(words), None, None
    try:
        tree = of_words(text, "en")
    except ExprError as found:
        error = found
    if tree is not None:
        assert shape(of_words(to_words(tree, "en"), "en")) == shape(tree)
        assert 0 <= tree.start <= tree.end <= len(text)
    else:
        assert error is not None
        assert 1 <= error.column <= len(text) + 1
