"""Floor 3, `profile`: the events of a person -> its traits, by event time.

`fold_traits` takes one identify or row in, `merge_traits` lays two persons' traits together; both are order-free: the
same events give the same traits however they arrive. It never asks who a person is, never computes a segment. Start
reading in `traits`.
"""

from einklang.profile.traits import current, fold_traits, merge_traits, value_of

__all__ = ["current", "fold_traits", "merge_traits", "value_of"]
