"""The event `declaration` and the command `declare`: facts about the register that are in no export of the REU.

A meeting or a poll changes which days a tableau is counted from; a motif or a protection changes what it prints. The
tableaux that become stale are recalled in the same transaction. The audit trail names no elector.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import date, datetime
from functools import cache

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session, joinedload

from common.calendrier import CalendarReunion, CalendarScrutin
from common.french import capitalized, count_of, short_date
from common.texte import clean
from schemas import declarations
from schemas.declarations import (
    BureauxDescribed,
    CompletedMotif,
    DeclarationNoted,
    DoubtDecided,
    ElecteurProtected,
    FileNote,
    MairieDescribed,
    MotifsCompleted,
    RegisterNote,
    ReunionNoted,
    ScrutinNoted,
)
from schemas.envelope import CloudEvent
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import Presentation
from schemas.vocabulary import (
    UNFINISHED,
    Action,
    CopieFile,
    DoubtDecision,
    ExportKind,
    ExportStatus,
    Liste,
)
from worker.access.authorization import Authorization
from worker.access.models import Agent
from worker.audit import Actor, WordKind, Words, record_audit
from worker.domain.identite import Mouvement, Personne, identite_of
from worker.domain.letter import Mairie
from worker.domain.majorite import OfAge, Period
from worker.domain.tableau.composition import OfSecteur
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
from worker.domain.tableau.model import MODELES, LigneRules, format_bureau
from worker.errors import ExportError, RefusedError
from worker.exports.models import Copie, Export
from worker.exports.recalls import Withdrawal, recall_tableaux
from worker.exports.records import restart
from worker.handlers.declarations.file_notes import (
    Declaration,
    read_file_note,
    refuse_changed,
    refuse_future,
)
from worker.handlers.requests.export_plan import read_data, read_demande, require_own_register
from worker.registre.communes import (
    NO_VERSION,
    DescribedBureau,
    check_commune,
    read_mairie,
    require_commune,
    select_bureaux,
    set_bureaux,
    set_mairie,
)
from worker.registre.comparaison.doubts import decide_doubt, describe_differing, find_people
from worker.registre.imports.lines import parse_bureau
from worker.registre.models import Electeur, MouvementRegistre
from worker.registre.mouvements.queries import PeopleSource, note_motifs, select_mouvements
from worker.registre.protections import (
    Protege,
    add_protection,
    find_electeur,
    find_protection,
    remove_protection,
    select_protections,
)
from worker.registre.scrutins import (
    ALL_LISTS,
    add_reunion,
    read_calendrier,
    remove_reunion,
    remove_scrutin,
    select_reunions,
    select_scrutins,
    set_scrutin,
)
from worker.registre.secteurs import others_of
from worker.services import Services


@dataclass(frozen=True)
class RegisterDeclaration(Declaration):
    """One note about the register."""

    note: RegisterNote = field(kw_only=True)

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write the note. An agent needs the right to protect electors in order to protect one."""
        try:
            check_commune(connection, self.commune)
            if isinstance(self.note, ElecteurProtected):
                _require_may_protect(connection, self.commune, self.requested_by)
            if isinstance(self.note, ReunionNoted | ScrutinNoted):
                _refuse_changed_day(connection, self.commune, self.note, self.seen)
            if isinstance(self.note, MairieDescribed):
                known = [it for it in [read_mairie(connection, self.commune)] if any(it)]
                refuse_changed(self.seen, known, [_to_mairie(self.note)])
            if isinstance(self.note, BureauxDescribed):
                _refuse_changed_bureaux(connection, self.commune, self.note, self.seen)
            by = Actor(self.requested_by, self.account)
            declare(connection, self.commune, self.note, by=by, now=now)
        except RefusedError as refusal:
            raise RefusedError(
                f"{capitalized(str(refusal)).rstrip('.')}.",
                code=refusal.code,
                field=refusal.faults[0].field or "data.note",
            ) from None


def read_declaration(
    event: CloudEvent, services: Services, authorization: Authorization
) -> Declaration:
    """Read the declaration of an event."""
    asked = read_data(event, DeclarationNoted)
    if isinstance(asked.note, FileNote):
        return read_file_note(asked, asked.note, event.time, services, authorization)
    authorization.require(asked.commune)
    require_own_register(services)
    return RegisterDeclaration(
        asked.commune, asked.requested_by, event.time, note=asked.note, seen=asked.seen
    )


