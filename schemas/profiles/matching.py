"""The questions about a file that no profile fits, and their answers: the page « Faire correspondre »."""

from collections.abc import Mapping

from pydantic import ValidationError

from schemas.profiles.source import (
    CODES,
    LEFT,
    F,
    FieldSource,
    JsonPart,
    Shape,
    SourceField,
    SourceMapping,
)
from schemas.vocabulary import Liste

ABSENT = "absent"
"""The answer that the file lacks a field."""


class FoundColumn(JsonPart):
    """A column of the file, with examples; they are masked unless few different values occur."""

    title: str
    examples: tuple[str, ...]


class Proposal(JsonPart):
    """A field that several columns hold together, or fields that one column holds together."""

    label: str
    fields: tuple[SourceField, ...]
    mapping: SourceMapping


class AskedField(JsonPart):
    """A field that the file should have: where is it?"""

    field: SourceField
    label: str
    guess: str = ""
    """The proposed answer: `c3` for a column, `p0` for a proposal, `vP` for a value of all lines."""
    reason: str = ""
    is_required: bool = False


class AskedValue(JsonPart):
    """A value that the profile does not know: which code has it?"""

    field: SourceField
    label: str
    value: str
    count: int


class Matching(JsonPart):
    """What the worker asks about a file."""

    columns: tuple[FoundColumn, ...]
    fields: tuple[AskedField, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    values: tuple[AskedValue, ...] = ()
    shapes: tuple[Shape, ...] = ()
    """The shapes in which all dates that could not be read are dates."""

    def choices(self, asked: AskedField) -> dict[str, str]:
        """Return the possible answers to a question about a field, and their labels."""
        proposals = {
            f"p{n}": it.label for n, it in enumerate(self.proposals) if asked.field in it.fields
        }
        columns = {f"c{n}": _describe(it) for n, it in enumerate(self.columns) if it.title}
        listes = {
            f"v{code}": f"tous sur la liste {code}"
            for code in CODES[F.LISTE]
            if asked.field is F.LISTE
        }
        absent = {} if asked.is_required else {ABSENT: "le fichier ne le dit pas"}
        return proposals | columns | listes | absent

    def value_choices(self, asked: AskedValue) -> dict[str, str]:
        """Return the possible meanings of a value, and their labels."""
        labels = {it.value: it.label for it in Liste} | {"M": "masculin", "F": "féminin"}
        return {code: labels[code] for code in CODES[asked.field]} | {
            ABSENT: "autre chose : laisser tel quel"
        }

    @property
    def shape_choices(self) -> dict[str, str]:
        """The shapes of dates that are possible."""
        return {shape.value: shape.value for shape in self.shapes}

    def read(self, answers: Mapping[str, str]) -> tuple[SourceMapping, dict[str, str]]:
        """Read the answers, by the names of the form; return the mapping, and the French fault of each wrong answer."""
        mapping, faults = SourceMapping(), dict[str, str]()
        said = {
            it.field.value: self._read_field(it, answers.get(it.field, "")) for it in self.fields
        }
        for name, value in {
            f"{it.field}-{number}": it for number, it in enumerate(self.values)
        }.items():
            answer = answers.get(name, "")
            code = LEFT if answer == ABSENT else answer
            is_known = code in (LEFT, *CODES[value.field])
            said[name] = _of(value.field, values={code: (value.value,)}) if is_known else None
        if self.shapes:
            chosen = next((it for it in self.shapes if it == answers.get("shape", "")), None)
            said["shape"] = _of(F.DATE_NAISSANCE, shapes=(chosen,)) if chosen else None
        for name, part in said.items():
            if part is None:
                faults[name] = "choisissez une réponse"
                continue
            try:
                mapping = mapping.joined(part)
            except ValidationError:
                faults[name] = "cette colonne est déjà choisie pour un autre champ"
        return mapping, faults

    def _read_field(self, asked: AskedField, answer: str) -> SourceMapping | None:
        if answer not in self.choices(asked):
            return None
        if answer == ABSENT:
            return _of(asked.field, is_absent=True)
        if answer.startswith("v"):
            return _of(asked.field, constant=answer[1:])
        if answer.startswith("p"):
            return self.proposals[int(answer[1:])].mapping
        return _of(asked.field, titles=(self.columns[int(answer[1:])].title,))


def _describe(column: FoundColumn) -> str:
    title = column.title[:60]  # each question offers each column
    return (
        f"{title} (par exemple {column.examples[0][:30]})" if column.examples else f"{title} (vide)"
    )


def _of(field: SourceField, **said: object) -> SourceMapping:
    return SourceMapping(fields={field: FieldSource.model_validate(said)})
