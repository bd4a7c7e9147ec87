"""What all parts of the checker share: the row that an expression stands in, errors with the mend, fitting of types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from einklang.expr.errors import ExprError, error_at, nearest, one_line
from einklang.expr.tree import Term, Tree
from einklang.expr.types import (
    DYN,
    NULL,
    SITES,
    TEMPORAL,
    EventShape,
    Scope,
    Type,
    list_of,
)


class Row(msgspec.Struct, frozen=True):
    """One event in whose inside an expression stands. number: 0 is the candidate of the site; names: of its set, () =
    any.

    element: the types of the fields of an element, where the set has gone through `each`, else None. objects: the kind
    of the business object that the row is, whose fields are then those of `element`.
    """

    number: int
    names: tuple[str, ...] = ()
    element: Mapping[str, Type] | None = None
    objects: str = ""


class Base:
    """What both halves of the checker share: the text, the scope, what surrounds the node at hand, errors."""

    def __init__(self, text: str, scope: Scope) -> None:
        if scope.site not in SITES:
            raise AssertionError(f"unknown site {scope.site}")
        self.text = text
        self.scope = scope
        self.catalog = scope.catalog
        self.site = SITES[scope.site]
        self.rows: list[Row] = [Row(0, scope.event_names)] if self.site.event else []
        self.prior: list[Row] = []
        self.variables: dict[str, tuple[str, Type]] = {}
        #: macro variable -> the row (or ENTRY) whose list it walks through
        self.origins: dict[str, int] = {}
        #: computed traits, scores and stages that are being read, the outermost first
        self.computing: list[str] = []
        self.inlined = 0
        self.count = 0

    def fault(
        self, tree: Tree, code: str, what: str, mend: str = "", *, expected: Iterable[str] = (), near: str = ""
    ) -> ExprError:
        return error_at(self.text, tree.start, code, what, mend=mend, expected=expected, near=near)

    def source(self, tree: Tree | Term) -> str:
        text = one_line(self.text[tree.start : tree.end])
        return text if len(text) <= 60 else text[:57] + "..."

    def unknown(self, tree: Tree, code: str, kind: str, name: str, known: Iterable[str], mend: str = "") -> ExprError:
        """An unknown name with the nearest known one."""
        names = sorted(known)
        near = nearest(name, names)
        if near:
            mend = f"did you mean `{near}`?"
        elif not mend:
            mend = "known: " + ", ".join(names[:12]) if names else "none is declared"
        return self.fault(tree, code, f"unknown {kind} `{name}`", mend, expected=names, near=near)

    def is_group(self, tree: Tree) -> bool:
        """`group("type")`."""
        return tree.kind == "call" and tree.value == "group"

    def group_type(self, tree: Tree) -> str:
        """The type that `group("type")` names."""
        if len(tree.args) != 1 or tree.args[0].kind != "string" or not tree.args[0].value:
            raise self.fault(tree, "wrong_arguments", "`group` takes the type in quotes", 'write group("company")')
        return str(tree.args[0].value)

    def check(self, tree: Tree) -> Term:
        raise NotImplementedError

    def value(self, tree: Tree) -> Term:
        """A term that does not move with the clock: everywhere but where 2.6 lets `now` stand."""
        term = self.check(tree)
        if term.rate:
            what = f"`{self.source(tree)}` moves with the clock and cannot stand here"
            raise self.fault(tree, "now_beyond", what, 'use `today`, or compare it: x <= now - duration("30d")')
        return term

    def condition(self, tree: Tree) -> Term:
        """A term that is asked whether it holds."""
        term = self.value(tree)
        if term.type.kind not in ("bool", "dyn", "null"):
            what = f"expected a condition, found the {term.type} `{self.source(tree)}`"
            raise self.fault(tree, "wrong_type", what, "compare it with something, such as == or >", expected=("bool",))
        return term

    def typed(self, tree: Tree, *kinds: str) -> Term:
        """A term of one of these types; undeclared values fit unless all of these are of time."""
        term = self.value(tree)
        self.fits(tree, term, *kinds)
        return term

    def fits(self, tree: Tree, term: Term, *kinds: str) -> None:
        found = term.type.kind
        if found in kinds or found == "null":
            return
        temporal = all(kind in TEMPORAL for kind in kinds)
        if found == "dyn":
            if temporal:
                raise self.undeclared(tree, kinds[0])
            return
        wanted = " or ".join(kinds)
        if {found} | set(kinds) == {"date", "timestamp"}:
            raise self.date_with_timestamp(tree, term)
        mend = "write a value of that type"
        if found == "months":
            mend = "months are not exact: write days, such as 30d"
        elif kinds == ("number",) and found == "string":
            mend = "write number(...) to read it as a number"
        elif kinds == ("string",) and found == "number":
            mend = "write string(...), or put it in quotes"
        raise self.fault(
            tree, "wrong_type", f"expected {wanted}, found the {term.type} `{self.source(tree)}`", mend, expected=kinds
        )

    def undeclared(self, tree: Tree, wanted: str) -> ExprError:
        shown = self.source(tree)
        ways = {"date": f" or write date({shown})", "timestamp": f" or write timestamp({shown})"}.get(wanted, "")
        what = f"expected a {wanted}, found `{shown}`, whose type is not declared"
        return self.fault(tree, "undeclared", what, f"declare its type{ways}", expected=(wanted,))

    def date_with_timestamp(self, tree: Tree, term: Term) -> ExprError:
        shown = self.source(tree)
        mend = f"write timestamp({shown})" if term.type.kind == "date" else f"write date({shown})"
        what = f"a date and a timestamp do not go together: `{shown}` is a {term.type}"
        return self.fault(tree, "date_with_timestamp", what, mend)

    def join(self, tree: Tree, types: Iterable[Type]) -> Type:
        """The type of a value that is one of several."""
        given = [kind for kind in types if kind.kind != "null"]
        if not given:
            return NULL
        first = given[0]
        if all(kind == first for kind in given):
            return first
        if any(kind.kind in TEMPORAL for kind in given):
            shown = ", ".join(dict.fromkeys(str(kind) for kind in given))
            raise self.fault(
                tree,
                "wrong_type",
                f"the values have different types: {shown}",
                "make all of them one type, with date(...) or timestamp(...)",
            )
        if all(kind.kind == "list" for kind in given):
            return list_of(self.join(tree, [kind.item or DYN for kind in given]))
        if all(kind.kind == first.kind for kind in given):
            return Type(first.kind)
        return DYN

    def shape_type(self, names: tuple[str, ...], name: str) -> Type:
        """The declared type of a property, where all events of these names declare the same."""
        shapes = [self.catalog.events.get(event) for event in names]
        declared = {shape.properties.get(name) if shape is not None else None for shape in shapes}
        found = declared.pop() if len(declared) == 1 else None
        return found if found is not None else DYN

    def element_types(self, names: tuple[str, ...], name: str) -> Mapping[str, Type]:
        shapes = [self.catalog.events.get(event, EventShape()).each.get(name, {}) for event in names]
        return shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else {}
