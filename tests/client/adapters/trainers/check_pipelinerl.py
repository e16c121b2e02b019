# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""PipelineRL: the function by which its actors ask a verifier, against our path."""

import asyncio

import aiohttp
from material import DEAD, SLOW, URL, register_bare

register_bare("pipelinerl", "pipelinerl.domains", "pipelinerl.domains.math")
from pipelinerl.domains.math.verifier_api import verify_answer_rpc  # noqa: E402

ANSWERS = {
    "correct": (r"So \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    "wrong": (r"So \boxed{3}", "4"),
    "no_answer": ("Four.", "4"),
    "unparsable": (r"So \boxed{4", "4"),
}


async def verify(prediction: str, gold: str, url: str = URL) -> str:
    host, _, port = url.removeprefix("http://").rpartition(":")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        return await verify_answer_rpc(session, host, int(port), prediction=prediction, gold=gold)


async def main() -> None:
    for status, (prediction, gold) in ANSWERS.items():
        found = await verify(prediction, gold)
        assert found == status, (status, found)
        print(f"pipelinerl: {found}")
    broken = r"\boxed{4}", "\ud800"
    for name, given in (
        ("poisoned", (*broken, URL)),
        ("dead service", (r"\boxed{4}", "4", DEAD)),
        ("slow service", (r"\boxed{4}", "4", SLOW)),
    ):
        try:
            found = await verify(*given)
        except (ValueError, aiohttp.ClientError, TimeoutError) as error:
            print(f"{name}: {type(error).__name__}")
        else:
            raise SystemExit(f"{name}: {found} in the place of an error")


asyncio.run(main())
