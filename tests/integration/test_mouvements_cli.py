"""The commands of mouvements, polls, meetings and protections: their output for operators and scripts."""

import io
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import insert

from common.calendrier import civil_day, is_mineur, last_birth, now
from common.cli import ExitCode
from tests.integration.files_desk import Ran, Run
from tests.integration.import_desk import TWO_COMMUNES
from tests.parts.databases import read_rows
from tests.unit.reu_sample import (
    BUREAU,
    COMMUNE,
    DATE,
    EUROPEENNE,
    NUMERO,
    VOIE,
    electeurs,
    lignes,
    write_mouvements,
    write_reu,
)
from worker.db.engine import build_engine
from worker.registre.models import Commune

pytestmark = pytest.mark.database(TWO_COMMUNES)


@pytest.mark.slow
def test_a_second_export_is_compared(run: Run, tmp_path: Path) -> None:
    first = electeurs(10)
    assert (
        "Aucun mouvement"
        in run("import-reu", write_reu(tmp_path / "un.csv", first), "--taken-on", "2026-11-10").out
    )
    second = [
        first[1] | {BUREAU: "2"},
        first[2] | {VOIE: "Rue Neuve"},
        first[2],
        *first[3:],
        *electeurs(12)[10:],
    ]
    done = run("import-reu", write_reu(tmp_path / "deux.csv", second), "--taken-on", "2026-11-20")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert (
        "D'après l'export du 20/11/2026 : 3 inscriptions, 1 radiation, 1 changement de bureau.\n"
        in done.out
    )
    assert (
        "3 doutes bloquent les tableaux tant que personne n'a dit s'il s'agit de la même personne"
        in done.out
    )
    undone = run("imports", "--undo")
    assert undone.out.endswith(
        "1 liste remise à l'état précédent, 0 liste retirée du registre, 5 mouvements effacés.\n"
    )


@pytest.mark.slow
def test_the_day_of_an_export_is_asked_for_and_can_be_told_afterwards(
    run: Run, tmp_path: Path
) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    done = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(5)))
    assert "celui de l'import, faute de --taken-on" in done.out
    assert "imports --taken-on 2 AAAA-MM-JJ" in done.out
    told = run("imports", "--taken-on", "2", "18/11/2026")
    assert told.out == "Import 2 : export du 18/11/2026, 2 mouvements datés de ce jour.\n"
    early = run("imports", "--taken-on", "2", "09/11/2026")
    assert early.code == ExitCode.FAILED
    assert "un export du 10/11/2026 a été repris avant celui-ci (import 1)" in early.err
    assert (
        "n'est pas celui d'un export du REU" in run("imports", "--taken-on", "7", "09/11/2026").err
    )


