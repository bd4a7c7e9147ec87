"""Liquid of messages: strict about what is missing, bounded, without a way out."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.content.filters import Local
from einklang.content.liquid import _HTML, Missing, Template, Unrenderable, parse_template
from einklang.kernel.errors import InputError
from einklang.kernel.limits import TEMPLATE_OUTPUT_BYTES_MAX
from tests.content.content_samples import HOSTILE, NOW

DE = Local("de", "Europe/Berlin", "EUR", "https://shop.example")
VALUES: dict[str, Any] = {
    "trait": {"firstName": "Ada", "gone": None, "points": 7, "tags": ["a", "b"], "address": {"city": "Ulm"}},
    "data": {"total": Decimal("1234.50"), "ids": ["p1", "p2"], "none": [], "at": NOW, "big": "a" * 30_000},
    "person": {"language": "de", "created_at": NOW},
}


@cache
def _parsed(source: str, html: bool) -> Template:
    return parse_template(source, html=html, where="here")


def shown(source: str, *, html: bool = False, local: Local = DE, **values: Any) -> str:
    """The text of a template."""
    return _parsed(source, html).render({**VALUES, **values}, local)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ trait.firstName }}", "Ada"),
        ("{{ trait.nickName | default: 'you' }}", "you"),
        ("{{ trait.gone | default: '-' }}", "-"),
        ("{{ trait.address.city }} {{ trait.address.street | default: '?' }}", "Ulm ?"),
        ("{% if trait.nickName %}x{% else %}y{% endif %}", "y"),
        ("{% if trait.nickName == nil %}y{% endif %}{% if trait.nickName == 'a' %}n{% endif %}", "y"),
        ("{% if trait.none > 3 %}n{% else %}y{% endif %}{% if trait.none contains 'a' %}n{% endif %}", "y"),
        ("{% unless trait.nickName %}y{% endunless %}", "y"),
        ("{% case trait.nickName %}{% when 'a' %}n{% else %}y{% endcase %}", "y"),
        ("{{ data.ids.size }} {{ data.ids | join: ', ' }} {{ data.ids | first }} {{ data.ids[1] }}", "2 p1, p2 p1 p2"),
        (
            "{{ data.total }} {{ data.total | money }} {{ data.total | money: 'USD' }}",
            "1234.50 1.234,50\u00a0€ 1.234,50\u00a0$",
        ),
        ("{{ data.total | times: 2 }} {{ data.total | plus: 0.1 }} {{ data.total | minus: 1 }}", "2469 1234.6 1233.5"),
        ("{{ 7 | divided_by: 2 }} {{ 7 | divided_by: 2.0 }} {{ 7 | modulo: 4 }} {{ 0.1 | plus: 0.2 }}", "3 3.5 3 0.3"),
        ("{{ 2.345 | round: 2 }} {{ 2.5 | round }} {{ 1.2 | ceil }} {{ 1.8 | floor }} {{ -3 | abs }}", "2.34 2 2 1 3"),
        ("{{ 3 | at_least: 5 }} {{ 3 | at_most: 2 }} {{ data.total | number: 1 }}", "5 2 1.234,5"),
        ("{{ data.at | date }} {{ data.at | date: '%-d. %B %Y' }}", "15.01.2027 15. Januar 2027"),
        ("{{ trait.tags | map: 'x' | size }}{% for t in trait.tags %}{{ forloop.index }}{{ t }}{% endfor %}", "21a2b"),
        ("{% assign x = trait.points %}{{ x }}{% capture y %}<{{ x }}>{% endcapture %}{{ y }}", "7<7>"),
        ("{% comment %}{{ nothing.here }}{% endcomment %}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        (
            "{{ '/cart' | absolute }} {{ 'https://a.example/b' | absolute }}",
            "https://shop.example/cart https://a.example/b",
        ),
        ("{{ true }} {{ 1.50 }} {{ 'a b' | url_encode }}", "true 1.5 a+b"),
    ],
)
def test_what_templates_say(source: str, text: str) -> None:
    """The language by example."""
    assert shown(source) == text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ trait.nickName }}", "trait.nickName"),
        ("{{ trait.gone }}", "trait.gone"),
        ("{{ trait.address.street }}", "trait.address.street"),
        ("{{ data.ids[7] }}", "data.ids[7]"),
        ("{{ trait.nickName | upcase }}", "trait.nickName"),
        ("{{ trait.nickName | money }}", "trait.nickName"),
        ("{{ trait.nickName | date }}", "trait.nickName"),
        ("{{ trait.nickName | join: ',' }}", "trait.nickName"),
        ("{{ trait.nickName | size }}", "trait.nickName"),
        ("{{ trait.nickName | plus: 1 }}", "trait.nickName"),
        ("{{ trait.nickName | sum }}", "trait.nickName"),
        ("{{ 'Dear ' | append: trait.nickName }}", "trait.nickName"),
        ("{{ 1 | plus: trait.nickName }}", "trait.nickName"),
        ("{% for x in trait.nickName %}{% endfor %}", "trait.nickName"),
        ("{% assign x = trait.nickName %}{{ x }}", "trait.nickName"),
        ("{% assign lines = trait.nickName | products %}", "trait.nickName"),
        ("{% assign lines = data.none | products %}", "products"),
        ("{% assign lines = data.ids | recommended %}", "recommend"),
        ("{{ data.none | first }}", "data.none | first"),
        ("{{ trait.size }}", "trait.size"),
        ("{{ trait.first }}", "trait.first"),
        ("{{ nil }}", "nil"),
    ],
)
def test_what_is_missing_holds_the_message(source: str, name: str) -> None:
    """Wherever the text of a missing value is needed, Missing names it; nothing is left empty."""
    with pytest.raises(Missing) as caught:
        shown(source)
    assert (caught.value.name, caught.value.reason) == (name, "missing_variable")


@pytest.mark.parametrize(
    "source",
    [
        "{{ trait }}",
        "{{ trait.address }}",
        "{{ trait.tags | times: 2 }}",
        "{{ 'x' | plus: 1 }}",
        "{{ 1 | divided_by: 0 }}",
        "{{ 1 | modulo: 0 }}",
        "{{ 1 | round: 99 }}",
        "{{ 'soon' | date }}",
        "{{ data.at | date: 'odd' }}",
        "{{ data.total | money: 'euro' }}",
        "{{ 'x' | upcase: 1, 2, 3 }}",
        "{% break %}",
        "{{ 'a' | slice }}",
        "{% for i in (1..1000000000000) %}x{% endfor %}",
        "{{ (1..1000000000) | join }}",
        "{{ (1..1000000000) | reverse }}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% assign x = data.big %}{% for i in (1..30) %}{% assign x = x | append: x %}{% endfor %}",
        "{{ data.big | replace: 'a', data.big }}",
        "{{ data.big | split: '' | join: data.big }}",
        "{% for i in (1..20) %}{{ data.big }}{% endfor %}",
        "{{ '1e400' | times: 1 }}",
        "{% for i in (1..1000) %}{% capture x %}{{ x | default: '' }}{{ data.big }}{% endcapture %}{% endfor %}",
    ],
)
def test_what_goes_wrong_is_a_template_error(source: str) -> None:
    """Wrong types, giants and endless loops are Unrenderable with one line of detail, in bounded time and memory."""
    with pytest.raises(Unrenderable) as caught:
        shown(source)
    assert caught.value.reason == "template_error"
    assert 0 < len(caught.value.detail) < 300
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("{% if x %}", "endif"),
        ("{{ x", "never closed"),
        ("a\n{% raw %} {{ x }}", "line 2: {% is never closed"),
        ("{{ x }}" * 2_001, "2000 pieces"),
        ("a\nb {{ x | nofilter }}", "nofilter"),
        ("{% include 'a' %}", "include"),
        ("{% render 'a' %}", "render"),
        ("{% liquid echo x %}", "liquid"),
        ("{% echo x %}", "echo"),
        ("{% tablerow x in y %}{% endtablerow %}", "tablerow"),
        ("{% increment x %}", "increment"),
        ("{{ x | safe }}", "safe"),
        ("{{ x | base64_decode }}", "base64_decode"),
        ("{{ x | url_decode }}", "url_decode"),
        ("a\n\n{{ | }}", "line 3"),
        ("{% if a %}" * 60 + "{% endif %}" * 60, "nest"),
        ("{{ a ? b : c }}", "line 1"),
    ],
)
def test_what_does_not_parse_is_refused_with_its_place(source: str, word: str) -> None:
    """Unknown tags and filters, loaders and unescaping do not exist; the error names them and where they stand."""
    with pytest.raises(InputError) as caught:
        parse_template(source, html=True, where="email.text.de")
    assert caught.value.code == "template_syntax"
    assert word in caught.value.line()
    assert caught.value.line().startswith("email.text.de: ")


def test_uses_and_needs() -> None:
    """What a template reads, and what it cannot do without."""
    template = parse_template(
        "{{ data.a }}{{ trait.b | default: person.c }}{% if trait.d %}{{ trait.d }}{% endif %}"
        "{% for x in data.e %}{{ x.y }}{% endfor %}{% assign z = data.f %}{{ z.g }}{{ trait['h i'] }}",
        html=False,
        where="here",
    )
    read = {".".join(path) for path in template.uses}
    assert read == {"data.a", "trait.b", "person.c", "trait.d", "data.e", "data.f", "trait.h i"}
    assert {".".join(path) for path in template.needs} == read - {"trait.b", "trait.d"}


def test_no_clock_is_read() -> None:
    """`now` and `today` are what the caller says, in every spelling."""
    then = datetime(1999, 12, 31, 23, 0, tzinfo=UTC)
    values: dict[str, Any] = {"now": then, "today": then.date()}
    local = Local("en", "UTC")
    text = shown(
        "{{ now | date: '%F' }} {{ 'now' | date: '%F' }} {{ 'today' | date: '%Y' }} {{ ['now'] }}",
        local=local,
        **values,
    )
    assert text == "1999-12-31 1999-12-31 1999 31 Dec 1999, 23:00"


def test_the_inside_cannot_be_reached() -> None:
    """Neither the facts of filters nor attributes of Python objects have a text."""
    for source in (
        "{{ ['einklang local'] }}",
        "{{ trait.__class__ }}",
        "{{ trait.firstName.__class__ }}",
        "{{ trait.items }}",
    ):
        with pytest.raises(Unrenderable):
            shown(source)


@pytest.mark.parametrize("value", HOSTILE)
def test_values_stay_values(value: str) -> None:
    """In HTML no filter lets a value open a tag or leave an attribute; Liquid within a value is text."""
    for name in sorted(_HTML.filters):
        for source in (
            f"{{{{ trait.x | {name} }}}}",
            f"{{{{ trait.x | {name}: trait.x }}}}",
            f"{{{{ 'a' | {name}: trait.x, trait.x }}}}",
        ):
            try:
                text = shown(source, html=True, trait={"x": value})
            except (Unrenderable, InputError):
                continue
            text = text.replace("<br />", "")
            assert not set(text) & set("<>\"'\x00\x01\x02\x03"), (source, text)
    assert shown("{{ trait.x }}", trait={"x": "{{ 7 | times: 7 }}"}) == "{{ 7 | times: 7 }}"


_ANY = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["<b>&'\"", "\x00", "\ud800", "{{ a }}", None, 7, Decimal("1.50"), True, ["a"], {"x": "y"}]),
)


@given(values=st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(_ANY, st.dictionaries(st.just("c"), _ANY))))
def test_joined_parts_are_what_liquid_prints(values: dict[str, Any]) -> None:
    """A template of constants and bare paths, joined without Liquid, gives Liquid's text or Liquid's refusal."""
    for source in ("x {{ a }}<p>{{ b.c }}", "{{ a.c }}{{ a }}", "{{ b.size }}", "{{ a['c'] }} {{ b }}"):
        for html in (True, False):
            quick = _parsed(source, html)
            assert quick.pieces is not None, "the control: these are joined"
            said = []
            for template in (quick, dataclasses.replace(quick, pieces=None)):
                try:
                    said.append(template.render(values, DE))
                except Unrenderable as error:
                    said.append(repr(error))
            assert said[0] == said[1]


def test_the_output_is_bounded_to_the_byte() -> None:
    """The limit counts bytes of UTF-8; just below it passes."""
    for text, fits in (("a" * TEMPLATE_OUTPUT_BYTES_MAX, True), ("ä" * (TEMPLATE_OUTPUT_BYTES_MAX // 2 + 1), False)):
        try:
            shown("{{ trait.x }}", trait={"x": text})
            assert fits
        except Unrenderable:
            assert not fits
