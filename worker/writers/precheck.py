"""Checks all electors before a file is made and yields every anomaly, blocking or not.

The rules and their messages are in `worker.registre.checks.rules`.

The report is a CSV that an agent opens in a spreadsheet, not the official file: values are quoted, it starts with a
byte order mark, and no value can become a formula.
"""

from codecs import getwriter
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    func,
    not_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from common.files import SheetWriter, Sink
from common.french import (
    capitalized,
    count_of,
    format_birth,
    format_number,
    format_size,
    short_date,
)
from common.texte import INSTEAD, is_altered, is_clean, is_garbled, without_separators
from schemas.cures import Facts, find_cure
from schemas.profiles.platform import Encoding, can_encode
from schemas.vocabulary import SEPARATORS, Format, Severity
from worker.db.engine import STREAM
from worker.domain.anomaly import Anomaly
from worker.registre.checks import rules
from worker.registre.checks.facts import (
    TEXTS,
    count_changed,
    deserves_look,
    find_twice,
    group_doubles,
    has_double_ine,
    has_separator,
    has_swapped_names,
    is_flagged,
    is_unclean,
    joined_texts,
    select_double_numeros,
    select_possible_doubles,
)
from worker.registre.checks.rules import LONGEST, RULES, Kind
from worker.registre.communes import DescribedBureau, select_bureaux
from worker.registre.comparaison.differences import adresse
from worker.registre.imports.history import Basis
from worker.registre.models import ORDRE, Bureau, Electeur
from worker.writers.columns import (
    OF_AGE,
    ON_LISTE,
    ListeSpec,
    header_of,
    is_written,
    over_clean_values,
)
from worker.writers.electeurs_file import LISTE_FORMATS

NAMED = 5
"""Maximum count of numbers that one line of the report names."""

_FEW = 5_000
_NUMERO_DIGITS = 2


@dataclass
class Census:
    """The count of electors in the snapshot, and their bureaux."""

    electeurs: int = 0
    mineurs: int = 0
    without_numero: int = 0
    without_zeros: int = 0
    """Count of electors with a code that lost its leading zero."""
    bureaux: list[str] = field(default_factory=list)
    needs_cleaning: bool = False
    """Whether a value must be cleaned, or holds `;` or `"`: a clean register is written by a faster query.

    `find_anomalies` sets it.
    """


def take_census(connection: Connection, spec: ListeSpec) -> Census:
    """Count the electors of age, and the minors that the file leaves out."""
    query = select(
        Electeur.code_bureau,
        func.count().label("electeurs"),
        func.count().filter(not_(OF_AGE)).label("mineurs"),
        func.count()
        .filter(and_(OF_AGE, Electeur.numero_general.is_not(None)))
        .label("with_numero"),
        func.count().filter(and_(OF_AGE, rules.HAS_LOST_ZEROS)).label("without_zeros"),
    )
    of_liste = query.where(ON_LISTE).group_by(Electeur.code_bureau).order_by(Electeur.code_bureau)
    census = Census()
    for row in connection.execute(of_liste, spec.parameters):
        electeurs = row.electeurs - row.mineurs
        census.electeurs += electeurs
        census.mineurs += row.mineurs
        census.without_numero += electeurs - row.with_numero
        census.without_zeros += row.without_zeros
        if electeurs and row.code_bureau:
            census.bureaux.append(row.code_bureau)
    return census


def find_anomalies(
    connection: Connection,
    spec: ListeSpec,
    census: Census,
    format_: Format,
    *,
    ours: Severity = Severity.BLOCKING,
) -> Iterator[Anomaly]:
    """Yield all anomalies: of the file, of each bureau, of electors who share an identity, then of each elector.

    `ours`: the severity of anomalies that block by this project's choice only, see `Kind.is_ours`.
    """
    return _Precheck(
        connection, spec, census, LISTE_FORMATS[format_].replaces_separators, ours
    ).run()


def find_anomalies_of_electeurs(
    connection: Connection, spec: ListeSpec, *, ours: Severity = Severity.BLOCKING
) -> Iterator[Anomaly]:
    """Yield the anomalies that name an elector, like `find_anomalies`, without separators in values."""
    return _Precheck(connection, spec, Census(), separators=False, ours=ours).of_each()


def describe_too_large(size: int, most: int) -> Anomaly:
    """Return the anomaly of a finished file that is larger than the platform takes; both in bytes."""
    kind = rules.TOO_LARGE
    message = kind.message.format(size=format_size(size), most=format_size(most))
    return Anomaly(kind.code, kind.severity, "", message, is_of_file=True)


