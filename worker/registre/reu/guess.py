"""Proposes, for a file that no profile fits, which column holds which field. An agent confirms every proposal.

The questions hold five examples of each column, masked unless few different values occur; they are deleted with the
file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from difflib import SequenceMatcher
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from common.texte import clean
from schemas.profiles.matching import AskedField, AskedValue, FoundColumn, Matching, Proposal
from schemas.profiles.source import (
    CODES,
    F,
    FieldSource,
    Presence,
    SourceField,
    SourceMapping,
    SourceProfile,
    SplitShape,
    SplitSource,
    fold,
)
from worker.errors import ImportRefusedError
from worker.registre.imports.file import ImportedFile, open_stream
from worker.registre.reu.columns import ASKED, SPLITS, find_code, find_shapes, read_name
from worker.registre.reu.lines import MOST_UNKNOWN

SAMPLE = 300
"""Lines of which the values are looked at."""
_MOST_CELLS, _LONGEST_VALUE = 10_000, 100
"""Values that are looked at, and characters of each: the titles and values of a file are an attacker's."""
EXAMPLES = 5
_LONGEST = 60
"""Characters of an example."""
_FEW = 12
"""A column with fewer different values cannot identify an elector: its values are shown as they are."""
_CLOSE = 0.72
"""Similarity of two titles from which one is proposed for the other."""
_MOST = 0.9
"""Share of a column's values that must have the form of a field."""


class MatchNeededError(ImportRefusedError):
    """No profile fits the file: an agent has to match it."""

    def __init__(self, message: str, matching: Matching) -> None:
        super().__init__(message)
        self.matching = matching


class _Column(NamedTuple):
    title: str
    values: Sequence[str]

    def has_form(self, is_form: Callable[[str], bool]) -> bool:
        """Return whether most values have this form, and there are some."""
        filled = [value for value in self.values if value]
        return bool(filled) and sum(map(is_form, filled)) >= _MOST * len(filled)


def describe_matching(
    file: ImportedFile, profile: SourceProfile, unknown: Mapping[str, Counter[str]]
) -> MatchNeededError:
    """Build the questions about a file: missing fields with a proposal for each, and values of unknown meaning.

    `unknown`: the unknown values by field.
    """
    columns, named = _read_columns(file), read_name(file.named or file.path.name)
    missing = [SourceField(name) for name in file.columns.missing]
    positions = {place: field for field, place in file.columns.positions.items()}
    proposals = _find_compound(columns, missing, positions)
    matched = dict(_match(columns, missing, profile, file))
    guesses = {field: (f"c{place}", reason) for field, (place, reason) in matched.items()}
    unknown = dict(_unknown_in_sample(columns, matched, profile)) | dict(unknown)
    for number, (reason, it) in reversed(
        [*enumerate(proposals)]
    ):  # better than a column: the values have that form
        guesses |= dict.fromkeys(it.fields, (f"p{number}", reason))
    if "liste" in named:
        guesses.setdefault(F.LISTE, (f"v{named['liste']}", "c'est ce que dit le nom du fichier"))
    return MatchNeededError(
        _say(file, missing, unknown, profile),
        Matching(
            columns=tuple(
                FoundColumn(title=it.title, examples=_examples(it.values)) for it in columns
            ),
            fields=tuple(
                AskedField(
                    field=field,
                    label=profile.title(field),
                    guess=guesses.get(field, ("", ""))[0],
                    reason=guesses.get(field, ("", ""))[1],
                    is_required=profile.fields[field].presence is Presence.REQUIRED,
                )
                for field in missing
            ),
            proposals=tuple(it for _, it in proposals),
            values=tuple(
                AskedValue(
                    field=SourceField(field), label=profile.title(field), value=value, count=count
                )
                for field, counts in unknown.items()
                if field != F.DATE_NAISSANCE
                for value, count in islice(
                    filter(itemgetter(0), counts.most_common()), MOST_UNKNOWN
                )
            ),
            shapes=tuple(find_shapes([*filter(None, unknown.get("date_naissance", ()))])),
        ),
    )


