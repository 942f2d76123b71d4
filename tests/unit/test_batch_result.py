"""What a batch shows: its line while it is waited for, its summary, its report, its document."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from common.cli import ExitCode
from common.french import format_duration
from producers.batch import wait
from producers.batch.batch import Batch, BatchProgress, CommuneFault, CommuneOutcome, Failure, put_in_batch
from producers.batch.report import batch_document, judge_batch, show_result, summarize, write_report
from producers.batch.wait import ProgressLine, open_line, wait_for_batch
from producers.cli.requests import build_liste_export, build_tableaux_render
from schemas.tableaux import TypeTableau
from schemas.vocabulary import RequestOutcome
from tests.unit.producers_samples import plain

DISK = Failure("disque_plein", "Espace disque insuffisant : 12 Mio nécessaires, 3 Mio libres.", 2)
READY = CommuneOutcome("13900", "a", "LIBREVILLE", RequestOutcome.ACCEPTED, ready=3, remarques=7)
WRONG = replace(READY, commune="13055", nom="=MARSEILLE", bloquantes=4, to_correct=2)
FAILED = replace(READY, commune="2A004", ready=1, failed=2, failures=(DISK,))
REFUSED = CommuneOutcome("01001", "d", outcome=RequestOutcome.REFUSED, reason="Aucun registre importé pour 01001 : x.")
CANCELLED = replace(READY, commune="83053", ready=2, cancelled=1)
RUNNING = replace(READY, commune="06088", ready=1, unfinished=2)
UNREAD = CommuneOutcome("05061", "f")


def batch(number: int = 1) -> Batch:
    """So many communes."""
    codes = (f"13{index:03}" for index in range(number))
    return Batch(
        "lot-1", [put_in_batch(build_liste_export(code, requested_by="m", source="/t"), "lot-1") for code in codes]
    )


def summary(*outcomes: CommuneOutcome, of: Batch | None = None) -> list[str]:
    """With plain spaces."""
    return [plain(line) for line in summarize(of or batch(len(outcomes)), outcomes)]


class Clock:
    """Shows what it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_line_says_how_far_the_batch_is_and_how_long_it_will_last() -> None:
    said: list[str] = []
    clock = Clock()
    line = ProgressLine(said.append, 648, clock)
    line.show_sent(200)
    line.show(BatchProgress(read=648, settled=12, ready=36))
    clock.now = 400.0
    line.show(BatchProgress(read=648, settled=412, ready=1236, failed=3))
    clock.now = 640.0
    line.show(
        BatchProgress(read=648, settled=648, ready=25, provisional=2, to_correct=7, to_complete=4, recalled=3, failed=3)
    )
    assert [plain(text) for text in said] == [
        "200 / 648 demandes envoyées",
        "12 / 648 communes, 36 fichiers prêts",
        "412 / 648 communes, 1 236 fichiers prêts, 3 en échec, reste environ 4 min",
        "648 / 648 communes, 9 fichiers prêts, 2 provisoires, 7 à corriger, 4 à compléter, 3 à refaire, 3 en échec",
    ]