def declare(
    connection: Connection, code_commune: str, note: RegisterNote, *, by: Actor, now: datetime
) -> list[str]:
    """Write a note in the register and in the audit trail; return the labels of the recalled tableaux.

    `code_commune` is empty for a poll of the whole country.

    Raises:
        RefusedError: the note cannot be written, its day cannot be, or it recalls a tableau in use and gives no
            reason; the transaction must not be committed.
    """
    recalled: list[str] = []
    if isinstance(note, ReunionNoted | ScrutinNoted) and not note.removed:
        _refuse_impossible_day(code_commune, note, now)
    match note:
        case ReunionNoted():
            recalled = _declare_reunion(connection, code_commune, note, by)
        case ScrutinNoted():
            recalled = _declare_scrutin(connection, code_commune, note, by)
        case MotifsCompleted(motifs=motifs):
            recalled = _complete_motifs(connection, code_commune, motifs, by)
        case ElecteurProtected(electeur=int(number)):
            recalled = protect(
                connection, code_commune, find_electeur(connection, code_commune, number), by=by
            )
        case ElecteurProtected(lifted=int(number)):
            lift_protection(
                connection, code_commune, find_protection(connection, code_commune, number), by=by
            )
        case BureauxDescribed(bureaux=bureaux):
            _describe_bureaux(connection, code_commune, bureaux, by)
        case MairieDescribed():
            set_mairie(connection, code_commune, _to_mairie(note))
            record_audit(connection, Action.MAIRIE_DESCRIBED, actor=by, code_commune=code_commune)
        case DoubtDecided():
            recalled = _decide_doubt(connection, code_commune, note, by)
    return recalled


def _describe_bureaux(
    connection: Connection,
    code_commune: str,
    bureaux: Sequence[declarations.DescribedBureau],
    by: Actor,
) -> None:
    values = {
        parse_bureau(it.bureau): it.model_dump(exclude={"bureau"}, exclude_none=True)
        for it in bureaux
    }
    if changed := set_bureaux(connection, code_commune, values):
        detail = [Words(WordKind.TEXTE, " ; ".join(map(_describe_bureau, changed)))]
        record_audit(
            connection, Action.BUREAU_DESCRIBED, actor=by, code_commune=code_commune, detail=detail
        )


_SAID_OF_BUREAU = [name for name in declarations.DescribedBureau.model_fields if name != "bureau"]


def _refuse_changed_bureaux(
    connection: Connection, code_commune: str, note: BureauxDescribed, seen: str | None
) -> None:
    """Compare what is noted of the bureaux with what was seen of them.

    Raises:
        RefusedError: another agent has changed one since.
    """
    codes = {parse_bureau(it.bureau) for it in note.bureaux}
    there = [it for it in select_bureaux(connection, [code_commune]) if it.code in codes]
    known = [[it.code, *map(it.description.__getitem__, _SAID_OF_BUREAU)] for it in there]
    refuse_changed(seen, known, [])


def _to_mairie(note: MairieDescribed) -> Mairie:
    return Mairie(**note.model_dump(include=set(Mairie._fields)))


def _refuse_impossible_day(
    code_commune: str, note: ReunionNoted | ScrutinNoted, now: datetime
) -> None:
    first, last = 2000, now.year + 2  # tableaux of the years before 2019 are still made
    if not first <= note.jour.year <= last:
        said = f"le {short_date(note.jour)} est trop loin : notez un jour entre {first} et {last}"
        raise RefusedError(said, code="date_hors_periode", field="data.note.jour")
    if isinstance(note, ReunionNoted):
        refuse_future(note.jour, now, commune=code_commune, field="note.jour")


def _describe_bureau(bureau: DescribedBureau) -> str:
    said = f"bureau {bureau.code} : canton {bureau.code_canton or '?'} {bureau.libelle_canton}".rstrip()
    return f"{said}, circonscription {bureau.code_circonscription or '?'} {bureau.libelle_circonscription}".rstrip()


def _to_reunion(note: ReunionNoted) -> CalendarReunion:
    liste = note.liste.value if note.liste else ALL_LISTS
    return CalendarReunion(note.jour, liste, note.has_deliberated)


def _to_scrutin(code_commune: str, note: ScrutinNoted) -> CalendarScrutin:
    values = note.model_dump(include={field.name for field in fields(CalendarScrutin)})
    return CalendarScrutin(code_commune=code_commune, **values)


def _refuse_changed_day(
    connection: Connection, code_commune: str, note: ReunionNoted | ScrutinNoted, seen: str | None
) -> None:
    """Compare what is noted on the day of a meeting or poll, and on the day that it replaces, with what was seen.

    Raises:
        RefusedError: another agent has changed it since.
    """
    known: list[CalendarReunion] | list[CalendarScrutin]
    said: CalendarReunion | CalendarScrutin
    if isinstance(note, ReunionNoted):
        said = _to_reunion(note)
        known = [it for it in select_reunions(connection, code_commune) if it.liste == said.liste]
    else:
        said = _to_scrutin(code_commune, note)
        known = [
            it
            for it in select_scrutins(connection, code_commune)
            if it.code_commune == code_commune
        ]
    days = {note.jour, note.replaces}
    there = [astuple(it) for it in known if it.jour in days]
    refuse_changed(seen, there, [] if note.removed else [astuple(said)])


