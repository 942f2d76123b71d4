"""The API for programs: a token allows the files of its communes, and reveals nothing about others."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from common.cli import ExitCode
from producers.errors import BrokerRefusesError, PublishError, QueueFullError, UnconfirmedError
from producers.web.app import create_app
from producers.web.security import limits
from schemas.checking import hash_payload
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.events import FileStatus, name_request
from schemas.generate import ROOT as SCHEMAS
from schemas.http import EVENT_JSON, TOKEN_ACTOR, Problem
from schemas.requests import ListeExportRequested
from schemas.topology import (
    MAX_EVENT_BYTES,
    REQUEST_CANCEL,
    REQUEST_DECLARATION,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    SCREEN_NOTE,
)
from schemas.vocabulary import RequestOutcome
from tests.parts.databases import read_rows
from tests.parts.notes import note_file
from tests.unit.mail_samples import ASKED_AT, deadline, export, report
from tests.web.files_desk import FilesScreen
from tests.web.security_desk import (
    CONTENT,
    FILE,
    GRANDVILLE,
    LIBREVILLE,
    execute,
    make_settings,
    open_client,
    sent_by,
)
from worker.access.management import make_token as make_token_row
from worker.cli.main import main
from worker.db.engine import build_engine
from worker.exports.models import Export, Recall, Request
from worker.exports.records import mark_recalled
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import purge_answers
from worker.notifier.models import DEADLINES, Reminder
from worker.work.queue import About, NewWork, WorkKind, add, subject_of

DIGEST = hashlib.sha256(CONTENT).digest()
BYTES = "/api/v1/exports/1/fichier"
MARSEILLE = "13055"
DOWNLOADED = {"exports": [1], "note": {"kind": "downloaded"}}
MakeToken = Callable[..., str]
SendInVain = Callable[[PublishError], Any]


@pytest.fixture
def make_token(
    screen_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> MakeToken:
    """Create a token as an operator does; the token that the command prints."""
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", screen_database)

    def make(*communes: str, name: str = "compta", acts: Sequence[str] = ("*",)) -> str:
        options = [option for commune in communes for option in ("--commune", commune)]
        options += [option for act in acts for option in ("--act", act)]
        assert main(["accounts", "--kind", "jeton", "--add", name, *options]) == ExitCode.DONE
        return capsys.readouterr().out.split()[-1]

    return make


@pytest.fixture
def send_in_vain(screen_database: str, tmp_path: Path, make_token: MakeToken) -> SendInVain:
    """Send an event to a screen whose publisher raises an error; the answer."""

    def send(error: PublishError) -> Any:  # noqa: ANN401 — httpx's
        def publish(*events: CloudEvent, token: str = "") -> None:
            raise error

        settings = make_settings(screen_database, tmp_path)
        with open_client(settings, app=create_app(settings, publish)) as client:
            return _send(client, make_token(LIBREVILLE), _asked())

    return send


def _showing(token: str, **others: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in others.items()
    }


def _address(event_id: str = "1", sender: str = "") -> str:
    """The address of a request of the tests."""
    return f"/api/v1/requests/{name_request(sender, '/mairie/13900', event_id, '')}"


def _code(answer: Any) -> tuple[int, str]:  # noqa: ANN401 — httpx's
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == answer.status_code
    assert problem.title
    assert problem.detail
    return problem.status, problem.code


def _taken(stranger: TestClient) -> list[CloudEvent]:
    """The declared downloads of complete files."""
    return [event for event in sent_by(stranger) if event.type == DeclarationNoted.EVENT_TYPE]


@pytest.mark.slow
def test_a_program_takes_a_file(stranger: TestClient, make_token: MakeToken) -> None:
    token = make_token(LIBREVILLE)
    taken = stranger.get(BYTES, headers=_showing(token))
    assert taken.content == CONTENT
    assert taken.headers["content-type"] == "text/csv; charset=utf-8"
    assert taken.headers["content-disposition"] == f'attachment; filename="{FILE}"'
    assert taken.headers["etag"] == f'"{DIGEST.hex()}"'
    digest = base64.b64encode(DIGEST).decode()
    assert (taken.headers["repr-digest"], taken.headers["digest"]) == (
        f"sha-256=:{digest}:",
        f"sha-256={digest}",
    )
    assert taken.headers["cache-control"] == "no-store"
    (event,) = _taken(stranger)
    said = note_file("downloaded", 1, commune=LIBREVILLE, requested_by=f"{TOKEN_ACTOR}compta")
    assert DeclarationNoted.model_validate(event.data) == said
    head = stranger.head(BYTES, headers=_showing(token))
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(len(CONTENT)),
    )
    assert len(_taken(stranger)) == 1, "nothing was taken"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, len(CONTENT) - 1),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT) - 1),
    ],
)
def test_a_range_is_the_bytes_that_are_missing(
    stranger: TestClient, make_token: MakeToken, asked: str, first: int, last: int
) -> None:
    token, etag = make_token("*"), f'"{DIGEST.hex()}"'
    part = stranger.get(BYTES, headers=_showing(token, Range=asked, If_Range=etag))
    assert (part.status_code, part.content) == (206, CONTENT[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert len(_taken(stranger)) == (1 if last == len(CONTENT) - 1 else 0), (
        "taken once the last byte has left"
    )
    other = stranger.get(BYTES, headers=_showing(token, Range=asked, If_Range='"another file"'))
    assert (other.status_code, other.content) == (200, CONTENT)


def test_what_one_has_already_is_not_sent_again(
    stranger: TestClient, make_token: MakeToken
) -> None:
    token = make_token(LIBREVILLE)
    same = stranger.get(BYTES, headers=_showing(token, If_None_Match=f'"x", W/"{DIGEST.hex()}"'))
    assert (same.status_code, same.content) == (304, b"")
    assert stranger.get(BYTES, headers=_showing(token, If_None_Match="*")).status_code == 304
    for named, status in (
        ("*", 200),
        (f'"x", "{DIGEST.hex()}"', 200),
        (f'W/"{DIGEST.hex()}"', 412),
        ('"x"', 412),
    ):
        assert stranger.get(BYTES, headers=_showing(token, If_Match=named)).status_code == status, (
            named
        )
    beyond = stranger.get(BYTES, headers=_showing(token, Range="bytes=1000-"))
    assert _code(beyond) == (416, "plage_impossible")
    assert beyond.headers["content-range"] == f"bytes */{len(CONTENT)}"
    several = stranger.get(BYTES, headers=_showing(token, Range="bytes=0-1,4-5"))
    assert (several.status_code, several.content) == (200, CONTENT)


def test_another_communes_file_is_as_one_that_does_not_exist(
    stranger: TestClient, make_token: MakeToken
) -> None:
    token = make_token(GRANDVILLE)
    answers = [
        stranger.get(f"/api/v1/exports/{number}/fichier", headers=_showing(token))
        for number in ("1", "999", "x", "0", "9" * 30)
    ]
    assert {_code(answer) for answer in answers} == {(404, "fichier_inconnu")}
    assert len({answer.text for answer in answers}) == 1


def test_only_a_token_in_force_opens(
    stranger: TestClient, make_token: MakeToken, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_token(LIBREVILLE)
    other = make_token(LIBREVILLE, name="agenda")
    mixed = token[: len("prefecture_") + 8] + other[len("prefecture_") + 8 :]
    wrong = [
        "",
        "Bearer",
        f"Basic {token}",
        f"Bearer {token}x",
        f"Bearer {token[:-1]}",
        f"Bearer {mixed}",
        token,
    ]
    for shown in wrong:
        answer = stranger.get(BYTES, headers={"Authorization": shown})
        assert _code(answer) == (401, "jeton_refuse"), shown
        assert answer.headers["www-authenticate"].startswith('Bearer realm="prefecture"')
    assert main(["accounts", "--kind", "jeton", "--remove", token.split("_")[1]]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(
        f"Jeton {token.split('_')[1]} (compta) révoqué : il n'ouvre plus rien.\n"
    )
    assert _code(stranger.get(BYTES, headers=_showing(token))) == (401, "jeton_refuse")
    assert stranger.get(BYTES, headers=_showing(other)).status_code == 200


@pytest.mark.parametrize("days", [0, -1])
def test_a_token_opens_until_its_last_day(
    stranger: TestClient,
    make_token: MakeToken,
    screen_database: str,
    capsys: pytest.CaptureFixture[str],
    days: int,
) -> None:
    token, today = make_token(LIBREVILLE), datetime.now(UTC).date()
    (ends_on,) = read_rows(screen_database, "SELECT ends_on FROM token")[0]
    assert date.fromisoformat(ends_on) - today in {timedelta(365), timedelta(366)}
    execute(screen_database, "UPDATE token SET ends_on = :day", day=str(today + timedelta(days)))
    assert stranger.get(BYTES, headers=_showing(token)).status_code == (401 if days else 200)
    assert main(["accounts", "--kind", "jeton"]) == ExitCode.DONE
    assert ("fini le" in capsys.readouterr().out) == (days < 0)


def test_an_operator_chooses_the_last_day_of_a_token(
    make_token: MakeToken, screen_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["accounts", "--add", "compta", "--commune", LIBREVILLE]
    token = [*asked, "--kind", "jeton"]
    assert main([*token, "--until", "2020-01-31"]) == ExitCode.FAILED
    assert main([*asked, "--until", "2199-01-31"]) == ExitCode.USAGE
    capsys.readouterr()
    assert main([*token, "--until", "31/01/2199"]) == ExitCode.DONE
    assert "jusqu'au 31/01/2199 compris" in capsys.readouterr().out
    assert read_rows(screen_database, "SELECT ends_on FROM token") == [("2199-01-31",)]


def test_the_list_of_tokens_says_when_each_last_asked(
    make_token: MakeToken, screen_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_token(LIBREVILLE)
    make_token(LIBREVILLE, name="compta-2")
    engine = build_engine(screen_database)
    with Session(engine) as session, session.begin():
        for number, day in enumerate((4, 5)):
            at, by = datetime(2026, 11, day, 12, tzinfo=UTC), f"{TOKEN_ACTOR}compta"
            row = report(id=80 + number, event_id=f"used-{number}", requested_by=by).request
            row.created_at = at
            session.add(row)
    engine.dispose()
    assert main(["accounts", "--kind", "jeton"]) == ExitCode.DONE
    first, second = (it for it in capsys.readouterr().out.splitlines() if "compta" in it)
    assert ("05/11/2026" in first, "jamais" in first) == (True, False)
    assert "jamais" in second


def test_guesses_are_bounded(
    stranger: TestClient, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong tokens are counted by address, a right one by itself: a neighbour does not block it."""
    token = make_token(LIBREVILLE)
    rate = parse("3/minute")
    monkeypatch.setattr(limits, "RATES", dict(limits.RATES) | {"stranger": rate, "agent": rate})
    answers = [stranger.get(BYTES, headers=_showing("wrong")) for _ in range(3)]
    assert {_code(answer) for answer in answers} == {(401, "jeton_refuse")}
    late = stranger.get(BYTES, headers=_showing("wrong"))
    assert _code(late) == (429, "trop_de_requetes")
    assert int(late.headers["retry-after"]) > 0
    right = [stranger.get(BYTES, headers=_showing(token)) for _ in range(4)]
    assert [answer.status_code for answer in right] == [200, 200, 200, 429]
    assert {answer.headers["ratelimit-policy"] for answer in right} == {'"agent";q=3;w=60'}
    left = [answer.headers["ratelimit"].split(";t=")[0] for answer in right]
    assert left == [f'"agent";r={number}' for number in (2, 1, 0, 0)]


