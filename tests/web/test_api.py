"""The API for programs: a token allows the files of its communes, and reveals nothing about others."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from sqlalchemy import text
from starlette.testclient import TestClient

from common.cli import ExitCode
from producers.web.security import limits
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.http import TOKEN_ACTOR, ExportDocument, Problem
from tests.parts.notes import note_file
from tests.web.security_desk import (
    CONTENT,
    FILE,
    GRANDVILLE,
    LIBREVILLE,
    behind_proxy,
    execute,
    make_settings,
    open_client,
    sent_by,
)
from worker.cli.main import main
from worker.db.engine import build_engine

DIGEST = hashlib.sha256(CONTENT).digest()
EXPORT, BYTES = "/api/v1/exports/1", "/api/v1/exports/1/fichier"
MakeToken = Callable[..., str]


@pytest.fixture
def make_token(screen_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MakeToken:
    """Create a token as an operator does; the token that the command prints."""
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", screen_database)

    def make(*communes: str, name: str = "compta") -> str:
        options = [option for commune in communes for option in ("--commune", commune)]
        assert main(["accounts", "--kind", "jeton", "--add", name, *options]) == ExitCode.DONE
        return capsys.readouterr().out.split()[-1]

    return make


@pytest.fixture
def machine(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """A program at the screen's public address, without a header of the proxy."""
    with open_client(make_settings(screen_database, tmp_path, **behind_proxy())) as client:
        yield client


def _showing(token: str, **others: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in others.items()}


def _code(answer: Any) -> tuple[int, str]:  # noqa: ANN401 — httpx's
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == answer.status_code
    assert problem.title
    assert problem.detail
    return problem.status, problem.code


def _taken(machine: TestClient) -> list[CloudEvent]:
    """The declared downloads of complete files."""
    return [event for event in sent_by(machine) if event.type == DeclarationNoted.EVENT_TYPE]


