"""Importing a REU export: whole lists replaced, all or none, after questions about what looks wrong; undone; purged."""

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import text

from common.cli import ExitCode
from schemas.requests import UNDO_DAYS
from schemas.vocabulary import Action, ImportQuestion, Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, Desk, give_up_soon
from tests.integration.notifier_desk import work
from tests.parts.wait import wait_until
from tests.unit.reu_sample import (
    BUREAU,
    CIRCONSCRIPTION,
    DATE,
    EUROPEENNE,
    LIBELLE_BUREAU,
    LISTE,
    MUNICIPALE,
    NATIONALITE,
    NOM,
    NUMERO,
    TITLES,
    VOIE,
    electeurs,
    format_reu,
    write_reu,
)
from tests.unit.reu_sample import COMMUNE as CODE
from worker.audit import NOTIFIER, read_audit
from worker.cli.main import main
from worker.compose import build_notifier
from worker.errors import ImportBusyError, ImportRefusedError
from worker.messaging.queues import TokenQueues
from worker.registre import versions
from worker.registre.imports import history
from worker.registre.imports.chain import read_chain
from worker.registre.imports.history import undo_import
from worker.registre.imports.report import ListeCount
from worker.registre.reu.importer import Intake
from worker.registre.versions import BATCH
from worker.settings import load_settings

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=Desk.open)]

P, CE, CM = (COMMUNE, "P"), (COMMUNE, "CE"), (COMMUNE, "CM")


def test_the_lists_of_a_file_become_the_register(desk: Desk) -> None:
    summary = desk.load([*electeurs(3), *electeurs(2, EUROPEENNE), *electeurs(1, MUNICIPALE)])
    assert desk.shown() == {P: ["Zoé A", "Zoé B", "Zoé C"], CE: ["Zoé A", "Zoé B"], CM: ["Zoé A"]}
    assert (summary.lines_read, summary.lines_kept, summary.lines_rejected) == (6, 6, 0)
    assert summary.listes == (
        ListeCount(COMMUNE, "CE", 2, None),
        ListeCount(COMMUNE, "CM", 1, None),
        ListeCount(COMMUNE, "P", 3, None),
    )
    assert (summary.bureaux, summary.bureaux_changed, summary.report) == (1, 1, None)
    assert desk.bureaux() == [("0001", "HOTEL DE VILLE", "", "16")]


def test_the_same_bytes_taken_later_are_a_link_more(desk: Desk) -> None:
    first, until = date(2026, 9, 10), date(2026, 11, 20)
    desk.load(electeurs(3), intake=Intake(taken_on=first))
    assert desk.load(electeurs(3)).unchanged, "nobody says that they are another export"
    assert desk.load(electeurs(3), intake=Intake(taken_on=first)).unchanged
    with pytest.raises(
        ImportRefusedError, match="le même, octet pour octet, que l'export du 10/09/2026"
    ):
        desk.load(electeurs(3), intake=Intake(taken_on=until))
    later = desk.load(electeurs(3), intake=Intake(taken_on=until), accept_changes=True)
    assert (later.unchanged, later.comparison and later.comparison.inscriptions) == (False, 0)
    with desk.engine.connect() as connection:
        links = read_chain(connection, COMMUNE, Liste.PRINCIPALE).links
    assert [(link.taken_on, link.is_compared) for link in links] == [(first, False), (until, True)]


@pytest.mark.slow
def test_a_list_is_emptied_by_the_same_bytes_when_somebody_says_so(desk: Desk) -> None:
    desk.load([*electeurs(3), *electeurs(1, EUROPEENNE)])
    assert desk.load(electeurs(3)).kept, "the European list, which the file does not hold"
    assert not desk.load(
        electeurs(3), intake=Intake(empty=[Liste.COMPLEMENTAIRE_EUROPEENNE])
    ).unchanged
    assert desk.counts() == {P: 3, CE: 0}
    undo_import(desk.engine)
    assert desk.counts() == {P: 3, CE: 1}


