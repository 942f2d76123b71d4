"""Erases a commune or an elector from the register, the texts and the files; masks the name of an agent.

An elector must no longer be on any list. The result names the data that the law keeps and those that expire later. The
trail has a line before and after, without the name of the elector. A second run completes an interrupted one.
"""

import json
import mmap
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from common.calendrier import civil_day, jour_a_paris, now
from common.french import short_date
from schemas.profiles.platform import ENCODINGS
from schemas.vocabulary import UNFINISHED, Action, CopieFile, ExportKind, Liste, Nature
from worker.access.models import Agent, Recipient, Sender
from worker.arrivals import IS_ASKED, IS_ENDED, Arrivals, Preview, drop, mark_erased
from worker.audit import (
    Actor,
    AuditWord,
    Detail,
    WordKind,
    Words,
    find_key,
    forget_words,
    record_audit,
)
from worker.domain.identite import FORGOTTEN, Effet, Etat, base_letters
from worker.errors import RefusedError
from worker.exports.models import (
    Copie,
    Depot,
    EarlyCancel,
    Export,
    Publication,
    Recall,
    Request,
    main_name,
)
from worker.exports.purge import remove_files
from worker.exports.records import cancelled_by
from worker.exports.storage import Storage
from worker.notifier.models import Answer, Notification
from worker.notifier.recipients import ERASED, mask_addresses
from worker.registre.imports.chain import record_digests
from worker.registre.imports.history import importing
from worker.registre.models import (
    UNDONE,
    Bureau,
    Commune,
    Doubt,
    Electeur,
    Homonym,
    Import,
    ImportListe,
    ListeCommunale,
    MouvementRegistre,
    Protection,
    Scrutin,
)
from worker.registre.protections import Protege
from worker.work.queue import Work
from worker.writers.electeurs_file import LISTE_FORMATS, encode

_WINDOW = 4_000
"""Bytes on both sides of a name that may belong to the same elector, unless the elector's data end before."""

_ENDS = {".json": b"}"} | {f".{format_}": it.electeur_end for format_, it in LISTE_FORMATS.items()}
"""The bytes after an elector, by the extension of the file."""

_BACKUPS = (
    "les sauvegardes et les journaux de la base et du courtier, le temps que dit docs/rgpd.md"
)
_BUSY = (
    "la commune a des fichiers ou un export du REU en cours de traitement : attendez qu'ils soient finis, ou "
    "annulez-les (« cancel »), puis recommencez"
)


class NameSearch:
    """Finds the names of an elector in texts that people typed, whatever the first names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._words = {words for name in names if (words := _words(name))}

    def is_in(self, said: object) -> bool:
        """Return whether a text, or a JSON document, has one of the names. A homonym's text is masked too."""
        if not isinstance(said, str):  # a word after a line break begins with the `n` of `\n`
            said = re.sub(r"\\(u....|.)", " ", json.dumps(said, ensure_ascii=False))
        folded = f" {_words(said)} "
        return any(f" {words} " in folded for words in self._words)


def _words(said: str) -> str:
    return " ".join(re.findall(r"\w+", base_letters(said)))


_NOUNS = ("lignes d'électeur", "mouvements", "textes", "fichiers", "exports du REU", "agents")
_ELECTEURS, _MOUVEMENTS, _TEXTS, _FILES, _ARRIVALS, _AGENTS = _NOUNS


@dataclass
class Forgotten:
    """The numbers of erased or masked rows and files, and the data that stay, in French."""

    named: NameSearch
    """Finds the forgotten names in texts, also in those outside the database."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NOUNS, 0))
    kept: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return the numbers in French, for the trail and the operator."""
        return ", ".join(f"{noun} {count}" for noun, count in self.counts.items())


@dataclass(frozen=True)
class ForgetScope:
    """The commune and the places to search."""

    engine: Engine
    storage: Storage
    arrivals: Arrivals
    code_commune: str
    by: Actor

    def record(self, connection: Connection, detail: str) -> None:
        """Record a step in the audit trail."""
        record_audit(
            connection,
            Action.FORGOTTEN,
            actor=self.by,
            code_commune=self.code_commune,
            detail=detail,
        )


