"""Bad definitions: each is told with code, file, line, field and mend, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from einklang.app import apply as applying
from einklang.app import yaml
from einklang.kernel.errors import InputError
from einklang.store.book import SqliteBook
from tests.app_definitions.small import BASE, MESSAGE, NOW, docs, everything, home


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one home of this module."""
    return tmp_path_factory.mktemp("bad") / "home"


@pytest.fixture(scope="module")
def book(place: Path) -> Iterator[SqliteBook]:
    """A home with good definitions in force."""
    with home(place, BASE) as book:
        yield book


def journey(steps: str, entry: str = "{event: X}", **fields: str) -> str:
    """A journey on one line a field: line 3 is the entry, line 4 the steps or the first further field."""
    extra = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"kind: journey\nid: bad\nentry: {entry}\n{extra}steps:\n{steps}"


WAIT = "- {id: w, wait: 1d}"
#: (what, text, code, where, part of the mend)
TABLE: list[tuple[str, str, str, str, str]] = [
    # --- the file
    ("not YAML", "kind: [", "not_yaml", "f.yaml:1", "quote"),
    ("a tab", "kind:\tsegment\n\tid: a", "not_yaml", "f.yaml:1", "quote"),
    ("an unquoted !", "kind: segment\nid: a\nwhere: !events()", "tag", "f.yaml:3", "quotes"),
    ("a tag", "kind: !!str segment", "tag", "f.yaml:1", "remove"),
    ("a repeated key", "kind: segment\nid: a\nid: b", "repeated_key", "f.yaml:3", "keep one"),
    ("a merge key", "a: &x {b: 1}\nc: {<<: *x}", "bad_key", "f.yaml:2", "quote"),
    ("an unknown alias", "kind: *nope", "not_yaml", "f.yaml:1", "quote"),
    ("a list", "- kind: segment", "not_a_definition", "f.yaml:1", "kind"),
    ("a NUL byte", "kind: seg\0ment", "nul_byte", "f.yaml", "UTF-8"),
    ("a control character", "kind: 'a\x01'", "not_yaml", "f.yaml", "check"),
    ("half a character", 'kind: "\\ud800"', "bad_encoding", "f.yaml:1", "whole"),
    ("nested too deep", "kind: " + "[" * 40 + "]" * 40, "too_deep", "f.yaml:1", "flatter"),
    ("nested far too deep", "kind: " + "[" * 5_000 + "]" * 5_000, "too_deep", "f.yaml:1", "flatter"),
    ("an anchor that holds itself", "a: &x [*x]", "too_deep", "f.yaml:1", "flatter"),
    ("a huge file", "#" * 1_100_000, "too_large", "f.yaml", "split"),
    # --- kind and id
    ("no kind", "id: a", "missing_field", "f.yaml:1", "kind: segment"),
    ("an unknown kind", "kind: segmnet\nid: a", "unknown_kind", "f.yaml:1", "'segment'"),
    ("a kind that comes later", "kind: table\nid: fee", "not_supported_yet", "f.yaml:1", "use one of"),
    ("a score by a model", "kind: score\nid: clv\nmodel: x", "not_supported_yet", "f.yaml:3: score clv.model",
     "points"),
    ("a score of nothing", "kind: score\nid: a", "missing_field", "f.yaml:1: score a.points", "one"),
    ("points that are a text", "kind: score\nid: a\npoints: [{add: five}]", "wrong_type",
     "f.yaml:3: score a.points[0].add", "=expression"),
    ("points that are no number", "kind: score\nid: a\npoints: [{add: =person.id}]", "wrong_type",
     "f.yaml:3: score a.points[0].add", "number"),
    ("points on no condition", "kind: score\nid: a\npoints: [{add: 5, when: person.id}]", "wrong_type",
     "f.yaml:3: score a.points[0].when", "bool"),
    ("a score of itself", "kind: score\nid: a\npoints: [{add: '=score(\"a\") + 1'}]", "depends_on_itself",
     "f.yaml:3: score a.points[0].add", "leave"),
    ("a state that is none", "kind: destination\nid: d\ntype: file\nsegment: x\npurpose: p\nstate: on", "wrong_type",
     "f.yaml:6: destination d.state", "live, paused"),
    ("a stage without a name", "kind: stage\nid: a\nstages: [{name: '', when: 'true'}]", "missing_field",
     "f.yaml:3: stage a.stages[0].name", "name it"),
    ("a stage twice", "kind: stage\nid: a\nstages: [{name: x, when: 'true'}, {name: x, when: 'true'}]", "repeated_id",
     "f.yaml:3: stage a.stages[1].name", "anew"),
    ("a stage of no condition", "kind: stage\nid: a\nstages: [{name: x, when: '1'}]", "wrong_type",
     "f.yaml:3: stage a.stages[0].when", "bool"),
    ("stages of a score of stages",
     "kind: stage\nid: a\nstages: [{name: x, when: 'score(\"b\") > 1'}]\n---\n"
     "{kind: score, id: b, points: [{add: 1, when: 'stage(\"a\") == \"x\"'}]}", "depends_on_itself", "f.yaml", "leave"),
    ("a segment in a circle by way of a score",
     "{kind: segment, id: a, where: 'score(\"s\") > 1'}\n---\n"
     "{kind: score, id: s, points: [{add: 2, when: 'segment(\"a\")'}]}",
     "circle", "f.yaml:1: segment a.where", "break"),
    ("a trait and a score in a circle",
     "{kind: trait, id: t, type: number, value: 'score(\"s\")'}\n---\n{kind: score, id: s, points: [{add: =trait.t}]}",
     "depends_on_itself", "f.yaml:3: score s.points[0].add, line 1, column 1", "leave"),
    ("a score that is not there", "kind: segment\nid: a\nwhere: 'score(\"clv\") > 1'", "not_supported_yet",
     "f.yaml:3: segment a.where, line 1, column 1", "points"),
    ("a stage that is not there", "kind: segment\nid: a\nwhere: 'stage(\"s\") == null'", "unknown_id",
     "f.yaml:3: segment a.where, line 1, column 7", "none is declared"),
    ("no id", "kind: segment\nwhere: 'true'", "missing_field", "f.yaml:1: segment", "id"),
    ("an id in capitals", "kind: segment\nid: Buyers\nwhere: 'true'", "bad_id", "f.yaml:1: segment", "small letters"),
    ("an id that is a number", "kind: segment\nid: 5\nwhere: 'true'", "bad_id", "f.yaml:1: segment", "letters"),
    ("a long id", f"kind: segment\nid: {'a' * 300}\nwhere: 'true'", "bad_id", "f.yaml:1: segment", "letters"),
    ("defined twice", "{kind: team, id: a}\n---\n{kind: team, id: a}", "defined_twice", "f.yaml:3", "see f.yaml:1"),
    # --- fields
    ("an unknown field", "kind: segment\nid: a\nwher: 'true'", "unknown_field", "f.yaml:1: segment a", "'where'"),
    ("no where", "kind: segment\nid: a", "missing_field", "f.yaml:1: segment a", "add `where"),
    ("where is a bool", "kind: segment\nid: a\nwhere: true", "wrong_type", "f.yaml:3: segment a.where", "quotes"),
    ("an unknown field of a journey", journey(WAIT, goals="1"), "unknown_field", "f.yaml:1: journey bad", "'goal'"),
    ("an unknown field of entry", journey(WAIT, "{evnt: X}"),
     "unknown_field", "f.yaml:3: journey bad.entry", "'event'"),
    ("an unknown field of a step", journey("- {id: w, contct: x}"),
     "unknown_field", "f.yaml:5: journey bad.steps[0]", "'contact'"),
    ("an unknown field of a wait", journey("- {id: w, wait: {form: 1d}}"),
     "unknown_field", "f.yaml:5: journey bad.steps[0].wait", "'for'"),
    ("steps no list", "kind: journey\nid: bad\nentry: {event: X}\nsteps: {id: w}",
     "wrong_type", "f.yaml:4: journey bad.steps", "list"),
    ("no steps", "kind: journey\nid: bad\nentry: {event: X}\nsteps: []",
     "no_steps", "f.yaml:4: journey bad.steps", "contact"),
    ("no entry", journey(WAIT, "{}"), "no_entry", "f.yaml:3: journey bad.entry", "event"),
    ("a bad state", journey(WAIT, state="alive"), "bad_state", "f.yaml:4: journey bad.state", "live"),
    ("a bad priority", journey(WAIT, priority="101"), "bad_number", "f.yaml:4: journey bad.priority", "0 to 100"),
    ("a bad overdue", journey(WAIT, overdue="later"), "bad_overdue", "f.yaml:4: journey bad.overdue", "shift"),
    ("a bad moment", journey(WAIT, starts="2026-01-01"), "bad_moment", "f.yaml:4: journey bad.starts", "+01:00"),
    ("a bad zone", journey(WAIT, zone="Berlin"), "unknown_zone", "f.yaml:4: journey bad.zone", "Europe/Berlin"),
    ("control is no share", journey(WAIT, control="1.1"), "bad_share", "f.yaml:4: journey bad.control", "0 to 1"),
    ("control in percent", journey(WAIT, control="10%"), "wrong_type", "f.yaml:4: journey bad.control", "number"),
    ("control nan", journey(WAIT, control="nan"), "wrong_type", "f.yaml:4: journey bad.control", "quotes"),
    ("an unknown campaign", journey(WAIT, campaign="x"),
     "unknown_campaign", "f.yaml:4: journey bad.campaign", "declare"),
    # --- durations
    ("a bad duration", journey("- {id: w, wait: 1 day}"),
     "bad_duration", "f.yaml:5: journey bad.steps[0].wait", "largest first"),
    ("months in a limit", journey("- {id: w, until: 'true', at_most: 1mo}"),
     "months_in_window", "f.yaml:5: journey bad.steps[0].at_most", "days"),
    ("months in a goal", journey(WAIT, goal="{event: X, within: 1mo}"),
     "months_in_window", "f.yaml:4: journey bad.goal.within", "days"),
    ("months in an entry limit", journey(WAIT, "{event: X, limit: {runs: 1, per: 1mo}}"),
     "months_in_window", "f.yaml:3: journey bad.entry.limit.per", "days"),
    ("an entry limit of none", journey(WAIT, "{event: X, limit: {runs: 0, per: 1d}}"),
     "bad_number", "f.yaml:3: journey bad.entry.limit.runs", "1 or more"),
    ("an entry limit without a window", journey(WAIT, "{event: X, limit: {runs: 1}}"),
     "missing_field", "f.yaml:3: journey bad.entry.limit", "per"),
    ("a step writes consent", journey("- {id: w, track: Consent Given}"),
     "reserved_name", "f.yaml:5: journey bad.steps[0].track", "another name"),
    ("a step writes what the engine says", journey("- {id: w, track: Journey Left}"),
     "reserved_name", "f.yaml:5: journey bad.steps[0].track", "another name"),
    ("a step writes a reaction", journey("- {id: w, track: Email Opened}"),
     "reserved_name", "f.yaml:5: journey bad.steps[0].track", "another name"),
    ("a step writes nothing", journey("- {id: w, track: ''}"),
     "bad_name", "f.yaml:5: journey bad.steps[0].track", "name the event"),
    ("a step writes what starts it", journey("- {id: w, track: X}", "{event: X, reenter: always}"),
     "own_circle", "f.yaml:3: journey bad.entry.reenter", "never"),
    ("a step that writes cannot fail", journey("- {id: w, track: Y, else: end}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].else", "when"),
    ("months to re-enter", journey(WAIT, "{event: X, reenter: 1mo}"),
     "months_in_window", "f.yaml:3: journey bad.entry.reenter", "days"),
    ("a bad time of day", journey("- {id: w, wait: {at: '9:00'}}"),
     "bad_time_of_day", "f.yaml:5: journey bad.steps[0].wait.at", '"09:00"'),
    ("a bad weekday", journey("- {id: w, wait: {days: Monday}}"),
     "bad_weekday", "f.yaml:5: journey bad.steps[0].wait.days", "MON"),
    ("a bad zone of a wait", journey("- {id: w, wait: {for: 1d, zone: CEST}}"),
     "unknown_zone", "f.yaml:5: journey bad.steps[0].wait.zone", "IANA"),
    ("an empty wait", journey("- {id: w, wait: {}}"), "empty_wait", "f.yaml:5: journey bad.steps[0].wait", "for"),
    ("a wait of two kinds", journey("- {id: w, wait: {for: 1d, until: now}, else: end}"),
     "one_kind", "f.yaml:5: journey bad.steps[0].wait", "remove"),
    # --- the graph
    ("a bad id of a step", journey("- {id: A-b, wait: 1d}"), "bad_id", "f.yaml:5: journey bad.steps[0].id", "a-z"),
    ("a step called end", journey("- {id: end, wait: 1d}"),
     "reserved_word", "f.yaml:5: journey bad.steps[0].id", "another"),
    ("a step called in", journey("- {id: in, wait: 1d}"),
     "reserved_word", "f.yaml:5: journey bad.steps[0].id", "another"),
    ("two steps of one id", journey("- {id: w, wait: 1d}\n- {id: w, wait: 1d}"),
     "repeated_id", "f.yaml:6: journey bad.steps[1].id", "own id"),
    ("a step of two kinds", journey("- {id: w, wait: 1d, contact: note}"),
     "one_kind", "f.yaml:5: journey bad.steps[0]", "exactly one"),
    ("a step of no kind", journey("- {id: w}"), "one_kind", "f.yaml:5: journey bad.steps[0]", "exactly one"),
    ("a target that is not there", journey("- {id: w, wait: 1d, then: lst}\n- {id: last, wait: 1d}"),
     "unknown_step", "f.yaml:5: journey bad.steps[0].then", "'last'"),
    ("a target behind", journey("- {id: a, wait: 1d}\n- {id: b, wait: 1d, then: a}"),
     "backward", "f.yaml:6: journey bad.steps[1].then", "forward"),
    ("a step nobody reaches", journey("- {id: a, wait: 1d, then: end}\n- {id: b, wait: 1d}"),
     "unreachable", "f.yaml:6: journey bad.steps[1]", "point to it"),
    ("until without patience", journey("- {id: u, until: 'true'}"),
     "no_patience", "f.yaml:5: journey bad.steps[0]", "at_most"),
    ("then without else", journey("- {id: u, until: 'true', at_most: 1d, then: end}"),
     "no_else", "f.yaml:5: journey bad.steps[0]", "else"),
    ("when with then without else", journey("- {id: w, when: 'true', wait: 1d, then: end}"),
     "no_else", "f.yaml:5: journey bad.steps[0]", "else"),
    ("a wait until without else", journey("- {id: w, wait: {until: now}}"),
     "no_else", "f.yaml:5: journey bad.steps[0]", "in the past"),
    ("else of a wait", journey("- {id: w, wait: 1d, else: end}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].else", "remove"),
    ("at_most of a wait", journey("- {id: w, wait: 1d, at_most: 1d}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].at_most", "remove"),
    ("then of a branch", journey("- {id: b, branch: [{when: 'true', then: end}], then: end, else: end}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].then", "remove"),
    ("then of a split", journey("- {id: s, split: [{arm: a, share: 1, then: end}], then: end}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].then", "remove"),
    ("a branch without else", journey("- {id: b, branch: [{when: 'true', then: end}]}"),
     "no_else", "f.yaml:5: journey bad.steps[0]", "else"),
    ("shares that do not sum to 1", journey("- {id: s, split: [{arm: a, share: 0.5, then: end}]}"),
     "bad_share", "f.yaml:5: journey bad.steps[0].split", "sum to 1"),
    ("a negative share",
     journey("- {id: s, split: [{arm: a, share: -0.5, then: end}, {arm: b, share: 1.5, then: end}]}"),
     "bad_share", "f.yaml:5: journey bad.steps[0].split[0].share", "0 to 1"),
    ("data of a wait", journey("- {id: w, wait: 1d, data: {a: 1}}"),
     "misplaced_field", "f.yaml:5: journey bad.steps[0].data", "remove"),
    # --- what comes later
    ("entry by segment", journey(WAIT, "{segment: buyers}"),
     "not_supported_yet", "f.yaml:3: journey bad.entry.segment", "event"),
    ("entry by schedule", journey(WAIT, "{schedule: '0 9 * * *', where: 'true'}"),
     "not_supported_yet", "f.yaml:3: journey bad.entry.schedule", "event"),
    ("an offer", journey("- {id: o, offer: x}"),
     "not_supported_yet", "f.yaml:5: journey bad.steps[0].offer", "contact"),
    ("a repeat", journey("- {id: o, repeat: 3, steps: []}"),
     "not_supported_yet", "f.yaml:5: journey bad.steps[0].repeat", "wait"),
    ("workdays", journey("- {id: w, wait: {days: workdays}}"),
     "not_supported_yet", "f.yaml:5: journey bad.steps[0].wait.days", "MON"),
    ("move", journey(WAIT, move="{a: b}"), "not_supported_yet", "f.yaml:4: journey bad.move", "leave it out"),
    ("a learning split", journey("- {id: s, split: [{arm: a, share: 1, then: end}], learn: goal}"),
     "not_supported_yet", "f.yaml:5: journey bad.steps[0].learn", "leave it out"),
    ("a computed trait of another type", "kind: trait\nid: a\nvalue: '1'\ntype: string",
     "wrong_type", "f.yaml:3: trait a.value", "type: number"),
    ("a computed trait that asks for itself", "kind: trait\nid: a\nvalue: 'trait.a + 1'\ntype: number",
     "depends_on_itself", "f.yaml:3: trait a.value, line 1, column 1", "leave one"),
    ("a computed trait that others claim", "kind: trait\nid: a\nvalue: '1'\nmerge: sum\ntype: number",
     "value_and_merge", "f.yaml:4: trait a.merge", "leave out"),
    ("an unknown merge", "kind: trait\nid: a\nmerge: mean\ntype: number",
     "unknown_strategy", "f.yaml:3: trait a.merge", "most_frequent"),
    ("a kind of objects with an unknown state", "kind: object\nid: a\nkey: k\nstates: [x]\nevents: {E: y}",
     "unknown_state", "f.yaml:5: object a.events.E", "use one of: x"),
    ("a schema that is none", "kind: event\nid: E\nschema: {type: nonsense}",
     "bad_schema", "f.yaml:3: event E.schema", "JSON Schema"),
    ("an unknown way with violations", "kind: event\nid: E\nschema: {}\non_violation: drop",
     "unknown_value", "f.yaml:4: event E.on_violation", "mark dead_letter"),
    ("capacity", "kind: policy\ncapacity: [{at_most: 1, per: 1d}]",
     "not_supported_yet", "f.yaml:2: policy default.capacity", "leave it out"),
    # --- expressions
    ("an expression that is none", "kind: segment\nid: a\nwhere: 'trait.a =='",
     "syntax", "f.yaml:3: segment a.where, line 1, column 11", ""),
    ("a later line of an expression", "kind: segment\nid: a\nwhere: |\n  trait.a == 1\n  && wat()",
     "unknown_function", "f.yaml:3: segment a.where, line 2, column 4", ""),
    ("an unknown function", "kind: segment\nid: a\nwhere: 'event(\"X\").exists()'",
     "unknown_function", "f.yaml:3: segment a.where, line 1, column 1", "events"),
    ("a bare name outside an event", "kind: segment\nid: a\nwhere: 'category == \"x\"'",
     "unknown_name", "f.yaml:3: segment a.where, line 1, column 1", "trait.category"),
    ("an unknown segment", "kind: segment\nid: a\nwhere: 'segment(\"buyer\")'",
     "unknown_id", "f.yaml:3: segment a.where, line 1, column 9", "`buyers`"),
    ("a sum that is no condition", "kind: segment\nid: a\nwhere: '1 + 1'",
     "wrong_type", "f.yaml:3: segment a.where, line 1, column 1", "compare"),
    ("a set that is no value", "kind: segment\nid: a\nwhere: 'events(\"X\")'",
     "wrong_type", "f.yaml:3: segment a.where, line 1, column 1", "exists"),
    ("a text compared with a number", "kind: segment\nid: a\nwhere: 'person.id > 5'",
     "wrong_type", "f.yaml:3: segment a.where, line 1, column", ""),
    ("months in a window", "kind: segment\nid: a\nwhere: 'events(\"X\").within(\"1mo\").exists()'",
     "months_in_window", "f.yaml:3: segment a.where, line 1, column", "days"),
    ("events inside an event", "kind: segment\nid: a\nwhere: 'events(\"X\").where(events(\"Y\").exists()).exists()'",
     "events_inside_event", "f.yaml:3: segment a.where, line 1, column 19", ""),
    ("an unknown step", journey("- {id: u, until: 'step.frst.clicked', at_most: 1d}"),
     "unknown_step", "f.yaml:5: journey bad.steps[0].until, line 1, column", ""),
    ("an unknown field of a step's results", journey("- {id: u, until: 'step.u.clicked', at_most: 1d}"),
     "unknown_field", "f.yaml:5: journey bad.steps[0].until, line 1, column", ""),
    ("an until that is a number", journey("- {id: u, until: '1 + 1', at_most: 1d}"),
     "wrong_type", "f.yaml:5: journey bad.steps[0].until, line 1, column 1", "compare"),
    ("a wait until a number", journey("- {id: w, wait: {until: '5'}, else: end}"),
     "wrong_type", "f.yaml:5: journey bad.steps[0].wait.until, line 1, column 1", "timestamp"),
    ("a value of a goal that is a text", journey(WAIT, goal="{event: X, within: 1d, value: 'event.name'}"),
     "wrong_type", "f.yaml:4: journey bad.goal.value", "number"),
    ("a step asked of before the start", journey(WAIT, "{event: X, where: 'step.w.done'}"),
     "root_not_here", "f.yaml:3: journey bad.entry.where, line 1, column 1", ""),
    ("score", "kind: segment\nid: a\nwhere: 'score(\"clv\") > 1'",
     "not_supported_yet", "f.yaml:3: segment a.where, line 1, column 1", "later version"),
    ("a bad expression in data", journey("- {id: c, contact: note, data: {name: '=1 +'}}"),
     "syntax", "f.yaml:5: journey bad.steps[0].data.name, line 1, column", ""),
    ("a bad name of a variable", journey("- {id: a, assign: {My-Name: 1}}"),
     "bad_id", "f.yaml:5: journey bad.steps[0].assign.My-Name", "a-z"),
    ("a circle",
     "{kind: segment, id: a, where: 'segment(\"b\")'}\n---\n{kind: segment, id: b, where: 'segment(\"a\")'}",
     "circle", "f.yaml:1: segment a.where", "break"),
    # --- messages
    ("an unknown message", journey("- {id: c, contact: nte}"),
     "unknown_message", "f.yaml:5: journey bad.steps[0].contact", "'note'"),
    ("a channel without content", journey("- {id: c, contact: note, channels: [sms], data: {name: a}}"),
     "no_content", "f.yaml:5: journey bad.steps[0].channels", "email"),
    ("data that lacks", journey("- {id: c, contact: note}"),
     "data_lacks", "f.yaml:5: journey bad.steps[0]: data", "name"),
    ("data that adds", journey("- {id: c, contact: note, data: {name: a, nam: b}}"),
     "data_adds", "f.yaml:5: journey bad.steps[0]: data", "name"),
    ("data that is mistyped", journey("- {id: c, contact: note, data: {name: 5}}"),
     "data_mistyped", "f.yaml:5: journey bad.steps[0]: data", "convert"),
    ("an expression of another type", journey("- {id: c, contact: note, data: {name: '=1 + 1'}}"),
     "data_mistyped", "f.yaml:5: journey bad.steps[0]: data", "convert"),
    ("an unknown purpose", MESSAGE.replace("purpose: marketing", "purpose: marketng"),
     "unknown_purpose", "f.yaml:4: message note.purpose", "'marketing'"),
    ("an unknown brand", MESSAGE.replace("data:", "brand: acme\ndata:"),
     "unknown_brand", "f.yaml:6: message note.brand", "declare"),
    ("an unknown class", MESSAGE.replace("class: marketing", "class: ads"),
     "wrong_value", "f.yaml:5: message note: class", "marketing"),
    ("no content", "kind: message\nid: m\npurpose: marketing\nclass: marketing",
     "missing_field", "f.yaml:1: message m", "email"),
    ("an unknown variable", MESSAGE.replace("data.name }}", "data.nme }}"),
     "unknown_variable", "f.yaml:7: message note: email.subject.de", "name"),
    ("opt_in without confirm link", MESSAGE.replace("class: marketing", "class: opt_in"),
     "confirm_link_missing", "f.yaml:7: message note: email", "links.confirm"),
    # --- the rest
    ("two policies", "kind: policy\nid: other", "two_policies", "f.yaml:1: policy other", "keep"),
    ("a misspelt channel in the policy", "kind: policy\nquiet: [{channels: e-mail, from: '20:00', to: '08:00'}]",
     "unknown_channel", "f.yaml:2: policy default.quiet[0].channels", "'email'"),
    ("a misspelt purpose in the policy", "kind: policy\ncaps: [{purposes: marketin, at_most: 1, per: 1d}]",
     "unknown_purpose", "f.yaml:2: policy default.caps[0].purposes", "'marketing'"),
    ("a rule that does not type", "kind: policy\ndeny: [{when: 'foo', reason: x}]",
     "unknown_name", "f.yaml:2: policy default.deny[0].when, line 1, column 1", "trait.foo"),
    ("a bad type", "kind: trait\nid: a\ntype: text", "bad_type", "f.yaml:3: trait a.type", "string"),
    ("a bad type of a property", "kind: event\nid: X Y\nproperties: {a: int}",
     "bad_type", "f.yaml:3: event X Y.properties.a", "number"),
    ("a bad basis", "kind: purpose\nid: p\nbasis: love", "wrong_type", "f.yaml:3: purpose p.basis", ""),
    ("a row without key", "kind: catalog\nid: c\nkey: k\nfields: {k: string}\nrows: [{k: null}]",
     "no_key", "f.yaml:5: catalog c.rows[0]", "key"),
    ("a repeated row", "kind: catalog\nid: c\nkey: k\nrows: [{k: a}, {k: a}]",
     "repeated_key", "f.yaml:4: catalog c.rows[1]", "keep one"),
    ("control in two places",
     "{kind: campaign, id: c, control: 0.1}\n---\n" + journey(WAIT, campaign="c", control="0.1"),
     "two_controls", "f.yaml:7: journey bad.control", "keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "where", "mend"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_bad_definition_is_told_and_changes_nothing(
    book: SqliteBook, place: Path, text: str, code: str, where: str, mend: str
) -> None:
    """Code, file, line, field path (line and column in the expression) and mend; no row anywhere is new."""
    before = everything(place)
    with pytest.raises(InputError) as caught:
        applying.apply(book, docs(text), now=NOW)
    error = caught.value
    assert (error.code, error.where[: len(where)]) == (code, where), error.line()
    assert error.what
    assert error.mend
    assert mend in error.mend
    assert "\n" not in error.line()
    assert everything(place) == before


def test_the_table_is_long_enough() -> None:
    """At least 45 rows, no two of one name."""
    assert len({row[0] for row in TABLE}) == len(TABLE) >= 45


def test_one_bad_definition_and_none_is_taken(book: SqliteBook, place: Path) -> None:
    """All or nothing: good ones before and after a bad one are not applied either."""
    before = everything(place)
    good = "{kind: team, id: one}\n---\n"
    with pytest.raises(InputError):
        applying.apply(book, docs(good + "{kind: segment, id: a, where: 'nope'}\n---\n{kind: team, id: two}"), now=NOW)
    assert everything(place) == before
    checked, changes = applying.check(book, docs(good))
    assert [change["id"] for change in changes] == ["one"]
    assert everything(place) == before
    assert checked.changes == [("team", "one", 1, "new")]


def test_what_others_use_cannot_be_taken_from_them(book: SqliteBook) -> None:
    """A message that loses a channel, or asks for more, is refused where it is used."""
    with pytest.raises(InputError) as caught:
        applying.check(book, docs(MESSAGE.replace("{name: string}", "{name: string, more: string}")))
    assert (caught.value.code, caught.value.where) == ("data_lacks", "journey tour.steps[1]: data")


TRAPS = [
    "on",
    "off",
    "yes",
    "no",
    "NO",
    "y",
    "n",
    "10:30",
    "2027-03-31",
    "1_000",
    "0b11",
    "190:20:30",
    "2001-12-14t21:59:43.10-05:00",
]


@pytest.mark.parametrize("word", TRAPS)
def test_what_yaml_1_1_would_turn_into_something_else_is_a_text(word: str) -> None:
    """The core schema of YAML 1.2, also where a file claims to be YAML 1.1."""
    for head in ("", "%YAML 1.1\n---\n"):
        assert docs(f"{head}title: {word}")[0].body == {"title": word}


def test_numbers_are_exact() -> None:
    """Whole numbers, decimals, exponents, octal and hex as the core schema has them; `.inf` is no number here."""
    body = docs("a: 0.10\nb: 1e3\nc: 0x1F\nd: 0o17\ne: -7\nf: .5\ng: .inf\nh: ~\ni: 'true'\nj: true")[0].body
    shown = {key: (type(value).__name__, str(value)) for key, value in body.items()}
    assert shown["a"] == ("Decimal", "0.10")
    assert [shown[key] for key in "bcdef"] == [
        ("Decimal", "1E+3"), ("int", "31"), ("int", "15"), ("int", "-7"), ("Decimal", "0.5")
    ]  # fmt: skip
    assert [shown[key][0] for key in "ghij"] == ["str", "NoneType", "str", "bool"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not_json"), ('{"kind": "team", "kind": "team"}', "repeated_key"), ('{"a": NaN}', "not_json"),
        ("[" * 100_000, "not_json"), ('{"a": "\\ud800"}', "bad_encoding"), ('{"a": ' + "9" * 5_000 + "}", "not_json"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "too_deep"), ("[3]", "not_a_definition"), ("", "not_json"),
    ],
)  # fmt: skip
def test_bad_json(text: str, code: str) -> None:
    """Told with the file and a mend, never a traceback."""
    with pytest.raises(InputError) as caught:
        docs(text, "f.json")
    assert caught.value.code == code
    assert caught.value.where.startswith("f.json")
    assert caught.value.mend


def test_bad_files(tmp_path: Path) -> None:
    """Not UTF-8, missing, without definitions, too large, BPMN: each with its path."""
    (tmp_path / "latin.yaml").write_bytes("kind: segment # für".encode("latin-1"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "big.yaml").write_bytes(b"#" * (2 << 20))
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "a.bpmn").write_text("<definitions/>")
    for name, code in (
        ("latin.yaml", "bad_encoding"), ("none.yaml", "no_such_file"), ("empty", "no_definitions"),
        ("big.yaml", "too_large"), ("drawn", "not_supported_yet"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            yaml.read([tmp_path / name])
        assert caught.value.code == code
        assert name.partition(".")[0] in caught.value.where
        assert caught.value.mend


def test_a_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    """UTF-8 with BOM and CRLF, as editors of Windows write it."""
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfkind: team\r\nid: x\r\n")
    assert yaml.read([tmp_path])[0].body == {"kind": "team", "id": "x"}
