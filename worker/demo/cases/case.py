"""One nasty case: what is nasty, who carries it, and how that elector differs from an ordinary one."""

from typing import NamedTuple

from worker.demo.reu_format import ReuRow


class Case(NamedTuple):
    """A case. `changes` holds the fields of ReuRow that it sets; several electors may carry the same key."""

    key: str
    meaning: str
    nom: str
    prenoms: str
    changes: dict[str, str]

    def applied_to(self, ordinary: ReuRow) -> ReuRow:
        """The elector of the case, for the rest like the ordinary one."""
        return ordinary._replace(**self.changes)


def case(key: str, meaning: str, who: tuple[str, str, str], **changes: str) -> Case:
    """A case carried by `who` (nom, prénoms, sexe), without a nom d'usage unless the changes give one."""
    nom, prenoms, sexe = who
    return Case(key, meaning, nom, prenoms, {"nom": nom, "prenoms": prenoms, "sexe": sexe, "nom_usage": ""} | changes)
