"""Attacks on the login: an unverified address, a copied cookie, a weak signature, many guesses."""

import hashlib
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import TimestampSigner
from pydantic import ValidationError
from starlette.testclient import TestClient

from producers.web.settings import WebSettings
from tests.integration.export_desk import Desk
from tests.parts.databases import read_rows
from tests.web.oidc_browser import come_in, with_provider
from tests.web.proconnect import Bent, ProConnect
from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    LIBREVILLE,
    NEIGHBOUR,
    SECRET,
    behind_proxy,
    execute,
    make_settings,
    open_client,
    sent_by,
    token_of,
)
from tests.web.test_security_proxy import Deployed
from worker.audit import read_audit
from worker.cli.main import main
from worker.cli.options import system_user
from worker.db.engine import build_engine
from worker.handlers.requests.ingest_request import ingest_request

HOME = f"/communes/{LIBREVILLE}/listes"
COOKIE = "__Host-prefecture"


def _settings(provider: ProConnect, url: str, folder: Path, **given: Any) -> WebSettings:  # noqa: ANN401 — of WebSettings
    return make_settings(url, folder, **with_provider(provider.issuer, **given))


@pytest.mark.parametrize(
    ("bent", "status"),
    [
        (Bent(), 403),
        (Bent(info={"email_verified": False}), 403),
        (Bent(token={"email": CLERK_EMAIL, "email_verified": True}), 403),
        (Bent(info={"email_verified": "yes"}), 403),
        (Bent(info={"email_verified": True}), 303),
        (Bent(token={"email": CLERK_EMAIL, "email_verified": True}, info={"email": None}), 303),
    ],
    ids=[
        "nothing said",
        "denied",
        "said of another token's",
        "another word",
        "verified",
        "all in the first",
    ],
)
def test_to_come_in_by_an_address_that_nobody_verified(
    provider: ProConnect, screen_database: str, tmp_path: Path, bent: Bent, status: int
) -> None:
    provider.bent = bent
    with open_client(
        _settings(provider, screen_database, tmp_path, web_oidc_unverified="")
    ) as client:
        assert come_in(client).status_code == status


def test_who_is_waived_is_named_and_may_still_deny(
    provider: ProConnect, screen_database: str, tmp_path: Path
) -> None:
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        assert come_in(client).status_code == 303
    provider.bent = Bent(info={"email_verified": False})
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        assert come_in(client).status_code == 403
    with pytest.raises(ValidationError, match="nomme un autre fournisseur"):
        _settings(provider, screen_database, tmp_path, web_oidc_unverified="https://evil.example")


@pytest.mark.parametrize("auth", ["oidc", "proxy"])
def test_to_listen_to_cookies_on_their_way(screen_database: str, tmp_path: Path, auth: str) -> None:
    given = with_provider("https://identite.example") if auth == "oidc" else behind_proxy()
    for url in ("http://prefecture.mairie.example", "http://127.0.0.1.evil.example"):
        with pytest.raises(ValidationError, match="une adresse https:// est attendue"):
            make_settings(screen_database, tmp_path, **given | {"public_url": url})


@pytest.mark.slow
def test_to_go_on_by_a_copy_of_a_cookie_after_its_logout(
    provider: ProConnect, screen_database: str, tmp_path: Path
) -> None:
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        come_in(client)
        token, copied = token_of(client), client.cookies[COOKIE]
        left = client.post("/deconnexion", data={"jeton": token})
        assert left.headers["clear-site-data"] == '"cache", "storage"'
        client.cookies.clear()
        assert client.get(HOME, headers={"Cookie": f"{COOKIE}={copied}"}).status_code == 303
    with open_client(_settings(provider, screen_database, tmp_path)) as restarted:
        assert restarted.get(HOME, headers={"Cookie": f"{COOKIE}={copied}"}).status_code == 303
    kept = (tmp_path / "spool" / "sessions-ended").read_text()
    assert len(kept.splitlines()) == 1
    assert copied.partition(".")[0] not in kept


