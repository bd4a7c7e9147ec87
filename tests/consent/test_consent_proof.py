"""The hash chain of the ledger, the keyed hash of addresses, and the definitions of purposes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.consent import (
    BASES,
    ChainRow,
    address_key,
    built_in_purposes,
    chain,
    first_broken,
    normal_address,
    parse_purpose,
)
from einklang.kernel.errors import InputError


def ledger(size: int = 4) -> list[tuple[ChainRow, bytes]]:
    """A ledger with its hashes."""
    rows, before = [], b""
    for n in range(1, size + 1):
        row = ChainRow(n, 10 * n, "email", f"{n}@x", "news", "given", n, n + 1, "form", "v1", "customer", "e")
        before = chain(before, row)
        rows.append((row, before))
    return rows


def test_an_untouched_ledger_is_whole() -> None:
    """Positive control: nothing is found where nothing was changed; a part is checked with the hash before it."""
    rows = ledger()
    assert first_broken(rows) is None
    assert first_broken([]) is None
    assert first_broken(rows[2:], rows[1][1]) is None
    assert len(rows[0][1]) == 32


@pytest.mark.parametrize("column", ChainRow.__struct_fields__)
def test_a_change_of_any_column_is_found(column: str) -> None:
    """One character or one number in any row: the first broken row is told."""
    for index in range(4):
        rows = ledger()
        row, stored = rows[index]
        value = getattr(row, column)
        changed = value + 1 if isinstance(value, int) else "!" + value[1:]
        rows[index] = (msgspec.structs.replace(row, **{column: changed}), stored)
        found = first_broken(rows)
        assert found is not None
        assert index + 1 <= found <= index + 2


@given(st.integers(0, 3), st.integers(0, 31), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_of_a_hash_is_found(index: int, byte: int, bit: int) -> None:
    """Any bit of any stored hash."""
    rows = ledger()
    row, stored = rows[index]
    flipped = bytearray(stored)
    flipped[byte] ^= 1 << bit
    rows[index] = (row, bytes(flipped))
    assert first_broken(rows) == index + 1


def test_missing_doubled_and_swapped_rows_are_found() -> None:
    """A row taken out of the middle, put in twice, or standing elsewhere."""
    rows = ledger()
    assert first_broken(rows[:1] + rows[2:]) == 3
    assert first_broken(rows[1:]) == 2
    assert first_broken([rows[0], *rows]) == 1
    assert first_broken([rows[0], rows[2], rows[1], rows[3]]) == 3


def test_parts_do_not_run_into_each_other() -> None:
    """A character moved from one column into the next makes another hash."""
    row = ledger()[0][0]
    moved = msgspec.structs.replace(row, source="for", wording="mv1")
    assert chain(b"", row) != chain(b"", moved)


def test_the_key_of_an_address() -> None:
    """Equal for equal addresses in normal form, different by salt, channel and address; a number has one key."""
    key = address_key(b"s", "email", " A@X.example ")
    assert key == address_key(b"s", "email", "a@x.example")
    assert len(key) == 16
    others = [(b"t", "email", "a@x.example"), (b"s", "letter", "a@x.example"), (b"s", "email", "b@x.example")]
    assert all(address_key(*other) != key for other in others)
    assert address_key(b"s", "sms", "+49 30 1") == address_key(b"s", "phone", "0049-301")


def test_normal_forms() -> None:
    """E-mail lower case, numbers + and digits, other addresses without blanks around."""
    assert normal_address("email", " A@X ") == "a@x"
    assert normal_address("", "A@X") == "a@x"
    assert normal_address("sms", "0049 (30) 1") == "+49301"
    assert normal_address("letter", " Weg 1, Bonn ") == "Weg 1, Bonn"


def test_the_built_in_purposes() -> None:
    """marketing, service, track_open, track_click; only service stands on a contract."""
    found = built_in_purposes()
    assert {name: purpose.basis for name, purpose in found.items()} == {
        "marketing": "consent",
        "service": "contract",
        "track_open": "consent",
        "track_click": "consent",
    }
    assert all(isinstance(purpose.title, dict) and {"de", "en"} == set(purpose.title) for purpose in found.values())


def test_a_purpose_is_parsed_strictly() -> None:
    """Defaults of the reference; an unknown field or basis is an error with its place and the mend."""
    found = parse_purpose(
        {"kind": "purpose", "id": "newsletter", "title": "News", "double_opt_in": True, "channels": "email"}, "a.yaml:3"
    )
    assert (found.id, found.basis, found.double_opt_in, found.channels) == ("newsletter", "consent", True, ("email",))
    assert parse_purpose({"kind": "purpose", "id": "x"}, "a").channels is None
    for wrong, code in (
        ({"basis": "hope"}, "wrong_type"),
        ({"bases": "consent"}, "unknown_field"),
        ({"double_opt_in": "yes"}, "wrong_type"),
        ({"channels": 5}, "wrong_type"),
        ({"title": 5}, "wrong_type"),
    ):
        with pytest.raises(InputError) as caught:
            parse_purpose({"kind": "purpose", "id": "x", **wrong}, "a.yaml:3")
        assert caught.value.code == code
        assert caught.value.where.startswith("a.yaml:3")
        assert caught.value.mend
    assert "legitimate_interest" in BASES
