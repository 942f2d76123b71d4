"""The command line without a broker: the event it builds, what it refuses, what it documents."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from common.cli import ExitCode
from producers.cli import COMMANDS, main
from producers.cli.requests import build_liste_export
from producers.errors import InvalidRequestError
from schemas.checking import find_faults
from schemas.generate import ROOT
from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import Format, Liste

SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))


def test_the_event_follows_the_published_schema() -> None:
    event = build_liste_export(
        "2A004", [Liste.PRINCIPALE], [Format.CSV, Format.XML], requested_by="mairie", source="/tests"
    )
    jsonschema.validate(json.loads(event.to_bytes()), SCHEMA)
    asked = {"commune": "2A004", "listes": ["P"], "formats": ["csv", "xml"], "bulk": False, "requested_by": "mairie"}
    assert event.data == asked


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["export-liste", "--commune", "13900"], "fr.openelec.prefecture.request.liste_export.v1"),
        (
            ["render-tableaux", "--commune", "13900", "--type", "vingt_jours", "--scrutin", "2027-04-11"],
            "tableaux_render",
        ),
        (["cancel", "some-id"], "fr.openelec.prefecture.request.cancel.v1"),
        (["retry", "some-id", "--export", "41"], "fr.openelec.prefecture.request.retry.v1"),
        (
            ["export-liste", "--communes-file", "{file}", "--batch", "lot-1"],
            "fr.openelec.prefecture.request.liste_export.v1.bulk)",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_dry_run_shows_what_would_leave_and_sends_nothing(
    arguments: list[str],
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", "amqp://127.0.0.1:1/")
    monkeypatch.setattr("producers.publisher.Publisher.publish", lambda *_: pytest.fail("it was sent"))
    (tmp_path / "communes.csv").write_text("13900\n2A004\n")
    given = [it.format(file=tmp_path / "communes.csv") for it in arguments]
    assert main([*given, "--dry-run"]) == ExitCode.DONE
    shown = capsys.readouterr()
    assert all(not find_faults(line.encode()) for line in shown.out.splitlines())
    assert len(shown.out.splitlines()) == (2 if "--communes-file" in given else 1)
    assert key in shown.err
    assert main([*given, "--dry-run", "--wait"]) == ExitCode.USAGE


def test_the_three_lists_and_csv_are_the_default() -> None:
    event = build_liste_export("13900", requested_by="mairie", source="/tests")
    assert (event.data["listes"], event.data["formats"]) == (["P", "CE", "CM"], ["csv"])


def test_a_request_that_breaks_the_contract_is_refused_without_quoting_it() -> None:
    with pytest.raises(InvalidRequestError, match="requested_by") as caught:
        build_liste_export("13900", requested_by="<script>", source="/tests")
    assert "script" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["export-liste"], "--commune ou --communes-file, un seul des deux (voir « python -m producers export-liste"),
        (["export-liste", "--commune", "../etc"], "code INSEE de commune attendu"),
        (["export-liste", "--commune", "13900", "--liste", "ZZ"], "listes possibles : P (LP, 01)"),
        (["export-liste", "--commune", "13900", "--format", "pdf"], "'--format' : les valeurs possibles sont csv, xml"),
        (["export-liste", "--commune", "13900", "--timeout", "0"], "'--timeout' : un nombre plus grand"),
        (["export-liste", "--commune", "13900", "--requested-by", "<x>"], "requested_by : des lettres"),
        (["export-liste", "--commune", "13900", "--wait"], "PREFECTURE_STATE_URL"),
        (["exports"], "PREFECTURE_STATE_URL"),
        (["exports", "--limit", "0"], "'--limit' : un nombre entier plus grand que 0 est attendu"),
        (["exports", "--limit", "dix"], "'--limit' : un nombre entier plus grand que 0 est attendu"),
        (["exports", "--limite", "3"], "option inconnue : --limite. Vouliez-vous dire '--limit' ?"),
        (["exports", "13900"], "argument en trop"),
        (["export-listes"], "commande inconnue : export-listes. Vouliez-vous dire 'export-liste'"),
        ([], "Commandes :"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(
    arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECTURE_STATE_URL", raising=False)
    monkeypatch.setenv("PREFECTURE_AMQP_URL", "amqp://127.0.0.1:1/")
    assert main(arguments) == ExitCode.USAGE
    answer = capsys.readouterr()
    assert reason in answer.err
    assert answer.out == ""


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)], ids=str)
def test_each_command_has_help_in_french_only(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--help"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert " ".join(["Usage : python -m producers", *arguments]) in shown
    assert "Afficher cette aide." in shown
    assert re.findall(r"\b(?:default|required|message|exit|COMMAND|ARGS|TEXT|INTEGER|FLOAT|RANGE)\b", shown) == []


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys; from producers.cli import main; main(['--help']); "
        "sys.exit(','.join({'sqlalchemy', 'pika', 'rich', 'worker'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