def forget_commune(scope: ForgetScope) -> Forgotten:
    """Erase the electors of a commune, its agents and its recipients.

    Requests, digests of files and lines of the trail stay, because they name no elector.

    Raises:
        RefusedError: files or imports of the commune are under way.
        TransientError: the volume is away.
    """
    code, done = scope.code_commune, Forgotten(NameSearch([scope.code_commune]))
    with importing(scope.engine) as connection, connection.begin():
        _require_idle(connection, code)
        scope.record(connection, "toute la commune : commencé")
        _drop_arrivals(connection, code)
        for table in (ListeCommunale, Doubt, Homonym, Protection):
            connection.execute(delete(table).where(table.code_commune == code))
        done.counts[_ELECTEURS] = connection.execute(
            delete(Electeur).where(Electeur.code_commune == code)
        ).rowcount
        of_commune = MouvementRegistre.code_commune == code
        done.counts[_MOUVEMENTS] = connection.execute(
            delete(MouvementRegistre).where(of_commune)
        ).rowcount
        done.counts[_TEXTS] = _mask_texts(connection, code, None) + _forget_said(
            connection, code, None
        )
        fingerprints = Depot.export_id.in_(select(Export.id).where(Export.code_commune == code))
        values = {
            "fingerprint": None,
            "fingerprint_key": None,
            "fingerprint_reason": "empreinte effacée",
        }
        connection.execute(update(Depot).where(fingerprints).values(values))
        done.counts[_AGENTS] = _forget_people(connection, scope)
    done.counts[_FILES] = _remove_whole_folder(scope)
    done.counts[_ARRIVALS] = _erase_arrivals(scope)
    done.kept = [
        "demandes, dépôts et empreintes SHA-256 des fichiers, sans nom d'électeur",
        "droits des comptes et des jetons sur la commune (« accounts »)",
    ]
    return _conclude(scope, "toute la commune", done)


def forget_electeur(scope: ForgetScope, who: Protege, liste: Liste | None) -> Forgotten:
    """Erase or mask an elector who is on no list of the commune any more, or not on this one.

    Raises:
        RefusedError: the elector is on the list, where the law keeps them; or files or imports are under way.
        TransientError: the volume is away.
    """
    code = scope.code_commune
    label = f"un électeur, liste {liste}" if liste else "un électeur"
    with importing(scope.engine) as connection, connection.begin():
        _require_idle(connection, code)
        everywhere = _find(connection, Electeur, code, who)
        versions = select(ListeCommunale.liste, ListeCommunale.version).where(
            ListeCommunale.code_commune == code
        )
        shown = {tuple(row) for row in connection.execute(versions)}
        listed = {it.liste for it in everywhere if (it.liste, it.version) in shown}
        if still := listed & {liste.value} if liste else listed:
            raise RefusedError(
                f"cette personne est inscrite sur la liste {min(still)} : la loi l'y garde tant qu'elle y est (RGPD, "
                "art. 17, 3, b ; Code électoral, art. L. 16). Une rectification ou une radiation se fait dans le REU, "
                "et l'export suivant l'apporte"
            )
        electeurs = [it for it in everywhere if liste in {None, it.liste}]
        mouvements = [
            it
            for it in _find(connection, MouvementRegistre, code, who)
            if liste in {None, it.liste}
        ]
        scope.record(connection, f"{label} : commencé")
        today = civil_day(now(), code)
        counting = [it for it in mouvements if it.doubt_id != UNDONE]
        kept = [it for it in counting if it.etat == Etat.ACTIF or it.date_tableau >= today]
        gone = [it for it in mouvements if it not in kept]
        _drop_arrivals(connection, code)
        number = min((it.id for it in (*mouvements, *electeurs)), default=0)
        _mask_electeurs(connection, electeurs, number)
        _mask_mouvements(connection, gone, number)
        record_digests(connection, {it.import_id for it in gone if it.import_id is not None})
        for table in (
            (Homonym,) if listed else (Homonym, Protection)
        ):  # another list may still have the elector
            ids = [row.id for row in _find(connection, table, code, who)]
            connection.execute(delete(table).where(table.id.in_(ids)))
        names = {who.nom_naissance, *(it.nom_naissance for it in (*electeurs, *mouvements))}
        names |= {it.nom_usage for it in (*electeurs, *mouvements) if it.nom_usage}
        done = Forgotten(NameSearch(names))
        done.counts |= {_ELECTEURS: len(electeurs), _MOUVEMENTS: len(gone)}
        done.counts[_TEXTS] = _mask_texts(connection, code, done.named) + _forget_said(
            connection, code, done.named
        )
        resting = _find_resting(connection, code, electeurs, gone)
    known = {who, *map(_who, (*electeurs, *mouvements))}
    done.counts[_FILES] = _remove_naming(scope, known, resting)
    done.counts[_ARRIVALS] = _erase_arrivals(scope)
    if kept:
        last = max(it.date_tableau for it in kept)
        done.kept.append(
            f"{len(kept)} de ses mouvements, que la loi fait publier au tableau (Code électoral, art. L. 20) : "
            f"recommencez après le {short_date(last)}"
        )
    return _conclude(scope, label, done)


