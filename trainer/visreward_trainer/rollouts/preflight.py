"""What a rollout server must be before the first step; everything wrong is said at the start, with the
remedy."""

from typing import Any

from visreward_trainer.config import TrainConfig
from visreward_trainer.errors import RolloutError
from visreward_trainer.rollouts.server import RefusedError, RolloutServer

START = (
    "VLLM_SERVER_DEV_MODE=1 VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve MODEL "
    "--logprobs-mode processed_logprobs --enable-lora --max-lora-rank RANK --max-loras 2"
)


async def find_model(server: RolloutServer, name: str | None) -> str:
    """Return the name of the model that the server offers; raise `RolloutError` where `name` is not
    offered."""
    offered = [str(model["id"]) for model in (await server.get("/v1/models"))["data"]]
    if name is None and offered:
        return offered[0]
    if name not in offered:
        raise RolloutError(f"the rollout server has no model {name}; it has {', '.join(offered) or 'none'}")
    return name


async def check_server(server: RolloutServer, config: TrainConfig) -> None:
    """Raise `RolloutError` where the server could not serve this run.

    Without processed log-probabilities the importance weights are of another distribution; without room for
    the adapter there is nothing to sample from.
    """
    try:
        info = await server.get("/server_info?config_format=json")
    except RefusedError as error:
        raise RolloutError(
            f"the rollout server does not say how it was started ({error}). Use: {START}"
        ) from error
    found = info.get("vllm_config", info) if isinstance(info, dict) else {}
    mode = (found.get("model_config") or {}).get("logprobs_mode")
    if mode != "processed_logprobs":
        raise RolloutError(f"the rollout server has --logprobs-mode {mode}. Use: {START}")
    check_lora(found.get("lora_config"), config.lora.rank)


def check_lora(lora: Any, rank: int) -> None:
    if not isinstance(lora, dict):
        raise RolloutError(f"the rollout server takes no adapters. Use: {START}")
    room = lora.get("max_lora_rank")
    if isinstance(room, int) and room < rank:
        raise RolloutError(f"the rollout server takes adapters up to rank {room}; lora.rank is {rank}")
