"""The accounts of `deploy/database/` on a real PostgreSQL: each account is refused what it does not need."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml
from psycopg import sql
from sqlalchemy import Engine, create_engine, insert, text, update
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from producers.state import State
from schemas.declarations import (
    BureauxDescribed,
    CompletedMotif,
    DescribedBureau,
    DoubtDecided,
    MairieDescribed,
    MotifsCompleted,
    RegisterNote,
    ReunionNoted,
    ScrutinNoted,
)
from schemas.envelope import CloudEvent
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RegistreCorrectionRequested,
    RegistreImportRequested,
    RegistrePreviewRequested,
)
from schemas.screen_notes import WishesChosen
from schemas.topology import QUEUE_REGISTRE
from schemas.vocabulary import Action, Categorie, DoubtDecision, Liste, Wish
from tests.integration.export_desk import Desk
from tests.parts.deployment import DATABASE, DEPLOY, Deployment
from tests.unit.reu_sample import electeurs, write_reu
from worker.arrivals import Arrivals
from worker.audit import Actor, log_lines, note_removed, record_audit
from worker.cli.main import main
from worker.db import engine as database
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.db.sessions import HiddenSessionsError, find_open_transactions
from worker.exports.integrity import verify_files
from worker.exports.models import Export, Recall
from worker.exports.recalls import Withdrawal, recall_tableaux
from worker.exports.storage import Storage
from worker.handlers.declarations.declare import declare, lift_protection, protect
from worker.handlers.declarations.file_notes import ScreenDeclaration
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import purge_early_cancels, sweep
from worker.registre.comparaison.doubts import decide_doubt
from worker.registre.imports.history import purge_versions
from worker.registre.models import UNDONE, MouvementRegistre
from worker.registre.protections import Protege
from worker.work.queue import BATCH, PEOPLE, QUEUE_OF, NewWork, add

# What would lose or leak something in the hands of one compromised process.
EVERYBODY = (
    "DROP TABLE electeur",
    "TRUNCATE export",
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE ROLE mine",
    "DELETE FROM electeur",
    "DELETE FROM export",
    "DELETE FROM request",
    "INSERT INTO agent VALUES ('moi', '13900', 'moi@ailleurs.example')",
    "UPDATE electeur SET nom_naissance = ''",
    "UPDATE agent SET email = 'moi@ailleurs.example'",
    "SELECT * FROM audit",
    "UPDATE audit SET actor = 'moi'",
    "DELETE FROM audit",
    "INSERT INTO sender VALUES ('moi', '13900')",
)
ONLY = {
    "requests": (
        "SELECT * FROM recipient",
        "UPDATE agent SET may_protect = true",
        "DELETE FROM depot",
        "SELECT purge_versions(1)",
    ),
    "files": (
        "UPDATE request SET requested_by = 'moi'",
        "UPDATE export SET code_commune = ''",
        "UPDATE export SET file_name = '../../moi'",
        "UPDATE mouvement SET motif = ''",
        "DELETE FROM protection",
        "SELECT name FROM agent",
        "SELECT answer FROM depot",
        "INSERT INTO audit (actor) VALUES ('')",
        "SELECT purge_versions(1)",
    ),
    "registre": (
        "SELECT * FROM request",
        "SELECT email FROM agent",
        "UPDATE export SET sha256 = ''",
        "DELETE FROM protection",
        "SELECT purge_versions(1)",
    ),
    "notifier": (
        "SELECT nom_naissance FROM electeur",
        "SELECT count(*) FROM mouvement",
        "SELECT * FROM protection",
        "SELECT answer FROM depot",
        "UPDATE export SET status = 'ready'",
        "UPDATE recipient SET address = 'https://ailleurs.example/'",
        "SELECT event FROM answer",
    ),
    "lecture": (
        "SELECT nom_naissance FROM electeur",
        "SELECT * FROM mouvement",
        "SELECT * FROM export",
        "SELECT email FROM agent",
        "SELECT * FROM reponses",
        "SELECT * FROM answer",
        "SELECT * FROM token",
        "SELECT * FROM recipient",
        "DELETE FROM work",
        "DELETE FROM demandes",
    ),
}
MAY = {
    "registre": {
        "CREATE TEMPORARY TABLE mine (id int)",
        "DELETE FROM electeur",
        "UPDATE electeur SET nom_naissance = ''",
    },
    "notifier": {"SELECT * FROM audit"},  # writes it to its log
}
REFUSED = [
    (account, statement)
    for account in ONLY
    for statement in (*EVERYBODY, *ONLY[account])
    if statement not in MAY.get(account, ())
]


@pytest.mark.parametrize(("account", "statement"), REFUSED)
def test_the_database_refuses_what_an_account_has_no_use_for(
    deployment: Deployment, account: str, statement: str
) -> None:
    with deployment.connect(account) as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement))
    assert type(caught.value.orig).__name__ in {"InsufficientPrivilege", "ReadOnlySqlTransaction"}


def test_the_reader_reads_the_views_and_may_not_write_even_if_it_were_granted(
    deployment: Deployment,
) -> None:
    with State(deployment.database_url("lecture")) as state:
        state.latest()
        state.request_progress("mairie", "/test", "unknown")
    _as_owner(deployment, "GRANT DELETE ON request TO prefecture_lecture")
    try:
        with (
            deployment.connect("lecture") as connection,
            pytest.raises(DBAPIError, match="read-only transaction"),
        ):
            connection.execute(text("DELETE FROM request"))
    finally:
        _as_owner(deployment, "REVOKE ALL ON request FROM prefecture_lecture")


def test_keda_reads_how_many_works_wait_and_for_how_long(deployment: Deployment) -> None:
    manifests = yaml.safe_load_all((DEPLOY / "kubernetes" / "scaling.yaml").read_text("utf-8"))
    scaled = [it["spec"]["triggers"] for it in manifests if it["kind"] == "ScaledObject"]
    queries = [it["metadata"]["query"] for triggers in scaled for it in triggers]

    def ask() -> list[float]:
        with deployment.connect("lecture") as connection:
            return [float(connection.scalar(text(query)) or 0) for query in queries]

    lanes = PEOPLE, BATCH
    works = [NewWork(kind, "export:0", f"keda {it}", it) for kind in QUEUE_OF for it in lanes]
    assert ask() == [0, 0, 0, 0, 0]
    try:
        with deployment.connect("owner") as connection, connection.begin():
            add(connection, works)
        _as_owner(deployment, "UPDATE work SET created_at = now() - interval '1 hour'")
        assert ask() == [4, 4, 4, pytest.approx(3600, abs=60), 2]
        _as_owner(deployment, "UPDATE work SET due_at = now() + interval '1 hour'")
        assert ask() == [0, 0, 0, 0, 0], "they wait for something that is away"
    finally:
        _as_owner(deployment, "DELETE FROM work WHERE part LIKE 'keda%'")


@pytest.mark.slow
def test_migrating_gives_back_the_rights_that_are_missing_and_takes_others_away(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("owner"))
    _as_owner(deployment, "REVOKE SELECT ON derniers_exports FROM prefecture_lecture")
    _as_owner(deployment, "GRANT SELECT ON electeur TO prefecture_lecture")
    assert not _may_read(deployment, "lecture", "derniers_exports")
    assert _may_read(deployment, "lecture", "electeur")
    assert main(["migrate"]) == 0
    assert _may_read(deployment, "lecture", "derniers_exports")
    assert not _may_read(deployment, "lecture", "electeur")


def test_the_notifier_is_woken_when_a_file_is_ready(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database.POLL_SECONDS, "postgresql", 3600)
    worker, notifier = (
        build_engine(deployment.database_url(account)) for account in ("files", "notifier")
    )
    signal = database.ReadySignal(notifier)
    signal.listen()
    waiting = Thread(target=signal.wait, args=[Event()], daemon=True)
    waiting.start()
    _as_owner(
        deployment, "CREATE SCHEMA a_full_queue; GRANT USAGE ON SCHEMA a_full_queue TO PUBLIC"
    )
    usage = "pg_notification_queue_usage() RETURNS double precision"
    _as_owner(deployment, f"CREATE FUNCTION a_full_queue.{usage} LANGUAGE sql AS 'SELECT 1.0'")
    with worker.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO a_full_queue, pg_catalog"))
        database.notify_ready(connection, ["end"])
    waiting.join(1)
    assert waiting.is_alive(), "a commit does not notify while the queue is more than half full"
    with worker.begin() as connection:
        database.notify_ready(connection, ["end"])
    waiting.join(10)
    assert not waiting.is_alive()
    signal.close()
    worker.dispose()
    notifier.dispose()


_MOUVEMENT = """
INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
                       ancien_bureau, nouveau_bureau, nom_naissance, is_protegee)
