"""Statements about a scene, and whether they hold. A caption is the wording of such claims; this module
knows no wording.

That is what makes a negative certain: it is a claim that was checked against the scene and does not hold.
"""

from dataclasses import dataclass

from visreward_service.scenes.spec import Group, Scene, relations


@dataclass(frozen=True, kw_only=True)
class Noun:
    """Names groups by some of their attributes; None leaves one open."""

    count: int | None = None
    size: str | None = None
    colour: str | None = None
    shape: str | None = None

    def names(self, group: Group) -> bool:
        """Whether the noun is true of a group."""
        return (
            self.count in (None, group.count)
            and self.size in (None, group.size)
            and self.colour in (None, group.colour)
            and self.shape in (None, group.shape)
        )

    @classmethod
    def of(cls, group: Group) -> "Noun":
        """Everything that can be said of a group."""
        return cls(count=group.count, size=group.size, colour=group.colour, shape=group.shape)


@dataclass(frozen=True, kw_only=True)
class Existence:
    """There is a group that the noun names, at the place where one is given."""

    noun: Noun
    place: str | None = None

    def holds(self, scene: Scene) -> bool:
        return any(self.noun.names(group) and self.place in (None, group.place) for group in scene.groups)


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A group that the first noun names stands so to another that the second names."""

    first: Noun
    relation: str
    second: Noun

    def holds(self, scene: Scene) -> bool:
        return any(
            self.relation in relations(a, b)
            for a in scene.groups
            for b in scene.groups
            if a is not b and self.first.names(a) and self.second.names(b)
        )


@dataclass(frozen=True, kw_only=True)
class Total:
    """So many things stand in the scene, all groups together."""

    count: int

    def holds(self, scene: Scene) -> bool:
        return scene.num_things == self.count


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the background is."""

    kind: str
    colour: str

    def holds(self, scene: Scene) -> bool:
        return (scene.background.kind, scene.background.colour) == (self.kind, self.colour)


Claim = Existence | Relation | Total | Setting
