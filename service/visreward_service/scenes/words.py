"""The wording of claims: English sentences and phrases. It never asks whether they are true.

A `style` is a number that fixes every free choice of wording, and none of the choices depends on what is
said; a claim and its negative in one style differ in the false detail alone.
"""

from random import Random

from visreward_service.scenes.claims import Claim, Existence, Noun, Relation, Setting, Total

NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
)

PLACE_WORDINGS = {
    "centre": ("in the centre", "in the middle"),
    "top": ("at the top", "at the top"),
    "bottom": ("at the bottom", "at the bottom"),
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top left": ("at the top left", "in the top left corner"),
    "top right": ("at the top right", "in the top right corner"),
    "bottom left": ("at the bottom left", "in the bottom left corner"),
    "bottom right": ("at the bottom right", "in the bottom right corner"),
}

RELATION_WORDINGS = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}

SETTING_WORDINGS = {
    "plain": "plain {colour}",
    "gradient": "a {colour} gradient",
    "striped": "{colour} stripes",
    "noisy": "{colour} noise",
}


def plural(shape: str) -> str:
    return shape + ("es" if shape.endswith(("s", "x")) else "s")


def bare(noun: Noun) -> str:
    """The noun without article or number: "small red circles", "blue object"."""
    shape = noun.shape or "object"
    head = shape if noun.count in (None, 1) else plural(shape)
    return " ".join(word for word in (noun.size, noun.colour, head) if word)


def indefinite(noun: Noun) -> str:
    """ "a large blue square", "an orange star", "three small red circles"."""
    words = bare(noun)
    if noun.count in (None, 1):
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return f"{NUMBERS[noun.count]} {words}"


def definite(noun: Noun) -> str:
    return f"the {bare(noun)}"


def verb(noun: Noun) -> str:
    return "is" if noun.count in (None, 1) else "are"


def caption_text(claim: Existence | Relation, style: int) -> str:
    """A short caption, in lower case and without a full stop."""
    random = Random(style)  # noqa: S311
    opening = random.choice(("", "", "", "there {verb} ", "a picture of "))
    second = random.randrange(2)
    match claim:
        case Existence(noun=noun, place=place):
            where = f" {PLACE_WORDINGS[place][second]}" if place else ""
            words = f"{indefinite(noun)}{where}"
        case Relation(first=noun, relation=relation, second=other):
            words = f"{indefinite(noun)} {RELATION_WORDINGS[relation][second]} {indefinite(other)}"
    return opening.format(verb=verb(noun)) + words


def sentence(claim: Claim, style: int) -> str:
    """One sentence of a long description."""
    random = Random(style)  # noqa: S311
    turned, second = random.randrange(2), random.randrange(2)
    match claim:
        case Existence(noun=noun, place=None):
            words = f"there {verb(noun)} {indefinite(noun)}"
        case Existence(noun=noun, place=str(place)):
            where = PLACE_WORDINGS[place][second]
            words = (
                f"{where} there {verb(noun)} {indefinite(noun)}"
                if turned
                else f"{indefinite(noun)} {verb(noun)} {where}"
            )
        case Relation(first=noun, relation=relation, second=other):
            words = f"{definite(noun)} {verb(noun)} {RELATION_WORDINGS[relation][second]} {definite(other)}"
        case Total(count=count):
            objects = f"{NUMBERS[count]} object{'s' if count != 1 else ''}"
            words = f"the picture shows {objects}" if turned else f"{objects} can be seen"
        case Setting(kind=kind, colour=colour):
            words = f"the background is {SETTING_WORDINGS[kind].format(colour=colour)}"
    return words[0].upper() + words[1:] + "."