_Signs = tuple[str, Encoding]
"""The separator and the encoding of a CSV."""
_USUAL: _Signs = (";", "utf-8")
"""Those that the findings of an import cover."""


@dataclass(frozen=True)
class _Precheck:
    connection: Connection
    spec: ListeSpec
    census: Census
    separators: bool
    """Whether a separator in a value, or a letter that the encoding lacks, is an anomaly."""
    ours: Severity

    @property
    def signs(self) -> _Signs:
        return (self.spec.form.separator, self.spec.form.encoding) if self.separators else _USUAL

    @cached_property
    def words(self) -> dict[str, str]:
        """The words of a message: the separator, what replaces it, and the encoding."""
        separator, encoding = self.signs
        instead = (
            SEPARATORS.get(INSTEAD[separator], "l'espace").removeprefix("le ").removeprefix("la ")
        )
        return {
            "separator": capitalized(SEPARATORS[separator]),
            "instead": instead,
            "encoding": encoding,
        }

    @property
    def options(self) -> dict[str, int]:
        """The execution options: a small list has no cursor, which is planned each time for longer than it is read."""
        return {} if self.spec.basis and self.spec.basis.electeurs <= _FEW else STREAM

    def run(self) -> Iterator[Anomaly]:
        census = self.census
        if census.without_zeros:
            yield self._say(rules.ZEROS_LOST, electeurs=count_of(census.without_zeros, "électeur"))
        if census.without_numero:
            yield self._say(
                rules.NUMERO_GENERAL_ABSENT, electeurs=count_of(census.without_numero, "électeur")
            )
        if census.mineurs:
            yield self._say(rules.MINEURS, mineurs=census.mineurs)
        nom = self.spec.nom_commune.upper()
        census.needs_cleaning |= self._is_separated(nom)
        if not can_encode(nom, self.signs[1]):
            yield replace(
                self._say(rules.INEXPRESSIBLE), column=self.spec.form.title("nom_commune")
            )
        if self.spec.basis:
            for said in self._of_basis(self.spec.basis):
                yield replace(said, is_of_file=True)
        if self.census.electeurs:
            yield from self._of_bureaux()
            yield from self.of_each()

    def of_each(self) -> Iterator[Anomaly]:
        yield from self._of_sharing()
        has_facts = self.spec.has_facts and self.signs == _USUAL
        query = _suspect_query(self.signs, has_facts=has_facts, separators=self.separators)
        rows = self.connection.execute(query, self.spec.parameters, execution_options=self.options)
        for row in rows:
            self.census.needs_cleaning |= row.needs_cleaning
            values = row._mapping  # noqa: SLF001 — SQLAlchemy's public name for the row as a mapping
            ruined = {column for column in TEXTS if _ruin_of(values[column.key])}
            for rule in RULES:
                is_said_better = rule.value in ruined and (
                    rule.is_ours or rule.severity is Severity.REMARK
                )
                if values[f"is_{rule.code}"] and not is_said_better:
                    yield self._of(row, rule)
            if row.needs_cleaning or row.nettoyages:
                yield self._of(row, rules.NETTOYE)
            for column in TEXTS:
                for kind in self._of_text(values[column.key], column):
                    yield self._of(row, kind, column)

    def _of_sharing(self) -> Iterator[Anomaly]:
        """Yield the electors who share an identity, a national number or names with another one of the list."""
        doubles = _doubles_query(has_facts=self.spec.has_facts)
        found = self.connection.execute(
            doubles, self.spec.parameters, execution_options=self.options
        )
        for members in group_doubles(found):
            births = Counter(row.date_naissance for row in members)
            for row, is_twice in zip(members, find_twice(members), strict=True):
                if births[row.date_naissance] == 1:
                    yield self._of(row, rules.DATE_SWAPPED)
                else:
                    yield self._of(row, rules.TWICE if is_twice else rules.HOMONYM)
        for kind, query in _sharing_queries(has_facts=self.spec.has_facts).items():
            for row in self.connection.execute(query, self.spec.parameters):
                yield self._of(row, kind)

    def _of_basis(self, basis: Basis) -> Iterator[Anomaly]:
        day, found = short_date(basis.taken_on), self.census.electeurs + self.census.mineurs
        of_liste = self.connection, self.spec.code_commune, self.spec.liste.value
        changed = count_changed(*of_liste)[self.spec.version]
        if found != basis.electeurs:
            electeurs = count_of(basis.electeurs, "électeur")
            said = f"l'export du {day} donnait {electeurs}, le registre en a {format_number(found)}"
            yield self._say(rules.REGISTRE_CHANGED, what=said)
        elif changed:
            electeurs = count_of(changed, "électeur n'est plus", "électeurs ne sont plus")
            said = f"{electeurs} ce que donnait l'export du {day}"
            yield self._say(rules.REGISTRE_CHANGED, what=said)
        if (self.spec.jour - basis.taken_on).days > rules.OLD_DAYS:
            yield self._say(rules.EXPORT_OLD, day=day)
        if basis.absorbed_on:
            yield self._say(
                rules.LISTE_ABSORBED, day=short_date(basis.absorbed_on), commune=basis.absorbed_into
            )
        if basis.absent_on:
            yield self._say(rules.LISTE_ABSENT, day=short_date(basis.absent_on))

    def _of_bureaux(self) -> Iterator[Anomaly]:
        code_commune = self.spec.code_commune
        known = {bureau.code: bureau for bureau in select_bureaux(self.connection, [code_commune])}
        for code in self.census.bureaux:
            bureau = known.get(code, DescribedBureau(code_commune, code))
            circonscription = bureau.code_circonscription
            if not bureau.code_canton:
                yield self._say(rules.CANTON_ABSENT, code)
            elif not bureau.code_canton.startswith(self.spec.code_departement):
                yield self._say(rules.CANTON_ELSEWHERE, code)
            if not circonscription:
                yield self._say(rules.CIRCONSCRIPTION_ABSENT, code)
            elif not (circonscription.isdigit() and len(circonscription) <= _NUMERO_DIGITS):
                yield self._say(rules.CIRCONSCRIPTION_ELSEWHERE, code)
            for source in (Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription):
                text = getattr(bureau, source.key)
                if not is_clean(text):
                    self.census.needs_cleaning = True
                    yield self._say(rules.NETTOYE, code, value=source)
                for kind in self._of_text(text, source):
                    yield self._say(kind, code, value=source)
        doubles = select_double_numeros(_among(has_facts=self.spec.has_facts))
        places = self.connection.execute(doubles, self.spec.parameters)
        for code, numeros in groupby(places, key=lambda row: row.code_bureau):
            first = [str(row.numero_ordre) for row in numeros]
            more = f" et {len(first) - NAMED} autres" if len(first) > NAMED else ""
            yield self._say(rules.NUMERO_TWICE, code, numeros=", ".join(first[:NAMED]) + more)

    def _of_text(self, text: str, source: InstrumentedAttribute[Any]) -> Iterator[Kind]:
        if ruin := _ruin_of(text):
            yield ruin
        if self.separators and self._is_separated(text):
            self.census.needs_cleaning = True
            yield rules.SEPARATEUR
        if not can_encode(text, self.signs[1]) and is_written(source, self.spec.form):
            yield rules.INEXPRESSIBLE
        if len(text) > LONGEST:
            yield rules.TROP_LONG

    def _is_separated(self, text: str) -> bool:
        return without_separators(text, self.signs[0]) != text

    def _say(
        self,
        kind: Kind,
        bureau: str = "",
        *,
        value: InstrumentedAttribute[Any] | None = None,
        **words: object,
    ) -> Anomaly:
        source = value or kind.value
        column = header_of(source, self.spec.form) if source else ""
        message = kind.message.format(**words, **self.words)
        severity = self.ours if kind.is_ours else kind.severity
        return Anomaly(kind.code, severity, column, message, bureau=bureau)

    def _of(
        self, row: Row[Any], kind: Kind, value: InstrumentedAttribute[Any] | None = None
    ) -> Anomaly:
        numero = row.numero_ordre if row.numero_general is None else row.numero_general
        return replace(
            self._say(kind, row.code_bureau, value=value),
            numero="" if numero is None else str(numero),
            nom=row.nom_naissance,
            prenoms=row.prenoms,
            naissance=row.date_naissance,
        )


