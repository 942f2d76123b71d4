"""The communes and their bureaux de vote: INSEE reference data, values of files, and values of the operator."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, text, update

from common.texte import clean
from schemas.profiles.source import SourceMapping, fold
from schemas.vocabulary import Liste
from worker.domain.letter import Mairie
from worker.errors import ExportError, RefusedError
from worker.registre.models import Bureau, Commune, Import, ImportListe, ListeCommunale
from worker.registre.reference import departement_of, is_code_commune, iter_communes
from worker.registre.versions import stands

NO_VERSION = -1
"""The version of a list that was never imported: it has no elector, and its file is the header alone."""


def read_mapping(connection: Connection, code_commune: str) -> SourceMapping:
    """Return what the agents of a commune have said of the columns of its files."""
    said = connection.scalar(select(Commune.mapping).where(Commune.code == code_commune))
    return SourceMapping.model_validate(said or {})


def set_mapping(connection: Connection, code_commune: str, mapping: SourceMapping) -> None:
    """Record what the agents of a commune say of its files, for the next file too."""
    said = mapping.lasting().model_dump(mode="json", exclude_defaults=True) if mapping else None
    connection.execute(update(Commune).where(Commune.code == code_commune).values(mapping=said))


def read_mairie(connection: Connection, code_commune: str) -> Mairie:
    """Return what the town hall of a commune has noted of itself."""
    said = connection.scalar(select(Commune.mairie).where(Commune.code == code_commune))
    return Mairie(**(said or {}))


def set_mairie(connection: Connection, code_commune: str, mairie: Mairie) -> None:
    """Record how letters name the town hall."""
    said = update(Commune).where(Commune.code == code_commune)
    connection.execute(said.values(mairie=mairie._asdict()))


@dataclass(frozen=True)
class CommuneRegistre:
    """A commune, with the version of each imported list."""

    code: str
    nom: str
    code_departement: str
    versions: dict[Liste, int]


def read_commune(connection: Connection, code: str) -> CommuneRegistre | None:
    """Read a commune; None if it is neither in the register nor in the reference data."""
    columns = (
        Commune.code,
        Commune.nom,
        Commune.code_departement,
        ListeCommunale.liste,
        ListeCommunale.version,
    )
    query = select(*columns).outerjoin(ListeCommunale, ListeCommunale.code_commune == Commune.code)
    rows = connection.execute(query.where(Commune.code == code)).all()
    if not rows:
        return None
    versions = {Liste(row.liste): row.version for row in rows if row.liste}
    return CommuneRegistre(*rows[0][:3], versions=versions)


def check_commune(connection: Connection, code: str) -> None:
    """Check that the register or the reference data contain this commune.

    Raises:
        RefusedError: neither contains it.
    """
    if connection.execute(select(Commune.code).where(Commune.code == code)).first() is None:
        raise RefusedError(
            f"commune inconnue : {code}. Cherchez son code avec « communes --search »."
        )


def require_commune(connection: Connection, code: str) -> CommuneRegistre:
    """Read the commune of an accepted request.

    Raises:
        ExportError: the register of the commune has disappeared since.
    """
    commune = read_commune(connection, code)
    if commune is None or not commune.versions:
        raise ExportError(
            f"Le registre de {code} a disparu depuis la demande : importez-le de nouveau."
        )
    return commune


def load_reference(connection: Connection) -> int:
    """Insert the missing communes of the reference data and return their number; existing rows stay unchanged."""
    known = read_names(connection)
    missing = [
        {"code": code, "nom": nom, "code_departement": departement}
        for code, nom, departement in iter_communes()
        if code not in known
    ]
    if missing:
        connection.execute(insert(Commune), missing)
    return len(missing)


def read_names(connection: Connection) -> dict[str, str]:
    """Return the names of all communes, by INSEE code."""
    return {row.code: row.nom for row in connection.execute(select(Commune.code, Commune.nom))}


def add_commune(connection: Connection, code: str, nom: str) -> None:
    """Add a commune, new or fictitious, or rename a known one.

    Raises:
        RefusedError: the code is not an INSEE code of five characters, or the name is empty.
    """
    code, nom = code.upper(), clean(nom)
    if not is_code_commune(code):
        raise RefusedError(
            f"« {code} » n'est pas un code INSEE de commune : cinq caractères, 13055 ou 2A004"
        )
    if not nom:
        raise RefusedError("le nom de la commune est vide")
    done = connection.execute(update(Commune).where(Commune.code == code).values(nom=nom))
    if not done.rowcount:
        connection.execute(
            insert(Commune).values(code=code, nom=nom, code_departement=departement_of(code))
        )


def search_communes(connection: Connection, text: str) -> list[tuple[str, str, str]]:
    """Find communes by code, or by part of the name without accents or case: code, name and département."""
    words = fold(text)
    query = select(Commune.code, Commune.nom, Commune.code_departement).order_by(Commune.code)
    return [
        (code, nom, departement)
        for code, nom, departement in connection.execute(query)
        if code == text.upper() or (words and words in fold(nom))
    ]


BureauChange = dict[str, Any]
"""A bureau that an import wrote, as JSON: `code_commune`, `code`, `after`, `before` (None: the import added it)."""


class DescribedBureau(NamedTuple):
    """A bureau de vote; unknown values are empty. See the table `bureau`."""

    code_commune: str
    code: str
    libelle: str = ""
    code_canton: str = ""
    libelle_canton: str = ""
    code_circonscription: str = ""
    libelle_circonscription: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The code of the commune and the code of the bureau."""
        return self.code_commune, self.code

    @property
    def description(self) -> dict[str, str]:
        """All values but the key."""
        return dict(zip(DESCRIPTION, self[2:], strict=True))


