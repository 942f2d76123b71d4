"""Every elector is checked before a file is made: what would be rejected, what deserves a look, all of it at once.

A cheap look at every row finds the values that the file could not carry as they are. Values are cleaned when they enter
the register by an import; a service that writes by SQL may leave others. One expression per row finds them, and only
then is the slower, cleaning way taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from schemas.vocabulary import Format, Liste, Severity
from worker.db.engine import STREAM
from worker.db.types import is_suspect, needs_cleaning, size_of
from worker.domain.texte import JOINT, is_clean, without_separators
from worker.registre.models import ORDRE, Bureau, Electeur
from worker.writers.columns import AnyListe, ListeSpec, header_of, of_age, on_liste, over_clean_values
from worker.writers.rules import LONGEST, RULES

TEXTS = (
    Electeur.code_bureau,
    Electeur.sexe,
    Electeur.nom_naissance,
    Electeur.nom_usage,
    Electeur.prenoms,
    Electeur.date_naissance,
    Electeur.commune_naissance,
    Electeur.departement_naissance,
    Electeur.pays_naissance,
    Electeur.nationalite,
    Electeur.complement1,
    Electeur.complement2,
    Electeur.numero_voie,
    Electeur.type_voie,
    Electeur.libelle_voie,
    Electeur.lieu_dit,
    Electeur.code_postal,
    Electeur.ville,
    Electeur.pays,
)

FEW = 1000
"""Up to so many electors with an anomaly are found by their ids first: PostgreSQL then looks with several processes,
which it does neither for a cursor nor in the order of the lines."""

NETTOYE = "Espaces, accents ou caractères que le fichier ne peut pas porter tels quels : nettoyés."
SEPARATEUR = "Le point-virgule et le guillemet n'ont pas leur place dans le CSV : virgule et apostrophe à la place."
TROP_LONG = f"Valeur de plus de {LONGEST} caractères, transmise entière : la raccourcir."


@dataclass(frozen=True)
class Anomaly:
    """One thing wrong with one elector, one bureau or the whole file; the words are a clerk's."""

    code: str
    severity: Severity
    column: str
    message: str
    bureau: str = ""
    numero: str = ""
    nom: str = ""
    prenoms: str = ""
    naissance: str = ""


@dataclass
class Census:
    """How many electors the snapshot holds, and in which bureaux."""

    electeurs: int = 0
    mineurs: int = 0
    without_numero: int = 0
    bureaux: list[str] = field(default_factory=list)
    needs_cleaning: bool = False
    """Some value must be cleaned while it is written; known once the anomalies have been found."""
    has_separators: bool = False
    """Some value holds `;` or `"`; known once the anomalies have been found."""


def take_census(connection: Connection, spec: ListeSpec) -> Census:
    """Count the electors of age, and the minors who are left out."""
    census = Census()
    rows = connection.execute(_select_census(spec.liste), spec.parameters)
    for code, electeurs, mineurs, without_numero in rows:
        census.electeurs += electeurs
        census.mineurs += mineurs
        census.without_numero += without_numero
        if electeurs and code:
            census.bureaux.append(code)
    return census


@cache
def _select_census(liste: Liste) -> Select[str, int, int, int]:
    spec = AnyListe(liste)
    adult = of_age(spec)
    return (
        select(
            Electeur.code_bureau,
            func.count().filter(adult),
            func.count().filter(not_(adult)),
            func.count().filter(and_(adult, Electeur.numero_general.is_(None))),
        )
        .where(on_liste(spec))
        .group_by(Electeur.code_bureau)
        .order_by(Electeur.code_bureau)
    )


def find_anomalies(connection: Connection, spec: ListeSpec, census: Census, format_: Format) -> Iterator[Anomaly]:
    """All anomalies: of the file, then of each bureau, then of each elector in the order of the lines."""
    if census.without_numero:
        yield Anomaly(
            "numero_general_absent",
            Severity.REMARK,
            header_of(Electeur.numero_general),
            f"{census.without_numero} électeur{'s' if census.without_numero > 1 else ''} sans numéro général "
            "(le REU n'en a pas) : la colonne reste vide.",
        )
    if census.mineurs:
        yield Anomaly(
            "mineurs_non_exportes",
            Severity.REMARK,
            header_of(Electeur.date_naissance),
            f"Laissé de côté, moins de 18 ans à la date du fichier : {census.mineurs}.",
        )
    if census.electeurs:
        yield from _bureau_anomalies(connection, spec, census, format_)
        yield from _electeur_anomalies(connection, spec, census, format_)


def _bureau_anomalies(connection: Connection, spec: ListeSpec, census: Census, format_: Format) -> Iterator[Anomaly]:
    known = {
        b.code: b for b in connection.execute(select(Bureau.__table__).where(Bureau.code_commune == spec.code_commune))
    }
    for code in census.bureaux:
        bureau = known.get(code)
        if bureau is None or not bureau.code_canton:
            yield _of_bureau(
                code,
                "canton_absent",
                header_of(Bureau.code_canton),
                "Code du canton inconnu pour ce bureau : l'indiquer une fois (commande « bureaux »).",
            )
        elif not bureau.code_canton.startswith(spec.code_departement):
            yield _of_bureau(
                code,
                "canton_incoherent",
                header_of(Bureau.code_canton),
                "Le canton n'est pas du département de la commune.",
            )
        if bureau is None or not bureau.code_circonscription:
            yield _of_bureau(
                code,
                "circonscription_absente",
                header_of(Bureau.code_circonscription),
                "Circonscription inconnue pour ce bureau : l'indiquer.",
            )
        if bureau:
            yield from _bureau_texts(bureau, census, format_)