def _ruin_of(text: str) -> Kind | None:
    if is_altered(text):
        return rules.ALTERED_TEXT
    return rules.GARBLED_TEXT if is_garbled(text) else None


@cache
def _doubles_query(*, has_facts: bool) -> Select[Any]:
    return select_possible_doubles(_among(has_facts=has_facts), adresse().label("adresse"), *_who())


@cache
def _sharing_queries(*, has_facts: bool) -> Mapping[Kind, Select[Any]]:
    """Return the queries of electors who share a value with another elector of the list, by the anomaly."""
    among = _among(has_facts=has_facts)
    sharing = {rules.INE_TWICE: has_double_ine, rules.NAMES_SWAPPED: has_swapped_names}
    return {
        kind: select(*_who()).where(is_it(among)).order_by(*ORDRE)
        for kind, is_it in sharing.items()
    }


def _who() -> list[SQLColumnExpression[Any]]:
    """Return the columns that an anomaly prints of an elector."""
    names = (
        Electeur.code_bureau,
        Electeur.nom_naissance,
        Electeur.prenoms,
        Electeur.date_naissance,
    )
    return [Electeur.numero_ordre, Electeur.numero_general, *map(_clean, names)]


def _among(*, has_facts: bool) -> ColumnElement[bool]:
    return and_(ON_LISTE, is_flagged() if has_facts else true(), OF_AGE)