def test_nobody_is_kept_from_leaving_by_a_full_disk(
    provider: ProConnect, screen_database: str, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("not a folder")
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        come_in(client)
        assert client.post("/deconnexion", data={"jeton": token_of(client)}).status_code == 200
        assert client.get(HOME).status_code == 303


@pytest.mark.parametrize(("digest", "status"), [("sha1", 303), ("sha256", 200)])
def test_to_sign_a_session_by_a_weaker_digest(
    provider: ProConnect, screen_database: str, tmp_path: Path, digest: str, status: int
) -> None:
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        come_in(client)
        content = TimestampSigner(SECRET, digest_method=hashlib.sha256).unsign(
            client.cookies[COOKIE]
        )
        client.cookies.clear()
        signed = (
            TimestampSigner(SECRET, digest_method=partial(hashlib.new, digest))
            .sign(content)
            .decode()
        )
        assert client.get(HOME, headers={"Cookie": f"{COOKIE}={signed}"}).status_code == status


@pytest.mark.slow
def test_to_guess_passwords_through_nginx(deployed: Deployed) -> None:
    """Whatever names an address tries, it waits; agents at another address work on."""
    began = time.monotonic()
    with deployed.client() as client:
        answers = [
            client.get(HOME, auth=(f"agent-{number % 7}", f"guess-{number}")).status_code
            for number in range(1_500)
        ]
        seconds = time.monotonic() - began
        refused = client.get(HOME)
        assert client.get("/static/screen.css", auth=None).status_code == 200
    assert set(answers) == {401, 429}
    assert answers.count(401) <= 601 + 10 * seconds
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert "Attendez une minute, puis rechargez" in refused.text
    with deployed.client(local_address="127.0.0.2") as elsewhere:
        assert elsewhere.get(HOME).status_code == 200


@pytest.mark.slow
def test_agents_behind_one_address_are_not_taken_for_guesses(deployed: Deployed) -> None:
    with deployed.client(NEIGHBOUR, local_address="127.0.0.20") as client:
        assert {client.get("/").status_code for _ in range(200)} == {303}
        assert {client.get("/sante/vie", auth=None).status_code for _ in range(1_000)} == {200}


@pytest.mark.slow
def test_a_program_reads_the_refusals_of_the_screen_behind_nginx(deployed: Deployed) -> None:
    with deployed.client(agent="") as client:
        answers = [client.get("/api/v1/events") for _ in range(100)]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def _write_down(client: TestClient, url: str, folder: Path) -> None:
    """Ingest the events that this screen published, under the screen's trusted account."""
    desk = Desk(build_engine(url), folder / "exports")
    desk.configure(is_embedded=False)
    for event in sent_by(client):
        ingest_request(event, desk.services, sender="ecran")
    desk.engine.dispose()


def _audit(url: str) -> list[tuple[str, str, str]]:
    engine = build_engine(url)
    with engine.connect() as connection:
        lines = [(it.action, it.account, it.actor) for it in read_audit(connection, limit=100)][
            ::-1
        ]
    engine.dispose()
    return lines


ALLOW = "INSERT INTO sender (name, code_commune, speaks_for_agents) VALUES ('ecran', '*', true)"


def test_to_take_over_an_agent_by_her_address(
    provider: ProConnect, screen_database: str, tmp_path: Path
) -> None:
    """The provider has given the agent's address to another person, with another subject."""
    execute(screen_database, ALLOW)
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        assert come_in(client).status_code == 303
        hers = client.cookies[COOKIE]
        client.cookies.clear()
        other = "another subject"
        provider.bent = Bent(token={"sub": other}, info={"sub": other})
        assert come_in(client).status_code == 303, (
            "before the first login was recorded, both came in"
        )
        early = client.cookies[COOKIE]
        _write_down(client, screen_database, tmp_path)
        client.cookies.clear()
        assert _audit(screen_database) == [
            ("logged_in", "ecran", CLERK),
            ("login_refused", "ecran", CLERK),
        ]
        assert client.get(HOME, headers={"Cookie": f"{COOKIE}={hers}"}).status_code == 200
        client.cookies.clear()
        assert client.get(HOME, headers={"Cookie": f"{COOKIE}={early}"}).status_code == 303
        client.cookies.clear()
        refused = come_in(client)
        assert refused.status_code == 403
        assert "s&#39;identifie par un autre compte" in refused.text
        provider.bent = Bent(info={"email": CLERK_EMAIL.title()})
        assert come_in(client).status_code == 303


def test_who_changed_her_account_is_bound_anew_by_the_operator(
    provider: ProConnect, screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", screen_database)
    execute(screen_database, "UPDATE agent SET identity = 'another' WHERE code_commune = '13900'")
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        assert come_in(client).status_code == 403
        assert main(["agents", "--forget-identity", CLERK]) == 0
        assert come_in(client).status_code == 303
        assert client.get(HOME).status_code == 200
    assert _audit(screen_database) == [("identity_forgotten", system_user(), system_user())]
    assert main(["agents", "--forget-identity", "personne"]) == 1


def test_to_go_on_in_a_session_that_the_administrator_ended(
    provider: ProConnect, screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", screen_database)
    with open_client(_settings(provider, screen_database, tmp_path)) as client:
        come_in(client)
        assert client.get(HOME).status_code == 200
        copied = client.cookies[COOKIE]
        assert main(["agents", "--end-sessions", CLERK]) == 0
        client.cookies.clear()
        assert client.get(HOME, headers={"Cookie": f"{COOKIE}={copied}"}).status_code == 303
        client.cookies.clear()
        come_in(client)
        assert client.get(HOME).status_code == 200
    assert _audit(screen_database) == [("sessions_ended", system_user(), system_user())]


def test_a_commune_more_is_under_the_same_identity(
    screen_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", screen_database)
    execute(
        screen_database,
        "UPDATE agent SET identity = 'own', sessions_ended = 3 WHERE code_commune = '13900'",
    )
    assert main(["agents", "--add", CLERK, "--commune", "13901", "--email", CLERK_EMAIL]) == 0
    query = f"SELECT identity, sessions_ended FROM agent WHERE name = '{CLERK}'"  # noqa: S608 — ours
    assert read_rows(screen_database, query) == [("own", 3)] * 2
