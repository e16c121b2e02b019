"""Pairs of answers whose truth is known by construction.

Every variant makes pairs that are all right or all wrong, and says why. `python -m` with this package's name
prints how the graders fare on them: the table of `docs/answers.md`.
"""

# In the order of the table: importing a module registers its variants.
# isort: off
from tests.service.scorers.answers.corpus import integers  # noqa: F401
from tests.service.scorers.answers.corpus import ratios  # noqa: F401
from tests.service.scorers.answers.corpus import constants  # noqa: F401
from tests.service.scorers.answers.corpus import expressions  # noqa: F401
from tests.service.scorers.answers.corpus import lists  # noqa: F401
from tests.service.scorers.answers.corpus import quantities  # noqa: F401
from tests.service.scorers.answers.corpus import words  # noqa: F401
from tests.service.scorers.answers.corpus import scripts  # noqa: F401

# isort: on
from tests.service.scorers.answers.corpus.variant import Pair, Variant, pairs

__all__ = ["Pair", "Variant", "pairs"]
