"""What the town hall knows and no export says is noted: by a command of the operator, or by an event.

Meetings, polls, motifs, bureaux, protected electors, what an agent wants to be told of. Each act is on record, and
names no elector. A meeting or a poll changes which days a tableau is counted from, a motif or a protection what it
prints of somebody: those that were made before are to be made again, in the same transaction.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, select, update
from sqlalchemy.orm import Session, joinedload

from common.french import count_of, short_date
from common.law import Regime
from schemas.declarations import AnomaliesHandled, CompletedMotif, DoubtDecided, DownloadBegun, ElecteursSeen
from schemas.envelope import CloudEvent
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import Presentation
from schemas.vocabulary import UNFINISHED, DoubtDecision, ExportKind, ExportStatus, Liste, Nature, Piece, Wish
from worker.domain.identite import Identite, identite_of
from worker.domain.majorite import OfAge, Period
from worker.domain.mouvement import Mouvement, Personne
from worker.domain.tableau.demande import (
    Calendrier,
    Demande,
    DemandeInvalide,
    correction,
    dates_of,
    is_in,
    is_in_period,
    is_perhaps_l30,
)
from worker.domain.tableau.model import Ligne, LigneRules, format_bureau
from worker.errors import RefusedError
from worker.exports.audit import Action, Actor, record_audit
from worker.exports.models import Export
from worker.exports.recalls import Withdrawal, recall_tableaux
from worker.exports.records import restart
from worker.handlers.declarations.declaration import Declaration
from worker.handlers.requests.authorization import Authorization
from worker.handlers.requests.export_plan import read_data, read_demande, require_own_register
from worker.handlers.services import Services
from worker.notifier.channels.delivery import join_wishes, split_wishes
from worker.notifier.models import Agent
from worker.registre.bureaux import DescribedBureau, set_bureau
from worker.registre.communes import NO_VERSION, require_commune
from worker.registre.comparaison.doubts import Decided, decide_doubt, describe_differing
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.motifs import note_lines, note_motifs, read_motifs
from worker.registre.mouvements.queries import MouvementSource, select_mouvements
from worker.registre.protections import Protege, add_protection, remove_protection
from worker.registre.scrutins import (
    KnownScrutin,
    Reunion,
    add_reunion,
    read_calendrier,
    remove_reunion,
    remove_scrutin,
    set_scrutin,
)

_AT_ONCE = 500
"""Mouvements, or dates of birth, named in one statement."""

_COUNTED_FROM = ("reunion", "until", "cloture", "publication_due", "effective_on", "age_avant", "age_apres")
"""What of a Demande decides who is in a tableau, or how it is called, and depends on the calendar."""


def note_reunion(
    connection: Connection,
    code_commune: str,
    reunion: Reunion,
    *,
    replaces: date | None = None,
    by: Actor,
    reason: str = "",
) -> list[str]:
    """Note a meeting, instead of the one of that list on the day `replaces`; the labels of the tableaux to make again.

    Raises:
        RefusedError: the commune is unknown, there was none to replace, or a tableau that is in use would change and
            there is no `reason`. Nothing has changed.
    """

    def change() -> None:
        if replaces:
            remove_reunion(connection, code_commune, reunion._replace(date=replaces))
        add_reunion(connection, code_commune, reunion)

    because = f"la commission de contrôle s'est réunie le {short_date(reunion.date)}{_about(reunion)}"
    if replaces and replaces != reunion.date:
        because += f", et non le {short_date(replaces)}"
    if not reunion.has_deliberated:
        because += ", sans pouvoir délibérer"
    withdrawal = Withdrawal(None, Action.REUNION_CHANGED, because, by.name, reason, by.account, code_commune)
    return _change_calendar(connection, code_commune, withdrawal, change)


def forget_reunion(
    connection: Connection, code_commune: str, reunion: Reunion, *, by: Actor, reason: str = ""
) -> list[str]:
    """Take a meeting away; the labels of the tableaux to make again.

    Raises:
        RefusedError: there was none on that day, or as of `note_reunion`.
    """
    because = f"la réunion de la commission du {short_date(reunion.date)}{_about(reunion)} a été retirée"
    withdrawal = Withdrawal(None, Action.REUNION_CHANGED, because, by.name, reason, by.account, code_commune)
    return _change_calendar(
        connection, code_commune, withdrawal, lambda: remove_reunion(connection, code_commune, reunion)
    )


def _about(reunion: Reunion) -> str:
    return f" (liste {reunion.liste})" if reunion.liste else ""


def note_scrutin(
    connection: Connection, scrutin: KnownScrutin, *, replaces: date | None = None, by: Actor, reason: str = ""
) -> list[str]:
    """Note a poll, instead of the one on the day `replaces`; the labels of the tableaux to make again.

    Raises:
        RefusedError: nobody votes on that day, the list would close after it, there was none to replace, or as of
            `note_reunion`.
    """
    moved = replaces if replaces != scrutin.date else None

    def change() -> None:
        if moved:
            remove_scrutin(connection, scrutin.code_commune, moved)
        set_scrutin(connection, scrutin)

    said = f"{scrutin.libelle or 'sans libellé'}{f', {scrutin.texte}' if scrutin.texte else ''}"
    because = f"le scrutin du {short_date(scrutin.date)} est noté ({said})"
    if moved:
        because = f"le scrutin est le {short_date(scrutin.date)}, et non le {short_date(moved)}"
    withdrawal = Withdrawal(None, Action.SCRUTIN_CHANGED, because, by.name, reason, by.account, scrutin.code_commune)
    return _change_calendar(connection, scrutin.code_commune, withdrawal, change, gone=moved)


def forget_scrutin(connection: Connection, code_commune: str, day: date, *, by: Actor, reason: str = "") -> list[str]:
    """Take a poll away; the labels of the tableaux that were made for it.

    Raises:
        RefusedError: there was none on that day, or as of `note_reunion`.
    """
    withdrawal = Withdrawal(
        None,
        Action.SCRUTIN_CHANGED,
        f"le scrutin du {short_date(day)} a été retiré",
        by.name,
        reason,
        by.account,
        code_commune,
    )
    return _change_calendar(
        connection, code_commune, withdrawal, lambda: remove_scrutin(connection, code_commune, day), gone=day
    )


class Completed(NamedTuple):
    """What became of dates and motifs that were completed."""

    noted: int
    recalled: list[str]
    """The labels of the tableaux to make again: those that print one of them, and printed another."""


def complete_motifs(
    connection: Connection, code_commune: str, completed: Sequence[CompletedMotif], *, by: Actor
) -> Completed:
    """Note the dates and motifs of mouvements.

    Raises:
        RefusedError: one cannot be noted: the transaction must not be committed.
    """
    numbers = [it.mouvement for it in completed]
    return _complete(connection, code_commune, numbers, by, lambda: note_motifs(connection, code_commune, completed))


def read_completed(connection: Connection, code_commune: str, path: Path, *, by: Actor) -> Completed:
    """The same, of a file that was completed.

    Raises:
        ImportRefusedError: it is another file, or a line cannot be noted: the transaction must not be committed.
    """
    completed = read_motifs(path)
    numbers = [it.mouvement for it in completed]
    return _complete(connection, code_commune, numbers, by, lambda: note_lines(connection, code_commune, completed))


def _complete(
    connection: Connection, code_commune: str, numbers: Sequence[int], by: Actor, change: Callable[[], None]
) -> Completed:
    because = f"la date ou le motif de {count_of(len(numbers), 'mouvement')} a été complété"
    withdrawal = Withdrawal(
        None, Action.MOTIFS_COMPLETED, because, by.name, account=by.account, code_commune=code_commune, says_why=True
    )
    people: dict[Identite, str] = {}
    rest = iter(numbers)
    while batch := list(islice(rest, _AT_ONCE)):
        for liste in Liste:
            for it in select_mouvements(connection, code_commune, liste, MouvementRegistre.id.in_(batch)):
                people[identite_of(it.personne)] = it.personne.date_naissance
    births = {*people.values()}
    recalled = _change_lines(connection, withdrawal, lambda it: identite_of(it) in people, births, change)
    return Completed(len(numbers), recalled)


def describe_bureau(
    connection: Connection, code_commune: str, code: str, description: Mapping[str, str], *, by: Actor
) -> DescribedBureau:
    """Note what is known of a bureau besides the export, and return it whole.

    Raises:
        RefusedError: the commune has no such bureau.
    """
    described = set_bureau(connection, code_commune, code, **description)
    said = f"bureau {code} : canton {described.code_canton or '?'} {described.libelle_canton}".rstrip()
    said += f", circonscription {described.code_circonscription or '?'} {described.libelle_circonscription}".rstrip()
    _record(connection, Action.BUREAU_DESCRIBED, code_commune, by, said)
    return described


def protect(connection: Connection, code_commune: str, protege: Protege, *, by: Actor) -> list[str]:
    """Protect an elector; the labels of the tableaux that print her address. Code électoral, art. L. 37.

    Raises:
        RefusedError: the register does not know her.
    """
    withdrawal = Withdrawal(
        None,
        Action.PROTECTION_CHANGED,
        "une adresse n'est plus à afficher (art. L. 37)",
        by.name,
        account=by.account,
        code_commune=code_commune,
        says_why=True,
    )
    key = protege.folded()
    return _change_lines(
        connection,
        withdrawal,
        lambda it: Protege(it.nom_naissance, it.prenoms, it.date_naissance).folded() == key,
        {protege.date_naissance},
        lambda: add_protection(connection, code_commune, protege),
    )


def lift_protection(connection: Connection, code_commune: str, protege: Protege, *, by: Actor) -> list[str]:
    """Protect an elector no more; no tableau is recalled, since an address that is masked harms nobody.

    Raises:
        RefusedError: she was not protected.
    """
    remove_protection(connection, code_commune, protege)
    _record(connection, Action.PROTECTION_CHANGED, code_commune, by, "protection levée")
    return []


def require_may_protect(connection: Connection, code_commune: str, agent: str) -> None:
    """Go on only if the agent may see and change who is protected in the commune.

    Raises:
        RefusedError: that right was not given to her.
    """
    is_it = Agent.name == agent, Agent.code_commune == code_commune, Agent.may_protect.is_(True)
    if connection.scalar(select(Agent.name).where(*is_it)) is None:
        raise RefusedError(
            "Vous n'avez pas le droit de changer les électeurs protégés : demandez-le à la personne qui administre le "
            "service.",
            code="agent_sans_droit",
            field="data.requested_by",
        )


def choose_wishes(connection: Connection, code_commune: str, wishes: Sequence[Wish], *, by: Actor) -> None:
    """Note what an agent wants to be mailed about a commune.

    Raises:
        RefusedError: she is no agent of it.
    """
    is_it = Agent.name == by.name, Agent.code_commune == code_commune
    kinds = join_wishes(wishes)
    if not connection.execute(update(Agent).where(*is_it).values(kinds=kinds)).rowcount:
        raise RefusedError(
            "Cet agent n'est pas inscrit pour la commune.", code="agent_inconnu", field="data.requested_by"
        )
    said = ", ".join(wish.label for wish in Wish if wish in split_wishes(kinds)) or "rien"
    _record(connection, Action.WISHES_CHANGED, code_commune, by, said)


def note_seen(connection: Connection, code_commune: str, seen: ElecteursSeen, *, by: Actor) -> None:
    """Put on record that a page which names electors was shown.

    Raises:
        RefusedError: the file that it was about is not one of the commune.
    """
    said = f"{seen.page.label} : {count_of(seen.electeurs, 'électeur')}"
    if seen.export is not None:
        said = f"{said}, {_name_of(connection, code_commune, seen.export)}"
    _record(connection, Action.ELECTEURS_SEEN, code_commune, by, said, export_id=seen.export)


def note_handled(connection: Connection, code_commune: str, handled: AnomaliesHandled, *, by: Actor) -> None:
    """Put on record which lines of a report an agent has dealt with: the trail is all that keeps it.

    The screen reads the numbers there (`producers.web.anomalies.page`); whether it is true, the next export says.

    Raises:
        RefusedError: the file is not one of the commune.
    """
    _name_of(connection, code_commune, handled.export)
    said = "traité" if handled.is_handled else "à traiter"
    lines = ", ".join(map(str, sorted(set(handled.lines))))
    _record(
        connection,
        Action.ANOMALIES_HANDLED,
        code_commune,
        by,
        f"{said}, lignes du rapport : {lines}",
        export_id=handled.export,
    )


def note_download(connection: Connection, code_commune: str, begun: DownloadBegun, *, by: Actor) -> None:
    """Put on record that a file is about to be given.

    Raises:
        RefusedError: it is not one of the commune.
    """
    name = _name_of(connection, code_commune, begun.export)
    said = name if begun.piece is Piece.FICHIER else f"{name} ({begun.piece})"
    _record(connection, Action.DOWNLOAD_BEGUN, code_commune, by, said, export_id=begun.export)


def _name_of(connection: Connection, code_commune: str, export_id: int) -> str:
    is_it = Export.id == export_id, Export.code_commune == code_commune
    if (name := connection.scalar(select(Export.file_name).where(*is_it))) is None:
        raise RefusedError(
            f"Fichier inconnu : un des numéros n'est pas celui d'un fichier de {code_commune}.",
            code="fichier_inconnu",
            field="data.note.export",
        )
    return name


def note_login(connection: Connection, code_commune: str, identity: str, *, by: Actor) -> None:
    """Put on record that an agent logged in, and bind her to the provider's identity the first time.

    Raises:
        RefusedError: she is no agent of the commune.
    """
    bound = connection.scalars(select(Agent.identity).where(Agent.name == by.name).with_for_update()).all()
    if not bound:
        raise RefusedError(
            "Cet agent n'est pas inscrit pour la commune.", code="agent_inconnu", field="data.requested_by"
        )
    is_hers = set(bound) <= {"", identity}
    if is_hers:
        connection.execute(update(Agent).where(Agent.name == by.name).values(identity=identity))
    _record(connection, Action.LOGGED_IN if is_hers else Action.LOGIN_REFUSED, code_commune, by, "")


def _record(
    connection: Connection,
    action: Action,
    code_commune: str,
    by: Actor,
    detail: str,
    *,
    export_id: int | None = None,
) -> None:
    record_audit(
        connection,
        action,
        actor=by.name,
        account=by.account,
        code_commune=code_commune,
        export_id=export_id,
        detail=detail,
    )


def _change_calendar(
    connection: Connection,
    code_commune: str,
    withdrawal: Withdrawal,
    change: Callable[[], None],
    *,
    gone: date | None = None,
) -> list[str]:
    """Make the change, and recall the tableaux that it concerns: of the commune, or of all for a national poll.

    `gone`: nobody votes on that day any more, so what was made for it is to be looked at again.
    """
    tableaux = select(Export).where(
        Export.kind == ExportKind.TABLEAU,
        Export.status.in_([ExportStatus.READY, *UNFINISHED]),
        Export.recall_id.is_(None),
    )
    if code_commune:
        tableaux = tableaux.where(Export.code_commune == code_commune)
    before = _read_calendriers(connection, tableaux)
    change()
    after = {key: read_calendrier(connection, *key) for key in before}
    return recall_tableaux(connection, withdrawal, _find_stale(connection, tableaux, before, after, gone))


@dataclass(frozen=True)
class _Some(MouvementSource):
    """What the register holds of a few people only."""

    is_one: Callable[[Personne], bool] = field(kw_only=True)

    def stream(self) -> Iterator[Mouvement]:
        return (it for it in super().stream() if self.is_one(it.personne))

    def young(self, born_after: str, born_until: str, version: int | None = None) -> Iterator[Mouvement]:
        return (it for it in super().young(born_after, born_until, version) if self.is_one(it.personne))


def _change_lines(
    connection: Connection,
    withdrawal: Withdrawal,
    is_one: Callable[[Personne], bool],
    births: Collection[str],
    change: Callable[[], None],
) -> list[str]:
    """Make a change about a few people, born on these dates, and recall the tableaux that print them otherwise now.

    A tableau that is being made begins again, one that waits is made of what is true now. The register first and the
    files last, as an undo has it: two that wait for each other would both be lost.
    """
    code_commune = withdrawal.code_commune
    conditions = (MouvementRegistre.date_naissance.in_(births),) if len(births) <= _AT_ONCE else ()

    def read() -> dict[int, Counter[_Said]]:
        return dict(_read_lines(connection, code_commune, conditions, is_one))

    before = read()
    change()
    restart(connection, and_(Export.kind == ExportKind.TABLEAU, Export.code_commune == code_commune))
    stale = [number for number, lines in read().items() if lines != before.get(number, Counter())]
    return recall_tableaux(connection, withdrawal, stale)


class _Said(NamedTuple):
    """What a tableau says of one mouvement: what it adds to which count, and its line; a récapitulatif has no lines."""

    nature: Nature
    bureau: str
    correction: int
    is_in_period: bool
    is_perhaps_l30: bool
    ligne: Ligne | None


def _say(mouvement: Mouvement, demande: Demande) -> _Said | None:
    """None: the tableau says nothing of it."""
    is_since_2019 = demande.law.regime is Regime.REPERTOIRE_UNIQUE
    is_shown, sign = is_in(mouvement, demande), correction(mouvement, demande)
    is_counted = is_since_2019 and is_in_period(mouvement, demande)
    if not (is_shown or sign or is_counted):
        return None
    rules = LigneRules(demande.edition, has_nationalite=False, has_dates=demande.modele.has_dates)
    has_line = is_shown and demande.presentation is not Presentation.RECAPITULATIF
    return _Said(
        mouvement.nature,
        format_bureau(mouvement),
        sign,
        is_counted,
        is_perhaps_l30(mouvement, demande),
        rules.to_ligne(mouvement) if has_line else None,
    )


def _read_lines(
    connection: Connection,
    code_commune: str,
    conditions: tuple[ColumnElement[bool], ...],
    is_one: Callable[[Personne], bool],
) -> Iterator[tuple[int, Counter[_Said]]]:
    """By its number, what each tableau that is ready says of these people."""
    ready = select(Export).where(
        Export.kind == ExportKind.TABLEAU,
        Export.status == ExportStatus.READY,
        Export.recall_id.is_(None),
        Export.code_commune == code_commune,
    )
    with Session(connection) as session:
        tableaux = session.scalars(ready.options(joinedload(Export.request)).order_by(Export.id)).all()
        commune = require_commune(connection, code_commune) if tableaux else None
        for export in tableaux:
            liste, demande = export.nom_liste, read_demande(export)
            version = commune.versions.get(liste, NO_VERSION) if commune else NO_VERSION
            some = _Some(connection, code_commune, liste, version, lambda _: None, conditions, is_one=is_one)
            said = (_say(it, demande) for it in OfAge(Period.of(demande), some).stream())
            yield export.id, Counter(it for it in said if it)


def _read_calendriers(connection: Connection, tableaux: Select[Export]) -> dict[tuple[str, Liste], Calendrier]:
    listes = tableaux.with_only_columns(Export.code_commune, Export.liste).distinct()
    keys = [(code, Liste(liste)) for code, liste in connection.execute(listes)]
    return {key: read_calendrier(connection, *key) for key in keys}


def _find_stale(
    connection: Connection,
    tableaux: Select[Export],
    before: Mapping[tuple[str, Liste], Calendrier],
    after: Mapping[tuple[str, Liste], Calendrier],
    gone: date | None,
) -> Iterator[int]:
    with Session(connection) as session:
        for export in session.scalars(tableaux.options(joinedload(Export.request)).order_by(Export.id)).all():
            demande = read_demande(export)
            known = before[export.code_commune, export.nom_liste]
            calendrier = after[export.code_commune, export.nom_liste]
            is_gone = gone is not None and demande.scrutin == gone and gone not in calendrier.scrutins
            if is_gone or _count(demande, known, known) != _count(demande, known, calendrier):
                yield export.id


def _count(demande: Demande, known: Calendrier, calendrier: Calendrier) -> list[date | None] | None:
    """The days that a tableau would be counted from by a calendar; None when it could not be made.

    A day that `known`, the calendar it was asked under, did not give was said by whoever asked for it, and stays.
    """
    dates = {name: getattr(demande, name) for name in ("scrutin", "date_tableau", "publication")}
    asked = TableauxRenderRequested.model_construct(commune="", requested_by="", types=[demande.type], **dates)
    try:
        if demande.until != dates_of(asked, demande.type, known)["until"]:
            asked = asked.model_copy(update={"until": demande.until})
        if demande.reunion != dates_of(asked, demande.type, known)["reunion"]:
            asked = asked.model_copy(update={"reunion": demande.reunion})
        counted = replace(demande, **dates_of(asked, demande.type, calendrier))
        return [getattr(counted, name) for name in _COUNTED_FROM]
    except DemandeInvalide:
        return None


def decide(
    connection: Connection,
    doubt_id: int,
    decision: DoubtDecision,
    *,
    by: str,
    account: str = "",
    code_commune: str | None = None,
) -> Decided:
    """Decide and put it on record, doubts that are answered with it included.

    Raises:
        RefusedError: no such doubt in the commune, or it was decided before.
    """
    decided = decide_doubt(connection, doubt_id, decision, by=by, code_commune=code_commune)
    said = f"doute n° {doubt_id}, liste {decided.liste} : {decision.label} ({describe_differing(decided.differs)})"
    followed = f"doute n° {{}}, liste {decided.liste} : {DoubtDecision.TWO_PERSONS.label}, d'après le n° {doubt_id}"
    for detail in (said, *map(followed.format, decided.others)):
        record_audit(
            connection,
            Action.DOUBT_DECIDED,
            actor=by,
            account=account,
            code_commune=decided.code_commune,
            detail=detail,
        )
    return decided


@dataclass(frozen=True)
class DoubtAnswer(Declaration):
    """What an agent said of a doubt; it is about no file."""

    doubt: int = field(kw_only=True)
    decision: DoubtDecision = field(kw_only=True)

    def apply(self, connection: Connection, now: datetime) -> None:  # noqa: ARG002 — no day is said
        """Decide, in the transaction of the request."""
        decide(
            connection, self.doubt, self.decision, by=self.requested_by, account=self.account, code_commune=self.commune
        )


def read_decision(event: CloudEvent, services: Services, authorization: Authorization) -> DoubtAnswer:
    """Read the decision.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DoubtDecided)
    authorization.require(asked.commune)
    require_own_register(services, asked.commune)
    return DoubtAnswer(asked.commune, asked.requested_by, event.time, doubt=asked.doubt, decision=asked.decision)
