"""Backs up all data of the embedded mode to one encrypted file, and restores it.

The file is a tar of two: the data, encrypted for a key of this file alone, and that key, encrypted by a passphrase.
Both have the format of age (age-encryption.org/v1): `tar --extract`, then `age --decrypt --identity` decrypt them.
"""

import errno
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, TemporaryFile, mkdtemp
from typing import IO, TextIO
from uuid import uuid4

import click
import pyrage  # type: ignore[import-untyped]
from sqlalchemy import Connection, Engine, and_, func, select

from common.french import count_of, format_size, long_date
from producers.web.page_context import BackupError, Holding
from schemas.vocabulary import ExportStatus
from worker.access.models import Agent
from worker.audit import Action, Audit, record_audit
from worker.cli.options import system_user
from worker.db.engine import build_engine
from worker.errors import PrefectureError, RefusedError
from worker.exports.integrity import FileFault, VerifyScope, verify_files
from worker.exports.models import Export
from worker.exports.storage import DIRECTORY_MODE, Storage
from worker.registre.models import Commune, Electeur, Import, ListeCommunale
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
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_UNCHANGED = "Rien n'a été remplacé."
_READ_ACTIONS = frozenset({Action.FILE_DOWNLOADED, Action.DOWNLOAD_BEGUN, Action.ELECTEURS_SEEN, Action.BACKUP_MADE})
"""Actions of the trail that change no data."""

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
    with _made(settings, passphrase) as folder:
        _write(file, folder)
    click.echo(f"Sauvegarde faite : {file} ({format_size(file.stat().st_size)}).")
    click.echo("Gardez-la ailleurs que sur cet ordinateur. Sans la phrase de passe, personne ne pourra la relire.")


@click.command(short_help="Remet une sauvegarde à la place de ce qu'il y a.")
@click.argument("file", metavar="FICHIER", type=click.Path(exists=True, dir_okay=False, path_type=Path))
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
                holding = _unpack(opened, passphrase, folder, str(file))
            _accept(settings, folder, holding, actor=system_user())
        former = finish_restore(settings)
    click.echo("Sauvegarde remise en place.")
    if holding.lost:
        click.echo(
            f"{count_of(holding.lost, 'fichier')} n'y étai{'t' if holding.lost == 1 else 'ent'} déjà plus, ou plus "
            "tels qu'ils avaient été faits : « verify » dit lesquels, « retry » les refait."
        )
    if former:
        click.echo(f"Ce qu'il y avait avant est dans {former} : effacez-le quand vous n'en aurez plus besoin.")


class ScreenBackups:
    """Backups on the screen, whose process has the database open; `asked` is set when the database must be reopened."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.asked = threading.Event()
        self.agent = ""
        """The agent who continues after the restore."""
        self._settings = settings
        self._engine = engine
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._checked: tuple[str, Holding] | None = None

    def describe(self) -> Holding:
        """Return a description of the current data."""
        holding = _describe(self._engine)
        if self._folder is None:
            return holding
        backup = build_engine(f"sqlite:///{self._folder / _DATABASE}")
        try:
            return replace(holding, unsaved=_count_unsaved(self._engine, backup))
        finally:
            backup.dispose()

    def save(self, passphrase: str, *, agent: str) -> IO[bytes]:
        """Return an unnamed file with the backup."""
        with _for_the_screen(), _made(self._settings, passphrase) as folder:
            whole = folder / "prefecture.sauvegarde"
            _write(whole, folder)
            file = whole.open("rb")
            with self._engine.begin() as connection:
                _put_on_record(connection, Action.BACKUP_MADE, actor=agent)
            return file

    def check(self, file: IO[bytes], passphrase: str) -> None:
        """Unpack a backup beside the current data."""
        with self._lock, _for_the_screen(), usable(self._settings.home):
            self._forget()
            self._folder = Path(mkdtemp(prefix=f"{RESTORING}-", dir=self._settings.home))
            try:
                holding = _unpack(file, passphrase, self._folder, "Ce fichier")
                if not holding.agents:
                    raise RefusedError(
                        "Cette sauvegarde ne connaît aucun agent : demandez à la personne qui a installé le module de "
                        f"la remettre. {_UNCHANGED}"
                    )
            except PrefectureError:
                self._forget()
                raise
            self._checked = uuid4().hex, holding

    def checked(self) -> tuple[str, Holding] | None:
        """Return the backup that can be restored."""
        return self._checked

    def replace(self, word: str, *, agent: str) -> None:
        """Accept the checked backup for the restore: even if the process is killed now, the next start completes it."""
        with self._lock, _for_the_screen():
            if self._folder is None or self._checked is None or self._checked[0] != word:
                raise RefusedError(f"Une autre sauvegarde a été vérifiée depuis. {_UNCHANGED}")
            self.agent = agent
            _accept(self._settings, self._folder, self._checked[1], actor=agent)
            self._folder = self._checked = None
            self.asked.set()

    def leave(self) -> None:
        """Delete the unpacked backup."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._folder is not None:
            rmtree(self._folder, ignore_errors=True)
        self._folder = self._checked = None


@contextmanager
def _for_the_screen() -> Iterator[None]:
    try:
        yield
    except PrefectureError as error:
        raise BackupError(str(error)) from None


