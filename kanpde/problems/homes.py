"""In which parts of a domain fields live: everywhere, inside of some shapes, or outside of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Homes:
    """Parts by number: 0 outside of all shapes, then 1, 2, … as shapes come.

    >>> homes = Homes(3, {"c": (1, 2), "b": (0, 1)})
    >>> homes.of("T"), homes.common(["b", "c", "T"])
    ((0, 1, 2), (1,))

    Attributes:
        count: Of the parts.
        own: Of the fields that do not live everywhere.
    """

    count: int = 1
    own: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.own)

    @property
    def everywhere(self) -> tuple[int, ...]:
        return tuple(range(self.count))

    def of(self, name: str) -> tuple[int, ...]:
        """Where a field lives."""
        return self.own.get(name, self.everywhere)

    def common(self, names: Iterable[str]) -> tuple[int, ...]:
        """Where several fields live."""
        homes = [self.of(name) for name in names]
        return tuple(part for part in self.everywhere if all(part in home for home in homes))
