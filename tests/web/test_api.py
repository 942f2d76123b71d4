"""The API for programs: a token allows the files of its communes, and reveals nothing about others."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from common.cli import ExitCode
from producers.errors import PublishError, QueueFullError, UnconfirmedError
from producers.web import api
from producers.web.app import create_app
from producers.web.security import limits
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.events import FileStatus
from schemas.http import EVENT_JSON, TOKEN_ACTOR, Problem
from schemas.requests import ListeExportRequested
from schemas.topology import MAX_EVENT_BYTES, REQUEST_DECLARATION
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.parts.databases import read_rows
from tests.parts.notes import note_file
from tests.unit.mail_samples import ASKED_AT, export, report
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
from worker.cli.main import main
from worker.db.engine import build_engine
from worker.exports.models import Export, Recall
from worker.notifier.messages.events import file_event, recall_event

DIGEST = hashlib.sha256(CONTENT).digest()
BYTES = "/api/v1/exports/1/fichier"
MakeToken = Callable[..., str]


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


def _showing(token: str, **others: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in others.items()
    }


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
        main(["accounts", "--kind", "jeton", "--add", "autre", "--commune", "99999"])
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
    """The request, the events, the view and the bytes say it, for a program that reads no French."""
    token = make_token(LIBREVILLE)
    execute(screen_database, "UPDATE request SET sender = 'jeton compta' WHERE id = 1")
    execute(screen_database, "UPDATE import SET finished_at = '2026-01-01 00:00:00.000000'")
    path = "/api/v1/request?source=/mairie/13900&id=1"
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
    assert _code(stranger.get(file["url"], headers=_showing(token))) == (409, "fichier_a_refaire")
    taken = stranger.get(f"{file['url']}?recalled=accept", headers=_showing(token))
    assert (taken.status_code, taken.content, taken.headers["file-state"]) == (
        200,
        CONTENT,
        "to_redo",
    )
    engine = build_engine(screen_database)
    with Session(engine) as session:
        (recalled,) = session.scalars(select(Export).where(Export.recall_id == 5))
        published = recall_event(session.get_one(Recall, 5), recalled)
    engine.dispose()
    page = stranger.get("/api/v1/events", headers=_showing(token))
    (said,) = page.json()
    event = CloudEvent.model_validate(said)
    assert event == published.model_copy(update={"source": event.source})
    assert (event.data["status"], event.data["usable"]) == ("recalled", False)
    assert stranger.get(page.links["next"]["url"], headers=_showing(token)).json() == []


def test_a_program_asks_what_became_of_its_request(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    token = make_token(LIBREVILLE)
    execute(screen_database, "UPDATE request SET sender = 'jeton compta' WHERE id = 1")
    path = "/api/v1/request?source=/mairie/13900&id=1"
    known = stranger.get(path, headers=_showing(token))
    (file,) = known.json()["exports"]
    assert (known.json()["request"], known.json()["outcome"]) == (
        {"source": "/mairie/13900", "id": "1"},
        "accepted",
    )
    assert (file["export_id"], file["status"], file["sha256"]) == (1, "ready", DIGEST.hex())
    assert (file["electeurs"], file["anomalies_bloquantes"], file["a_completer"]) == (1, 0, 0)
    execute(
        screen_database,
        "UPDATE export SET status = 'failed', error_code = 'xsd', error_message = 'Refusé.'",
    )
    (file,) = stranger.get(path, headers=_showing(token)).json()["exports"]
    assert (file["status"], file["code"], file["reason"]) == ("failed", "xsd", "Refusé.")
    for address in (f"{path}x", "/api/v1/request?source=x&id=1"):
        assert _code(stranger.get(address, headers=_showing(token))) == (404, "demande_inconnue")
    assert _code(stranger.get(path)) == (401, "jeton_refuse")
    for wrong in ("source=/mairie/13900", "id=1", ""):
        answer = stranger.get(f"/api/v1/request?{wrong}", headers=_showing(token))
        assert _code(answer) == (400, "parametre_faux")
    for source, event_id in (("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("/" * 200, "&=é ")):
        statement = "UPDATE request SET source = :source, event_id = :event_id WHERE id = 1"
        execute(screen_database, statement, source=source, event_id=event_id)
        for key, status in (((source, event_id), 200), (("a/b/c", ""), 400), (("a", "b"), 404)):
            query = dict(zip(("source", "id"), key, strict=True))
            answer = stranger.get("/api/v1/request", params=query, headers=_showing(token))
            assert answer.status_code == status, key
        swapped = {"source": "a", "id": "b/c"} if source != "a" else {"source": "a/b", "id": "c"}
        answer = stranger.get("/api/v1/request", params=swapped, headers=_showing(token))
        assert answer.status_code == 404, "a slash belongs to one of the two"


def test_a_source_and_an_id_name_the_request_of_the_token_alone(
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

    def ask(name: str, event_id: str) -> Any:  # noqa: ANN401 — httpx's
        path = f"/api/v1/request?source=/mairie/13900&id={event_id}"
        return stranger.get(path, headers=_showing(tokens[name]))

    for name, number in (("agenda", 71), ("compta", 72)):
        assert [it["export_id"] for it in ask(name, "7").json()["exports"]] == [number]
    assert ask("autre", "7").json()["code"] == "quota"
    strange = [ask(name, event_id) for name in ("archives", "region") for event_id in ("7", "8")]
    assert {_code(answer) for answer in strange} == {(404, "demande_inconnue")}
    assert len({answer.text for answer in strange}) == 1


def test_a_program_lists_the_requests_of_a_commune(
    stranger: TestClient, make_token: MakeToken, screen_database: str
) -> None:
    showing = _showing(make_token(LIBREVILLE))

    def ask(**query: str) -> Any:  # noqa: ANN401 — httpx's
        return stranger.get("/api/v1/requests", params=query, headers=showing)

    listed = ask(commune=LIBREVILLE).json()
    (asked,) = listed["requests"]
    assert (asked["request"]["id"], asked["outcome"], listed["next"]) == ("1", "accepted", 1)
    at = datetime.fromisoformat(asked["requested_at"])
    for since, number in ((at, 1), (at + timedelta(seconds=1), 0)):
        assert len(ask(commune=LIBREVILLE, since=since.isoformat()).json()["requests"]) == number
    assert ask(commune=LIBREVILLE, after="1").json() == {"requests": [], "next": 1}
    execute(screen_database, "UPDATE request SET code_commune = '13900' WHERE id = 2")
    assert [
        it["request"]["id"] for it in ask(commune=LIBREVILLE, after="1").json()["requests"]
    ] == ["2"]
    assert _code(ask(commune=GRANDVILLE)) == (404, "commune_inconnue")
    for wrong in ({"since": "2026-11-30"}, {"since": "hier"}, {"after": "x"}, {"commune": ""}):
        assert _code(ask(**{"commune": LIBREVILLE} | wrong)) == (400, "parametre_faux")


def test_a_listener_that_lost_events_reads_those_of_the_files_that_ended(
    stranger: TestClient,
    make_token: MakeToken,
    screen_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are those that the notifier publishes, as far as the files are still to be taken."""
    monkeypatch.setattr(api, "_PAGE", 2)
    showing = _showing(make_token(LIBREVILLE))
    engine = build_engine(screen_database)
    with Session(engine) as session, session.begin():
        session.execute(update(Export).values(code_commune=LIBREVILLE))
        for number, status in enumerate(
            (ExportStatus.FAILED, ExportStatus.CANCELLED, ExportStatus.RUNNING)
        ):
            at = ASKED_AT + timedelta(seconds=number)
            ended = None if status is ExportStatus.RUNNING else at
            file = export(
                "CE.csv", status, id=10 + number, file_name=f"{number}", finished_at=ended
            )
            session.add(report(file, id=10 + number, event_id=str(10 + number)).request)
    with Session(engine) as session:
        wanted = (Export.status != ExportStatus.RUNNING) & Export.finished_at.is_not(None)
        files = session.scalars(
            select(Export).where(wanted).order_by(Export.finished_at, Export.id)
        ).all()
        public = stranger.app.state.services.settings.public_url  # type: ignore[attr-defined]
        published = [file_event(it.request, it, public) for it in files]
    engine.dispose()
    read, address = list[Any](), "/api/v1/events"
    while True:
        page = stranger.get(address, headers=showing)
        assert page.headers["content-type"] == "application/cloudevents-batch+json"
        if not page.json():
            break
        read += page.json()
        address = page.links["next"]["url"]
    assert stranger.get(address, headers=showing).json() == []
    assert [CloudEvent.model_validate(it) for it in read] == [
        it.model_copy(update={"source": public or it.source}) for it in published
    ]
    assert len(published) >= 3
    assert (
        stranger.get("/api/v1/events", headers=_showing(make_token(GRANDVILLE, name="x"))).json()
        == []
    )
    assert _code(stranger.get("/api/v1/events?after=hier", headers=showing)) == (
        400,
        "parametre_faux",
    )