def _declare_reunion(
    connection: Connection, code_commune: str, note: ReunionNoted, by: Actor
) -> list[str]:
    reunion = _to_reunion(note)
    about = f" (liste {note.liste})" if note.liste else ""

    def change() -> None:
        if former := note.jour if note.removed else note.replaces:
            remove_reunion(connection, code_commune, replace(reunion, jour=former))
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
    withdrawal = Withdrawal(None, Action.REUNION_CHANGED, because, by, note.reason, code_commune)
    return change_calendar(connection, withdrawal, change)


def _declare_scrutin(
    connection: Connection, code_commune: str, note: ScrutinNoted, by: Actor
) -> list[str]:
    moved = note.replaces if note.replaces != note.jour else None
    gone = note.jour if note.removed else moved

    def change() -> None:
        if gone:
            remove_scrutin(connection, code_commune, gone)
        if not note.removed:
            set_scrutin(connection, _to_scrutin(code_commune, note))

    said = f"{note.libelle or 'sans libellé'}{f', {note.texte}' if note.texte else ''}"
    because = f"le scrutin du {short_date(note.jour)} est noté ({said})"
    if note.removed:
        because = f"le scrutin du {short_date(note.jour)} a été retiré"
    elif moved:
        because = f"le scrutin est le {short_date(note.jour)}, et non le {short_date(moved)}"
    withdrawal = Withdrawal(None, Action.SCRUTIN_CHANGED, because, by, note.reason, code_commune)
    return change_calendar(connection, withdrawal, change, gone=gone)


def _complete_motifs(
    connection: Connection, code_commune: str, completed: Sequence[CompletedMotif], by: Actor
) -> list[str]:
    because = f"la date ou le motif de {count_of(len(completed), 'mouvement')} a été complété"
    numbers = [it.mouvement for it in completed]
    people = {
        identite_of(it.personne): it.personne.date_naissance
        for liste in Liste
        for it in select_mouvements(
            connection, code_commune, liste, MouvementRegistre.id.in_(numbers)
        )
    }
    return change_lines(
        connection,
        _print_change(Action.MOTIFS_COMPLETED, because, code_commune, by),
        lambda it: identite_of(it) in people,
        {*people.values()},
        lambda: note_motifs(connection, code_commune, completed),
    )


def protect(connection: Connection, code_commune: str, protege: Protege, *, by: Actor) -> list[str]:
    """Protect an elector; return the labels of the tableaux and copies that print the address. Source: art. L. 37.

    Raises:
        RefusedError: the register does not know the elector.
    """
    key = protege.folded()
    bureau = (
        select(Copie.bureau)
        .where(Copie.id == Export.parameters["copie"].as_integer())
        .correlate(Export)
    )
    place = (
        Electeur.liste == Export.liste,
        func.coalesce(bureau.scalar_subquery(), "").in_(["", Electeur.code_bureau]),
    )
    shown = exists().where(
        *place, Electeur.code_commune == code_commune, Electeur.date_naissance == key.date_naissance
    )
    return change_lines(
        connection,
        _print_change(
            Action.PROTECTION_CHANGED,
            "une adresse n'est plus à afficher (art. L. 37)",
            code_commune,
            by,
        ),
        lambda it: Protege(it.nom_naissance, it.prenoms, it.date_naissance).folded() == key,
        {protege.date_naissance},
        lambda: add_protection(connection, code_commune, protege),
        copies=[
            and_(Export.edition == CopieFile.COPIE, Export.code_commune == code_commune, shown)
        ],
    )


def protect_marked(connection: Connection, import_id: int, *, by: Actor) -> list[str]:
    """Protect the electors whom the mouvements of an import mark as protected; return the labels as `protect` does.

    Undoing the import lifts no protection: a hidden address harms no elector.
    """
    known, who = MouvementRegistre, (MouvementRegistre.nom_naissance, MouvementRegistre.prenoms)
    marked = select(known.code_commune, *who, known.date_naissance).where(
        known.import_id == import_id
    )
    recalled: list[str] = []
    for code_commune, *identity in connection.execute(
        marked.where(known.is_protegee).distinct()
    ).all():
        protege = Protege(*map(clean, identity))
        if protege.folded() not in {
            it.folded() for it in select_protections(connection, code_commune)
        }:
            recalled += protect(connection, code_commune, protege, by=by)
    return recalled


