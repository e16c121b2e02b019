"""A training run from start to end: pool, batches, steps, figures, checkpoints, progress. It computes no
loss.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tokenizers import Tokenizer

from visreward_service.models.bundled.batches import build_batch
from visreward_service.models.bundled.evaluate import EVALUATION_SEED
from visreward_service.models.bundled.figures import measure
from visreward_service.models.bundled.folder import TOKENIZER, ModelFolder, write_model
from visreward_service.models.bundled.learner import Learner
from visreward_service.models.bundled.pool import Pool, build_pool
from visreward_service.models.bundled.positions import add_sines
from visreward_service.models.bundled.recipe import FIRST_TRAINING_SEED, Recipe
from visreward_service.models.bundled.tokenizer import END, START, save_tokenizer
from visreward_service.models.networks import FGClip, FGClipConfig
from visreward_service.scenes.samples import build_sample

CHECKPOINT = "checkpoint.pt"
WATCHED_SEED = EVALUATION_SEED + 500_000
"""Of the scenes on which the figures are followed. They are neither trained on nor those of the model
card.
"""


@dataclass(kw_only=True)
class Course:
    """One run of a recipe into a folder."""

    recipe: Recipe
    folder: Path
    processes: int = 2
    minutes: float | None = None
    "Stop after so long; the next run goes on from there."
    watch_every: int = 250
    "Steps between two checkpoints, each with figures."
    num_watched: int = 150
    console: Console = field(default_factory=lambda: Console(stderr=True))
    started: float = field(default_factory=time.monotonic)

    def run(self) -> bool:
        """Train to the end, or for the minutes given; whether the end was reached."""
        torch.set_num_threads(1)
        torch.manual_seed(self.recipe.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        tokenizer = self.take_tokenizer()
        start, end = (special_id(tokenizer, token) for token in (START, END))
        config = self.recipe.config(vocabulary=tokenizer.get_vocab_size(), start=start, end=end)
        model = FGClip(FGClipConfig.from_dict(config))
        add_sines(model)
        learner = Learner(model=model, recipe=self.recipe, num_processes=self.processes)
        with build_progress(self.console) as progress:
            taken = Taken(
                config=config,
                tokenizer=tokenizer,
                learner=learner,
                first=self.resume(learner),
                pool=self.render(progress),
            )
            return self.train(taken, progress)

    def take_tokenizer(self) -> Tokenizer:
        """The folder's tokenizer, built first where there is none."""
        if not (self.folder / TOKENIZER).exists():
            save_tokenizer(self.folder)
        return Tokenizer.from_file(str(self.folder / TOKENIZER))

    def render(self, progress: Progress) -> Pool:
        task = progress.add_task("rendering scenes", total=self.recipe.num_scenes)
        return build_pool(
            self.recipe.num_scenes,
            first_seed=FIRST_TRAINING_SEED,
            size=self.recipe.image_size,
            processes=self.processes,
            on_progress=lambda done: progress.update(task, completed=done),
        )

    def train(self, taken: "Taken", progress: Progress) -> bool:
        task = progress.add_task("training", total=self.recipe.steps, completed=taken.first)
        for rank in range(1, self.processes):
            spawn = taken.learner.exchange.context.Process
            spawn(target=self.follow, args=(rank, taken), daemon=True).start()
        return self.lead(taken, progress, task)

    def lead(self, taken: "Taken", progress: Progress, task: TaskID) -> bool:
        """The first process: as the others, and it reports."""
        for done, losses in enumerate(self.steps(taken), start=taken.first + 1):
            progress.update(task, advance=1)
            at_end, over = done == self.recipe.steps, self.is_over()
            if done % self.watch_every == 0 or at_end or over:
                self.report(taken, done, losses)
            if over and not at_end:
                return False
        return True

    def follow(self, rank: int, taken: "Taken") -> None:
        """The life of every process but the first, with its own copy of everything."""
        taken.learner.rank = rank
        for _ in self.steps(taken):
            pass

    def steps(self, taken: "Taken") -> Iterator[dict[str, float]]:
        """Train from the first step on; the losses of each."""
        learner, pool = taken.learner, taken.pool
        end = learner.model.config.eos_token_id
        for step, plan in enumerate(self.recipe.plans()[taken.first :], start=taken.first):
            seed = (self.recipe.seed * 1_000_003 + step) * self.processes + learner.rank
            batch = build_batch(pool.scenes, plan, taken.tokenizer, end=end, seed=seed)
            yield learner.step(step, batch, pool.pixels[batch.scenes])

    def is_over(self) -> bool:
        return self.minutes is not None and time.monotonic() - self.started >= 60 * self.minutes

    def report(self, taken: "Taken", done: int, losses: dict[str, float]) -> None:
        """Save, measure, print."""
        learner, preprocessor = taken.learner, self.recipe.preprocessor_config()
        write_model(self.folder, learner.model, taken.config, preprocessor)
        state = {"recipe": asdict(self.recipe), "done": done}
        torch.save(state | learner.state(), self.folder / CHECKPOINT)
        learner.model.eval()
        folder = ModelFolder(model=learner.model, tokenizer=taken.tokenizer, preprocessor=preprocessor)
        figures = measure(folder, [build_sample(WATCHED_SEED + i) for i in range(self.num_watched)])
        learner.model.train()
        seconds = round(time.monotonic() - self.started)
        rounded = {name: round(loss, 3) for name, loss in losses.items()}
        line = {"step": done, "seconds": seconds, **figures.to_json(), "losses": rounded}
        self.console.print(json.dumps(line), soft_wrap=True, highlight=False)

    def resume(self, learner: Learner) -> int:
        """Take up the folder's checkpoint; the step to go on with."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{path} is of another recipe: {state['recipe']}")
        learner.load(state)
        return int(state["done"])


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the steps of a run work on."""

    config: dict[str, object]
    tokenizer: Tokenizer
    learner: Learner
    first: int
    pool: Pool


def build_progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def special_id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no token {token}")
    return number
