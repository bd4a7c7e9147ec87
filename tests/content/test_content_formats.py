"""Money and dates against Babel (CLDR), which content itself does not use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from hypothesis import given
from hypothesis import strategies as st

from einklang.content.formats import day_text, money, number_text, to_day_or_time, to_decimal
from einklang.kernel.errors import InputError
from tests.content.content_samples import NOW

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=4)


@given(AMOUNTS, st.sampled_from(["EUR", "USD", "GBP", "JPY", "CHF", "KWD"]), st.sampled_from(["de", "en"]))
def test_money_is_written_as_cldr_does(amount: Decimal, currency: str, language: str) -> None:
    """Digits, separators, sign and place of the symbol agree with Babel (less CLDR's space after a code)."""
    expected = format_currency(amount, currency, locale=language)
    if language == "en":
        expected = expected.replace(currency, f"{currency}\u00a0")
    assert money(amount, currency, language) == expected


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        (Decimal("1234.5"), "de", "1.234,50\u00a0€"),
        (Decimal("1234.5"), "de-AT", "1.234,50\u00a0€"),
        (1234, "en", "€1,234.00"),
        (Decimal("-0.5"), "en", "-€0.50"),
        ("12.345", "de", "12,34\u00a0€"),
        (0.1, "en", "€0.10"),
        (Decimal("2.5"), "fr", "€2.50"),
    ],
)
def test_money_by_example(value: object, language: str, text: str) -> None:
    """Own examples: languages without an entry are written as English, halves go to even."""
    assert money(value, "EUR", language) == text


@given(AMOUNTS, st.integers(0, 3), st.sampled_from(["de", "en"]))
def test_numbers_are_grouped_as_cldr_does(value: Decimal, digits: int, language: str) -> None:
    """Agrees with Babel for fixed digits."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    assert number_text(value, digits, language).replace("-0", "0") == format_decimal(
        value, pattern, locale=language
    ).replace("-0", "0")


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), st.sampled_from(["de", "en"]))
def test_dates_are_written_as_cldr_does(moment: datetime, language: str) -> None:
    """Named styles and month and day names agree with Babel patterns."""
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    patterns = {
        "de": {"short": "dd.MM.yyyy", "long": "d. MMMM yyyy", "datetime": "dd.MM.yyyy, HH:mm", "%A": "EEEE"},
        "en": {
            "long": "d MMMM yyyy",
            "time": "HH:mm",
            "%A": "EEEE",
            "%a, %-d %B %Y": "EEE, d MMMM yyyy",
            "%I %p": "hh a",
        },
    }
    for style, pattern in patterns[language].items():
        expected = format_datetime(moment, pattern, locale=language)
        assert day_text(moment, style, language, "UTC") == expected
    day = moment.date()
    assert day_text(day, "long", language, "UTC") == format_date(day, patterns[language]["long"], locale=language)


@pytest.mark.parametrize(
    ("value", "zone", "text"),
    [
        (NOW, "Europe/Berlin", "15.01.2027, 09:00"),
        ("2027-07-01T23:30:00Z", "Europe/Berlin", "02.07.2027, 01:30"),
        ("2027-03-01", "America/New_York", "01.03.2027, 00:00"),
        (date(2027, 3, 1), "UTC", "01.03.2027, 00:00"),
        (datetime(2027, 3, 1, 12), "Asia/Tokyo", "01.03.2027, 21:00"),
    ],
)
def test_a_moment_is_shown_in_the_zone(value: object, zone: str, text: str) -> None:
    """Moments move to the zone of the person, days do not."""
    assert day_text(value, "datetime", "de", zone) == text


@pytest.mark.parametrize("value", [None, True, Decimal(1), "yesterday", [], 1.5, 10**30, -(10**30)])
def test_what_is_no_date_is_refused(value: object) -> None:
    """Nothing is guessed."""
    with pytest.raises((ValueError, InputError)):
        to_day_or_time(value, "UTC")


@pytest.mark.parametrize("value", [None, True, "x", "", Decimal("NaN"), Decimal("Infinity"), "1e500", [], "1e-500"])
def test_what_is_no_number_is_refused(value: object) -> None:
    """NaN, infinities, giants and texts are no numbers."""
    with pytest.raises(ValueError):
        to_decimal(value)


@pytest.mark.parametrize(("currency", "style"), [("eur", "short"), ("EURO", "short"), ("EUR", "odd"), ("EUR", "%Q")])
def test_unknown_styles_are_refused(currency: str, style: str) -> None:
    """An unknown currency, style or directive is an error, not an empty place."""
    with pytest.raises(ValueError):
        money(1, currency, "de") + day_text(NOW, style, "de", "UTC")