@pytest.mark.slow
def test_the_same_file_is_another_list_once_it_is_said_to_be_of_another_commune(desk: Desk) -> None:
    titles = [title for title in TITLES if title not in {CODE, LISTE}]
    rows = [titles, *([it[title] for title in titles] for it in electeurs(3))]
    path = desk.folder / "electeurs.csv"
    path.write_text("".join(";".join(row) + "\n" for row in rows), "utf-8")
    ours = Intake(commune=COMMUNE, liste=Liste.PRINCIPALE)
    desk.load_file(path, intake=ours)
    assert desk.load_file(path, intake=ours).unchanged
    assert not desk.load_file(
        path, intake=Intake(commune=VOISINE, liste=Liste.PRINCIPALE)
    ).unchanged
    assert desk.counts() == {P: 3, (VOISINE, "P"): 3}


def test_a_list_that_is_not_in_the_file_is_not_touched(desk: Desk) -> None:
    desk.load([*electeurs(3), *electeurs(2, EUROPEENNE), *electeurs(2, {CODE: VOISINE})])
    desk.load(electeurs(4))
    assert desk.counts() == {P: 4, CE: 2, (VOISINE, "P"): 2}


@pytest.mark.slow
def test_imports_are_undone_one_after_the_other(desk: Desk) -> None:
    for nom, size in (("", 3), ("ECOLE", 4), ("GYMNASE", 5)):
        desk.load(electeurs(size, {LIBELLE_BUREAU: nom} if nom else {}))
    desk.load(electeurs(2, {CODE: VOISINE, BUREAU: "9"}))
    desk.purge()
    with pytest.raises(
        ImportRefusedError, match=r"l'import 3 \(reu.csv\) a remplacé ensuite la liste P de 13055"
    ):
        undo_import(desk.engine, 1)
    seen = []
    for number in (3, 2, 1):
        undone = undo_import(desk.engine, number)
        seen.append(
            (undone.import_id, desk.counts().get(P), [row[1] for row in desk.bureaux()][:1])
        )
    assert seen == [(3, 4, ["ECOLE"]), (2, 3, ["HOTEL DE VILLE"]), (1, None, ["HOTEL DE VILLE"])]
    desk.purge()
    assert (desk.counts(), desk.stored()) == ({(VOISINE, "P"): 2}, 2), (
        "another commune's import does not matter"
    )
    assert undo_import(desk.engine).import_id == 4


