"""The questions of an import before it changes a list: lost electors, bureaux, fields, bytes."""

from datetime import date

import pytest

from common.cli import ExitCode
from schemas.vocabulary import ImportQuestion
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, Desk
from tests.unit.reu_sample import BUREAU, DATE, EUROPEENNE, NOM, NUMERO, TITLES, VOIE, electeurs
from tests.unit.reu_sample import COMMUNE as CODE
from worker.cli.main import main
from worker.errors import ImportRefusedError
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=Desk.open)]

USAGE, SEXE, LIEU = TITLES[4], TITLES[6], TITLES[9]
OTHERS = {NOM: "TILLEUL", DATE: "02/02/1970"}
P, CE = (COMMUNE, "P"), (COMMUNE, "CE")

Rows = list[dict[str, str]]


def _in_bureaux(count: int, *codes: str, changes: dict[str, str] | None = None) -> Rows:
    """This many electors in each of these bureaux, numbered from 1 in each."""
    rows = electeurs(count * len(codes), changes)
    return [row | {BUREAU: codes[index // count], NUMERO: str(index % count + 1)} for index, row in enumerate(rows)]


def _asked(desk: Desk, rows: Rows, **options: object) -> tuple[list[ImportQuestion], str]:
    """The questions of an import that is refused, then accepted; and the text of the refusal."""
    before = desk.counts()
    with pytest.raises(ImportRefusedError) as refusal:
        desk.load(rows, **options)
    assert desk.counts() == before
    summary = desk.load(rows, accept_changes=True, **options)
    return [it.kind for it in summary.questions], str(refusal.value)


def test_another_population_of_the_same_size_is_asked_about(desk: Desk) -> None:
    desk.load(electeurs(40))
    kinds, said = _asked(desk, [*electeurs(2), *electeurs(38, OTHERS)])
    assert kinds == [ImportQuestion.OTHER_POPULATION]
    assert "La liste principale de 13055 garderait 2 électeurs connus sur 40 : 38 partiraient, 38 arriveraient." in said
    assert "Ce fichier est peut-être celui d'une autre commune ou d'une autre liste." in said


@pytest.mark.slow
def test_known_people_who_vanish_are_asked_about_though_others_come(desk: Desk) -> None:
    desk.load(electeurs(40))
    kept = [row for index, row in enumerate(electeurs(40)) if index % 4]
    kinds, said = _asked(desk, [*kept, *electeurs(10, OTHERS)])
    assert kinds == [ImportQuestion.LOSSES]
    assert (
        "La liste principale de 13055 perdrait 10 électeurs connus sur 40. Le téléchargement est peut-être incomplet."
        in said
    )


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_file_that_is_cut_at_the_end_of_a_line_is_asked_about(desk: Desk, *, shuffled: bool) -> None:
    """In the order of the former file, or in that of the bureaux when the former file had another order."""
    rows = _in_bureaux(50, "0001", "0002")
    desk.load(rows[::-1] if shuffled else rows)
    kinds, said = _asked(desk, [*rows[:85], *electeurs(1, OTHERS)])
    assert kinds == [ImportQuestion.CUT_END]
    assert "La liste principale de 13055 perdrait 15 électeurs connus sur 100, dont ses 15 derniers." in said
    assert "Le téléchargement a peut-être été coupé." in said


def test_a_cut_file_in_the_order_of_names_is_asked_about(desk: Desk) -> None:
    """The former file has another order; the new one sorts É as E."""
    ranks = [index * 37 % 100 for index in range(100)]
    names = [f"{'É' if rank in {40, 41} else 'ABCDEFGHIJ'[rank // 10]}{'ABCDEFGHIJ'[rank % 10]}" for rank in ranks]
    rows = [row | {NOM: name} for row, name in zip(_in_bureaux(50, "0001", "0002"), names, strict=True)]
    desk.load(rows)
    by_name = [row for _, row in sorted(zip(ranks, rows, strict=True), key=lambda pair: pair[0])]
    kinds, said = _asked(desk, by_name[:85])
    assert kinds == [ImportQuestion.CUT_END]
    assert "perdrait 15 électeurs connus sur 100, dont ses 15 derniers" in said


@pytest.mark.slow
def test_departures_here_and_there_are_not_asked_about(desk: Desk) -> None:
    rows = _in_bureaux(50, "0001", "0002")
    desk.load(rows)
    left = {3, 17, 31, 44, 52, 60, 73, 81, 90, 97, 98, 99}
    assert not desk.load([row for index, row in enumerate(rows) if index not in left]).questions


@pytest.mark.slow
def test_a_bureau_that_loses_all_its_electors_is_asked_about(desk: Desk) -> None:
    rows = _in_bureaux(20, *(f"{number:04}" for number in range(1, 11)))
    desk.load(rows)
    without = [row for row in rows if row[BUREAU] != "0003"]
    kinds, said = _asked(desk, without)
    assert kinds == [ImportQuestion.LOST_BUREAU]
    assert "Le bureau 0003 (20 électeurs) n'aurait plus d'électeur sur la liste principale de 13055." in said
    assert "Regroupement de bureaux, ou fichier incomplet ?" in said


def test_a_small_bureau_that_disappears_from_the_principal_list_is_asked_about(desk: Desk) -> None:
    """A few citizens of the Union may leave a bureau that still has electors of the principal list."""
    rows = [*_in_bureaux(20, "0001", "0002"), *_in_bureaux(4, "0003", changes={NOM: "TILLEUL"})]
    european = [row | EUROPEENNE for row in rows]
    desk.load([*rows, *european])
    kinds, said = _asked(desk, [*rows[:-4], *european[:-4]])
    assert kinds == [ImportQuestion.LOST_BUREAU]
    assert "Le bureau 0003 (4 électeurs) n'aurait plus d'électeur sur la liste principale de 13055." in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (SEXE, "M", "Le sexe changerait pour 10 électeurs connus sur 40 de la liste principale de 13055."),
        (BUREAU, "0002", "Le bureau changerait pour 10 électeurs connus sur 40"),
        ("libellé nationalité", "Rue Neuve", "La nationalité changerait pour 10"),
        (LIEU, "13001", "Le lieu de naissance changerait pour 10"),
        ("code commune de naissance", "75056", "Le lieu de naissance changerait pour 10"),
        (VOIE, "Autre rue", "L'adresse changerait pour 10"),
        (USAGE, "FEMME", "Le nom d'usage changerait pour 10"),
    ],
)
def test_a_field_that_changes_for_many_is_asked_about(desk: Desk, field: str, value: str, words: str) -> None:
    rows = electeurs(40)
    desk.load(rows)
    kinds, said = _asked(desk, [*({**row, field: value} for row in rows[:10]), *rows[10:]])
    assert kinds == [ImportQuestion.CHANGED_FIELD]
    assert words in said
    assert "olonne décalée" in said


@pytest.mark.slow
def test_a_field_that_changes_for_some_and_every_order_number_is_no_question(desk: Desk) -> None:
    rows = electeurs(40)
    desk.load(rows)
    renumbered = [row | {NUMERO: str(500 - index)} for index, row in enumerate(rows)]
    assert not desk.load([*(row | {VOIE: "Rue Neuve"} for row in renumbered[:8]), *renumbered[8:]]).questions


@pytest.mark.slow
def test_bytes_that_another_export_has_replaced_are_asked_about(desk: Desk) -> None:
    first, second, third = date(2026, 9, 10), date(2026, 10, 10), date(2026, 11, 10)
    desk.load(electeurs(40), intake=Intake(first))
    desk.load(electeurs(41), intake=Intake(second))
    kinds, said = _asked(desk, electeurs(40), intake=Intake(third))
    assert kinds == [ImportQuestion.SAME_BYTES]
    assert "Ce fichier est le même, octet pour octet, que l'export du 10/09/2026 qui est déjà repris." in said
    assert "si l'export est bien du 10/11/2026, rien n'a changé jusque-là" in said


@pytest.mark.slow
@pytest.mark.parametrize("known", [[], electeurs(60, OTHERS)], ids=["a new commune", "a commune that grows"])
def test_a_commune_that_takes_the_electors_of_another_is_asked_about(desk: Desk, known: Rows) -> None:
    desk.load(electeurs(20, {CODE: VOISINE}))
    if known:
        desk.load(known)
    kinds, said = _asked(desk, [*known, *electeurs(18)])
    assert kinds == [ImportQuestion.ABSORBED]
    assert "18 électeurs sur 20 de la liste principale de 13900 arriveraient sur celle de 13055." in said
    assert "Cette commune en a peut-être absorbé une autre. Après votre oui, aucune liste de 13900 n'est prête" in said


def test_the_command_asks_and_the_trail_keeps_the_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", desk.url)
    desk.load(electeurs(40))
    command = ["import-reu", str(desk.write(electeurs(40, OTHERS)))]
    assert main(command) == ExitCode.FAILED
    assert capsys.readouterr().err.endswith(
        "Erreur : La liste principale de 13055 garderait 0 électeur connu sur 40 : 40 partiraient, 40 arriveraient. "
        "Ce fichier est peut-être celui d'une autre commune ou d'une autre liste. "
        "Si tout cela est voulu, ajoutez --accept-changes.\n"
    )
    assert main([*command, "--accept-changes"]) == ExitCode.DONE
    assert "Accepté : la liste principale de 13055 garderait 0 électeur connu" in capsys.readouterr().out
    (detail,) = desk.rows("SELECT detail FROM audit WHERE action = 'registre_imported' ORDER BY id DESC")[0]
    assert detail.endswith(" ; confirmé : autres électeurs (liste P de 13055)")
