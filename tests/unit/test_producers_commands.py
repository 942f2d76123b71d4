"""The commands of a producer without a broker: settings, events, and the refusals before publishing."""

import getpass
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from common.cli import ExitCode
from producers.cli import main
from producers.cli.send import TOGETHER, read_communes
from producers.errors import InvalidRequestError, ProducerConfigurationError, PublishError
from producers.publisher import Publisher
from producers.settings import default_requested_by, load_settings
from schemas.checking import find_faults
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.requests import ListeExportRequested
from schemas.tableaux import TypeTableau
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AMQP_URL", "STATE_URL", "EXPORTS_DIR", "SOURCE", "REQUESTED_BY", "SECRETS_DIR"):
        monkeypatch.delenv(f"PREFECTURE_{name}", raising=False)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("martine", "martine"),
        ("Église-Saint.Jean", "Église-Saint.Jean"),
        ("DOMAINE\\agent", "DOMAINE-agent"),
        ("_service", "service"),
        ("$$$", "inconnu"),
        ("", "inconnu"),
        ("x" * 300, "x" * 100),
    ],
)
def test_the_system_user_is_put_into_the_letters_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, user: str, expected: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    assert default_requested_by() == expected
    assert ListeExportRequested(commune="13900", requested_by=expected).requested_by == expected


def test_a_misspelt_variable_is_refused_and_the_right_name_suggested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECTURE_STATE_ULR", "sqlite:///x")
    with pytest.raises(
        ProducerConfigurationError, match="vouliez-vous dire PREFECTURE_STATE_URL"
    ) as caught:
        load_settings()
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_wrong_value_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECTURE_SOURCE", "<script>\n")
    with pytest.raises(ProducerConfigurationError, match="PREFECTURE_SOURCE") as caught:
        load_settings()
    assert "script" not in str(caught.value)