@pytest.mark.slow
def test_a_file_is_vouched_for_afterwards_too(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    mouvements = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    assert "sont connus jusqu'au" not in run("import-mouvements", mouvements).out
    again = run("import-mouvements", mouvements, "--complete-until", "20/11/2026")
    assert "rien n'a changé" in again.out
    assert (
        "Tous les mouvements sont connus jusqu'au 20/11/2026, est-il dit de cet import."
        in again.out
    )
    assert "terminé, dit complet jusqu'au 20/11/2026" in " ".join(run("imports").out.split())
    known = read_rows(
        os.environ["PREFECTURE_DATABASE_URL"], "SELECT complete_until FROM import ORDER BY id"
    )
    assert [str(day) for (day,) in known] == ["None", "2026-11-20"]


def test_nothing_is_known_of_a_day_to_come(run: Run, tmp_path: Path) -> None:
    reu = write_reu(tmp_path / "un.csv", electeurs(3))
    mouvements = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    for arguments in (
        ("import-reu", reu, "--taken-on", "31/12/2099"),
        ("import-mouvements", mouvements, "--complete-until", "31/12/2099"),
    ):
        _refuse_day_to_come(run, *arguments)
    assert run("imports").out == "Aucun import.\n"
    run("import-mouvements", mouvements)
    number = _number_of(run("import-reu", reu))
    _refuse_day_to_come(run, "import-mouvements", mouvements, "--complete-until", "31/12/2099")
    _refuse_day_to_come(run, "imports", "--taken-on", number, "31/12/2099")
    assert "2099" not in run("imports").out


def _refuse_day_to_come(run: Run, *arguments: str | Path) -> None:
    refused = run(*arguments)
    assert refused.code == ExitCode.FAILED
    assert f"le {arguments[-1]} n'est pas encore venu : vérifiez la date" in refused.err


def test_the_view_counts_the_minors_of_the_civil_day_of_each_commune(
    run: Run, tmp_path: Path
) -> None:
    wallis, papeete = "98613", "98735"
    _add_communes(wallis, papeete)
    born = last_birth(civil_day(now(), wallis))
    year, month, day = born.split("-")
    both = [
        it | {COMMUNE: code, DATE: f"{day}/{month}/{year}"}
        for code in (wallis, papeete)
        for it in electeurs(1)
    ]
    run("import-reu", write_reu(tmp_path / "deux.csv", both))
    counted = read_rows(
        os.environ["PREFECTURE_DATABASE_URL"], "SELECT code_commune, mineurs FROM registres"
    )
    assert dict(counted) == {
        code: is_mineur(born, civil_day(now(), code)) for code in (wallis, papeete)
    }


def _add_communes(*codes: str) -> None:
    engine = build_engine(os.environ["PREFECTURE_DATABASE_URL"])
    with engine.begin() as connection:
        known = [{"code": code, "nom": "AILLEURS", "code_departement": code[:3]} for code in codes]
        connection.execute(insert(Commune), known)
    engine.dispose()


def _number_of(imported: Ran) -> str:
    """The number of an import without a declared day."""
    return imported.out.partition("imports --taken-on ")[2].split()[0]


@pytest.mark.parametrize(
    ("code", "instant", "today", "tomorrow"),
    [
        (
            "98735",
            "2026-11-26T04:00:00+00:00",
            "25/11/2026",
            "26/11/2026",
        ),  # Papeete; in Paris it is the 26th
        (
            "98818",
            "2026-11-26T21:00:00+00:00",
            "27/11/2026",
            "28/11/2026",
        ),  # Nouméa; in Paris it is the 26th
    ],
)
def test_the_day_of_an_import_is_that_of_its_commune(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    code: str,
    instant: str,
    today: str,
    tomorrow: str,
) -> None:
    _add_communes(code)
    clock = Mock(wraps=datetime, **{"now.return_value": datetime.fromisoformat(instant)})
    monkeypatch.setattr("common.calendrier.datetime", clock)
    reu = write_reu(tmp_path / "un.csv", electeurs(3, {COMMUNE: code}))
    _refuse_day_to_come(run, "import-reu", reu, "--taken-on", tomorrow)
    imported = run("import-reu", reu)
    assert f"Jour de l'export : {today}, celui de l'import" in imported.out
    _refuse_day_to_come(run, "imports", "--taken-on", _number_of(imported), tomorrow)
    redated = run(
        "imports", "--taken-on", _number_of(imported), today, "--reason", "dit par la mairie"
    )
    assert redated.code == ExitCode.DONE


def test_an_export_is_not_left_uncompared_without_a_reason(run: Run, tmp_path: Path) -> None:
    reu = write_reu(tmp_path / "un.csv", electeurs(3))
    for reason in ("", "  "):
        refused = run("import-reu", reu, "--no-compare", reason)
        assert refused.code == ExitCode.USAGE
        assert (
            "--no-compare demande une raison : pourquoi cet export n'est-il pas comparé ?"
            in refused.err
        )
    first = run("import-reu", reu, "--no-compare", "export partiel")
    assert first.code == ExitCode.DONE
    assert "Lacune" not in first.out, "nothing was there to be compared with"


@pytest.mark.slow
def test_what_it_costs_not_to_compare_is_said_and_shown_until_it_is_undone(
    run: Run, tmp_path: Path
) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    second = (
        "import-reu",
        write_reu(tmp_path / "deux.csv", electeurs(4)),
        "--taken-on",
        "2026-11-20",
    )
    done = run(*second, "--no-compare", "trop long")
    assert (
        "Lacune : aucun tableau ne pourra couvrir du 10/11/2026 au 20/11/2026 (liste P de 13055), ce qui a changé "
        "entre ces deux exports n'est pas connu. Pour la combler : imports --undo 2, puis le même import sans "
        "--no-compare ; ou les mouvements de cette période (import-mouvements --complete-until).\n"
    ) in done.out
    shown = run("imports").out
    assert "terminé, non comparé : lacune du 10/11/2026 au 20/11/2026" in " ".join(shown.split())
    run("imports", "--undo")
    assert "lacune" not in run("imports").out
    compared = run(*second)
    assert "Lacune" not in compared.out
    assert "lacune" not in run("imports").out
    again = run(
        "import-reu",
        write_reu(tmp_path / "trois.csv", electeurs(5)),
        "--no-compare",
        "trop long",
        "--json",
    )
    (gap,) = json.loads(again.out)["gaps"]
    assert gap[:4] == [4, "13055", "P", "2026-11-20"]


def test_an_export_that_comes_late_is_refused(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-20")
    late = run(
        "import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-10"
    )
    assert late.code == ExitCode.FAILED
    assert "celui-ci, du 10/11/2026, vient trop tard" in late.err


@pytest.mark.slow
def test_a_list_that_the_file_lacks_is_named_and_emptied_on_purpose(
    run: Run, tmp_path: Path
) -> None:
    both = [*electeurs(3), *electeurs(2, EUROPEENNE)]
    run("import-reu", write_reu(tmp_path / "un.csv", both), "--taken-on", "2026-11-10")
    kept = run(
        "import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-11"
    )
    assert (
        "Liste CE de 13055, absente de ce fichier : 2 électeurs conservés (--empty la viderait)."
        in kept.out
    )
    emptied = run(
        *("import-reu", write_reu(tmp_path / "trois.csv", electeurs(5))),
        *("--taken-on", "2026-11-12", "--empty", "CE"),
    )
    assert emptied.code == ExitCode.DONE
    assert "1 inscription, 2 radiations, 0 changement de bureau." in emptied.out
    later = run(
        "import-reu", write_reu(tmp_path / "cinq.csv", electeurs(6)), "--taken-on", "2026-11-13"
    )
    assert later.code == ExitCode.DONE
    assert "absente de ce fichier" not in later.out, "nobody is on that list any more"
    nobody = write_reu(tmp_path / "quatre.csv", [])
    assert (
        "indiquez laquelle avec --empty"
        in run("import-reu", nobody, "--taken-on", "2026-11-13").err
    )
    assert (
        "indiquez avec --commune"
        in run("import-reu", nobody, "--taken-on", "2026-11-13", "--empty", "CE").err
    )
    all_of_them = (
        "import-reu",
        nobody,
        "--taken-on",
        "2026-11-13",
        "--empty",
        "P",
        "--commune",
        "13055",
    )
    refused = run(*all_of_them)
    assert refused.code == ExitCode.FAILED
    assert (
        "La liste principale de 13055 perdrait 6 électeurs connus sur 6. Le fichier est vide"
        in refused.err
    )
    done = run(*all_of_them, "--accept-changes")
    assert done.code == ExitCode.DONE
    assert "0 inscription, 6 radiations" in done.out


def test_mouvements_are_imported_once_and_taken_back(run: Run, tmp_path: Path) -> None:
    path = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    done = run("import-mouvements", path, "--imported-by", "Mme Lefèvre")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert (
        "Import 1 : 2 lignes lues, 2 mouvements ajoutés, 0 rejeté, 0 valeur nettoyée." in done.out
    )
    assert "rien n'a changé" in run("import-mouvements", path).out
    said = json.loads(run("import-mouvements", path, "--json").out)
    assert (said["unchanged"], said["recalled"], said["contradicted"]) == (True, [], [])
    assert "Mme Lefèvre" in run("imports").out
    assert "2 mouvements effacés" in run("imports", "--undo").out


def test_the_operator_declares_what_no_export_says(run: Run, tmp_path: Path) -> None:
    def declare(*declared: dict[str, Any]) -> Ran:
        path = tmp_path / "declarations.json"
        path.write_text(json.dumps(declared[0] if len(declared) == 1 else declared))
        return run("declare", path)

    def show(kind: str) -> str:
        return run("declare", "--show", kind, "--commune", "13055").out

    poll = {"kind": "scrutin", "jour": "2027-04-11", "libelle": "Présidentielle"}
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(5)))
    run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(7)))
    number = show("motifs").split("│")[1].strip()
    motif = {
        "mouvement": int(number),
        "categorie": "inscription_volontaire",
        "motif": "Emménagement",
    }
    done = declare(
        {"note": poll},
        {"commune": "13055", "note": {"kind": "reunion", "jour": "2026-11-13", "liste": "CE"}},
        {"commune": "13055", "note": {"kind": "motifs", "motifs": [motif]}},
        {
            "commune": "13055",
            "note": {"kind": "bureaux", "bureaux": [{"bureau": "1", "code_canton": "1301"}]},
        },
    )
    assert done == (ExitCode.DONE, "4 déclarations notées.\n", "")
    assert [
        it for it in ("15/03/2026", "décret n° 2025-848", "11/04/2027") if it not in show("scrutin")
    ] == []
    assert [it for it in ("13/11/2026", "CE", "oui") if it not in show("reunion")] == []
    assert "Inscription volontaire" in show("motifs") or "inscription_volontaire" in show("motifs")
    assert "1301" in show("bureau")
    assert declare({"note": poll | {"removed": True}}).out == "1 déclaration notée.\n"
    assert "11/04/2027" not in show("scrutin")
    to_come = {"kind": "reunion", "jour": f"{now() + timedelta(days=2):%Y-%m-%d}"}
    refused = declare({"commune": "13055", "note": to_come})
    assert (refused.code, "pas encore venu" in refused.err) == (ExitCode.FAILED, True)


