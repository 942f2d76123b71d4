"""Sixty changed files of the demonstration's REU export: what INSEE, a spreadsheet or another software may deliver."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from schemas.profiles.matching import ABSENT, Matching
from schemas.profiles.source import SourceField, fold, read_reu
from worker.demo.libreville import read_electeurs

F = SourceField
TODAY = date(2026, 11, 29)


@dataclass(frozen=True)
class Column:
    """A column of a changed file."""

    title: str
    values: tuple[str, ...]
    holds: tuple[SourceField, ...] = ()
    """The fields that it holds, wholly or in part."""


@dataclass(frozen=True)
class Variant:
    """A changed file, and what a clerk knows about it."""

    name: str
    columns: tuple[Column, ...]
    separator: str = ";"
    encoding: str = "utf-8"
    above: tuple[str, ...] = ()
    end: str = "\n"
    lost: frozenset[SourceField] = frozenset()
    """Fields that the file does not hold any more."""
    joined: tuple[SourceField, ...] = ()
    """Fields that one column holds together; a value of another form may stand in one of them as a whole."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """The codes of values that no profile knows."""
    is_readable: bool = True
    """Whether the values can be read at all; otherwise the import must refuse the file."""
    file_name: str = "export.csv"

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        rows = [
            [it.title for it in self.columns],
            *zip(*(it.values for it in self.columns), strict=True),
        ]
        lines = [
            self.separator.join(_quote(value, self.separator) for value in row) for row in rows
        ]
        return self.end.join([*self.above, *lines, ""]).encode(self.encoding)


def _quote(value: str, separator: str) -> str:
    return (
        '"' + value.replace('"', '""') + '"'
        if value and (separator in value or '"' in value)
        else value
    )


Change = Callable[[Variant], Variant]


def original() -> Variant:
    """The demonstration's own export."""
    texts = [(row, "".join(row.values())) for row in read_electeurs(TODAY)]
    rows = [row for row, text in texts if text.encode("cp1252", "ignore").decode("cp1252") == text]
    known = {
        fold(title): name for name, source in read_reu().fields.items() for title in source.titles
    }
    return Variant(
        "original",
        tuple(Column(it, tuple(row[it] for row in rows), (known[fold(it)],)) for it in rows[0]),
    )


def _edit(variant: Variant, change: Callable[[Column], Sequence[Column]]) -> Variant:
    return replace(
        variant, columns=tuple(new for column in variant.columns for new in change(column))
    )


def rename(**titles: str) -> Change:
    """Give the columns of these fields other titles."""

    def change(column: Column) -> Sequence[Column]:
        return [
            replace(
                column,
                title=titles.get(column.holds[0], column.title) if column.holds else column.title,
            )
        ]

    return lambda variant: _edit(variant, change)


def drop(*fields: SourceField) -> Change:
    """Leave out the columns of these fields."""
    return lambda variant: replace(
        _edit(variant, lambda it: [] if {*it.holds} & {*fields} else [it]),
        lost=variant.lost | {*fields},
    )


def add(title: str, value: str) -> Change:
    """Add a column that the register does not know."""
    return lambda it: replace(
        it, columns=(*it.columns, Column(title, (value,) * len(it.columns[0].values)))
    )


def shuffle(seed: int) -> Change:
    """Bring the columns into another order."""
    return lambda it: replace(
        it, columns=tuple(random.Random(seed).sample(it.columns, len(it.columns)))
    )


def write(field: SourceField, form: Callable[[str], str]) -> Change:
    """Write the values of a field in another way."""
    return lambda variant: _edit(
        variant,
        lambda it: (
            [replace(it, values=tuple(map(form, it.values)))] if it.holds == (field,) else [it]
        ),
    )


def merge(title: str, fields: Sequence[SourceField], form: str) -> Change:
    """Put the values of several fields into one column."""

    def change(variant: Variant) -> Variant:
        parts = [next(it for it in variant.columns if it.holds == (name,)) for name in fields]
        values = tuple(
            form.format(*them).strip(" -")
            for them in zip(*(it.values for it in parts), strict=True)
        )
        merged = Column(title, values, tuple(fields))
        columns = [it for it in variant.columns if it not in parts[1:]]
        return replace(
            variant,
            columns=tuple(merged if it is parts[0] else it for it in columns),
            joined=tuple(fields),
        )

    return change