def test_another_address_leads_nowhere(stranger: TestClient, make_token: MakeToken) -> None:
    token = make_token("*")
    for path in ("/api/v1/", "/api/v1/communes", "/api/v1/exports", "/api/v1/exports/1"):
        assert _code(stranger.get(path, headers=_showing(token))) == (404, "adresse_inconnue")
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
    assert (sent.status_code, sent.json()) == (
        202,
        {"request": {"source": "/mairie/13900", "id": "a/b c"}},
    )
    assert sent.headers["ratelimit-policy"].startswith('"agent";')
    services = stranger.app.state.services  # type: ignore[attr-defined]
    assert (sent_by(stranger), services.publish.__self__.tokens) == ([event], ["jeton compta"])
    execute(
        screen_database,
        "UPDATE request SET event_id = 'a/b c', sender = 'jeton compta' WHERE id = 1",
    )
    known = stranger.get(sent.headers["location"], headers=_showing(token))
    assert known.json()["request"] == {"source": "/mairie/13900", "id": "a/b c"}
    assert (
        stranger.get(known.json()["exports"][0]["url"], headers=_showing(token)).content == CONTENT
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
    ("error", "seconds"), [(PublishError, "10"), (QueueFullError, "60"), (UnconfirmedError, "10")]
)
def test_what_the_broker_does_not_take_is_to_be_sent_again(
    screen_database: str,
    tmp_path: Path,
    make_token: MakeToken,
    error: type[PublishError],
    seconds: str,
) -> None:
    def publish(event: CloudEvent, *, token: str = "") -> None:
        raise error("broker.example:5672")

    app = create_app(make_settings(screen_database, tmp_path), publish)
    with open_client(make_settings(screen_database, tmp_path), app=app) as client:
        answer = _send(client, make_token(LIBREVILLE), _asked())
    assert _code(answer) == (503, "demande_non_prise")
    assert answer.headers["retry-after"] == seconds
    assert "broker.example" not in answer.text