def lift_protection(
    connection: Connection, code_commune: str, protege: Protege, *, by: Actor
) -> None:
    """Lift the protection of an elector. No tableau is recalled: a hidden address harms no elector.

    Raises:
        RefusedError: the elector is not protected.
    """
    remove_protection(connection, code_commune, protege)
    record_audit(
        connection,
        Action.PROTECTION_CHANGED,
        actor=by,
        code_commune=code_commune,
        detail="protection levée",
    )


def _decide_doubt(
    connection: Connection, code_commune: str, note: DoubtDecided, by: Actor
) -> list[str]:
    """Return the labels of the tableaux to make again; an open doubt changes none, because it blocks them."""
    people = find_people(connection, note.doubt)
    if not people:
        _record_decision(connection, code_commune, note, by)
        return []
    because = f"la réponse au doute n° {note.doubt} a changé"
    return change_lines(
        connection,
        Withdrawal(None, Action.DOUBT_DECIDED, because, by, note.reason, code_commune),
        lambda it: identite_of(it) in people,
        {*people.values()},
        lambda: _record_decision(connection, code_commune, note, by),
    )


def _record_decision(
    connection: Connection, code_commune: str, note: DoubtDecided, by: Actor
) -> None:
    decided = decide_doubt(
        connection,
        note.doubt,
        note.decision,
        by=by.name,
        code_commune=code_commune,
        replaces=note.replaces,
    )
    about = f"liste {decided.liste}"
    said = f"doute n° {note.doubt}, {about} : {note.decision.label} ({describe_differing(decided.differs)})"
    record_audit(connection, Action.DOUBT_DECIDED, actor=by, code_commune=code_commune, detail=said)
    for other in decided.others:
        said = f"doute n° {other}, {about} : {DoubtDecision.TWO_PERSONS.label}, d'après le n° {note.doubt}"
        record_audit(
            connection, Action.DOUBT_DECIDED, actor=by, code_commune=code_commune, detail=said
        )


def _print_change(action: Action, because: str, code_commune: str, by: Actor) -> Withdrawal:
    return Withdrawal(None, action, because, by, code_commune=code_commune, says_why=True)


def _require_may_protect(connection: Connection, code_commune: str, agent: str) -> None:
    is_it = Agent.name == agent, Agent.code_commune == code_commune, Agent.may_protect.is_(True)
    if connection.scalar(select(Agent.name).where(*is_it)) is None:
        raise RefusedError(
            "Vous n'avez pas le droit de changer les électeurs protégés : demandez-le à la personne qui administre le "
            "service.",
            code="agent_sans_droit",
            field="data.requested_by",
        )


_COUNTED_FROM = (
    *(
        "reunion",
        "until",
        "cloture",
        "publication_due",
        "cinq_jours_due",
        "effective_on",
        "age_avant",
        "age_apres",
    ),
)
"""The fields of a Demande that come from the calendar and that decide the contents or the name of a tableau."""


def change_calendar(
    connection: Connection,
    withdrawal: Withdrawal,
    change: Callable[[], None],
    *,
    gone: date | None = None,
) -> list[str]:
    """Change the calendar, and recall the tableaux whose days change. Return their labels.

    A tableau that begins or ends with a meeting is also recalled when that meeting is taken back, even if its request
    gave the day: it states that the commission met.

    Without a commune in the withdrawal, the tableaux of all communes are compared. `gone`: a poll that the change
    removes; tableaux for it are recalled.
    """
    code_commune = withdrawal.code_commune
    is_current = Export.status.in_([ExportStatus.READY, *UNFINISHED]), Export.recall_id.is_(None)
    tableaux = select(Export).where(Export.kind == ExportKind.TABLEAU, *is_current)
    if code_commune:
        tableaux = tableaux.where(Export.code_commune == code_commune)
    listes = tableaux.with_only_columns(
        Export.code_commune, Export.liste, Export.secteur
    ).distinct()
    keys = [(code, Liste(liste), secteur) for code, liste, secteur in connection.execute(listes)]
    before = {key: read_calendrier(connection, *key) for key in keys}
    change()
    after = {key: read_calendrier(connection, *key) for key in before}
    stale: list[int] = []
    with Session(connection) as session:
        for export in session.scalars(
            tableaux.options(joinedload(Export.request)).order_by(Export.id)
        ).all():
            key = export.code_commune, Liste(export.liste), export.secteur
            demande = read_demande(export)
            is_gone = (
                gone is not None and demande.scrutin == gone and gone not in after[key].scrutins
            )
            lost = {*before[key].reunions} - {*after[key].reunions}
            is_of_lost = demande.reunion in lost or demande.until in lost
            counted = [_count(demande, before[key], it) for it in (before[key], after[key])]
            if is_gone or is_of_lost or counted[0] != counted[1]:
                stale.append(export.id)
    return recall_tableaux(connection, withdrawal, stale)