def split(
    field: SourceField, titles: Sequence[str], form: Callable[[str], Sequence[str]]
) -> Change:
    """Put the values of a field into several columns."""

    def change(column: Column) -> Sequence[Column]:
        if column.holds != (field,):
            return [column]
        parts = [tuple(form(value)) for value in column.values]
        return [
            Column(it, tuple(part[n] for part in parts), (field,)) for n, it in enumerate(titles)
        ]

    return lambda variant: _edit(variant, change)


def look(**looks: object) -> Change:
    """Change the form of the file: separator, encoding, lines above the titles."""
    return lambda variant: replace(variant, **looks)  # type: ignore[arg-type]


def _day(form: str) -> Callable[[str], str]:
    """Return a writer of dates `JJ/MM/AAAA`; partial dates stay as they are."""

    def write_day(text: str) -> str:
        if text.count("/") != 2:
            return text
        day, month, year = text.split("/")
        return form.format(d=day, m=month, y=year)

    return write_day


def _words(**words: str) -> Callable[[str], str]:
    return lambda value: words.get(value, value)


_LISTES = ("liste principale", "liste complementaire europeenne", "liste complementaire municipale")


def _listes(*names: str) -> Callable[[str], str]:
    known = dict(zip(_LISTES, names, strict=True))
    return lambda value: known[fold(value)]


_ABOVE = ("Répertoire électoral unique", "Commune de LIBREVILLE, liste arrêtée au 29/11/2026")
_UPPER = rename(nom_naissance="NOM", prenoms="PRENOM", date_naissance="DATE_NAISS", sexe="SEXE")
_SHORT = rename(
    nom_naissance="nom_nais",
    nom_usage="nom_usag",
    prenoms="prenoms_el",
    date_naissance="dt_naissance",
    libelle_voie="lib_voie",
    numero_voie="num_voie",
    code_bureau="cd_bureau",
    numero_ordre="num_ordre",
)

