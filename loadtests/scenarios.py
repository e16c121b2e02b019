"""The scenarios by name."""

from collections.abc import Callable, Iterable

from loadtests.bench import Bench
from loadtests.breakdown import breakdown
from loadtests.feed import feed
from loadtests.front import front
from loadtests.grouped import grouped
from loadtests.overhead import echo, healthz, rules
from loadtests.overload import mixed, overload
from loadtests.prepare import preprocessing, texts
from loadtests.results import Row
from loadtests.verify import verify

SCENARIOS: dict[str, Callable[[Bench], Iterable[Row]]] = {
    "grouped": grouped,
    "breakdown": breakdown,
    "feed": feed,
    "front": front,
    "mixed": mixed,
    "overload": overload,
    "healthz": healthz,
    "rules": rules,
    "echo": echo,
    "verify": verify,
    "preprocessing": preprocessing,
    "texts": texts,
}
