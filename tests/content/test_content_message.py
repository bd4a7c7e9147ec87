"""Definitions of messages: what is accepted, and what is refused with field and mend."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from einklang.content.liquid import Unrenderable
from einklang.content.mail import render_email
from einklang.content.message import CHANNELS, DataType, check_data, parse_message, required, with_variant
from einklang.content.text import choose_language, common_languages, parse_text
from einklang.kernel.errors import InputError
from tests.content.content_samples import CART, HTML, INVOICE, OPT_IN, PLAIN, WRITTEN, facts

MAIL = {"subject": "Hi", "text": "Hello"}
BASE: dict[str, Any] = {"id": "m", "purpose": "marketing", "class": "marketing", "email": MAIL}


def refusal(raw: Any, where: str = "shop.yaml:3") -> InputError:
    """The error with which a definition is refused."""
    with pytest.raises(InputError) as caught:
        parse_message(raw, where)
    error = caught.value
    assert error.mend, "an error says the mend"
    assert "\n" not in error.line()
    return error


def without(name: str) -> dict[str, Any]:
    """The smallest message less one field."""
    return {key: value for key, value in BASE.items() if key != name}


@pytest.mark.parametrize("sample", [CART, WRITTEN, PLAIN, OPT_IN, INVOICE, BASE])
def test_the_samples_are_accepted(sample: dict[str, Any]) -> None:
    """Every sample parses, and parsing does not change the document."""
    before = copy.deepcopy(sample)
    message = parse_message(sample)
    assert message.id == sample["id"]
    assert message.channels == ("email",)
    assert sample == before


def test_every_channel_is_accepted() -> None:
    """The channels beside e-mail are stored with their texts; the order is that of the language."""
    raw = {
        **BASE,
        "sms": {"text": {"de": "Hallo", "en": "Hello"}},
        "push": {"title": "Hi", "text": "Look {{ person.country | default: '' }}", "to": "/x"},
        "chat": {"text": "Hi"},
        "onsite": {"title": "Hi"},
        "phone": {"script": "Ask", "outcomes": ["yes", "no"]},
        "letter": {"template": "plain", "text": "Dear"},
        "fax": {"template": "plain"},
        "store": {"text": "Hi"},
        "webhook": {"body": {"a": 1}},
    }
    message = parse_message(raw)
    assert message.channels == CHANNELS
    assert message.others["phone"]["outcomes"] == ["yes", "no"]
    assert message.others["sms"]["text"].pick("de") == "Hallo"


def test_data_types() -> None:
    """Every type of the language, lists with elements and types that may be null."""
    raw = {
        **BASE,
        "data": {"a": "string", "b": "list(string)", "c": "string|null", "d": "list(money)|null", "e": "list"},
    }
    assert parse_message(raw).data == {
        "a": DataType("string"),
        "b": DataType("list", "string"),
        "c": DataType("string", "", True),
        "d": DataType("list", "money", True),
        "e": DataType("list"),
    }


BAD: list[tuple[Any, str, str]] = [
    (None, "wrong_type", "fields"),
    ([], "wrong_type", "fields"),
    ({}, "missing_field", "`id`"),
    ({**BASE, "kind": "segment"}, "wrong_value", "kind"),
    ({**BASE, "id": "Über"}, "wrong_value", "id"),
    ({**BASE, "id": 7}, "wrong_type", "id"),
    ({**BASE, "purpos": "x"}, "unknown_field", "did you mean `purpose`"),
    ({**BASE, "emial": MAIL}, "unknown_field", "did you mean `email`"),
    (without("purpose"), "missing_field", "`purpose`"),
    ({**BASE, "purpose": ""}, "missing_field", "`purpose`"),
    ({**BASE, "purpose": ["a"]}, "wrong_type", "purpose"),
    (without("class"), "missing_field", "`class`"),
    ({**BASE, "class": "advert"}, "wrong_value", "marketing, transactional, opt_in"),
    (without("email"), "missing_field", "content"),
    ({**BASE, "topic": 1}, "wrong_type", "topic"),
    ({**BASE, "data": []}, "wrong_type", "data"),
    ({**BASE, "data": {"a": "strin"}}, "wrong_value", "did you mean string"),
    ({**BASE, "data": {"a": "list(texts)"}}, "wrong_value", "data.a"),
    ({**BASE, "data": {"a": "string(string)"}}, "wrong_value", "data.a"),
    ({**BASE, "data": {"a b": "string"}}, "wrong_value", "not a name"),
    ({**BASE, "data": {"a": None}}, "wrong_value", "data.a"),
    ({**BASE, "email": "Hello"}, "wrong_type", "email"),
    ({**BASE, "email": {"text": "x"}}, "missing_field", "subject"),
    ({**BASE, "email": {"subject": "x"}}, "missing_field", "body"),
    ({**BASE, "email": {**MAIL, "htm": "x"}}, "unknown_field", "did you mean `html`"),
    ({**BASE, "email": {**MAIL, "html": "x", "mjml": "y"}}, "wrong_value", "exclude"),
    ({**BASE, "email": {**MAIL, "subject": 3}}, "wrong_type", "email.subject"),
    ({**BASE, "email": {**MAIL, "subject": {}}}, "wrong_type", "email.subject"),
    ({**BASE, "email": {**MAIL, "text": {"deutsch!": "x"}}}, "wrong_value", "not a language"),
    ({**BASE, "email": {**MAIL, "text": {"de": 3}}}, "wrong_type", "email.text.de"),
    ({**BASE, "email": {**MAIL, "text": "x" * 200_001}}, "too_large", "200001"),
    ({**BASE, "email": {"subject": {"de": "x"}, "text": {"en": "y"}}}, "languages", "no language in common"),
    ({**BASE, "email": {**MAIL, "from": 3}}, "wrong_type", "email.from"),
    ({**BASE, "email": {**MAIL, "from": "a@b.example\r\nBcc: c"}}, "wrong_type", "email.from"),
    ({**BASE, "email": {**MAIL, "text": "a\nb {{ x"}}, "template_syntax", "line 2"),
    ({**BASE, "email": {**MAIL, "text": {"de": "ok", "en": "{% if a %}"}}}, "template_syntax", "email.text.en"),
    ({**BASE, "email": {**MAIL, "text": "{{ x | mony }}"}}, "template_syntax", "did you mean money"),
    ({**BASE, "email": {**MAIL, "text": "a\x00b"}}, "wrong_value", "control"),
    ({**BASE, "email": {**MAIL, "text": "{{ firstName }}"}}, "unknown_variable", "firstName"),
    ({**BASE, "email": {**MAIL, "text": "{{ persn.email }}"}}, "unknown_variable", "did you mean person"),
    ({**BASE, "email": {**MAIL, "text": "{{ person.fistname }}"}}, "unknown_variable", "person.fistname"),
    ({**BASE, "email": {**MAIL, "text": "{{ links.unsubscibe }}"}}, "unknown_variable", "links.unsubscribe"),
    ({**BASE, "email": {**MAIL, "text": "{{ data.total }}"}}, "unknown_variable", "declare it"),
    (
        {**BASE, "data": {"total": "money"}, "email": {**MAIL, "text": "{{ data.totl }}"}},
        "unknown_variable",
        "data.total",
    ),
    ({**BASE, "email": {**MAIL, "text": "{{ brand.colour }}"}}, "unknown_variable", "brand.color"),
    ({**BASE, "email": {"subject": "x", "html": "<p>a</p><script>x</script>"}}, "active_content", "script"),
    ({**BASE, "email": {"subject": "x", "html": "<a onclick='x'>y</a>"}}, "active_content", "onclick"),
    ({**BASE, "email": {"subject": "x", "html": "<iframe src=x>"}}, "active_content", "iframe"),
    (
        {**BASE, "email": {"subject": "x", "mjml": "<mjml><mj-body><mj-foo></mj-body></mjml>"}},
        "mjml_syntax",
        "email.mjml",
    ),
    (
        {**BASE, "email": {"subject": "x", "mjml": '<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>'}},
        "mjml_syntax",
        "include",
    ),
    ({**BASE, "email": {"subject": "x", "html": "<b>" * 201}}, "too_deep", "email.html"),
    ({**BASE, "email": {"subject": "x", "mjml": "<mjml>" + "<p>" * 60_000}}, "mjml_syntax", "nested"),
    ({**BASE, "email": {"subject": "x", "blocks": {}}}, "wrong_type", "blocks"),
    ({**BASE, "email": {"subject": "x", "blocks": [{"txt": "a"}]}}, "unknown_field", "did you mean `text`"),
    ({**BASE, "email": {"subject": "x", "blocks": [{"text": "a", "divider": None}]}}, "wrong_value", "one kind"),
    ({**BASE, "email": {"subject": "x", "blocks": [{"button": {"text": "a"}}]}}, "missing_field", "`to`"),
    (
        {**BASE, "email": {"subject": "x", "blocks": [{"button": {"text": "a", "to": "/", "color": "red"}}]}},
        "unknown_field",
        "color",
    ),
    ({**BASE, "email": {"subject": "x", "blocks": [{"image": {"src": "/a.png"}}]}}, "missing_field", "`alt`"),
    (
        {**BASE, "email": {"subject": "x", "blocks": [{"image": {"src": "/a.png", "alt": "", "width": 9999}}]}},
        "wrong_value",
        "width",
    ),
    ({**BASE, "email": {"subject": "x", "blocks": [{"products": "all of them!"}]}}, "wrong_value", "products"),
    ({**BASE, "email": {"subject": "x", "blocks": [{"products": []}]}}, "wrong_value", "no product"),
    (
        {**BASE, "email": {"subject": "x", "blocks": [{"products": "data.products"}]}},
        "unknown_variable",
        "data.products",
    ),
    ({**BASE, "email": {"subject": "x", "blocks": [{"products": ["a' | x"]}]}}, "wrong_value", "products"),
    ({**BASE, "sms": {}}, "missing_field", "sms"),
    ({**BASE, "sms": {"txt": "x"}}, "unknown_field", "did you mean `text`"),
    ({**BASE, "push": {"text": "{{ x"}}, "template_syntax", "push.text"),
    ({**BASE, "hosts": "a.example"}, "wrong_value", "hosts"),
    ({**BASE, "hosts": ["https://a.example"]}, "wrong_value", "hosts"),
    ({**BASE, "variants": {}}, "wrong_type", "variants"),
    ({**BASE, "variants": [{"id": "a", "share": 0.5}]}, "wrong_value", "sum to 1"),
    ({**BASE, "variants": [{"id": "a", "share": 2}]}, "wrong_value", "share"),
    ({**BASE, "variants": [{"id": "a", "share": True}]}, "wrong_value", "share"),
    ({**BASE, "variants": [{"id": "a", "share": 0.5}, {"id": "a", "share": 0.5}]}, "wrong_value", "id of its own"),
    (
        {**BASE, "variants": [{"id": "a", "share": 1, "email": {**MAIL, "text": "{{ y"}}]},
        "template_syntax",
        "email.text",
    ),
    ({**BASE, "class": "opt_in"}, "confirm_link_missing", "links.confirm"),
    (
        {**OPT_IN, "email": {"subject": "x", "text": {"de": "{{ links.confirm }}", "en": "Yes"}}},
        "confirm_link_missing",
        "confirm",
    ),
    ({**OPT_IN, "email": {**OPT_IN["email"], "html": "<p>Yes</p>"}}, "confirm_link_missing", "confirm"),
    ({**OPT_IN, "email": {"subject": "x", "text": "links.confirm"}}, "confirm_link_missing", "confirm"),
    ({**OPT_IN, "sms": {"text": "Yes"}}, "confirm_link_missing", "sms"),
    (
        {**OPT_IN, "email": {"subject": "x", "blocks": [{"button": {"text": "a", "to": "/x"}}]}},
        "confirm_link_missing",
        "confirm",
    ),
]


@pytest.mark.parametrize(("raw", "code", "word"), BAD)
def test_bad_definitions_are_refused(raw: Any, code: str, word: str) -> None:
    """Each with its code, the place, what is wrong and the mend (positive control: BASE and OPT_IN are accepted)."""
    error = refusal(raw)
    assert error.code == code
    assert word in error.line()
    assert error.line().startswith("shop.yaml:3")


def test_opt_in_with_a_confirm_button_is_accepted() -> None:
    """The link may stand in a button."""
    raw = {**OPT_IN, "email": {"subject": "x", "blocks": [{"button": {"text": "Ja", "to": "{{ links.confirm }}"}}]}}
    assert parse_message(raw).class_ == "opt_in"


def test_variants_replace_their_parts() -> None:
    """The people of a variant get its e-mail and everything else of the message."""
    raw = {
        **BASE,
        "sms": {"text": "a"},
        "variants": [
            {"id": "a", "share": 0.5},
            {"id": "b", "share": Decimal("0.5"), "email": {"subject": "B", "text": "b"}},
        ],
    }
    message = parse_message(raw)
    mail_a, mail_b = with_variant(message, "a").email, with_variant(message, "b").email
    assert mail_a is not None
    assert mail_b is not None
    assert (mail_a.subject.pick(""), mail_b.subject.pick("")) == ("Hi", "B")
    assert with_variant(message, "b").channels == ("email", "sms")
    with pytest.raises(InputError):
        with_variant(message, "c")


def test_required() -> None:
    """What a channel cannot do without; defaults and what stands behind an `if` are left out."""
    assert required(parse_message(CART), "email") == {"data.products", "data.total"}
    assert required(parse_message(WRITTEN), "email") == {"trait.firstName", "data.products"}
    assert required(parse_message({**BASE, "sms": {"text": "{{ trait.x }}"}}), "email") == set()


@pytest.mark.parametrize(
    ("declared", "handed", "code"),
    [
        ({"a": "string"}, {"a": "string"}, ""),
        ({"a": "string"}, {"a": "dyn"}, ""),
        ({"a": "money", "b": "number"}, {"a": "number", "b": "money"}, ""),
        ({"a": "list(string)"}, {"a": "list(string)"}, ""),
        ({"a": "list(string)"}, {"a": "list"}, ""),
        ({"a": "list"}, {"a": "list(number)"}, ""),
        ({"a": "list(money)"}, {"a": "list(number)"}, ""),
        ({"a": "string|null"}, {}, ""),
        ({"a": "string|null"}, {"a": "null"}, ""),
        ({"a": "string|null"}, {"a": "string"}, ""),
        ({}, {}, ""),
        ({"a": "string"}, {}, "data_lacks"),
        ({}, {"a": "string"}, "data_adds"),
        ({"total": "money"}, {"total": "money", "totl": "money"}, "data_adds"),
        ({"a": "string"}, {"a": "number"}, "data_mistyped"),
        ({"a": "string"}, {"a": "null"}, "data_mistyped"),
        ({"a": "date"}, {"a": "timestamp"}, "data_mistyped"),
        ({"a": "list(string)"}, {"a": "list(number)"}, "data_mistyped"),
        ({"a": "string"}, {"a": "list(string)"}, "data_mistyped"),
    ],
)
def test_check_data(declared: dict[str, str], handed: dict[str, str], code: str) -> None:
    """A step hands over what the message declares: nothing less, nothing more, nothing else."""
    message = parse_message({**BASE, "data": declared})
    if not code:
        check_data(message, handed)
        return
    with pytest.raises(InputError) as caught:
        check_data(message, handed, "journey x: step y")
    assert caught.value.code == code
    assert caught.value.mend


@pytest.mark.parametrize(
    ("wanted", "brand", "given", "language"),
    [
        ("de-AT", "en", ("en", "de", "de-AT"), "de-AT"),
        ("de-AT", "en", ("en", "de"), "de"),
        ("de_at", "", ("en", "de"), "de"),
        ("DE", "", ("en", "de"), "de"),
        ("zh-Hant-TW", "", ("en", "zh-Hant", "zh"), "zh-Hant"),
        ("de", "", ("en", "de-AT"), "en"),
        ("fr", "de-CH", ("en", "de"), "de"),
        ("fr", "it", ("en", "de"), "en"),
        (None, None, ("de", "en"), "de"),
        ("", "", (), ""),
        ("de", "en", (), ""),
    ],
)
def test_the_language_is_chosen(wanted: str | None, brand: str | None, given: tuple[str, ...], language: str) -> None:
    """The person's with region, then without, else the brand's, else the first given; none for a text for all."""
    assert choose_language(wanted, brand, given) == language


def test_languages_in_common() -> None:
    """A mail speaks a language in which all its texts are written; texts for all do not limit it."""
    texts = [parse_text(raw, "", "") for raw in ({"en": "a", "de": "b", "fr": "c"}, "all", {"de": "x", "en": "y"})]
    assert common_languages(texts) == ("en", "de")
    assert common_languages(texts[1:2]) == ()
    with pytest.raises(KeyError):
        common_languages([parse_text({"de": "a"}, "", ""), parse_text({"en": "a"}, "", "")])


def test_author_html_is_kept() -> None:
    """The sample with tables, loops and conditions parses (its rendering is tested in test_content_mail)."""
    assert "{% for p in data.products %}" in HTML
    assert parse_message(WRITTEN).email is not None


@pytest.mark.parametrize("field", ["text", "html", "mjml"])
@pytest.mark.parametrize(
    "piece",
    [
        *(
            "{{",
            "{%",
            "{% raw %}",
            "{% comment %}",
            "{{ person.id }}",
            "{% if person.id %}",
            "<",
            "<a ",
            '<a "',
            "<b>",
            "<p>",
        ),
        *(
            '<!--<a "',
            '<a href="',
            "<style>",
            "<table>",
            "<!--",
            "}}",
            "&",
            "https://",
            "www.a ",
            "https://a.example/ ",
            '"',
        ),
    ],
)
def test_a_text_of_repeated_pieces_ends(piece: str, field: str) -> None:
    """Long monotonous texts are accepted or refused in time linear in their length: no hang, no crash (invariant 45).
    (Positive control: without the check of closed pieces the first of these runs for minutes.)"""
    source = piece * (40_000 // len(piece))
    if field == "mjml":
        around = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"
        source = around.replace("{}", source)
    try:
        found = parse_message({**BASE, "email": {"subject": "x", field: source}})
        render_email(found, facts())
    except (InputError, Unrenderable):
        return
    assert found.id == "m"
