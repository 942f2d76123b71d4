"""A batch from the command line, without a broker: what is sent, under which identity, and what is refused before."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from common.cli import ExitCode
from producers import errors
from producers.cli import main
from producers.cli.batch import TOGETHER, read_communes
from producers.errors import InvalidRequestError
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER

SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))
AWAY = errors.BrokerAwayError("broker.example:5672", "connexion refusée")
CODE = "code INSEE de commune attendu : 5 caractères, par exemple 13055 ou 2A004"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[CloudEvent]:
    """The events that a broker would have been given."""
    events: list[CloudEvent] = []
    monkeypatch.setattr(Publisher, "publish", lambda _, *given: events.extend(given))
    return events


@pytest.fixture
def run(sent: list[CloudEvent], tmp_path: Path) -> Callable[..., int]:
    """Run a command on a file of communes."""

    def call(command: str, content: str, *options: str, batch: str = "lot-1") -> int:
        file = tmp_path / "communes.csv"
        file.write_text(content, "utf-8")
        return main([command, "--communes-file", str(file), "--batch", batch, *options])

    return call


def test_one_request_is_sent_for_each_commune(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export-liste", "13900\n2A004\n13900\n", "--liste", "P", "--format", "xml") == ExitCode.DONE
    for event in sent:
        jsonschema.validate(json.loads(event.to_bytes()), SCHEMA)
    assert [event.data["commune"] for event in sent] == ["13900", "2A004"]
    asked = [{name: event.data[name] for name in ("listes", "formats", "bulk")} for event in sent]
    assert asked == [{"listes": ["P"], "formats": ["xml"], "bulk": True}] * 2
    assert {event.correlationid for event in sent} == {"lot-1"}
    assert "Lot lot-1 envoyé, 2 communes. Pour le suivre : exports --batch lot-1" in capsys.readouterr().out


def test_the_same_batch_sent_again_has_the_same_requests(run: Callable[..., int], sent: list[CloudEvent]) -> None:
    run("export-liste", "13900\n2A004\n", "--requested-by", "mairie")
    run("export-liste", "2A004\n13900\n", "--requested-by", "adjoint")
    first, second = sent[:2], sent[2:]
    assert {event.id for event in first} == {event.id for event in second}
    assert len({event.id for event in first}) == 2


@pytest.mark.parametrize(("batch", "options"), [("lot-2", []), ("lot-1", ["--format", "xml"])])
def test_another_batch_or_another_wish_is_another_request(
    batch: str, options: list[str], run: Callable[..., int], sent: list[CloudEvent]
) -> None:
    run("export-liste", "13900\n")
    run("export-liste", "13900\n", *options, batch=batch)
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


def test_programs_are_told_which_requests_left(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export-liste", "13900\n", "--json") == ExitCode.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["batch"] == "lot-1"
    assert document["requests"] == [{"commune": "13900", "id": sent[0].id}]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--communes-file", "{file}"], "--communes-file et --batch vont ensemble"),
        (["--commune", "13900", "--batch", "x"], "--communes-file et --batch vont ensemble"),
        (["--communes-file", "{file}", "--batch", "x", "--wait"], "exports --batch x"),
        (["--communes-file", "{file}", "--batch", "../x"], "lettres sans accent"),
        (["--communes-file", "nowhere.csv", "--batch", "x"], "fichier introuvable"),
    ],
)
def test_wrong_usage_sends_nothing(
    options: list[str], reason: str, sent: list[CloudEvent], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "communes.csv").write_text("13900\n")
    given = [it.format(file=tmp_path / "communes.csv") for it in options]
    assert main(["export-liste", *given]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err
    assert sent == []


def test_a_broker_that_leaves_in_the_middle_is_told_with_the_way_to_resume(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, AWAY])

    def publish(*_: object) -> None:
        if answer := next(answers):
            raise answer

    monkeypatch.setattr(Publisher, "publish", publish)
    codes = "".join(f"{10_000 + number}\n" for number in range(1, TOGETHER + 2))
    assert run("export-liste", codes) == ExitCode.AWAY
    said = capsys.readouterr().err
    assert f"100 demandes envoyées sur {TOGETHER + 1}. Redonnez la même commande pour le reste" in said


@pytest.mark.parametrize(
    "content",
    [
        "13900\r\n2A004",
        "\ufeff13900\n\n  2a004  \n",
        "# arrondissement\n13900 # LIBREVILLE\n2A004\n",
        "Code INSEE;Nom\n13900;LIBREVILLE\n2A004;AJACCIO\n",
        '"codgeo","libelle"\n"13900","LIBREVILLE"\n"2A004","AJACCIO"\n;\n',
        "code_commune\tnom\n13900\tLIBREVILLE\n2A004\tAJACCIO\n",
        "13900\n2A004\n13900\n",
    ],
)
def test_one_commune_a_line_or_the_first_column(content: str) -> None:
    assert read_communes(content.encode()) == ["13900", "2A004"]


def test_other_columns_may_be_in_another_encoding() -> None:
    assert read_communes("13900;Évenos\n".encode("cp1252")) == ["13900"]


def test_every_wrong_line_is_told_with_its_number() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_communes(b"MARSEILLE\n13900\n1001\n\nMARSEILLE;13055\n;AJACCIO\n2A004\n")
    zero = " ; un tableur a peut-être ôté le zéro du début"
    assert str(refused.value).split("\n  ")[1:] == [
        f"ligne 1 : {CODE}",
        f"ligne 3 : {CODE}{zero}",
        f"ligne 5 : {CODE}",
        f"ligne 6 : {CODE}",
    ]
    with pytest.raises(InvalidRequestError, match="aucune commune"):
        read_communes(b"code\n")
