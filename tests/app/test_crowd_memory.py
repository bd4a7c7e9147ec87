"""What plans keep of everybody."""

from __future__ import annotations

from typing import Any

from einklang.app.crowds import Everybody


class Rows:
    """A reader that knows identifiers alone."""

    def read(self, name: str, *args: Any) -> list[tuple[Any, ...]]:
        """All of them."""
        return [
            ("email", "b@x", "p_2", 5),
            ("userId", "u", "p_1", 1),
            ("email", "a@x", "p_1", 9),
            ("email", "c", "p_3", 8),
        ]


def test_identifiers_are_rows_only_where_a_plan_reads_them() -> None:
    """Who was known by then is found in columns; the identifiers of each, in their order, when they are asked for."""
    reader: Any = Rows()
    people = Everybody(reader, 8)
    assert people.ids == ["p_1", "p_2", "p_3"]
    assert "of" not in vars(people)
    assert people.of == {"p_2": [("email", "b@x", 5)], "p_1": [("userId", "u", 1)], "p_3": [("email", "c", 8)]}