_AGENT_COLUMNS = (
    *(
        Request.requested_by,
        Export.downloaded_by,
        Recall.recalled_by,
        Depot.deposited_by,
        Depot.verdict_by,
    ),
    *(Publication.published_by, Preview.requested_by, Import.imported_by, Doubt.decided_by),
)


def forget_agent(engine: Engine, name: str, by: Actor) -> Sequence[str]:
    """Replace the name of a removed agent in all rows by the agent's key in the trail; return what stays.

    Raises:
        RefusedError: the agent is still registered, or nothing has this name.
    """
    with engine.begin() as connection:
        if connection.scalar(select(Agent.name).where(Agent.name == name).limit(1)) is not None:
            raise RefusedError(
                f"{name} est encore inscrit : retirez-le d'abord (« agents --remove »)"
            )
        found = find_key(connection, name)
        named = sum(_mask_agent(connection, name, found or ERASED))
        if not (found or named):
            raise RefusedError(f"rien de ce qui est gardé ne nomme {name}")
        forget_words(connection, AuditWord.key == found)
        said = f"un agent : {found or 'absent du journal'}"
        record_audit(connection, Action.FORGOTTEN, actor=by, detail=said)
    _leave_no_copy(engine)
    return [
        "les fichiers qui portent son nom, comme un certificat, 30 jours (PREFECTURE_RETENTION_DAYS)",
        _BACKUPS,
    ]


def _mask_agent(connection: Connection, name: str, mask: str) -> Iterator[int]:
    for column in _AGENT_COLUMNS:
        yield connection.execute(
            update(column.class_).where(column == name).values({column: mask})
        ).rowcount
    cancelled = Export.error_message == cancelled_by(name)
    yield connection.execute(
        update(Export).where(cancelled).values(error_message=cancelled_by(mask))
    ).rowcount
    for preview in connection.execute(select(Preview.id, Preview.terms)).all():
        if preview.terms.get("by") == name:
            terms = preview.terms | {"by": mask}
            yield connection.execute(
                update(Preview).where(Preview.id == preview.id).values(terms=terms)
            ).rowcount


def _conclude(scope: ForgetScope, what: str, done: Forgotten) -> Forgotten:
    with scope.engine.begin() as connection:
        scope.record(connection, f"{what} : {done.describe()}")
    _leave_no_copy(scope.engine)
    done.kept += [
        "le journal, qui nomme des comptes et des fichiers, 12 mois (PREFECTURE_AUDIT_DAYS)",
        "ce qu'un agent a tapé à l'écran sans l'envoyer, trois jours",
        _BACKUPS,
    ]
    return done


