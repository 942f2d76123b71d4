"""The output of the commands, for people and for programs."""

import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from common.cli import ExitCode
from common.french import count_of, format_number, format_size
from producers.cli.render import (
    exports_document,
    print_document,
    print_exports,
    print_files,
    print_others,
    print_request,
    request_document,
)
from producers.records import RequestState
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.unit.producers_samples import EVENT, INSTANT, export, plain, request, tableau

VOLUME = Path("/srv/exports")
LABEL = "Liste P du 25/11/2026 09:30:00 [csv]"
REPORT = VOLUME / "13900" / "liste-P-13900-20261125-093000-anomalies.csv"


def printed(write: Callable[[Console], None]) -> list[str]:
    stream = io.StringIO()
    write(Console(file=stream, width=120))
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_the_table_shows_labels_counts_and_sizes() -> None:
    files = [export(), export(liste="CE", status=ExportStatus.QUEUED, electeurs=None, size=None, sha256=None)]
    header, _, first, second = printed(lambda console: print_exports(console, files))
    assert header.split() == ["Commune", "Fichier", "État", "Électeurs", "Bloquantes", "Remarques", "Taille"]
    assert "Liste P du 25/11/2026 09:30:00 [csv]" in first
    assert first.split("prêt")[1].split() == ["3", "000", "0", "12", "51,2", "ko"]
    assert second.split("en attente")[1].split() == ["—", "—", "—", "—"]


def test_a_purged_file_is_said_to_be_purged_and_is_not_offered() -> None:
    files = [export(purged_at=INSTANT), export(status=ExportStatus.FAILED, purged_at=INSTANT)]
    _, _, ready, failed = printed(lambda console: print_exports(console, files))
    assert "effacé" in ready
    assert "prêt" not in ready
    assert "effacé" not in failed
    assert printed(lambda console: print_files(console, files, VOLUME)) == []
    assert [it["file"] for it in exports_document(files, VOLUME)["exports"]] == [None, None]


def test_the_table_of_tableaux_shows_mouvements_and_pages() -> None:
    late = tableau(presentation="commune", status=ExportStatus.QUEUED, electeurs=None, size=None, pages=None)
    header, _, *rows = printed(lambda console: print_exports(console, [tableau(remarques=1), late]))
    titles = ["Commune", "Fichier", "État", "Mouvements", "Pages", "Bloquantes", "Remarques", "Taille"]
    assert header.split() == titles
    assert rows[0].split("prêt")[1].split() == ["3", "400", "212", "0", "1", "51,2", "ko"]
    assert any(row.split("en attente")[-1].split() == ["—"] * 5 for row in rows)


def test_what_cannot_be_used_is_not_called_ready() -> None:
    coming = tableau(provisoire_until=date(2027, 1, 10))
    gone = export(recalled_at=INSTANT, recalled_because="l'import 3 (reu.csv) a été annulé", bloquantes=1)
    _, _, *rows = printed(lambda console: print_exports(console, [coming, tableau(bloquantes=2), gone]))
    assert any("à refaire" in row for row in rows)
    assert not any("prêt" in row for row in rows)
    assert any("provisoire" in row for row in rows)
    assert any("à corriger" in row for row in rows)
    advice = printed(lambda console: print_request(console, EVENT, request(coming)))[-1]
    assert advice.endswith(" : à refaire à partir du 10/01/2027, avant d'être signé, publié ou déposé")
    advice = printed(lambda console: print_request(console, EVENT, request(gone)))[-1]
    assert advice.endswith(" : l'import 3 (reu.csv) a été annulé")
    assert exports_document([coming], None)["exports"][0]["provisoire_until"] == date(2027, 1, 10)


@pytest.mark.parametrize(
    ("shown", "total", "lines"),
    [(10, 10, []), (10, 11, ["… et 1 autre : --limit 11"]), (10, 1244, ["… et 1 234 autres : --limit 1244"])],
)
def test_what_is_not_shown_is_counted(shown: int, total: int, lines: list[str]) -> None:
    said = printed(lambda console: print_others(console, shown, total))
    assert [plain(line) for line in said] == lines


def test_files_are_listed_as_sha256sum_reads_them() -> None:
    lines = printed(lambda console: print_files(console, [export(), export(status=ExportStatus.FAILED)], VOLUME))
    assert lines == ["9f" * 32 + "  /srv/exports/13900/liste-P-13900-20261125-093000.csv"]


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (
            request(export(bloquantes=3)),
            f"{LABEL} : 3 anomalies bloquantes, le dépôt serait rejeté ; à corriger d'après {REPORT}",
        ),
        (
            request(export(status=ExportStatus.FAILED, error_message="Espace disque insuffisant.")),
            f"{LABEL} : Espace disque insuffisant.",
        ),
        (
            RequestState(RequestOutcome.REFUSED, "aucun registre importé pour 13900"),
            "Demande refusée : aucun registre importé pour 13900",
        ),
        (
            request(export(status=ExportStatus.RUNNING)),
            "Délai dépassé : les fichiers manquants peuvent encore venir.",
        ),
    ],
    ids=["blocking", "failed", "refused", "late"],
)
def test_the_last_line_says_what_became_of_a_request(state: RequestState, last: str) -> None:
    assert printed(lambda console: print_request(console, EVENT, state, VOLUME))[-1] == last


def test_a_request_that_no_worker_read_is_said_apart() -> None:
    (unread,) = printed(lambda console: print_request(console, EVENT, RequestState()))
    assert "aucun worker n'a lu la demande" in unread


def test_the_document_is_json_whatever_the_locale(capsys: pytest.CaptureFixture[str]) -> None:
    print_document(request_document(EVENT, request(export(nom_commune="ÎLE-D'AIX")), ExitCode.DONE, VOLUME))
    text = capsys.readouterr().out
    assert text.isascii()
    document = json.loads(text)
    assert document["request"]["id"] == EVENT.id
    assert (document["exit_code"], document["outcome"]) == (0, "accepted")
    (file,) = document["exports"]
    assert file["nom_commune"] == "ÎLE-D'AIX"
    assert file["status"] == "ready"
    assert file["requested_at"] == "2026-11-25T08:30:00.000+00:00"
    assert file["file"] == "/srv/exports/13900/liste-P-13900-20261125-093000.csv"


def test_the_document_tells_which_tableau_a_file_is() -> None:
    listed, drawn = exports_document([export(), tableau()], None)["exports"]
    names = ("kind", "type_tableau", "presentation", "edition", "pages")
    assert [listed[name] for name in names] == ["liste", "", "", "", None]
    assert [drawn[name] for name in names] == ["tableau", "vingt_jours", "par_bureau", "affichage", 212]


def test_without_the_volume_a_file_has_its_relative_path_only() -> None:
    (file,) = exports_document([export()], None)["exports"]
    assert file["path"] == "13900/liste-P-13900-20261125-093000.csv"
    assert "file" not in file


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "—"),
        (0, "0 octets"),
        (51_233, "51,2 ko"),
        (2_400_000, "2,4 Mo"),
        (7 * 10**12, "7,0 To"),
        (10**16, "10000,0 To"),
    ],
)
def test_sizes_are_french(size: int | None, text: str) -> None:
    assert plain(format_size(size)) == text


def test_counts_are_french() -> None:
    assert format_number(1_234_567) == "1\u202f234\u202f567"
    assert count_of(0, "anomalie", "anomalies") == "0 anomalie"
    assert count_of(2, "anomalie", "anomalies") == "2 anomalies"