def change_lines(
    connection: Connection,
    withdrawal: Withdrawal,
    is_one: Callable[[Personne], bool],
    births: Collection[str],
    change: Callable[[], None],
    *,
    copies: Sequence[ColumnElement[bool]] = (),
) -> list[str]:
    """Change the mouvements of a few people, born on these dates; recall the tableaux whose lines change, and `copies`.

    Running files restart. The register is locked before the files, as in an undo: the other order deadlocks.
    """
    code_commune = withdrawal.code_commune
    tableaux = and_(Export.kind == ExportKind.TABLEAU, Export.code_commune == code_commune)
    ready = select(Export).where(
        tableaux, Export.status == ExportStatus.READY, Export.recall_id.is_(None)
    )

    def read() -> dict[int, Counter[tuple[object, ...]]]:
        """Return, by the id of each ready tableau, its prints of these people."""
        found: dict[int, Counter[tuple[object, ...]]] = {}

        @cache
        def source(liste: Liste) -> PeopleSource:
            version = require_commune(connection, code_commune).versions.get(liste, NO_VERSION)
            return PeopleSource(
                connection, code_commune, liste, version, lambda _: None, births=births
            )

        @cache
        def others(secteur: int) -> Collection[str]:
            try:
                return others_of(connection, code_commune, secteur) if secteur else ()
            except ExportError:  # the register cannot tell it any more
                return ()

        with Session(connection) as session:
            for export in session.scalars(
                ready.options(joinedload(Export.request)).order_by(Export.id)
            ):
                demande = read_demande(export)
                of_age = OfAge(Period.of(demande), source(Liste(export.liste)))
                of_secteur = OfSecteur(of_age, others(export.secteur)).stream()
                some = (it for it in of_secteur if is_one(it.personne))
                found[export.id] = Counter(filter(None, (_say(it, demande) for it in some)))
        return found

    before = read()
    change()
    restart(connection, or_(tableaux, *copies))
    stale = [number for number, lines in read().items() if lines != before.get(number, Counter())]
    is_there = (
        Export.status == ExportStatus.READY,
        Export.recall_id.is_(None),
        Export.purged_at.is_(None),
    )
    stale += connection.scalars(select(Export.id).where(*is_there, or_(false(), *copies)))
    return recall_tableaux(connection, withdrawal, stale)


def _say(mouvement: Mouvement, demande: Demande) -> tuple[object, ...]:
    """Return the print of one mouvement: its share of the counts, and its line unless the tableau is a récapitulatif.

    It is empty when the tableau does not print the mouvement.
    """
    is_since_2019 = not demande.type.is_repealed
    is_shown, sign = is_in(mouvement, demande), correction(mouvement, demande)
    is_counted = is_since_2019 and is_in_period(mouvement, demande)
    if not (is_shown or sign or is_counted):
        return ()
    rules = LigneRules(
        demande.edition, has_nationalite=False, has_dates=MODELES[demande.type].has_dates
    )
    has_line = is_shown and demande.presentation is not Presentation.RECAPITULATIF
    counts = (
        mouvement.nature,
        format_bureau(mouvement),
        sign,
        is_counted,
        is_perhaps_l30(mouvement, demande),
    )
    return *counts, rules.to_ligne(mouvement) if has_line else None


def _count(demande: Demande, known: Calendrier, calendrier: Calendrier) -> list[date | None] | None:
    """Return the days that a calendar gives a tableau; None when the tableau cannot be made.

    A day that differs from the one in `known`, the calendar of the request, was given by the request, and stays.
    """
    dates = {name: getattr(demande, name) for name in ("scrutin", "date_tableau", "publication")}
    asked = TableauxRenderRequested.model_construct(
        commune="", requested_by="", types=[demande.type], **dates
    )
    try:
        if demande.until != dates_of(asked, demande.type, known)["until"]:
            asked = asked.model_copy(update={"until": demande.until})
        if demande.reunion != dates_of(asked, demande.type, known)["reunion"]:
            asked = asked.model_copy(update={"reunion": demande.reunion})
        counted = replace(demande, **dates_of(asked, demande.type, calendrier))
        return [getattr(counted, name) for name in _COUNTED_FROM]
    except DemandeInvalide:
        return None