PUBLISHED = {"kind": "published", "mode": "consultation", "published_on": "2026-12-03"}


@pytest.mark.parametrize(
    ("declared", "code", "said"),
    [
        (
            {"note": {"kind": "scrutin", "jour": "2027-04-12", "libelle": "x"}},
            ExitCode.FAILED,
            "ce n'est pas un dimanche",
        ),
        (
            {"note": {"kind": "scrutin", "jour": "2027-04-11"}},
            ExitCode.USAGE,
            "libelle est attendu",
        ),
        (
            {"note": {"kind": "parade"}},
            ExitCode.USAGE,
            "les valeurs possibles sont deposited, verdict",
        ),
        ({"note": {"kind": "reunion", "jour": "2026-11-13"}}, ExitCode.FAILED, "inconnue"),
        (
            {"commune": "13055", "note": {"kind": "reunion", "jour": "2026-11-13", "liste": "X"}},
            ExitCode.USAGE,
            "liste",
        ),
        (
            {"commune": "13055", "note": {"kind": "bureaux", "bureaux": [{"bureau": "7"}]}},
            ExitCode.FAILED,
            "bureau 0007 inconnu",
        ),
        (
            {"commune": "13055", "note": {"kind": "bureaux", "bureaux": [{"bureau": "7"}] * 2}},
            ExitCode.USAGE,
            "chaque bureau est attendu une seule fois",
        ),
        ({"requested_by": "moi"}, ExitCode.USAGE, "note : champ manquant"),
        ({"commune": "13055", "note": PUBLISHED}, ExitCode.USAGE, "exports est attendu"),
        (
            {"commune": "13055", "exports": [1], "note": PUBLISHED},
            ExitCode.FAILED,
            "Fichier inconnu : un des numéros n'est pas celui d'un fichier de 13055.",
        ),
    ],
)
def test_a_declaration_that_is_refused_notes_nothing(
    run: Run, tmp_path: Path, declared: dict[str, Any], code: ExitCode, said: str
) -> None:
    path = tmp_path / "declarations.json"
    path.write_text(
        json.dumps(
            [{"note": {"kind": "scrutin", "jour": "2027-05-09", "libelle": "Autre"}}, declared]
        )
    )
    refused = run("declare", path)
    assert (refused.code, said in refused.err) == (code, True), refused.err
    assert "09/05/2027" not in run("declare", "--show", "scrutin").out


