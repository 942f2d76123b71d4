"""Backs up all data of the embedded mode to one encrypted file, and restores it.

The file is a tar of two: the data, encrypted for a key of this file alone, and that key, encrypted by a passphrase.
Both have the format of age (age-encryption.org/v1): `tar --extract`, then `age --decrypt --identity` decrypt them.
"""

import errno
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TextIO

import click
import pyrage  # type: ignore[import-untyped]
from sqlalchemy import select

from common.french import count_of, format_size, long_date
from schemas.vocabulary import Action
from worker.audit import record_audit
from worker.cli.options import system_user
from worker.db.engine import build_engine
from worker.errors import RefusedError
from worker.exports.integrity import FileFault, verify_files
from worker.exports.storage import DIRECTORY_MODE, Storage, sync_to_disk
from worker.registre.models import ListeCommunale
from worker.settings import Settings, load_settings
from worker.solo.process import (
    RESTORING,
    backup_folder,
    copy_database,
    database_of,
    exclusive,
    finish_restore,
    prepare_database,
    usable,
    write_back,
)

_DATA, _KEY = "donnees.tar.age", "cle.age"
_DATABASE, _EXPORTS = "prefecture.db", "exports"
_SHORTEST = 12
_UNCHANGED = "Rien n'a été remplacé."

_passphrase = click.option(
    "--passphrase-file",
    type=click.File("r"),
    metavar="FICHIER",
    help="où lire la phrase de passe (« - » : entrée standard) ; sinon, elle est demandée",
)


