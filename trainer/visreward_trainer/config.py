"""What a run is told: typed tables, each field with its meaning.

It owns names, types, ranges and what fits together. Reading files and the command line is `config_file`'s,
and what becomes of the values is everybody else's.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, model_validator

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

LANGUAGE_MODEL = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Linear layers of the language model alone: plain names would match the vision tower's too, which vLLM's
adapters leave out."""


class Table(BaseModel):
    """A table of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Table):
    """The policy."""

    path: str
    """A folder, or a name on the model hub."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "bfloat16"
    tuning: Literal["full", "lora"] = "full"
    freeze_vision: bool = False
    """Full tuning alone: leave vision tower and projector as they are. LoRA never touches them."""
    min_pixels: Count | None = None
    max_pixels: Count | None = None
    """Smallest and largest image that the policy sees, for processors that know such bounds (Qwen-VL's). A
    rollout server must be started with the same ones."""


class LoraConfig(Table):
    """The adapter, for `model.tuning = "lora"`."""

    rank: Literal[1, 8, 16, 32, 64, 128, 256] = 32
    """One of vLLM's ranks."""
    alpha: Count = 64
    dropout: Share = 0.0
    target_modules: str = LANGUAGE_MODEL
    """A regular expression over module names. Every match must lie in the language model."""


class DataConfig(Table):
    """The questions."""

    path: Path
    """A folder saved by Hugging Face datasets, or a JSON, JSONL or parquet file."""
    split: str | None = None
    """For a folder with several splits."""
    image_folder: Path | None = None
    """Where relative image paths start; the data file's own folder where None."""
    max_rows: Count | None = None
    id: str = "id"
    question: str = "question"
    images: str = "images"
    """A column of paths or images, one or a list per row. `image` is taken where this one is absent."""
    source: str = "source"
    """A column that names the data set of each row. Absent, every row's is the file's name."""
    reference: dict[str, str] = {"answer": "answer", "key_words": "key_words"}
    """Fields of the reward's reference, and the columns that they come from. A column that the data lacks is
    left out."""


class PromptConfig(Table):
    """How a question is asked."""

    template: str | None = None
    """`pebr-r1`, `question` (the question alone), or a file with `{question}` in it. None takes the one that
    belongs to the recipe, else the question alone."""
    system: str | None = None


class RewardConfig(Table):
    """The service and what is asked of it."""

    recipe: str
    url: str = "http://127.0.0.1:8000"
    """Its key, where it asks for one, comes from `VISREWARD_API_KEY`: no secret stands in a config."""
    ca: FilePath | None = None
    """Roots in PEM, for `https://` and `grpcs://` with certificates of one's own."""
    certificate: FilePath | None = None
    """The trainer's own certificate in PEM, for a service that asks for one."""
    key: FilePath | None = None
    """The certificate's private key in PEM; None where it stands in the same file."""
    concurrency: Count = 16
    """Requests in flight, one for each group."""
    timeout_seconds: Positive = 120.0
    """Of one attempt."""
    patience_seconds: Positive = 900.0
    """How long a group's request is tried again while the service is away or full."""
    max_failed_fraction: Share = 0.1
    """Of a batch's samples. Up to it they are left out of the step; above it the batch is scored again."""
    step_retries: Annotated[int, Field(ge=0)] = 3
    """How often a batch above that is scored again before the run stops with a checkpoint."""
    retry_wait_seconds: NotNegative = 10.0
    """Before each of these."""
    pass_part: str = "accuracy"  # noqa: S105 - the name of a part
    """The part whose value 1 counts as a pass, for the pass rate."""

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("reward.key is the private key of reward.certificate, which is missing")
        return self


class RolloutConfig(Table):
    """Where completions come from, and how they are drawn."""

    kind: Literal["local", "server"] = "local"
    """`local`: transformers in the trainer's process. `server`: vLLM, or what speaks its API."""
    sync: Literal["lora", "nccl"] = "lora"
    """How a server gets the trainer's weights: an adapter per step over HTTP and a shared folder, or TRL's
    own transfer of all weights between GPUs."""
    url: str | None = None
    model: str | None = None
    """The name under which the server has the model; the server's first one where None."""
    adapter_folder: Path | None = None
    """Where adapters are published, on a file system that the server sees; `<output.folder>/adapters` where
    None."""
    concurrency: Count = 64
    timeout_seconds: Positive = 600.0
    """Of one request."""
    patience_seconds: Positive = 1800.0
    """How long a request is tried again while the server is away, full or out of memory."""
    groups_at_once: Count = 8
    """Local rollouts alone: groups in one call of `generate`; each is scored while the next one is
    generated."""
    generations: Annotated[int, Field(ge=2)] = 8
    """Completions of one prompt: the size of a group."""
    temperature: Positive = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_prompt_tokens: Count = 2048
    """Longer prompts, images included, are left out of the data."""
    max_completion_tokens: Count = 2048
    prompts_per_rollout: Count = 64
    """Prompts that are answered before the policy is trained on them, over all processes."""
    max_logp_difference: NotNegative = 0.5
    """The run stops where the mean difference between the server's and the trainer's log-probabilities is
    above it: the server then has other weights. 0 never stops."""