@pytest.mark.slow
def test_a_program_reads_what_is_known_of_a_file_and_takes_it(machine: TestClient, make_token: MakeToken) -> None:
    token = make_token(LIBREVILLE)
    answer = machine.get(EXPORT, headers=_showing(token))
    document = ExportDocument.model_validate(answer.json())
    assert (document.export_id, document.commune, document.status, document.name) == (1, LIBREVILLE, "ready", FILE)
    assert (document.size, document.sha256) == (len(CONTENT), DIGEST.hex())
    assert document.url == f"https://prefecture.mairie.example{BYTES}"
    taken = machine.get(document.url, headers=_showing(token))
    assert taken.content == CONTENT
    assert taken.headers["content-type"] == "text/csv; charset=utf-8"
    assert taken.headers["content-disposition"] == f'attachment; filename="{FILE}"'
    assert taken.headers["etag"] == f'"{DIGEST.hex()}"'
    digest = base64.b64encode(DIGEST).decode()
    assert (taken.headers["repr-digest"], taken.headers["digest"]) == (f"sha-256=:{digest}:", f"sha-256={digest}")
    assert taken.headers["cache-control"] == "no-store"
    (event,) = _taken(machine)
    said = note_file("downloaded", 1, commune=LIBREVILLE, requested_by=f"{TOKEN_ACTOR}compta")
    assert DeclarationNoted.model_validate(event.data) == said
    head = machine.head(BYTES, headers=_showing(token))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert len(_taken(machine)) == 1, "nothing was taken"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=10-", 10, len(CONTENT) - 1), ("bytes=-5", len(CONTENT) - 5, len(CONTENT) - 1)],
)
def test_a_range_is_the_bytes_that_are_missing(
    machine: TestClient, make_token: MakeToken, asked: str, first: int, last: int
) -> None:
    token, etag = make_token("*"), f'"{DIGEST.hex()}"'
    part = machine.get(BYTES, headers=_showing(token, Range=asked, If_Range=etag))
    assert (part.status_code, part.content) == (206, CONTENT[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert len(_taken(machine)) == (1 if last == len(CONTENT) - 1 else 0), "taken once the last byte has left"
    other = machine.get(BYTES, headers=_showing(token, Range=asked, If_Range='"another file"'))
    assert (other.status_code, other.content) == (200, CONTENT)


def test_what_one_has_already_is_not_sent_again(machine: TestClient, make_token: MakeToken) -> None:
    token = make_token(LIBREVILLE)
    same = machine.get(BYTES, headers=_showing(token, If_None_Match=f'"x", W/"{DIGEST.hex()}"'))
    assert (same.status_code, same.content) == (304, b"")
    beyond = machine.get(BYTES, headers=_showing(token, Range="bytes=1000-"))
    assert _code(beyond) == (416, "plage_impossible")
    assert beyond.headers["content-range"] == f"bytes */{len(CONTENT)}"
    several = machine.get(BYTES, headers=_showing(token, Range="bytes=0-1,4-5"))
    assert (several.status_code, several.content) == (200, CONTENT)


def test_another_communes_file_is_as_one_that_does_not_exist(machine: TestClient, make_token: MakeToken) -> None:
    token = make_token(GRANDVILLE)
    answers = [
        machine.get(path, headers=_showing(token))
        for number in ("1", "999", "x", "0", "9" * 30)
        for path in (f"/api/v1/exports/{number}", f"/api/v1/exports/{number}/fichier")
    ]
    assert {_code(answer) for answer in answers} == {(404, "fichier_inconnu")}
    assert len({answer.text for answer in answers}) == 1


def test_only_a_token_in_force_opens(
    machine: TestClient, make_token: MakeToken, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_token(LIBREVILLE)
    other = make_token(LIBREVILLE, name="agenda")
    mixed = token[: len("prefecture_") + 8] + other[len("prefecture_") + 8 :]
    wrong = ["", "Bearer", f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Bearer {mixed}", token]
    for shown in wrong:
        answer = machine.get(EXPORT, headers={"Authorization": shown})
        assert _code(answer) == (401, "jeton_refuse"), shown
        assert answer.headers["www-authenticate"].startswith('Bearer realm="prefecture"')
    assert main(["accounts", "--kind", "jeton", "--remove", token.split("_")[1]]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(f"Jeton {token.split('_')[1]} (compta) révoqué : il n'ouvre plus rien.\n")
    assert _code(machine.get(EXPORT, headers=_showing(token))) == (401, "jeton_refuse")
    assert machine.get(EXPORT, headers=_showing(other)).status_code == 200


def test_guesses_are_bounded(machine: TestClient, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the rate even a right token is not checked: the client does not learn whether it was right."""
    token = make_token(LIBREVILLE)
    rate = parse("3/minute")
    monkeypatch.setattr(limits, "RATES", dict(limits.RATES) | {"token": (rate, rate)})
    answers = [machine.get(EXPORT, headers=_showing("wrong")) for _ in range(3)]
    assert {_code(answer) for answer in answers} == {(401, "jeton_refuse")}
    late = machine.get(EXPORT, headers=_showing(token))
    assert _code(late) == (429, "trop_de_requetes")
    assert int(late.headers["retry-after"]) > 0


def test_a_token_is_not_kept_and_its_making_is_on_record(
    make_token: MakeToken, screen_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_token(LIBREVILLE, GRANDVILLE)
    _, token_id, secret = token.split("_", 2)
    engine = build_engine(screen_database)
    with engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM token")).all())
    engine.dispose()
    assert secret not in kept
    assert token_id in kept
    assert main(["accounts", "--kind", "jeton"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert secret not in shown
    assert [word in shown for word in (token_id, "compta", "13900, 13901", "en service")] == [True] * 4
    assert main(["audit"]) == ExitCode.DONE
    trail = capsys.readouterr().out
    assert "jeton fait" in trail
    assert secret not in trail
    assert main(["accounts", "--kind", "jeton", "--add", "compta", "--commune", LIBREVILLE]) == ExitCode.FAILED
    assert main(["accounts", "--kind", "jeton", "--add", "autre", "--commune", "99999"]) == ExitCode.FAILED
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
    machine: TestClient, make_token: MakeToken, screen_database: str, change: str, expected: tuple[int, str]
) -> None:
    token = make_token(LIBREVILLE)
    execute(screen_database, f"UPDATE export SET {change}")  # noqa: S608 — ours
    assert _code(machine.get(BYTES, headers=_showing(token))) == expected
    assert machine.get(EXPORT, headers=_showing(token)).status_code == 200


def test_the_contract_is_served_and_is_the_committed_one(machine: TestClient, make_token: MakeToken) -> None:
    answer = machine.get("/api/v1/openapi.json")
    assert answer.json() == json.loads((ROOT / "openapi.json").read_text("utf-8"))
    token = make_token("*")
    for path in ("/api/v1/", "/api/v1/communes", "/api/v1/exports"):
        assert _code(machine.get(path, headers=_showing(token))) == (404, "adresse_inconnue")
