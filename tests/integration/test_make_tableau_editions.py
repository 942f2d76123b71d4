"""Editions and dates of tableaux: a posted one hides more, a provisional one is marked, dates follow the law."""

import re
import zlib
from collections import Counter
from datetime import date, datetime
from typing import Any

import pytest

from schemas.tableaux import Edition, Presentation, TypeTableau
from tests.integration.tableau_desk import Made, TableauDesk, wrap
from tests.integration.tableau_register import (
    CHANGEMENT,
    INSCRIPTION,
    RADIATION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    TARDIVE,
    VINGT_JOURS,
    named,
    write_register,
)
from tests.parts.pdf import check_archive
from tests.parts.town import MIGRATED_TEMPLATE
from worker.registre.protections import Protege, add_protection

pytestmark = [pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=TableauDesk.open)]

VINGT, CINQ = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
CACHOT = "8 Impasse du Cachot, 13900 LIBREVILLE"
CONDAMNATION = {
    "categorie": "radiation_judiciaire",
    "motif": "Condamnation du 3 mai, tutelle levée",
}
MASQUEE = "Adresse non communiquée"
MENTION = "Exemplaire de la commission — ne pas afficher"


@pytest.mark.slow
@pytest.mark.parametrize("edition", Edition)
@pytest.mark.parametrize("presentation", Presentation)
def test_a_protected_address_is_nowhere_in_the_file(
    desk: TableauDesk, edition: Edition, presentation: Presentation
) -> None:
    hidden = [
        INSCRIPTION | {"adresse": CACHOT, "is_protegee": True},
        RADIATION | named("LE TRÉSOR", adresse=CACHOT),
    ]
    write_register(
        desk.engine, [*hidden, INSCRIPTION | named("VOISIN", adresse="10 Impasse du Voisin")]
    )
    with desk.engine.begin() as connection:
        add_protection(connection, "13900", Protege("le tresor", "Zoé", "1962-03-14"))
    made = desk.make(**VINGT_JOURS, edition=edition, presentations=[presentation])
    content = _everything(made)
    assert not [form for form in _encoded("Cachot") if form in content]
    has_lines = presentation is not Presentation.RECAPITULATIF
    assert any(form in content for form in _encoded("Voisin")) == has_lines
    assert made.text.count(f"{MASQUEE} : Code électoral, art. L. 37.") == has_lines
    assert made.text.count(MASQUEE) == 3 * has_lines


@pytest.mark.slow
@pytest.mark.parametrize("presentation", [Presentation.COMMUNE, Presentation.PAR_BUREAU])
def test_a_whole_motif_is_for_the_commission_only(
    desk: TableauDesk, presentation: Presentation
) -> None:
    write_register(desk.engine, [RADIATION | CONDAMNATION, INSCRIPTION | {"motif": ""}])
    posted = desk.make(**VINGT_JOURS, presentations=[presentation])
    assert not [form for form in _encoded("Condamnation") if form in _everything(posted)]
    assert "3 Rue des Abeilles 1 20/01/2027 Décision" in posted.text
    assert "commission" not in posted.text
    made = desk.make(**VINGT_JOURS, presentations=[presentation], edition=Edition.COMMISSION)
    assert "3 Rue des Abeilles 1 20/01/2027 Condamnation du 3 mai, tutelle levée" in made.text
    assert "3 Rue des Abeilles 1 20/01/2027 Inscription volontaire" in made.text, (
        "the category, for want of a motif"
    )
    assert all(MENTION in page for page in made.pages)
    assert (
        made.row["file_name"]
        == f"tableau-vingt_jours-P-13900-{presentation}-commission-20270320-093000.pdf"
    )
    assert f"({presentation.label}, pour la commission), liste P" in made.row["label"]
    assert made.row["edition"] == "commission"


