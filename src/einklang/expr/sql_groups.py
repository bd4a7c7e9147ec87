"""What plans in SQL read of groups: columns of a person's group, and whose events and objects belong to it."""

from __future__ import annotations

from collections.abc import Callable

from einklang.expr.crowd_groups import of_group
from einklang.expr.rows import flatten, members_asked
from einklang.expr.sql_text import Code, DuckDB, made
from einklang.expr.tree import Term
from einklang.kernel.time import Micros

#: Between the type and the id of a group that holds objects (`crowd_frames.holder_of`).
_HOLDER = "\x1f"


class Belonging:
    """The columns of a person that tell of the groups to which she belongs: (type, what, name) -> column.

    what: `id` `role` `contact` `size`, or `trait` with its name.
    """

    def __init__(self, dialect: DuckDB, now: Micros, members_max: int) -> None:
        self.dialect = dialect
        self.now = now
        self.members_max = members_max
        self._columns: dict[tuple[str, str, str], str] = {}

    def column(self, kind: str, what: str, name: str = "") -> str:
        """The name of a column, which `source` then gives."""
        return self._columns.setdefault((kind, what, name), f"b{len(self._columns) + 1}")

    def source(self) -> tuple[str, str]:
        """What is listed and what is joined beside the persons `s`."""
        listed = joined = ""
        for n, kind in enumerate(dict.fromkeys(kind for kind, _, _ in self._columns)):
            text = self.dialect.text(kind).text
            joined += (
                f" LEFT JOIN (SELECT person_id, group_id, role, contact FROM ek_members WHERE type = {text}) AS g{n}"
                f" ON g{n}.person_id = s.person_id"
            )
            traits = {}
            for (of, what, name), column in self._columns.items():
                if of == kind and what == "trait":
                    traits[name] = column
                    listed += f", u{n}.{column}"
                elif of == kind and what == "size":
                    joined += (
                        f" LEFT JOIN (SELECT group_id, COUNT(*) AS size FROM ek_members WHERE type = {text}"
                        f" GROUP BY group_id) AS z{n} ON z{n}.group_id = g{n}.group_id"
                    )
                    listed += f", z{n}.size AS {column}"
                elif of == kind:
                    listed += f", g{n}.{'group_id' if what == 'id' else what} AS {column}"
            if traits:
                joined += f" LEFT JOIN ({self._traits(text, traits)}) AS u{n} ON u{n}.group_id = g{n}.group_id"
        return listed, joined

    def _traits(self, kind: str, columns: dict[str, str]) -> str:
        """The latest values of the traits of each group of a type."""
        names = {name: self.dialect.text(name).text for name in columns}
        last = f"{self.dialect.max_by}(t.value, t.n)"
        latest = "".join(f", {last} FILTER (WHERE t.name = {names[name]}) AS {columns[name]}" for name in columns)
        where = f"t.type = {kind} AND t.at <= {self.now} AND t.name IN ({', '.join(names.values())})"
        return f"SELECT t.group_id{latest} FROM ek_group_traits AS t WHERE {where} GROUP BY t.group_id"

    def few(self, term: Term, column: Callable[[str], Code]) -> list[Code]:
        """Of each group that a term asks as a whole, that it has no more members than can be asked together."""
        sizes = [column(self.column(kind, "size")) for kind in members_asked(term)]
        return [made(f"COALESCE({{0}} <= {self.members_max}, TRUE)", size) for size in sizes]


def keyed_by(term: Term) -> str:
    """The type of group of which a fold is the same for all its members; "" for any other fold."""
    return of_group(term) if flatten(term.args[0])[0].op == "groupevents" else ""


def members_of(dialect: DuckDB, kind: str, *, keyed: bool) -> tuple[str, str]:
    """(who asks, the join by which the events `e` of all members are theirs). keyed: the group asks, once for all."""
    text = dialect.text(kind).text
    joined = f" JOIN ek_members AS m ON m.person_id = e.person_id AND m.type = {text}"
    if keyed:
        return "m.group_id", joined
    return "k.person_id", f"{joined} JOIN ek_members AS k ON k.group_id = m.group_id AND k.type = {text}"


def held_by(dialect: DuckDB, kind: str, group: str) -> str:
    """The objects of a kind with who holds them: persons, and the members of the groups that do."""
    own = f"SELECT o.person_id, o.n, o.body FROM ek_objects AS o WHERE o.kind = {dialect.text(kind).text}"
    if not group:
        return own
    holder = dialect.text(group + _HOLDER).text
    return (
        f"{own} UNION ALL SELECT m.person_id, o.n, o.body FROM ek_objects AS o JOIN ek_members AS m"
        f" ON o.person_id = {holder} || m.group_id AND m.type = {dialect.text(group).text}"
        f" WHERE o.kind = {dialect.text(kind).text}"
    )