VALUES ({}, '13900', 'P', 9, '{}', 'Immediat', 'applique', '2026-11-01', '2026-11-01', '0001', '0002', 'BANJO', true)
"""
_DOUBT = (
    """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
       bureaux_before) VALUES (9, '', '', 'moi', 0, 0, 0, 0, '[]')""",
    _MOUVEMENT.format(901, "radiation"),
    _MOUVEMENT.format(902, "inscription"),
    """INSERT INTO doubt (id, import_id, code_commune, liste, radiation_id, inscription_id, differs)
       VALUES (3, 9, '13900', 'P', 901, 902, 'date_naissance')""",
)


def test_the_account_of_requests_may_apply_every_declaration(deployment: Deployment) -> None:
    for statement in (
        *_DOUBT,
        _MOUVEMENT.format(900, "radiation"),
        "INSERT INTO commune (code, nom, code_departement) VALUES ('13900', 'LIBREVILLE', '13') ON CONFLICT DO NOTHING",
        "INSERT INTO bureau (code_commune, code) VALUES ('13900', '0009')",
        "INSERT INTO agent (name, code_commune, email) VALUES ('moi', '13900', 'moi@ici.example')",
    ):
        _as_owner(deployment, statement)
    by, now = Actor("moi"), datetime.now(UTC)
    motif = CompletedMotif(mouvement=900, categorie=Categorie.RADIATION_DECES, motif="acte n° 3")
    poll = {
        "jour": "2027-05-09",
        "libelle": "Élection municipale partielle",
        "texte": "décret n° 1",
    }
    notes: list[RegisterNote] = [
        *(ReunionNoted(jour=date(2026, 11, 20), removed=removed) for removed in (False, True)),
        *(
            ReunionNoted(jour=date(2026, 11, 21), liste=Liste.PRINCIPALE, removed=it)
            for it in (False, True)
        ),
        *(
            ScrutinNoted.model_validate(poll | it)
            for it in ({}, {"cloture": "2027-04-02"}, {"removed": True})
        ),
        MotifsCompleted(motifs=[motif]),
        BureauxDescribed(bureaux=[DescribedBureau(bureau="0009", code_canton="1302")]),
        MairieDescribed(ville="13900 LIBREVILLE"),
    ]
    with deployment.connect("requests") as connection:
        for note in notes:
            declare(connection, "13900", note, by=by, now=now)
        protect(connection, "13900", Protege("BANJO", "", ""), by=by)
        lift_protection(connection, "13900", Protege("BANJO", "", ""), by=by)
        wishes = WishesChosen(wishes=[Wish.READY])
        ScreenDeclaration("13900", "moi", datetime.now(UTC), note=wishes).apply(
            connection, datetime.now(UTC)
        )
        withdrawal = Withdrawal(
            None, Action.REUNION_CHANGED, "une réunion a été retirée", Actor("moi")
        )
        connection.execute(
            insert(Recall)
            .values(code_commune="13900", because="", recalled_by="moi")
            .returning(Recall.id)
        )
        assert recall_tableaux(connection, withdrawal, []) == []
        counted = text("SELECT nature FROM mouvement WHERE doubt_id IS NULL ORDER BY nature")
        same = DoubtDecided(doubt=3, decision=DoubtDecision.SAME_PERSON)
        declare(connection, "13900", same, by=by, now=now)
        assert connection.scalars(counted).all() == ["modification", "radiation"]
        assert connection.scalars(text("SELECT nom_naissance FROM protection")).all() == ["BANJO"]
        two = DoubtDecided(doubt=3, decision=DoubtDecision.TWO_PERSONS)
        declare(connection, "13900", two, by=by, now=now)
        assert connection.scalars(counted).all() == ["inscription", "radiation", "radiation"]
        connection.rollback()
    with deployment.connect(
        "registre"
    ) as connection:  # an import gets the answers that an undone one had
        decide_doubt(connection, 3, DoubtDecision.SAME_PERSON, by="moi")
        noted = dict.fromkeys(("categorie", "motif"), "") | {"is_dated": True, "doubt_id": UNDONE}
        days = dict.fromkeys(("date_mouvement", "date_tableau"), date.min)
        connection.execute(update(MouvementRegistre).values(noted | days))
        connection.rollback()
    for statement in (
        "DELETE FROM doubt",
        "DELETE FROM mouvement",
        "DELETE FROM import WHERE id = 9",
        "DELETE FROM bureau WHERE code = '0009'",
        "DELETE FROM agent WHERE name = 'moi'",
    ):
        _as_owner(deployment, statement)


def test_the_account_of_requests_looks_at_a_file_that_a_page_could_not_send(
    deployment: Deployment, tmp_path: Path
) -> None:
    _as_owner(deployment, "UPDATE volume SET marked_at = NULL")  # another test may have marked it
    (tmp_path / "13900").mkdir()
    engine = build_engine(deployment.database_url("requests"))
    assert [*verify_files(engine, Storage(tmp_path, engine), actor="moi")] == []
    Storage(tmp_path, engine).require_mounted()
    with engine.connect() as connection:
        connection.execute(update(Export).values(fault="missing"))
        connection.rollback()
    engine.dispose()


@pytest.mark.slow
def test_an_export_that_arrives_is_imported_with_the_rights_of_each(
    deployment: Deployment, tmp_path: Path
) -> None:
    requests, registre, notifier = (
        build_engine(deployment.database_url(account))
        for account in ("requests", "registre", "notifier")
    )
    arrivals = Arrivals(tmp_path)
    ingests = replace(Desk(requests, tmp_path / "exports").services, arrivals=arrivals)
    imports = replace(Desk(registre, tmp_path / "exports").services, arrivals=arrivals)
    sha256 = hashlib.sha256(write_reu(tmp_path / "a.csv", electeurs(3)).read_bytes()).hexdigest()
    fields = {"commune": "13055", "sha256": sha256, "requested_by": "moi"}
    preview = RegistrePreviewRequested.model_validate(
        fields | {"arrival": "a.csv", "taken_on": "2026-11-20"}
    )
    ingest_request(CloudEvent.wrap(preview, source="/test"), ingests)
    with deployment.connect("owner") as connection:
        preview_id = connection.scalar(text("SELECT max(id) FROM preview"))
    do_next_work(QUEUE_REGISTRE, imports)
    ingest_request(
        CloudEvent.wrap(
            RegistreImportRequested.model_validate(fields | {"preview": preview_id}), source="/test"
        ),
        ingests,
    )
    do_next_work(QUEUE_REGISTRE, imports)
    sweep(notifier, lambda _queue, _number: None, lambda _queue: 0)
    log_lines(notifier)
    with deployment.connect("owner") as connection:
        assert connection.scalar(text("SELECT status FROM preview")) == "imported"
        assert (
            connection.scalar(text("SELECT count(*) FROM electeur WHERE code_commune = '13055'"))
            == 3
        )
    assert not (tmp_path / "a.csv").exists()
    with deployment.connect("registre") as connection:
        connection.execute(
            text("ANALYZE electeur")
        )  # PostgreSQL skips it where the account has no right to it
    with deployment.connect("owner") as connection:
        number, request_id = connection.execute(
            text("SELECT import_id, request_id FROM preview")
        ).one()
        rests_on = [{"import_id": number, "taken_on": None}]
        of_liste = {
            "code_commune": "13055",
            "liste": "P",
            "format": "csv",
            "file_name": "P.csv",
            "label": "Liste P",
        }
        made = {"request_id": request_id, "part": "P.csv", "status": "ready", "rests_on": rests_on}
        connection.execute(
            insert(Export).values(made | of_liste | {"parameters": {}, "anomalies": []})
        )
        connection.commit()
    for act in ("redate", "undo"):
        asked = {
            "commune": "13055",
            "import_id": number,
            "act": act,
            "taken_on": "2026-11-19",
            "requested_by": "moi",
        }
        correction = RegistreCorrectionRequested.model_validate(asked)
        ingest_request(CloudEvent.wrap(correction, source="/test"), ingests)
        with deployment.connect("owner") as connection:
            last = connection.scalar(text("SELECT max(id) FROM preview"))
        do_next_work(QUEUE_REGISTRE, imports)
        wanted = RegistreImportRequested.model_validate(fields | {"preview": last})
        ingest_request(CloudEvent.wrap(wanted, source="/test"), ingests)
        do_next_work(QUEUE_REGISTRE, imports)
    with deployment.connect("owner") as connection:
        assert connection.scalars(text("SELECT status FROM preview")).all() == ["imported"] * 3
        shown = "SELECT count(*) FROM electeur NATURAL JOIN liste WHERE code_commune = '13055'"
        assert connection.scalar(text(shown)) == 0
        assert (
            connection.scalar(text("SELECT count(*) FROM export WHERE recall_id IS NOT NULL")) == 1
        )
    assert list(purge_versions(notifier, note_removed(Actor("notifier")))) == [3]
    for engine in (requests, registre, notifier):
        engine.dispose()
    _as_owner(deployment, "DELETE FROM preview")
    _as_owner(deployment, "DELETE FROM import_liste WHERE code_commune = '13055'")
    _as_owner(deployment, "DELETE FROM piece")
    _as_owner(deployment, "DELETE FROM export")
    _as_owner(deployment, "DELETE FROM recall")


def test_a_cancellation_that_comes_before_its_request_is_kept_and_purged(
    deployment: Deployment, tmp_path: Path
) -> None:
    requests, notifier = (
        build_engine(deployment.database_url(account)) for account in ("requests", "notifier")
    )
    services = Desk(requests, tmp_path).services
    listes = ListeExportRequested(commune="13900", requested_by="moi")
    taken, forgotten = (CloudEvent.wrap(listes, source="/test") for _ in range(2))
    for event in (taken, forgotten):
        cancel = CancelRequested.model_validate(
            {"request": {"source": event.source, "id": event.id}, "requested_by": "moi"}
        )
        ingest_request(CloudEvent.wrap(cancel, source="/test"), services)
    ingest_request(taken, services)
    left = text("SELECT event_id FROM early_cancel")
    with deployment.connect("owner") as connection:
        assert connection.scalars(left).all() == [forgotten.id]
        statuses = text("SELECT DISTINCT status FROM derniers_exports WHERE event_id = :id")
        assert connection.scalars(statuses, {"id": taken.id}).all() == ["cancelled"]
    assert purge_early_cancels(notifier, days=0) == 1
    for engine in (requests, notifier):
        engine.dispose()


@pytest.mark.parametrize("account", ["owner", "notifier"])
def test_the_accounts_that_watch_see_how_old_transactions_of_others_are(
    deployment: Deployment, account: str
) -> None:
    with deployment.connect("files") as held, deployment.connect(account) as connection:
        held.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        pid = held.scalar(text("SELECT pg_backend_pid()"))
        found = {it.pid: it.account for it in find_open_transactions(connection)}
    assert found[pid] == "prefecture_files"


@pytest.mark.parametrize("account", ["requests", "files", "registre", "ecran", "lecture"])
def test_an_account_that_sees_no_other_session_says_so_instead_of_none(
    deployment: Deployment, account: str
) -> None:
    with (
        deployment.connect(account) as connection,
        pytest.raises(HiddenSessionsError, match="pg_read_all_stats"),
    ):
        find_open_transactions(connection)


def test_accounts_of_release_0_3_0_are_dropped_with_their_rights_and_no_others(
    deployment: Deployment,
) -> None:
    former = ("prefecture_listes", "prefecture_tableaux", "prefecture_bulk", "prefecture_worker")
    for role in (*former, "prefecture_statistiques"):
        deployment.server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        _as_owner(deployment, f"GRANT SELECT, UPDATE (status) ON export TO {role}")
    deployment.make_accounts()
    with deployment.connect("owner") as connection:
        roles = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    assert roles & {*former, "prefecture_statistiques"} == {"prefecture_statistiques"}
    _as_owner(deployment, "REVOKE ALL ON export FROM prefecture_statistiques")
    deployment.server.execute(sql.SQL("DROP ROLE prefecture_statistiques"))


def test_a_stranger_may_not_even_connect(deployment: Deployment) -> None:
    deployment.server.execute(sql.SQL("CREATE ROLE stranger LOGIN PASSWORD 's'"))
    engine = create_engine(deployment.server.url(DATABASE, "stranger", "s"), poolclass=NullPool)
    with pytest.raises(OperationalError, match="permission denied for database"):
        engine.connect()


def test_a_new_password_is_taken_by_the_same_script(deployment: Deployment) -> None:
    old = deployment.database_url("lecture")
    deployment.renew_password("database_lecture")
    assert _may_read(deployment, "lecture", "demandes")
    with pytest.raises(OperationalError, match="password authentication failed"):
        create_engine(old, poolclass=NullPool).connect()


@pytest.mark.parametrize("account", ["requests", "registre", "notifier"])
def test_an_account_adds_a_line_and_does_not_say_that_it_was_logged(
    deployment: Deployment, account: str
) -> None:
    _add_line(deployment, account, "file_purged")
    with (
        deployment.connect(account) as connection,
        pytest.raises(ProgrammingError, match="permission denied for table audit_unlogged"),
    ):
        connection.execute(text("INSERT INTO audit_unlogged VALUES (0)"))
    long = "INSERT INTO audit (id, actor, action) VALUES (nextval('audit_id_seq'), repeat('x', 2000), 'file_purged')"
    with (
        deployment.connect(account) as connection,
        pytest.raises(ProgrammingError, match="only added to"),
    ):
        connection.execute(text(long))


def _add_line(deployment: Deployment, account: str, action: str) -> int:
    """As a program does, or an attacker who knows it."""
    with deployment.connect(account) as connection, connection.begin():
        record_audit(connection, Action(action), actor="root")
        return int(connection.scalar(text("SELECT currval('audit_id_seq')")))


_TRAP = """
  CREATE TEMPORARY TABLE caught (account text);
  GRANT INSERT ON caught TO PUBLIC;
  CREATE FUNCTION pg_temp.open_up() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO pg_temp.caught VALUES (current_user);
    INSERT INTO public.sender (name, code_commune) VALUES ('registre', '*');
    RETURN (SELECT last_value FROM public.audit_id_seq);
  END $$
