"""How the memory of an overloaded service is judged."""

from loadtests.overload import Watch, judge_memory

MIB = 2**20


def watch(during: list[int], after: int = 1100) -> Watch:
    return Watch(1100 * MIB, [size * MIB for size in during], after * MIB)


def test_memory_that_goes_up_and_down_does_not_grow() -> None:
    growth, _ = judge_memory(watch([1100, 1400, 1250] + [1250, 1400, 1300] * 6))
    assert growth.rate == 0


def test_a_leak_is_told_by_what_it_adds_in_a_third_of_the_time() -> None:
    growth, kept = judge_memory(watch([1100 + 10 * second for second in range(30)], after=1390))
    assert growth.rate == 100
    assert growth.aim == "≤ 62 MiB, 5% of it"
    assert (kept.rate, kept.aim) == (290, "≤ 36 MiB, the bounds of its caches")