def _read_passphrase(given: TextIO | None, *, is_new: bool) -> str:
    if given is not None:
        passphrase = given.read().strip("\r\n")
    else:
        passphrase = click.prompt("Phrase de passe", hide_input=True, confirmation_prompt=is_new)
    if is_new and len(passphrase) < _SHORTEST:
        raise RefusedError(f"Phrase de passe trop courte : {_SHORTEST} caractères au moins, ou plusieurs mots.")
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
                        archive.add(path, _EXPORTS / path.relative_to(settings.exports_dir), recursive=False)
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
        raise RefusedError(f"{file} ne peut pas être écrit ({os.strerror(error.errno or 0)}).") from None
    finally:
        part.unlink(missing_ok=True)


def _unpack(file: IO[bytes], passphrase: str, folder: Path, named: str) -> Holding:
    """Unpack a backup into an empty folder, migrate its database and describe it.

    Raises:
        RefusedError: it is no backup, the passphrase is wrong, it is damaged, or the disk is full.
        ConfigurationError: it is of a newer release.
    """
    with _explaining(named):
        saved_at = _open(file, passphrase, folder)
    engine = build_engine(f"sqlite:///{folder / _DATABASE}")
    try:
        prepare_database(engine)
        found = verify_files(engine, Storage(folder / _EXPORTS), VerifyScope(), actor="restore")
        lost = sum(it.fault is not FileFault.PERMISSIONS for export in found for it in export.findings)
        return replace(_describe(engine), lost=lost, saved_at=saved_at)
    finally:
        engine.dispose()


@contextmanager
def _explaining(named: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, KeyError, UnicodeDecodeError, pyrage.IdentityError):
        raise RefusedError(f"{named} n'est pas une sauvegarde de ce module. {_UNCHANGED}") from None
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise RefusedError(f"Il n'y a pas assez de place sur le disque. {_UNCHANGED}") from None
        raise RefusedError(f"{named} est abîmé, ou incomplet. {_UNCHANGED}") from None


def _open(file: IO[bytes], passphrase: str, folder: Path) -> datetime:
    """Unpack; return when the backup was made, which cannot be changed without the passphrase."""
    with tarfile.open(fileobj=file) as archive:
        for name in (_KEY, _DATA):
            archive.extract(archive.getmember(name), folder, filter="data")
    try:
        key = pyrage.passphrase.decrypt((folder / _KEY).read_bytes(), passphrase)
    except pyrage.DecryptError:
        raise RefusedError(f"Ce n'est pas la phrase de passe de cette sauvegarde. {_UNCHANGED}") from None
    data = folder / "donnees.tar"
    pyrage.decrypt_file(str(folder / _DATA), str(data), [pyrage.x25519.Identity.from_str(key.decode())])
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


def _describe(engine: Engine) -> Holding:
    liste, files = ListeCommunale, select(func.count()).select_from(Export)
    is_current = and_(
        *(getattr(Electeur, name) == getattr(liste, name) for name in ("code_commune", "liste", "version"))
    )
    communes = select(Commune.nom, Commune.code).where(Commune.code.in_(select(liste.code_commune)))
    with engine.connect() as connection:
        return Holding(
            communes=tuple(f"{nom} ({code})" for nom, code in connection.execute(communes.order_by(Commune.nom))),
            electeurs=connection.scalar(select(func.count()).select_from(Electeur).join(liste, is_current)) or 0,
            taken_on=connection.scalar(
                select(func.max(Import.taken_on)).where(Import.undone_at.is_(None), Import.finished_at.is_not(None))
            ),
            files=connection.scalar(files.where(Export.status == ExportStatus.READY, Export.purged_at.is_(None))) or 0,
            agents=tuple(connection.scalars(select(Agent.name).distinct().order_by(Agent.name))),
        )


def _count_unsaved(engine: Engine, backup: Engine) -> int:
    """Count the lines of the trail about changes that a backup lacks."""
    done = select(Audit.id, Audit.at).where(Audit.code_commune != "", Audit.action.not_in(_READ_ACTIONS))
    with engine.connect() as here, backup.connect() as there:
        return len(set(here.execute(done)).difference(there.execute(select(Audit.id, Audit.at))))


def _put_on_record(connection: Connection, action: Action, *, actor: str, detail: str = "") -> None:
    """Record the action for each commune, since the file has its electors."""
    communes = connection.scalars(select(ListeCommunale.code_commune).distinct()).all()
    for commune in communes or ("",):
        record_audit(connection, action, actor=actor, code_commune=commune, detail=detail)


def _accept(settings: Settings, folder: Path, holding: Holding, *, actor: str) -> None:
    """Decide by one rename that the folder will replace the current data (`finish_restore`).

    Raises:
        RefusedError: the files are on another disk than the database.
    """
    exports = settings.exports_dir if settings.exports_dir.exists() else settings.exports_dir.parent
    with usable(settings.home):
        if exports.exists() and exports.stat().st_dev != settings.home.stat().st_dev:
            raise RefusedError(f"{settings.exports_dir} est sur un autre disque que {settings.home}. {_UNCHANGED}")
        engine = build_engine(f"sqlite:///{folder / _DATABASE}")
        with engine.begin() as connection:
            said = f"du {long_date(holding.saved_at.date())}" if holding.saved_at else ""
            _put_on_record(connection, Action.BACKUP_RESTORED, actor=actor, detail=said)
        engine.dispose()
        write_back(folder / _DATABASE)
        for path in (*folder.rglob("*"), folder):
            _keep(path)
        folder.rename(settings.home / RESTORING)
        _keep(settings.home)


def _keep(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
