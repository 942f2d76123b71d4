"""The list of variables holds every setting, and nothing else."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from common.settings import PREFIX, VARIABLES, unknown_variables
from producers.web.settings import WebSettings
from worker.settings import Settings

REPOSITORY = Path(__file__).parents[2]
READ_BEFORE_THE_SETTINGS = {"SECRETS_DIR"}
SETTINGS: tuple[type[BaseSettings], ...] = (Settings, WebSettings)
WORDS = re.compile(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]")
READ_BY_PEOPLE = ("*.md", "*.yml", "*.yaml", "*.xsd", "Makefile", "Dockerfile")


def test_the_list_of_variables_is_that_of_the_settings() -> None:
    fields = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    assert sorted(VARIABLES) == sorted(fields | READ_BEFORE_THE_SETTINGS)
    assert {settings.model_config["env_prefix"] for settings in SETTINGS} == {PREFIX}


def test_every_variable_named_in_the_repository_exists() -> None:
    folders = [
        REPOSITORY,
        *(REPOSITORY / name for name in ("docs", "common", "producers", "schemas", "worker", "bench")),
    ]
    files = [path for folder in folders for name in READ_BY_PEOPLE for path in folder.glob(name)]
    files += [
        path for folder in folders[1:] for path in folder.rglob("*") if path.suffix in {".md", ".py", ".sh", ".php"}
    ]
    known = {PREFIX + name for name in VARIABLES}
    unknown = {
        word: path.name for path in files for word in WORDS.findall(path.read_text("utf-8")) if word not in known
    }
    assert files
    assert unknown == {}


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("PREFECTURE_DATABASE_ULR", "PREFECTURE_DATABASE_URL"),
        ("PREFECTURE_EXPORT_DIR", "PREFECTURE_EXPORTS_DIR"),
        ("prefecture_amqpurl", "PREFECTURE_AMQP_URL"),
        ("PREFECTURE_XSD", "PREFECTURE_XSD_PATH"),
    ],
)
def test_a_misspelt_variable_is_seen_and_the_right_one_is_suggested(typo: str, meant: str) -> None:
    assert unknown_variables({typo: "x", "PATH": "/bin", meant: "x"}) == {typo: meant}


def test_a_variable_that_resembles_none_is_seen_too() -> None:
    assert set(unknown_variables(["PREFECTURE_QQQ", "prefecture_log_level", "PREFECTUREX", "LOG_LEVEL"])) == {
        "PREFECTURE_QQQ"
    }
