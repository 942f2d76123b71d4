"""A batch from the command line, without a broker: what is sent, under which identity, and what is refused before."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from common.cli import ExitCode
from producers import errors
from producers.batch import command
from producers.batch.batch import BATCH_NAME, Batch, put_in_batch
from producers.batch.command import TOGETHER, send_batch
from producers.cli import main
from producers.cli.requests import build_liste_export
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER

SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))
AWAY = errors.BrokerAwayError("broker.example:5672", "connexion refusée")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[CloudEvent]:
    """The events that a broker would have been given."""
    events: list[CloudEvent] = []
    monkeypatch.setattr(Publisher, "publish", lambda _, *given: events.extend(given))
    monkeypatch.setenv("PREFECTURE_SOURCE", "/tests")
    monkeypatch.delenv("PREFECTURE_STATE_URL", raising=False)
    return events


@pytest.fixture
def run(sent: list[CloudEvent], tmp_path: Path) -> Callable[..., int]:
    """Run a command on a file of communes."""

    def call(command: str, content: str, *options: str) -> int:
        file = tmp_path / "Communes (Évenos) 83.csv"
        file.write_text(content, "utf-8")
        return main([command, "--communes-file", str(file), *options])

    return call


def test_one_request_of_a_batch_is_sent_for_each_commune(run: Callable[..., int], sent: list[CloudEvent]) -> None:
    assert run("export-liste", "13900\n2A004\n13900\n", "--liste", "P", "--format", "xml") == ExitCode.DONE
    for event in sent:
        jsonschema.validate(json.loads(event.to_bytes()), SCHEMA)
    assert [event.data["commune"] for event in sent] == ["13900", "2A004"]
    asked = [{name: event.data[name] for name in ("listes", "formats", "bulk")} for event in sent]
    assert asked == [{"listes": ["P"], "formats": ["xml"], "bulk": True}] * 2


def test_the_name_of_a_batch_tells_its_file_and_follows_its_requests(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export-liste", "13900\n2A004\n") == ExitCode.DONE
    (name,) = {event.correlationid for event in sent}
    assert name.startswith("Communes-venos-83-")
    assert BATCH_NAME.fullmatch(name)
    answer = capsys.readouterr()
    assert f"--resume {name}" in answer.err
    assert f"Lot {name} envoyé, 2 communes" in answer.out


def test_the_same_batch_sent_again_has_the_same_requests_whoever_sends(
    run: Callable[..., int], sent: list[CloudEvent]
) -> None:
    run("export-liste", "13900\n2A004\n", "--resume", "lot-1", "--requested-by", "mairie")
    run("export-liste", "2A004\n13900\n", "--resume", "lot-1", "--requested-by", "adjoint")
    first, second = sent[:2], sent[2:]
    assert {event.id for event in first} == {event.id for event in second}
    assert len({event.id for event in first}) == 2


@pytest.mark.parametrize("options", [["--resume", "lot-2"], ["--resume", "lot-1", "--format", "xml"], []])
def test_another_batch_or_another_wish_is_another_request(
    options: list[str], run: Callable[..., int], sent: list[CloudEvent]
) -> None:
    run("export-liste", "13900\n", "--resume", "lot-1")
    run("export-liste", "13900\n", *options)
    one, other = sent
    assert one.id != other.id


def test_tableaux_too(run: Callable[..., int], sent: list[CloudEvent]) -> None:
    options = ["--type", "vingt_jours", "--scrutin", "11/04/2027", "--liste", "P"]
    assert run("render-tableaux", "13900\n2A004\n", *options) == ExitCode.DONE
    assert {event.type for event in sent} == {REQUEST_TABLEAUX_RENDER}
    assert [(event.data["commune"], event.data["scrutin"], event.data["bulk"]) for event in sent] == [
        ("13900", "2027-04-11", True),
        ("2A004", "2027-04-11", True),
    ]


def test_a_wrong_line_stops_everything_and_all_are_told(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "".join(f"x{number}\n" for number in range(30))
    assert run("export-liste", f"13900\n{wrong}2A004\n") == ExitCode.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert "rien n'a été envoyé ; corrigez ces lignes" in lines[0]
    assert lines[1].startswith("  ligne 2 : code INSEE de commune attendu")
    assert lines[-1] == "  … et 10 de plus"
    assert sent == []


def test_wrong_lines_are_left_out_when_that_is_wanted_and_told_again(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export-liste", "13900\nx\n", "--accept-rejects", "--json") == ExitCode.DONE
    answer = capsys.readouterr()
    assert answer.err.startswith("Ligne 2 laissée de côté : code INSEE")
    document = json.loads(answer.out)
    assert [reject["line"] for reject in document["rejects"]] == [2]
    assert [(it["commune"], it["id"], it["outcome"]) for it in document["requests"]] == [("13900", sent[0].id, None)]
    assert document["counts"] is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--commune", "13900", "--communes-file", "{file}"], "--commune ou --communes-file, un seul des deux"),
        (["--commune", "13900", "--resume", "lot"], "demandent --communes-file"),
        (["--commune", "13900", "--accept-rejects"], "demandent --communes-file"),
        (["--communes-file", "{file}", "--report", "x.csv"], "--report demande --wait"),
        (["--communes-file", "{file}", "--resume", "é"], "--resume' : 100 lettres sans accent"),
        (["--communes-file", "{file}/none"], "--communes-file' : fichier"),
        (["--communes-file", "none.csv"], "--communes-file' : fichier introuvable"),
        (["--communes-file", "{empty}"], "le fichier ne nomme aucune commune"),
        (["--communes-file", "{file}", "--wait"], "PREFECTURE_STATE_URL"),
        (["--communes-file", "{file}", "--requested-by", "<x>"], "requested_by : des lettres"),
        (["--communes-file", "{file}", "--wait", "--report", "none/r.csv"], "ne peut pas être écrit"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    arguments: list[str], reason: str, sent: list[CloudEvent], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("13900")
    (tmp_path / "empty").write_text("# rien\n")
    places = {"file": tmp_path / "file", "empty": tmp_path / "empty"}
    assert main(["export-liste", *(argument.format(**places) for argument in arguments)]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err
    assert sent == []


class Broker:
    """Takes events, or raises what is next in `troubles`."""

    def __init__(self, *troubles: errors.PublishError | None) -> None:
        self.taken: list[CloudEvent] = []
        self._troubles = list(troubles)

    def publish(self, *events: CloudEvent) -> None:
        if self._troubles and (trouble := self._troubles.pop(0)):
            raise trouble
        self.taken.extend(events)


def _batch(number: int) -> Batch:
    codes = (f"13{index:03}" for index in range(number))
    return Batch(
        "lot", [put_in_batch(build_liste_export(code, requested_by="m", source="/t"), "lot") for code in codes]
    )


def _send(broker: Any, batch: Batch) -> list[int]:  # noqa: ANN401 — as much of a Publisher as is needed
    shown: list[int] = []
    send_batch(batch, broker, shown.append)
    return shown


@pytest.mark.slow
def test_a_broker_that_comes_back_gets_the_rest() -> None:
    troubles = AWAY, errors.UnconfirmedError("x"), errors.QueueFullError("x", "pleine")
    batch, broker = _batch(2 * TOGETHER + 1), Broker(None, *troubles)
    assert _send(broker, batch) == [TOGETHER, 2 * TOGETHER, 2 * TOGETHER + 1]
    assert broker.taken == list(batch.events)


def test_a_broker_that_is_not_there_at_first_is_told_at_once() -> None:
    with pytest.raises(errors.BrokerAwayError):
        _send(Broker(AWAY), _batch(2))


@pytest.mark.parametrize("trouble", [AWAY, errors.NotTakenError("x", "pleine"), errors.QueueFullError("x", "pleine")])
def test_a_broker_that_does_not_come_back_leaves_the_way_to_resume(
    trouble: errors.PublishError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(errors.BatchInterruptedError) as caught:
        _send(Broker(None, *[trouble] * 99), _batch(TOGETHER + 5))
    assert f"{TOGETHER} demandes sur {TOGETHER + 5} sont parties" in str(caught.value)
    assert str(trouble) in str(caught.value)
    assert "--resume lot" in str(caught.value)