def _clean(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    return over_clean_values(type_coerce(column, Text)).label(column.key)


@cache
def _suspect_query(signs: _Signs, *, has_facts: bool, separators: bool) -> Select[Any]:
    text = joined_texts()
    separator, encoding = signs
    is_suspect = true() if has_facts else deserves_look(separators=separators)
    if separator != ";":
        is_suspect |= over_clean_values(has_separator(text) | text.contains(separator))
    if encoding != "utf-8":
        is_suspect |= over_clean_values(text).regexp_match(r"[^\x01-\x7f]")
    values: list[Any] = [
        it for it in Electeur.__table__.c if it.key not in {text.key for text in TEXTS}
    ]
    values += [*map(_clean, TEXTS), is_unclean().label("needs_cleaning")]
    values.append(func.row_number().over(order_by=ORDRE).label("place"))
    suspects = select(*values).where(_among(has_facts=has_facts), is_suspect)
    found = suspects.cte("found").prefix_with(
        "MATERIALIZED"
    )  # otherwise each rule cleans its values again
    of_rules = (over_clean_values(rule.condition, found).label(f"is_{rule.code}") for rule in RULES)
    return select(found, *of_rules).order_by(found.c.place)


HEADER = (
    "Gravité",
    "Bureau",
    "Numéro",
    "Nom de naissance",
    "Prénoms",
    "Date de naissance",
    "Colonne",
    "Anomalie",
    "Code",
    "Que faire",
)


@dataclass
class Tally:
    """Counts of anomalies by kind, without data of electors."""

    counts: Counter[tuple[str, Severity, str]] = field(default_factory=Counter)
    messages: dict[tuple[str, Severity, str], list[str]] = field(default_factory=dict)
    """The messages about the file as a whole."""

    def add(self, anomaly: Anomaly) -> None:
        """Count one anomaly."""
        kind = anomaly.code, anomaly.severity, anomaly.column
        self.counts[kind] += 1
        if anomaly.is_of_file:
            self.messages.setdefault(kind, []).append(anomaly.message)

    def total(self, severity: Severity) -> int:
        """Return the number of anomalies of one severity."""
        return sum(number for (_, kind, _), number in self.counts.items() if kind is severity)

    def to_record(self) -> list[dict[str, Any]]:
        """Return the JSON for the database: code, severity, column, count, and the messages about the whole file."""
        return [
            {"code": kind[0], "severity": kind[1].value, "column": kind[2], "count": number}
            | ({"messages": self.messages[kind]} if kind in self.messages else {})
            for kind, number in self.counts.items()
        ]


class ReportSubject(NamedTuple):
    """The file that a report is about, and the address of the screen, if any: what the links to cures need."""

    facts: Facts
    public_url: str = ""

    def describe_cure(self, code: str, bureau: str) -> str:
        """Return what cures an anomaly, with the address of the page; empty for one that asks for nothing."""
        link = find_cure(code, {**self.facts, "bureau": bureau})
        return link.describe(self.public_url) if link else ""


def write_report(
    anomalies: Iterable[Anomaly], sink: Sink, subject: ReportSubject, tally: Tally | None = None
) -> Tally:
    """Write each anomaly as one line, in the given order, and return the counts; `tally`: of the lines before."""
    describe_cure = cache(subject.describe_cure)
    file: Any = sink
    text: Any = getwriter("utf-8")(file)
    writer = SheetWriter(text)
    if tally is None:
        tally = Tally()
        text.write("\ufeff")
        writer.write(HEADER)
    for anomaly in anomalies:
        tally.add(anomaly)
        who = (
            anomaly.bureau,
            anomaly.numero,
            anomaly.nom,
            anomaly.prenoms,
            format_birth(anomaly.naissance),
        )
        found = anomaly.column, anomaly.message, anomaly.code
        cure = describe_cure(anomaly.code, anomaly.bureau)
        writer.write((anomaly.severity.label, *who, *found, cure))
    return tally
