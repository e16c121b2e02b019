r"""Many ways to write the same thing, made one: Unicode, LaTeX dressing and delimiters of an answer.

The result is a plain string in which mathematics is spelled in ASCII and LaTeX commands (`\frac`, `\sqrt`,
`\cup`, `\text`). It knows characters, not what they mean. Every step is linear in the length of the text.
"""

import re
import unicodedata

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SUBSCRIPT_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")

SYMBOLS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "×": "*",
        "·": "*",
        "⋅": "*",
        "∙": "*",
        "∗": "*",
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "√": "\\sqrt ",
        "π": "\\pi ",
        "θ": "\\theta ",
        "α": "\\alpha ",
        "β": "\\beta ",
        "γ": "\\gamma ",
        "λ": "\\lambda ",
        "∞": "\\infty ",
        "≤": "\\le ",
        "≥": "\\ge ",
        "≠": "\\ne ",
        "≈": "=",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "∅": "\\emptyset ",
        "°": "^\\circ ",
        "±": "\\pm ",
        "∓": "\\mp ",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "′": "'",
    }
)

# What only changes how a formula looks. The longest commands come first.
DRESSING = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg"
    r"|Bigg|qquad|quad|mathstrut|strut|hfill)(?![A-Za-z])|(?<!\\)\\[,;:!> ]|~"
)
SAME_COMMANDS = {
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\dbinom": "\\binom",
    "\\tbinom": "\\binom",
    "\\times": "*",
    "\\cdot": "*",
    "\\ast": "*",
    "\\div": "/",
    "\\leq": "\\le",
    "\\leqslant": "\\le",
    "\\geq": "\\ge",
    "\\geqslant": "\\ge",
    "\\neq": "\\ne",
    "\\lt": "<",
    "\\gt": ">",
    "\\approx": "=",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lvert": "|",
    "\\rvert": "|",
    "\\vert": "|",
    "\\mid": "|",
    "\\varnothing": "\\emptyset",
    "\\degree": "^\\circ ",
    "\\infin": "\\infty",
    "\\mathrm": "\\text",
    "\\textrm": "\\text",
    "\\textbf": "\\text",
    "\\textit": "\\text",
    "\\mbox": "\\text",
    "\\operatorname": "\\text",
    "\\mathbf": "\\text",
    "\\boldsymbol": "",
    "\\bm": "",
    "\\bf": "",
    "\\rm": "",
    "\\langle": "(",
    "\\rangle": ")",
    "\\land": "\\text{ and }",
    "\\lor": "\\text{ or }",
}
TEMPERATURE = re.compile(r"\^\s*\{?\s*\\circ\s*\}?\s*(?:\\text\s*\{\s*)?([CF])\b\s*\}?")
GROUPING = re.compile(r"(?<=\d)(?:\\[,!:]|\{,\}|~)\s*(?=\d{3}(?!\d))")
"""What stands between groups of three digits, other than a comma."""
COMMAND = re.compile(r"\\[A-Za-z]+")
MAX_WRAPPERS = 8
DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
VULGAR = re.compile("[¼-¾⅐-⅞]")


def fold(text: str) -> str:
    """Return `text` without invisible characters, in compatibility form (full width to ASCII, and so on)."""
    if text.isascii():
        return text
    text = VULGAR.sub(lambda match: f" {unicodedata.normalize('NFKC', match.group())} ", text)
    text = SUPERSCRIPT_RUN.sub(lambda match: f"^{{{match.group().translate(SUPERSCRIPTS)}}}", text)
    text = SUBSCRIPT_RUN.sub(lambda match: f"_{{{match.group().translate(SUBSCRIPTS)}}}", text)
    text = text.translate(SYMBOLS)
    text = unicodedata.normalize("NFKC", text).translate(SYMBOLS)
    return "".join(
        character for character in text if unicodedata.category(character) not in ("Cf", "Mn", "Cc")
    )


def undress(text: str) -> str:
    """Return one spelling for commands that mean the same, without spacing commands and size markers."""
    text = GROUPING.sub("", text)
    if "\\" not in text and "~" not in text:
        return text
    text = text.replace("\\%", "%").replace("\\$", "$").replace("\\#", "#")
    text = DRESSING.sub(" ", text)
    text = COMMAND.sub(lambda match: SAME_COMMANDS.get(match.group(), match.group()), text)
    return TEMPERATURE.sub(r" \\text{degree\1}", text)


def unwrap(text: str) -> str:
    """Return `text` without the delimiters of mathematics, Markdown emphasis and a full stop around it."""
    for _ in range(MAX_WRAPPERS):
        before = text
        text = text.strip().strip("*`").strip()
        if text.endswith((".", ",", ";")) and not text.endswith("\\;"):
            text = text[:-1]
        for opening, closing in DELIMITERS:
            inner = text[len(opening) : -len(closing)]
            longer = len(text) > len(opening) + len(closing)
            if longer and text.startswith(opening) and text.endswith(closing) and opening not in inner:
                text = inner
        if text == before:
            break
    return text


def plain(text: str) -> str:
    """Return `text` folded, unwrapped and undressed."""
    return undress(unwrap(fold(text))).strip()
