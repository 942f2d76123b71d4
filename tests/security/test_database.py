"""An attacker with one account of the database: the readable data, and the possible changes."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.parts.deployment import Deployment

ACCOUNTS = ("owner", "requests", "registre", "files", "notifier", "ecran", "lecture")
READERS = ("ecran", "lecture")


@pytest.mark.slow
@pytest.mark.parametrize("account", READERS)
@pytest.mark.parametrize(
    "write",
    [
        *(
            "CREATE TABLE mine (id int)",
            "CREATE TEMPORARY TABLE mine (id int)",
            "INSERT INTO audit (actor) VALUES ('')",
        ),
        *("SELECT lo_create(4711)", "SELECT lo_from_bytea(4711, 'x')", "DELETE FROM reunions"),
        *(
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_xact_lock(1)",
            "COPY demandes TO '/tmp/demandes'",
        ),
    ],
)
def test_to_write_by_undoing_read_only(deployment: Deployment, account: str, write: str) -> None:
    with deployment.connect(account) as connection:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.commit()
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text(write))
    assert type(caught.value.orig).__name__ == "InsufficientPrivilege"


@pytest.mark.slow
@pytest.mark.parametrize("account", ACCOUNTS)
def test_to_keep_bytes_in_large_objects(deployment: Deployment, account: str) -> None:
    with (
        deployment.connect(account) as connection,
        pytest.raises(DBAPIError, match="lo_from_bytea"),
    ):
        connection.exec_driver_sql("SELECT lo_from_bytea(0, 'x')")


def test_to_hold_up_a_migration_by_its_lock(deployment: Deployment) -> None:
    with (
        deployment.connect("ecran") as connection,
        pytest.raises(DBAPIError, match="pg_advisory_lock"),
    ):
        connection.exec_driver_sql("SELECT pg_advisory_lock(1886545254)")
    with deployment.connect("owner") as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1886545254)")


def test_to_take_every_connection(deployment: Deployment) -> None:
    taken: list[Connection] = []
    try:
        with pytest.raises(OperationalError, match="too many connections for role"):
            taken.extend(deployment.connect("lecture") for _ in range(97))
        deployment.connect("files").close()
    finally:
        for connection in taken:
            connection.close()


@pytest.mark.slow
def test_to_fill_the_disk_by_a_sort(deployment: Deployment) -> None:
    with (
        deployment.connect("ecran") as connection,
        pytest.raises(DBAPIError, match="temp_file_limit"),
    ):
        connection.exec_driver_sql(
            "SELECT repeat('x', 500) || n FROM generate_series(1, 2000000) n ORDER BY 1 DESC"
        )
