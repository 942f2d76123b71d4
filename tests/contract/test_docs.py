"""The documents agree with the code: commands, exit codes, messages, links, variables, views."""

import gettext
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from sqlalchemy import Inspector, inspect

from common.cli import EXIT_CODES, ExitCode
from common.settings import PREFIX, VARIABLES, unknown_variables
from producers.cli import COMMANDS as PRODUCER_COMMANDS
from producers.web.settings import WebSettings
from worker import errors as worker_errors
from worker.cli.main import COMMANDS as WORKER_COMMANDS
from worker.db.engine import build_engine
from worker.db.migrate import GRANTS, migrate
from worker.settings import Settings
from worker.solo.__main__ import COMMANDS as SOLO_COMMANDS

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
CONTRACT = (REPOSITORY / "schemas" / "README.md", REPOSITORY / "schemas" / "fields.md")
CATALOGUE = REPOSITORY / "common" / "locale" / "fr" / "LC_MESSAGES"
SPAN = re.compile(r"`([^`\n]+)`")


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


def test_every_exit_code_is_explained() -> None:
    explained = {int(number) for number in re.findall(r"[:;] (\d+) ", EXIT_CODES)}
    assert explained == set(ExitCode)


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


def test_every_code_of_an_error_is_explained() -> None:
    words = set(SPAN.findall(_read("producers.md")))
    kinds = [
        kind
        for kind in vars(worker_errors).values()
        if isinstance(kind, type) and issubclass(kind, worker_errors.PrefectureError)
    ]
    codes = {vars(kind)["code"] for kind in kinds if "code" in vars(kind)}
    of_anomalies = {"homonymes_supposes", "corrigee_depuis"}
    for file in (REPOSITORY / "worker").rglob("*.py"):
        codes |= {*re.findall(r'\bcode="([a-z_]+)"', file.read_text("utf-8"))} - of_anomalies
    assert codes - words == set()


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


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    fields = {**Settings.model_fields, **WebSettings.model_fields}
    for row in _rows(_read("reference.md"), "Read by"):
        field = fields.get(row["Variable"].strip("`").removeprefix(PREFIX).lower())
        default = field.default if field else None
        if default and default is not PydanticUndefined and not isinstance(default, SecretStr):
            written = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            assert written in re.findall(r"^`(.*?)`|^([^`;]+)", row["Default"])[0], row["Variable"]


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
OF_THE_SCREEN = "jetons"
"""The view of the tokens, which only the screen reads."""
OF_THE_MODULE = "kept_version"
"""Only imports and purges read it."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspector]:
    engine = build_engine(f"sqlite:///{tmp_path_factory.mktemp('views')}/prefecture.db")
    migrate(engine)
    yield inspect(engine)
    engine.dispose()


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell))


def test_every_view_that_programs_read_is_documented_with_all_its_columns(
    database: Inspector,
) -> None:
    found = {
        view: {column["name"] for column in database.get_columns(view)}
        for view in set(database.get_view_names()) - OF_ELECTEURS - {OF_THE_SCREEN, OF_THE_MODULE}
    }
    section = _read("reference.md").partition("\n## Views\n")[2].partition("\n## ")[0]
    documented = {row["View"].strip("`"): _names(row["Columns"]) for row in _rows(section, "View")}
    title = "Columns of `derniers_exports`"
    documented["derniers_exports"] = [
        name for row in _rows(section, title) for name in _names(row[title])
    ]
    assert {view: set(columns) - {"NULL"} for view, columns in documented.items()} == found
    assert len(documented["derniers_exports"]) == len(found["derniers_exports"])


def test_the_reading_account_reads_the_views_and_the_age_of_works(database: Inspector) -> None:
    *of_views, of_keda = GRANTS["prefecture_lecture"]
    assert {right for right, _ in of_views} == {"SELECT"}
    assert of_keda == ("SELECT (created_at, due_at, kind, lane, state)", "work"), (
        "no subject, no share"
    )
    read = [view for _, things in of_views for view in sorted(_things(things))]
    assert sorted(read) == sorted(
        set(database.get_view_names()) - OF_ELECTEURS - {OF_THE_SCREEN, OF_THE_MODULE}
    )


def test_the_screen_alone_reads_the_views_that_name_electors(database: Inspector) -> None:
    assert set(database.get_view_names()) >= OF_ELECTEURS
    assert GRANTS["prefecture_ecran"] == (
        *GRANTS["prefecture_lecture"][:-1],
        ("SELECT", ", ".join(sorted(OF_ELECTEURS))),
        ("SELECT", OF_THE_SCREEN),
    )
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
WORDS = re.compile(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]")
READ_BY_PEOPLE = ("*.md", "*.yml", "*.yaml", "*.xsd", "Makefile", "Dockerfile")


def test_the_list_of_variables_is_that_of_the_settings() -> None:
    fields = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    assert sorted(VARIABLES) == sorted(fields | READ_BEFORE_THE_SETTINGS)
    assert {settings.model_config["env_prefix"] for settings in SETTINGS} == {PREFIX}


def test_every_setting_is_read() -> None:
    folders = (REPOSITORY / name for name in ("common", "producers", "worker"))
    code = "".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    read = set(re.findall(r"(?:settings|self)\.(\w+)", code))
    assert {name for settings in SETTINGS for name in settings.model_fields} - read == set()


def test_every_variable_named_in_the_repository_exists() -> None:
    folders = [
        REPOSITORY,
        *(
            REPOSITORY / name
            for name in ("docs", "common", "producers", "schemas", "worker", "bench")
        ),
    ]
    files = [path for folder in folders for name in READ_BY_PEOPLE for path in folder.glob(name)]
    files += [
        path
        for folder in folders[1:]
        for path in folder.rglob("*")
        if path.suffix in {".md", ".py", ".sh", ".php"}
    ]
    known = {PREFIX + name for name in VARIABLES}
    unknown = {
        word: path.name
        for path in files
        for word in WORDS.findall(path.read_text("utf-8"))
        if word not in known
    }
    assert files
    assert unknown == {}


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
