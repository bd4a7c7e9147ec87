"""Texts that look like code, in every place of a condition and of the data where a text can stand."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec.json import encode

from einklang.expr import Catalog, Checked, Crowd, EventShape, ObjectShape, Scope, check
from einklang.expr.crowd_frames import GROUP_TRAITS, MEMBERS
from einklang.expr.sql import compile_sql, sql_lacks
from einklang.expr.write import quoted
from einklang.store.lake.engine import Engine

NASTY = (
    "it's", "'; DROP TABLE ek_events; --", 'a"b', "back\\slash", "\\'", "/* x */", "${x}", "{0}", "%s", "?", "$1",
    "nul\x00l", "zeile\nzwei", "größe 鍵 🙂", "<@1>", "\x01n5", "lambda x: x", "a.b[0]", "*", "~/",
)  # fmt: skip


def nasty_crowd(texts: Sequence[str]) -> Crowd:
    """For each text a person of whom everything is called so, and one person of whom nothing is."""
    events = [
        {"person_id": f"a{n}", "seq": n, "at": 5, "name": text, "touchpoint": text, "source": "s", "machine": False,
         "properties": encode({text: text, "list": [{text: text}], "plain": text}).decode()}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    other = {"person_id": "b", "seq": 99, "at": 5, "name": "other", "touchpoint": "web", "properties": "{}"}
    people, said = [f"a{n}" for n in range(len(texts))], [encode({text: text}).decode() for text in texts]
    both = [(who, text, text) for who, text in zip(people, texts, strict=True)]
    text = pl.String
    return Crowd(
        pl.DataFrame({"person_id": [*people, "b"], "zone": ["UTC"] * (len(texts) + 1)}),
        pl.DataFrame([*events, {**events[0], **other}]),
        pl.DataFrame(
            [(who, text, value, 1) for who, text, value in zip(people, texts, said, strict=True)],
            schema={"person_id": text, "name": text, "value": text, "at": pl.Int64},
            orient="row",
        ),
        pl.DataFrame(both, schema={"person_id": text, "channel": text, "purpose": text}, orient="row"),
        pl.DataFrame({"person_id": people, "segment": list(texts)}),
        objects=pl.DataFrame({"person_id": people, "kind": list(texts), "n": 0, "body": said}),
        members=pl.DataFrame([(*one, one[1], True) for one in both], schema=MEMBERS, orient="row"),
        group_traits=pl.DataFrame(
            [(text, text, text, value, 1) for text, value in zip(texts, said, strict=True)],
            schema=GROUP_TRAITS,
            orient="row",
        ),
        lookup=_Rows(texts),
    )


class _Rows:
    """Catalogs that are called as their keys and their fields."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = set(texts)

    def __call__(self, catalog: str, key: object) -> dict[str, str] | None:
        return {str(key): str(key)} if catalog == key and key in self.texts else None


def conditions(text: str) -> list[str]:
    """A condition for each place in which a text can stand; all hold for the person of the text alone."""
    q = quoted(text)
    return [
        f"events({q}).exists()",
        f"events({q}).where(event.properties[{q}] == {q}).exists()",
        f"events({q}).where(plain == {q}).exists()",
        f"events({q}).where(plain.contains({q}) && plain in [{q}]).exists()",
        f"events({q}).where(event.touchpoint == {q}).exists()",
        f"events({q}).where(list.exists(x, x[{q}] == {q})).exists()",
        f"events({q}).each(list).where({q} == event.properties[{q}]).count() == 1",
        f"trait[{q}][{q}] == {q}",
        f"{q} in trait[{q}]",
        f"segment({q})",
        f"consent({q}, {q})",
        f"objects({q}).exists()",
        f'has(trait[{q}]) && ({q} + "x").startsWith({q})',
        f"group({q}).id == {q} && group({q}).role == {q} && group({q}).size() == 1",
        f"group({q}).trait[{q}][{q}] == {q}",
        f"group({q}).events({q}).list(plain).exists(x, x == {q})",
        f"lookup({q}, {q})[{q}] == {q} && has(trait[{q}])",
        f"events({q}).where(lookup({q}, plain)[{q}] == {q}).nth(1, plain) == {q}",
        f'events({q}).exists() && !events({q}).followedBy(events("other"), "1d", events({q})).exists()',
    ]


def asked_of(texts: Sequence[str], engine: str) -> list[tuple[str, Checked]]:
    """The conditions about these texts that an engine answers: name -> condition."""
    catalog = Catalog(events={"other": EventShape()}, objects={text: ObjectShape() for text in texts})
    asked = []
    for n, text in enumerate(texts):
        for at, source in enumerate(conditions(text)):
            checked = check(source, Scope("segment.where", catalog))
            lacks = sql_lacks(checked, engine)
            assert lacks in ([], ["this name of a field"]), (source, lacks)
            asked += [] if lacks else [(f"{n} {at}", checked)]
    return asked


def wrongly_answered(texts: Sequence[str], asked: Sequence[tuple[str, Checked]], engine: Engine) -> list[str]:
    """Conditions that do not hold for the person of their text alone."""
    plan = compile_sql(asked, engine.name, 10)
    rows = engine.run(plan).to_dicts()
    return [
        f"{conditions(texts[int(name.split()[0])])[int(name.split()[1])]}: {found}"
        for name, column in plan.columns.items()
        if (found := [row["person_id"] for row in rows if row[column]]) != [f"a{name.split()[0]}"]
    ]
