"""What is printed for whom and when: what is posted hides more, what is not yet final says so, dates are the law's."""

import re
import zlib
from datetime import date, datetime
from typing import Any

import pytest

from schemas.tableaux import Edition, Presentation, TypeTableau
from tests.integration.tableau_desk import Made, TableauDesk, open_desk, wrap
from tests.integration.tableau_register import (
    CHANGEMENT,
    INSCRIPTION,
    RADIATION,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    TARDIVE,
    add_scrutin,
    named,
    write_register,
)
from tests.integration.tableau_words import MASQUEE, NOTE_PROVISOIRE
from tests.parts.town import MIGRATED_TEMPLATE
from worker.registre.protections import Protege, add_protection

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

VINGT, CINQ, PREMIER = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU, TypeTableau.PREMIER_RECTIFICATIF
VINGT_JOURS: dict[str, Any] = {"types": [VINGT], "scrutin": SCRUTIN, "reunion": REUNION_PRECEDENTE, "until": REUNION}
CACHOT = "8 Impasse du Cachot, 13900 LIBREVILLE"
CONDAMNATION = {"categorie": "radiation_decision", "motif": "Condamnation du 3 mai, tutelle levée"}
MENTION = "Exemplaire de la commission — ne pas afficher"


@pytest.mark.slow
@pytest.mark.parametrize("edition", Edition)
@pytest.mark.parametrize("presentation", Presentation)
def test_a_protected_address_is_nowhere_in_the_file(
    desk: TableauDesk, edition: Edition, presentation: Presentation
) -> None:
    hidden = [INSCRIPTION | {"adresse": CACHOT, "is_protegee": True}, RADIATION | named("LE TRÉSOR", adresse=CACHOT)]
    write_register(desk.engine, [*hidden, INSCRIPTION | named("VOISIN", adresse="10 Impasse du Voisin")])
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
def test_a_whole_motif_is_for_the_commission_only(desk: TableauDesk, presentation: Presentation) -> None:
    write_register(desk.engine, [RADIATION | CONDAMNATION, INSCRIPTION | {"motif": ""}])
    posted = desk.make(**VINGT_JOURS, presentations=[presentation])
    assert not [form for form in _encoded("Condamnation") if form in _everything(posted)]
    assert "13900 LIBREVILLE 1 20/01/2027 Décision" in posted.text
    assert "commission" not in posted.text
    made = desk.make(**VINGT_JOURS, presentations=[presentation], edition=Edition.COMMISSION)
    assert "13900 LIBREVILLE 1 20/01/2027 Condamnation du 3 mai, tutelle levée" in made.text
    assert "13900 LIBREVILLE 1 20/01/2027 Inscription volontaire" in made.text, "the category, for want of a motif"
    assert all(MENTION in page for page in made.pages)
    assert made.row["file_name"] == f"tableau-vingt_jours-P-13900-{presentation}-commission-20270320-093000.pdf"
    assert f"({presentation.label}, pour la commission), liste P" in made.row["label"]
    assert made.row["edition"] == "commission"


@pytest.mark.slow
def test_a_provisional_number_is_explained_once(desk: TableauDesk) -> None:
    waiting = [row | {"etat": "actif", "numero": 12} for row in (INSCRIPTION, RADIATION, CHANGEMENT)]
    write_register(desk.engine, waiting)
    made = desk.make(**VINGT_JOURS, presentations=["par_bureau"])
    assert made.text.count(NOTE_PROVISOIRE) == 1
    assert NOTE_PROVISOIRE in made.pages[-1]
    assert len(re.findall(r"\b0 TAMBOURIN", made.text)) == 4
    assert NOTE_PROVISOIRE not in desk.make(**VINGT_JOURS, presentations=["recapitulatif"]).text
    desk.run("UPDATE mouvement SET etat = 'applique'")
    applied = desk.make(**VINGT_JOURS)
    assert NOTE_PROVISOIRE not in applied.text
    assert applied.text.count("12 TAMBOURIN") == 3


