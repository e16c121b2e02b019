"""What a scrape tells of numbers that requests added up."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from visreward_service.tallies import CounterTally, HistogramTally

BOUNDS = (0.001, 0.5, 1, 10)
VALUES = (0.0005, 0.001, 0.0011, 0.5, 1.0, 2.5, 10.0, 11.0)


def lines(registry: CollectorRegistry) -> list[str]:
    """The exposition, without what the library adds of its own: when a child was made."""
    return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)


def test_a_counter_is_exposed_as_the_library_exposes_its_own() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = CounterTally("some_items", "Items.", ["recipe", "code"], ours)
    counter = Counter("some_items", "Items.", ["recipe", "code"], registry=theirs)
    for labels, amount in ((("a", "ok"), 2), (("a", "ok"), 0.5), (("b", 'odd "one"'), 1)):
        tally.add(labels, amount)
        counter.labels(*labels).inc(amount)
    assert lines(ours) == lines(theirs)


def test_a_histogram_is_exposed_as_the_library_exposes_its_own() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = HistogramTally("some_seconds", "Time.", ["path"], ours, bounds=BOUNDS)
    histogram = Histogram("some_seconds", "Time.", ["path"], registry=theirs, buckets=BOUNDS)
    for value in VALUES:
        tally.observe(("/score",), value)
        histogram.labels("/score").observe(value)
    tally.observe_all(("/other",), VALUES)
    for value in VALUES:
        histogram.labels("/other").observe(value)
    assert lines(ours) == lines(theirs)


def test_labels_that_were_counted_zero_times_are_exposed() -> None:
    registry = CollectorRegistry()
    CounterTally("some_work", "Work.", ["kind"], registry).add(("image",), 0)
    assert 'some_work_total{kind="image"} 0.0' in lines(registry)


def test_a_histogram_of_values_that_may_be_negative_has_a_count_and_no_sum() -> None:
    registry = CollectorRegistry()
    tally = HistogramTally("some_reward", "Rewards.", ["recipe"], registry, bounds=(-1, 0, 1), has_sum=False)
    tally.observe_all(("a",), (-2.0, -1.0, 0.5))
    assert 'some_reward_bucket{le="-1.0",recipe="a"} 2.0' in lines(registry)
    assert 'some_reward_count{recipe="a"} 3.0' in lines(registry)
    assert not any(line.startswith("some_reward_sum") for line in lines(registry))