CHANGES: Mapping[str, Sequence[Change]] = {
    "titres-nom-de-famille": [rename(nom_naissance="Nom de famille")],
    "titre-prenom": [rename(prenoms="Prénom(s)")],
    "titre-ne-le": [rename(date_naissance="Né(e) le")],
    "titre-trompeur": [
        rename(date_naissance="Champ 8"),
        add("date de naissance rectifiée", "néant"),
    ],
    "titre-nom-seul": [rename(nom_naissance="NOM")],
    "titres-majuscules": [_UPPER],
    "titres-abreges": [_SHORT],
    "titre-adresse": [rename(libelle_voie="Adresse")],
    "titre-ville": [rename(ville="Ville de résidence")],
    "titre-cp": [rename(code_postal="CP")],
    "titre-genre": [rename(sexe="Genre")],
    "titre-bureau": [rename(code_bureau="N° bureau")],
    "titre-ordre": [rename(numero_ordre="Numéro dans le bureau")],
    "titre-type-liste": [rename(liste="Type liste électorale")],
    "titre-ugle": [rename(code_commune="Code INSEE")],
    "titre-inconnu": [rename(nom_naissance="Champ 4", date_naissance="Champ 8")],
    "titres-anglais": [
        rename(nom_naissance="birth name", prenoms="first names", date_naissance="birth date")
    ],
    "titre-lieu": [rename(commune_naissance="Lieu de naissance")],
    "titre-nationalite": [rename(nationalite="Nationalité de l'électeur")],
    "sans-sexe": [drop(F.SEXE)],
    "sans-nom-usage": [drop(F.NOM_USAGE)],
    "sans-complements": [drop(F.COMPLEMENT1, F.COMPLEMENT2)],
    "sans-lieu-dit": [drop(F.LIEU_DIT)],
    "sans-bureau": [drop(F.CODE_BUREAU, F.LIBELLE)],
    "sans-numero": [drop(F.NUMERO_ORDRE)],
    "sans-pays": [drop(F.PAYS)],
    "sans-nationalite": [drop(F.NATIONALITE)],
    "sans-commune": [drop(F.CODE_COMMUNE, F.NOM_COMMUNE)],
    "colonne-ine": [add("Identifiant interne", "")],
    "colonnes-en-plus": [add("date d'édition", "29/11/2026"), add("téléphone", "0000000000")],
    "ordre-autre": [shuffle(1)],
    "ordre-autre-et-en-plus": [shuffle(2), add("observations", "néant")],
    "sexe-homme-femme": [write(F.SEXE, _words(M="Homme", F="Femme"))],
    "sexe-1-2": [write(F.SEXE, _words(M="1", F="2"))],
    "sexe-masculin": [write(F.SEXE, _words(M="MASCULIN", F="FEMININ"))],
    "sexe-garcon-fille": [write(F.SEXE, _words(M="G", F="D")), look(meanings={"G": "M", "D": "F"})],
    "civilite": [
        rename(sexe="Civilité"),
        write(F.SEXE, _words(M="M.", F="Mme")),
        look(meanings={"M.": "M", "Mme": "F"}),
    ],
    "listes-codes": [write(F.LISTE, _listes("LP", "LCE", "LCM"))],
    "listes-mots": [write(F.LISTE, _listes("Principale", "Européenne", "Municipale"))],
    "listes-autres": [
        write(F.LISTE, _listes("LISTE A", "LISTE B", "LISTE C")),
        look(meanings={"LISTE A": "P", "LISTE B": "CE", "LISTE C": "CM"}),
    ],
    "dates-points": [write(F.DATE_NAISSANCE, _day("{d}.{m}.{y}"))],
    "dates-tirets": [write(F.DATE_NAISSANCE, _day("{d}-{m}-{y}"))],
    "dates-chiffres": [write(F.DATE_NAISSANCE, _day("{d}{m}{y}"))],
    "dates-iso": [write(F.DATE_NAISSANCE, _day("{y}-{m}-{d}"))],
    "dates-annee-chiffres": [write(F.DATE_NAISSANCE, _day("{y}{m}{d}"))],
    "dates-americaines": [write(F.DATE_NAISSANCE, _day("{m}/{d}/{y}"))],
    "dates-siecle-perdu": [
        write(F.DATE_NAISSANCE, lambda text: text[:-4] + text[-2:]),
        look(is_readable=False),
    ],
    "bureau-prefixe": [write(F.CODE_BUREAU, lambda code: code and f"13900_{code}")],
    "virgules": [look(separator=",")],
    "tabulations": [look(separator="\t", encoding="utf-16")],
    "barres": [look(separator="|")],
    "utf-16-sans-marque": [look(encoding="utf-16-le")],
    "cp1252": [look(encoding="cp1252", end="\r\n")],
    "titre-au-dessus": [look(above=_ABOVE)],
    "titre-au-dessus-colonnes": [
        look(above=("Liste électorale;;;;", "", "Édition du 29/11/2026;;"))
    ],
    "voie-avec-numero": [merge("Adresse", (F.NUMERO_VOIE, F.LIBELLE_VOIE), "{} {}")],
    "ville-avec-code": [merge("Code postal et ville", (F.CODE_POSTAL, F.VILLE), "{} {}")],
    "nom-avec-prenoms": [merge("Nom et prénoms", (F.NOM_NAISSANCE, F.PRENOMS), "{} {}")],
    "bureau-avec-libelle": [merge("Bureau", (F.CODE_BUREAU, F.LIBELLE), "{} - {}")],
    "date-en-trois": [
        split(
            F.DATE_NAISSANCE,
            ("jour naissance", "mois naissance", "année naissance"),
            lambda text: text.split("/") if text.count("/") == 2 else ("", "", text),
        )
    ],
    "tout-a-la-fois": [
        _UPPER,
        drop(F.LIEU_DIT),
        write(F.SEXE, _words(M="Homme", F="Femme")),
        write(F.DATE_NAISSANCE, _day("{d}.{m}.{y}")),
        shuffle(3),
        look(separator="\t", above=_ABOVE),
    ],
}


def iter_variants() -> Iterator[Variant]:
    """Yield the changed files."""
    for name, changes in CHANGES.items():
        variant = replace(original(), name=name)
        for change in changes:
            variant = change(variant)
        yield variant


def answer(matching: Matching, variant: Variant) -> tuple[dict[str, str], list[str]]:
    """Answer the page « Faire correspondre » as the clerk who knows the file; return the form and the wrong guesses."""
    form = {asked.field.value: _choose(asked.field, matching, variant) for asked in matching.fields}
    wrong = [it.field.value for it in matching.fields if it.guess and it.guess != form[it.field]]
    form |= {
        f"{it.field}-{n}": variant.meanings.get(it.value, ABSENT)
        for n, it in enumerate(matching.values)
    }
    return form | dict.fromkeys(("shape",) if matching.shapes else (), *matching.shapes[:1]), wrong


def _choose(name: SourceField, matching: Matching, variant: Variant) -> str:
    places = [place for place, it in enumerate(variant.columns) if name in it.holds]
    if len(places) > 1 or any(len(variant.columns[place].holds) > 1 for place in places):
        return next((f"p{n}" for n, it in enumerate(matching.proposals) if name in it.fields), "")
    return f"c{places[0]}" if places else ABSENT