def _require_idle(connection: Connection, code_commune: str) -> None:
    working = exists().where(Export.code_commune == code_commune, Export.status.in_(UNFINISHED))
    importing = exists().where(Preview.code_commune == code_commune, ~IS_ENDED, ~IS_ASKED)
    if connection.scalar(select(or_(working, importing))):
        raise RefusedError(_BUSY)


def _find(
    connection: Connection,
    table: type[Electeur | MouvementRegistre | Homonym | Protection],
    code_commune: str,
    who: Protege,
) -> Sequence[Row[Any]]:
    query = select(table.__table__).where(
        table.code_commune == code_commune, table.date_naissance == who.date_naissance
    )
    return [row for row in connection.execute(query) if _who(row).folded() == who.folded()]


def _who(row: Any) -> Protege:  # noqa: ANN401 — a row of one of four tables
    return Protege(row.nom_naissance, row.prenoms, row.date_naissance)


def _mask_electeurs(connection: Connection, electeurs: Iterable[Any], number: int) -> None:
    """Keep the bureau and the year of birth in former versions of a list, because tableaux count from them."""
    kept = {"code_commune", "liste", "code_bureau"}
    columns = [it for it in Electeur.__table__.columns if it.name not in kept]
    nothing: dict[str, Any] = {it.name: "" for it in columns if it.type.python_type is str}
    nothing |= {"numero_ordre": None, "numero_general": None}
    for it in electeurs:
        connection.execute(
            update(Electeur).where(Electeur.id == it.id).values(nothing | _mask(it, number))
        )


def _mask(row: Any, number: int) -> dict[str, str]:  # noqa: ANN401 — of an elector or a mouvement
    """Return the values that replace a name. All rows of one person get one number, so that they stay one elector."""
    return {
        "nom_naissance": FORGOTTEN,
        "prenoms": f"N° {number}",
        "date_naissance": _year_of(row.date_naissance),
    }


def _mask_mouvements(connection: Connection, mouvements: Iterable[Any], number: int) -> None:
    """Keep the bureaux, the days and the year of birth, because tableaux count mouvements."""
    known = (
        "nom_usage",
        "commune_naissance",
        "departement_naissance",
        "pays_naissance",
        "adresse",
        "motif",
    )
    nothing = dict.fromkeys(known, "")
    for it in mouvements:
        statement = update(MouvementRegistre).where(MouvementRegistre.id == it.id)
        connection.execute(statement.values(nothing | _mask(it, number)))
        for side in (Doubt.radiation_id, Doubt.inscription_id):
            born = {name: _year_of(it.date_naissance) for name in ("born_before", "born_after")}
            connection.execute(
                update(Doubt).where(side == it.id, Doubt.born_before != "").values(born)
            )


def _year_of(date_naissance: str) -> str:
    return f"{date_naissance[:4]}-00-00" if date_naissance else ""


def _texts(
    code_commune: str, *, is_whole: bool
) -> Iterator[tuple[Sequence[Any], ColumnElement[bool]]]:
    exports = select(Export.id).where(Export.code_commune == code_commune)
    imports = select(ImportListe.import_id).where(ImportListe.code_commune == code_commune)
    yield [Depot.remarque, Depot.answer], Depot.export_id.in_(exports)
    yield [Publication.reason], Publication.export_id.in_(exports)
    yield [Recall.because, Recall.reason], Recall.code_commune == code_commune
    chosen = Request.source, Request.event_id, Request.correlation_id, Request.tracestate
    yield [Request.reason, Request.faults, *chosen], _is_asked_for(code_commune)
    yield [Preview.file_name, Preview.reason, Preview.found], Preview.code_commune == code_commune
    # The titles of columns may be any text, and a mayor may be an elector.
    yield [Commune.mapping, Commune.mairie], Commune.code == code_commune
    yield [Import.file_name], Import.id.in_(imports)
    yield [Copie.demandeur, Copie.motif], Copie.code_commune == code_commune
    yield [ImportListe.not_compared_because], ImportListe.import_id.in_(imports)
    if is_whole:  # the label of a canton may contain the name of an elector
        yield [Scrutin.libelle, Scrutin.texte], Scrutin.code_commune == code_commune
        yield (
            [Bureau.libelle_canton, Bureau.libelle_circonscription],
            Bureau.code_commune == code_commune,
        )


