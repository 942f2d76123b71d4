"""Lists by arrondissement: an export of one arrondissement replaces its electors only; the other electors stay."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, insert, literal, select

from common.french import count_of
from worker.errors import ImportRefusedError
from worker.registre.models import Electeur, ImportListe
from worker.registre.reference import arrondissements_of
from worker.registre.reu.lines import Reading
from worker.registre.versions import BATCH, ListeKey, current_versions, is_on_liste

_COPIED = [column.key for column in Electeur.__table__.columns if column.key not in {"id", "version", "facts"}]


class Parts(NamedTuple):
    """The arrondissements of a list that an export holds in part."""

    imports: Mapping[str, int]
    """The import that wrote the electors of each arrondissement, including this import."""
    followed: Collection[int] = ()
    """The imports that wrote the arrondissements of this export before it."""
    why_not_compared: str = ""
    """In French, if the register does not hold one of them yet: its inscriptions are not known."""
    note: str = ""
    """The note of the import, in French."""


def keep_parts(connection: Connection, version: int, reading: Reading) -> dict[ListeKey, Parts]:
    """Copy into the staged version the electors of the arrondissements that the export lacks."""
    held = reading.arrondissements
    with connection.begin():
        current = current_versions(connection) if held else {}
    parts: dict[ListeKey, Parts] = {}
    for liste, codes in held.items():
        mine = dict.fromkeys(sorted(codes), version)
        parts[liste] = Parts(mine)
        if liste not in current:
            continue
        with connection.begin():
            shown, written = _read_parts(connection, liste, current[liste])
        if "" in shown:
            _refuse_unknown(liste, codes)
            continue
        others = sorted(shown.keys() - codes)
        is_kept = and_(is_on_liste(*liste, current[liste]), Electeur.arrondissement.in_(others))
        _copy(connection, is_kept, version)
        kept = sum(shown[code] for code in others)
        reading.add(liste, kept)
        new = ", ".join(sorted(codes - written.keys())) if shown else ""
        parts[liste] = Parts(
            {code: written[code] for code in others} | mine,
            [written[code] for code in codes if code in written],
            f"premier export de {new}" if new else "",
            f"{count_of(kept, 'électeur')} de {', '.join(others)} restent sur la liste {liste.liste}, sans changement"
            if others
            else "",
        )
    return parts


def _read_parts(connection: Connection, liste: ListeKey, version: int) -> tuple[dict[str, int], dict[str, int]]:
    counts = select(Electeur.arrondissement, func.count()).where(is_on_liste(*liste, version))
    shown = {str(code): int(number) for code, number in connection.execute(counts.group_by(Electeur.arrondissement))}
    of_liste = ImportListe.code_commune == liste.code_commune, ImportListe.liste == liste.liste
    written = connection.scalar(select(ImportListe.parts).where(ImportListe.import_id == version, *of_liste))
    return shown, written or {}


def _refuse_unknown(liste: ListeKey, codes: Collection[str]) -> None:
    if not arrondissements_of(liste.code_commune) <= set(codes):
        held = f"cet export est celui de {', '.join(sorted(codes))}, une partie de la commune {liste.code_commune}"
        raise ImportRefusedError(
            f"{held}, et le registre a la liste {liste.liste} de toute la commune : reprenez l'export de toute la "
            "commune, ou un fichier de tous ses arrondissements"
        )


def _copy(connection: Connection, is_kept: ColumnElement[bool], version: int) -> None:
    """Copy in the order of ids, batch after batch, because SQLite has one writer."""
    last = 0
    while True:
        with connection.begin():
            batch = select(Electeur.id).where(is_kept, Electeur.id > last).order_by(Electeur.id).limit(BATCH)
            ids = connection.scalars(batch).all()
            if not ids:
                return
            last = ids[-1]
            columns = literal(version), literal(0), *(getattr(Electeur, name) for name in _COPIED)
            copied = select(*columns).where(is_kept, Electeur.id.between(ids[0], last)).order_by(Electeur.id)
            connection.execute(insert(Electeur).from_select(["version", "facts", *_COPIED], copied))
