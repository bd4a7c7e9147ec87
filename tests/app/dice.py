"""Chance by seed, as the standard library would give it, over the generator that this repository allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy

T = TypeVar("T")


class Random:
    """A seeded source of chance."""

    def __init__(self, seed: int) -> None:
        self._numbers = numpy.random.Generator(numpy.random.Philox(seed))

    def random(self) -> float:
        """A number in [0, 1)."""
        return float(self._numbers.random())

    def randrange(self, end: int) -> int:
        """A whole number in [0, end)."""
        return int(self._numbers.random() * end)

    def randint(self, first: int, last: int) -> int:
        """A whole number in [first, last]."""
        return first + self.randrange(last - first + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.randrange(len(options))]

    def shuffle(self, items: list[Any]) -> None:
        """Another order, in place."""
        order = [items[int(place)] for place in self._numbers.permutation(len(items))]
        items[:] = order
