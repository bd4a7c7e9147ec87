"""Fields that a definition no longer has, or never had, channels that nobody knows, and properties that a closed schema
excludes, while a condition asks for them: `apply` refuses it. So with what a destination is to tell of a person, with
its host, and with samples that turn too often.

What is in force stays in force: only what an apply touches is looked at, the condition or the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from einklang.app.activation_definitions import RawWebhook, check_host, patience_us
from einklang.app.definitions import Definitions, Key
from einklang.app.destinations import Destination, RawSync
from einklang.app.export_columns import columns_of
from einklang.app.syncs import CHANGE, SEQ, TABLE
from einklang.audience import definition as segments
from einklang.content.message import CHANNELS
from einklang.expr import Checked
from einklang.expr.errors import error_at, nearest
from einklang.expr.tree import Term, walk
from einklang.kernel import time
from einklang.kernel.errors import InputError

#: A sample is drawn anew so often at most.
_EVERY_MIN_US = time.HOUR


def check_fields(definitions: Definitions, touched: set[Key]) -> None:
    """Raises InputError `unknown_field` for a field that the rows of a catalog are not declared to have, `unknown_id`
    for a channel that is neither built in nor declared, `unknown_property` for one that an event cannot have.
    """
    channels = {*CHANNELS, *(name for kind, name in definitions.docs if kind == "channel")}
    for key, field, checked in _conditions(definitions):
        place = f"{definitions.docs[key][1]}.{field}"
        for term in walk(checked.tree):
            channel, catalog = _channel(term), _catalog(term)
            if channel and channel not in channels and key in touched:
                raise _unknown(checked, term, place, "unknown_id", f"unknown channel `{channel}`", channel, channels)
            known = definitions.catalog.catalogs or {}
            own = ("catalog", catalog) in definitions.docs and bool(known.get(catalog))
            if own and term.data not in known[catalog] and touched & {key, ("catalog", catalog)}:
                what = f"the rows of `{catalog}` have no field `{term.data}`"
                raise _unknown(checked, term, place, "unknown_field", what, term.data, known[catalog])
        for term, events, name in properties_asked(checked):
            closed = [_closed(definitions, event) for event in events]
            has = {one for allowed in closed for one in allowed or ()}
            named = touched & {key, *(("event", event) for event in events)}
            if events and None not in closed and name not in has and named:
                what = f"the schema of `{'` or `'.join(events)}` is closed and has no `{name}`"
                raise _unknown(checked, term, place, "unknown_property", what, name, has)


def check_destinations(definitions: Definitions, touched: set[Key]) -> None:
    """Raises InputError for what a destination cannot tell: a column, kind of identifier, trait; and for a host that
    can be none.
    """
    for name, destination in sorted(definitions.destinations.items()):
        told = _told(destination)
        used = {("trait", column.split(".")[1]) for _, column in told if column.startswith("trait.")}
        if touched & {("destination", name), ("identity", "default"), *used}:
            place = definitions.docs["destination", name][1]
            if isinstance(destination.raw, RawWebhook):
                check_host(destination.raw.url, f"{place}.url")
            if isinstance(destination.raw, RawWebhook) and patience_us(destination.raw) <= 0:
                what, mend = "so nothing would ever be told", "write 3d"
                raise InputError("bad_duration", what, where=f"{place}.patience", mend=mend)
            for field in sorted({field for field, _ in told}):
                names = [column for part, column in told if part == field]
                for column in columns_of(definitions, names, f"{place}.{field}"):
                    if field == "identifiers" and not column.identifier:
                        what, mend = f"no kind {column.name[:60]!r}", "use " + ", ".join(definitions.identity.kinds)
                        raise InputError("unknown_kind", what, where=f"{place}.{field}", mend=mend)
                if destination.type == TABLE:
                    _check_table(names, f"{place}.{field}")


def check_samples(definitions: Definitions, touched: set[Key]) -> None:
    """Raises InputError `bad_duration` for a sample that is drawn anew so often that it does little else."""
    for key in sorted(touched):
        if key[0] == "segment":
            doc, where = definitions.docs[key]
            draw = segments.parse(doc, where).draw(where)
            if draw is not None and draw.every is not None and draw.every < _EVERY_MIN_US:
                what = "at each turn everybody in it is looked at, so it turns once an hour at most"
                raise InputError("bad_duration", what, where=f"{where}.sample.every", mend="write 1h or more")


def _told(destination: Destination) -> list[tuple[str, str]]:
    """(field, column) of each that a destination is to tell."""
    raw = destination.raw
    if isinstance(raw, RawWebhook):
        traits = [("traits", f"trait.{name}") for name in raw.traits]
        return [("identifiers", name) for name in raw.identifiers] + traits
    return [("columns", name) for name in raw.columns] if isinstance(raw, RawSync) else []


def _check_table(names: list[str], where: str) -> None:
    """Raises InputError `repeated_column`: the columns of a table are told apart without regard to capitals."""
    seen = {CHANGE: "", SEQ: ""}
    for name in dict.fromkeys(names):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            what = f"a table cannot have {name[:60]!r} beside {(other or name.lower())[:60]!r}"
            raise InputError("repeated_column", what, where=where, mend="leave one of them out, or write a file")


def properties_asked(checked: Checked) -> Iterator[tuple[Term, tuple[str, ...], str]]:
    """(term, names of the events of which it is asked, property) of each property; no names: of any event."""
    terms = list(walk(checked.tree))
    rows: dict[int, tuple[str, ...]] = {term.data[0]: term.data[1] for term in terms if term.op == "events"}
    rows.setdefault(0, checked.scope.event_names)
    unwritten = {id(term.args[1]) for term in terms if term.op == "money"}  # its currency, asked by the checker
    for term in terms:
        if term.op == "prop" and id(term) not in unwritten:
            row, name = term.data
            yield term, rows.get(row, ()), name


def _closed(definitions: Definitions, event: str) -> frozenset[str] | None:
    """The properties that an event can have, if its schema allows no others; else None."""
    declared = definitions.catalog.events.get(event)
    doc, _ = definitions.docs.get(("event", (declared.alias if declared is not None else "") or event), ({}, ""))
    schema = doc.get("schema")
    if not isinstance(schema, dict) or schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return None
    return frozenset({*schema.get("properties", {}), *doc.get("properties", {})})


def _unknown(
    checked: Checked, term: Term, place: str, code: str, what: str, name: str, known: Collection[str]
) -> InputError:
    near = nearest(name, known)
    mend = f"did you mean `{near}`?" if near else "known: " + ", ".join(sorted(known))
    error = error_at(checked.source, term.start, code, what, mend=mend)
    return InputError(error.code, error.what, where=f"{place}, {error.where}", mend=error.mend)


def _catalog(term: Term) -> str:
    """The catalog of whose row a term is a field; "" for any other term."""
    return str(term.args[0].data) if term.op == "field" and term.args[0].op == "lookup" else ""


def _channel(term: Term) -> str:
    """The channel that a term asks about; "" for any other term."""
    if term.op == "changed":
        return str(term.data[1][0]) if term.data[0] == "consent" else ""
    return str(term.data if term.op == "reachable" else term.data[0]) if term.op in ("consent", "reachable") else ""


def _conditions(definitions: Definitions) -> Iterator[tuple[Key, str, Checked]]:
    """(definition, field, condition) of everything in force."""
    for name, checked in sorted(definitions.checked.items()):
        if name.startswith("segment:"):
            yield ("segment", name.removeprefix("segment:")), "where", checked
        elif name.startswith(("journey ", "stage ")):
            kind, _, rest = name.partition(" ")
            one, _, field = rest.partition(".")
            yield (kind, one), field, checked
    for name, condition in sorted(definitions.computed.items()):
        yield ("trait", name), "value", condition.checked
    policy = next((key for key in definitions.docs if key[0] == "policy"), None)
    if policy is not None:
        for rules in (definitions.policy.deny, definitions.policy.hold):
            for rule in rules:
                yield policy, rule.where.rpartition("policy default.")[2], definitions.rules[rule.when].checked