@pytest.mark.parametrize(
    ("code", "asked_at", "edited", "is_provisoire"),
    [
        ("13900", "2027-04-05T21:59:59Z", "05/04/2027 à 23:59", True),
        ("13900", "2027-04-05T22:00:00Z", "06/04/2027 à 00:00", False),
        ("98735", "2027-04-06T09:59:59Z", "05/04/2027 à 23:59", True),  # Papeete: the 6th in Paris
        ("98735", "2027-04-06T10:00:00Z", "06/04/2027 à 00:00", False),
        ("97411", "2027-04-05T19:59:59Z", "05/04/2027 à 23:59", True),
        (
            "97411",
            "2027-04-05T20:00:00Z",
            "06/04/2027 à 00:00",
            False,
        ),  # Saint-Denis: still the 5th in Paris
    ],
)
def test_a_tableau_is_provisional_until_its_last_day_is_over_in_the_commune(
    desk: TableauDesk, code: str, asked_at: str, edited: str, *, is_provisoire: bool
) -> None:
    """The tableau des cinq jours is final on J-5, the day on which it is published."""
    write_register(
        desk.engine, [INSCRIPTION | {"code_commune": code}], commune=(code, "LIBREVILLE")
    )
    asked = {"commune": code, "scrutin": SCRUTIN, "created_at": datetime.fromisoformat(asked_at)}
    made = desk.make(TypeTableau.CINQ_JOURS_REU, **asked)
    assert ("P R O V I S O I R E" in made.pages[0], made.row["label"].endswith(", provisoire")) == (
        is_provisoire,
    ) * 2
    assert str(made.row["provisoire_until"]) == ("2027-04-06" if is_provisoire else "None")
    assert f"Édité le {edited}" in made.text
    assert f" du {edited.replace(' à', '')}:" in made.row["label"]
    assert made.path.name.startswith(
        f"tableau-cinq_jours_reu-P-{code}-commune-{edited[6:10]}{edited[3:5]}{edited[:2]}-"
    )


def test_five_days_before_a_saturday_are_a_monday(desk: TableauDesk) -> None:
    saturday, monday = date(2027, 4, 10), date(2027, 4, 5)
    rows = [
        TARDIVE | {"code_commune": "97209", "date_mouvement": day} | named(nom)
        for nom, day in (
            ("DIMANCHE", date(2027, 4, 4)),
            ("LUNDI", monday),
            ("LA VEILLE", date(2027, 3, 20)),
        )
    ]
    write_register(desk.engine, rows, commune=("97209", "FORT-DE-LIBREVILLE"))
    made = desk.make(CINQ, commune="97209", scrutin=saturday)
    assert "Scrutin du 10 avril 2027" in made.text
    assert "intervenues depuis le 21/03/2027, jusqu’au 04/04/2027." in made.text
    assert "DIMANCHE Zoé" in made.text
    assert "LUNDI" not in made.text, "it is published that day, and counts until the evening before"
    assert "VEILLE" not in made.text
    assert desk.refusal(wrap(CINQ, scrutin=saturday)).startswith("On ne vote pas le 10/04/2027")


@pytest.mark.slow
@pytest.mark.parametrize(
    "dates",
    [VINGT_JOURS, {"types": [VINGT], "reunion": REUNION_PRECEDENTE}],
    ids=["of a poll", "without a poll"],
)
def test_the_days_of_the_publication_are_left_to_be_written_by_hand(
    desk: TableauDesk, dates: dict[str, Any]
) -> None:
    """The request gives the planned day: the tableau may be published on another, which the certificate states."""
    write_register(desk.engine, [INSCRIPTION])
    made = desk.make(
        **dates, publication=date(2027, 3, 22), presentations=["par_bureau"], signature_maire=True
    )
    note = "Publié le ____________. Consultable jusqu’au ____________."
    assert [page.count(note) for page in made.pages] == [*[0] * (len(made.pages) - 1), 1]
    assert "Publié à LIBREVILLE, le Le maire" in made.text
    assert not re.search("22(/03/| mars )2027", made.text)


