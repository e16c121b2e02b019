"""The grouping of waiting jobs into forward passes."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visreward_service.engine.batch import Allowance, Budget, length_bucket, share, take_batch


@dataclass(frozen=True)
class Waiting:
    name: int
    kind: tuple[str, str, int] = ("text", "short", 16)
    cost: int = 16
    owner: int = 0


def test_an_empty_queue_gives_no_batch() -> None:
    assert take_batch([], Budget(max_jobs=4, max_cost=64)) == []


def test_the_kind_that_waited_longest_goes_first() -> None:
    image = ("image", "pooled", 0)
    queue = [Waiting(0, kind=image), Waiting(1), Waiting(2, kind=image), Waiting(3)]
    assert [job.name for job in take_batch(queue, Budget(max_jobs=8, max_cost=999))] == [0, 2]


def test_owners_take_turns_so_that_a_large_request_does_not_hold_up_a_small_one() -> None:
    queue = [Waiting(n, owner=1) for n in range(100)] + [Waiting(200, owner=2)]
    batch = take_batch(queue, Budget(max_jobs=4, max_cost=999))
    assert [job.name for job in batch] == [0, 200, 1, 2]


def test_a_job_over_the_budget_goes_alone_and_does_not_wait_for_ever() -> None:
    queue = [Waiting(0, cost=500), Waiting(1)]
    assert [job.name for job in take_batch(queue, Budget(max_jobs=4, max_cost=64))] == [0]


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Waiting,
            name=st.integers(),
            kind=st.sampled_from([("text", "short", 16), ("text", "long", 48), ("image", "pooled", 0)]),
            cost=st.integers(1, 90),
            owner=st.integers(0, 3),
        ),
        min_size=1,
    ),
    st.integers(1, 8),
    st.integers(1, 200),
)
def test_every_batch_is_of_one_kind_within_its_budget_and_empties_the_queue(
    queue: list[Waiting], max_jobs: int, max_cost: int
) -> None:
    left = list(queue)
    while left:
        batch = take_batch(left, Budget(max_jobs=max_jobs, max_cost=max_cost))
        assert 1 <= len(batch) <= max_jobs
        assert {job.kind for job in batch} == {left[0].kind}
        assert len(batch) == 1 or sum(job.cost for job in batch) <= max_cost
        for job in batch:
            left.remove(job)


@pytest.mark.parametrize(
    ("tokens", "bucket"), [(1, 16), (16, 16), (17, 24), (77, 77), (78, 96), (248, 248), (300, 300)]
)
def test_a_text_falls_into_the_smallest_bucket_that_holds_it(tokens: int, bucket: int) -> None:
    assert length_bucket(tokens) == bucket


WHOLE = Budget(max_jobs=32, max_cost=8192)


@pytest.mark.parametrize(("running", "expected"), [(0, [16, 16, 14, 8, 6]), (1, [16, 16, 16, 12])])
def test_work_is_shared_in_ever_smaller_parts_unless_the_others_run(
    running: int, expected: list[int]
) -> None:
    queue = [Waiting(number) for number in range(60)]
    taken = []
    while queue:
        batch = take_batch(queue, share(queue, WHOLE, passes=2, running=running))
        taken.append(len(batch))
        queue = queue[len(batch) :]
    assert taken == expected


def test_the_part_of_a_kind_does_not_depend_on_what_else_waits() -> None:
    texts = [Waiting(number) for number in range(20)]
    image = Waiting(30, kind=("image", "pooled", 0))
    assert share([*texts, image], WHOLE, passes=2, running=0) == Budget(max_jobs=10, max_cost=4096)
    assert share([image, *texts], WHOLE, passes=2, running=0).max_jobs == 4
    assert share([*texts, image], WHOLE, passes=4, running=2).max_jobs == 8
    assert share([*texts, image], WHOLE, passes=4, running=3).max_jobs == 8


def test_what_did_not_fit_is_halved_and_one_job_is_always_allowed() -> None:
    allowance = Allowance()
    assert allowance.of(WHOLE) == WHOLE
    allowance.cut(1.0)
    assert allowance.of(WHOLE) == Budget(max_jobs=16, max_cost=4096)
    allowance.cut(0.25)  # a pass of a quarter did not fit either
    assert allowance.of(WHOLE) == Budget(max_jobs=4, max_cost=1024)
    allowance.cut(0.25)  # another half of the same pass
    assert allowance.of(WHOLE).max_jobs == 4
    for _ in range(50):
        allowance.cut(allowance.share)
    assert allowance.of(WHOLE).max_jobs == 1


def test_after_many_passes_that_fit_more_is_tried_again_and_never_more_than_the_whole() -> None:
    allowance = Allowance()
    allowance.cut(1.0)
    shares = []
    for _ in range(1000):
        allowance.note_pass()
        shares.append(allowance.share)
    assert shares[:99] == [0.5] * 99
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
