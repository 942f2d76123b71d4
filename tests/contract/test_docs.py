"""The documents agree with the code: commands, messages, links, variables; who reads the views of electors."""

import gettext
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from sqlalchemy import Inspector, inspect

from common.settings import PREFIX, VARIABLES, unknown_variables
from producers.cli import COMMANDS as PRODUCER_COMMANDS
from producers.web.settings import WebSettings
from worker.cli.main import COMMANDS as WORKER_COMMANDS
from worker.db.engine import build_engine
from worker.db.migrate import GRANTS, migrate
from worker.settings import Settings
from worker.solo.__main__ import COMMANDS as SOLO_COMMANDS

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
CONTRACT = (REPOSITORY / "schemas" / "README.md", REPOSITORY / "schemas" / "fields.md")
CATALOGUE = REPOSITORY / "common" / "locale" / "fr" / "LC_MESSAGES"


def _read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def _rows(text: str, column: str) -> Iterator[dict[str, str]]:
    """The rows of the tables that have this column, as dicts by column title."""
    titles: list[str] = []
    for line in text.splitlines():
        cells = (
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            if line.startswith("|")
            else []
        )
        if not cells:
            titles = []
        elif not titles:
            titles = cells
        elif column in titles and not set(line) <= set("|-"):
            yield dict(zip(titles, cells, strict=True))


def _click_words() -> dict[str, str]:
    """Click's messages in English and in French, as the catalogue has them; a plural is followed by its number."""
    words: dict[str, str] = {}
    text = (CATALOGUE / "messages.po").read_text("utf-8")
    for key, plural, values in re.findall(
        r'^msgid "(.+)"\n(?:msgid_plural "(.+)"\n)?((?:msgstr.*\n)+)', text, re.MULTILINE
    ):
        french = re.findall(r'^msgstr(?:\[\d\])? "(.+)"$', values, re.MULTILINE)
        words |= (
            {f"{key} {number}": said for number, said in enumerate(french)}
            if plural
            else {key: french[0]}
        )
    return words


def test_what_click_says_is_compiled() -> None:
    with (CATALOGUE / "messages.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for key, french in _click_words().items():
        english, _, number = key.rpartition(" ")
        is_plural = number in {"0", "1"}
        assert (
            compiled.ngettext(english, english, int(number) + 1)
            if is_plural
            else compiled.gettext(key)
        ) == french


def test_every_variable_is_in_the_table_with_its_readers() -> None:
    rows = {
        row["Variable"].strip("`"): row["Read by"]
        for row in _rows(_read("reference.md"), "Read by")
    }
    fields = {"producers": WebSettings.model_fields, "worker": Settings.model_fields}
    read_by = {
        it: [reader for reader in fields if it.lower() in {*fields[reader], "secrets_dir"}]
        for it in VARIABLES
    }
    expected = {PREFIX + name: ", ".join(readers) for name, readers in read_by.items()}
    assert rows == expected


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in [*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md"), *CONTRACT]:
        for target, anchor in re.findall(
            r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text("utf-8")
        ):
            place = path.parent / target if target else path
            text = place.read_text("utf-8") if anchor and place.is_file() else ""
            titles = re.findall(r"^#+ (.+)$", text.lower(), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles]
            if not place.exists() or (anchor and anchor not in anchors):
                broken.append(f"{path.name}: {target}#{anchor}")
    assert broken == []


def test_every_command_that_is_named_exists() -> None:
    families = {
        "worker": WORKER_COMMANDS,
        "worker.solo": SOLO_COMMANDS,
        "producers": PRODUCER_COMMANDS,
    }
    wrong = []
    for path in [REPOSITORY / "README.md", REPOSITORY / "Makefile", *CONTRACT, *DOCS.rglob("*.md")]:
        for module, word in re.findall(
            r"python3? -m ([\w.]+)(?: ([a-z][a-z-]*))?", path.read_text("utf-8")
        ):
            program = (
                f"{module}.__main__" if (REPOSITORY / module.replace(".", "/")).is_dir() else module
            )
            is_known = module in sys.stdlib_module_names or importlib.util.find_spec(program)
            if not is_known or (word and word not in families.get(module, {word: ""})):
                wrong.append(f"{path.name}: python -m {module} {word}")
    assert wrong == []


OF_ELECTEURS = {
    "copies",
    "doutes",
    "electeurs",
    "electeurs_proteges",
    "motifs_notes",
    "mouvements_a_completer",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspector]:
    engine = build_engine(f"sqlite:///{tmp_path_factory.mktemp('views')}/prefecture.db")
    migrate(engine)
    yield inspect(engine)
    engine.dispose()


def test_the_screen_alone_reads_the_views_that_name_electors(database: Inspector) -> None:
    assert set(database.get_view_names()) >= OF_ELECTEURS
    readers = [
        account
        for account, rights in GRANTS.items()
        if any(OF_ELECTEURS & _things(it[1]) for it in rights)
    ]
    assert readers == ["prefecture_ecran"]


def _things(text: str) -> set[str]:
    return set(text.split(", "))


READ_BEFORE_THE_SETTINGS = {"SECRETS_DIR"}
SETTINGS: tuple[type[BaseSettings], ...] = (Settings, WebSettings)


def test_the_list_of_variables_is_that_of_the_settings() -> None:
    fields = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    assert sorted(VARIABLES) == sorted(fields | READ_BEFORE_THE_SETTINGS)
    assert {settings.model_config["env_prefix"] for settings in SETTINGS} == {PREFIX}


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("PREFECTURE_DATABASE_ULR", "PREFECTURE_DATABASE_URL"),
        ("PREFECTURE_EXPORT_DIR", "PREFECTURE_EXPORTS_DIR"),
        ("prefecture_amqpurl", "PREFECTURE_AMQP_URL"),
        ("PREFECTURE_RETENTION", "PREFECTURE_RETENTION_DAYS"),
        ("PREFECTURE_QQQ", ""),
    ],
)
def test_a_misspelt_variable_is_seen_and_the_right_one_is_suggested(typo: str, meant: str) -> None:
    known = ["PATH", "prefecture_log_level", "PREFECTUREX", "LOG_LEVEL"]
    found = unknown_variables([typo, meant, *known])
    assert (list(found), meant in {"", found[typo]}) == ([typo], True)
