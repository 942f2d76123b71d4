"""An attacker with an account of the broker, who would act under another name."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from producers.state import State
from producers.web.security import NotAnAgent, find_agent
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.rights import EVERY_COMMUNE
from schemas.topology import SCREEN_NOTE
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.databases import read_rows
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.access.authorization import UNKNOWN_ACCOUNT
from worker.access.models import Agent, Sender, Token
from worker.cli.main import main
from worker.exports.models import Request
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

MAYOR = "M. le Maire"
SCREEN, PROGRAM, NEIGHBOUR = "ecran", "mairie-13900", "voisine"


@pytest.fixture
def desk(desk: DepotsDesk) -> DepotsDesk:
    desk.configure(is_embedded=False)
    with Session(desk.engine) as session, session.begin():
        session.add(Sender(name=SCREEN, code_commune=EVERY_COMMUNE, speaks_for_agents=True))
        session.add(Sender(name=PROGRAM, code_commune=COMMUNE))
        session.add(Sender(name="centre", code_commune="13055", speaks_for_agents=True))
        session.add(Sender(name="centre", code_commune=COMMUNE))
        session.add(Agent(name=NEIGHBOUR, code_commune="13055", email="voisine@marseille.example"))
    return desk


def _send(desk: DepotsDesk, sender: str, said: str, **fields: Any) -> Request:  # noqa: ANN401 — of the request
    asked = ListeExportRequested(commune=COMMUNE, requested_by=said)
    event = CloudEvent.wrap(asked, source="/test")
    event = event.model_copy(update={"data": event.data | fields})
    ingest_request(event, desk.services, sender=sender)
    with Session(desk.engine) as session:
        return session.scalars(select(Request).where(Request.event_id == event.id)).one()


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (PROGRAM, MAYOR),
        (PROGRAM, AGENT),
        (SCREEN, MAYOR),
        (SCREEN, NEIGHBOUR),
        ("centre", AGENT),
        (SCREEN, SCREEN),
    ],
)
def test_to_ask_in_somebody_elses_name(desk: DepotsDesk, sender: str, said: str) -> None:
    row = _send(desk, sender, said)
    assert (row.outcome, row.sender, row.requested_by) == ("accepted", sender, sender)


def test_the_screen_is_believed_about_its_agents(desk: DepotsDesk) -> None:
    row = _send(desk, SCREEN, AGENT)
    assert (row.outcome, row.sender, row.requested_by) == ("accepted", SCREEN, AGENT)


def test_to_leave_somebody_elses_name_on_a_refusal(desk: DepotsDesk) -> None:
    assert _send(desk, PROGRAM, AGENT, formats=["doc"]).requested_by == PROGRAM
    assert _send(desk, SCREEN, AGENT, formats=["doc"]).requested_by == AGENT
    assert _send(desk, "nobody", MAYOR).requested_by == "nobody"


def test_to_lock_an_agent_out_of_another_commune(desk: DepotsDesk) -> None:
    """« centre » speaks for the agents of 13055 only, and binds an agent of two communes to an identity of its own."""
    with Session(desk.engine) as session, session.begin():
        session.add(Agent(name=NEIGHBOUR, code_commune=COMMUNE, email="voisine@marseille.example"))
    for sender, identity in (("centre", "a" * 64), (SCREEN, "b" * 64)):
        data = {
            "commune": "13055",
            "note": {"kind": "login", "identity": identity},
            "requested_by": NEIGHBOUR,
        }
        event = CloudEvent(
            id=sender,
            source="/",
            type=SCREEN_NOTE,
            correlationid="1",
            time=datetime.now(UTC),
            data=data,
        )
        ingest_request(event, desk.services, sender=sender)
    with Session(desk.engine) as session:
        bound = session.execute(
            select(Agent.code_commune, Agent.identity).where(Agent.name == NEIGHBOUR)
        ).all()
    assert {tuple(row) for row in bound} == {("13055", "a" * 64), (COMMUNE, "b" * 64)}
    with State(desk.engine.url.render_as_string(hide_password=False)) as state:
        agent = find_agent(state, name=NEIGHBOUR)
    assert [
        [it.code for it in known.communes]
        for known in (agent.known_as("a" * 64), agent.known_as("b" * 64))
        if known
    ] == [["13055"], [COMMUNE]]
    assert agent.known_as("c" * 64) is None


@pytest.mark.parametrize("empty", [{"name": ""}, {"email": ""}])
def test_to_be_the_only_agent_under_an_empty_name(desk: DepotsDesk, empty: dict[str, str]) -> None:
    with desk.engine.begin() as connection:
        connection.execute(delete(Agent).where(Agent.name != AGENT))
    with State(desk.engine.url.render_as_string(hide_password=False)) as state:
        assert find_agent(state).name == AGENT
        with pytest.raises(NotAnAgent):
            find_agent(state, **empty)


def test_to_be_believed_without_an_account(desk: DepotsDesk) -> None:
    row = _send(desk, "", AGENT)
    assert (row.outcome, row.requested_by) == ("refused", UNKNOWN_ACCOUNT)


@pytest.mark.slow
@pytest.mark.parametrize(("sender", "actor"), [(PROGRAM, PROGRAM), (SCREEN, AGENT)])
def test_to_take_deposit_and_answer_in_her_name(desk: DepotsDesk, sender: str, actor: str) -> None:
    export: int = desk.make()["export_id"]
    desk.sender = sender
    for declare in (desk.download, desk.deposit, desk.answer):
        declare(export, requested_by=AGENT)
    lines = [(line.action, line.account, line.actor) for line in desk.audit()]
    assert lines == [
        (it, sender, actor) for it in ("file_downloaded", "depot_declared", "depot_verdict")
    ]
    row = desk.row(export)
    assert (row["downloaded_by"], row["deposited_by"]) == (actor, actor)
    assert desk.depot(export)["verdict_by"] == actor


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commune", "is_believed"), [("13900", True), ("*", True), ("13901", False)]
)
def test_who_took_a_file_by_a_token_stands_in_the_trail(
    desk: DepotsDesk, commune: str, *, is_believed: bool
) -> None:
    """The screen saw the token and gives its name; the name of a token for other communes is not believed."""
    export: int = desk.make()["export_id"]
    with desk.engine.begin() as connection:
        connection.execute(
            insert(Token).values(id="1", code_commune=commune, name="compta", secret_hash="x")
        )
    desk.sender = SCREEN
    desk.download(export, requested_by="jeton compta")
    (line,) = desk.audit()
    assert (line.account, line.actor) == (SCREEN, "jeton compta" if is_believed else SCREEN)


def test_to_cancel_in_her_name(desk: DepotsDesk) -> None:
    asked = _send(desk, PROGRAM, PROGRAM)
    cancel = CancelRequested.model_validate(
        {"request": {"source": asked.source, "id": asked.event_id}, "requested_by": MAYOR}
    )
    ingest_request(CloudEvent.wrap(cancel, source="/test"), desk.services, sender=PROGRAM)
    with desk.engine.connect() as connection:
        said = set(
            connection.scalars(text("SELECT error_message FROM export WHERE status = 'cancelled'"))
        )
    assert said == {f"Annulé par {PROGRAM}."}


def test_who_speaks_for_agents_is_the_operators_word(
    database_url: str,
    amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    given = [
        (["--add", "ecran", "--commune", "*"], True),
        (["--add", "mairie", "--commune", "13900"], False),
        (["--add", "mairie", "--commune", "13900", "--speaks-for-agents"], True),
        (["--add", "mairie", "--commune", "13900"], True),
        (["--add", "ecran", "--commune", "*", "--speaks-for-itself"], False),
        (["--add", "deux", "--commune", "13900", "--commune", "13055", "--act", "cancel"], False),
    ]
    for arguments, speaks in given:
        assert main(["accounts", *arguments]) == 0
        assert (", et parle pour les agents de " in capsys.readouterr().out) == speaks
    assert (main(["accounts", "--speaks-for-agents"]), main(["accounts", "--act", "cancel"])) == (
        2,
        2,
    )
    main(["audit", "--json"])
    said = capsys.readouterr().out
    assert said.count("parle pour les agents") == 2
    assert said.count("parle pour lui-même") == 1
    known = read_rows(
        database_url, "SELECT name, code_commune, speaks_for_agents, acts FROM sender ORDER BY 1, 2"
    )
    assert [(name, code, bool(speaks), acts) for name, code, speaks, acts in known] == [
        ("deux", "13055", False, "cancel"),
        ("deux", "13900", False, "cancel"),
        ("ecran", "*", False, "*"),
        ("mairie", "13900", True, "*"),
    ]
