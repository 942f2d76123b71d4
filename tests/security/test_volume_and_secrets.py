"""Foreign files on the volume, secrets in messages that an operator copies, a purge by mistake."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from common.cli import ExitCode
from common.database import shown_address
from common.settings import effective
from tests.integration.files_desk import FilesDesk
from tests.integration.notifier_desk import TEMPLATE
from worker.exports.models import Export
from worker.exports.storage import ForeignNameError, Storage
from worker.settings import Settings


@pytest.mark.slow
@pytest.mark.database(TEMPLATE)
@pytest.mark.desk(opened_by=FilesDesk.open)
@pytest.mark.parametrize("name", ["../../stranger.csv", "{absolute}", "../stranger.csv"])
def test_to_have_a_strangers_file_purged_or_read(
    desk: FilesDesk, tmp_path: Path, name: str
) -> None:
    """A row was changed to name another file: that file is neither removed nor opened."""
    stranger = tmp_path / "stranger.csv"
    stranger.write_bytes(b"not yours")
    own = desk.make("ordinaire", days=31)
    forged = desk.make("changée", days=31)
    named = name.format(absolute=stranger)
    with desk.engine.begin() as connection:
        connection.execute(update(Export).where(Export.id == forged).values(file_name=named))
    assert "altéré" in desk.run("verify").out
    done = desk.run("purge")
    assert (done.code, stranger.read_bytes()) == (ExitCode.FAILED, b"not yours")
    assert not desk.path(own).exists()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "../a.csv",
            "a/b.csv",
            "/etc/passwd",
            ".cache.csv",
            ".a.csv.part",
            "a.csv\0",
            "a\n.csv",
            "passwd",
        ),
        *("a.csv/", "a.csv.part", "a.sqlite3", "a.csv ", "a.CSV"),
    ],
)
def test_to_reach_what_is_no_file_of_ours(tmp_path: Path, name: str) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(ForeignNameError):
        storage.path("13900", name)
    with pytest.raises(ForeignNameError):
        storage.remove("13900", [name])


HUSH = "hush-hush"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://prefecture:hush-hush@database/prefecture",
        "postgresql+psycopg://prefecture@database/prefecture?password=hush-hush",
        "postgresql+psycopg://prefecture@database/prefecture?sslmode=verify-full&sslpassword=hush-hush&sslkey=/k.pem",
        "postgresql+psycopg://prefecture@database/prefecture?options=-c%20x.secret=hush-hush",
        "postgresql+psycopg://prefecture@database/prefecture?host=a,password=hush-hush",
        "postgresql+psycopg://prefecture@database/prefecture?sslmode=require%20password=hush-hush",
        "postgresql+psycopg://prefecture@database/prefecture;password=hush-hush",
        "postgresql+psycopg://prefecture:one@hush-hush@database/prefecture",
        "postgresql+psycopg://database/prefecture?later=hush-hush",
        "amqps://worker:hush-hush@broker/prefecture",
        "amqps://worker@broker/prefecture?ssl_options=%7B'password':'hush-hush'%7D",
        "sqlite:////var/lib/prefecture.db?key=hush-hush",
        "prefecture:hush-hush@database",
    ],
)
def test_to_read_a_secret_in_what_check_prints(url: str) -> None:
    settings = Settings(
        database_url=SecretStr(url), registre_url=SecretStr(url), amqp_url=SecretStr(url)
    )
    printed = dict(effective(settings))
    assert HUSH not in f"{printed['database_url']}{printed['registre_url']}{printed['amqp_url']}"
    assert "***" in printed["database_url"]


def test_what_is_no_secret_is_still_read() -> None:
    plain = "postgresql+psycopg://prefecture@db.example:5432/prefecture?sslmode=verify-full"
    assert shown_address(plain) == plain
    assert (
        shown_address("amqps://worker:x@broker.example/prefecture")
        == "amqps://worker:***@broker.example/prefecture"
    )


@pytest.mark.database(TEMPLATE)
@pytest.mark.desk(opened_by=FilesDesk.open)
def test_everything_goes_by_a_slip_of_the_hand(desk: FilesDesk) -> None:
    kept = desk.make("d'aujourd'hui")
    for answer in ("", "n\n", "y\n", "non\n"):
        asked = desk.run("purge", "--older-than", "0", typed=answer)
        assert "ceux d'aujourd'hui compris : 1 export" in asked.out
        assert asked.code != ExitCode.DONE
        assert desk.path(kept).exists()
    assert desk.run("purge", "--older-than", "0", typed="oui\n").code == ExitCode.DONE
    assert not desk.path(kept).exists()