def test_secrets_are_read_from_files_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "prefecture_amqp_url").write_text("amqp://producer:hush@broker/prefecture")
    monkeypatch.setenv("PREFECTURE_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.amqp_url.get_secret_value() == "amqp://producer:hush@broker/prefecture"
    assert "hush" not in repr(settings)


ID = "7d0c9a52-5a4f-4a3a-9a53-0f2d1f6f1c11"
LISTE, TABLEAUX = ["export-liste", "--commune", "2a004"], ["render-tableaux", "--commune", "13900"]
EVERY_LIST = {"listes": ["P", "CE", "CM"], "requested_by": "mairie"}
OF_TABLEAUX = {
    "commune": "13900",
    "presentations": ["commune"],
    "edition": "affichage",
    "inclure_j5": False,
    "signature_maire": False,
    "bulk": False,
}
NO_DATE, NO_DAY = "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA", "ce jour n'existe pas"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[CloudEvent]:
    """The events that would be published."""
    events: list[CloudEvent] = []
    monkeypatch.setattr(Publisher, "publish", lambda _, *given: events.extend(given))
    monkeypatch.setenv("PREFECTURE_SOURCE", "/mairie/13900")
    return events


def _check(event: CloudEvent) -> None:
    schema = json.loads((ROOT / "json" / f"{event.type}.json").read_text("utf-8"))
    jsonschema.validate(
        json.loads(event.to_bytes()), schema, format_checker=jsonschema.FormatChecker()
    )


@pytest.mark.parametrize(
    ("arguments", "type_", "data"),
    [
        (
            LISTE,
            REQUEST_LISTE_EXPORT,
            EVERY_LIST | {"commune": "2A004", "formats": ["csv"], "bulk": False},
        ),
        (
            [*LISTE, "--liste", "lp", "--format", "csv", "--format", "XML"],
            REQUEST_LISTE_EXPORT,
            {
                "commune": "2A004",
                "listes": ["P"],
                "formats": ["csv", "xml"],
                "bulk": False,
                "requested_by": "mairie",
            },
        ),
        (
            [*TABLEAUX, "--type", "vingt_jours", "--scrutin", "2027-04-11"],
            REQUEST_TABLEAUX_RENDER,
            EVERY_LIST | OF_TABLEAUX | {"types": ["vingt_jours"], "scrutin": "2027-04-11"},
        ),
        (
            [
                *(
                    *TABLEAUX,
                    "--liste",
                    "lcm",
                    "--liste",
                    "P",
                    "--type",
                    "Vingt-Jours",
                    "--type",
                    "cinq_jours_reu",
                ),
                *(
                    "--edition",
                    "COMMISSION",
                    "--presentation",
                    "par-bureau",
                    "--presentation",
                    "recapitulatif",
                ),
                *("--scrutin", "2027-04-11", "--reunion", "2027-03-19", "--until", "2027-03-20"),
                *("--publication", "2027-03-22", "--inclure-j5", "--signature-maire"),
            ],
            REQUEST_TABLEAUX_RENDER,
            OF_TABLEAUX
            | {
                "listes": ["P", "CM"],
                "types": ["vingt_jours", "cinq_jours_reu"],
                "presentations": ["par_bureau", "recapitulatif"],
                "edition": "commission",
                "scrutin": "2027-04-11",
                "reunion": "2027-03-19",
                "until": "2027-03-20",
                "publication": "2027-03-22",
                "inclure_j5": True,
                "signature_maire": True,
                "requested_by": "mairie",
            },
        ),
        (
            ["cancel", ID],
            REQUEST_CANCEL,
            {"request": {"source": "/mairie/13900", "id": ID}, "requested_by": "mairie"},
        ),
        (
            ["retry", ID, "--source", "/screen", "--export", "41", "--export", "43"],
            REQUEST_RETRY,
            {
                "request": {"source": "/screen", "id": ID},
                "exports": [41, 43],
                "requested_by": "mairie",
            },
        ),
    ],
    ids=["defaults", "liste", "tableau", "tableaux", "cancel", "retry"],
)
def test_a_command_makes_an_event_of_the_contract(
    sent: list[CloudEvent],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    type_: str,
    data: dict[str, Any],
) -> None:
    assert main([*arguments, "--requested-by", "mairie"]) == ExitCode.DONE
    (event,) = sent
    _check(event)
    assert (event.type, event.source, event.data) == (type_, "/mairie/13900", data)
    assert event.id in capsys.readouterr().out


@pytest.mark.parametrize("written", ["2027-04-11", "11/04/2027", "11/4/2027", " 11/04/2027 "])
def test_a_date_is_read_as_a_program_or_a_clerk_writes_it(
    written: str, sent: list[CloudEvent]
) -> None:
    main([*TABLEAUX, "--type", "vingt_jours", "--scrutin", written])
    assert sent[0].data["scrutin"] == "2027-04-11"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["export-liste"],
            "--commune ou --communes-file, un seul des deux (voir « python -m producers export-liste",
        ),
        (["export-liste", "--commune", "../etc"], "code INSEE de commune attendu"),
        ([*LISTE, "--liste", "ZZ"], "listes possibles : P (LP, 01)"),
        ([*LISTE, "--format", "pdf"], "'--format' : les valeurs possibles sont csv, xml"),
        ([*LISTE, "--timeout", "0"], "'--timeout' : un nombre entier est attendu"),
        ([*LISTE, "--requested-by", "<x>"], "requested_by : des lettres"),
        ([*LISTE, "--wait"], "PREFECTURE_STATE_URL"),
        ([*LISTE, "--batch", "x"], "--communes-file et --batch vont ensemble"),
        (["export-liste", "--communes-file", "{file}"], "--communes-file et --batch vont ensemble"),
        (
            ["export-liste", "--communes-file", "{file}", "--batch", "x", "--wait"],
            "exports --batch x",
        ),
        (["export-liste", "--communes-file", "{file}", "--batch", "../x"], "lettres sans accent"),
        (["export-liste", "--communes-file", "nowhere.csv", "--batch", "x"], "fichier introuvable"),
        (["exports"], "PREFECTURE_STATE_URL"),
        (["exports", "--limit", "dix"], "'--limit' : un nombre entier est attendu, 1 au moins"),
        (["exports", "--limite", "3"], "option inconnue : --limite. Vouliez-vous dire '--limit' ?"),
        (["exports", "13900"], "argument en trop"),
        (["export-listes"], "commande inconnue : export-listes. Vouliez-vous dire 'export-liste'"),
        ([], "Commandes :"),
        (["cancel"], "il manque l'argument 'ID'"),
        (["retry", ID, "--export", "tous"], "un nombre entier est attendu, 1 au moins"),
        (
            ["retry", ID, "--export", str(2**60)],
            "exports.0 : un nombre d'au plus 9007199254740991 est attendu",
        ),
        (["cancel", "\x07"], "request.id : un caractère n'est pas admis"),
        ([*TABLEAUX, "--type", "additions"], "--scrutin manque, pour additions"),
        (
            [*TABLEAUX, "--type", "cinq_jours", "--type", "second_rectificatif"],
            "--date-tableau manque, pour second_rectificatif ; --scrutin manque, pour cinq_jours",
        ),
        (
            [*TABLEAUX, "--type", "vingt_jours"],
            "--scrutin manque, pour vingt_jours (ou --until, ou --publication)",
        ),
        ([*TABLEAUX, "--scrutin", "2027-04-11"], "il manque l'option '--type'"),
        (
            [*TABLEAUX, "--type", "vingt"],
            f"--type' : les valeurs possibles sont {', '.join(TypeTableau)}",
        ),
        *(
            ([*TABLEAUX, "--type", "additions", "--scrutin", written], reason)
            for written, reason in (
                ("31/02/2027", NO_DAY),
                ("0000-00-00", NO_DAY),
                ("1700000000", NO_DATE),
                ("2027-4-11", NO_DATE),
                ("11/04/27", NO_DATE),
                ("", NO_DATE),
                ("11/04/9999", "scrutin : année attendue entre 1900 et 2199"),
            )
        ),
    ],
)
def test_wrong_usage_exits_with_2_says_why_and_sends_nothing(
    arguments: list[str],
    reason: str,
    sent: list[CloudEvent],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "communes.csv").write_text("13900\n")
    assert main([it.format(file=tmp_path / "communes.csv") for it in arguments]) == ExitCode.USAGE
    answer = capsys.readouterr()
    assert reason in answer.err
    assert "<x>" not in answer.err
    assert (answer.out, sent) == ("", [])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (LISTE, "fr.openelec.prefecture.request.liste_export.v1"),
        (["retry", "some-id", "--export", "41"], "fr.openelec.prefecture.request.retry.v1"),
        (
            ["export-liste", "--communes-file", "{file}", "--batch", "lot-1"],
            "programs.COMPTE.fr.openelec.prefecture.request.liste_export.v1)",
        ),
    ],
)
def test_a_dry_run_shows_what_would_leave_and_sends_nothing(
    arguments: list[str],
    key: str,
    sent: list[CloudEvent],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "communes.csv").write_text("13900\n2A004\n")
    given = [it.format(file=tmp_path / "communes.csv") for it in arguments]
    assert main([*given, "--dry-run"]) == ExitCode.DONE
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == (2 if "--batch" in given else 1)
    assert not any(find_faults(line.encode()) for line in shown.out.splitlines())
    assert key in shown.err
    assert main([*given, "--dry-run", "--wait"]) == ExitCode.USAGE
    assert sent == []


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys; from producers.cli import main; main(['--help']); "
        "sys.exit(','.join({'sqlalchemy', 'pika', 'rich', 'worker'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def run(sent: list[CloudEvent], tmp_path: Path) -> Callable[..., int]:
    """Run a command on a file of communes."""

    def call(command: str, content: str, *options: str, batch: str = "lot-1") -> int:
        file = tmp_path / "communes.csv"
        file.write_text(content, "utf-8")
        return main([command, "--communes-file", str(file), "--batch", batch, *options])

    return call