DESCRIPTION = DescribedBureau._fields[2:]
_COLUMNS = [Bureau.__table__.c[name] for name in DescribedBureau._fields]


def _is(code_commune: str, code: str) -> ColumnElement[bool]:
    return and_(Bureau.code_commune == code_commune, Bureau.code == code)


def select_bureaux(connection: Connection, communes: Iterable[str]) -> Iterator[DescribedBureau]:
    """Yield the bureaux of these communes, ordered by code."""
    query = select(*_COLUMNS).where(Bureau.code_commune.in_(communes)).order_by(*_COLUMNS[:2])
    return (DescribedBureau(*row) for row in connection.execute(query))


def read_libelles(
    connection: Connection, code_commune: str, as_of: int | None = None
) -> dict[str, str]:
    """Return the names of the bureaux of a commune, by code.

    `as_of`: the id of an import; the changes of later imports are left out.
    """
    query = select(Bureau.code, Bureau.libelle).where(Bureau.code_commune == code_commune)
    libelles = {row.code: row.libelle for row in connection.execute(query)}
    if as_of is None:
        return libelles
    of_commune = select(ImportListe.import_id).where(ImportListe.code_commune == code_commune)
    is_later = Import.id.in_(of_commune), Import.id > as_of, stands()
    later = select(Import.bureaux_before).where(*is_later).order_by(Import.id.desc())
    for change in chain.from_iterable(connection.scalars(later)):
        code, before, after = change["code"], change["before"], change["after"].get("libelle", "")
        if change["code_commune"] != code_commune or libelles.get(code) != after:
            continue  # another commune, or the operator changed the name since
        if before is None:
            del libelles[code]
        else:
            libelles[code] = before.get("libelle", after)
    return libelles


def set_bureaux(
    connection: Connection, code_commune: str, descriptions: Mapping[str, Mapping[str, str]]
) -> list[DescribedBureau]:
    """Write the operator's values of bureaux, by code, and return the bureaux that changed.

    Raises:
        RefusedError: the commune has no such bureau; the message names its bureaux.
    """
    bureaux = {bureau.code: bureau for bureau in select_bureaux(connection, [code_commune])}
    if unknown := descriptions.keys() - bureaux:
        known = ", ".join(bureaux) or "aucun, importez d'abord la liste"
        raise RefusedError(
            f"bureau {min(unknown)} inconnu à {code_commune} ; bureaux connus : {known}"
        )
    described = [bureaux[code]._replace(**values) for code, values in descriptions.items()]
    changed = [it for it in described if it != bureaux[it.code]]
    for it in changed:
        connection.execute(update(Bureau).where(_is(*it.key)).values(**descriptions[it.code]))
    return changed


def lock_bureaux(connection: Connection) -> None:
    """Block other writers of bureaux and lists until the transaction ends; SQLite does so without a lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE bureau, liste IN SHARE ROW EXCLUSIVE MODE"))


def merge_bureaux(connection: Connection, bureaux: Sequence[DescribedBureau]) -> list[BureauChange]:
    """Write the bureaux of a file and return the changes; a value that the file lacks stays unchanged."""
    known = {
        bureau.key: bureau
        for bureau in select_bureaux(connection, {it.code_commune for it in bureaux})
    }
    added, changes = list[dict[str, str]](), list[BureauChange]()
    for bureau in bureaux:
        former = known.get(bureau.key)
        before = former.description if former else dict.fromkeys(DESCRIPTION, "")
        after = {
            name: value
            for name, value in bureau.description.items()
            if value and value != before[name]
        }
        change: BureauChange = {
            "code_commune": bureau.code_commune,
            "code": bureau.code,
            "before": None,
            "after": after,
        }
        if former is None:
            added.append(bureau._asdict())
            changes.append(change)
        elif after:
            connection.execute(update(Bureau).where(_is(*bureau.key)).values(after))
            changes.append(change | {"before": {name: before[name] for name in after}})
    if added:
        connection.execute(insert(Bureau), added)
    return changes


def restore_bureaux(connection: Connection, changes: Sequence[BureauChange]) -> None:
    """Undo `merge_bureaux`, except for bureaux that were changed since."""
    now = {
        bureau.key: bureau
        for bureau in select_bureaux(connection, {it["code_commune"] for it in changes})
    }
    for change in changes:
        key, before = (change["code_commune"], change["code"]), change["before"]
        written = (
            change["after"]
            if before is not None
            else dict.fromkeys(DESCRIPTION, "") | change["after"]
        )
        if key not in now or any(
            now[key].description[name] != value for name, value in written.items()
        ):
            continue
        if before is None:
            connection.execute(delete(Bureau).where(_is(*key)))
        else:
            connection.execute(update(Bureau).where(_is(*key)).values(before))
