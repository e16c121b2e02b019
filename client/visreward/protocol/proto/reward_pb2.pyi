# fmt: off
# ruff: noqa
# mypy: disable-error-code=type-arg
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("recipe", "inline_recipe", "images", "items", "deadline_ms", "details")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    INLINE_RECIPE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    recipe: str
    inline_recipe: str
    images: _containers.RepeatedCompositeFieldContainer[Image]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    deadline_ms: int
    details: bool
    def __init__(self, recipe: _Optional[str] = ..., inline_recipe: _Optional[str] = ..., images: _Optional[_Iterable[_Union[Image, _Mapping]]] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., deadline_ms: _Optional[int] = ..., details: _Optional[bool] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("digest", "data")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    digest: str
    data: bytes
    def __init__(self, digest: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "group", "source", "images", "prompt", "completion", "completion_tokens", "reference")
    ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    group: str
    source: str
    images: _containers.RepeatedScalarFieldContainer[str]
    prompt: str
    completion: str
    completion_tokens: int
    reference: Reference
    def __init__(self, id: _Optional[str] = ..., group: _Optional[str] = ..., source: _Optional[str] = ..., images: _Optional[_Iterable[str]] = ..., prompt: _Optional[str] = ..., completion: _Optional[str] = ..., completion_tokens: _Optional[int] = ..., reference: _Optional[_Union[Reference, _Mapping]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("answer", "answers", "key_words", "captions", "phrases", "boxes", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    KEY_WORDS_FIELD_NUMBER: _ClassVar[int]
    CAPTIONS_FIELD_NUMBER: _ClassVar[int]
    PHRASES_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    answer: str
    answers: Texts
    key_words: Texts
    captions: Texts
    phrases: Phrases
    boxes: Boxes
    extra: _containers.MessageMap[str, Value]
    def __init__(self, answer: _Optional[str] = ..., answers: _Optional[_Union[Texts, _Mapping]] = ..., key_words: _Optional[_Union[Texts, _Mapping]] = ..., captions: _Optional[_Union[Texts, _Mapping]] = ..., phrases: _Optional[_Union[Phrases, _Mapping]] = ..., boxes: _Optional[_Union[Boxes, _Mapping]] = ..., extra: _Optional[_Mapping[str, Value]] = ...) -> None: ...

class Texts(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class Phrases(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Phrase]
    def __init__(self, values: _Optional[_Iterable[_Union[Phrase, _Mapping]]] = ...) -> None: ...

class Phrase(_message.Message):
    __slots__ = ("text", "box", "negatives")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    text: str
    box: _containers.RepeatedScalarFieldContainer[float]
    negatives: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., box: _Optional[_Iterable[float]] = ..., negatives: _Optional[_Iterable[str]] = ...) -> None: ...

class Boxes(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[LabelledBox]
    def __init__(self, values: _Optional[_Iterable[_Union[LabelledBox, _Mapping]]] = ...) -> None: ...

class LabelledBox(_message.Message):
    __slots__ = ("box", "label")
    BOX_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    box: _containers.RepeatedScalarFieldContainer[float]
    label: str
    def __init__(self, box: _Optional[_Iterable[float]] = ..., label: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("text", "number", "whole", "flag", "texts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    whole: int
    flag: bool
    texts: Texts
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., whole: _Optional[int] = ..., flag: _Optional[bool] = ..., texts: _Optional[_Union[Texts, _Mapping]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("request_id", "recipe", "items", "groups", "timings_ms", "work", "cache", "models", "missing_images")
    class TimingsMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_MS_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MISSING_IMAGES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    recipe: str
    items: _containers.RepeatedCompositeFieldContainer[ItemResult]
    groups: _containers.RepeatedCompositeFieldContainer[GroupSummary]
    timings_ms: _containers.ScalarMap[str, float]
    work: Work
    cache: CacheUse
    models: _containers.ScalarMap[str, str]
    missing_images: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., recipe: _Optional[str] = ..., items: _Optional[_Iterable[_Union[ItemResult, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[GroupSummary, _Mapping]]] = ..., timings_ms: _Optional[_Mapping[str, float]] = ..., work: _Optional[_Union[Work, _Mapping]] = ..., cache: _Optional[_Union[CacheUse, _Mapping]] = ..., models: _Optional[_Mapping[str, str]] = ..., missing_images: _Optional[_Iterable[str]] = ...) -> None: ...

class ItemResult(_message.Message):
    __slots__ = ("id", "reward", "parts", "details", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    reward: float
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    details: str
    error: Error
    def __init__(self, id: _Optional[str] = ..., reward: _Optional[float] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., details: _Optional[str] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("term", "value")
    TERM_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    term: str
    value: float
    def __init__(self, term: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "field", "retryable", "request_id", "nearest")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    field: str
    retryable: bool
    request_id: str
    nearest: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., retryable: _Optional[bool] = ..., request_id: _Optional[str] = ..., nearest: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupSummary(_message.Message):
    __slots__ = ("group", "num_items", "num_scored", "mean", "std", "tied", "pass_rate", "difficulty", "keep", "gate", "scale", "weight", "tamed")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    NUM_SCORED_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STD_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    PASS_RATE_FIELD_NUMBER: _ClassVar[int]
    DIFFICULTY_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TAMED_FIELD_NUMBER: _ClassVar[int]
    group: str
    num_items: int
    num_scored: int
    mean: float
    std: float
    tied: bool
    pass_rate: float
    difficulty: str
    keep: bool
    gate: bool
    scale: float
    weight: float
    tamed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., num_items: _Optional[int] = ..., num_scored: _Optional[int] = ..., mean: _Optional[float] = ..., std: _Optional[float] = ..., tied: _Optional[bool] = ..., pass_rate: _Optional[float] = ..., difficulty: _Optional[str] = ..., keep: _Optional[bool] = ..., gate: _Optional[bool] = ..., scale: _Optional[float] = ..., weight: _Optional[float] = ..., tamed: _Optional[_Iterable[str]] = ...) -> None: ...

class Work(_message.Message):
    __slots__ = ("images_asked", "images_encoded", "texts_asked", "texts_encoded", "rules_asked", "rules_run")
    IMAGES_ASKED_FIELD_NUMBER: _ClassVar[int]
    IMAGES_ENCODED_FIELD_NUMBER: _ClassVar[int]
    TEXTS_ASKED_FIELD_NUMBER: _ClassVar[int]
    TEXTS_ENCODED_FIELD_NUMBER: _ClassVar[int]
    RULES_ASKED_FIELD_NUMBER: _ClassVar[int]
    RULES_RUN_FIELD_NUMBER: _ClassVar[int]
    images_asked: int
    images_encoded: int
    texts_asked: int
    texts_encoded: int
    rules_asked: int
    rules_run: int
    def __init__(self, images_asked: _Optional[int] = ..., images_encoded: _Optional[int] = ..., texts_asked: _Optional[int] = ..., texts_encoded: _Optional[int] = ..., rules_asked: _Optional[int] = ..., rules_run: _Optional[int] = ...) -> None: ...

class CacheUse(_message.Message):
    __slots__ = ("hits", "misses")
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    hits: int
    misses: int
    def __init__(self, hits: _Optional[int] = ..., misses: _Optional[int] = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("index", "response", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    response: ScoreResponse
    error: Error
    def __init__(self, index: _Optional[int] = ..., response: _Optional[_Union[ScoreResponse, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class MissingImagesRequest(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digests: _Optional[_Iterable[str]] = ...) -> None: ...

class MissingImagesResponse(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digests: _Optional[_Iterable[str]] = ...) -> None: ...

class PutImageRequest(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class PutImageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLimitsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLimitsResponse(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: str
    def __init__(self, limits: _Optional[str] = ...) -> None: ...
