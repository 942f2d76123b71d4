"""What each tableau of the sample register says below the top of its pages, by plain SQL and nothing of worker's."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from sqlalchemy import Connection, RowMapping, select, text

from schemas.tableaux import Presentation, TypeTableau
from tests.integration.tableau_words import (
    ASKED_OF,
    CITIZENS,
    MASQUEE,
    MOTIFS,
    NOTE_PROVISOIRE,
    PERIODES,
    RECAPITULATIF,
    SIGNATURES,
    SOURCE,
    count,
    heading,
    parts_of,
    squeezed,
)

_LISTED = "code_commune = '13900' AND liste = 'P' AND NOT (nature = 'modification' AND ancien_bureau = nouveau_bureau)"
SELECTED = {
    TypeTableau.PREMIER_RECTIFICATIF: "effet <> 'Election' AND scrutin IS NULL AND date_tableau = '2014-01-10'",
    TypeTableau.SECOND_RECTIFICATIF: "effet <> 'Election' AND scrutin IS NULL AND date_tableau = '2014-02-28'",
    TypeTableau.ADDITIONS: "effet = 'Election' AND nature = 'inscription' AND scrutin = '2014-05-25'",
    TypeTableau.CINQ_JOURS: "effet = 'Immediat' AND scrutin = '2014-03-23'",
    TypeTableau.VINGT_JOURS: "date_mouvement > '2026-09-18' AND date_mouvement <= '2027-03-19'",
    TypeTableau.CINQ_JOURS_REU: "date_mouvement > '2027-03-19' AND date_mouvement <= '2027-04-06'",
}
"""In the order of the tableaux: each begins with the electors that the one before it left."""
_ORDER = (
    """translate(nom_naissance, '-''’', '   ') COLLATE "fr-x-icu", prenoms COLLATE "fr-x-icu", date_naissance, id"""
)
"""PostgreSQL's French order, by the Unicode collation algorithm; a hyphen and an apostrophe are as a space."""

_BUREAUX = ["1", "2", "10", ""]
"""In the order of their numbers; last, the electors who have none."""

Rows = Sequence[RowMapping]


@dataclass(frozen=True)
class Bilan:
    """A balance, its terms in the order they are printed."""

    avant: int
    inscriptions: int
    arrivees: int
    radiations: int
    departs: int

    @property
    def apres(self) -> int:
        """Electors after."""
        return self.avant + self.inscriptions + self.arrivees - self.radiations - self.departs

    def row(self) -> str:
        """As a row of the récapitulatif."""
        return " ".join(map(str, (*astuple(self), self.apres)))

    def equation(self) -> str:
        """As a bureau prints it."""
        return (
            f"Électeurs avant {self.avant} Inscriptions + {self.inscriptions} "
            f"Arrivées d’un autre bureau + {self.arrivees} Radiations − {self.radiations} "
            f"Départs vers un autre bureau − {self.departs} Électeurs après = {self.apres}"
        )


@dataclass(frozen=True)
class Reader:
    """The database, whose electors of now are those after every mouvement that is applied."""

    connection: Connection

    def mouvements(self, type_: TypeTableau) -> list[RowMapping]:
        """Those of a tableau, in the order of its lines."""
        query = select(text("* FROM mouvement")).where(text(_LISTED), text(SELECTED[type_])).order_by(text(_ORDER))
        return list(self.connection.execute(query).mappings())

    def body(self, type_: TypeTableau, presentation: Presentation) -> str:
        """All of it, without white space and without the titles that are repeated where lines go on."""
        mouvements = self.mouvements(type_)
        signed = SIGNATURES.get(type_, "")
        if presentation is Presentation.RECAPITULATIF:
            body = self._recapitulatif(type_)
        elif presentation is Presentation.COMMUNE:
            body = _parties(type_, _of_commune(mouvements)) + self._equation(type_)
        else:
            body = "".join(
                titre + _parties(type_, _of_bureau(mouvements, code)) + self.bilan(type_, code).equation() + signed
                for code, titre in self._bureaux()
            )
            body += f"Commune de LIBREVILLE{_parties(type_, _of_commune(mouvements), has_lines=False)}"
            body += self._equation(type_)
        return squeezed(body + _notes(type_, presentation, mouvements) + signed)

    def bilan(self, type_: TypeTableau, bureau: str) -> Bilan:
        """The balance of a bureau, counted back from its electors of now."""
        query = text("SELECT count(*) FROM electeur WHERE code_commune = '13900' AND code_bureau = :bureau")
        now: int = self.connection.execute(query, {"bureau": bureau}).scalar_one()
        order = list(SELECTED)
        since = [mouvement for other in order[order.index(type_) :] for mouvement in self.mouvements(other)]
        came, left = _of_bureau([mouvement for mouvement in since if mouvement["etat"] == "applique"], bureau)
        additions, retranchements = _of_bureau(self.mouvements(type_), bureau)
        arrivees, departs = _changements(additions), _changements(retranchements)
        return Bilan(
            now - len(came) + len(left), len(additions) - arrivees, arrivees, len(retranchements) - departs, departs
        )

    def _bureaux(self) -> Iterator[tuple[str, str]]:
        names = {row.code: row.libelle for row in self.connection.execute(text("SELECT code, libelle FROM bureau"))}
        for code in _BUREAUX:
            yield code, f"Bureau {code} — {names[code]}" if code else "Électeurs sans bureau de vote"

    def _commune(self, type_: TypeTableau) -> Bilan:
        """The sum of the bureaux: every change of bureau is in it twice."""
        bilans = [self.bilan(type_, code) for code in _BUREAUX]
        return Bilan(*(sum(column) for column in zip(*map(astuple, bilans), strict=True)))

    def _equation(self, type_: TypeTableau) -> str:
        commune = self._commune(type_)
        equation = (
            f"Électeurs avant {commune.avant} Inscriptions + {commune.inscriptions} "
            f"Radiations − {commune.radiations} Électeurs après = {commune.apres}"
        )
        if commune.arrivees:
            equation += f"Changements de bureau dans la commune, sans effet sur ce total : {commune.arrivees}"
        return equation

    def _recapitulatif(self, type_: TypeTableau) -> str:
        rows = [titre + self.bilan(type_, code).row() for code, titre in self._bureaux()]
        return RECAPITULATIF + "".join(rows) + "Commune de LIBREVILLE" + self._commune(type_).row()


