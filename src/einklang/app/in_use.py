"""Fields that a definition no longer has, or never had, while a condition asks for them: `apply` refuses it.

What is in force stays in force: only what an apply touches is looked at, the condition or the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator

from einklang.app.definitions import Definitions, Key
from einklang.expr import Checked
from einklang.expr.errors import error_at, nearest
from einklang.expr.tree import Term, walk
from einklang.kernel.errors import InputError


def check_fields(definitions: Definitions, touched: set[Key]) -> None:
    """Raises InputError `unknown_field` for a field that the rows of a catalog are not declared to have."""
    for key, field, checked in _conditions(definitions):
        for term in walk(checked.tree):
            catalog = _catalog(term)
            known = definitions.catalog.catalogs or {}
            own = ("catalog", catalog) in definitions.docs and bool(known.get(catalog))
            if own and term.data not in known[catalog] and touched & {key, ("catalog", catalog)}:
                near = nearest(term.data, known[catalog])
                what = f"the rows of `{catalog}` have no field `{term.data}`"
                mend = f"did you mean `{near}`?" if near else "known: " + ", ".join(sorted(known[catalog]))
                error = error_at(checked.source, term.start, "unknown_field", what, mend=mend)
                place = f"{definitions.docs[key][1]}.{field}, {error.where}"
                raise InputError(error.code, error.what, where=place, mend=error.mend)


def _catalog(term: Term) -> str:
    """The catalog of whose row a term is a field; "" for any other term."""
    return str(term.args[0].data) if term.op == "field" and term.args[0].op == "lookup" else ""


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
