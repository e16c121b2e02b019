"""slime: `reward` for `--custom-rm-path`; the service's `POST /compat/slime` is for `--rm-url`.

slime calls it with one sample, or with a list: a group under `--group-rm`, or the fan-out of one rollout.
Its loss wants a plain number.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from visreward.adapters.labels import MARK, merge_labels
from visreward.adapters.messages import cut_end, read_text
from visreward.adapters.session import Session, open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 240.0


async def reward(args: Any, sample: Any, **options: Any) -> float | list[float]:
    """Return the reward of a sample, or the rewards of a list of samples in order; all finite.

    The recipe stands in the environment (`VISREWARD_RECIPE`) or in `args.visreward_recipe`. Images come from
    `multimodal_inputs`, or from the packed label, or from `metadata["visreward"]`, the last one first.
    """
    del options
    settings = {"recipe": getattr(args, "visreward_recipe", None)}
    session = open_session(read_settings(settings, patience_seconds=PATIENCE_SECONDS))
    if not isinstance(sample, list | tuple):
        item = await asyncio.to_thread(_read_sample, sample, session)
        return reward_of(await session.score_single(item))
    if not sample:
        return []
    items = await asyncio.to_thread(lambda: [_read_sample(one, session) for one in sample])
    is_group = bool(getattr(args, "group_rm", False))
    result = await asyncio.to_thread(session.score, items, whole_groups=is_group)
    return [reward_of(result, place) for place in range(len(items))]


def _read_sample(sample: Any, session: Session) -> dict[str, Any]:
    metadata = sample.metadata if isinstance(sample.metadata, Mapping) else {}
    item = merge_labels(sample.label, metadata)
    if "images" not in item:
        item["images"] = (sample.multimodal_inputs or {}).get("images")
    item["images"] = session.pictures.read(item["images"])
    item.setdefault("prompt", read_text(sample.prompt, "user") or "")
    if sample.group_index is not None:
        item.setdefault("group", str(sample.group_index))
    if metadata.get("source") is not None and MARK not in metadata:
        item.setdefault("source", str(metadata["source"]))
    return {
        **item,
        "completion": cut_end(sample.response),
        "completion_tokens": sample.response_length,
    }
