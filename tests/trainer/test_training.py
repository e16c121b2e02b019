"""Whole runs of the tiny model: TRL itself, rewards over real sockets, completions from both kinds of
rollouts."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.small_service import SmallService
from tests.trainer import reward_service
from tests.trainer.conftest import MakeConfig, build_tables, read_metrics
from tests.trainer.reward_service import free_port
from tests.trainer.rollout_server import RolloutModel, serving_rollouts
from visreward import RewardError
from visreward_trainer.checkpoints import find_last
from visreward_trainer.config import TrainConfig
from visreward_trainer.errors import ConfigError, TrainerError
from visreward_trainer.run import train

pytestmark = pytest.mark.filterwarnings("ignore")

LORA = {"model.tuning": "lora", "lora.rank": 8, "rollouts.kind": "server", "rollouts.max_logp_difference": 0}


def test_a_run_trains_scores_every_group_once_and_saves_a_model(
    service: SmallService, make_config: MakeConfig, tiny_model: Path
) -> None:
    from safetensors.torch import load_file

    config = make_config(service.url, {"optim.kl": 0.01})
    final = train(config)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(final / "model.safetensors")
    assert sum(not before[name].equal(after[name]) for name in before) > len(before) // 2
    lines = read_metrics(config)
    assert [line["step"] for line in lines] == [1, 2]
    assert len(service.scored) == 2 * config.rollouts.prompts_per_rollout
    for seen in service.scored:
        items = seen.body["items"]
        assert len(items) == 4
        assert len({item["group"] for item in items}) == 1
        assert all(len(item["images"]) == 1 and item["completion_tokens"] <= 6 for item in items)
    for line in lines:
        assert line["failures/share"] == 0.0
        assert 0.0 <= line["scoring/overlap"] <= 1.0
        assert {"groups/tied", "kl", "scoring/seconds", "scoring/waited_seconds"} <= line.keys()
        assert any(name.startswith("sources/") and name.endswith("/reward") for name in line)


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(
    service: SmallService, make_config: MakeConfig, tmp_path: Path
) -> None:
    whole = make_config(service.url, {"optim.max_steps": 3, "output.folder": str(tmp_path / "whole")})
    train(whole)
    cut = make_config(service.url, {"optim.max_steps": 3, "output.folder": str(tmp_path / "cut")})

    class Killed(BaseException):
        """What a test has in the place of SIGKILL."""

    def kill_in_third_step(reward: Any) -> Any:
        calls = []

        def call(**given: Any) -> list[float | None]:
            calls.append(1)
            if len(calls) == 3:
                raise Killed
            found: list[float | None] = reward(**given)
            return found

        return call

    with pytest.raises(Killed):
        train(cut, arrange=kill_in_third_step)
    # A checkpoint that was being written does not count.
    (tmp_path / "cut" / "checkpoint-9").mkdir()
    assert find_last(tmp_path / "cut") == tmp_path / "cut" / "checkpoint-2"
    train(cut)
    first, second = read_metrics(whole), read_metrics(cut)
    assert [line["step"] for line in second] == [1, 2, 3]
    for name in ("loss", "grad_norm", "reward", "completions/mean_length"):
        assert [line[name] for line in first] == [line[name] for line in second], name


def test_a_run_does_not_go_on_with_other_settings(service: SmallService, make_config: MakeConfig) -> None:
    train(make_config(service.url, {"optim.max_steps": 1}))
    with pytest.raises(ConfigError, match=r"optim\.learning_rate"):
        train(make_config(service.url, {"optim.max_steps": 2, "optim.learning_rate": 1e-3}))


def test_a_reward_service_that_is_killed_and_comes_back_costs_no_step_and_no_sample(
    make_config: MakeConfig,
) -> None:
    port = free_port()
    config = make_config(f"http://127.0.0.1:{port}", {"optim.max_steps": 3})
    processes = [reward_service.start(port)]
    scored: list[int] = []

    def kill_and_start_again() -> None:
        lines = [processes[0].stdout.readline() for _ in range(3) if processes[0].stdout is not None]
        scored.append(len(lines) + len(reward_service.kill(processes[0])))
        processes.append(reward_service.start(port))

    watch = threading.Thread(target=kill_and_start_again)
    watch.start()
    try:
        train(config)
    finally:
        watch.join()
        scored.append(len(reward_service.kill(processes[1])))
    assert scored[0] >= 3
    assert scored[1] >= 2
    # Two groups a step: what was under way when the service died was asked for again.
    assert sum(scored) >= 6
    lines = read_metrics(config)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["failures/share"] == 0.0 and line["failures/retries"] == 0.0 for line in lines)


def test_a_poisoned_question_costs_its_own_group_alone_and_is_never_a_zero(
    service: SmallService, make_config: MakeConfig
) -> None:
    seen: list[list[float | None]] = []

    def keep(reward: Any) -> Any:
        def call(**given: Any) -> list[float | None]:
            seen.append(reward(**given))
            return seen[-1]

        return call

    service.broken_groups = frozenset({"3"})
    config = make_config(service.url, {"optim.max_steps": 4, "reward.max_failed_fraction": 0.5})
    train(config, arrange=keep)
    rewards = [reward for step in seen for reward in step]
    assert rewards.count(None) == 4
    lines = read_metrics(config)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert sum(line.get("failures/model_failed", 0.0) for line in lines) == 4.0
    assert all(line["grad_norm"] > 0 for line in lines)


def test_too_many_failures_stop_the_run_with_a_checkpoint_and_a_reason(
    service: SmallService, make_config: MakeConfig
) -> None:
    config = make_config(
        service.url, {"optim.max_steps": 3, "output.save_steps": 3, "reward.step_retries": 1}
    )

    def break_after_first(reward: Any) -> Any:
        def call(**given: Any) -> list[float | None]:
            found: list[float | None] = reward(**given)
            service.broken_groups = frozenset(str(row) for row in range(8))
            return found

        return call

    with pytest.raises(
        TrainerError, match=r"stopped at step 1: 8 of 8 samples .*8 model_failed.*goes on from step 1"
    ):
        train(config, arrange=break_after_first)
    assert find_last(config.output.folder) == config.output.folder / "checkpoint-1"
    service.broken_groups = frozenset()
    train(config)
    assert [line["step"] for line in read_metrics(config)] == [1, 2, 3]


def test_an_unknown_recipe_stops_the_run_before_it_starts(
    service: SmallService, make_config: MakeConfig
) -> None:
    with pytest.raises(RewardError):
        train(make_config(service.url, {"reward.recipe": "length"}))


def differences(config: Any) -> list[float]:
    return [line["sampling/sampling_logp_difference/mean"] for line in read_metrics(config)]


def test_the_rollout_server_draws_from_the_trainers_weights_and_one_that_is_never_told_does_not(
    service: SmallService, make_config: MakeConfig, tiny_model: Path, tmp_path: Path
) -> None:
    steps = {**LORA, "optim.max_steps": 4, "optim.learning_rate": 5e-2}
    with serving_rollouts(tiny_model) as server:
        told = make_config(service.url, {**steps, "rollouts.url": server.url})
        train(told)
        assert len(set(server.published)) == len(server.published) == 4
        assert len({request["model"] for request in server.requests}) == 4
        banned = server.requests[0]["logit_bias"]
        assert len(banned) >= 5
        assert len(server.adapters) == 1
    with serving_rollouts(tiny_model) as server:
        server.is_stuck = True
        untold = make_config(
            service.url, {**steps, "rollouts.url": server.url, "output.folder": str(tmp_path / "untold")}
        )
        train(untold)
    # The ban alone shifts every value by -ln(1 - 5/320): the trainer's softmax has the banned ids in it.
    assert max(differences(told)) < 0.03
    assert differences(untold)[0] < 0.03
    assert differences(untold)[-1] > 0.1


@pytest.fixture
def rollouts(tiny_model: Path) -> Any:
    with serving_rollouts(tiny_model) as server:
        yield server


def test_a_rollout_server_that_fails_and_forgets_is_waited_for_and_told_again(
    service: SmallService, make_config: MakeConfig, rollouts: RolloutModel
) -> None:
    rollouts.faults.extend([503, 500, 429])
    rollouts.num_restarts = 2
    config = make_config(service.url, {**LORA, "rollouts.url": rollouts.url, "optim.max_steps": 2})
    train(config)
    lines = read_metrics(config)
    assert [line["step"] for line in lines] == [1, 2]
    assert not rollouts.faults
    assert rollouts.num_restarts == 0
    # Loaded again under their own names, and never under one that was another version's.
    assert len(rollouts.published) > len(set(rollouts.published))
    assert len(set(rollouts.published)) == 2


def test_weights_that_are_not_the_trainers_stop_the_run(
    service: SmallService, make_config: MakeConfig, rollouts: RolloutModel
) -> None:
    rollouts.is_stuck = True
    settings = {**LORA, "rollouts.url": rollouts.url, "optim.max_steps": 6, "optim.learning_rate": 5e-2}
    with pytest.raises(TrainerError, match="log-probabilities differ"):
        train(make_config(service.url, {**settings, "rollouts.max_logp_difference": 0.1}))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"info": {"model_config": {"logprobs_mode": "raw_logprobs"}}}, "logprobs-mode raw_logprobs"),
        ({"info": {"model_config": {"logprobs_mode": "processed_logprobs"}}}, "takes no adapters"),
        ({"other_template": True}, "other ids of a prompt"),
    ],
)
def test_a_rollout_server_that_does_not_fit_is_refused_with_the_reason(
    service: SmallService,
    make_config: MakeConfig,
    rollouts: RolloutModel,
    fault: dict[str, Any],
    message: str,
) -> None:
    for name, value in fault.items():
        setattr(rollouts, name, value)
    with pytest.raises(TrainerError, match=message):
        train(make_config(service.url, {**LORA, "rollouts.url": rollouts.url}))


def test_what_a_killed_process_left_on_the_server_is_unloaded(
    service: SmallService, make_config: MakeConfig, rollouts: RolloutModel
) -> None:
    config = make_config(service.url, {**LORA, "rollouts.url": rollouts.url, "optim.max_steps": 1})
    train(config)
    left = list(rollouts.adapters)
    assert len(left) == 1
    run = json.loads((config.output.folder / "run.json").read_text(encoding="utf-8"))["id"]
    assert run in left[0]
    train(make_config(service.url, {**LORA, "rollouts.url": rollouts.url, "optim.max_steps": 2}))
    assert left[0] not in rollouts.adapters
    assert rollouts.published.count(left[0]) == 1


@pytest.mark.slow
def test_a_trainer_process_that_is_killed_goes_on_from_its_last_whole_step(
    service: SmallService, tiny_model: Path, data: Path, tmp_path: Path
) -> None:
    tables = build_tables(tiny_model, data, tmp_path / "run", service.url)
    tables["optim"]["max_steps"] = 6
    config = TrainConfig.model_validate(tables)
    settings = [f"--set={table}.{name}={value}" for table, of in tables.items() for name, value in of.items()]
    command = [
        sys.executable,
        "-m",
        "visreward",
        "train",
        *(text.replace("=False", "=false") for text in settings),
    ]
    first = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while not (tmp_path / "run" / "checkpoint-2" / "complete").exists():
            assert first.poll() is None
            time.sleep(0.01)
    finally:
        first.kill()
        first.wait()
    last = find_last(config.output.folder)
    assert last is not None
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"step {last.name.partition('-')[2]} of 6: begin" in done.stderr
    assert [line["step"] for line in read_metrics(config)] == [1, 2, 3, 4, 5, 6]
    assert (config.output.folder / "final" / "model.safetensors").is_file()