def _everything(made: Made) -> bytes:
    """The bytes of the file, and those of its inflated streams."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\nstream\n(.*?)\nendstream", made.content, re.DOTALL)
    assert len(streams) > len(made.pages)
    return b"".join((made.content, *map(zlib.decompress, streams)))


def _encoded(word: str) -> list[bytes]:
    """The possible encodings of a word in the file."""
    wide = word.encode("utf-16-be")
    return [word.encode(), wide, wide.hex().upper().encode(), word.encode().hex().upper().encode()]


@pytest.mark.slow
def test_values_that_a_service_wrote_dirty_are_printed_clean(desk: TableauDesk) -> None:
    dirty = named(
        " CO\u0302TELETTE\u00a0",
        "Zoe\u0301\t\u200bLise ",
        adresse="3\u00a0Rue\ndes  Abeilles\u0007",
    )
    bureaux = {"1": " HO\u0302TEL\u00a0DE  VILLE\r\n"}
    write_register(desk.engine, [INSCRIPTION | dirty], bureaux=bureaux, electeurs={"1": 3})
    made = desk.make(**VINGT_JOURS, presentations=["par_bureau"])
    assert (
        "12 CÔTELETTE Zoé Lise 14/03/1962 à ARLES (13) 3 Rue des Abeilles 1 20/01/2027 Inscription volontaire"
        in made.text
    )
    assert "Bureau 1 — HÔTEL DE VILLE I. Inscriptions" in made.pages[0]
    assert check_archive(made.path) == ""


WAITING = {"etat": "actif"}
KNOWN = [
    RADIATION | WAITING | named("SUR-LA-LISTE"),
    INSCRIPTION | WAITING | named("DÉJÀ", "Inscrite"),
]
FAULTS = [
    *KNOWN,
    RADIATION | WAITING | named("HORS LISTE"),
    CHANGEMENT | WAITING | named("AILLEURS"),
    INSCRIPTION | named("EN DOUBLE", "Zoé"),
    RADIATION | named("En-Double", "Zoe"),
    INSCRIPTION | named("SANS MOTIF", motif="", categorie=""),
    INSCRIPTION | named("SANS CATÉGORIE", categorie="", motif="Recours"),
    INSCRIPTION | WAITING | named("BUREAU INCONNU", nouveau_bureau="99"),
    INSCRIPTION | WAITING | named("SANS BUREAU", nouveau_bureau=""),
    INSCRIPTION | named("CATÉGORIE FAUSSE", categorie="radiation_deces"),
]
DOUBLE = "Plusieurs mouvements pour le même électeur : vérifier qu'ils sont homonymes."
SANS_MOTIF = "Motif inconnu : l'indiquer."


def _line(severity: str, bureau: str, numero: str, *rest: str) -> list[str]:
    nom, prenoms, column, message, code = rest
    return [severity, bureau, numero, nom, prenoms, "14/03/1962", column, message, code]


EXPECTED = [
    _line("bloquante", "1", "0", "DÉJÀ", "Inscrite", "nom de naissance",
          "Inscription d'un électeur déjà sur la liste : vérifier qu'il s'agit d'un homonyme, sinon la retirer.",
          "deja_inscrit"),
    _line("bloquante", "1", "0", "HORS LISTE", "Zoé", "nom de naissance",
          "Radiation d'un électeur qui n'est pas sur la liste : vérifier son identité.", "radiation_hors_liste"),
    _line("bloquante", "1 → 2", "0", "AILLEURS", "Zoé", "nom de naissance",
          "Modification d'un électeur qui n'est pas sur la liste : vérifier son identité.", "modification_hors_liste"),
    _line("à compléter", "1", "12", "SANS MOTIF", "Zoé", "motif", SANS_MOTIF, "motif_absent"),
    _line("à compléter", "1", "12", "SANS CATÉGORIE", "Zoé", "motif", SANS_MOTIF, "motif_absent"),
    _line("bloquante", "99", "0", "BUREAU INCONNU", "Zoé", "nouveau bureau",
          "Bureau de vote inconnu dans la commune : corriger son code.", "bureau_inconnu"),
    _line("remarque", "–", "0", "SANS BUREAU", "Zoé", "nouveau bureau",
          "Mouvement sans bureau de vote : affecter l'électeur à un bureau.", "bureau_absent"),
    _line("remarque", "1", "12", "CATÉGORIE FAUSSE", "Zoé", "catégorie",
          "La catégorie du motif ne s'accorde pas avec le mouvement : la vérifier.", "categorie_incoherente"),
    _line("remarque", "1", "12", "EN DOUBLE", "Zoé", "nom de naissance", DOUBLE, "electeur_en_double"),
    _line("remarque", "1", "12", "En-Double", "Zoe", "nom de naissance", DOUBLE, "electeur_en_double"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("presentation", Presentation)
def test_each_anomaly_is_told_with_what_to_do(
    desk: TableauDesk, presentation: Presentation
) -> None:
    write_register(desk.engine, FAULTS, inscrits=KNOWN)
    made = desk.make(**VINGT_JOURS, presentations=[presentation])
    lacks = presentation is not Presentation.RECAPITULATIF
    expected = [line for line in EXPECTED if lacks or line[0] != "à compléter"]
    assert made.anomalies == expected
    severities = Counter(line[0] for line in expected)
    assert (made.row["bloquantes"], made.row["remarques"]) == (
        severities["bloquante"],
        severities["remarque"],
    )
    assert made.row["a_completer"] == severities["à compléter"]
    assert made.row["electeurs"] == len(FAULTS)
    if presentation is Presentation.COMMUNE:
        assert all(row["nom_naissance"] in made.text for row in FAULTS), "made all the same"
