"""NeMo-RL: an environment whose rewards come from the service.

    from visreward.adapters.nemo_rl import register; register()

NeMo-RL hands over batches of message logs, cut down to role and content: no image and no token. Their
metadata is ours to fill. `RewardEnvironment` has the methods; `VisrewardEnvironment`, made when it is first
asked for, is the Ray actor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from visreward.adapters.labels import merge_labels
from visreward.adapters.messages import cut_end, read_text
from visreward.adapters.session import Session, open_session, reward_of
from visreward.adapters.settings import NAMES, read_settings

PATIENCE_SECONDS = 1500.0
ENVIRONMENT = "visreward.adapters.nemo_rl.VisrewardEnvironment"


def register(name: str = "visreward") -> None:
    """Make the environment known to NeMo-RL under a name: once in a process, before its data is set up.

    NeMo-RL wants to know of an actor's class in which Python it runs; ours runs in the driver's own.
    """
    from nemo_rl.distributed.ray_actor_environment_registry import (  # type: ignore[import-not-found]
        ACTOR_ENVIRONMENT_REGISTRY,
    )
    from nemo_rl.distributed.virtual_cluster import PY_EXECUTABLES  # type: ignore[import-not-found]
    from nemo_rl.environments.utils import register_env  # type: ignore[import-not-found]

    ACTOR_ENVIRONMENT_REGISTRY[ENVIRONMENT] = PY_EXECUTABLES.SYSTEM
    register_env(name, ENVIRONMENT)


class RewardEnvironment:
    """The methods of NeMo-RL's `EnvironmentInterface`, without its package."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Take the environment's configuration; of its keys those of `RewardSettings` are read."""
        given = {name: value for name, value in (config or {}).items() if name in NAMES}
        self._settings = read_settings(given, patience_seconds=PATIENCE_SECONDS)

    def score(
        self, message_log_batch: Sequence[Sequence[Mapping[str, Any]]], metadata: Sequence[Any]
    ) -> list[float]:
        """Return a finite reward for each conversation; raise RewardError where there is none."""
        if len(message_log_batch) != len(metadata):
            raise ValueError(f"{len(message_log_batch)} conversations came with {len(metadata)} metadata")
        if not message_log_batch:
            return []
        session = open_session(self._settings)
        items = [_read_log(log, one, session) for log, one in zip(message_log_batch, metadata)]
        result = session.score(items, whole_groups=False)
        return [reward_of(result, place) for place in range(len(items))]

    def step(self, message_log_batch: Sequence[Any], metadata: Sequence[Any]) -> Any:
        """Return NeMo-RL's `EnvironmentReturn`, every episode ended."""
        import torch
        from nemo_rl.environments.interfaces import EnvironmentReturn  # type: ignore[import-not-found]

        rewards = self.score(message_log_batch, metadata)
        return EnvironmentReturn(
            observations=[{"role": "environment", "content": ""} for _ in rewards],
            metadata=list(metadata),
            next_stop_strings=[None] * len(rewards),
            rewards=torch.tensor(rewards, dtype=torch.float32),
            terminateds=torch.ones(len(rewards)),
            answers=None,
        )

    def global_post_process_and_metrics(self, batch: Any) -> tuple[Any, dict[str, float]]:
        """Return the batch as it came, and the mean reward of it."""
        return batch, {"reward": float(batch["rewards"].mean())}

    def shutdown(self) -> None:
        """Nothing to do: a session ends with its process."""


def _read_log(log: Sequence[Mapping[str, Any]], metadata: Any, session: Session) -> dict[str, Any]:
    """Return an item of a conversation; metadata is a packed label or a mapping with one."""
    details = metadata if isinstance(metadata, Mapping) else {}
    item = merge_labels(details.get("ground_truth") if details else metadata, details)
    item["images"] = session.pictures.read(item.get("images"))
    item.setdefault("prompt", read_text(list(log), "user") or "")
    said = [message for message in log if message.get("role") == "assistant"]
    return {**item, "completion": cut_end(read_text(said, "assistant") or "")}


def __getattr__(name: str) -> Any:
    """Make the actor where it is asked for: only there NeMo-RL and Ray are installed."""
    if name != "VisrewardEnvironment":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import ray
    from nemo_rl.environments.interfaces import EnvironmentInterface

    kind = type("VisrewardEnvironment", (RewardEnvironment, EnvironmentInterface), {"__module__": __name__})
    actor = ray.remote(max_restarts=-1, max_task_retries=-1)(kind)
    globals()[name] = actor
    return actor