def test_a_batch_is_one_request_for_each_commune(
    run: Callable[..., int], sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run("export-liste", "13900\n2A004\n13900\n", "--liste", "P", "--format", "xml")
        == ExitCode.DONE
    )
    for event in sent:
        _check(event)
    asked = [
        {name: event.data[name] for name in ("commune", "listes", "formats", "bulk")}
        for event in sent
    ]
    same = {"listes": ["P"], "formats": ["xml"], "bulk": True}
    assert asked == [{"commune": "13900", **same}, {"commune": "2A004", **same}]
    assert {event.correlationid for event in sent} == {"lot-1"}


def test_the_same_batch_sent_again_has_the_same_requests_and_another_one_others(
    run: Callable[..., int], sent: list[CloudEvent]
) -> None:
    run("export-liste", "13900\n2A004\n", "--requested-by", "mairie")
    run("export-liste", "2A004\n13900\n", "--requested-by", "adjoint")
    first, again = ({event.id for event in sent[at : at + 2]} for at in (0, 2))
    assert first == again
    run("export-liste", "13900\n", batch="lot-2")
    run("export-liste", "13900\n", "--format", "xml")
    run("render-tableaux", "13900\n", "--type", "vingt_jours", "--scrutin", "11/04/2027")
    assert len({event.id for event in sent}) == 5


