"""What TRL and transformers keep private and the seam touches: these fail when a new version renames it."""

import inspect

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def trl_trainer() -> type:
    from visreward_trainer.seam import PolicyTrainer

    found: type = PolicyTrainer.__mro__[1]
    return found


def source_of(name: str) -> str:
    return inspect.getsource(getattr(trl_trainer(), name))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_generate", ["self", "prompts"]),
        ("_generate_and_score_completions", ["self", "inputs"]),
        ("_save_checkpoint", ["self", "model", "trial"]),
        ("_load_from_checkpoint", ["self", "resume_from_checkpoint", "model"]),
    ],
)
def test_what_the_seam_overrides_takes_what_it_took(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(trl_trainer(), name)).parameters) == parameters


def test_weights_are_synchronised_once_per_step_before_the_rollout() -> None:
    generate = source_of("_generate")
    sync, roll_out = (
        generate.index("self.vllm_generation.sync_weights()"),
        generate.index("self.rollout_func("),
    )
    assert "self.state.global_step != self._last_loaded_step" in generate
    assert sync < roll_out


def test_the_vllm_flag_is_what_turns_the_correction_on() -> None:
    scored = source_of("_generate_and_score_completions")
    assert "self.use_vllm and self.vllm_importance_sampling_correction" in scored
    assert "sampling/sampling_logp_difference/mean" in scored


def test_the_reference_pass_comes_between_generation_and_reward() -> None:
    scored = source_of("_generate_and_score_completions")
    places = [
        scored.index(call) for call in ("self._generate(", "self.beta != 0.0", "self._calculate_rewards(")
    ]
    assert places == sorted(places)


def test_a_sample_without_a_reward_leaves_the_baseline() -> None:
    scored = source_of("_generate_and_score_completions")
    assert "torch.isnan(rewards_per_func).all(dim=1)" in scored
    assert "torch.nanmean(rewards.view(-1, num_generations), dim=1)" in scored