def _of_commune(mouvements: Rows) -> tuple[Rows, Rows]:
    """Who comes and who leaves."""
    return (
        [one for one in mouvements if one["nature"] != "radiation"],
        [one for one in mouvements if one["nature"] == "radiation"],
    )


def _of_bureau(mouvements: Rows, code: str) -> tuple[Rows, Rows]:
    """The same of a bureau: who changes bureau leaves one and comes into another."""
    return (
        [one for one in mouvements if one["nature"] != "radiation" and one["nouveau_bureau"] == code],
        [one for one in mouvements if one["nature"] != "inscription" and one["ancien_bureau"] == code],
    )


def _changements(mouvements: Rows) -> int:
    return sum(one["nature"] == "modification" for one in mouvements)


def _parties(type_: TypeTableau, sides: tuple[Rows, Rows], *, has_lines: bool = True) -> str:
    text_ = ""
    for (titre, total), mouvements in zip(parts_of(type_), sides, strict=False):
        lines = heading(type_) + "".join(_line(type_, one) for one in mouvements) if mouvements else "Néant"
        text_ += f"{titre}{lines if has_lines else ''}{total} : {count(len(mouvements), 'électeur')}"
        if changements := _changements(mouvements):
            text_ += f", dont {count(changements, 'changement')} de bureau"
    return text_


def _line(type_: TypeTableau, one: RowMapping) -> str:
    year, month, day = one["date_naissance"].split("-")
    department = one["departement_naissance"]
    where = one["pays_naissance"] if department == "99" else department
    place = f"{one['commune_naissance']} ({where})" if one["commune_naissance"] else where
    is_changement = one["nature"] == "modification"
    return "".join(
        (
            "0" if one["etat"] == "actif" else str(one["numero"]),
            one["nom_naissance"],
            one["nom_usage"] if one["nom_usage"] != one["nom_naissance"] else "",
            one["prenoms"],
            f"{day}/{month}/{year} à {place}",
            MASQUEE if one["is_protegee"] else one["adresse"],
            f"{one['ancien_bureau']}→{one['nouveau_bureau']}"
            if is_changement
            else one["ancien_bureau"] + one["nouveau_bureau"],
            f"{one['date_mouvement']:%d/%m/%Y}" if type_ is TypeTableau.VINGT_JOURS else "",
            MOTIFS["changement_bureau" if is_changement else one["categorie"]],
        )
    )


def _notes(type_: TypeTableau, presentation: Presentation, mouvements: Rows) -> str:
    is_nominative = presentation is not Presentation.RECAPITULATIF
    notes = PERIODES.get(type_, "") + "".join(CITIZENS.get(type_, ()) if is_nominative else ())
    notes += SOURCE.format(ASKED_OF[type_])
    if is_nominative:
        if any(one["etat"] == "actif" for one in mouvements):
            notes += NOTE_PROVISOIRE
        if any(one["is_protegee"] for one in mouvements):
            notes += f"{MASQUEE} : Code électoral, art. L. 37."
    return notes