@pytest.mark.slow
def test_an_import_is_not_undone_when_what_it_replaced_is_gone(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    desk.age_imports(UNDO_DAYS + 1)
    for number in (None, 2):
        with pytest.raises(ImportRefusedError, match="l'import 2 a plus de 30 jours"):
            undo_import(desk.engine, number)
    desk.load(electeurs(5))
    undo_import(desk.engine)
    assert desk.counts() == {P: 4}


@pytest.mark.slow
def test_the_last_import_can_be_undone_once(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    desk.load([*electeurs(5), *electeurs(2, EUROPEENNE)])
    undone = undo_import(desk.engine)
    assert (undone.restored, undone.removed) == ((P,), (CE,))
    assert desk.shown() == {P: ["Zoé A", "Zoé B", "Zoé C", "Zoé D"]}
    desk.purge()
    assert desk.stored() == 3 + 4
    assert [undone for *_, undone in desk.imports()] == [False, False, True]
    with pytest.raises(ImportRefusedError, match="déjà annulé"):
        undo_import(desk.engine)
    assert not desk.load([*electeurs(5), *electeurs(2, EUROPEENNE)]).unchanged


def test_an_import_that_a_service_has_overwritten_is_not_undone(desk: Desk) -> None:
    desk.load(electeurs(3))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE liste SET version = 0")
    with pytest.raises(ImportRefusedError, match="modifiées depuis"):
        undo_import(desk.engine)


@pytest.mark.slow
def test_a_list_that_loses_much_is_refused_unless_accepted(desk: Desk) -> None:
    desk.load([*electeurs(10), *electeurs(10, EUROPEENNE)])
    desk.load([*electeurs(8), *electeurs(10, EUROPEENNE)])
    with pytest.raises(
        ImportRefusedError, match="La liste principale de 13055 perdrait 2 électeurs connus sur 8"
    ):
        desk.load([*electeurs(6), *electeurs(10, EUROPEENNE)])
    assert desk.counts() == {P: 8, CE: 10}
    summary = desk.load([*electeurs(6), *electeurs(10, EUROPEENNE)], accept_changes=True)
    assert ListeCount(COMMUNE, "P", 6, 8) in summary.listes
    assert desk.counts() == {P: 6, CE: 10}


def test_rejected_lines_are_reported_and_must_be_accepted(desk: Desk) -> None:
    rows = [
        *electeurs(2),
        *electeurs(1, {DATE: "hier", NOM: "LANTERNE"}),
        *electeurs(2, {CODE: "97999"}),
    ]
    with pytest.raises(ImportRefusedError) as refusal:
        desk.load(rows)
    assert "3 lignes rejetées sur 5" in str(refusal.value)
    assert "commune inconnue : 97999 (2) ; date de naissance illisible (1)" in str(refusal.value)
    assert desk.counts() == {}
    summary = desk.load(rows, accept_rejects=True)
    assert desk.counts() == {P: 2}
    assert (summary.lines_kept, summary.lines_rejected) == (2, 3)
    assert summary.report == desk.report
    report = desk.report.read_text("utf-8-sig")
    assert report.splitlines() == [
        "Ligne;Colonne;Motif",
        "4;date de naissance;date de naissance illisible",
        "5;code de l'ugle;commune inconnue : 97999",
        "6;code de l'ugle;commune inconnue : 97999",
    ]
    assert not desk.load(rows, accept_rejects=True).unchanged, (
        "the commune may have been added since"
    )


@pytest.mark.parametrize(
    ("changes", "is_asked"), [({DATE: "hier"}, False), ({CODE: "97999"}, True)]
)
def test_a_commune_is_to_be_added_only_where_one_is_unknown(
    desk: Desk, changes: dict[str, str], *, is_asked: bool
) -> None:
    with pytest.raises(ImportRefusedError, match="Aucune ligne ne peut être gardée") as refusal:
        desk.load(electeurs(3, changes))
    assert ("communes --add" in str(refusal.value)) == is_asked


def test_the_report_of_an_earlier_attempt_does_not_stay(desk: Desk) -> None:
    with pytest.raises(ImportRefusedError):
        desk.load(electeurs(1, {DATE: "hier"}))
    assert desk.report.exists()
    desk.load(electeurs(2))
    assert not desk.report.exists()


def test_a_report_never_replaces_another_file(desk: Desk) -> None:
    path = desk.write(electeurs(1, {DATE: "hier"}))
    before = path.read_bytes()
    with pytest.raises(ImportRefusedError, match="n'est pas un rapport de rejets"):
        desk.load_file(path, report=path)
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("rows", [[], electeurs(2, {DATE: "hier"})])
def test_a_file_without_electors_is_refused(desk: Desk, rows: list[dict[str, str]]) -> None:
    desk.load(electeurs(2))
    with pytest.raises(ImportRefusedError):
        desk.load(rows, accept_rejects=True, accept_changes=True)
    assert desk.counts() == {P: 2}


@pytest.mark.slow
def test_what_the_operator_knows_of_a_bureau_is_kept(desk: Desk) -> None:
    desk.load(electeurs(2, {CIRCONSCRIPTION: ""}))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE bureau SET code_canton = '1301', code_circonscription = '01'"
        )
    desk.load(electeurs(3, {CIRCONSCRIPTION: "", LIBELLE_BUREAU: "ECOLE"}))
    assert desk.bureaux() == [("0001", "ECOLE", "1301", "01")]
    desk.load([*electeurs(3), *electeurs(1, {BUREAU: "2"})])
    assert desk.bureaux() == [
        ("0001", "HOTEL DE VILLE", "1301", "16"),
        ("0002", "HOTEL DE VILLE", "", "16"),
    ]
    undo_import(desk.engine)
    assert desk.bureaux() == [("0001", "ECOLE", "1301", "01")]


def test_undoing_leaves_alone_a_bureau_that_the_operator_has_changed(desk: Desk) -> None:
    desk.load([*electeurs(2), *electeurs(2, {BUREAU: "2"})])
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bureau SET code_canton = '1301' WHERE code = '0002'")
    undo_import(desk.engine)
    assert desk.bureaux() == [("0002", "HOTEL DE VILLE", "1301", "16")]


MANY = 2 * BATCH + 10
ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from worker.db.engine import build_engine
from worker.registre.reu.importer import import_file
kill = lambda lines, share: lines > int(sys.argv[3]) and os.kill(os.getpid(), signal.SIGKILL)
import_file(build_engine(sys.argv[1]), Path(sys.argv[2]), imported_by="test", progress=kill)
"""


@pytest.mark.slow
def test_an_import_killed_in_the_middle_has_changed_nothing(desk: Desk) -> None:
    desk.load(electeurs(3))
    path = desk.write([*electeurs(MANY), *electeurs(2, EUROPEENNE)])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, desk.url, path, str(BATCH)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert desk.stored() in {BATCH + 3, 2 * BATCH + 3}, (
        "while it reads the second batch, or once it has written it"
    )
    assert (desk.counts(), desk.imports()[1:]) == ({P: 3}, [(2, 0, False, False)])
    desk.load(electeurs(4))
    desk.purge()
    assert desk.counts() == {P: 4}
    assert desk.stored() == 4 + 3
    assert [finished for _, _, finished, _ in desk.imports()] == [True, True]


@pytest.mark.slow
def test_an_import_of_one_commune_delays_no_other_commune(desk: Desk) -> None:
    """What changes all communes waits; on SQLite, which has one writer, everything waits."""
    refused: list[str] = []

    def load(commune: str) -> None:
        path = write_reu(desk.folder / f"{commune}.csv", electeurs(2, {CODE: commune}))
        desk.load_file(path, intake=Intake(commune=commune, named=path.name))

    def meet(lines: int, _share: float) -> None:
        if refused or not lines:
            return
        others: dict[str, Callable[[], object]] = {
            it: partial(load, it) for it in (COMMUNE, VOISINE)
        }
        others |= {
            "undo": partial(undo_import, desk.engine),
            "all": partial(desk.load_file, desk.folder / "reu.csv"),
        }
        for name, other in others.items():
            try:
                other()
            except ImportBusyError:
                refused.append(name)
        desk.purge()

    desk.load(electeurs(3), intake=Intake(commune=COMMUNE, named="liste.csv"), progress=meet)
    is_server = desk.engine.dialect.name == "postgresql"
    assert refused == [COMMUNE, *([] if is_server else [VOISINE]), "undo", "all"]
    assert desk.counts() == {P: 3} | ({(VOISINE, "P"): 2} if is_server else {})
    assert [is_finished for _, _, is_finished, _ in desk.imports()] == (
        [True, True] if is_server else [True]
    )
    desk.load(electeurs(3, {CODE: VOISINE}), intake=Intake(commune=VOISINE, named="liste.csv"))


@pytest.mark.slow
def test_others_read_the_former_list_and_write_meanwhile(desk: Desk) -> None:
    desk.load(electeurs(3))
    seen, written = [], []

    def look(_lines: int, _share: float) -> None:
        seen.append(desk.counts())
        with desk.engine.begin() as connection:
            give_up_soon(connection)
            connection.execute(text("UPDATE commune SET nom = nom"))
        written.append(True)

    desk.load(electeurs(MANY), progress=look)
    assert all(it == {P: 3} for it in seen)
    assert len(written) == len(seen) >= 3
    assert desk.counts() == {P: MANY}


def test_a_file_that_grows_while_it_is_read_is_refused(desk: Desk) -> None:
    path = desk.write(electeurs(MANY))

    def grow(_lines: int, _share: float) -> None:
        with path.open("a") as file:
            file.write("\n")

    with pytest.raises(ImportRefusedError, match="a changé pendant sa lecture"):
        desk.load_file(path, progress=grow)
    assert (desk.counts(), desk.stored()) == ({}, 0)


USAGE, SEXE, LIEU = TITLES[4], TITLES[6], TITLES[9]
OTHERS = {NOM: "TILLEUL", DATE: "02/02/1970"}

Rows = list[dict[str, str]]


def _in_bureaux(count: int, *codes: str, changes: dict[str, str] | None = None) -> Rows:
    """This many electors in each of these bureaux, numbered from 1 in each."""
    rows = electeurs(count * len(codes), changes)
    return [
        row | {BUREAU: codes[index // count], NUMERO: str(index % count + 1)}
        for index, row in enumerate(rows)
    ]


def _asked(desk: Desk, rows: Rows, **options: object) -> tuple[list[ImportQuestion], str]:
    """The questions of an import that is refused, then accepted; and the text of the refusal."""
    before = desk.counts()
    with pytest.raises(ImportRefusedError) as refusal:
        desk.load(rows, **options)
    assert desk.counts() == before
    summary = desk.load(rows, accept_changes=True, **options)
    return [it.kind for it in summary.questions], str(refusal.value)


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
def test_a_file_that_is_cut_at_the_end_of_a_line_is_asked_about(
    desk: Desk, *, shuffled: bool
) -> None:
    """In the order of the former file, or in that of the bureaux when the former file had another order."""
    rows = _in_bureaux(50, "0001", "0002")
    desk.load(rows[::-1] if shuffled else rows)
    kinds, said = _asked(desk, [*rows[:85], *electeurs(1, OTHERS)])
    assert kinds == [ImportQuestion.CUT_END]
    assert (
        "La liste principale de 13055 perdrait 15 électeurs connus sur 100, dont ses 15 derniers."
        in said
    )
    assert "Le téléchargement a peut-être été coupé." in said


@pytest.mark.parametrize(("homes", "is_asked"), [(4, True), (1, False)])
def test_four_electors_cut_off_at_the_end_are_asked_about_but_no_family(
    desk: Desk, homes: int, *, is_asked: bool
) -> None:
    last = [
        row | {NUMERO: str(97 + place), VOIE: f"Rue {'ABCD'[place % homes]}"}
        for place, row in enumerate(electeurs(4, {NOM: "TILLEUL"}))
    ]
    desk.load([*electeurs(96), *last])
    if is_asked:
        kinds, said = _asked(desk, electeurs(96))
        assert kinds == [ImportQuestion.CUT_END]
        assert "perdrait 4 électeurs connus sur 100, dont ses 4 derniers" in said
    else:
        assert not desk.load(electeurs(96)).questions


def test_a_cut_file_in_the_order_of_names_is_asked_about(desk: Desk) -> None:
    """The former file has another order; the new one sorts É as E."""
    ranks = [index * 37 % 100 for index in range(100)]
    names = [
        f"{'É' if rank in {40, 41} else 'ABCDEFGHIJ'[rank // 10]}{'ABCDEFGHIJ'[rank % 10]}"
        for rank in ranks
    ]
    rows = [
        row | {NOM: name} for row, name in zip(_in_bureaux(50, "0001", "0002"), names, strict=True)
    ]
    desk.load(rows)
    by_name = [row for _, row in sorted(zip(ranks, rows, strict=True), key=lambda pair: pair[0])]
    kinds, said = _asked(desk, by_name[:85])
    assert kinds == [ImportQuestion.CUT_END]
    assert "perdrait 15 électeurs connus sur 100, dont ses 15 derniers" in said


def test_a_small_bureau_that_disappears_from_the_principal_list_is_asked_about(desk: Desk) -> None:
    """A few citizens of the Union may leave a bureau that still has electors of the principal list."""
    rows = [*_in_bureaux(20, "0001", "0002"), *_in_bureaux(4, "0003", changes={NOM: "TILLEUL"})]
    european = [row | EUROPEENNE for row in rows]
    desk.load([*rows, *european])
    kinds, said = _asked(desk, [*rows[:-4], *european[:-4]])
    assert kinds == [ImportQuestion.LOST_BUREAU]
    assert (
        "Le bureau 0003 (4 électeurs) n'aurait plus d'électeur sur la liste principale de 13055."
        in said
    )
    assert "Regroupement de bureaux, ou fichier incomplet ?" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            SEXE,
            "M",
            "Le sexe changerait pour 10 électeurs connus sur 40 de la liste principale de 13055.",
        ),
        (BUREAU, "0002", "Le bureau changerait pour 10 électeurs connus sur 40"),
        ("libellé nationalité", "Rue Neuve", "La nationalité changerait pour 10"),
        (LIEU, "13001", "Le lieu de naissance changerait pour 10"),
        ("code commune de naissance", "75056", "Le lieu de naissance changerait pour 10"),
        (VOIE, "Autre rue", "L'adresse changerait pour 10"),
        (USAGE, "FEMME", "Le nom d'usage changerait pour 10"),
    ],
)
def test_a_field_that_changes_for_many_is_asked_about(
    desk: Desk, field: str, value: str, words: str
) -> None:
    rows = electeurs(40)
    desk.load(rows)
    kinds, said = _asked(desk, [*({**row, field: value} for row in rows[:10]), *rows[10:]])
    assert kinds == [ImportQuestion.CHANGED_FIELD]
    assert words in said
    assert "olonne décalée" in said


@pytest.mark.slow
def test_bytes_that_another_export_has_replaced_are_asked_about(desk: Desk) -> None:
    first, second, third = date(2026, 9, 10), date(2026, 10, 10), date(2026, 11, 10)
    desk.load(electeurs(40), intake=Intake(first))
    desk.load(electeurs(41), intake=Intake(second))
    kinds, said = _asked(desk, electeurs(40), intake=Intake(third))
    assert kinds == [ImportQuestion.SAME_BYTES]
    assert (
        "Ce fichier est le même, octet pour octet, que l'export du 10/09/2026 qui est déjà repris."
        in said
    )
    assert "si l'export est bien du 10/11/2026, rien n'a changé jusque-là" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "known", [[], electeurs(60, OTHERS)], ids=["a new commune", "a commune that grows"]
)
def test_a_commune_that_takes_the_electors_of_another_is_asked_about(
    desk: Desk, known: Rows
) -> None:
    desk.load(electeurs(20, {CODE: VOISINE}))
    if known:
        desk.load(known)
    kinds, said = _asked(desk, [*known, *electeurs(18)])
    assert kinds == [ImportQuestion.ABSORBED]
    assert (
        "18 électeurs sur 20 de la liste principale de 13900 arriveraient sur celle de 13055."
        in said
    )
    assert (
        "Cette commune en a peut-être absorbé une autre. Après votre oui, aucune liste de 13900 n'est prête"
        in said
    )


@pytest.mark.parametrize(
    ("nationalite", "known", "said"),
    [
        ("Française", [], "20 électeurs sur 20 qui arrivent"),
        ("", electeurs(20, {NATIONALITE: ""}), "sont aussi sur la principale"),
    ],
    ids=["by their nationality", "by the list that they are on"],
)
def test_a_principal_list_that_arrives_as_a_complementary_one_is_asked_about(
    desk: Desk, nationalite: str, known: Rows, said: str
) -> None:
    if known:
        desk.load([*known, *electeurs(3, MUNICIPALE | {NOM: "TILLEUL"})])
    kinds, refusal = _asked(desk, electeurs(20, MUNICIPALE | {NATIONALITE: nationalite}))
    assert kinds == [ImportQuestion.OTHER_LISTE]
    assert said in refusal
    assert "celui d'une autre liste" in refusal


@pytest.mark.parametrize(
    ("nationalite", "known"),
    [("Belge", []), ("", electeurs(20, MUNICIPALE | {NATIONALITE: ""}))],
    ids=["by their nationality", "by the list that they are on"],
)
def test_a_complementary_list_that_arrives_as_the_principal_one_is_asked_about(
    desk: Desk, nationalite: str, known: Rows
) -> None:
    if known:
        desk.load(known)
    kinds, _ = _asked(desk, electeurs(20, {NATIONALITE: nationalite}))
    assert kinds == [ImportQuestion.OTHER_LISTE]


def test_one_person_on_both_complementary_lists_raises_no_question(desk: Desk) -> None:
    lists = [*electeurs(20, EUROPEENNE), *electeurs(20, MUNICIPALE)]
    assert not desk.load([*electeurs(20), *lists]).questions


@pytest.mark.parametrize(
    ("file", "title"), [("reu.csv", "Date de radiation"), ("Électeurs radiés 2026.csv", "Autre")]
)
def test_an_export_of_other_people_is_asked_about(desk: Desk, file: str, title: str) -> None:
    """A column or the file's name tells that these electors are not on the list any more."""
    lines = format_reu(electeurs(20)).splitlines()
    path = desk.folder / file
    path.write_text("\n".join([f"{lines[0]};{title}", *(f"{it};" for it in lines[1:])]) + "\n")
    with pytest.raises(ImportRefusedError, match="Il contient peut-être des électeurs radiés"):
        desk.load_file(path)
    summary = desk.load_file(path, accept_changes=True)
    assert [it.kind for it in summary.questions] == [ImportQuestion.OTHER_KIND]


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
    assert (
        "Accepté : la liste principale de 13055 garderait 0 électeur connu"
        in capsys.readouterr().out
    )
    (detail,) = desk.rows(
        "SELECT detail FROM audit WHERE action = 'registre_imported' ORDER BY id DESC"
    )[0]
    assert detail.endswith(" ; confirmé : autres électeurs (liste P de 13055)")


DEAD = """
INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
                    bureaux_before) VALUES (99, '', '', 'test', 0, 0, 0, 0, '[]')
"""
ONE_MORE = "INSERT INTO electeur (code_commune, liste, version) VALUES ('13055', 'P', {})"
WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def _run(desk: Desk, *statements: str) -> None:
    with desk.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _said(desk: Desk) -> list[str]:
    with desk.engine.connect() as connection:
        lines = [
            it.detail
            for it in read_audit(connection, limit=9_999)
            if it.action == Action.VERSIONS_PURGED
        ]
    return lines[::-1]


@pytest.mark.slow
def test_what_no_import_brings_back_leaves_and_nothing_else(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    _run(desk, ONE_MORE.format(1234))
    desk.age_imports(UNDO_DAYS - 1)
    assert desk.purge() == [], "it can be undone"
    assert desk.stored() == 3 + 4 + 1
    desk.age_imports(UNDO_DAYS + 1)
    assert desk.purge() == [3]
    assert (desk.counts(), desk.stored()) == ({P: 4}, 4 + 1), (
        "what another service wrote is its own"
    )
    assert _said(desk) == ["3 lignes d'électeur"]
    desk.load(electeurs(5))
    assert desk.purge() == []
    undo_import(desk.engine)
    assert (desk.counts(), desk.purge()) == ({P: 4}, [5])


@pytest.mark.slow
def test_a_step_is_bounded_and_is_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_STEP", 5)
    monkeypatch.setattr(versions, "BATCH", 5)
    for number in (7, 6, 4):
        desk.load(electeurs(number), accept_changes=True)
    desk.age_imports(UNDO_DAYS + 1)
    assert desk.purge() == [5, 5, 3]
    assert _said(desk) == ["5 lignes d'électeur", "5 lignes d'électeur", "3 lignes d'électeur"]
    assert (desk.counts(), desk.stored()) == ({P: 4}, 4)


@pytest.mark.slow
def test_what_an_import_left_that_died_leaves_too_but_not_while_one_is_at_work(desk: Desk) -> None:
    _run(desk, DEAD, ONE_MORE.format(99))
    seen: list[tuple[list[int], int]] = []
    with history.importing(desk.engine):
        seen.append((desk.purge(), desk.stored()))
    assert seen == [([], 1)]
    wait_until(
        lambda: desk.purge() == [1], message="the lock, released after the end of the connection"
    )
    assert desk.stored() == 0
    assert desk.imports() == []
    desk.load(electeurs(3), progress=lambda _lines, _share: seen.append((desk.purge(), 0)))
    assert seen[1:] == [([], 0)] * len(seen[1:]) != []
    assert desk.counts() == {P: 3}


def test_an_import_waits_for_the_end_of_a_step(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_PATIENCE_SECONDS", 60)
    with Desk.open(postgres_url, tmp_path) as desk:
        with desk.engine.begin() as connection:
            connection.execute(text("SELECT purge_versions(1)"))
            importing = Thread(target=desk.load, args=[electeurs(3)])
            importing.start()
            wait_until(lambda: desk.rows(WAITS) == [(1,)], message="an import that waits")
        importing.join(60)
        assert desk.counts() == {P: 3}


def test_the_notifier_removes_them(desk: Desk, tmp_path: Path) -> None:
    desk.load(electeurs(8))
    desk.load(electeurs(9))
    desk.age_imports(UNDO_DAYS + 1)
    settings = load_settings(database_url=desk.url, exports_dir=tmp_path / "exports", home=tmp_path)
    tokens = TokenQueues(StubBroker(middleware=[]))
    work(build_notifier(settings, desk.engine, tokens=tokens, publish=None))
    assert (desk.counts(), desk.stored()) == ({P: 9}, 9)
    with desk.engine.connect() as connection:
        line = next(
            it for it in read_audit(connection, limit=99) if it.action == Action.VERSIONS_PURGED
        )
    assert (line.actor, line.detail) == (NOTIFIER, "8 lignes d'électeur")
