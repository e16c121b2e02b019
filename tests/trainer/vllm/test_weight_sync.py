"""Runs whose completions a real vLLM draws: it has the trainer's weights at every step, and the trainer finds
out when it has not."""

from pathlib import Path

import pytest

from tests.client.small_service import SmallService
from tests.trainer.conftest import MakeConfig, read_metrics
from tests.trainer.vllm.engine import MAX_LORA_RANK, Vllm
from tests.trainer.vllm.relay import COMPLETIONS, Relay, relaying
from visreward_trainer.config import TrainConfig
from visreward_trainer.errors import TrainerError
from visreward_trainer.run import train

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]

RUN = {
    "model.tuning": "lora",
    "lora.rank": MAX_LORA_RANK,
    "rollouts.kind": "server",
    "rollouts.sync": "lora",
    "rollouts.max_logp_difference": 0,
    "optim.learning_rate": 5e-2,
}


def differences(config: TrainConfig) -> list[float]:
    """Return each step's mean |log-probability of the trainer - that of vLLM|."""
    return [line["sampling/sampling_logp_difference/mean"] for line in read_metrics(config)]


def test_vllm_draws_from_the_trainers_weights_and_one_that_is_never_told_does_not(
    service: SmallService, make_config: MakeConfig, vllm: Vllm, tmp_path: Path
) -> None:
    found: dict[str, list[float]] = {}
    for name in ("told", "untold"):
        settings = {**RUN, "optim.max_steps": 5, "output.folder": str(tmp_path / name)}
        with relaying(vllm.url) as relay:
            relay.never_publishes = name == "untold"
            config = make_config(service.url, {**settings, "rollouts.url": relay.url})
            train(config)
        assert len(set(relay.loaded)) == len(relay.loaded) == 5
        assert {status for _, status in relay.statuses} == {200}
        assert [name for name in vllm.loaded() if name in relay.loaded] == relay.loaded[-1:]
        found[name] = differences(config)
    print(found)
    # The ban alone shifts every value by -ln(1 - 5/320): the trainer's softmax has the banned ids in it.
    assert max(found["told"]) < 0.03
    assert found["untold"][0] < 0.03
    assert found["untold"][-1] > 0.1
    assert service.scored


def test_a_vllm_that_forgets_its_adapter_is_given_it_again(
    service: SmallService, make_config: MakeConfig, relay: Relay
) -> None:
    relay.num_forgets = 2
    config = make_config(service.url, {**RUN, "rollouts.url": relay.url, "optim.max_steps": 2})
    train(config)
    assert (COMPLETIONS, 404) in relay.statuses
    assert len(relay.loaded) > len(set(relay.loaded)) == 2
    assert max(differences(config)) < 0.03


def test_what_a_killed_process_left_on_vllm_is_unloaded(
    service: SmallService, make_config: MakeConfig, relay: Relay, vllm: Vllm
) -> None:
    for max_steps in (1, 2):
        train(make_config(service.url, {**RUN, "rollouts.url": relay.url, "optim.max_steps": max_steps}))
    left, current = relay.loaded
    assert current in vllm.loaded()
    assert left not in vllm.loaded()


def test_an_adapter_that_is_too_large_for_vllm_is_refused_before_the_first_step(
    service: SmallService, make_config: MakeConfig, relay: Relay
) -> None:
    settings = {**RUN, "lora.rank": 2 * MAX_LORA_RANK, "rollouts.url": relay.url}
    with pytest.raises(TrainerError, match=f"adapters up to rank {MAX_LORA_RANK}; lora.rank is 16"):
        train(make_config(service.url, settings))
    assert relay.loaded == []


def test_weights_that_are_not_the_trainers_stop_the_run(
    service: SmallService, make_config: MakeConfig, relay: Relay
) -> None:
    relay.never_publishes = True
    settings = {**RUN, "rollouts.url": relay.url, "optim.max_steps": 6, "rollouts.max_logp_difference": 0.1}
    with pytest.raises(TrainerError, match="log-probabilities differ"):
        train(make_config(service.url, settings))
