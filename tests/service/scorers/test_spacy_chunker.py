"""The chunker "spacy" with a model package as spaCy makes them, whose parser is a few rules.

In processes of its own: spaCy reads the list of installed models once, when it is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "en_core_web_sm"
BUILD = """
import sys
from pathlib import Path
import spacy

package = Path(sys.argv[1]) / "en_core_web_sm"
package.mkdir()
(package / "__init__.py").write_text('''
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_init_py

POS = {"a": "DET", "the": "DET", "red": "ADJ", "small": "ADJ", "is": "AUX", "near": "ADP", ".": "PUNCT"}
DEPS = {"DET": "det", "ADJ": "amod", "NOUN": "pobj"}

@Language.component("rules")
def parse(document):
    words = [token.text for token in document]
    pos = [POS.get(word, "NOUN") for word in words]
    nouns = [next((i for i in range(at, len(words)) if pos[i] == "NOUN"), at) for at in range(len(words))]
    heads = [noun if tag in ("DET", "ADJ") else at for at, (tag, noun) in enumerate(zip(pos, nouns))]
    deps = [DEPS.get(tag, "dep") for tag in pos]
    return Doc(document.vocab, words=words, pos=pos, heads=heads, deps=deps)

def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)
''')
sys.path.insert(0, sys.argv[1])
import en_core_web_sm

nlp = spacy.blank("en")
nlp.add_pipe("rules")
nlp.meta["name"], nlp.meta["version"] = "core_web_sm", "0.0.1"
nlp.to_disk(package / "en_core_web_sm-0.0.1")
(package / "meta.json").write_text((package / "en_core_web_sm-0.0.1" / "meta.json").read_text())
info = package.parent / "en_core_web_sm-0.0.1.dist-info"
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: en_core_web_sm\\nVersion: 0.0.1\\n")
(info / "entry_points.txt").write_text("[spacy_models]\\nen_core_web_sm = en_core_web_sm\\n")
"""
CHUNK = """
import sys
from visreward_service.scorers.phrases import noun_phrases
for text in sys.argv[1:]:
    print(*noun_phrases(text, chunker="spacy"), sep=", ")
"""
REFUSED = """
import sys
if "absent" in sys.argv:
    sys.modules["spacy"] = None
from visreward_service.scorers.base import Catalog
from visreward_service.scorers.phrases import Phrases, PhrasesParams
try:
    Phrases(PhrasesParams(chunker="spacy"), Catalog())
except ValueError as error:
    print(error)
"""


def python(code: str, *arguments: str, path: Path | None = None) -> str:
    """Run a program and return what it prints."""
    paths = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_noun_chunks_come_from_the_installed_model(tmp_path: Path) -> None:
    python(BUILD, str(tmp_path))
    text = "a small circle is near the red cup. the red dog is near the red tree."
    assert python(CHUNK, text, path=tmp_path) == "small circle, red cup, red dog, red tree\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"), [("absent", "spaCy is not installed"), ("", "has no English model")]
)
def test_a_recipe_that_names_spacy_without_it_or_its_model_says_what_to_install(
    given: str, said: str
) -> None:
    message = python(REFUSED, given)
    assert said in message
    assert "pip install 'visreward[phrases]', then python -m spacy download en_core_web_sm" in message