def _is_asked_for(code_commune: str) -> ColumnElement[bool]:
    """Whether a request names the commune, or none while its account may ask for this commune only."""
    return or_(
        Request.code_commune == code_commune,
        and_(Request.code_commune == "", Request.sender.in_(_senders(code_commune))),
    )


def _senders(code_commune: str) -> Select[str]:
    first, last = func.min(Sender.code_commune), func.max(Sender.code_commune)
    return (
        select(Sender.name)
        .group_by(Sender.name)
        .having(first == code_commune, last == code_commune)
    )


def _mask_texts(connection: Connection, code_commune: str, named: NameSearch | None) -> int:
    """Mask the texts of a commune, or those with these names, and delete early cancellations; return how many.

    The source and the id of an event identify a request together: both get the number of its row.
    """
    masked = 0
    for columns, is_of_commune in _texts(code_commune, is_whole=named is None):
        table, key = columns[0].class_, [*columns[0].class_.__table__.primary_key]
        for row in connection.execute(select(*key, *columns).where(is_of_commune)).mappings().all():
            found = dict[str, str | None]()
            for name in (it.name for it in columns):
                mask = f"{ERASED} {row['id']}" if name in {"source", "event_id"} else ERASED
                if row[name] not in (None, "", mask) and (named is None or named.is_in(row[name])):
                    found[name] = mask if isinstance(row[name], str) else None
            if found:
                is_it = [column == row[column.name] for column in key]
                connection.execute(update(table).where(*is_it).values(found))
                masked += len(found)
    deleted = _delete_early_cancels(connection, named)
    return masked + deleted + _delete_answers(connection, code_commune, named)


def _forget_said(connection: Connection, code: str, named: NameSearch | None) -> int:
    is_text = AuditWord.kind == WordKind.TEXTE.value
    if named is None:
        return forget_words(connection, and_(is_text, AuditWord.code_commune == code))
    texts = select(AuditWord.key, AuditWord.words)
    rows = connection.execute(texts.where(is_text, AuditWord.code_commune.in_([code, ""])))
    keys = [row.key for row in rows if named.is_in(row.words)]
    return sum(forget_words(connection, AuditWord.key == key) for key in keys)


def _delete_early_cancels(connection: Connection, named: NameSearch | None) -> int:
    """Delete the cancellations without a request that have these names, or all of them.

    None of them names a commune: with a whole commune all go. A request that comes later is then
    made, and is to be cancelled again.
    """
    deleted = 0
    key = [*EarlyCancel.__table__.primary_key]
    for row in connection.execute(select(*key, EarlyCancel.requested_by)).all():
        if named is None or any(map(named.is_in, row)):
            is_it = [column == row[place] for place, column in enumerate(key)]
            connection.execute(delete(EarlyCancel).where(*is_it))
            deleted += 1
    return deleted


def _delete_answers(connection: Connection, code: str, named: NameSearch | None) -> int:
    """Delete the events in the feeds of programs that have these names, or all of the commune."""
    is_of_commune = or_(
        Answer.code_commune == code,
        and_(Answer.code_commune == "", Answer.account.in_(_senders(code))),
    )
    rows = connection.execute(select(Answer.id, Answer.event).where(is_of_commune)).all()
    gone = [{"gone": it.id} for it in rows if named is None or named.is_in(json.loads(it.event))]
    if gone:
        connection.execute(delete(Answer).where(Answer.id == bindparam("gone")), gone)
    return len(gone)


