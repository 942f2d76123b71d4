"""`render-tableaux` without a broker: the event that a command line makes, the dates it reads, what it refuses."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from common.cli import ExitCode
from producers.cli import main
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.tableaux import REPERES, Repere, TypeTableau
from schemas.topology import REQUEST_TABLEAUX_RENDER

SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_TABLEAUX_RENDER}.json").read_text("utf-8"))
COMMAND = ["render-tableaux", "--commune", "13900", "--requested-by", "mairie"]
EVERY_LIST = {"commune": "13900", "listes": ["P", "CE", "CM"], "requested_by": "mairie"}
DEFAULTS = {
    "presentations": ["commune"],
    "edition": "affichage",
    "inclure_j5": False,
    "signature_maire": False,
    "bulk": False,
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[CloudEvent]:
    """The events that a broker would have been given."""
    events: list[CloudEvent] = []
    monkeypatch.setattr(Publisher, "publish", lambda _, event: events.append(event))
    return events


@pytest.fixture
def ask(sent: list[CloudEvent]) -> Callable[..., dict[str, Any]]:
    """The data of the event that these options make."""

    def run(*options: str) -> dict[str, Any]:
        assert main([*COMMAND, *options]) == ExitCode.DONE
        event = sent.pop()
        jsonschema.validate(json.loads(event.to_bytes()), SCHEMA, format_checker=jsonschema.FormatChecker())
        return event.data

    return run


def test_what_is_not_given_is_left_to_the_contract(ask: Callable[..., dict[str, Any]]) -> None:
    asked = ask("--type", "vingt_jours", "--scrutin", "2027-04-11")
    assert asked == EVERY_LIST | DEFAULTS | {"types": ["vingt_jours"], "scrutin": "2027-04-11"}


def test_one_request_asks_for_several_types_lists_and_presentations(ask: Callable[..., dict[str, Any]]) -> None:
    words = ["--liste", "lcm", "--liste", "P", "--type", "Vingt-Jours", "--type", "cinq_jours_reu", "--edition"]
    words += ["COMMISSION", "--presentation", "par-bureau", "--presentation", "recapitulatif"]
    days = ["--scrutin", "2027-04-11", "--reunion", "2027-03-19", "--until", "2027-03-20"]
    asked = ask(*words, *days, "--publication", "2027-03-22", "--inclure-j5", "--signature-maire")
    assert asked == {
        "commune": "13900",
        "listes": ["CM", "P"],
        "types": ["vingt_jours", "cinq_jours_reu"],
        "presentations": ["par_bureau", "recapitulatif"],
        "edition": "commission",
        "scrutin": "2027-04-11",
        "reunion": "2027-03-19",
        "until": "2027-03-20",
        "publication": "2027-03-22",
        "inclure_j5": True,
        "signature_maire": True,
        "bulk": False,
        "requested_by": "mairie",
    }


@pytest.mark.parametrize("written", ["2027-04-11", "11/04/2027", "11/4/2027", " 11/04/2027 "])
def test_a_date_is_read_as_a_program_or_a_clerk_writes_it(written: str, ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("--type", "vingt_jours", "--scrutin", written)["scrutin"] == "2027-04-11"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("31/02/2027", "ce jour n'existe pas"),
        ("0000-00-00", "ce jour n'existe pas"),
        ("2027-13-01", "ce jour n'existe pas"),
        ("1700000000", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA"),
        ("2027-4-11", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA"),
        ("11/04/27", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA"),
        ("demain", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA"),
        ("", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA"),
        ("11/04/9999", "scrutin : année attendue entre 1900 et 2199"),
    ],
)
def test_what_is_no_date_is_refused_in_french(
    written: str, reason: str, sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--type", "additions", "--scrutin", written]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err
    assert sent == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--type additions", "--scrutin manque, pour additions"),
        ("--type premier_rectificatif", "--date-tableau manque, pour premier_rectificatif"),
        (
            "--type second_rectificatif --type premier_rectificatif --scrutin 2027-04-11",
            "--date-tableau manque, pour second_rectificatif, premier_rectificatif",
        ),
        ("--type vingt_jours", "--scrutin manque, pour vingt_jours (ou --until, ou --publication)"),
        ("--type cinq_jours_reu --reunion 2027-03-19", "--scrutin manque, pour cinq_jours_reu"),
        (
            "--type cinq_jours --type second_rectificatif",
            "--date-tableau manque, pour second_rectificatif ; --scrutin manque, pour cinq_jours",
        ),
        ("--scrutin 2027-04-11", "il manque l'option '--type'"),
        ("--type vingt", f"--type' : les valeurs possibles sont {', '.join(TypeTableau)}"),
        ("--type additions --presentation a3", "--presentation' : les valeurs possibles sont commune, par_bureau, "),
        ("--type additions --edition publique", "--edition' : les valeurs possibles sont affichage, commission"),
    ],
)
def test_what_must_be_added_or_corrected_is_said_before_anything_is_sent(
    options: str, reason: str, sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options.split()]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err
    assert sent == []


def test_a_program_reads_what_is_missing_as_json(sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--type", "additions", "--json"]) == ExitCode.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == ExitCode.USAGE
    assert document["error"]["code"] == "demande_invalide"
    assert "--scrutin manque" in document["error"]["message"]
    assert sent == []


@pytest.mark.parametrize("option", [Repere.SCRUTIN, Repere.DATE_TABLEAU, Repere.REUNION])
def test_help_says_which_types_want_a_date(option: Repere, capsys: pytest.CaptureFixture[str]) -> None:
    main([COMMAND[0], "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    start = shown.index(f"--{option.replace('_', '-')} DATE")
    meaning = re.split(r" --[a-z-]+ DATE", shown[start + 4 :])[0]
    assert {type_ for type_ in TypeTableau if option in REPERES[type_]} <= set(re.findall(r"\w+", meaning))
