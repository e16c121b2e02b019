"""AReaL: a reward function for its workflows, which it runs in a pool of processes.

AReaL calls it once per sample, pickles it with the row for every call, and turns a call that runs into its
time limit (15 seconds unless `timeout_seconds` says otherwise, waiting for a process included) into 0. The
adapter raises before that. Calls come from separate processes, so only the service can batch them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from visreward.adapters.messages import cut_end
from visreward.adapters.rows import check_columns, read_row
from visreward.adapters.session import open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 10.0


class ArealReward:
    """A reward function: `RLVRWorkflow(reward_fn=ArealReward(recipe="..."), ...)`.

    Parameters are those of `TrlReward`.

    It holds settings and no connection, and so survives pickling.
    """

    def __init__(
        self,
        recipe: str | None = None,
        *,
        columns: Mapping[str, str | None] | None = None,
        **settings: Any,
    ) -> None:
        given = {"recipe": recipe, "gather_ms": 0.0, **settings}
        self._settings = read_settings(given, patience_seconds=PATIENCE_SECONDS)
        self._columns = check_columns(columns)

    def __call__(
        self,
        prompt: str | None,
        completions: str,
        prompt_ids: Sequence[int] | None = None,
        completion_ids: Sequence[int] | None = None,
        **row: Any,
    ) -> float:
        """Return the reward of one completion, finite; raise RewardError where there is none."""
        del prompt_ids
        session = open_session(self._settings)
        item = read_row(row, self._columns, session.pictures)
        if isinstance(prompt, str):
            item.setdefault("prompt", prompt)
        if completion_ids is not None:
            item["completion_tokens"] = len(completion_ids)
        result = session.score([{**item, "completion": cut_end(completions)}], whole_groups=False)
        return reward_of(result)
