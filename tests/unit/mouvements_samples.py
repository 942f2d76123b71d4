"""Mouvements for the tests of the tableaux: one with chosen values, or random ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature
from worker.domain.identite import Effet, Etat, Mouvement, Personne
from worker.domain.tableau.composition import BureauElecteurs, ListeDeCommune
from worker.domain.tableau.demande import Demande, is_in

JANVIER, FEVRIER = date(2014, 1, 10), date(2014, 2, 28)
MUNICIPALES, EUROPEENNES = date(2014, 3, 23), date(2014, 5, 25)
SPRING_2019 = date(2019, 3, 1), date(2019, 6, 30)
NOON = datetime(2014, 2, 12, 11, 26, 7, tzinfo=UTC)

PERSONNE = Personne(
    nom_naissance="DURAND",
    nom_usage="",
    prenoms="Jeanne Marie",
    date_naissance="1962-03-14",
    commune_naissance="MARSEILLE",
    departement_naissance="13",
    pays_naissance="FRANCE",
    adresse="3 RUE DES ABEILLES 13900 LIBREVILLE",
    nationalite="Française",
)
MOUVEMENT = Mouvement(
    id=1,
    nature=Nature.INSCRIPTION,
    effet=Effet.PREMIER_MARS,
    etat=Etat.ACTIF,
    categorie=Categorie.INSCRIPTION_VOLONTAIRE,
    motif="Emménagement dans la commune",
    date_tableau=JANVIER,
    date_mouvement=date(2013, 10, 2),
    scrutin=None,
    ancien_bureau="",
    nouveau_bureau="0001",
    numero=0,
    personne=PERSONNE,
)
RADIATION = replace(
    MOUVEMENT,
    id=2,
    nature=Nature.RADIATION,
    categorie=Categorie.RADIATION_DECES,
    motif="Décès",
    ancien_bureau="0001",
    nouveau_bureau="",
)
CHANGEMENT = replace(
    MOUVEMENT,
    id=3,
    nature=Nature.MODIFICATION,
    categorie=Categorie.CHANGEMENT_BUREAU,
    motif="Déménagement dans la commune",
    ancien_bureau="0001",
    nouveau_bureau="0002",
)

BUREAUX = (
    BureauElecteurs("0001", "HOTEL DE VILLE", 800),
    BureauElecteurs("0002", "ECOLE JULES FERRY", 700),
)
LIBREVILLE = ListeDeCommune("13900", "LIBREVILLE", Liste.PRINCIPALE, BUREAUX)


class Mouvements:
    """Mouvements in memory, as a source of a tableau."""

    def __init__(self, mouvements: Iterable[Mouvement]) -> None:
        ordered = sorted(mouvements, key=lambda one: one.id)
        self._by_id = {one.id: one for one in ordered}
        assert len(self._by_id) == len(ordered)

    def stream(self) -> Iterator[Mouvement]:
        return iter(self._by_id.values())

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        return (self._by_id[id_] for id_ in ids)

    def shown(self, demande: Demande) -> list[Mouvement]:
        """The mouvements of a tableau, in the order of ids."""
        return [one for one in self.stream() if is_in(one, demande)]


def mouvement(base: Mouvement = MOUVEMENT, **values: Any) -> Mouvement:  # noqa: ANN401 — any field
    """A mouvement with these values; fields of the elector are allowed too."""
    of_personne = {name: values.pop(name) for name in [*values] if hasattr(base.personne, name)}
    return replace(base, personne=replace(base.personne, **of_personne), **values)


def demande(type_: TypeTableau = TypeTableau.PREMIER_RECTIFICATIF, **values: Any) -> Demande:  # noqa: ANN401
    """A request; the yearly tableaux are those of 2014."""
    dates = {TypeTableau.PREMIER_RECTIFICATIF: JANVIER, TypeTableau.SECOND_RECTIFICATIF: FEVRIER}
    defaults: dict[str, Any] = {"requested_at": NOON, "date_tableau": dates.get(type_)}
    return Demande(type=type_, **(defaults | values))


@st.composite
def mouvements(draw: st.DrawFn, *, max_size: int = 12) -> list[Mouvement]:
    """Random mouvements of 2013, 2014 and the spring of 2019, each of another elector, in known or unknown bureaux."""
    one = st.builds(
        Mouvement,
        id=st.just(0),
        nature=st.sampled_from(Nature),
        effet=st.sampled_from(Effet),
        etat=st.sampled_from(Etat),
        categorie=st.sampled_from(Categorie),
        motif=st.sampled_from(["", "Condamnation", "Mariage"]),
        date_tableau=st.sampled_from([JANVIER, FEVRIER, date(2015, 1, 10), date(2013, 10, 10)]),
        date_mouvement=st.dates(date(2013, 9, 1), date(2014, 12, 31)) | st.dates(*SPRING_2019),
        scrutin=st.sampled_from([None, MUNICIPALES, EUROPEENNES]),
        ancien_bureau=st.sampled_from(["", "0001", "0002", "0099"]),
        nouveau_bureau=st.sampled_from(["", "0001", "0002", "0099"]),
        numero=st.integers(0, 2000),
        personne=st.just(PERSONNE),
    )
    drawn = draw(st.lists(one, max_size=max_size))
    return [
        mouvement(each, id=index, nom_naissance=f"N{index}")
        for index, each in enumerate(drawn, start=1)
    ]
