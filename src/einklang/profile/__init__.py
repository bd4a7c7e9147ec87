"""Floor 3, `profile`: the events of a person -> its traits and business objects, by event time.

`fold_traits` takes one identify or row in, `merge_traits` lays two persons' traits together; both are order-free: the
same events give the same traits however they arrive. `fold_objects` makes orders, contracts, ... of the events of their
owner. It never asks who a person is, never computes a segment. Start reading in `traits`, then `objects`.
"""

from einklang.profile.gather import Gathered, Rule
from einklang.profile.object_definitions import RawObject, check_strategy, parse_object
from einklang.profile.object_kinds import BUILT_IN
from einklang.profile.objects import PERSON, Kind, Object, fold_objects, kind_of, state_of, touched
from einklang.profile.traits import current, fold_traits, merge_traits, value_of

__all__ = [
    "BUILT_IN",
    "PERSON",
    "Gathered",
    "Kind",
    "Object",
    "RawObject",
    "Rule",
    "check_strategy",
    "current",
    "fold_objects",
    "fold_traits",
    "kind_of",
    "merge_traits",
    "parse_object",
    "state_of",
    "touched",
    "value_of",
]
