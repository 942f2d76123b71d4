"""The event `declaration` and the command `declare`: facts about the register that are in no export of the REU.

A meeting or a poll changes which days a tableau is counted from; a motif or a protection changes what it prints. The
tableaux that change are recalled in the same transaction. The audit trail names no elector.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from common.french import capitalized, count_of, short_date
from schemas.declarations import (
    BureauDescribed,
    CompletedMotif,
    DeclarationNoted,
    DoubtDecided,
    ElecteurProtected,
    FileNote,
    MotifsCompleted,
    RegisterNote,
    ReunionNoted,
    ScrutinNoted,
)
from schemas.envelope import CloudEvent
from schemas.vocabulary import DoubtDecision, Liste
from worker.access.authorization import Authorization
from worker.access.models import Agent
from worker.audit import Action, Actor, record_audit
from worker.domain.identite import identite_of
from worker.errors import RefusedError
from worker.exports.recalls import Withdrawal
from worker.handlers.declarations.file_notes import Declaration, read_file_note, refuse_future
from worker.handlers.declarations.stale_tableaux import change_calendar, change_lines
from worker.handlers.requests.export_plan import read_data, require_own_register
from worker.registre.communes import check_commune, set_bureau
from worker.registre.comparaison.doubts import decide_doubt, describe_differing
from worker.registre.imports.lines import parse_bureau
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.motifs import note_motifs
from worker.registre.mouvements.queries import select_mouvements
from worker.registre.protections import (
    Protege,
    add_protection,
    find_electeur,
    find_protection,
    remove_protection,
)
from worker.registre.scrutins import (
    ALL_LISTS,
    KnownScrutin,
    Reunion,
    add_reunion,
    remove_reunion,
    remove_scrutin,
    set_scrutin,
)
from worker.services import Services

_AT_ONCE = 500
"""Mouvements in one statement."""


@dataclass(frozen=True)
class RegisterDeclaration(Declaration):
    """One note about the register."""

    note: RegisterNote = field(kw_only=True)

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write the note. An agent needs the right to protect electors in order to protect one."""
        if isinstance(self.note, ReunionNoted) and not self.note.removed:
            refuse_future(self.note.jour, now, commune=self.commune, field="note.jour")
        try:
            check_commune(connection, self.commune)
            if isinstance(self.note, ElecteurProtected):
                _require_may_protect(connection, self.commune, self.requested_by)
            declare(connection, self.commune, self.note, by=Actor(self.requested_by, self.account))
        except RefusedError as refusal:
            raise RefusedError(
                f"{capitalized(str(refusal)).rstrip('.')}.",
                code=refusal.code,
                field=refusal.faults[0].field or "data.note",
            ) from None


def read_declaration(event: CloudEvent, services: Services, authorization: Authorization) -> Declaration:
    """Read the declaration of an event."""
    asked = read_data(event, DeclarationNoted)
    if isinstance(asked.note, FileNote):
        return read_file_note(asked, asked.note, event.time, services, authorization)
    authorization.require(asked.commune)
    require_own_register(services)
    return RegisterDeclaration(asked.commune, asked.requested_by, event.time, note=asked.note)


def declare(connection: Connection, code_commune: str, note: RegisterNote, *, by: Actor) -> list[str]:
    """Write a note in the register and in the audit trail; return the labels of the recalled tableaux.

    `code_commune` is empty for a poll of the whole country.

    Raises:
        RefusedError: the note cannot be written, or it recalls a tableau in use and gives no reason; the transaction
            must not be committed.
    """
    recalled: list[str] = []
    match note:
        case ReunionNoted():
            recalled = _declare_reunion(connection, code_commune, note, by)
        case ScrutinNoted():
            recalled = _declare_scrutin(connection, code_commune, note, by)
        case MotifsCompleted(motifs=motifs):
            recalled = _complete_motifs(connection, code_commune, motifs, by)
        case ElecteurProtected(electeur=int(number)):
            recalled = protect(connection, code_commune, find_electeur(connection, code_commune, number), by=by)
        case ElecteurProtected(lifted=int(number)):
            lift_protection(connection, code_commune, find_protection(connection, code_commune, number), by=by)
        case BureauDescribed():
            _describe_bureau(connection, code_commune, note, by)
        case DoubtDecided():
            _decide_doubt(connection, code_commune, note, by)
    return recalled


def _declare_reunion(connection: Connection, code_commune: str, note: ReunionNoted, by: Actor) -> list[str]:
    reunion = Reunion(note.liste.value if note.liste else ALL_LISTS, note.jour, note.has_deliberated)
    about = f" (liste {note.liste})" if note.liste else ""

    def change() -> None:
        if former := note.jour if note.removed else note.replaces:
            remove_reunion(connection, code_commune, reunion._replace(date=former))
        if not note.removed:
            add_reunion(connection, code_commune, reunion)

    if note.removed:
        because = f"la réunion de la commission du {short_date(note.jour)}{about} a été retirée"
    else:
        because = f"la commission de contrôle s'est réunie le {short_date(note.jour)}{about}"
        if note.replaces and note.replaces != note.jour:
            because += f", et non le {short_date(note.replaces)}"
        if not note.has_deliberated:
            because += ", sans pouvoir délibérer"
    withdrawal = Withdrawal(None, Action.REUNION_CHANGED, because, by.name, note.reason, by.account, code_commune)
    return change_calendar(connection, withdrawal, change)


