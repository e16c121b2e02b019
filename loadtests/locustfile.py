"""A trainer's traffic for Locust, against a service that stands anywhere.

    locust -f loadtests/locustfile.py --host https://rewards.example.org --headless -u 16 -t 60s Mixed

`Grpo` sends an image with its completions, `Mixed` requests of one to four items, a fifth of them for rules.
A refusal with a hint when to come back is obeyed and is no failure; every other answer without all rewards is
one. A run with a failure ends with exit code 1. The key is read from `VISREWARD_API_KEY`.
"""

import os
import random
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import gevent
from locust import FastHttpUser, between, constant, events, task
from locust.env import Environment

from loadtests.traffic import caption, encode_pairs, jpeg, rule_items

IMAGES = 64
"""Distinct images of `Mixed`."""


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Add what the service must be asked with."""
    parser.add_argument("--model", default="fgclip", help="name of the service's model")
    parser.add_argument("--group", type=int, default=8, help="completions an image, for Grpo")
    parser.add_argument("--deadline-ms", type=int, default=60_000, help="of every request")


@events.quitting.add_listener
def end_with_code(environment: Environment, **_: object) -> None:
    """Fail the run where a request failed."""
    environment.process_exit_code = 1 if environment.stats.total.num_failures else 0


@cache
def picture(number: int) -> tuple[str, bytes]:
    """Return an image with its digest."""
    data = jpeg(number)
    return sha256(data).hexdigest(), data


class Trainer(FastHttpUser):
    """Sends requests, and waits as long as a refusal asks."""

    abstract = True

    def on_start(self) -> None:
        key = os.environ.get("VISREWARD_API_KEY")
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        if key:
            self.headers = {**self.headers, "authorization": f"Bearer {key}"}
        self.dice = random.Random()

    def send(self, name: str, body: bytes) -> None:
        """Post a request until it is taken; what else than rewards comes back is a failure."""
        while True:
            with self.client.post(
                "/score", data=body, headers=self.headers, name=name, catch_response=True
            ) as answer:
                hint = answer.headers.get("retry-after") if answer.status_code in (429, 503) else None
                if hint is None:
                    self.judge(answer)
                    return
                answer.success()
            gevent.sleep(float(hint) + self.dice.random())

    def judge(self, answer: Any) -> None:
        """Mark an answer without all rewards as failed."""
        if answer.status_code != 200:
            answer.failure(f"status {answer.status_code}")
            return
        errors = [item["error"]["code"] for item in answer.json()["items"] if item["error"] is not None]
        if errors:
            answer.failure(f"an item failed: {errors[0]}")

    @property
    def options(self) -> Any:
        return self.environment.parsed_options

    def score_images(self, name: str, number: int, count: int) -> None:
        """Score so many completions of an image."""
        digest, data = picture(number)
        texts = [caption(self.dice) for _ in range(count)]
        pairs = [(digest, text) for text in texts]
        deadline_ms = self.options.deadline_ms
        self.send(name, encode_pairs(self.options.model, {digest: data}, pairs, deadline_ms=deadline_ms))


class Grpo(Trainer):
    """Groups on new images, one after the other without a pause."""

    wait_time = constant(0)

    @task
    def score_group(self) -> None:
        self.score_images("group", self.dice.randrange(10**9), self.options.group)


class Mixed(Trainer):
    """Small requests of many kinds."""

    wait_time = between(0.0, 0.05)

    @task(4)
    def score_few(self) -> None:
        self.score_images("1 to 4 items", self.dice.randrange(IMAGES), self.dice.randint(1, 4))

    @task(1)
    def score_rules(self) -> None:
        items = rule_items(self.dice.randrange(10**9), 4)
        self.send("4 items of rules", encode_rules("pebr-r1/stage2", items))


def encode_rules(recipe: str, items: list[dict[str, Any]]) -> bytes:
    """Return the body of a request that needs no model."""
    import orjson

    return orjson.dumps({"recipe": recipe, "items": items, "details": False})
