"""What becomes of samples without a reward, without a trainer round it: real sockets, no model."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.client.small_service import Fault, SmallService, running_service
from tests.service.access.certificates import make_certificates
from visreward.protocol import Code
from visreward_trainer.background import BackgroundLoop
from visreward_trainer.config import DataConfig, RewardConfig
from visreward_trainer.data import Questions, load_questions
from visreward_trainer.errors import ConfigError, RewardsMissingError
from visreward_trainer.prompt import Prompt
from visreward_trainer.reward import RecipeReward, runs_of
from visreward_trainer.scoring import Scorer

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [0, 0, 0, 1, 1, 1]
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]

Score = Callable[..., "Scored"]


class Scored:
    """What one call gave, and what it logged."""

    def __init__(self, reward: RecipeReward, rows: Sequence[int]) -> None:
        self.metrics: dict[str, float] = {}
        self.extra: dict[str, list[Any]] = {}
        texts = [TEXTS[place % len(TEXTS)] for place in range(len(rows))]
        self.rewards = reward(
            row=rows,
            completions=[[{"role": "assistant", "content": text}] for text in texts],
            completion_ids=[[1] * len(text) for text in texts],
            log_metric=self.metrics.__setitem__,
            log_extra=self.extra.__setitem__,
            prompts=[],
            trainer_state=None,
        )


@pytest.fixture
def questions(data: Path) -> Questions:
    return load_questions(DataConfig(path=data), Prompt(template="{question}"))


@pytest.fixture
def score(service: SmallService, questions: Questions) -> Iterator[Score]:
    """Return a function that scores rows: `score(rows, max_failed_fraction=...)`."""
    with BackgroundLoop() as loop:

        def call(rows: Sequence[int] = ROWS, **settings: Any) -> Scored:
            given = {"recipe": "lengths", "url": service.url, "retry_wait_seconds": 0.0, **settings}
            config = RewardConfig.model_validate(given)
            scorer = Scorer(config, questions, loop)
            try:
                return Scored(RecipeReward(config, scorer, questions, list), rows)
            finally:
                scorer.close()

        yield call


def test_rewards_come_in_the_order_of_the_rows_one_request_per_group(
    service: SmallService, score: Score
) -> None:
    scored = score()
    assert scored.rewards == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert len(service.scored) == 2
    assert scored.metrics["failures/share"] == 0.0
    assert scored.metrics["groups/tied"] == 0.0
    assert scored.metrics["sources/even/reward"] == 2.0
    assert scored.metrics["sources/odd/reward"] == 5.0
    assert scored.extra["error"] == [""] * 6


def test_a_failed_group_up_to_the_allowed_share_is_none_and_counted(
    service: SmallService, score: Score
) -> None:
    service.broken_groups = frozenset({"1"})
    scored = score(max_failed_fraction=0.5)
    assert scored.rewards == [1.0, 2.0, 3.0, None, None, None]
    assert scored.metrics["failures/share"] == 0.5
    assert scored.metrics["failures/model_failed"] == 3.0
    assert scored.metrics["sources/odd/failures/share"] == 1.0
    assert "sources/odd/reward" not in scored.metrics
    assert scored.extra["error"][3:] == ["model_failed"] * 3


def test_failures_that_would_come_again_are_not_asked_for_again(service: SmallService, score: Score) -> None:
    service.broken_groups = frozenset({"0", "1"})
    with pytest.raises(RewardsMissingError, match=r"6 of 6 samples .* after 1 attempts \(6 model_failed"):
        score(max_failed_fraction=0.4, step_retries=3)
    assert len(service.scored) == 2


def test_a_service_that_refuses_for_a_while_is_asked_again_and_only_for_what_failed(
    service: SmallService, score: Score
) -> None:
    # Three refusals of a defect are three whole requests that failed; the client's patience is over at once.
    service.faults.extend([Fault.of(Code.INTERNAL)])
    scored = score(patience_seconds=0.001, concurrency=1, max_failed_fraction=0.1, step_retries=2)
    assert scored.rewards == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert scored.metrics["failures/retries"] == 1.0
    assert len(service.scored) == 3


def test_retries_come_to_an_end(service: SmallService, score: Score) -> None:
    service.faults.extend([Fault.of(Code.INTERNAL)] * 50)
    with pytest.raises(RewardsMissingError, match="after 3 attempts"):
        score(patience_seconds=0.001, max_failed_fraction=0.1, step_retries=2)


def test_a_service_with_certificates_of_its_own_is_reached_with_the_trainers(
    tmp_path: Path, score: Score
) -> None:
    certificates = make_certificates(tmp_path)
    encryption = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    encryption.load_cert_chain(certificates.issue("service"))
    encryption.verify_mode = ssl.CERT_REQUIRED
    with running_service(encryption) as encrypted:
        scored = score(url=encrypted.url, ca=certificates.ca, certificate=certificates.issue("trainer"))
    assert scored.rewards == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_certificates_that_are_none_are_an_error_before_anything_is_asked(
    tmp_path: Path, service: SmallService, score: Score
) -> None:
    (tmp_path / "no.pem").write_text("nothing", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"reward\.ca: cannot be used for TLS"):
        score(ca=tmp_path / "no.pem")
    with pytest.raises(ValidationError, match=r"reward\.certificate, which is missing"):
        score(key=tmp_path / "no.pem")
    with pytest.raises(ValidationError, match="ca"):
        score(ca=tmp_path / "absent.pem")
    assert service.seen == []


@pytest.mark.parametrize(
    ("rows", "runs"),
    [
        ([], []),
        ([3], [(0, 1)]),
        ([3, 3, 1, 1, 1], [(0, 2), (2, 5)]),
        ([1, 2, 1], [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_runs_are_equal_neighbours_whatever_part_of_a_group_they_are(
    rows: list[int], runs: list[tuple[int, int]]
) -> None:
    assert [(run.start, run.stop) for run in runs_of(rows)] == runs