@click.command(short_help="Sauvegarde tout dans un fichier chiffré.")
@click.argument("file", metavar="FICHIER", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase
def backup(file: Path, passphrase_file: TextIO | None) -> None:
    """Met le registre, les demandes, le journal et les fichiers dans FICHIER, chiffré ; le module peut tourner."""
    if file.exists():
        raise RefusedError(f"{file} existe déjà : donnez un autre nom.")
    passphrase = _read_passphrase(passphrase_file, is_new=True)
    settings = load_settings()
    if not database_of(settings).exists():
        raise RefusedError(f"Il n'y a encore rien à sauvegarder dans {settings.home}.")
    try:
        with _made(settings, passphrase) as folder:
            _write(file, folder)
    except (OSError, sqlite3.OperationalError):
        reason = f"La sauvegarde se prépare dans {settings.home} : il n'y a pas assez de place, ou rien ne s'y écrit."
        raise RefusedError(reason) from None
    click.echo(f"Sauvegarde faite : {file} ({format_size(file.stat().st_size)}).")
    click.echo(
        "Gardez-la ailleurs que sur cet ordinateur. Sans la phrase de passe, personne ne pourra la relire."
    )


@click.command(short_help="Remet une sauvegarde à la place de ce qu'il y a.")
@click.argument(
    "file", metavar="FICHIER", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@_passphrase
def restore(file: Path, passphrase_file: TextIO | None) -> None:
    """Vérifie la sauvegarde FICHIER, puis la met à la place des données actuelles, qui sont gardées à côté."""
    passphrase = _read_passphrase(passphrase_file, is_new=False)
    settings = load_settings()
    with exclusive(settings.home):
        finish_restore(settings)
        with TemporaryDirectory(prefix=f"{RESTORING}-", dir=settings.home) as made:
            folder = Path(made) / "contenu"
            folder.mkdir()
            with file.open("rb") as opened:
                saved_at, lost = _unpack(opened, passphrase, folder, str(file))
            _accept(settings, folder, saved_at)
        former = finish_restore(settings)
    click.echo("Sauvegarde remise en place.")
    if lost:
        click.echo(
            f"{count_of(lost, 'fichier')} n'y étai{'t' if lost == 1 else 'ent'} déjà plus, ou plus "
            "tels qu'ils avaient été faits : « verify » dit lesquels, « retry » les refait."
        )
    if former:
        click.echo(
            f"Ce qu'il y avait avant est dans {former} : effacez-le quand vous n'en aurez plus besoin."
        )


def _read_passphrase(given: TextIO | None, *, is_new: bool) -> str:
    if given is not None:
        passphrase = given.read().strip("\r\n")
    else:
        passphrase = click.prompt("Phrase de passe", hide_input=True, confirmation_prompt=is_new)
    if is_new and len(passphrase) < _SHORTEST:
        raise RefusedError(
            f"Phrase de passe trop courte : {_SHORTEST} caractères au moins, ou plusieurs mots."
        )
    return str(passphrase)


@contextmanager
def _made(settings: Settings, passphrase: str) -> Iterator[Path]:
    """Make the two encrypted parts of a backup in a folder that exists during the block.

    Unencrypted data are in unnamed files, which the system deletes when this process ends.
    """
    with backup_folder(settings.home) as folder, TemporaryFile(dir=folder) as data:
        copy_database(database_of(settings), folder / _DATABASE)
        with tarfile.open(fileobj=data, mode="w") as archive:
            with (folder / _DATABASE).open("rb") as database:
                (folder / _DATABASE).unlink()
                archive.addfile(archive.gettarinfo(arcname=_DATABASE, fileobj=database), database)
            for path in sorted(settings.exports_dir.rglob("*")):
                with suppress(FileNotFoundError):  # purged meanwhile
                    if path.suffix != ".part":
                        archive.add(
                            path, _EXPORTS / path.relative_to(settings.exports_dir), recursive=False
                        )
        data.seek(0)
        key = pyrage.x25519.Identity.generate()
        with (folder / _DATA).open("wb") as encrypted:
            pyrage.encrypt_io(data, encrypted, [key.to_public()])
        (folder / _KEY).write_bytes(pyrage.passphrase.encrypt(str(key).encode(), passphrase))
        yield folder


def _write(file: Path, folder: Path) -> None:
    part = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            with tarfile.open(fileobj=written, mode="w") as archive:
                for name in (_KEY, _DATA):
                    archive.add(folder / name, name)
            written.flush()
            os.fsync(written.fileno())
        part.replace(file)
    except OSError as error:
        raise RefusedError(
            f"{file} ne peut pas être écrit ({os.strerror(error.errno or 0)})."
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _unpack(file: IO[bytes], passphrase: str, folder: Path, named: str) -> tuple[datetime, int]:
    """Unpack a backup into an empty folder and migrate its database; return when it was made, and how many files lack.

    Raises:
        RefusedError: it is no backup, the passphrase is wrong, it is damaged, or the disk is full.
        ConfigurationError: it is of a newer release.
    """
    try:
        saved_at = _open(file, passphrase, folder)
    except (tarfile.TarError, KeyError, UnicodeDecodeError, pyrage.IdentityError):
        raise RefusedError(f"{named} n'est pas une sauvegarde de ce module. {_UNCHANGED}") from None
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise RefusedError(f"Il n'y a pas assez de place sur le disque. {_UNCHANGED}") from None
        raise RefusedError(f"{named} est abîmé, ou incomplet. {_UNCHANGED}") from None
    engine = build_engine(f"sqlite:///{folder / _DATABASE}")
    try:
        prepare_database(engine)
        found = verify_files(engine, Storage(folder / _EXPORTS), actor="restore")
        return saved_at, sum(
            fault is not FileFault.PERMISSIONS for export in found for _, fault in export.findings
        )
    finally:
        engine.dispose()


def _open(file: IO[bytes], passphrase: str, folder: Path) -> datetime:
    """Unpack; return when the backup was made, which cannot be changed without the passphrase."""
    with tarfile.open(fileobj=file) as archive:
        for name in (_KEY, _DATA):
            archive.extract(archive.getmember(name), folder, filter="data")
    try:
        key = pyrage.passphrase.decrypt((folder / _KEY).read_bytes(), passphrase)
    except pyrage.DecryptError:
        raise RefusedError(
            f"Ce n'est pas la phrase de passe de cette sauvegarde. {_UNCHANGED}"
        ) from None
    data = folder / "donnees.tar"
    pyrage.decrypt_file(
        str(folder / _DATA), str(data), [pyrage.x25519.Identity.from_str(key.decode())]
    )
    with tarfile.open(data) as archive:
        archive.extractall(folder, filter="data")
        saved_at = datetime.fromtimestamp(archive.getmember(_DATABASE).mtime, UTC)
    for name in (_KEY, _DATA, data.name):
        (folder / name).unlink()
    exports = folder / _EXPORTS
    exports.mkdir(exist_ok=True)
    for directory in (exports, *(it for it in exports.rglob("*") if it.is_dir())):
        directory.chmod(DIRECTORY_MODE)
    return saved_at


def _accept(settings: Settings, folder: Path, saved_at: datetime) -> None:
    """Decide by one rename that the folder will replace the current data (`finish_restore`).

    The trail records the restore for each commune, since the file has its electors.

    Raises:
        RefusedError: the files are on another disk than the database.
    """
    exports = settings.exports_dir if settings.exports_dir.exists() else settings.exports_dir.parent
    with usable(settings.home):
        if exports.exists() and exports.stat().st_dev != settings.home.stat().st_dev:
            raise RefusedError(
                f"{settings.exports_dir} est sur un autre disque que {settings.home}. {_UNCHANGED}"
            )
        engine = build_engine(f"sqlite:///{folder / _DATABASE}")
        with engine.begin() as connection:
            said = f"du {long_date(saved_at.date())}"
            communes = connection.scalars(select(ListeCommunale.code_commune).distinct()).all()
            for commune in communes or ("",):
                record_audit(
                    connection,
                    Action.BACKUP_RESTORED,
                    actor=system_user(),
                    code_commune=commune,
                    detail=said,
                )
        engine.dispose()
        write_back(folder / _DATABASE)
        for path in (*folder.rglob("*"), folder):
            sync_to_disk(path)
        folder.rename(settings.home / RESTORING)
        sync_to_disk(settings.home)
