"""PeBR-R1's pattern: one pair after the other, batches of one, the image encoded again for every completion.

Texts are padded to the limit, as in its reward.
"""

import sys
from pathlib import Path

from loadtests.peers.systems.network import Network
from loadtests.peers.systems.steps import Group, answer_steps


def main() -> None:
    network = Network(Path(sys.argv[1]))

    def score(groups: list[Group]) -> list[list[float]]:
        return [[score_pair(group, text) for text in group.texts] for group in groups]

    def score_pair(group: Group, text: str) -> float:
        image = network.encode_images(network.pixels([group.image]))
        return float(network.encode_texts(network.ids([text], to_limit=True))[0] @ image[0])

    answer_steps(lambda groups: groups, score)


if __name__ == "__main__":
    main()