def test_a_batch_that_nobody_reads_is_explained() -> None:
    said: list[str] = []
    clock = Clock()
    line = ProgressLine(said.append, 648, clock)
    line.show(BatchProgress())
    clock.now = 60.0
    line.show(BatchProgress())
    assert said[-1].endswith("aucune n'est encore lue : un worker tourne-t-il ?")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(20, "moins d'une minute"), (240, "4\u00a0min"), (3590, "1\u00a0h\u00a000"), (7500, "2\u00a0h\u00a005")],
)
def test_a_duration_is_said_to_the_minute(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("terminal", [False, True])
def test_the_wait_ends_when_every_request_is_settled(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_FIRST_POLL_SECONDS", 0.001)
    answers = [BatchProgress(), BatchProgress(read=2, settled=1), BatchProgress(read=2, settled=2, ready=6)]

    class State:
        def batch_progress(self, source: str, batch: str) -> BatchProgress:
            assert (source, batch) == ("/t", "lot-1")
            return answers.pop(0)

    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with open_line(console, 2) as line:
        assert wait_for_batch(State(), batch(2), line.show, 10).ready == 6
    assert answers == []


def test_the_summary_names_what_somebody_has_to_see_to() -> None:
    assert summary(READY, WRONG, FAILED, REFUSED, CANCELLED) == [
        "Lot lot-1 : 5 communes, 7 fichiers prêts, 2 à corriger",
        "En échec : 2 fichiers (2A004) : Espace disque insuffisant : 12 Mio nécessaires, 3 Mio libres.",
        "1 demande refusée (01001) : Aucun registre importé pour … : x.",
        "1 fichier annulé (83053)",
        "4 anomalies bloquantes (13055) : le dépôt serait rejeté",
    ]


def test_what_is_to_be_made_again_is_not_called_ready(tmp_path: Path) -> None:
    stale = replace(READY, recalled=2)
    assert summary(READY, stale) == [
        "Lot lot-1 : 2 communes, 4 fichiers prêts",
        (
            "2 fichiers sont à refaire (13900) : ce sur quoi ils reposent a été repris depuis. Les redemander sans "
            "--resume, qui ne les refait pas"
        ),
    ]
    assert judge_batch([stale]) == ExitCode.FAILED
    write_report(tmp_path / "lot.csv", [stale])
    with (tmp_path / "lot.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file, delimiter=";")
    assert (row["État"], row["Fichiers prêts"], row["Fichiers à refaire"]) == ("à refaire", "1", "2")


def test_the_same_reason_is_said_once_with_the_first_communes() -> None:
    refused = [
        replace(REFUSED, commune=f"0100{index}", reason=f"Aucun registre importé pour 0100{index} : x.")
        for index in range(1, 9)
    ]
    assert summary(*refused)[1:] == [
        "8 demandes refusées (01001, 01002, 01003, 01004, 01005, et 3 de plus) : Aucun registre importé pour … : x."
    ]


def test_a_batch_that_lasts_too_long_says_how_to_go_on_waiting() -> None:
    assert summary(READY, RUNNING)[1:] == [
        "Délai dépassé, à venir : 1 commune (06088). Pour attendre encore : la même commande avec --resume lot-1"
    ]
    assert summary(UNREAD)[1] == "Aucune demande n'est encore lue : un worker tourne-t-il ?"


def test_the_anomalies_of_a_tableau_have_their_own_consequence() -> None:
    tableaux = build_tableaux_render(
        [TypeTableau.ADDITIONS], commune="13900", scrutin="2017-04-23", requested_by="m", source="/t"
    )
    assert summary(WRONG, of=Batch("lot-1", [tableaux]))[-1].endswith("le tableau serait faux")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([READY, READY], ExitCode.DONE),
        ([READY, WRONG], ExitCode.ANOMALIES),
        ([WRONG, FAILED], ExitCode.FAILED),
        ([WRONG, REFUSED], ExitCode.FAILED),
        ([READY, CANCELLED], ExitCode.FAILED),
        ([FAILED, RUNNING], ExitCode.TIMEOUT),
        ([READY, UNREAD], ExitCode.TIMEOUT),
    ],
)
def test_the_exit_code_is_that_of_the_worst(outcomes: list[CommuneOutcome], code: ExitCode) -> None:
    assert judge_batch(outcomes) is code


def test_the_report_has_a_line_per_commune_that_a_spreadsheet_reads(tmp_path: Path) -> None:
    path = tmp_path / "lot.csv"
    path.write_text("an earlier report, longer than this one" * 100)
    write_report(path, [READY, WRONG, FAILED, REFUSED, RUNNING, UNREAD])
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("\ufeffCommune;Nom;État;Fichiers prêts;")
    rows = {row["\ufeffCommune"]: row for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=";")}
    assert [row["État"] for row in rows.values()] == [
        *("prête", "à corriger", "incomplète", "refusée", "en cours", "pas encore lue")
    ]
    assert rows["13055"]["Anomalies bloquantes"] == "4"
    assert (rows["13055"]["Fichiers prêts"], rows["13055"]["Fichiers à corriger"]) == ("1", "2")
    assert rows["13055"]["Nom"] == "'=MARSEILLE"
    assert rows["2A004"]["Motif"] == DISK.reason


def test_programs_are_told_of_each_commune() -> None:
    document = batch_document(batch(2), [CommuneFault(3, "x")], [READY, FAILED], ExitCode.FAILED)
    document = json.loads(json.dumps(document))
    assert document["batch"] == {
        "name": "lot-1",
        "source": "/t",
        "type": "fr.openelec.prefecture.request.liste_export.v1",
    }
    assert document["rejects"] == [{"line": 3, "reason": "x"}]
    assert document["counts"] == {
        "ready": 4,
        "provisional": 0,
        "to_complete": 0,
        "to_correct": 0,
        "recalled": 0,
        "failed": 2,
        "cancelled": 0,
        "unfinished": 0,
        "bloquantes": 0,
        "remarques": 14,
    }
    assert document["requests"][1] == {
        "commune": "2A004",
        "id": "a",
        "nom": "LIBREVILLE",
        "outcome": "accepted",
        "reason": "",
        "ready": 1,
        "failed": 2,
        "cancelled": 0,
        "unfinished": 0,
        "bloquantes": 0,
        "remarques": 7,
        "provisional": 0,
        "to_complete": 0,
        "to_correct": 0,
        "recalled": 0,
        "failures": [{"code": DISK.code, "reason": DISK.reason, "files": 2}],
    }


def test_people_are_shown_where_the_report_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lot.csv"
    assert show_result(batch(1), [], [READY], path, as_json=False) is ExitCode.DONE
    assert capsys.readouterr().out.splitlines()[-1] == f"Détail par commune : {path}"
    assert path.exists()


def test_what_is_provisional_is_not_called_ready(tmp_path: Path) -> None:
    coming = replace(READY, commune="13055", provisional=2)
    lines = summary(READY, coming)
    assert lines[0].endswith("2 communes, 4 fichiers prêts")
    assert lines[1] == "2 fichiers provisoires (13055) : à refaire quand sa période sera terminée"
    write_report(tmp_path / "lot.csv", [READY, coming, replace(coming, bloquantes=1)])
    states = [line.split(";")[2].strip('"') for line in (tmp_path / "lot.csv").read_text("utf-8-sig").splitlines()]
    assert states == ["État", "prête", "provisoire", "à corriger"]