class OptimConfig(Table):
    """The update."""

    learning_rate: Positive = 1e-6
    weight_decay: NotNegative = 0.01
    max_grad_norm: Positive = 1.0
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    epochs: Positive = 1.0
    max_steps: Count | None = None
    """Optimizer steps; beats `epochs`."""
    prompts_per_update: Count = 64
    """Prompts of one optimizer step, over all processes; divides `rollouts.prompts_per_rollout`."""
    sequences_per_device: Count = 4
    """Completions of one forward and backward pass."""
    kl: NotNegative = 0.0
    """Weight of the KL term against the start model (the k3 estimator), in the loss."""
    clip_low: Positive = 0.2
    clip_high: Positive = 0.2
    dual_clip: Positive | None = None
    """Upper bound of the ratio where the advantage is negative."""
    loss: Literal["dapo", "grpo", "bnpo", "dr_grpo"] = "dapo"
    """How token losses are averaged; `dapo`: over all tokens of the update."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    gradient_checkpointing: bool = True
    seed: int = 1


class OutputConfig(Table):
    """What is written, and where."""

    folder: Path
    save_steps: Count = 50
    """Optimizer steps between checkpoints; a multiple of the steps of one rollout."""
    keep_checkpoints: Count = 3
    log_steps: Count = 1
    tensorboard: bool | None = None
    """None: where TensorBoard is installed."""
    wandb: bool | None = None
    """None: where W&B is installed and the environment asks for it."""
    show_completions: Annotated[int, Field(ge=0)] = 0
    """Completions printed at each log."""


class TrainConfig(Table):
    """A whole run."""

    model: ModelConfig
    lora: LoraConfig = LoraConfig()
    data: DataConfig
    prompt: PromptConfig = PromptConfig()
    reward: RewardConfig
    rollouts: RolloutConfig = RolloutConfig()
    optim: OptimConfig = OptimConfig()
    output: OutputConfig

    @property
    def updates_per_rollout(self) -> int:
        return self.rollouts.prompts_per_rollout // self.optim.prompts_per_update

    @property
    def syncs_adapters(self) -> bool:
        """Whether completions come from a server that is given adapters."""
        return self.rollouts.kind == "server" and self.rollouts.sync == "lora"

    @property
    def adapter_folder(self) -> Path:
        return self.rollouts.adapter_folder or self.output.folder / "adapters"

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        rollouts, optim = self.rollouts, self.optim
        if rollouts.prompts_per_rollout % optim.prompts_per_update:
            raise ValueError(
                f"optim.prompts_per_update ({optim.prompts_per_update}) does not divide "
                f"rollouts.prompts_per_rollout ({rollouts.prompts_per_rollout})"
            )
        if self.output.save_steps % self.updates_per_rollout:
            raise ValueError(
                f"output.save_steps ({self.output.save_steps}) is no multiple of the "
                f"{self.updates_per_rollout} updates of one rollout; a checkpoint in between could not be "
                "resumed with the same samples"
            )
        if rollouts.kind == "server" and rollouts.url is None:
            raise ValueError("rollouts.kind is server, and rollouts.url is missing")
        if self.syncs_adapters and self.model.tuning != "lora":
            raise ValueError(
                "rollouts.sync is lora, and model.tuning is full: a server gets all weights with "
                'rollouts.sync = "nccl" alone'
            )
        if rollouts.kind == "server" and rollouts.sync == "nccl" and self.model.tuning != "full":
            raise ValueError('rollouts.sync = "nccl" transfers all weights; use model.tuning = "full"')
        if optim.dual_clip is not None and optim.dual_clip <= 1 + optim.clip_high:
            raise ValueError("optim.dual_clip must be above 1 + optim.clip_high")
        return self