@pytest.mark.parametrize(
    ("code", "asked_at", "edited", "is_provisoire"),
    [
        ("13900", "2027-04-06T21:59:59Z", "06/04/2027 à 23:59", True),
        ("13900", "2027-04-06T22:00:00Z", "07/04/2027 à 00:00", False),
        ("98735", "2027-04-07T09:59:59Z", "06/04/2027 à 23:59", True),  # Papeete: the 7th in Paris
        ("98735", "2027-04-07T10:00:00Z", "07/04/2027 à 00:00", False),
        ("98818", "2027-04-06T12:59:59Z", "06/04/2027 à 23:59", True),
        ("98818", "2027-04-06T13:00:00Z", "07/04/2027 à 00:00", False),  # Nouméa: still the 6th in Paris
    ],
)
def test_a_tableau_is_provisional_until_its_last_day_is_over_in_the_commune(
    desk: TableauDesk, code: str, asked_at: str, edited: str, *, is_provisoire: bool
) -> None:
    write_register(desk.engine, [INSCRIPTION | {"code_commune": code}], commune=(code, "LIBREVILLE"))
    asked = {"commune": code, "scrutin": SCRUTIN, "created_at": datetime.fromisoformat(asked_at)}
    made = desk.make(TypeTableau.CINQ_JOURS_REU, **asked)
    assert ("P R O V I S O I R E" in made.pages[0], made.row["label"].endswith(", provisoire")) == (is_provisoire,) * 2
    assert str(made.row["provisoire_until"]) == ("2027-04-07" if is_provisoire else "None")
    assert f"Édité le {edited}" in made.text
    assert f" du {edited.replace(' à', '')}:" in made.row["label"]
    assert made.path.name.startswith(
        f"tableau-cinq_jours_reu-P-{code}-commune-{edited[6:10]}{edited[3:5]}{edited[:2]}-"
    )


def test_five_days_before_a_saturday_are_a_monday(desk: TableauDesk) -> None:
    saturday, monday = date(2027, 4, 10), date(2027, 4, 5)
    rows = [
        TARDIVE | {"code_commune": "97209", "date_mouvement": day} | named(nom)
        for nom, day in (("LUNDI", monday), ("MARDI", date(2027, 4, 6)), ("LA VEILLE", date(2027, 3, 20)))
    ]
    write_register(desk.engine, rows, commune=("97209", "FORT-DE-LIBREVILLE"))
    made = desk.make(CINQ, commune="97209", scrutin=saturday)
    assert "Scrutin du 10 avril 2027" in made.text
    assert "intervenues depuis le 21/03/2027, jusqu’au 05/04/2027." in made.text
    assert "LUNDI Zoé" in made.text
    assert "MARDI" not in made.text
    assert "VEILLE" not in made.text
    assert desk.refusal(wrap(CINQ, scrutin=saturday)).startswith("On ne vote pas le 10/04/2027")


@pytest.mark.slow
def test_a_posted_tableau_says_until_when_it_can_be_consulted(desk: TableauDesk) -> None:
    write_register(desk.engine, [INSCRIPTION])
    note = "Publié le 20/03/2027. Consultable jusqu’au 27/03/2027."
    made = desk.make(**VINGT_JOURS, publication=date(2027, 3, 20), presentations=["par_bureau"])
    assert [page.count(note) for page in made.pages] == [*[0] * (len(made.pages) - 1), 1]
    assert "Publié le ____________. Consultable jusqu’au ____________." in desk.make(**VINGT_JOURS).text


@pytest.mark.slow
def test_a_mayor_signs_where_it_is_asked(desk: TableauDesk) -> None:
    write_register(desk.engine, [INSCRIPTION])
    assert "Le maire" not in desk.make(**VINGT_JOURS).text
    signed = desk.make(**VINGT_JOURS, signature_maire=True).text
    assert signed.endswith("Publié à LIBREVILLE, le Le maire Sceau de la mairie Nom et signature")


@pytest.mark.slow
@pytest.mark.parametrize("liste", ["CE", "CM"])
def test_a_complementary_list_prints_nationalities(desk: TableauDesk, liste: str) -> None:
    row = INSCRIPTION | {"liste": liste, "nationalite": "Tchèque"} | named("Šťastný", "Łukasz")
    write_register(desk.engine, [row], liste=liste)
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    made = desk.make(VINGT, scrutin=SCRUTIN, listes=[liste])
    assert f"Liste complémentaire {'européenne' if liste == 'CE' else 'municipale'} — {liste}" in made.text
    assert "Adresse Nationalité Bureau Date du mouvement Motif" in made.text
    assert "13900 LIBREVILLE Tchèque 1 20/01/2027 Inscription volontaire" in made.text


def _everything(made: Made) -> bytes:
    """The bytes of the file, and those that its streams hold deflated."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\nstream\n(.*?)\nendstream", made.content, re.DOTALL)
    assert len(streams) > len(made.pages)
    return b"".join((made.content, *map(zlib.decompress, streams)))


def _encoded(word: str) -> list[bytes]:
    """The ways in which a file may hold a word."""
    wide = word.encode("utf-16-be")
    return [word.encode(), wide, wide.hex().upper().encode(), word.encode().hex().upper().encode()]
