"""The definitions in force, checked against each other and compiled.

All or nothing: one error and nothing is in force.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from einklang.app import kinds, scores, stages
from einklang.app.destination_kinds import destinations_of
from einklang.app.destinations import Destination
from einklang.app.event_schemas import schemas_of
from einklang.app.keeps import check_windows, keeps_of
from einklang.app.objects import object_kinds
from einklang.app.on_site import check_on_site
from einklang.app.yaml import Document
from einklang.audience import definition as segments
from einklang.audience.drawn import drawn
from einklang.audience.ladder import Ladder
from einklang.audience.live import Segment
from einklang.consent import Purpose, built_in_purposes, parse_purpose
from einklang.content.message import CHANNELS, Message, check_data, parse_message
from einklang.decide import policy as policies
from einklang.event import EventSchema
from einklang.expr import Catalog, Checked, Condition, ExprError, Needs, Scope, check, check_condition, compile_one
from einklang.expr.types import DYN, Type
from einklang.fact.strict import convert
from einklang.flow import definition as journeys
from einklang.flow.compile import Journey, compile_journey
from einklang.flow.values import Compile
from einklang.identity import DEFAULT_RULES, parse_identity
from einklang.identity import Rules as IdentityRules
from einklang.kernel.errors import InputError
from einklang.kernel.limits import NAME_CHARS_MAX
from einklang.profile import Kind, Rule

_ID = re.compile(r"[a-z][a-z0-9-]*")
_FREE_ID = ("trait", "event", "feature")
KINDS = (
    "policy",
    "identity",
    "purpose",
    "trait",
    "event",
    "segment",
    "journey",
    "message",
    "campaign",
    "catalog",
    "object",
    "score",
    "stage",
    "team",
    "channel",
    "touchpoint",
    "brand",
    "destination",
)
#: Fields that ask whether something holds, and what the others must give (language.md 2.3).
_CONDITIONS = frozenset(
    {"segment.where", "deny", "hold", "entry.where.event", "exit", "goal.where", "when", "until", "branch"}
)
_WANTED = {
    "wait": ("timestamp", "date"),
    "goal.value": ("number",),
    "entry.key.event": ("string", "number", "timestamp", "date", "bool"),
}
Key = tuple[str, str]
Docs = dict[Key, tuple[dict[str, Any], str]]


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything in force.

    `checked` holds the checked expressions: `segment:ID`, `entry:ID` (for `why`), `journey ID.FIELD` (for hints),
    `stage ID.FIELD`. asked: segments and stages in the order in which they must be asked.
    """

    docs: Docs
    versions: dict[Key, int]
    catalog: Catalog
    policy: policies.Policy
    rules: dict[str, Condition]
    purposes: dict[str, Purpose]
    segments: list[Segment]
    journeys: dict[str, Journey]
    messages: dict[str, Message]
    campaigns: dict[str, float]
    checked: dict[str, Checked]
    objects: dict[str, Kind]
    schemas: dict[str, EventSchema]
    trait_rules: dict[str, Rule]
    computed: dict[str, Condition]
    identity: IdentityRules = DEFAULT_RULES
    keeps: dict[str, int] = field(default_factory=dict)
    destinations: dict[str, Destination] = field(default_factory=dict)
    asked: list[Segment | Ladder] = field(default_factory=list)
    ladders: dict[str, Ladder] = field(default_factory=dict)

    def all_needs(self) -> list[Needs]:
        """What the conditions in force read, but for those of stages: folds before `stages.SINCE` did not ask them."""
        rules = [condition.needs for condition in (*self.rules.values(), *self.computed.values())]
        return [checked.needs for name, checked in self.checked.items() if not name.startswith("stage ")] + rules

    def entered_by(self, event: str) -> list[Journey]:
        """Journeys that this event can start, the strongest first."""
        found = [journey for journey in self.journeys.values() if event in journey.events]
        return sorted(found, key=lambda journey: (-journey.priority, journey.id))


