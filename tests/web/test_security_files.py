"""Files in both directions: only recorded files leave, no file that is too large enters."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from producers.web.security.limits import FILE_BYTES, FORM_BYTES
from tests.web.security_desk import (
    CONTENT,
    FILE,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
    behind_proxy,
    execute,
    make_settings,
    open_client,
    token_of,
)

DOWNLOAD = f"/communes/{LIBREVILLE}/exports/1/fichier"
VERIFY = f"/communes/{LIBREVILLE}/verifier"


@pytest.mark.parametrize(
    "path",
    [
        f"/communes/{LIBREVILLE}/exports/../../../etc/passwd",
        f"/communes/{LIBREVILLE}/exports/1/../../../secret",
        f"/communes/{LIBREVILLE}/exports/1%2f..%2f..%2fsecret/fichier",
        f"/communes/{LIBREVILLE}/exports/1/fichier/../../../../secret",
        f"/communes/{LIBREVILLE}/exports/1/fichier/{FILE}",
        f"/communes/{LIBREVILLE}/exports/{FILE}/fichier",
        f"/communes/..%2f{LIBREVILLE}/exports/1/fichier",
        f"/communes/{LIBREVILLE}%2f../exports/1/fichier",
    ],
)
def test_no_address_leads_out_of_the_record(web_client: TestClient, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("INVENTE")
    answer = web_client.get(path)
    assert answer.status_code == 404
    assert "INVENTE" not in answer.text


@pytest.mark.parametrize(
    "name", ["../../secret", "../13900/../../secret", "{folder}/secret", "", ".", "..", "a\0b", "lien"]
)
def test_no_record_leads_out_of_the_volume(
    web_client: TestClient, screen_database: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    (tmp_path / "exports" / LIBREVILLE / "lien").symlink_to(tmp_path / "secret")
    altered = name.format(folder=tmp_path)
    execute(screen_database, "UPDATE export SET file_name = :name WHERE id = 1", name=altered)
    answer = web_client.get(DOWNLOAD)
    assert answer.status_code >= 400
    assert b"INVENTE" not in answer.content


def test_a_dropped_file_may_be_larger_than_a_form(web_client: TestClient) -> None:
    dropped = {"fichier": ("liste.csv", b"x" * (2 * FORM_BYTES), "text/csv")}
    answer = web_client.post(VERIFY, data={"jeton": token_of(web_client)}, files=dropped)
    assert answer.status_code not in {400, 403, 413}


def test_a_dropped_file_has_its_limit_too(web_client: TestClient) -> None:
    announced = {"Content-Length": str(FILE_BYTES + 1), "Content-Type": "multipart/form-data; boundary=x"}
    assert web_client.post(VERIFY, content=b"--x--\r\n", headers=announced).status_code == 413


@pytest.mark.parametrize("number", [2, 20])
def test_one_file_is_dropped_at_a_time(web_client: TestClient, number: int) -> None:
    dropped = [("fichier", (f"{index}.csv", b"x", "text/csv")) for index in range(number)]
    answer = web_client.post(VERIFY, data={"jeton": token_of(web_client)}, files=dropped)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
        ("application/x-www-form-urlencoded", b"%ff=%ff&" * 300),
        ("application/json", b"{"),
        ("text/plain; charset=nothing", b"x"),
        ("", b""),
    ],
)
def test_a_form_that_is_none_is_refused(web_client: TestClient, kind: str, body: bytes) -> None:
    token_of(web_client)
    for page in (VERIFY, f"/communes/{LIBREVILLE}/listes"):
        assert web_client.post(page, content=body, headers={"Content-Type": kind}).status_code in {400, 403}


def test_a_file_of_another_commune_is_unknown(screen_database: str, tmp_path: Path) -> None:
    """A file that GRANDVILLE's agent uploads reveals nothing of LIBREVILLE, even with the bytes of its file."""
    with open_client(make_settings(screen_database, tmp_path, **behind_proxy()), agent=NEIGHBOUR) as client:
        page = f"/communes/{GRANDVILLE}/verifier"
        dropped = {"fichier": ("liste.csv", CONTENT, "text/csv")}
        answer = client.post(page, data={"jeton": token_of(client, GRANDVILLE)}, files=dropped, follow_redirects=True)
    assert answer.status_code < 500
    assert "LIBREVILLE" not in answer.text
    assert FILE not in answer.text
    assert "25/11/2026 09:30" not in answer.text