def _forget_people(connection: Connection, scope: ForgetScope) -> int:
    code = scope.code_commune
    names = connection.scalars(select(Agent.name).where(Agent.code_commune == code)).all()
    for name in names:
        detail: Detail = [Words(WordKind.AGENT, name)]
        record_audit(
            connection, Action.AGENT_REMOVED, actor=scope.by, code_commune=code, detail=detail
        )
    for table in (Agent, Recipient):
        connection.execute(delete(table).where(table.code_commune == code))
    mask_addresses(connection, Notification.code_commune == code)
    return len(names)


# Files.


def _drop_arrivals(connection: Connection, code_commune: str) -> None:
    """Drop the exports that wait for a confirmation: they may name the elector, and can be deposited again."""
    waiting = select(Preview.request_id).where(Preview.code_commune == code_commune, ~IS_ENDED)
    for request_id in connection.scalars(waiting).all():
        drop(connection, request_id)


def _erase_arrivals(scope: ForgetScope) -> int:
    is_left = Preview.code_commune == scope.code_commune, IS_ENDED, Preview.erased_at.is_(None)
    with scope.engine.begin() as connection:
        rows = connection.execute(select(Preview.id, Preview.arrival).where(*is_left)).all()
        for row in rows:
            scope.arrivals.erase(row.arrival)
            mark_erased(connection, row.id)
    return len(rows)


def _list_files(scope: ForgetScope) -> list[Path]:
    folder = scope.storage.root / scope.code_commune
    return sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink())


def _remove_whole_folder(scope: ForgetScope) -> int:
    files = _list_files(scope)
    if files:
        scope.storage.require_mounted()
    there = [main_name(path.name) for path in files]
    is_left = or_(Export.purged_at.is_(None), Export.file_name.in_(there))
    with scope.engine.connect() as connection:
        ids = connection.scalars(
            select(Export.id).where(Export.code_commune == scope.code_commune, is_left)
        ).all()
    _remove_files(scope, ids)
    for path in _list_files(scope):
        path.unlink(missing_ok=True)
    return len(files) - len(_list_files(scope))


def _remove_files(scope: ForgetScope, export_ids: Sequence[int]) -> None:
    removed = remove_files(scope.engine, scope.storage, export_ids, actor=scope.by.name)
    if removed.failures:
        raise OSError(f"{removed.failures} exports whose files stay")


def _find_resting(
    connection: Connection, code_commune: str, electeurs: Sequence[Any], mouvements: Sequence[Any]
) -> set[int]:
    """Return the tableaux and copies that may print the elector, because their pages cannot be searched.

    Tableaux rest on an import with a mouvement of the elector, or on one during whose version the elector came of age;
    copies rest on a version that lists the elector. Letters to people whose name is masked are returned too.
    """
    masked = set(connection.scalars(select(Copie.id).where(Copie.demandeur == ERASED)))
    versions = {it.version for it in electeurs}
    imports = {it.import_id for it in mouvements}
    year = jour_a_paris(now()).year
    births = tuple(
        str(year - age) for age in range(18, 22)
    )  # they came of age in the years of tableaux still there
    imports |= {it.version for it in electeurs if it.date_naissance.startswith(births)}
    columns = Export.id, Export.kind, Export.edition, Export.parameters, Export.rests_on
    found = set()
    for row in connection.execute(select(*columns).where(Export.code_commune == code_commune)):
        rests_on = {it["import_id"] for it in row.rests_on or ()}
        if row.edition in set(CopieFile) and (
            row.parameters["copie"] in masked or versions & rests_on
        ):
            found.add(row.id)
        is_any = row.rests_on is None or None in imports
        if row.kind == ExportKind.TABLEAU and imports and (is_any or imports & rests_on):
            found.add(row.id)
    return found