def test_events_of_one_token_are_bounded(stranger: TestClient, make_token: MakeToken) -> None:
    """What one token sends at once would delay the forms of clerks, which share its queue."""
    token = make_token(LIBREVILLE)
    answers = [_send(stranger, token, _asked()) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
    assert stranger.get(BYTES, headers=_showing(token)).status_code == 200


def test_a_token_is_not_kept_and_its_making_is_on_record(
    make_token: MakeToken, screen_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_token(LIBREVILLE, GRANDVILLE)
    _, token_id, secret = token.split("_", 2)
    kept = str(read_rows(screen_database, "SELECT * FROM token"))
    assert secret not in kept
    assert token_id in kept
    assert main(["accounts", "--kind", "jeton"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert secret not in shown
    assert [word in shown for word in (token_id, "compta", "13900, 13901", "en service")] == [
        True
    ] * 4
    assert main(["audit"]) == ExitCode.DONE
    trail = capsys.readouterr().out
    assert "jeton fait" in trail
    assert secret not in trail
    assert (
        main(["accounts", "--kind", "jeton", "--add", "compta", "--commune", LIBREVILLE])
        == ExitCode.FAILED
    )
    assert (
        main(["accounts", "--kind", "jeton", "--add", "autre", "--commune", "13998"])
        == ExitCode.FAILED
    )
    assert main(["accounts", "--kind", "jeton", "--remove", "00000000"]) == ExitCode.FAILED
    assert (
        main(["accounts", "--kind", "jeton", "--add", "autre"])
        == main(["accounts", "--kind", "jeton", "--add", "é è", "--commune", "*"])
        == ExitCode.USAGE
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("status = 'running'", (409, "fichier_pas_pret")),
        ("purged_at = created_at", (410, "fichier_efface")),
        ("file_name = 'liste-P-13900-absent.csv'", (410, "fichier_absent")),
        ("size = 3", (500, "fichier_altere")),
    ],
)
def test_why_there_are_no_bytes(
    stranger: TestClient,
    make_token: MakeToken,
    screen_database: str,
    change: str,
    expected: tuple[int, str],
) -> None:
    token = make_token(LIBREVILLE)
    execute(screen_database, f"UPDATE export SET {change}")  # noqa: S608 — ours
    assert _code(stranger.get(BYTES, headers=_showing(token))) == expected


def _recall(database: str, number: int = 1) -> None:
    engine, why = build_engine(database), "l’import 3 a été annulé"
    with Session(engine) as session, session.begin():
        recall = Recall(id=5, code_commune=LIBREVILLE, because=why, recalled_by="mairie")
        recall.created_at = ASKED_AT + timedelta(hours=1)
        session.add(recall)
        session.execute(update(Export).where(Export.id == number).values(recall_id=5))
    engine.dispose()


def test_a_recalled_file_is_not_served_as_a_good_one(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    """The request, the view and the bytes say it, for a program that reads no French."""
    token = make_token(LIBREVILLE)
    execute(screen_database, "UPDATE request SET sender = 'jeton compta' WHERE id = 1")
    execute(screen_database, "UPDATE import SET finished_at = '2026-01-01 00:00:00.000000'")
    path = _address()
    (good,) = stranger.get(path, headers=_showing(token)).json()["exports"]
    assert (good["status"], good["state"], good["usable"]) == ("ready", "ready", True)
    assert stranger.get(BYTES, headers=_showing(token)).headers["file-state"] == "ready"
    _recall(screen_database)
    (file,) = stranger.get(path, headers=_showing(token)).json()["exports"]
    assert (file["status"], file["state"], file["usable"]) == ("recalled", "to_redo", False)
    assert file["reason"] == "l’import 3 a été annulé"
    assert read_rows(screen_database, "SELECT state FROM derniers_exports WHERE export_id = 1") == [
        ("to_redo",)
    ]
    assert _code(stranger.get(file["file"]["url"], headers=_showing(token))) == (
        409,
        "fichier_a_refaire",
    )
    taken = stranger.get(f"{file['file']['url']}?recalled=accept", headers=_showing(token))
    assert (taken.status_code, taken.content, taken.headers["file-state"]) == (
        200,
        CONTENT,
        "to_redo",
    )


def test_a_program_asks_what_became_of_its_request(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    token = make_token(LIBREVILLE)
    execute(screen_database, "UPDATE request SET sender = 'jeton compta' WHERE id = 1")
    path = _address()
    known = stranger.get(path, headers=_showing(token))
    (file,) = known.json()["exports"]
    assert (known.json()["request"]["id"], known.json()["status"]) == ("1", "accepted")
    assert (file["export_id"], file["status"], file["file"]["sha256"]) == (1, "ready", DIGEST.hex())
    made = file["file"]
    assert (made["electeurs"], made["anomalies_bloquantes"], made["a_completer"]) == (1, 0, 0)
    execute(
        screen_database,
        "UPDATE export SET status = 'failed', error_code = 'xsd', error_message = 'Refusé.'",
    )
    (file,) = stranger.get(path, headers=_showing(token)).json()["exports"]
    assert (file["status"], file["code"], file["reason"]) == ("failed", "xsd", "Refusé.")
    for unknown in (f"{path}x", _address("x"), "/api/v1/requests/1"):
        assert _code(stranger.get(unknown, headers=_showing(token))) == (404, "demande_inconnue")
    assert _code(stranger.get(path)) == (401, "jeton_refuse")


def test_an_address_opens_the_request_of_the_token_alone(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    """An account and two tokens chose the same source and id for the same commune, a third token did not."""
    tokens = {
        name: make_token(LIBREVILLE, name=name)
        for name in ("compta", "agenda", "autre", "archives")
    }
    tokens["region"] = make_token("*", name="region")
    engine = build_engine(screen_database)
    with Session(engine) as session, session.begin():
        asked = {"event_id": "7", "code_commune": LIBREVILLE}
        for number, sender in enumerate(("mairie", "jeton agenda", "jeton compta"), start=70):
            file = export(id=number, file_name=f"{number}.csv")
            session.add(report(file, id=number, sender=sender, **asked).request)
        refused = {"outcome": RequestOutcome.REFUSED, "code": "quota"}
        session.add(report(id=73, sender="jeton autre", **refused, **asked).request)
    engine.dispose()

    def ask(name: str, sender: str) -> Any:  # noqa: ANN401 — httpx's
        return stranger.get(_address("7", sender), headers=_showing(tokens[name]))

    for name, number in (("agenda", 71), ("compta", 72)):
        files = ask(name, f"jeton {name}").json()["exports"]
        assert [it["export_id"] for it in files] == [number]
    assert ask("autre", "jeton autre").json()["code"] == "quota"
    senders = ("mairie", "jeton agenda", "jeton compta", "jeton autre")
    strange = [ask(name, sender) for name in ("archives", "region") for sender in senders]
    assert {_code(answer) for answer in strange} == {(404, "demande_inconnue")}
    assert len({answer.text for answer in strange}) == 1


def test_each_content_under_one_id_has_the_address_of_its_own_answer(files: FilesScreen) -> None:
    """Two are sent before a worker has read one; then a third, and the first again."""
    with files.desk.engine.begin() as connection:
        token = make_token_row(connection, "compta", [LIBREVILLE], ["*"], actor="test")

    def send(*formats: str) -> Any:  # noqa: ANN401 — httpx's
        data = {"commune": LIBREVILLE, "formats": [*formats], "requested_by": "compta"}
        return _send(files.client, token, _asked(id="a/b c", data=data))

    first, second = send("csv"), send("xml")
    assert [first.status_code, second.status_code] == [202, 202]
    addresses = [it.headers["location"] for it in (first, second)]
    assert addresses == [
        f"/api/v1/requests/{it.json()['request']['uuid']}" for it in (first, second)
    ]
    for event in files.broker.events:
        ingest_request(event, files.desk.services, sender="jeton compta")
    states = [files.client.get(it, headers=_showing(token)).json() for it in addresses]
    assert [it["status"] for it in states] == ["accepted", "refused"]
    assert [it.get("code") for it in states] == [None, "key_reused"]
    assert [len(it["exports"]) for it in states] == [3, 0]
    for formats in (["xml"], ["csv", "xml"]):
        reused = send(*formats)
        assert _code(reused) == (409, "key_reused")
        assert reused.json()["instance"] == addresses[0]
        assert [it["field"] for it in reused.json()["errors"]] == ["/id"]
    again = send("csv")
    assert (again.status_code, again.headers["location"]) == (202, addresses[0])
    assert len(files.broker.events) == 3


def test_a_program_lists_the_requests_of_a_commune(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    showing = _showing(make_token(LIBREVILLE))

    def ask(**query: str) -> Any:  # noqa: ANN401 — httpx's
        return stranger.get("/api/v1/requests", params=query, headers=showing)

    listed = ask(commune=LIBREVILLE).json()
    (asked,) = listed["requests"]
    assert (asked["request"]["id"], asked["status"], listed["next"]) == ("1", "accepted", 1)
    at = datetime.fromisoformat(asked["requested_at"])
    for since, number in ((at, 1), (at + timedelta(seconds=1), 0)):
        assert len(ask(commune=LIBREVILLE, since=since.isoformat()).json()["requests"]) == number
    assert ask(commune=LIBREVILLE, after="1").json() == {"requests": [], "next": 1}
    execute(screen_database, "UPDATE request SET code_commune = '13900' WHERE id = 2")
    assert [
        it["request"]["id"] for it in ask(commune=LIBREVILLE, after="1").json()["requests"]
    ] == ["2"]
    assert _code(ask(commune=GRANDVILLE)) == (404, "commune_inconnue")
    for wrong in ({"since": "2026-11-30"}, {"since": "hier"}, {"after": "x"}, {"limit": "1001"}):
        assert _code(ask(**{"commune": LIBREVILLE} | wrong)) == (400, "parametre_faux")


def test_a_program_lists_the_requests_of_all_its_communes(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    """Its own refused one without a commune too; no note of the screen, which is no part of the contract."""
    engine = build_engine(screen_database)
    with Session(engine) as session, session.begin():
        for number, (commune, sender, event_type) in enumerate(
            (
                (LIBREVILLE, "mairie", REQUEST_LISTE_EXPORT),
                (GRANDVILLE, "mairie", REQUEST_LISTE_EXPORT),
                ("", "jeton compta", REQUEST_LISTE_EXPORT),
                ("", "mairie", REQUEST_LISTE_EXPORT),
                (LIBREVILLE, "ecran", SCREEN_NOTE),
            )
        ):
            asked = {"event_id": f"all-{number}", "event_type": event_type, "sender": sender}
            row = report(id=60 + number, code_commune=commune, **asked).request
            session.add(row)
    engine.dispose()

    def ask(communes: Sequence[str], **query: str) -> list[str]:
        token = make_token(*communes, name="compta")
        answer = stranger.get("/api/v1/requests", params=query, headers=_showing(token)).json()
        execute(screen_database, "DELETE FROM token")
        execute(screen_database, "DELETE FROM sender")
        return [it["request"]["id"] for it in answer["requests"] if "all" in it["request"]["id"]]

    assert ask([LIBREVILLE]) == ["all-0", "all-2"]
    assert ask([LIBREVILLE, GRANDVILLE]) == ["all-0", "all-1", "all-2"]
    assert ask(["*"], after="59", limit="2") == ["all-0", "all-1"]


def _read_feed(client: TestClient, token: str, address: str = "/api/v1/events") -> list[CloudEvent]:
    """The events of all pages from this address on."""
    read = list[CloudEvent]()
    while True:
        page = client.get(address, headers=_showing(token))
        assert page.headers["content-type"] == "application/cloudevents-batch+json", page.text
        if not page.json():
            assert page.links["next"]["url"] == address or not read
            return read
        read += [CloudEvent.model_validate(it) for it in page.json()]
        address = page.links["next"]["url"]


def _status_of(events: Sequence[CloudEvent]) -> list[tuple[str, str]]:
    return [(it.data.get("request", {}).get("id", ""), it.data.get("status", "")) for it in events]


def _recall_and_remind(engine: Engine, event_id: str) -> None:
    """Recall the files of a request, and remind its commune of a deadline."""
    day = date(2199, 3, 22)
    near = deadline("vingt_jours", day, day, date(2199, 4, 11), "Élections municipales, 1er tour")
    with Session(engine) as session, session.begin():
        recall = Recall(code_commune=LIBREVILLE, because="l’import 3 a été annulé", recalled_by="x")
        echeances = DEADLINES.dump_python([near], mode="json")
        reminder = Reminder(code_commune=LIBREVILLE, day=day, echeances=echeances)
        session.add_all([recall, reminder])
        session.flush()
        its_files = select(Export.id).join(Request).where(Request.event_id == event_id)
        mark_recalled(session.connection(), session.scalars(its_files).all(), recall.id)
        for about, number in ((About.RECALL, recall.id), (About.REMINDER, reminder.id)):
            add(session.connection(), [NewWork(WorkKind.END, subject_of(about, number))])


def test_a_program_reads_each_event_that_was_published_to_it(files: FilesScreen) -> None:
    """Accepted, refused, ready, settled, recalled, a deadline: as over AMQP, in this order, each once."""
    desk = files.desk
    with desk.engine.begin() as connection:
        tokens = {
            name: make_token_row(connection, name, [commune], acts, actor="test")
            for name, commune, acts in (
                ("compta", LIBREVILLE, ["*"]),
                ("agenda", LIBREVILLE, ["*"]),
                ("lecteur", LIBREVILLE, []),
                ("ailleurs", MARSEILLE, ["*"]),
            )
        }

    def send(event_id: str, sender: str = "jeton compta", commune: str = LIBREVILLE) -> None:
        data = {"commune": commune, "listes": ["P"], "requested_by": "compta"}
        ingest_request(_asked(id=event_id, data=data), desk.services, sender=sender)

    send("made")
    send("other", "jeton agenda")
    send("refused", commune=MARSEILLE)
    published = desk.announce()
    desk.work()
    published += desk.announce()
    _recall_and_remind(desk.engine, "made")
    published += desk.announce()
    own = _read_feed(files.client, tokens["compta"])
    assert _status_of(own) == [
        ("made", "accepted"),
        ("refused", "refused"),
        ("made", "ready"),
        ("made", "settled"),
        ("made", "recalled"),
        ("", ""),
    ]
    assert own == [it for it in published if it.data.get("request", {}).get("id") != "other"]
    _, refused, _, settled, recalled, _ = (it.data for it in own)
    for said in (settled, refused):
        address = f"/api/v1/requests/{said['request']['uuid']}"
        now = files.client.get(address, headers=_showing(tokens["compta"])).json()
        assert now == now | said, "the state has the words and the shape of the event"
        if said is settled:
            (file,) = now["exports"]
            assert file == file | recalled
    (deadline,) = _read_feed(files.client, tokens["lecteur"])
    assert deadline == own[-1]
    assert _read_feed(files.client, tokens["ailleurs"]) == []
    every = "/api/v1/events?of=communes"
    assert _read_feed(files.client, tokens["lecteur"], every) == [
        it for it in published if it.data.get("request", {}).get("id") != "refused"
    ]
    send("refused", commune=MARSEILLE)
    assert len(desk.announce()) == 1, "the answer comes again, over AMQP"
    assert _read_feed(files.client, tokens["compta"]) == own
    assert purge_answers(desk.engine) == 0
    assert purge_answers(desk.engine, days=0) == 9
    assert _read_feed(files.client, tokens["compta"]) == []


def test_a_page_of_the_feed_has_as_many_events_as_were_asked_for(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    token = make_token(LIBREVILLE)
    event = _asked().model_dump_json()
    for number in range(1, 4):
        execute(
            screen_database,
            "INSERT INTO answer (id, account, event_id, event) VALUES (:id, 'jeton compta', :id, :event)",
            id=number,
            event=event,
        )
    page = stranger.get("/api/v1/events?limit=2", headers=_showing(token))
    assert (len(page.json()), page.links["next"]["url"]) == (
        2,
        "/api/v1/events?after=2&limit=2&of=sender",
    )
    assert len(_read_feed(stranger, token, "/api/v1/events?limit=1")) == 3
    for wrong in (
        "after=hier",
        "after=-1",
        "limit=0",
        "limit=1001",
        "limit=x",
        "of=tous",
        f"after={2**53}",
    ):
        answer = stranger.get(f"/api/v1/events?{wrong}", headers=_showing(token))
        assert _code(answer) == (400, "parametre_faux"), wrong
    for most in ("limit=1000", f"after={2**53 - 1}"):
        assert stranger.get(f"/api/v1/events?{most}", headers=_showing(token)).status_code == 200


def test_the_document_of_the_door_is_served_to_everybody(stranger: TestClient) -> None:
    answer = stranger.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == json.loads((SCHEMAS / "openapi.json").read_text("utf-8"))


def test_another_address_leads_nowhere(stranger: TestClient, make_token: MakeToken) -> None:
    token = make_token("*")
    for path in (
        "/api/v1/",
        "/api/v1/communes",
        "/api/v1/exports",
        "/api/v1/exports/1",
        "/api/v2/events",
    ):
        for host in ({}, {"Host": "another.example"}):
            answer = stranger.get(path, headers=_showing(token) | host)
            assert _code(answer) == (404, "adresse_inconnue")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = stranger.request(method, BYTES, headers=_showing(token))
        assert _code(answer) == (405, "methode_refusee")
        assert {*answer.headers["allow"].split(", ")} == {"GET", "HEAD"}
    wrong = stranger.put("/api/v1/events", headers=_showing(token))
    assert _code(wrong) == (405, "methode_refusee")
    assert {*wrong.headers["allow"].split(", ")} == {"GET", "HEAD", "POST"}


def _send(client: TestClient, token: str, event: CloudEvent | str, **headers: str) -> Any:  # noqa: ANN401 — httpx's
    body = event if isinstance(event, str) else event.model_dump_json(exclude_none=True)
    return client.post(
        "/api/v1/events", content=body, headers=_showing(token, Content_Type=EVENT_JSON) | headers
    )


def _asked(**attributes: Any) -> CloudEvent:  # noqa: ANN401 — of the envelope
    data = ListeExportRequested.model_validate({"commune": LIBREVILLE, "requested_by": "compta"})
    return CloudEvent.wrap(data, source="/mairie/13900").model_copy(update=attributes)


def test_a_program_sends_an_event_as_its_token(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    token = make_token(LIBREVILLE)
    event = _asked(id="a/b c")
    sent = _send(stranger, token, event)
    uuid = name_request("jeton compta", "/mairie/13900", "a/b c", hash_payload(event))
    assert (sent.status_code, sent.json()) == (
        202,
        {
            "request": {"source": "/mairie/13900", "id": "a/b c", "uuid": uuid},
            "url": f"/api/v1/requests/{uuid}",
        },
    )
    assert sent.headers["ratelimit-policy"].startswith('"agent";')
    services = stranger.app.state.services  # type: ignore[attr-defined]
    assert (sent_by(stranger), services.publish.__self__.tokens) == ([event], ["jeton compta"])
    execute(
        screen_database,
        "UPDATE request SET event_id = 'a/b c', sender = 'jeton compta', uuid = :uuid WHERE id = 1",
        uuid=uuid,
    )
    known = stranger.get(sent.headers["location"], headers=_showing(token))
    assert known.json()["request"] == {"source": "/mairie/13900", "id": "a/b c", "uuid": uuid}
    assert (
        stranger.get(known.json()["exports"][0]["file"]["url"], headers=_showing(token)).content
        == CONTENT
    )
    execute(
        screen_database,
        "UPDATE request SET code_commune = '', outcome = 'refused', code = 'x' WHERE id = 1",
    )
    assert stranger.get(sent.headers["location"], headers=_showing(token)).json()["code"] == "x"


@pytest.mark.parametrize(
    ("body", "expected", "fault"),
    [
        ("{", (422, "evenement_illisible"), ("", "json")),
        ('{"id": "1"}', (422, "evenement_illisible"), ("/source", "missing")),
        (
            _asked(type="fr.openelec.prefecture.screen.note.v1"),
            (422, "evenement_illisible"),
            ("/type", "type_inconnu"),
        ),
        (
            _asked(type=FileStatus.EVENT_TYPE),
            (422, "evenement_illisible"),
            ("/type", "type_inconnu"),
        ),
        (
            _asked(data={"commune": "13", "requested_by": "x"}),
            (422, "demande_invalide"),
            ("/data/commune", "commune_code"),
        ),
        (
            _asked(
                type=REQUEST_DECLARATION,
                data={
                    "commune": LIBREVILLE,
                    "exports": [1],
                    "note": {"kind": "deposited", "deposited_on": "hier"},
                    "requested_by": "x",
                },
            ),
            (422, "demande_invalide"),
            ("/data/note/deposited_on", "date_format"),
        ),
        ("x" * (MAX_EVENT_BYTES + 1), (413, "trop_grand"), None),
    ],
)
def test_an_event_that_no_worker_can_serve_is_refused_at_once(
    stranger: TestClient,
    make_token: MakeToken,
    body: CloudEvent | str,
    expected: tuple[int, str],
    fault: tuple[str, str] | None,
) -> None:
    refused = _send(stranger, make_token(LIBREVILLE), body)
    assert _code(refused) == expected
    assert [(it["field"], it["code"]) for it in refused.json().get("errors", ())][:1] == (
        [fault] if fault else []
    )
    assert sent_by(stranger) == []


def test_an_event_is_sent_in_structured_mode_with_a_token(
    stranger: TestClient, make_token: MakeToken
) -> None:
    token = make_token(LIBREVILLE)
    for other in ("application/json", "application/cloudevents-batch+json", ""):
        assert _code(_send(stranger, token, _asked(), **{"Content-Type": other})) == (
            415,
            "type_de_contenu",
        )
    assert _code(_send(stranger, "wrong", _asked())) == (401, "jeton_refuse")
    assert sent_by(stranger) == []


@pytest.mark.parametrize(
    ("event_type", "data", "acts", "expected"),
    [
        (REQUEST_LISTE_EXPORT, {}, [], ("compte_non_autorise", "/data/commune")),
        (REQUEST_LISTE_EXPORT, {}, ["tableaux_render"], ("acte_non_autorise", "/type")),
        (REQUEST_LISTE_EXPORT, {"commune": GRANDVILLE}, ["*"], ("compte_non_autorise", "/data/commune")),
        (REQUEST_LISTE_EXPORT, {"commune": "13998"}, ["*"], ("compte_non_autorise", "/data/commune")),
        (REQUEST_RETRY, None, ["liste_export"], ("acte_non_autorise", "/type")),
        (REQUEST_CANCEL, None, [], ("compte_non_autorise", "")),
        (REQUEST_DECLARATION, DOWNLOADED, ["deposited"], ("acte_non_autorise", "/type")),
    ],
)  # fmt: skip
def test_what_a_token_may_not_ask_for_is_refused_as_a_worker_would(
    files: FilesScreen,
    event_type: str,
    data: dict[str, object] | None,
    acts: list[str],
    expected: tuple[str, str],
) -> None:
    with files.desk.engine.begin() as connection:
        token = make_token_row(connection, "compta", [LIBREVILLE], acts, actor="test")
    about = {"commune": LIBREVILLE} if data is not None else {"request": {"source": "x", "id": "1"}}
    event = _asked(type=event_type, data=about | {"requested_by": "compta"} | (data or {}))
    refused = _send(files.client, token, event)
    assert _code(refused) == (403, expected[0])
    (fault,) = refused.json()["errors"]
    assert (fault["code"], fault["field"]) == expected
    assert files.broker.events == []
    ingest_request(event, files.desk.services, sender="jeton compta")
    asked = files.desk.request(event)
    assert (asked["code"], asked["reason"]) == (expected[0], fault["message"])


@pytest.mark.parametrize(
    ("error", "seconds"), [(PublishError, "10"), (QueueFullError, "60"), (UnconfirmedError, "10")]
)
def test_what_the_broker_does_not_take_is_to_be_sent_again(
    send_in_vain: SendInVain,
    capsys: pytest.CaptureFixture[str],
    error: type[PublishError],
    seconds: str,
) -> None:
    answer = send_in_vain(error("broker.example:5672"))
    assert _code(answer) == (503, "demande_non_prise")
    assert answer.headers["retry-after"] == seconds
    assert "broker.example" not in answer.text
    assert "broker.example:5672" in capsys.readouterr().out, "the operator reads the cause"


def test_a_broker_that_refuses_every_event_is_not_tried_again(
    send_in_vain: SendInVain, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = send_in_vain(BrokerRefusesError("broker.example:5672 refuse le compte"))
    assert _code(answer) == (500, "service_mal_regle")
    assert "retry-after" not in answer.headers
    assert "broker.example" not in answer.text
    assert "broker.example:5672 refuse le compte" in capsys.readouterr().out
