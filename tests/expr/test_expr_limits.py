"""One table of bad input: whatever is too deep, long or costly, or not what it seems, is a clear error or harmless.

What is wrong with names and types stands in test_expr_checker.py, with the syntax in test_expr_parser.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from einklang.expr import Catalog, ExprError, Scope, check, check_condition, check_tree, compile_one, of_words, type_of
from einklang.expr.cost import COST_MAX, cost_of
from einklang.expr.texts import matches
from tests.expr.fakes import FakeEvent, FakeView, at
from tests.expr.generate import SCOPE as RANDOM
from tests.expr.test_expr_language import CASES, scope_of
from tests.expr.test_expr_trees import well_typed

NOW = at("2026-03-10T12:00:00")
CATALOG = Catalog(
    traits={"a": type_of("number"), "b": type_of("number"), "me": type_of("number"), "old": type_of("number")},
    computed={"a": "trait.b + 1", "b": "1 + trait.a", "me": "trait.me", "old": "trait.a + trait.gone.x"},
    segments=frozenset({"buyers"}),
    catalogs={"fairs": {}},
    purposes=frozenset({"news"}),
    channels=frozenset({"email"}),
    objects={},
)
SCOPE = Scope("segment.where", CATALOG)


def nested(text: str, times: int) -> str:
    """A loop over a list inside itself."""
    return f"trait.l.{text}(p, " * times + "true" + ")" * times


def following(*names: str, length: str) -> str:
    """A follows B follows C ..."""
    inner = f'events("{names[-1]}")'
    for name in reversed(names[:-1]):
        inner = f'events("{name}").followedBy({inner}, "{length}")'
    return f"{inner}.exists()"


#: What is written -> code, column, part of what is told.
TABLE: list[tuple[str, str, str, int, str]] = [
    ("too long", "true" + " " * 4_000, "too_long", 4_001, "4,000"),
    ("too deep: not", "!" * 40 + "true", "too_deep", 33, "32 levels"),
    ("too deep: lists", "[" * 40 + "]" * 40 + " == 1", "too_deep", 32, "32 levels"),
    ("too deep: calls", "abs(" * 40 + "1" + ")" * 40 + " > 1", "too_deep", 125, "32 levels"),
    ("too many parts", "1 in [" + "1," * 600 + "1]", "too_many_nodes", 1, "500"),
    ("a huge list of names", "events(" + '"x",' * 600 + '"x").exists()', "too_many_nodes", 1, "500"),
    ("a huge number", "1" + "0" * 40 + " > 1", "number_too_large", 1, "10^29"),
    ("a huge exponent", "1e999999999999999999999 > 1", "number_too_large", 1, "10^29"),
    ("a duration of ages", 'events("x").within("99999999999999999999w").exists()', "bad_duration", 20, "90s"),
    ("a duration of nothing", 'events("x").within("0s").exists()', "bad_duration", 20, "7d"),
    ("loops in loops", nested("exists", 7), "too_costly", 1, "busy person"),
    ("loops under one name", nested("all", 12), "too_costly", 1, "busy person"),
    ("nine loops", "".join(f"trait.l.exists(p{n}, " for n in range(9)) + "true" + ")" * 9, "too_deep", 153, "8 loops"),
    ("a long chain of sequences", following("a", "b", "c", "d", length="365d"), "too_costly", 1, "shorter time"),
    ("the latest of too many", 'events("x").latest(100000).exists()', "wrong_type", 20, "1000"),
    ("the nth of too many", 'events("x").nth(100000, y) == 1', "wrong_type", 17, "1000"),
    ("the nth that is worked out", 'events("x").nth(trait.n, y) == 1', "wrong_type", 17, "nth(3, price)"),
    ("no pattern", 'trait.x.matches("(")', "bad_pattern", 17, "RE2"),
    ("looking around", 'trait.x.matches("(?=a)b")', "bad_pattern", 17, "look-around"),
    ("looking back", 'trait.x.matches("(a)\\\\1")', "bad_pattern", 17, "RE2"),
    ("repeats of repeats", 'trait.x.matches("((a{100}){100}){100}")', "pattern_too_large", 17, "less often"),
    ("a pattern that grows", r'trait.x.matches("(\\pL{1,50}){1,9}")', "pattern_too_large", 17, "less often"),
    ("a pattern that is slow", 'trait.x.matches("(.*a){1000}")', "pattern_too_large", 17, "less often"),
    ("a long pattern", f'trait.x.matches("{"a" * 501}")', "pattern_too_large", 17, "500"),
    ("a circle of two", "trait.a > 1", "depends_on_itself", 5, "trait.a -> trait.b -> trait.a"),
    ("a circle of one", "trait.me > 1", "depends_on_itself", 1, "trait.me -> trait.me"),
    ("a segment that is gone", 'segment("buyer")', "unknown_id", 9, "`buyers`"),
    ("a catalog that is gone", 'lookup("fair", 1) != null', "unknown_id", 8, "`fairs`"),
    ("a purpose that is gone", 'consent("email", "new")', "unknown_id", 18, "`news`"),
    ("a kind of objects that is gone", 'objects("contract").exists()', "unknown_id", 9, "none is declared"),
    ("a period that is none", 'startOf("months", today) == today', "bad_period", 9, "week, month, quarter, year"),
    ("a score", 'score("clv") > 1', "not_supported_yet", 1, "later version"),
    ("a table", 'table("fee", {"a": 1}) == null', "not_supported_yet", 1, "later version"),
    ("a text as a condition", '"true"', "wrong_type", 1, "compare"),
    ("a number as a date", "date(5) == today", "wrong_type", 6, "string or timestamp"),
    ("a list as a number", "[1] > 1", "wrong_type", 1, "compare"),
    ("a map as a key", 'lookup("fairs", today) == null', "wrong_type", 17, "string(...)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "column", "part"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_bad_input_is_a_clear_error(text: str, code: str, column: int, part: str) -> None:
    """Code, position, what is wrong and the mend, before anything runs."""
    with pytest.raises(ExprError) as caught:
        check_any(text)
    assert (caught.value.code, caught.value.column) == (code, column), caught.value.line()
    assert part in caught.value.line()
    assert caught.value.mend


def check_any(text: str) -> None:
    """As a condition where it is one."""
    check_condition(text, SCOPE)


#: Texts that mean something somewhere: to SQL, Python, a shell, a template, a regular expression, a reader of CSV.
EVIL = (
    "'; DROP TABLE person; --", '"; import os; os._exit(1) #', "__import__('os')", "k0", "{{7*7}}", "${x}", "\\",
    "\x00", "%s", "a' OR '1'='1", "\n\r\u2028", "=1+1", "now", "v.trait", "\U0001f4a3", "]]>", "(?:", "/*", "\ud800",
)  # fmt: skip


def quoted(text: str) -> str:
    """A literal of the language."""
    signs = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
    return '"' + "".join(signs.get(sign, sign) for sign in text) + '"'


#: Every place of the language in which a text of the author stands.
PLACES = (
    "trait.x == {}", "trait[{}] == 1", "events({}).exists()", "trait.x.contains({})", "trait.x in [{}]",
    "group({}).id == null", "group({}).trait.x == 1", "bucket({}) < 1", "number({}) == null", "lower({}) == null",
    'events("A").where(event.properties[{}] == 1).exists()', "trait.x == {{{}: 1}}", "trait.l.exists(p, p == {})",
    'events("A").sum(event.context[{}] == null ? 1 : 2) > 1', "{} + {} == {}",
    'events("A").followedBy(events({}), "1d").exists()',
)  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_a_text_is_never_code(evil: str) -> None:
    """In every place where a text may stand it stays a constant: the generated code holds nothing of it, and runs."""
    view = FakeView(NOW, traits={"x": evil, evil: 1, "l": [evil]}, events=[FakeEvent("A", NOW, {evil: 1})])
    for place in PLACES:
        text = (
            place.replace("{{", "\0")
            .replace("}}", "\1")
            .replace("{}", quoted(evil))
            .replace("\0", "{")
            .replace("\1", "}")
        )
        if "\0" in evil:
            text = place.format(*[quoted(evil)] * 3)
        compiled = compile_one(check(text, Scope("segment.where")))
        assert compiled.source.isascii()
        assert len(evil) < 3 or evil in ("now", "v.trait") or evil not in compiled.source
        assert compiled.value_and_flip(view)[0] == compiled.value(view)
    assert compile_one(check(f"trait.x == {quoted(evil)}", Scope("segment.where"))).holds(view)
    assert not compile_one(check(f"trait.x == {quoted(evil)}", Scope("segment.where"))).holds(replace(view, traits={}))


def test_a_pattern_is_never_slow() -> None:
    """What takes other engines for ever is done at once; a pattern of the data that is too large matches nothing."""
    for pattern in ("(x+x+)+y", "(a|a)*b", "(.*)*$z", "x*x*x*x*x*x*y"):
        assert not matches("x" * 32_000, pattern)
    assert matches("x" * 32_000, "^x+$")
    assert not matches("a" * 500, "a{0,20}" * 100)
    assert not matches("a", "(")


def test_what_people_ask_is_cheap() -> None:
    """Every expression of the reference stays far below the limit, and random ones within it."""
    for site, source in CASES:
        key = "date" if "contract_end != entry.key" in source else "dyn"
        assert cost_of(check(source, scope_of(site, key)).tree).looks < COST_MAX / 10, source
    assert all(cost_of(check(source, RANDOM).tree).looks >= 1 for source in well_typed(5, 60)[:60])


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ('events("A").exists()', 'events("A", "B").count() > 1'),
        ('events("A").within("7d").sum(x) > 1', 'events("A").within("70d").sum(x) > 1'),
        ("trait.l.exists(p, true)", "trait.l.exists(p, trait.l.exists(q, true))"),
        ('events("A").sum(x) > 1', 'events("A").each(items).sum(x) > 1'),
        ('events("A").sum(x) > 1', 'group("firm").events("A").sum(x) > 1'),
        (following("A", "B", length="1d"), following("A", "B", length="90d")),
        ('events("A").latest(3).where(x == 1).exists()', 'events("A").latest(30).where(x == 1).exists()'),
    ],
)
def test_the_estimate_orders_what_costs_more(less: str, more: str) -> None:
    """A longer window, more names, a loop in a loop: each costs more."""
    cheap, dear = (cost_of(check(text, Scope("segment.where")).tree) for text in (less, more))
    assert cheap.looks < dear.looks
    assert cheap.loops <= dear.loops


def test_the_error_of_a_costly_part_names_it() -> None:
    """The position is that of the part that costs, not of the whole."""
    text = f"trait.x == 1 && {nested('exists', 6)}"
    with pytest.raises(ExprError) as caught:
        check(text, SCOPE)
    assert (caught.value.code, caught.value.column) == ("too_costly", 17)


def test_words_obey_the_same_limits() -> None:
    """What plain words say is checked as every other tree; the position is that in the words."""
    words = "there is at least one event " + " or event ".join(['"x"'] * 600)
    with pytest.raises(ExprError) as caught:
        check_tree(of_words(words, "en"), words, SCOPE)
    assert caught.value.code == "too_many_nodes"
    words = 'trait x is 1 and member of segment "buyer"'
    with pytest.raises(ExprError) as caught:
        check_tree(of_words(words, "en"), words, SCOPE)
    assert (caught.value.code, caught.value.column, caught.value.nearest) == ("unknown_id", 36, "buyers")
    words = 'trait x is 1 and member of segment "buyers"'
    checked = check_tree(of_words(words, "en"), words, SCOPE)
    assert checked == check('trait.x == 1 && segment("buyers")', SCOPE)
