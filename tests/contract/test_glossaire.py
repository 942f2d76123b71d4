"""A word of the code is French only if the glossary lists it, and it lists no word that nobody uses."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from producers.records import ExportState, RequestState
from schemas.generate import MODELS
from worker.domain.fingerprint import Differences
from worker.exports.models import Depot, Export, Request
from worker.notifier.models import Agent, Notification, Recipient, Reminder, ReminderEcheance
from worker.registre.models import Bureau, Commune, Electeur, Import, ImportListe, ListeCommunale
from worker.writers.columns import ListeSpec
from worker.writers.precheck import Anomaly, Census

REPOSITORY = Path(__file__).parents[2]
TABLES = (
    *(Agent, Bureau, Commune, Depot, Electeur, Export, Import, ImportListe, ListeCommunale, Notification, Recipient),
    *(Reminder, ReminderEcheance, Request),
)
RECORDS = (Anomaly, Census, Differences, ExportState, ListeSpec, RequestState)
_ENGLISH = """
    address after agent announced anomaly answer at attempts because before bulk by cancel cancelled census channel
    cleaned cleaning code column compared complete correlation created date dated day days declared deposited
    differences disabled downloaded due email error event export exports failed file fingerprint finished format
    formats has id import imported info is kept key kind kinds label lease lines message name near needs not
    notification on outcome owner pages parameters part path piece publication published purged read ready reason
    recipient refusal refused rejected reminder render report request requested retries retry rung secret sender
    sent separators settled severity sha signature size source spec started state status subject taken tell teller
    told type types undone until values verdict verified version without written
"""
ENGLISH = set(_ENGLISH.split())
PART_OF_A_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _glossary() -> set[str]:
    text = (REPOSITORY / "docs" / "glossaire.md").read_text("utf-8")
    return {word for word in re.findall(r"^\| (\S+) \|", text, re.MULTILINE) if word != "Word"}


def _parts(name: str) -> Iterator[str]:
    yield from (part.lower() for part in PART_OF_A_NAME.findall(name))


def _singulars(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("x")}


def _names() -> Iterator[str]:
    """The names of tables, columns, fields and of their classes."""
    for model in TABLES:
        yield model.__name__
        yield str(model.__tablename__)
        yield from model.__table__.columns.keys()
    for record in RECORDS:
        yield record.__name__
        yield from (field.name for field in fields(record))
    for contract in MODELS:
        yield contract.__name__
        yield from contract.model_fields


def test_every_word_of_a_table_or_record_is_english_or_in_the_glossary() -> None:
    glossary = _glossary()
    unlisted = {
        part: name
        for name in _names()
        for part in _parts(name)
        if part not in ENGLISH and not _singulars(part) & glossary
    }
    assert unlisted == {}


def test_the_glossary_is_in_order_singular_and_without_accents() -> None:
    words = _glossary()
    assert len(words) > 30
    assert [word for word in words if not re.fullmatch(r"[a-z]+", word)] == []
    text = (REPOSITORY / "docs" / "glossaire.md").read_text("utf-8")
    for section in text.split("\n## "):
        listed = [word for word in re.findall(r"^\| (\S+) \|", section, re.MULTILINE) if word != "Word"]
        assert listed == sorted(listed)
        assert [word for word in listed if any(word != other and other in listed for other in _singulars(word))] == []


def test_every_word_of_the_glossary_is_used() -> None:
    used: set[str] = set()
    for folder in ("common", "schemas", "producers", "worker"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            used.update(_parts(path.stem))
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.FunctionDef() | ast.ClassDef():
                        used.update(_parts(node.name))
                    case ast.Name():
                        used.update(_parts(node.id))
                    case ast.arg() | ast.keyword():
                        used.update(_parts(node.arg or ""))
                    case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_0-9]+", text):
                        used.update(_parts(text))
    assert _glossary() - {single for word in used for single in _singulars(word)} == set()