def key_of(doc: Document) -> Key:
    """(kind, id) of a document. Raises InputError for an unknown kind or a bad id."""
    kind, name = doc.body.get("kind"), doc.body.get("id")
    if kind in ("policy", "identity") and name is None:
        name = "default"
    if not isinstance(kind, str) or not kind:
        raise InputError("missing_field", "no `kind`", where=doc.where, mend="begin with `kind: segment`")
    if kind in kinds.LATER:
        raise InputError(
            "not_supported_yet",
            f"kind `{kind}` is not supported yet",
            where=doc.where,
            mend="use one of: " + " ".join(KINDS),
        )
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        raise InputError(
            "unknown_kind",
            f"unknown kind {kind[:40]!r}",
            where=doc.where,
            mend=f"did you mean {near[0]!r}?" if near else "use one of: " + " ".join(KINDS),
        )
    if name is None:
        raise InputError("missing_field", "no `id`", where=f"{doc.where}: {kind}", mend="give it a name: `id: ...`")
    free = kind in _FREE_ID and isinstance(name, str) and bool(name.strip())
    if not isinstance(name, str) or len(name) > NAME_CHARS_MAX or not (free or _ID.fullmatch(name)):
        raise InputError(
            "bad_id",
            f"not an id: {str(name)[:40]!r}",
            where=f"{doc.where}: {kind}",
            mend="write small letters, digits and `-`, first a letter",
        )
    return kind, name


def merge(current: Docs, docs: list[Document]) -> Docs:
    """The definitions in force with these on top. Raises InputError `defined_twice` within `docs`."""
    out, seen = dict(current), dict[Key, str]()
    for doc in docs:
        key = key_of(doc)
        if key in seen:
            raise InputError(
                "defined_twice", f"{key[0]} {key[1]} is defined twice", where=doc.where, mend=f"see {seen[key]}"
            )
        seen[key] = doc.where
        out[key] = (doc.body, f"{doc.where}: {key[0]} {key[1]}")
    return out


def _unknown(kind: str, name: str, known: Iterable[str], where: str) -> InputError:
    near = difflib.get_close_matches(name, list(known), 1)
    mend = f"did you mean {near[0]!r}?" if near else f"declare it: {{kind: {kind}, id: ...}}"
    return InputError(f"unknown_{kind}", f"unknown {kind} {name[:40]!r}", where=where, mend=mend)


def _named(needs: Needs) -> frozenset[str]:
    """What must be asked before, by its name in the order."""
    return needs.segments | {f"stage {name}" for name in needs.stages}