def test_a_broker_that_leaves_in_the_middle_is_told_with_the_way_to_resume(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, PublishError("RabbitMQ (broker.example:5672) est injoignable")])

    def publish(*_: object) -> None:
        if answer := next(answers):
            raise answer

    monkeypatch.setattr(Publisher, "publish", publish)
    codes = "".join(f"{10_000 + number}\n" for number in range(1, TOGETHER + 2))
    assert run("export-liste", codes) == ExitCode.AWAY
    said = capsys.readouterr().err
    assert (
        f"100 demandes envoyées sur {TOGETHER + 1}. Redonnez la même commande pour le reste" in said
    )


@pytest.mark.parametrize(
    "content",
    [
        "13900\r\n2A004",
        "\ufeff13900\n\n  2a004  \n",
        "# arrondissement\n13900 # LIBREVILLE\n2A004\n",
        "Code INSEE;Nom\n13900;Évenos\n2A004;AJACCIO\n",
        '"codgeo","libelle"\n"13900","LIBREVILLE"\n"2A004","AJACCIO"\n;\n',
        "code_commune\tnom\n13900\tLIBREVILLE\n2A004\tAJACCIO\n",
        "13900\n2A004\n13900\n",
    ],
)
def test_one_commune_a_line_or_the_first_column(content: str) -> None:
    assert read_communes(content.encode()) == ["13900", "2A004"]
    if "\ufeff" not in content:
        assert read_communes(content.encode("cp1252")) == ["13900", "2A004"]


def test_every_wrong_line_is_told_with_its_number() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_communes(b"MARSEILLE\n13900\n1001\n\nMARSEILLE;13055\n;AJACCIO\n2A004\n")
    code = "code INSEE de commune attendu : 5 caractères, par exemple 13055 ou 2A004"
    zero = " ; un tableur a peut-être ôté le zéro du début"
    assert str(refused.value).split("\n  ")[1:] == [
        f"ligne 1 : {code}",
        f"ligne 3 : {code}{zero}",
        f"ligne 5 : {code}",
        f"ligne 6 : {code}",
    ]
    with pytest.raises(InvalidRequestError, match="aucune commune"):
        read_communes(b"code\n")
