"""The `answer` scorer: a piece of the completion against the gold answer, by a kind of comparison.

It decides what is compared and what a missing answer means; the kinds in `answers` know how to compare.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from visreward.protocol import Code
from visreward_service.scorers import answers, extraction
from visreward_service.scorers.answers import graders, listing, math, number
from visreward_service.scorers.answers import text as words
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict
from visreward_service.scorers.base import Catalog, Fault, Params, RuleCall, Score, Scorer, Subject, Work

KindName = Literal[
    "math", "number", "choice", "yes_no", "text", "list", "json", "date", "span", "route", "auto"
]
Tolerance = Annotated[float, Field(ge=0.0)]
Options = tuple[tuple[str, Any], ...]

MAX_SHOWN_CHARS = 200
"""Length to which texts are cut in an item's details."""
MAX_REMEMBERED_CHARS = 512
REMEMBERED = 65_536


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class AnswerParams(Params):
    """What is compared and how. An option that the kind does not know is refused."""

    text: str = "completion"
    """The piece that holds the answer."""
    extract: extraction.Method = "whole"
    """How to find the answer inside the piece."""
    kind: KindName = "math"
    """How it is compared; `auto` takes the kind that the gold answer looks like."""
    missing: Literal["wrong", "not_applicable"] = "wrong"
    """What an absent piece, or one in which `extract` finds nothing, is."""
    threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """`correct` is 1 where `score` is at least this."""

    grader: math.Grader | None = None
    """`math`: whose verdict; `mathruler` unless set."""
    wrap: math.Wrap | None = None
    """`math` by math_verify: which texts are put in a box before it reads them; `none` unless set."""
    reading: graders.Reading | None = None
    """`math` by math_verify: `any` text, LaTeX alone in the answer, or on both sides; `any` unless set."""
    given_first: bool | None = None
    """`math` by math_verify: whether it takes the answer for the gold one; false unless set."""
    lower: bool | None = None
    """`math` by math_verify: whether it gets both in lower case; false unless set."""
    absolute: Tolerance | None = None
    """`number`, `json`, `auto`: largest difference that is right; 0 unless set."""
    relative: Tolerance | None = None
    """`number`, `auto`: largest difference that is right, as a share of the gold value; 0 unless set."""
    units: number.Units | None = None
    """`number`: two units are converted, need not agree, or must both be there; `convert` unless set."""
    percent: number.Percent | None = None
    """`number`: 50% is 0.5 (`value`), or 50; `value` unless set."""
    decimal_comma: bool | None = None
    """`number`: read `3,14` as 3.14; false unless set."""
    several: bool | None = None
    """`choice`: the gold answer is a set of letters; false unless set."""
    partial: bool | None = None
    """`choice` with `several`: score by the share of letters that agree; false unless set."""
    which: Literal["unanimous", "first", "last"] | None = None
    """`yes_no`: the word that counts where there are several; `unanimous` unless set."""
    measure: words.Measure | listing.Measure | None = None
    """`text`, by default `normalised`, and `list`, by default `exact`: how likeness is measured."""
    anls_threshold: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """`text` by `anls`: relative edit distance from which on the score is 0; 0.5 unless set."""
    items: listing.Items | None = None
    """`list`: what the items are; `text` unless set."""
    ordered: bool | None = None
    """`list`: whether items must stand in the gold answer's order; false unless set."""
    fields: Annotated[tuple[str, ...], BeforeValidator(_frozen), Field(min_length=1)] | None = None
    """`json`: the fields that are compared; all of the gold object's unless set."""
    extra_fields: bool | None = None
    """`json`: whether fields that the gold object lacks are allowed; true unless set."""
    order: Literal["mdy", "dmy"] | None = None
    """`date`: how `03/05/2024` is read; `mdy` unless set."""
    finer: bool | None = None
    """`date`: whether an answer may be finer than the gold one; true unless set."""
    rule: Literal["exact", "contained", "first_token"] | None = None
    """`span`: which copies of the phrase are right; `contained` unless set."""
    max_extra_words: Annotated[int, Field(ge=0)] | None = None
    """`span` by `contained`: words that may stand around the phrase; 6 unless set."""
    profile: Literal["paper", "strict"] | None = None
    """`route`: the released code's numbers or the mended ones; `strict` unless set."""

    @model_validator(mode="after")
    def _options_belong_to_the_kind(self) -> "AnswerParams":
        known = answers.KINDS[self.kind].option_names
        foreign = sorted(set(self.options) - known)
        if foreign:
            raise ValueError(
                f"kind {self.kind!r} does not take {', '.join(foreign)}; it takes {', '.join(sorted(known))}"
            )
        measures = sorted(words.MEASURES if self.kind == "text" else listing.MEASURES)
        if self.measure is not None and self.measure not in measures:
            raise ValueError(f"kind {self.kind!r} measures by {', '.join(measures)}, not {self.measure!r}")
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
        self._kind = answers.KINDS[params.kind]
        self._options = tuple(sorted(params.options.items()))

    @property
    def outputs(self) -> tuple[str, ...]:
        """`correct`, 0 or 1; `score`, between 0 and 1; what else the kind has."""
        return ("correct", "score", *self._kind.outputs)

    @property
    def needs(self) -> frozenset[str]:
        """The gold answer, and what the kind reads of `reference.extra` without which it cannot judge."""
        gold = {"reference.answer"} if self._kind.reads_gold else set()
        return frozenset(gold | {f"reference.extra.{name}" for name in self._kind.needs})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        """Return a call for each gold answer that cannot be settled at once, unless one is right already."""
        golds, options = self._golds(subject), self._options_of(subject)
        given = self._find(subject)
        if given is None:
            return ()
        settled = [self._settle(given.text, gold, options) for gold in golds]
        if any(verdict is not None and self._is_correct(verdict) for verdict in settled):
            return ()
        undecided = (gold for gold, verdict in zip(golds, settled) if verdict is None)
        return [self._call(given.text, gold, options) for gold in undecided]

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        """Return the best verdict over the gold answers."""
        golds, options = self._golds(subject), self._options_of(subject)
        given = self._find(subject)
        if given is None:
            return self._no_answer()
        best = self._best(self._verdicts(given.text, golds, options, results))
        return Score(
            values={"correct": float(self._is_correct(best)), "score": best.score, **best.values},
            details={
                "extracted": given.text[:MAX_SHOWN_CHARS],
                "from": given.found,
                "kind": self.params.kind,
                "compared": best.how,
                **best.facts,
            },
        )

    def _golds(self, subject: Subject) -> list[str]:
        return gold_answers(subject) if self._kind.reads_gold else [""]

    def _find(self, subject: Subject) -> extraction.Extracted | None:
        piece = subject.text(self.params.text)
        if piece is None:
            return None
        if self.params.extract == "whole":
            return extraction.Extracted(piece, self.params.text)
        return extraction.extract(piece, self.params.extract)

    def _no_answer(self) -> Score:
        if self.params.missing == "not_applicable":
            return Score.not_applicable("no_answer")
        values = dict.fromkeys(self.outputs, 0.0)
        return Score(values=values, details={"status": "no_answer", "kind": self.params.kind})

    def _options_of(self, subject: Subject) -> Options:
        """Return the recipe's options, with those that the item brings."""
        if not self._kind.context:
            return self._options
        extra = subject.item.reference.extra
        brought = {name: _frozen(extra[name]) for name in self._kind.context if extra.get(name) is not None}
        for name in self._kind.needs:
            if name not in brought:
                raise Fault(Code.MISSING_FIELD, f"the item has no {name}", field=f"reference.extra.{name}")
        return (*self._options, *sorted(brought.items()))

    def _call(self, given: str, gold: str, options: Options) -> RuleCall:
        return RuleCall(answers.RULE, (self.params.kind, given, gold, options))

    def _settle(self, given: str, gold: str, options: Options) -> Verdict | None:
        if len(given) + len(gold) <= MAX_REMEMBERED_CHARS and not self._kind.context:
            return _remembered(self.params.kind, given, gold, options)
        return _settled(self.params.kind, given, gold, options)

    def _verdicts(
        self, given: str, golds: Sequence[str], options: Options, results: Mapping[Work, Any]
    ) -> Iterator[Verdict]:
        """Yield verdicts, settled ones first; raise Fault where a gold answer cannot be judged against."""
        undecided = []
        for gold in golds:
            verdict = self._settle(given, gold, options)
            if verdict is None:
                undecided.append(gold)
            else:
                yield verdict
        for gold in undecided:
            yield _read(results[self._call(given, gold, options)])

    def _best(self, verdicts: Iterator[Verdict]) -> Verdict:
        best = next(verdicts)
        # A right answer is right whatever the other gold answers look like.
        while not self._is_correct(best) and (verdict := next(verdicts, None)) is not None:
            best = max(best, verdict, key=lambda candidate: candidate.score)
        return best

    def _is_correct(self, verdict: Verdict) -> bool:
        return verdict.score >= self.params.threshold


def gold_answers(subject: Subject) -> list[str]:
    """Return the item's gold answers, stripped. Raise Fault where it has none."""
    reference = subject.item.reference
    golds = [] if reference.answer is None else [reference.answer.strip()]
    golds += [answer.strip() for answer in reference.answers or []]
    if not golds:
        raise Fault(Code.MISSING_FIELD, "the item has no gold answer", field="reference.answer")
    return golds


def _read(result: Mapping[str, Any]) -> Verdict:
    if "unreadable" in result:
        raise Fault(Code.REFERENCE_UNPARSABLE, result["unreadable"], field="reference.answer")
    return Verdict(result["score"], result["how"], result["facts"], result["values"])


def _settled(kind: str, given: str, gold: str, options: Options) -> Verdict | None:
    chosen = answers.KINDS[kind]
    try:
        return chosen.settle(given, gold, chosen.options(**dict(options)))
    except UnreadableGold as unreadable:
        raise Fault(Code.REFERENCE_UNPARSABLE, str(unreadable), field="reference.answer") from None


_remembered = lru_cache(REMEMBERED)(_settled)