def test_a_declaration_of_bureaux_is_one_line_of_the_trail_if_one_changes(
    run: Run, tmp_path: Path
) -> None:
    run(
        "import-reu",
        write_reu(tmp_path / "un.csv", [it | {BUREAU: it[NUMERO]} for it in electeurs(2)]),
    )
    bureaux = [{"bureau": code, "code_canton": "1301"} for code in ("1", "01", "001", "2")]
    said = {"commune": "13055", "note": {"kind": "bureaux", "bureaux": bureaux}}
    (path := tmp_path / "declarations.json").write_text(json.dumps([said, said]))
    assert run("declare", path).out == "2 déclarations notées.\n"
    query = "SELECT words FROM audit_word WHERE words LIKE 'bureau %'"
    described = (
        f"bureau 000{number} : canton 1301 MARSEILLE-1, circonscription 16" for number in (1, 2)
    )
    assert read_rows(os.environ["PREFECTURE_DATABASE_URL"], query) == [(" ; ".join(described),)]


def test_electors_are_protected_by_names_that_are_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(option: str, *answers: str) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in answers)))
        return run("declare", option, "--commune", "13055")

    def show() -> str:
        return run("declare", "--show", "protection", "--commune", "13055").out

    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(5)))
    assert show() == "Rien à montrer.\n"
    added = answer("--protect", "d’Aubigné", "ZOE C", "14/03/1962")
    assert (added.code, added.out) == (ExitCode.DONE, "Électeur protégé.\n")
    assert "Nom de naissance : " in added.err
    assert [it for it in ("D'AUBIGNE", "Zoé C", "14/03/1962") if it not in show()] == []
    refused = answer("--protect", "d’Aubigny", "ZOE C", "14/03/1962")
    assert refused.code == ExitCode.FAILED
    assert (
        "Erreur : personne de ce nom, de ces prénoms et de cette date de naissance" in refused.err
    )
    assert "Aubigny" not in refused.err
    assert answer("--protect", "d’Aubigné", "ZOE C", "hier").code == ExitCode.USAGE
    assert answer("--protect").code == ExitCode.INTERRUPTED
    assert answer("--lift", "D'Aubigne", "Zoé C", "1962-03-14").out == "Protection levée.\n"
    assert show() == "Rien à montrer.\n"
