"""Staff and their passwords, without HTTP."""

from __future__ import annotations

import pytest

from einklang.app import staff
from einklang.kernel.errors import InputError
from tests.web.homes import Home

COST = staff._HASHER.memory_cost, staff._HASHER.time_cost
NOBODY = staff._NOBODY


def test_guessing_is_expensive() -> None:
    """argon2id with 64 MiB and 3 passes, for unknown names too (the test doubles of this room are cheaper)."""
    assert COST == (65_536, 3)
    assert NOBODY.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    ("name", "password", "more", "code"),
    [
        ("", "long enough", {}, "bad_name"),
        (" ada", "long enough", {}, "bad_name"),
        ("a\nda", "long enough", {}, "bad_name"),
        ("a" * 101, "long enough", {}, "bad_name"),
        ("ada", "short", {}, "bad_password"),
        ("ada", "x" * 201, {}, "bad_password"),
        ("ada", "long enough", {"role": "king"}, "unknown_role"),
        ("ada", "long enough", {"language": "xx"}, "unknown_language"),
    ],
)
def test_what_is_no_name_or_password(home: Home, name: str, password: str, more: dict[str, str], code: str) -> None:
    """Refused with the field and the mend; nobody is created."""
    with pytest.raises(InputError) as refused:
        staff.put_staff(home.book, name, password, salt=bytes(16), **more)
    assert refused.value.code == code
    assert refused.value.where
    assert refused.value.mend
    assert home.book.read("staff_count") == [(0,)]