def _declare_scrutin(connection: Connection, code_commune: str, note: ScrutinNoted, by: Actor) -> list[str]:
    moved = note.replaces if note.replaces != note.jour else None
    gone = note.jour if note.removed else moved

    def change() -> None:
        if gone:
            remove_scrutin(connection, code_commune, gone)
        if not note.removed:
            values = note.model_dump(include=set(KnownScrutin._fields))
            set_scrutin(connection, KnownScrutin(code_commune, note.jour, **values))

    said = f"{note.libelle or 'sans libellé'}{f', {note.texte}' if note.texte else ''}"
    because = f"le scrutin du {short_date(note.jour)} est noté ({said})"
    if note.removed:
        because = f"le scrutin du {short_date(note.jour)} a été retiré"
    elif moved:
        because = f"le scrutin est le {short_date(note.jour)}, et non le {short_date(moved)}"
    withdrawal = Withdrawal(None, Action.SCRUTIN_CHANGED, because, by.name, note.reason, by.account, code_commune)
    return change_calendar(connection, withdrawal, change, gone=gone)


def _complete_motifs(
    connection: Connection, code_commune: str, completed: Sequence[CompletedMotif], by: Actor
) -> list[str]:
    because = f"la date ou le motif de {count_of(len(completed), 'mouvement')} a été complété"
    numbers = [it.mouvement for it in completed]
    people = {
        identite_of(it.personne): it.personne.date_naissance
        for at in range(0, len(numbers), _AT_ONCE)
        for liste in Liste
        for it in select_mouvements(
            connection, code_commune, liste, MouvementRegistre.id.in_(numbers[at : at + _AT_ONCE])
        )
    }
    return change_lines(
        connection,
        _print_change(Action.MOTIFS_COMPLETED, because, code_commune, by),
        lambda it: identite_of(it) in people,
        {*people.values()},
        lambda: note_motifs(connection, code_commune, completed),
    )


def _describe_bureau(connection: Connection, code_commune: str, note: BureauDescribed, by: Actor) -> None:
    code = parse_bureau(note.bureau)
    description = note.model_dump(exclude={"kind", "bureau"}, exclude_none=True)
    described = set_bureau(connection, code_commune, code, **description)
    said = f"bureau {code} : canton {described.code_canton or '?'} {described.libelle_canton}".rstrip()
    said += f", circonscription {described.code_circonscription or '?'} {described.libelle_circonscription}".rstrip()
    _record(connection, Action.BUREAU_DESCRIBED, code_commune, by, said)


def protect(connection: Connection, code_commune: str, protege: Protege, *, by: Actor) -> list[str]:
    """Protect an elector; return the labels of the tableaux that print the address. Code électoral, art. L. 37.

    Raises:
        RefusedError: the register does not know the elector.
    """
    key = protege.folded()
    return change_lines(
        connection,
        _print_change(Action.PROTECTION_CHANGED, "une adresse n'est plus à afficher (art. L. 37)", code_commune, by),
        lambda it: Protege(it.nom_naissance, it.prenoms, it.date_naissance).folded() == key,
        {protege.date_naissance},
        lambda: add_protection(connection, code_commune, protege),
    )


def lift_protection(connection: Connection, code_commune: str, protege: Protege, *, by: Actor) -> None:
    """Lift the protection of an elector. No tableau is recalled: a hidden address harms no elector.

    Raises:
        RefusedError: the elector is not protected.
    """
    remove_protection(connection, code_commune, protege)
    _record(connection, Action.PROTECTION_CHANGED, code_commune, by, "protection levée")


def _decide_doubt(connection: Connection, code_commune: str, note: DoubtDecided, by: Actor) -> None:
    decided = decide_doubt(connection, note.doubt, note.decision, by=by.name, code_commune=code_commune)
    about = f"liste {decided.liste}"
    said = f"doute n° {note.doubt}, {about} : {note.decision.label} ({describe_differing(decided.differs)})"
    _record(connection, Action.DOUBT_DECIDED, code_commune, by, said)
    for other in decided.others:
        said = f"doute n° {other}, {about} : {DoubtDecision.TWO_PERSONS.label}, d'après le n° {note.doubt}"
        _record(connection, Action.DOUBT_DECIDED, code_commune, by, said)


def _print_change(action: Action, because: str, code_commune: str, by: Actor) -> Withdrawal:
    return Withdrawal(None, action, because, by.name, account=by.account, code_commune=code_commune, says_why=True)


def _record(connection: Connection, action: Action, code_commune: str, by: Actor, detail: str) -> None:
    record_audit(connection, action, actor=by, code_commune=code_commune, detail=detail)


def _require_may_protect(connection: Connection, code_commune: str, agent: str) -> None:
    is_it = Agent.name == agent, Agent.code_commune == code_commune, Agent.may_protect.is_(True)
    if connection.scalar(select(Agent.name).where(*is_it)) is None:
        raise RefusedError(
            "Vous n'avez pas le droit de changer les électeurs protégés : demandez-le à la personne qui administre le "
            "service.",
            code="agent_sans_droit",
            field="data.requested_by",
        )