"""
_TRAPS = {
    "trigger": """
      CREATE TEMPORARY TABLE audit_unlogged (id bigint);
      GRANT INSERT ON audit_unlogged TO PUBLIC;
      CREATE FUNCTION pg_temp.on_insert() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_temp.open_up(); RETURN NULL; END $$;
      CREATE TRIGGER trap AFTER INSERT ON audit_unlogged FOR EACH ROW EXECUTE FUNCTION pg_temp.on_insert()
    """,
    "view": """
      CREATE TEMPORARY VIEW audit_id_seq AS SELECT pg_temp.open_up() AS last_value;
      GRANT SELECT ON audit_id_seq TO PUBLIC
    """,
}
"""By kind, a temporary relation with the name of one that a trigger of `audit` uses; its code opens every commune."""


@pytest.mark.parametrize("trap", _TRAPS)
def test_a_temporary_table_with_the_name_of_ours_runs_no_code_as_the_owner(
    deployment: Deployment, trap: str
) -> None:
    """The account of imports may create temporary tables, which PostgreSQL looks up before others by default."""
    line = "INSERT INTO audit (id, actor, action) VALUES (nextval('public.audit_id_seq'), 'moi', 'file_purged')"
    with deployment.connect("registre") as connection:
        for statements in (_TRAP, _TRAPS[trap], line):
            connection.exec_driver_sql(statements)
        assert connection.exec_driver_sql("SELECT account FROM pg_temp.caught").all() == []
        connection.commit()
    with deployment.connect("owner") as connection:
        assert connection.execute(text("SELECT * FROM sender WHERE name = 'registre'")).all() == []
        last = text("SELECT a.actor FROM audit a JOIN audit_unlogged u USING (id) ORDER BY id DESC")
        assert connection.scalar(last) == "moi"


def test_a_function_with_the_rights_of_the_owner_looks_up_temporary_tables_last(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _search_paths(create_engine(deployment.database_url("owner"), poolclass=NullPool)) == {
        "search_path=public, pg_temp"
    }
    # The tables of this database are current, one of its functions is not.
    _as_owner(deployment, "ALTER FUNCTION note_unlogged() SET search_path = public")
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("owner"))
    assert main(["migrate"]) == 0
    assert _search_paths(create_engine(deployment.database_url("owner"), poolclass=NullPool)) == {
        "search_path=public, pg_temp"
    }


def test_a_function_finds_the_tables_of_a_schema_with_another_name(deployment: Deployment) -> None:
    url = deployment.server.create_database()
    name = url.rpartition("/")[2]
    superuser = create_engine(url, poolclass=NullPool)
    with superuser.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "l\'Autre"')
        connection.exec_driver_sql(f"""ALTER DATABASE {name} SET search_path = "l'Autre" """)
    migrate(superuser)
    assert _search_paths(superuser) == {"""search_path="l'Autre", pg_temp"""}
    with superuser.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="moi")
        assert connection.scalar(text("SELECT count(*) FROM audit_unlogged")) == 1
    deployment.server.drop(url)


def _search_paths(engine: Engine) -> set[str]:
    """The settings of all functions that run with the rights of their owner."""
    query = text("SELECT array_to_string(proconfig, '; ') FROM pg_proc WHERE prosecdef")
    with engine.connect() as connection:
        return {str(setting) for setting in connection.scalars(query)}


def _may_read(deployment: Deployment, account: str, table: str) -> bool:
    with deployment.connect(account) as connection:
        query = text("SELECT has_table_privilege(:table, 'SELECT')")
        return bool(connection.scalar(query, {"table": table}))


def _as_owner(deployment: Deployment, statement: str) -> None:
    with deployment.connect("owner") as connection:
        connection.execute(text(statement))
        connection.commit()