def _bureau_texts(bureau: Row[Any], census: Census, format_: Format) -> Iterator[Anomaly]:
    for source in (Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription):
        text = getattr(bureau, source.key)
        is_unclean, has_separator = not is_clean(text), without_separators(text) != text
        census.needs_cleaning |= is_unclean
        census.has_separators |= has_separator
        if is_unclean:
            yield _of_bureau(bureau.code, "caracteres_nettoyes", header_of(source), NETTOYE)
        if has_separator and format_ is Format.CSV:
            yield _of_bureau(bureau.code, "separateur_remplace", header_of(source), SEPARATEUR)
        if len(text) > LONGEST:
            yield _of_bureau(bureau.code, "valeur_trop_longue", header_of(source), TROP_LONG)


def _of_bureau(code: str, kind: str, column: str, message: str) -> Anomaly:
    return Anomaly(kind, Severity.REMARK, column, message, bureau=code)


def _electeur_anomalies(connection: Connection, spec: ListeSpec, census: Census, format_: Format) -> Iterator[Anomaly]:
    queries = _suspect_queries(spec.liste, format_)
    few = connection.scalars(queries.few, spec.parameters).all()
    if len(few) > FEW:
        rows = connection.execute(queries.of_all, spec.parameters, execution_options=STREAM)
    elif few:
        rows = connection.execute(queries.of_few, {**spec.parameters, "few": few})
    else:
        return
    for row in rows:
        census.needs_cleaning |= row.needs_cleaning
        census.has_separators |= row.has_separator
        yield from _of_electeur(row, format_)


class _Suspects(NamedTuple):
    """The ids of the electors with an anomaly, one more than FEW at most; then what is wrong with them."""

    few: Select[Any]
    of_few: Select[Any]
    of_all: Select[Any]


@cache
def _suspect_queries(liste: Liste, format_: Format) -> _Suspects:
    spec = AnyListe(liste)
    text = _joined(TEXTS)
    unwritable = _is_unwritable(text, separators=format_ is Format.CSV)
    flags = {rule.code: rule.condition(spec) for rule in RULES}
    suspect = or_(*flags.values(), unwritable, Electeur.nettoyages > 0, _is_too_long())
    flagged = and_(on_liste(spec), of_age(spec), suspect)
    details = select(
        Electeur.id,
        Electeur.numero_ordre,
        Electeur.numero_general,
        Electeur.nettoyages,
        *(over_clean_values(type_coerce(text_column, Text)).label(text_column.key) for text_column in TEXTS),
        _is_unwritable(text, separators=False).label("needs_cleaning"),
        _has_separator(text).label("has_separator"),
        *(over_clean_values(condition).label(f"is_{code}") for code, condition in flags.items()),
    ).order_by(*ORDRE)

    return _Suspects(
        few=select(Electeur.id).where(flagged).limit(FEW + 1),
        of_few=details.where(Electeur.id.in_(bindparam("few", expanding=True))),
        of_all=details.where(flagged),
    )


def _of_electeur(row: Row[Any], format_: Format) -> Iterator[Anomaly]:
    values = row._mapping  # noqa: SLF001 — SQLAlchemy's public name for the row as a mapping
    for rule in RULES:
        if values[f"is_{rule.code}"]:
            yield _anomaly(row, rule.code, rule.severity, rule.column, rule.message)
    if row.needs_cleaning or row.nettoyages:
        yield _anomaly(row, "caracteres_nettoyes", Severity.REMARK, "", NETTOYE)
    for column in TEXTS:
        text = values[column.key]
        if format_ is Format.CSV and without_separators(text) != text:
            yield _anomaly(row, "separateur_remplace", Severity.REMARK, header_of(column), SEPARATEUR)
        if len(text) > LONGEST:
            yield _anomaly(row, "valeur_trop_longue", Severity.REMARK, header_of(column), TROP_LONG)


def _anomaly(row: Row[Any], code: str, severity: Severity, column: str, message: str) -> Anomaly:
    numero = row.numero_ordre if row.numero_general is None else row.numero_general
    return Anomaly(
        code,
        severity,
        column,
        message,
        bureau=row.code_bureau,
        numero="" if numero is None else str(numero),
        nom=row.nom_naissance,
        prenoms=row.prenoms,
        naissance=row.date_naissance,
    )


def _joined(columns: Sequence[InstrumentedAttribute[str]]) -> ColumnElement[str]:
    """All the values of a row in one text."""
    first: ColumnElement[str] = type_coerce(columns[0], Text)
    return reduce(lambda text, column: text + JOINT + column, columns[1:], first)


def _has_separator(text: ColumnElement[str]) -> ColumnElement[bool]:
    """A character that the CSV has no escape for."""
    return text.contains(";") | text.contains('"')


def _is_unwritable(text: ColumnElement[str], *, separators: bool) -> ColumnElement[bool]:
    """A control character, odd white space, a form other than NFC; `separators`: or a separator of the CSV."""
    closer = or_(needs_cleaning(text), _has_separator(text)) if separators else needs_cleaning(text)
    return and_(is_suspect(text), closer)


def _is_too_long() -> ColumnElement[bool]:
    """One of the values is over the limit; the sum of their sizes denies it for most rows."""
    total = sum((size_of(column) for column in TEXTS), start=literal(0))
    return and_(total > LONGEST, or_(*(func.length(column) > LONGEST for column in TEXTS)))