class _Compiler:
    """One pass over a set of definitions."""

    def __init__(self, docs: Docs, versions: dict[Key, int]) -> None:
        self.docs = docs
        self.versions = versions
        self.checked: dict[str, Checked] = {}
        self.purposes = built_in_purposes()
        for (kind, _), (doc, where) in docs.items():
            if kind == "purpose":
                purpose = parse_purpose(doc, where)
                self.purposes[purpose.id] = purpose
        policy = next((doc for (kind, _), (doc, _) in docs.items() if kind == "policy"), {})
        self.zone = str(policy.get("timezone", "UTC"))
        currency = str(policy.get("currency", ""))
        declared = kinds.declared(docs, purposes=frozenset(self.purposes), currency=currency)
        self.objects = object_kinds(docs, declared.events)
        shapes = {name: kind.shape() for name, kind in self.objects.items()}
        self.stages = stages.shapes(docs)
        self.catalog = msgspec.structs.replace(
            declared,
            objects=shapes,
            scores=scores.scores(docs),
            stages=stages.texts(self.stages),
            kept=stages.kept(self.stages),
        )
        self.ladders: dict[str, Ladder] = {}

    def read_stages(self) -> None:
        """What stages are made of; segments are asked after it."""
        self.ladders = stages.ladders(self.stages, self.catalog, self.expression, self.checked)

    def expression(self, text: str, scope: Scope, where: str) -> Checked:
        """A checked expression, of a field that asks whether something holds: a condition.

        Raises InputError located at the field, with line and column of the text.
        """
        try:
            checked = check_condition(text, scope) if scope.site in _CONDITIONS else check(text, scope)
            wanted = _WANTED.get(scope.site)
            if wanted is not None and checked.type.kind not in (*wanted, "dyn", "null"):
                names = " or a ".join(wanted)
                raise ExprError("wrong_type", f"expected a {names}, found a {checked.type}", mend=f"write a {names}")
            return checked
        except ExprError as error:
            raise InputError(error.code, error.what, where=f"{where}, {error.where}", mend=error.mend) from error

    def of_kind(self, kind: str) -> list[tuple[str, dict[str, Any], str]]:
        """(id, document, where) of a kind, in order of the id."""
        return [(name, *self.docs[k, name]) for k, name in sorted(self.docs) if k == kind]

    def computed(self) -> dict[str, Condition]:
        """Computed traits by name."""
        found = {}
        for name, text in sorted(self.catalog.computed.items()):
            where = f"{self.docs['trait', name][1]}.value"
            checked = self.expression(text, Scope("trait.value", self.catalog), where)
            declared = self.catalog.traits[name]
            if checked.type.kind not in (declared.kind, "dyn", "null") and declared.kind != "dyn":
                what = f"the value is a {checked.type}, the trait a {declared}"
                raise InputError("wrong_type", what, where=where, mend=f"declare `type: {checked.type}`")
            found[name] = compile_one(checked)
        return found

    def asked(self) -> list[Segment | Ladder]:
        """Segments and stages in the order in which they must be asked."""
        found, published, draws = {}, list[tuple[str, str]](), {}
        for name, doc, where in self.of_kind("segment"):
            raw = segments.parse(doc, where)
            draws[name] = raw.draw(where)
            for text in raw.conditions():  # the last one is asked; before it what is written, for the places of faults
                found[name] = self.expression(text, Scope("segment.where", self.catalog), f"{where}.where")
            self.checked[f"segment:{name}"] = found[name]
            if raw.on_site:
                published.append((name, where))
        check_on_site(published, found)
        speaks_of = {name: _named(checked.needs) for name, checked in found.items()}
        speaks_of |= {f"stage {name}": _named(ladder.needs) for name, ladder in self.ladders.items()}
        try:
            order = segments.in_order(speaks_of)
        except InputError as error:
            name = error.where.removeprefix("segment ")
            stage = name.removeprefix("stage ") if name.startswith("stage ") else ""
            at = f"{self.docs['stage', stage][1]}.stages" if stage else f"{self.docs['segment', name][1]}.where"
            raise InputError(error.code, error.what, where=at, mend=error.mend) from error
        return [
            self.ladders[name.removeprefix("stage ")]
            if name.startswith("stage ")
            else Segment(name, drawn(compile_one(found[name]), draws[name]))
            for name in order
        ]

    def messages(self) -> dict[str, Message]:
        """Messages by id, their purposes known."""
        found = {}
        for name, doc, where in self.of_kind("message"):
            message = parse_message(doc, where.split(": ")[0])
            if message.purpose not in self.purposes:
                raise _unknown("purpose", message.purpose, self.purposes, f"{where}.purpose")
            if message.brand and ("brand", message.brand) not in self.docs:
                raise _unknown("brand", message.brand, self._ids("brand"), f"{where}.brand")
            found[name] = message
        return found

    def policy(self) -> tuple[policies.Policy, dict[str, Condition]]:
        """The one policy and the conditions of its rules by their text."""
        docs = self.of_kind("policy")
        if len(docs) > 1:
            raise InputError("two_policies", "there is one policy", where=docs[1][2], mend=f"keep {docs[0][0]!r}")
        if not docs:
            return policies.Policy(), {}
        _, doc, where = docs[0]
        policy = policies.parse(convert(doc, policies.RawPolicy, where), where)
        self._check_names(policy, where)
        rules = {}
        for site, rows in (("deny", policy.deny), ("hold", policy.hold)):
            for rule in rows:
                rules[rule.when] = compile_one(self.expression(rule.when, Scope(site, self.catalog), rule.where))
        return policy, rules

    def identity(self) -> IdentityRules:
        """The kinds of identifier."""
        docs = self.of_kind("identity")
        if len(docs) > 1:
            mend = f"keep {docs[0][0]!r}"
            raise InputError("two_identities", "the kinds of identifier stand in one", where=docs[1][2], mend=mend)
        return parse_identity(docs[0][1], docs[0][2]) if docs else DEFAULT_RULES

    def _ids(self, kind: str) -> list[str]:
        return [name for found, name in self.docs if found == kind]

    def _check_names(self, policy: policies.Policy, where: str) -> None:
        """A rule about a channel, purpose or campaign that does not exist would never be kept."""
        channels = [*CHANNELS, *self._ids("channel")]
        rows = {
            "caps": [cap.scope for cap in policy.caps],
            "quiet": [quiet.scope for quiet in policy.quiet],
            "deny": [rule.scope for rule in policy.deny],
            "hold": [rule.scope for rule in policy.hold],
        }
        for rule, scopes in rows.items():
            for n, scope in enumerate(scopes):
                place = f"{where}.{rule}[{n}]"
                for kind, names, known in (
                    ("channel", scope.channels, channels),
                    ("purpose", scope.purposes, list(self.purposes)),
                    ("campaign", scope.campaigns, self._ids("campaign")),
                ):
                    for name in names:
                        if name not in known:
                            raise _unknown(kind, name, known, f"{place}.{kind}s")
        for name in policy.cost:
            if name not in channels:
                raise _unknown("channel", name, channels, f"{where}.cost.{name}")

    def campaigns(self) -> dict[str, float]:
        """Share of the control group by campaign."""
        found = {}
        for name, doc, where in self.of_kind("campaign"):
            raw = convert(doc, kinds.RawCampaign, where)
            if not raw.control.is_finite() or not 0 <= raw.control <= 1:
                raise InputError(
                    "bad_share", f"control {raw.control} is no share", where=f"{where}.control", mend="write 0 to 1"
                )
            found[name] = float(raw.control)
        return found

    def journey(
        self, doc: dict[str, Any], where: str, version: int, messages: dict[str, Message], campaigns: dict[str, float]
    ) -> Journey:
        """A compiled version of a journey, its messages known and fed with what they need."""
        raw = journeys.parse(doc, where)
        campaign_control = None
        if raw.campaign is not None:
            if raw.campaign not in campaigns:
                raise _unknown("campaign", raw.campaign, campaigns, f"{where}.campaign")
            campaign_control = campaigns[raw.campaign]
        key = self._key_type(raw, where)
        journey = compile_journey(
            raw,
            version,
            where,
            self._compiler_of(raw, key),
            campaign_control=campaign_control,
            policy_zone=self.zone,
        )
        for n, step in enumerate(raw.steps):
            if step.contact is not None:
                self._check_contact(step, messages, f"{where}.steps[{n}]", raw, key)
        return journey

    def _scope(self, site: str, raw: journeys.RawJourney, key: Type) -> Scope:
        entry_events = journeys.names(raw.entry.event or [])
        goal_events = journeys.names(raw.goal.event) if raw.goal else ()
        return Scope(
            site,
            self.catalog,
            steps={step.id: step.kind for step in raw.steps},
            event_names=entry_events if site.startswith("entry") else goal_events if site.startswith("goal") else (),
            entry_events=entry_events,
            key=key,
            vars={name: DYN for step in raw.steps for name in step.assign or {}},
        )

    def _key_type(self, raw: journeys.RawJourney, where: str) -> Type:
        if raw.entry.key is None:
            return DYN
        return self.expression(raw.entry.key, self._scope("entry.key.event", raw, DYN), f"{where}.entry.key").type

    def _compiler_of(self, raw: journeys.RawJourney, key: Type) -> Compile:
        def compile_text(text: str, site: str, place: str) -> Condition:
            checked = self.expression(text, self._scope(site, raw, key), place)
            if site == "entry.where.event":
                self.checked[f"entry:{raw.id}"] = checked
            field = place.rpartition(f"journey {raw.id}.")[2]
            self.checked[f"journey {raw.id}.{field}"] = checked
            return compile_one(checked)

        return compile_text

    def _check_contact(
        self, step: journeys.RawStep, messages: dict[str, Message], where: str, raw: journeys.RawJourney, key: Type
    ) -> None:
        message = messages.get(step.contact or "")
        if message is None:
            raise _unknown("message", step.contact or "", messages, f"{where}.contact")
        wanted = journeys.names(step.channels)
        for channel in () if wanted == ("best",) else wanted:
            if channel not in message.channels:
                raise InputError(
                    "no_content",
                    f"message {message.id} has no content for {channel}",
                    where=f"{where}.channels",
                    mend="write it, or name one of: " + ", ".join(message.channels),
                )
        handed = {name: self._type_of(value, raw, key) for name, value in step.data.items()}
        check_data(message, handed, where)

    def _type_of(self, value: Any, raw: journeys.RawJourney, key: Type) -> str:
        if isinstance(value, str) and value.startswith("="):
            return str(check(value[1:], self._scope("data", raw, key)).type)
        names: list[tuple[type | tuple[type, ...], str]] = [
            (bool, "bool"),
            (str, "string"),
            (list, "list"),
            (dict, "map"),
        ]
        return next((name for kind, name in names if isinstance(value, kind)), "null" if value is None else "number")


