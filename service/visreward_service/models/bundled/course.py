"""A training run from start to end: pool, batches, steps, figures, checkpoints, progress. It computes no loss."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tokenizers import Tokenizer

from visreward_service.models.bundled.batches import stream_batches
from visreward_service.models.bundled.evaluate import EVALUATION_SEED
from visreward_service.models.bundled.figures import measure
from visreward_service.models.bundled.folder import TOKENIZER, ModelFolder, write_weights
from visreward_service.models.bundled.learner import Learner
from visreward_service.models.bundled.pool import Pool, build_pool
from visreward_service.models.bundled.recipe import FIRST_TRAINING_SEED, Recipe
from visreward_service.models.bundled.tokenizer import END, START, save_tokenizer
from visreward_service.models.networks import FGClip, FGClipConfig
from visreward_service.scenes.samples import build_sample

CHECKPOINT = "checkpoint.pt"
NUM_WATCHED = 200
"""Scenes on which the figures are followed. They are not the scenes of the model card."""

WATCHED_SEED = EVALUATION_SEED + 500_000
WATCH_EVERY = 100


@dataclass(kw_only=True)
class Course:
    """One run of a recipe into a folder."""

    recipe: Recipe
    folder: Path
    threads: int
    minutes: float | None

    def run(self) -> bool:
        """Train to the end, or for the minutes given; whether the end was reached."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(self.recipe.seed)
        self.console = Console(stderr=True)
        self.started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / TOKENIZER).exists():
            save_tokenizer(self.folder)
        self.tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER))
        end = self.tokenizer.token_to_id(END)
        self.config = self.recipe.config(
            vocabulary=self.tokenizer.get_vocab_size(), start=self.tokenizer.token_to_id(START), end=end
        )
        learner = Learner(model=FGClip(FGClipConfig.from_dict(self.config)), recipe=self.recipe)
        first = self.resume(learner)
        self.watched = [build_sample(WATCHED_SEED + i) for i in range(NUM_WATCHED)]
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            pool = self.render(progress)
            return self.train(progress, learner, pool, first, end)

    def render(self, progress: Progress) -> Pool:
        task = progress.add_task("rendering scenes", total=self.recipe.num_scenes)
        return build_pool(
            self.recipe.num_scenes,
            first_seed=FIRST_TRAINING_SEED,
            size=self.recipe.image_size,
            on_progress=lambda done: progress.update(task, completed=done),
        )

    def train(self, progress: Progress, learner: Learner, pool: Pool, first: int, end: int) -> bool:
        task = progress.add_task("training", total=self.recipe.steps, completed=first)
        plans = self.recipe.plans(pool)
        batches = stream_batches(
            pool.scenes, plans, self.tokenizer, end=end, seed=self.recipe.seed, first_step=first
        )
        for step, batch in enumerate(batches, start=first):
            losses = learner.step(step, batch, pool.pixels[batch.scenes])
            progress.update(task, advance=1)
            done = step + 1
            if done % WATCH_EVERY == 0 or done == self.recipe.steps or self.is_over():
                self.report(learner, done, losses)
                if done < self.recipe.steps and self.is_over():
                    batches.close()
                    return False
        return True

    def is_over(self) -> bool:
        return self.minutes is not None and time.monotonic() - self.started >= 60 * self.minutes

    def report(self, learner: Learner, done: int, losses: dict[str, float]) -> None:
        """Save, measure, print."""
        learner.model.eval()
        preprocessor = self.recipe.preprocessor_config()
        write_weights(self.folder, learner.model, self.config, preprocessor)
        state = {"recipe": asdict(self.recipe), "done": done, "model": learner.model.state_dict()}
        torch.save({**state, "optimiser": learner.optimiser.state_dict()}, self.folder / CHECKPOINT)
        figures = measure(
            ModelFolder(model=learner.model, tokenizer=self.tokenizer, preprocessor=preprocessor),
            self.watched,
        )
        learner.model.train()
        seconds = round(time.monotonic() - self.started)
        rounded = {name: round(loss, 3) for name, loss in losses.items()}
        self.console.log(
            json.dumps({"step": done, "seconds": seconds, **figures.to_json(), "losses": rounded})
        )

    def resume(self, learner: Learner) -> int:
        """Take up the folder's checkpoint; the step to go on with."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{path} is of another recipe: {state['recipe']}")
        learner.model.load_state_dict(state["model"])
        learner.optimiser.load_state_dict(state["optimiser"])
        return int(state["done"])
