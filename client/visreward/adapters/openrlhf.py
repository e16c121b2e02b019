"""OpenRLHF: `reward_func` for `--reward.remote_url FILE.py`; the other way is `POST /compat/openrlhf`.

OpenRLHF hands over one sample at a time: prompt and completion decoded together with special tokens, the
prompt, and the label. No image comes along, so its digest travels in the label.
"""

import os
from collections.abc import Sequence
from typing import Any

from visreward.adapters.columns import to_columns
from visreward.adapters.labels import read_label
from visreward.adapters.messages import cut_completion
from visreward.adapters.session import open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 240.0
ASSISTANT_VARIABLE = "VISREWARD_ASSISTANT_MARK"
"""What stands before a completion in a chat template that is not among the known ones."""


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """Return `rewards`, `scores` and `extra_logs` of one sample, as scalars.

    The recipe and the service stand in the environment: `VISREWARD_RECIPE`, `VISREWARD_URL`,
    `VISREWARD_ON_ITEM_ERROR`. OpenRLHF calls from threads; calls made together share a request.
    """
    if not len(queries) == len(prompts) == len(labels) == 1:
        raise ValueError(
            f"OpenRLHF sends one sample at a time, not {len(queries)}, {len(prompts)} and {len(labels)}"
        )
    session = open_session(read_settings({}, patience_seconds=PATIENCE_SECONDS))
    completion = cut_completion(queries[0], prompts[0], os.environ.get(ASSISTANT_VARIABLE))
    result = session.submit({**read_label(labels[0]), "completion": completion}).result()
    reward = reward_of(result)
    logs = to_columns(result.items[0], session.facts().parts)
    return {"rewards": reward, "scores": reward, "extra_logs": logs}
