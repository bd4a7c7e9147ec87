"""Floor 2: turns the text of an expression into a typed tree, and that into a function for one person and a plan for
crowds.

It says which events, traits and segments an expression reads, and when time alone can change its value. It never runs
text that was not checked, never reads a clock, and never places a user's text into generated code. Start with `check`
(text -> `Checked`), then `python` (one person, one moment), `crowd` (all persons) and `explain`; the functions of the
language stand in one table, `functions`. `write`, `json_tree`, `speak` and `listen` write a tree down as text, JSON and
plain words, and read it back.
"""

from einklang.expr.check import Checked, check, check_condition, check_tree
from einklang.expr.cost import Cost, cost_of
from einklang.expr.crowd import CrowdPlan, compile_crowd
from einklang.expr.crowd_frames import Crowd
from einklang.expr.crowd_reach import crowd_supports
from einklang.expr.errors import ExprError
from einklang.expr.explain import ExplainNode, as_json, explain
from einklang.expr.flip import Flips
from einklang.expr.guide import hints
from einklang.expr.json_tree import of_json, to_json
from einklang.expr.json_tree import schema as json_schema
from einklang.expr.listen import of_words
from einklang.expr.parse import parse
from einklang.expr.phrases import Tongue
from einklang.expr.python import Condition, compile_one
from einklang.expr.reach import Reach, reaches
from einklang.expr.speak import to_words
from einklang.expr.sql import ENGINES, SqlPlan, compile_sql, sql_lacks
from einklang.expr.types import Catalog, EventShape, Needs, ObjectShape, Scope, Type, type_of
from einklang.expr.view import EntryLike, EventLike, Shared, View
from einklang.expr.write import write

__all__ = [
    "ENGINES",
    "Catalog",
    "Checked",
    "Condition",
    "Cost",
    "Crowd",
    "CrowdPlan",
    "EntryLike",
    "EventLike",
    "EventShape",
    "ExplainNode",
    "ExprError",
    "Flips",
    "Needs",
    "ObjectShape",
    "Reach",
    "Scope",
    "Shared",
    "SqlPlan",
    "Tongue",
    "Type",
    "View",
    "as_json",
    "check",
    "check_condition",
    "check_tree",
    "compile_crowd",
    "compile_one",
    "compile_sql",
    "cost_of",
    "crowd_supports",
    "explain",
    "hints",
    "json_schema",
    "of_json",
    "of_words",
    "parse",
    "reaches",
    "sql_lacks",
    "to_json",
    "to_words",
    "type_of",
    "write",
]
