"""text -> `Checked`: what the rest of Einklang calls."""

from __future__ import annotations

import msgspec

from einklang.expr.check_calls import Checker
from einklang.expr.cost import COST_MAX, cost_of
from einklang.expr.errors import error_at
from einklang.expr.parse import parse
from einklang.expr.rows import members_asked
from einklang.expr.tree import Term, Tree, walk
from einklang.expr.types import Needs, Scope, Type
from einklang.expr.write import write


class Checked(msgspec.Struct, frozen=True):
    """An expression that types. source: as written; type: of its value; needs: what it reads."""

    source: str
    tree: Term
    type: Type
    needs: Needs
    scope: Scope


def check(text: str, scope: Scope) -> Checked:
    """Parses an expression and checks it for the place where it stands. Raises ExprError."""
    return _checked(text, Checker(text, scope).run(parse(text)), scope)


def check_condition(text: str, scope: Scope) -> Checked:
    """The same for a field that asks whether something holds: refuses what is no condition."""
    return _checked(text, Checker(text, scope).run(parse(text), condition=True), scope)


def check_tree(tree: Tree, text: str, scope: Scope) -> Checked:
    """The same for a tree that was read of something else than a text, such as plain words. text: where its positions
    are; `Checked.source` is the text that the tree writes as.
    """
    _checked(text, Checker(text, scope).run(tree), scope)
    return check(write(tree), scope)


def _checked(text: str, term: Term, scope: Scope) -> Checked:
    cost = cost_of(term)
    if cost.looks > COST_MAX:
        what = f"for a busy person this looks at about {cost.looks:.0e} values: loops stand inside loops"
        mend = "look at a shorter time, or put a part of it into a segment"
        raise error_at(text, cost.start, "too_costly", what, mend=mend)
    return Checked(text, term, term.type, needs_of(term), scope)


def needs_of(term: Term) -> Needs:
    """What an expression reads, off its tree."""
    sets: dict[str, set[str]] = {
        op: set() for op in ("trait", "segment", "stage", "injourney", "step", "lookup", "var", "events")
    }
    groups, group_events = set[str](), set[str]()
    flags = {"all": False, "consent": False, "time": False, "goal": False, "seen": False}
    for part in walk(term):
        if part.op == "events":
            names = part.data[1]
            sets["events"].update(names)
            flags["all"] |= not names
        elif part.op == "person":
            flags["seen"] |= part.data == "last_seen_at"
        elif part.op == "objects":
            sets["events"].update(part.data[2])
            if part.data[3]:
                groups.add(part.data[3])
                group_events.update(part.data[2])
        elif part.op == "groupevents":
            sets["events"].update(part.data[1])
            groups.add(part.data[2])
            group_events.update(part.data[1] or ("",))
            flags["all"] |= not part.data[1]
        elif part.op in ("groupid", "groupsize", "grouptrait", "grouprole", "groupcontact"):
            groups.add(part.data[0] if part.op == "grouptrait" else part.data)
        elif part.op == "changed":
            kind, name = part.data
            flags["consent"] |= kind == "consent"
            if kind != "consent":
                sets[kind].add(name)
        elif part.op == "step":
            sets["step"].add(part.data[0])
        elif part.op == "of":
            sets["step"].add(part.data[1])
        elif part.op in sets:
            sets[part.op].add(part.data)
        flags["consent"] |= part.op in ("consent", "reachable")
        flags["goal"] |= part.op == "goal"
        flags["time"] |= part.op in TIMED
    return Needs(
        events=frozenset(sets["events"]),
        all_events=flags["all"],
        traits=frozenset(sets["trait"]),
        segments=frozenset(sets["segment"]),
        consent=flags["consent"],
        time=flags["time"],
        journeys=frozenset(sets["injourney"]),
        steps=frozenset(sets["step"]),
        catalogs=frozenset(sets["lookup"]),
        goal=flags["goal"],
        vars=frozenset(sets["var"]),
        groups=frozenset(groups),
        group_events=frozenset(group_events),
        group_members=frozenset(members_asked(term)),
        seen=flags["seen"],
        stages=frozenset(sets["stage"]),
    )


#: What time alone can change; any set of events, because an event may lie in the future.
TIMED = frozenset(
    {
        "now",
        "today",
        "events",
        "objects",
        "groupevents",
        "age",
        "anniversary",
        "consent",
        "segment",
        "stage",
        "changed",
        "lookup",
    }
)
