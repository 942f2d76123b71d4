"""The faults of a setting or a message: in French for people, in one line, without the value."""

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

from schemas.declarations import DeclarationNoted
from schemas.faults import explain, list_faults
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from worker.errors import ConfigurationError
from worker.settings import Settings, load_settings

SECRET = "LANTERNE-Ursule"
NO_SERVER = "une adresse est attendue, comme smtps://compte:motdepasse@serveur:465"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("METRICS_PORT", SECRET, "un nombre entier est attendu"),
        ("METRICS_PORT", "0", "un nombre d'au moins 1 est attendu"),
        ("LOG_FORMAT", SECRET, "les valeurs possibles sont json ou console"),
        *(
            ("SMTP_SERVER", address, NO_SERVER)
            for address in (SECRET, "http://mail.example", "smtps://", "smtp://a:x")
        ),
    ],
)
def test_a_setting_is_refused_in_french(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", "sqlite://")
    monkeypatch.setenv(f"PREFECTURE_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == f"PREFECTURE_{name} : valeur refusée ({reason})"


def test_a_setting_that_is_refused_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(database_url=SecretStr("sqlite://"), metrics_port=SECRET)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def _refusal(model: type[BaseModel], **fields: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    return caught.value


def test_every_fault_of_a_request_is_named() -> None:
    error = _refusal(ListeExportRequested, commune=13900, listes=[1], formats=SECRET)
    assert explain(error) == (
        "commune : un texte est attendu ; listes.0 : les valeurs possibles sont P, CE ou CM ; "
        "formats : une liste de valeurs est attendue ; requested_by : champ manquant"
    )


def test_fields_that_contradict_each_other_have_no_place() -> None:
    error = _refusal(
        TableauxRenderRequested, commune="13900", types=["additions"], requested_by="mairie"
    )
    assert explain(error) == "scrutin manque, pour additions"


def test_the_name_of_an_unknown_field_is_repeated_only_when_it_is_plain() -> None:
    error = _refusal(
        ListeExportRequested, commune="13900", requested_by="m", **{"electeur": 1, f"{SECRET}\n": 1}
    )
    assert explain(error) == "electeur : champ inconnu ; champ inconnu"


def test_a_fault_of_a_note_points_to_a_field_of_the_event() -> None:
    """Pydantic names the kind of the note in the path; `motifs` is a kind and a field."""
    note = {"kind": "motifs", "motifs": [{"mouvement": "x"}]}
    given = {"commune": "13900", "note": note, "requested_by": "m"}
    with pytest.raises(ValidationError) as caught:
        DeclarationNoted.model_validate(given)
    assert "/data/note/motifs/0/mouvement" in {
        it.pointer for it in list_faults(caught.value, "data", given)
    }


@pytest.mark.parametrize("reason", [".", "- !", "ok"])
def test_a_reason_without_words_is_none(reason: str) -> None:
    note = {"kind": "scrutin", "jour": "2026-03-15", "removed": True, "reason": reason}
    fields = {"commune": "13900", "requested_by": "mairie", "note": note}
    (fault,) = list_faults(_refusal(DeclarationNoted, **fields))
    assert fault.code == "reason_without_words"
    note["reason"] = "Date erronée"
    assert DeclarationNoted.model_validate(fields).commune == "13900"


def test_ten_faults_are_enough() -> None:
    error = _refusal(
        ListeExportRequested,
        commune="13900",
        requested_by="m",
        formats=[SECRET] * 10,
        listes=[SECRET],
    )
    assert explain(error).count("formats.") == 9


class _Other(BaseModel):
    share: float = Field(multiple_of=0.5)


def test_a_rule_that_has_no_words_of_its_own_is_told_in_french_too() -> None:
    assert explain(_refusal(_Other, share=0.3)) == "share : valeur illisible"


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("smtp://mail.example", ("mail.example", 25, "none", "", "")),
        (
            "smtp+starttls://elections:p%40ss%3Aword@mail.example",
            ("mail.example", 587, "starttls", "elections", "p@ss:word"),
        ),
        (
            "smtps://a%40mairie.example:x@mail.example:4650",
            ("mail.example", 4650, "tls", "a@mairie.example", "x"),
        ),
    ],
)
def test_the_address_of_a_mail_server_is_read(
    address: str, server: tuple[str, int, str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("PREFECTURE_SMTP_SERVER", address)
    read = load_settings().mail_server
    assert read is not None
    assert (*read[:4], read.password.get_secret_value()) == server
    assert "p@ss" not in repr(read)
