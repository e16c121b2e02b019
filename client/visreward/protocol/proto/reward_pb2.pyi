# mypy: disable-error-code=type-arg
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from google.protobuf.internal import containers as _containers

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("deadline_ms", "details", "images", "inline_recipe", "items", "recipe")
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
    def __init__(self, recipe: str | None = ..., inline_recipe: str | None = ..., images: _Iterable[Image | _Mapping] | None = ..., items: _Iterable[Item | _Mapping] | None = ..., deadline_ms: int | None = ..., details: bool | None = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("data", "digest")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    digest: str
    data: bytes
    def __init__(self, digest: str | None = ..., data: bytes | None = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("completion", "completion_tokens", "group", "id", "images", "prompt", "reference", "source")
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
    def __init__(self, id: str | None = ..., group: str | None = ..., source: str | None = ..., images: _Iterable[str] | None = ..., prompt: str | None = ..., completion: str | None = ..., completion_tokens: int | None = ..., reference: Reference | _Mapping | None = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("answer", "answers", "boxes", "captions", "extra", "key_words", "phrases")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: str | None = ..., value: Value | _Mapping | None = ...) -> None: ...
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
    def __init__(self, answer: str | None = ..., answers: Texts | _Mapping | None = ..., key_words: Texts | _Mapping | None = ..., captions: Texts | _Mapping | None = ..., phrases: Phrases | _Mapping | None = ..., boxes: Boxes | _Mapping | None = ..., extra: _Mapping[str, Value] | None = ...) -> None: ...

class Texts(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Iterable[str] | None = ...) -> None: ...

class Phrases(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Phrase]
    def __init__(self, values: _Iterable[Phrase | _Mapping] | None = ...) -> None: ...

class Phrase(_message.Message):
    __slots__ = ("box", "negatives", "text")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    text: str
    box: _containers.RepeatedScalarFieldContainer[float]
    negatives: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: str | None = ..., box: _Iterable[float] | None = ..., negatives: _Iterable[str] | None = ...) -> None: ...

class Boxes(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[LabelledBox]
    def __init__(self, values: _Iterable[LabelledBox | _Mapping] | None = ...) -> None: ...

class LabelledBox(_message.Message):
    __slots__ = ("box", "label")
    BOX_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    box: _containers.RepeatedScalarFieldContainer[float]
    label: str
    def __init__(self, box: _Iterable[float] | None = ..., label: str | None = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("flag", "number", "text", "texts", "whole")
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
    def __init__(self, text: str | None = ..., number: float | None = ..., whole: int | None = ..., flag: bool | None = ..., texts: Texts | _Mapping | None = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("cache", "groups", "items", "models", "recipe", "request_id", "timings_ms", "work")
    class TimingsMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: str | None = ..., value: float | None = ...) -> None: ...
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: str | None = ..., value: str | None = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_MS_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    recipe: str
    items: _containers.RepeatedCompositeFieldContainer[ItemResult]
    groups: _containers.RepeatedCompositeFieldContainer[GroupSummary]
    timings_ms: _containers.ScalarMap[str, float]
    work: Work
    cache: CacheUse
    models: _containers.ScalarMap[str, str]
    def __init__(self, request_id: str | None = ..., recipe: str | None = ..., items: _Iterable[ItemResult | _Mapping] | None = ..., groups: _Iterable[GroupSummary | _Mapping] | None = ..., timings_ms: _Mapping[str, float] | None = ..., work: Work | _Mapping | None = ..., cache: CacheUse | _Mapping | None = ..., models: _Mapping[str, str] | None = ...) -> None: ...

class ItemResult(_message.Message):
    __slots__ = ("details", "error", "id", "parts", "reward")
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
    def __init__(self, id: str | None = ..., reward: float | None = ..., parts: _Iterable[Part | _Mapping] | None = ..., details: str | None = ..., error: Error | _Mapping | None = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("term", "value")
    TERM_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    term: str
    value: float
    def __init__(self, term: str | None = ..., value: float | None = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "field", "message", "nearest", "request_id", "retryable")
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
    def __init__(self, code: str | None = ..., message: str | None = ..., field: str | None = ..., retryable: bool | None = ..., request_id: str | None = ..., nearest: _Iterable[str] | None = ...) -> None: ...

class GroupSummary(_message.Message):
    __slots__ = ("group", "mean", "num_items", "num_scored", "std", "tied")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    NUM_SCORED_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STD_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    group: str
    num_items: int
    num_scored: int
    mean: float
    std: float
    tied: bool
    def __init__(self, group: str | None = ..., num_items: int | None = ..., num_scored: int | None = ..., mean: float | None = ..., std: float | None = ..., tied: bool | None = ...) -> None: ...

class Work(_message.Message):
    __slots__ = ("images_asked", "images_encoded", "rules_asked", "rules_run", "texts_asked", "texts_encoded")
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
    def __init__(self, images_asked: int | None = ..., images_encoded: int | None = ..., texts_asked: int | None = ..., texts_encoded: int | None = ..., rules_asked: int | None = ..., rules_run: int | None = ...) -> None: ...

class CacheUse(_message.Message):
    __slots__ = ("hits", "misses")
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    hits: int
    misses: int
    def __init__(self, hits: int | None = ..., misses: int | None = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("error", "index", "response")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    response: ScoreResponse
    error: Error
    def __init__(self, index: int | None = ..., response: ScoreResponse | _Mapping | None = ..., error: Error | _Mapping | None = ...) -> None: ...

class MissingImagesRequest(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digests: _Iterable[str] | None = ...) -> None: ...

class MissingImagesResponse(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digests: _Iterable[str] | None = ...) -> None: ...

class PutImageRequest(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: Image | _Mapping | None = ...) -> None: ...

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
    def __init__(self, limits: str | None = ...) -> None: ...