def _remove_naming(scope: ForgetScope, known: Iterable[Protege], resting: set[int]) -> int:
    files = _list_files(scope)
    if not files:
        return 0
    scope.storage.require_mounted()
    spellings = list(dict.fromkeys(it for who in known for it in _spellings(who)))
    with scope.engine.connect() as connection:
        query = select(Export.file_name, Export.id).where(Export.code_commune == scope.code_commune)
        ids = {row.file_name: row.id for row in connection.execute(query)}
    naming = set(resting)
    for path in files:
        if path.name.startswith("."):  # a killed worker left it
            path.unlink(missing_ok=True)
            continue
        export_id = ids.get(main_name(path.name))
        if export_id in naming or path.suffix == ".pdf" or not _names(path, spellings):
            continue
        if export_id is None:
            path.unlink(missing_ok=True)
        else:
            naming.add(export_id)
    _remove_files(scope, sorted(naming))
    return len(files) - len(_list_files(scope))


_Spelling = tuple[bytes, bytes, tuple[bytes, ...]]


def _spellings(who: Protege) -> Iterator[_Spelling]:
    year, month, day = (*who.date_naissance.split("-"), "", "")[:3]
    born = (
        (f"{day}/{month}/{year}", who.date_naissance) if {month, day}.isdisjoint({"", "00"}) else ()
    )
    spells: Sequence[Callable[[str], str]] = (str, str.upper, base_letters)
    for spell, encoding in product(spells, ENCODINGS):
        nom, prenoms = (encode(spell(it), encoding) for it in (who.nom_naissance, who.prenoms))
        yield nom, prenoms, tuple(it.encode() for it in born)


def _names(path: Path, spellings: Sequence[_Spelling]) -> bool:
    """Return whether a CSV, an XML or a JSON has the names and the date of birth of the elector in one place."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        end = _ENDS.get(path.suffix, b"\n")
        return any(_is_near(whole, end, *spelling) for spelling in spellings if spelling[0])


def _is_near(
    whole: mmap.mmap, end: bytes, nom: bytes, prenoms: bytes, born: Sequence[bytes]
) -> bool:
    at = whole.find(nom)
    while at >= 0:
        around = (
            whole[max(0, at - _WINDOW) : at].rpartition(end)[2]
            + whole[at : at + _WINDOW].partition(end)[0]
        )
        if prenoms in around and (not born or any(it in around for it in born)):
            return True
        at = whole.find(nom, at + len(nom))
    return False


# The copies that the database keeps.

_WHO = {"code_commune": "", "nom_naissance": "", "prenoms": "", "date_naissance": ""}
_EMPTY_ROWS: Mapping[type[Any], Mapping[str, Any]] = {
    Electeur: {**_WHO, "liste": "P"},
    Protection: _WHO,
    Homonym: {**_WHO, "import_id": select(func.max(Import.id)).scalar_subquery()},
    MouvementRegistre: {
        **_WHO,
        "liste": "P",
        "nature": Nature.INSCRIPTION.value,
        "effet": Effet.IMMEDIAT.value,
        "etat": Etat.APPLIQUE.value,
        "date_tableau": date.min,
        "date_mouvement": date.min,
    },
    Agent: {"name": "", "code_commune": "", "email": ""},
    AuditWord: {"key": "", "kind": "", "words": "", "code_commune": ""},
    Recipient: {"id": "", "code_commune": "", "channel": "", "address": ""},
    Work: {"kind": "", "subject": ""},
}
"""A row for each table that may be empty: PostgreSQL keeps the statistics of an empty table unless it has a row."""


def _leave_no_copy(engine: Engine) -> None:
    """Replace the statistics of PostgreSQL, which hold values; clear the free pages and the journal of SQLite.

    VACUUM removes PostgreSQL's dead rows; the operator runs it (docs/operations.md).
    """
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("VACUUM")
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        return
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    for table, row in _EMPTY_ROWS.items():
        with (
            suppress(IntegrityError),
            engine.begin() as connection,
        ):  # without any import there was no homonym
            if connection.scalar(select(literal(1)).select_from(table).limit(1)) is None:
                connection.execute(insert(table).values(row))
                connection.execute(text(f'ANALYZE "{table.__tablename__}"'))
                name = {AuditWord: "key", Work: "kind"}.get(table, "code_commune")
                connection.execute(delete(table).where(getattr(table, name) == ""))