def compile_all(docs: Docs, versions: dict[Key, int]) -> Definitions:
    """Compile and cross-check a whole set. Raises InputError: file, line, field, and the mend."""
    compiler = _Compiler(docs, versions)
    for kind, raw in (
        ("team", kinds.RawName),
        ("channel", kinds.RawName),
        ("touchpoint", kinds.RawName),
        ("brand", kinds.RawName),
    ):
        for _, doc, where in compiler.of_kind(kind):
            convert(doc, raw, where)
    compiler.read_stages()
    scores.check(docs, compiler.catalog, compiler.expression)
    asked = compiler.asked()
    messages = compiler.messages()
    policy, rules = compiler.policy()
    campaigns = compiler.campaigns()
    found = {
        name: compiler.journey(doc, where, versions.get(("journey", name), 1), messages, campaigns)
        for name, doc, where in compiler.of_kind("journey")
    }
    compiled = Definitions(
        docs,
        versions,
        compiler.catalog,
        policy,
        rules,
        compiler.purposes,
        [one for one in asked if isinstance(one, Segment)],
        found,
        messages,
        campaigns,
        compiler.checked,
        compiler.objects,
        schemas_of(docs, versions),
        kinds.rules_of(docs),
        compiler.computed(),
        compiler.identity(),
        keeps_of(docs),
        destinations_of(docs, [name for kind, name in docs if kind == "segment"], compiler.purposes),
        asked,
        compiler.ladders,
    )
    check_windows(compiled)
    return compiled


def compile_segments(docs: Docs, versions: dict[Key, int]) -> list[Segment | Ladder]:
    """Segments and stages of other definitions than those in force, in the order in which they must be asked."""
    compiler = _Compiler(docs, versions)
    compiler.read_stages()
    return compiler.asked()


def compile_old(definitions: Definitions, journey: str, version: int, doc: dict[str, Any]) -> Journey:
    """An older version of a journey, for the runs that follow it still."""
    compiler = _Compiler(definitions.docs, definitions.versions)
    return compiler.journey(
        doc, f"journey {journey} version {version}", version, definitions.messages, definitions.campaigns
    )