def _say(
    file: ImportedFile,
    missing: Sequence[SourceField],
    unknown: Mapping[str, Counter[str]],
    profile: SourceProfile,
) -> str:
    lacks = ", ".join(map(profile.title, missing))
    if missing and {*missing} <= ASKED.keys():
        named = read_name(file.named or file.path.name)
        options = " ".join(
            f"{ASKED[field][0]} {named.get(field, ASKED[field][1])}" for field in missing
        )
        by_name = (
            " (c'est ce que dit le nom du fichier : à vérifier)"
            if named.keys() & {*missing}
            else ""
        )
        whose = "rien n'y dit de qui sont ces électeurs"
        return f"{file.name} : {whose}. Colonnes manquantes : {lacks}. Ajoutez {options}{by_name}"
    values = ", ".join(
        f"{profile.title(field)} ({_shown(field, counts)})" for field, counts in unknown.items()
    )
    said = f". Colonnes manquantes : {lacks}" if lacks else f". Valeurs inconnues : {values}"
    return f"{file.name} : aucun profil ne correspond à ce fichier{said}. Décrivez-le dans un profil (--profile)"


def _shown(field: str, counts: Counter[str]) -> str:
    """Return the values that a message may quote; a date may be a person's."""
    few = [value for value in counts if value][:EXAMPLES]
    return (
        "dates d'une autre forme"
        if field == F.DATE_NAISSANCE
        else ", ".join(f"« {value} »" for value in few)
    )


