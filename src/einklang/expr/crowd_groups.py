"""What a plan reads beside the persons themselves: the groups to which they belong, and rows of catalogs.

What all members of a group did is the same for each of them, unless the expression asks for something of the person. So
it is worked out once for each group and time zone, not once for each member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from einklang.expr.crowd_frames import Docs, Level, holder_of
from einklang.expr.crowd_reach import ALONE, is_path
from einklang.expr.crowd_sets import Sets, free_names
from einklang.expr.crowd_values import DTYPES, Value
from einklang.expr.rows import flatten
from einklang.expr.tree import Term, walk

_FOLDS = frozenset(["exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth"])
#: What differs between members of one group in one time zone.
_OF_PERSON = frozenset(["person", "trait", "segment", "consent", "events", "objects", "grouprole", "groupcontact"])
_GROUPED = frozenset(["groupid", "groupsize", "grouptrait", "groupevents"])


def group_type(term: Term) -> str:
    """The type of the group that a term asks about."""
    return str(term.data if isinstance(term.data, str) else term.data[2 if term.op == "groupevents" else 0])


def of_group(term: Term) -> str:
    """The type of the group of which this is a fold that is the same for all its members; "" for anything else."""
    if term.op not in _FOLDS or flatten(term.args[0])[0].op != "groupevents" or free_names(term):
        return ""
    parts = list(walk(term))
    types = {group_type(part) for part in parts if part.op in _GROUPED}
    return "" if len(types) > 1 or any(part.op in _OF_PERSON for part in parts) else types.pop()


def shared(term: Term) -> str:
    """As `of_group`, of every term that a person is asked: not what is kept with the person or a run either."""
    kind = of_group(term)
    return "" if kind and any(part.op in ALONE for part in walk(term)) else kind


class GroupSets(Sets):
    """What `crowd.Run` inherits beside the sets of a person."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._groups: dict[str, pl.DataFrame] = {}

    def _belongs(self, kind: str) -> pl.DataFrame:
        """group, role, contact: of each person in the group of this type; null where there is none."""
        if kind not in self._groups:
            members = self.crowd.members.filter(pl.col("type") == kind).select("person_id", "group", "role", "contact")
            persons = self.root.frame.select("person_id")
            self._groups[kind] = persons.join(members, on="person_id", how="left", maintain_order="left")
        return self._groups[kind]

    def group_ids(self, kind: str) -> pl.Series:
        """The id of the group of this type of each person; null where there is none."""
        return self._belongs(kind)["group"]

    def _groupid(self, term: Term, level: Level) -> Value:
        return {"s": level.add(self.group_ids(group_type(term)))}

    def too_many(self, kinds: Sequence[str]) -> pl.Series:
        """Of each person whether a group of one of these types has more members than can be asked together."""
        found = pl.repeat(False, self.root.frame.height, eager=True)
        for kind in kinds:
            found = found | (self._sizes(kind) > self.crowd.members_max).fill_null(False)
        return found

    def _grouprole(self, term: Term, level: Level) -> Value:
        return {"s": level.add(self._belongs(group_type(term))["role"])}

    def _groupcontact(self, term: Term, level: Level) -> Value:
        return {"b": level.add(self._belongs(group_type(term))["contact"])}

    def _groupsize(self, term: Term, level: Level) -> Value:
        return {"n": level.add(self._sizes(group_type(term)).cast(DTYPES["n"]))}

    def _sizes(self, kind: str) -> pl.Series:
        """How many members the group of this type of each person has; null where there is none."""
        sizes = self.crowd.members.filter(pl.col("type") == kind).group_by("group").agg(pl.len().alias("size"))
        mine = pl.DataFrame({"group": self.group_ids(kind)})
        return mine.join(sizes, on="group", how="left", maintain_order="left")["size"].cast(pl.Int64)

    def _group_docs(self, term: Term) -> Docs:
        """The value that a trait of each person's group had at the moment."""
        kind, name = term.data
        asked = (pl.col("type") == kind) & (pl.col("name") == name) & (pl.col("at") <= self.now)
        known = self.crowd.group_traits.filter(asked).sort("at", maintain_order=True)
        latest = known.group_by("group", maintain_order=True).agg(pl.col("value").last())
        mine = pl.DataFrame({"group": self.group_ids(kind)})
        return Docs.of_texts(mine.join(latest, on="group", how="left", maintain_order="left")["value"])

    def _catalog_docs(self, term: Term, level: Level) -> Docs:
        """The row of a catalog for the key of each row of the level."""
        key, rows = term.args[0], dict[str, Any]()
        if key.type.kind == "string" or not is_path(key):
            keys = level.column(self.part(key, level, "s")).to_list()
        else:
            docs, column, path = self._path(key, level)
            values = docs.at(path)
            keys = [None if place is None else values[place] for place in level.column(column)]
        for value in keys:
            if value is not None and str(value) not in rows:
                rows[str(value)] = self.crowd.lookup(term.data, value)
        return Docs([None if value is None else rows[str(value)] for value in keys])

    def _asked_ids(self, term: Term, level: Level) -> pl.DataFrame:
        """_up, _person, person_id: whose events count for each row of the level; the person's, or those of all members
        of the group.
        """
        above = level.frame.select("_person").with_row_index("_up")
        if term.op == "events":
            return above.with_columns(self.root.frame["person_id"].gather(above["_person"]))
        members = self.crowd.members.filter(pl.col("type") == group_type(term)).select("group", "person_id")
        asked = above.with_columns(self.group_ids(group_type(term)).gather(above["_person"]).alias("group"))
        return asked.join(members, on="group", how="inner").drop("group")

    def _holders(self, term: Term, level: Level) -> pl.DataFrame:
        """_up, _person, person_id: who holds the objects that each row of the level speaks of."""
        above = level.frame.select("_person").with_row_index("_up")
        alone = above.with_columns(self.root.frame["person_id"].gather(above["_person"]))
        kind = term.data[3]
        if not kind:
            return alone
        shared = above.with_columns(self.group_ids(kind).gather(above["_person"]).alias("person_id"))
        shared = shared.filter(pl.col("person_id").is_not_null()).with_columns(
            holder_of(kind, pl.col("person_id")).alias("person_id")
        )
        return pl.concat([alone, shared])

    def by_group(self, term: Term, kind: str) -> Value:
        """A fold over what the members of each group did, worked out for one person of each group and time zone."""
        keys = self.root.frame.select("zone", self.group_ids(kind).alias("group"))
        places = keys.with_row_index("_place")
        firsts = places.group_by("zone", "group", maintain_order=True).agg(pl.col("_place").first())
        one = replace(self.crowd, persons=self.crowd.persons[firsts["_place"]])
        numbers = firsts.select("zone", "group").with_row_index("_one")
        which = keys.join(numbers, on=["zone", "group"], how="left", nulls_equal=True, maintain_order="left")["_one"]
        run = self.over(one)
        value: Value = getattr(run, "_" + term.op)(term, run.root)
        return {part: self.root.add(run.root.column(code).gather(which)) for part, code in value.items()}

    def over(self, crowd: Any) -> Any:
        """The same execution over other persons."""
        raise NotImplementedError
