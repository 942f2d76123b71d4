"""Mistakes and attacks of a sender are refused, with a reason that can be stored, logged and sent back."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.envelope import CloudEvent, InvalidEventError
from schemas.faults import explain
from schemas.generate import ROOT
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.topology import (
    MAX_EVENT_BYTES,
    MAX_SHORT_BYTES,
    REQUEST_LISTE_EXPORT,
    REQUEST_TABLEAUX_RENDER,
)
from tests.faults.poison import HAND_MADE
from tests.unit.nasty import nasty_texts
from worker.messaging.reading import IncomingEvent, PoisonError, read_event

GOOD = (ROOT / "examples" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8")
EVENT: dict[str, Any] = json.loads(GOOD)
TABLEAUX: dict[str, Any] = json.loads(
    (ROOT / "examples" / f"{REQUEST_TABLEAUX_RENDER}.json").read_text("utf-8")
)
MODELS: dict[str, type[ListeExportRequested | TableauxRenderRequested]] = {
    REQUEST_LISTE_EXPORT: ListeExportRequested,
    REQUEST_TABLEAUX_RENDER: TableauxRenderRequested,
}
SECRET = "LANTERNE-Ursule"


def _with(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode("utf-8", "surrogatepass")


def _data(**changes: object) -> bytes:
    return json.dumps(EVENT | {"data": EVENT["data"] | changes}).encode()


def _tableaux(**changes: object) -> bytes:
    return json.dumps(TABLEAUX | {"data": TABLEAUX["data"] | changes}).encode()


def _event(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode()


def _reason(body: bytes) -> str:
    """The reason why the envelope, or the model of the request, refuses the body."""
    try:
        event = CloudEvent.from_bytes(body)
    except InvalidEventError as error:
        return str(error)
    with pytest.raises(ValidationError) as caught:
        MODELS[event.type].model_validate(event.data)
    assert SECRET not in str(caught.value), "what a traceback would show"
    return explain(caught.value)


@pytest.mark.parametrize("example", [EVENT, TABLEAUX], ids=["listes", "tableaux"])
def test_the_example_itself_is_accepted(example: dict[str, Any]) -> None:
    event = CloudEvent.from_bytes(json.dumps(example).encode())
    assert MODELS[event.type].model_validate(event.data).commune == "13900"


REFUSED = {
    "path in the commune": (_data(commune=f"../../{SECRET}"), "commune : code INSEE"),
    "absolute path": (_data(commune=f"/etc/{SECRET}"), "commune : code INSEE"),
    "NUL in the commune": (_data(commune="13900\0"), "commune : code INSEE"),
    "digits of elsewhere": (_data(commune="١٣٩٠٠"), "commune : code INSEE"),
    "département": (_data(commune="13"), "commune : code INSEE"),
    "lone surrogate": (_with('"13900"', '"\\ud800"'), "commune : code INSEE"),
    "number": (_data(commune=13900), "commune : un texte est attendu"),
    "boolean": (_data(commune=True), "commune : un texte est attendu"),
    "NaN": (_data(commune=float("nan")), ""),
    "deep in the data": (_with('"13900"', "[" * 200 + "]" * 200), "nested deeper than 64"),
    "unknown list": (_data(listes=[SECRET]), "listes.0 : les valeurs possibles sont P, CE ou CM"),
    "no list": (_data(listes=[]), "listes : 1 valeur au moins"),
    "list as text": (_data(listes=SECRET), "listes : une liste de valeurs est attendue"),
    "unknown format": (
        _data(formats=[SECRET]),
        "formats.0 : les valeurs possibles sont csv ou xml",
    ),
    "unknown field": (_data(electeurs=[SECRET]), "electeurs : champ inconnu"),
    "missing field": (_with('"commune": "13900",', ""), "commune : champ manquant"),
    "line break in the name": (
        _data(requested_by=f"{SECRET}\n"),
        "requested_by : des lettres, des chiffres",
    ),
    "markup in the name": (
        _data(requested_by=f"<b>{SECRET}"),
        "requested_by : des lettres, des chiffres",
    ),
    "long name": (_data(requested_by=SECRET * 20), "requested_by : 100 caractères au plus"),
    "data as text": (_event(data=SECRET), "data dict_type"),
    "no data": (_event(data=None), "data missing"),
    "time without zone": (_event(time="2026-11-25T09:30:00"), "time time_format"),
    "no time": (_event(time=SECRET), "time time_format"),
    "other version": (_event(specversion=SECRET), "specversion literal_error"),
    "other content": (_event(datacontenttype=SECRET), "datacontenttype media_type"),
    "line break in the source": (
        _event(source=f"mairie\n{SECRET}"),
        "source string_pattern_mismatch",
    ),
    "time as a number": (_event(time=1_795_595_400), "time time_type"),
    "minutes without seconds": (_event(time="2026-11-25T09:30Z"), "time time_format"),
    "data twice": (_event(data_base64=SECRET), "data_twice"),
    "long id": (_event(id=SECRET * 20), "id string_too_long"),
    "capitals in an attribute": (_event(Comment=SECRET), "attribute_name"),
    "257 KiB": (_event(comment="x" * 257 * 1024), f"{MAX_EVENT_BYTES} at most"),
    "17 KiB": (_event(comment="x" * 17 * 1024), f"{MAX_SHORT_BYTES} at most"),
    "not UTF-8": (GOOD.encode().replace(b"mairie", b"\xff\xfe"), "not UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "cut": (GOOD.encode()[:200], "not JSON"),
    "empty": (b"", "not JSON"),
    "deep everywhere": (b"[" * 100_000, "not JSON"),
    "not an object": (b"[]", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "the same key twice": (
        _with('"commune": "13900"', '"commune": "13900", "commune": "13055"'),
        "",
    ),
    "the same attribute twice": (_with('"specversion"', f'"id": "{SECRET}", "specversion"'), ""),
    "an integer of 5000 digits": (_with('"13900"', "9" * 5_000), ""),
    "the same list eleven times": (_data(listes=["P"] * 11), ""),
    "Infinity in an attribute": (_event(comment=float("inf")), ""),
    "NUL in the name of a field": (_data(**{"a\0b": 1}), ""),
    "line break in the name of a field": (_data(**{"a\nlevel=critical": 1}), ""),
}


ISO = "scrutin : date attendue sous la forme AAAA-MM-JJ"
REFUSED_TABLEAUX = {
    "seconds since 1970": (_tableaux(scrutin=1700000000), ISO),
    "date and time": (_tableaux(scrutin="2027-04-11T00:00:00Z"), ISO),
    "digits of elsewhere": (_tableaux(scrutin="٢٠٢٧-٠٤-١١"), ISO),
    "date and line break": (_tableaux(scrutin="2027-04-11\n"), ISO),
    "list for a date": (_tableaux(scrutin=[2027, 4, 11]), ISO),
    "boolean date": (_tableaux(publication=True), "publication : date attendue"),
    "no day": (_tableaux(scrutin="0000-00-00"), "scrutin : ce jour n'existe pas"),
    "before the lists": (_tableaux(scrutin="1789-04-11"), "scrutin : année attendue"),
    "no poll": (
        _tableaux(scrutin=None),
        "scrutin manque, pour vingt_jours (ou until, ou publication)",
    ),
    "a repealed type": (
        _tableaux(types=["premier_rectificatif"], date_tableau="2019-01-10"),
        "n'existe plus le 10/01/2019, il est abrogé depuis le 1er janvier 2019 : demandez le tableau annuel des inscr",
    ),
    "a type of today's law for a poll of before": (
        _tableaux(types=["cinq_jours_reu"], scrutin="2018-12-30"),
        "« Tableau des cinq jours » n'existe pas encore le 30/12/2018",
    ),
    "its end before today's law": (
        _tableaux(types=["vingt_jours"], scrutin=None, until="2018-12-31"),
        "« Tableau des vingt jours » n'existe pas encore le 31/12/2018",
    ),
    "no poll for two": (
        _tableaux(types=["additions", "cinq_jours"], scrutin=None),
        "pour additions, cinq_jours",
    ),
    "no date for two": (
        _tableaux(types=["premier_rectificatif", "second_rectificatif"]),
        "date_tableau manque, pour premier_rectificatif, second_rectificatif",
    ),
    "no date at all": (
        _tableaux(types=["second_rectificatif", "cinq_jours_reu"], scrutin=None),
        "date_tableau manque, pour second_rectificatif ; scrutin manque, pour cinq_jours_reu",
    ),
    "the day after": (
        _tableaux(types=["premier_rectificatif"], date_tableau="2018-01-11"),
        "date_tableau : la date de",
    ),
    "unknown type": (
        _tableaux(types=[SECRET]),
        "types.0 : les valeurs possibles sont premier_rectificatif, ",
    ),
    "unknown presentation": (
        _tableaux(presentations=[SECRET]),
        "presentations.0 : les valeurs possibles sont ",
    ),
    "unknown edition": (
        _tableaux(edition=SECRET),
        "edition : les valeurs possibles sont affichage ou commission",
    ),
    "yes": (_tableaux(inclure_j5="oui"), "inclure_j5 : true ou false est attendu"),
    "format of a tableau": (_tableaux(formats=["pdf"]), "formats : champ inconnu"),
}
REFUSED |= REFUSED_TABLEAUX


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_nasty_request_is_refused_without_quoting_it(body: bytes, expected: str) -> None:
    reason = _reason(body)
    assert expected in reason
    assert SECRET not in reason
    assert reason.isprintable()
    assert len(reason) < 500


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | nasty_texts(surrogates=True),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty_texts(), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_the_worker_raises_nothing_else_over_drawn_values_and_damaged_bytes(
    data: st.DataObject,
) -> None:
    fields = dict(data.draw(st.sampled_from([EVENT, TABLEAUX])))
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        fields[name] = data.draw(_VALUES)
    body = json.dumps(fields).encode()
    at = data.draw(st.integers(0, 2 * len(body)))
    try:
        shown = ""
        read_event(body[:at] + data.draw(st.binary(max_size=4)) + body[at:], "", "")
    except PoisonError as error:
        shown = str(error)
    assert shown.isprintable()


_NOT_OF_THE_BODY = "Demande invalide", "an event", "unreadable"
POISON = {
    name: (poison.body, reason)
    for name, (poison, reason) in HAND_MADE.items()
    if not reason.startswith(_NOT_OF_THE_BODY)
}


@pytest.mark.parametrize(("body", "reason"), POISON.values(), ids=POISON)
def test_the_worker_refuses_poison_for_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(PoisonError, match=f"^{re.escape(reason)}"):
        read_event(body, "", "")


def test_an_event_shows_nothing_of_itself() -> None:
    """Dramatiq logs the arguments of each call."""
    incoming = IncomingEvent(CloudEvent.from_bytes(_data(requested_by=SECRET)), "")
    assert SECRET not in repr(incoming)


def test_the_worker_does_not_read_what_no_sender_may_send() -> None:
    with pytest.raises(PoisonError, match=f"{MAX_EVENT_BYTES} at most"):
        read_event(b" " * (MAX_EVENT_BYTES + 8 * 1024), "", "")


ACCEPTED = {
    "both rectificatifs": {
        "types": ["premier_rectificatif", "second_rectificatif"],
        "date_tableau": "2018-01-10",
    },
    "29 February": {"types": ["second_rectificatif"], "date_tableau": "2016-02-29"},
    "no date is not a wrong date": {
        "reunion": None,
        "until": None,
        "publication": None,
        "date_tableau": None,
    },
    "vingt jours by its end": {"scrutin": None, "until": "2027-03-19"},
    "vingt jours by its publication": {"scrutin": None, "publication": "2027-03-22"},
    "each type once": {"types": ["cinq_jours_reu", "cinq_jours_reu"]},
    "a name with a ligature": {"requested_by": "Mme Lecœur"},
    "a name with a parenthesis": {"requested_by": "Service élections (mairie), n° 2"},
    "a repealed type until its last day": {"types": ["cinq_jours"], "scrutin": "2018-12-30"},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_a_request_for_tableaux_that_says_enough_is_accepted(changes: dict[str, Any]) -> None:
    asked = TableauxRenderRequested.model_validate(CloudEvent.from_bytes(_tableaux(**changes)).data)
    assert [part[:2] for part in asked.parts()] == [
        (type_, "P") for type_ in asked.types for _ in asked.presentations
    ]
    assert len(set(asked.types)) == len(asked.types)
