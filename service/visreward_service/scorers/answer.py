"""The `answer` scorer: a piece of the completion against the gold answer, by a kind of comparison.

It decides what is compared and what a missing answer means; the kinds in `answers` know how to compare.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from visreward.protocol import Code
from visreward_service.scorers import answers, extraction
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.math import Grader, Wrap
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict
from visreward_service.scorers.base import Catalog, Fault, Params, RuleCall, Score, Scorer, Subject, Work

KindName = Literal["math"]

MAX_SHOWN_CHARS = 200
"""Length to which texts are cut in an item's details."""
MAX_REMEMBERED_CHARS = 512
REMEMBERED = 65_536


class AnswerParams(Params):
    """What is compared and how. An option that the kind does not know is refused."""

    text: str = "completion"
    """The piece that holds the answer."""
    extract: extraction.Method = "whole"
    """How to find the answer inside the piece."""
    kind: KindName = "math"
    missing: Literal["wrong", "not_applicable"] = "wrong"
    """What an absent piece, or one in which `extract` finds nothing, is."""
    threshold: float = Field(default=1.0, gt=0.0, le=1.0)
    """`correct` is 1 where `score` is at least this."""

    grader: Grader | None = None
    wrap: Wrap | None = None

    @model_validator(mode="after")
    def _options_belong_to_the_kind(self) -> "AnswerParams":
        known = answers.KINDS[self.kind].option_names
        foreign = sorted(set(self.options) - known)
        if foreign:
            raise ValueError(
                f"kind {self.kind!r} does not take {', '.join(foreign)}; it takes {', '.join(sorted(known))}"
            )
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The kind's options that the recipe sets."""
        return {name: value for name in OPTION_NAMES if (value := getattr(self, name)) is not None}


OPTION_NAMES = tuple(name for name, info in AnswerParams.model_fields.items() if info.default is None)


class Answer(Scorer[AnswerParams]):
    """Compares an answer with the gold one, or with each of several."""

    Params = AnswerParams
    summary: ClassVar[str] = "whether the answer equals the reference: 0 or 1, and a score between"

    def __init__(self, params: AnswerParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        if params.text not in catalog.pieces:
            raise ValueError(f"no piece is called {params.text!r}")
        self._options = tuple(sorted(params.options.items()))

    @property
    def outputs(self) -> tuple[str, ...]:
        """`correct`, 0 or 1; `score`, between 0 and 1."""
        return ("correct", "score")

    @property
    def needs(self) -> frozenset[str]:
        """The gold answer."""
        return frozenset({"reference.answer"})

    @property
    def pieces(self) -> frozenset[str]:
        """The piece that holds the answer."""
        return frozenset({self.params.text})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        """Return a call for each gold answer that cannot be settled at once, unless another settles all."""
        golds = gold_answers(subject)
        found = self._find(subject)
        if found is None:
            return ()
        settled = [self._settle(found.text, gold) for gold in golds]
        if any(verdict is not None and self._is_correct(verdict) for verdict in settled):
            return ()
        return [self._call(found.text, gold) for gold, verdict in zip(golds, settled) if verdict is None]

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        """Return the best verdict over the gold answers."""
        golds = gold_answers(subject)
        found = self._find(subject)
        if found is None:
            return self._no_answer()
        best = self._best(self._verdicts(found.text, golds, results))
        return Score(
            values={"correct": float(self._is_correct(best)), "score": best.score},
            details={
                "extracted": found.text[:MAX_SHOWN_CHARS],
                "from": found.found if self.params.extract != "whole" else self.params.text,
                "kind": self.params.kind,
                "compared": best.how,
                **best.facts,
            },
        )

    def _find(self, subject: Subject) -> extraction.Extracted | None:
        piece = subject.text(self.params.text)
        if piece is None:
            return None
        if self.params.extract == "whole":
            return extraction.Extracted(piece, "whole")
        return extraction.extract(piece, self.params.extract)

    def _no_answer(self) -> Score:
        if self.params.missing == "not_applicable":
            return Score.not_applicable("no_answer")
        return Score(values={"correct": 0.0, "score": 0.0}, details={"status": "no_answer"})

    def _call(self, given: str, gold: str) -> RuleCall:
        return RuleCall(answers.RULE, (self.params.kind, given, gold, self._options))

    def _settle(self, given: str, gold: str) -> Verdict | None:
        if len(given) + len(gold) <= MAX_REMEMBERED_CHARS:
            return _remembered(self.params.kind, given, gold, self._options)
        return _settled(self.params.kind, given, gold, self._options)

    def _verdicts(self, given: str, golds: Sequence[str], results: Mapping[Work, Any]) -> Iterator[Verdict]:
        """Yield the known verdicts; raise Fault where a gold answer cannot be judged against."""
        for gold in golds:
            verdict = self._settle(given, gold)
            if verdict is not None:
                yield verdict
        for gold in golds:
            if self._settle(given, gold) is None:
                yield _read(results[self._call(given, gold)])

    def _best(self, verdicts: Iterator[Verdict]) -> Verdict:
        best = Verdict(0.0, "nothing")
        for number, verdict in enumerate(verdicts):
            if number == 0 or verdict.score > best.score:
                best = verdict
            if self._is_correct(best):
                # A right answer is right whatever the other gold answers look like.
                break
        return best

    def _is_correct(self, verdict: Verdict) -> bool:
        return verdict.score >= self.params.threshold


def gold_answers(subject: Subject) -> list[str]:
    """Return the item's gold answers, stripped. Raise Fault where it has none."""
    reference = subject.item.reference
    golds = [text.strip() for text in reference.answers or []]
    if reference.answer is not None:
        golds.insert(0, reference.answer.strip())
    if not golds:
        raise Fault(Code.MISSING_FIELD, "the item has no gold answer", field="reference.answer")
    return golds


def _read(result: Mapping[str, Any]) -> Verdict:
    if "unreadable" in result:
        raise Fault(Code.REFERENCE_UNPARSABLE, result["unreadable"], field="reference.answer")
    return Verdict(result["score"], result["how"], result["facts"])


def _settled(kind: str, given: str, gold: str, options: tuple[tuple[str, Any], ...]) -> Verdict | None:
    chosen: Kind = answers.KINDS[kind]
    try:
        return chosen.settle(given, gold, chosen.options(**dict(options)))
    except UnreadableGold as unreadable:
        raise Fault(Code.REFERENCE_UNPARSABLE, str(unreadable), field="reference.answer") from None


_remembered = lru_cache(REMEMBERED)(_settled)