def _read_columns(file: ImportedFile) -> list[_Column]:
    titles = file.columns.titles
    with (
        open_stream(file.path) as stream,
        closing(file.iter_records(stream, file.check)) as records,
    ):
        first = islice(records, min(SAMPLE, _MOST_CELLS // len(titles)))
        lines = (fields for _, fields in first if isinstance(fields, list))
        whole = [
            [clean(it[:_LONGEST_VALUE]) for it in line]
            for line in lines
            if len(line) == len(titles)
        ]
    return [_Column(title, [line[place] for line in whole]) for place, title in enumerate(titles)]


def _examples(values: Sequence[str]) -> tuple[str, ...]:
    different = list(dict.fromkeys(filter(None, values)))
    is_safe = len(different) <= _FEW and len(different) * 3 <= len(values)
    return tuple((value if is_safe else mask(value))[:_LONGEST] for value in different[:EXAMPLES])


def mask(value: str) -> str:
    """Replace all letters but the first of a word, and all digits: `M•••••`, `00/00/0000`."""
    return re.sub(r"\d", "0", re.sub(r"(?<=[^\W\d_])[^\W\d_]", "•", value))


# Which column may hold a field.


def _is(pattern: str) -> Callable[[str], bool]:
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: match(value) is not None


_FORMS: Mapping[SourceField, tuple[Callable[[str], bool], str]] = {
    F.DATE_NAISSANCE: (lambda value: bool(find_shapes([value])), "ses valeurs sont des dates"),
    F.CODE_POSTAL: (_is(r"\d{5}"), "ses valeurs sont des codes postaux"),
    F.DEPARTEMENT_NAISSANCE: (_is(r"\d{1,3}|2[ABab]"), ""),
    F.NUMERO_ORDRE: (_is(r"\d{1,6}"), ""),
    F.CODE_COMMUNE: (_is(r"\d{5}|2[ABab]\d{3}|com\w{5}"), ""),
    **dict.fromkeys((F.NOM_NAISSANCE, F.PRENOMS, F.VILLE, F.PAYS_NAISSANCE), (_is(r"\D+"), "")),
}
"""The form of the values of a field, and the reason that it gives if one column alone has that form."""


def _match(
    columns: Sequence[_Column],
    missing: Sequence[SourceField],
    profile: SourceProfile,
    file: ImportedFile,
) -> Iterator[tuple[SourceField, tuple[int, str]]]:
    used = {*file.columns.positions.values()}
    free = {place for place, column in enumerate(columns) if place not in used and column.title}
    scored = [
        (score, -number, field, place)
        for number, field in enumerate(missing)
        for place in free
        if (score := _score(columns[place], field, profile.fields[field])) >= _CLOSE
    ]
    done: set[SourceField] = set()
    for _, _, field, place in sorted(scored, reverse=True):
        if place in free and field not in done:
            free.remove(place)
            done.add(field)
            yield field, (place, f"le titre ressemble à « {profile.title(field)} »")
    for field in missing:
        form, reason = _FORMS.get(field, (None, ""))
        if field in done or (not (form and reason) and field not in {F.SEXE, F.LISTE}):
            continue
        source = profile.fields[field]
        alike = [
            it
            for it in free
            if columns[it].has_form(form or (lambda value: bool(find_code(source, value))))  # noqa: B023
        ]
        if len(alike) == 1:
            free.remove(alike[0])
            yield (
                field,
                (alike[0], reason or f"ses valeurs sont celles de « {profile.title(field)} »"),
            )


def _unknown_in_sample(
    columns: Sequence[_Column],
    matched: Mapping[SourceField, tuple[int, str]],
    profile: SourceProfile,
) -> Iterator[tuple[str, Counter[str]]]:
    for field, (place, _) in matched.items():
        values = Counter(filter(None, columns[place].values))
        source = profile.fields[field]
        if field in CODES:
            yield (
                field,
                Counter({it: number for it, number in values.items() if not find_code(source, it)}),
            )
        elif field is F.DATE_NAISSANCE:
            shapes = {*source.shapes}
            yield (
                field,
                Counter(
                    {
                        it: number
                        for it, number in values.items()
                        if shapes.isdisjoint(find_shapes([it]))
                    }
                ),
            )


def _score(column: _Column, field: SourceField, source: FieldSource) -> float:
    """Return how much a title resembles those of a field, 0 to 1; 0 if the values have another form."""
    form, _ = _FORMS.get(field, (None, ""))
    if form and any(column.values) and not column.has_form(form):
        return 0
    title = fold(column.title)
    words = {*title.split()}
    scores = [0.8 if any(words & {fold(hint)} for hint in source.hints) else 0.0]
    for other in map(fold, source.titles):
        others = {*other.split()}
        within = 0.75 if words and (words <= others or others <= words) else 0.0
        scores += [within, SequenceMatcher(None, title, other).ratio()]
    return max(scores)


# Fields that several columns hold together, or one column with another field.


_Reasoned = tuple[str, Proposal]


def _find_compound(
    columns: Sequence[_Column], missing: Sequence[SourceField], positions: Mapping[int, str]
) -> list[_Reasoned]:
    found: list[_Reasoned] = []
    if F.DATE_NAISSANCE in missing:
        numbers = [it for it in columns if it.has_form(_is(r"\d{1,4}"))]
        alike = (
            [it.title for it in numbers if word in fold(it.title).split()]
            for word in ("jour", "mois", "annee")
        )
        parts = [titles[0] if len(titles) == 1 else "" for titles in alike]
        found += _join_parts(
            F.DATE_NAISSANCE, parts, "le jour, le mois et l'année ont chacun leur colonne"
        )
    if F.PRENOMS in missing:
        prenoms = [it.title for it in columns if fold(it.title).startswith("prenom")]
        found += _join_parts(F.PRENOMS, prenoms, "les prénoms ont chacun leur colonne")
    for shape in SplitShape:
        may_hold = (
            it
            for place, it in enumerate(columns)
            if it.title and positions.get(place, "") in {"", *shape.fields}
        )
        column = next(
            (it for it in may_hold if it.has_form(partial(_has_both_halves, shape))), None
        )
        if column and {*shape.fields} & {*missing}:
            mapping = SourceMapping(splits=(SplitSource(titles=(column.title,), shape=shape),))
            label = f"dans « {column.title} » : {shape}"
            found.append(
                (
                    f"ses valeurs sont « {shape} »",
                    Proposal(label=label, fields=shape.fields, mapping=mapping),
                )
            )
    return found


def _join_parts(field: SourceField, titles: Sequence[str], reason: str) -> list[_Reasoned]:
    if len(titles) < 2 or not all(titles):  # noqa: PLR2004 — one column is no join
        return []
    source = FieldSource(parts=tuple((title,) for title in titles))
    mapping = SourceMapping(fields={field: source})
    return [(reason, Proposal(label=" + ".join(titles), fields=(field,), mapping=mapping))]


def _has_both_halves(shape: SplitShape, value: str) -> bool:
    try:
        return all(SPLITS[shape](value))
    except ValueError:
        return False
