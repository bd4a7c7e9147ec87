"""Fields that a definition no longer has, or never had, and channels that nobody knows, while a condition asks for
them: `apply` refuses it.

What is in force stays in force: only what an apply touches is looked at, the condition or the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from einklang.app.definitions import Definitions, Key
from einklang.content.message import CHANNELS
from einklang.expr import Checked
from einklang.expr.errors import error_at, nearest
from einklang.expr.tree import Term, walk
from einklang.kernel.errors import InputError


def check_fields(definitions: Definitions, touched: set[Key]) -> None:
    """Raises InputError `unknown_field` for a field that the rows of a catalog are not declared to have, `unknown_id`
    for a channel that is neither built in nor declared.
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
        elif name.startswith("journey "):
            journey, _, field = name.removeprefix("journey ").partition(".")
            yield ("journey", journey), field, checked
    for name, condition in sorted(definitions.computed.items()):
        yield ("trait", name), "value", condition.checked
    policy = next((key for key in definitions.docs if key[0] == "policy"), None)
    if policy is not None:
        for rules in (definitions.policy.deny, definitions.policy.hold):
            for rule in rules:
                yield policy, rule.where.rpartition("policy default.")[2], definitions.rules[rule.when].checked
