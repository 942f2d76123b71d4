"""Renders pages: Jinja templates, French filters, static files.

Templates refer to a static file by `static('screen.css')`. Its URL has a hash of the content, so that browsers cache it
for a year and load a new release at once. For a plain `/static/screen.css`, the browser revalidates each time (ETag).
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from common.calendrier import PROOF_DAYS, civil_day, civil_time
from common.french import (
    NBSP,
    capitalized,
    count_of,
    format_birth,
    format_elapsed,
    format_moment,
    format_number,
    format_size,
    long_date,
    name_secteur,
    short_date,
    typo,
    weekday_date,
    without_commands,
)
from common.texte import without_controls
from producers.web.exports.query import AskedFile
from producers.web.forms import once_for
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import FORMATS, Format, Liste


class Section(NamedTuple):
    """An entry of the navigation: the name of its route, its French label, and what an agent does there."""

    name: str
    label: str
    purpose: str
    pages: Sequence["Section"] = ()
    """Its other pages, shown while one of them is open."""


NAVIGATION = (
    Section("taches", "À faire", "Ce qui attend la commune, dans l'ordre"),
    Section(
        "registre",
        "Le registre",
        "Déposer l'export du REU, et le reprendre",
        (
            Section("doutes", "Doutes", "Dire qui est la même personne"),
            Section("motifs", "Dates et motifs", "Dire quand et pourquoi chacun est venu ou parti"),
        ),
    ),
    Section(
        "listes",
        "Liste électorale",
        "Demander les fichiers des listes",
        (
            Section(
                "exports",
                "Tous les fichiers",
                "Retrouver un fichier, ses anomalies, sa publication",
            ),
            Section("verifier", "Vérifier un fichier", "Savoir si un fichier est intact"),
            Section("copies", "Copies de la liste", "Répondre à un électeur qui demande la liste"),
            Section("statistiques", "Statistiques", "Compter les électeurs et les mouvements"),
        ),
    ),
    Section(
        "tableaux",
        "Tableaux",
        "Demander les tableaux",
        (
            Section("echeances", "Échéances", "Ce que chaque scrutin demande, et pour quand"),
            Section(
                "reunions",
                "Réunions et scrutins",
                "Noter les réunions de la commission et les scrutins",
            ),
        ),
    ),
    Section(
        "depot",
        "Dépôts",
        "Noter un dépôt, et la réponse de la plateforme",
        (Section("dossier", "Dossier de dépôt", "Réunir ce qui se dépose ensemble"),),
    ),
)
SETTINGS = Section(
    "reglages",
    "Réglages",
    "Ce qui vaut pour tous les fichiers de la commune",
    (
        Section("mairie", "Mairie", "Dire son adresse et qui signe les lettres"),
        Section("bureaux", "Bureaux", "Dire leur canton et leur circonscription"),
        Section("proteges", "Électeurs protégés", "Masquer leur adresse (art. L. 37)"),
        Section("prevenir", "Vos messages", "Choisir ce dont vous êtes prévenu"),
        Section("envois", "Messages", "Ce que le module a envoyé"),
        Section("journal", "Journal", "Qui a fait quoi, et quand"),
    ),
)


_ROOT = Path(__file__).parent
FOLDER = _ROOT / "static"

_NOT_WORDS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>]*>)", re.DOTALL)


class Assets(StaticFiles):
    """The folder `static`, with a hash of each file."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)
        self._hashes: Mapping[str, str] = {
            path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for path in FOLDER.rglob("*")
            if path.is_file()
        }

    def url(self, name: str) -> str:
        """Return the URL of a file, by its path in the folder; KeyError if there is none."""
        return f"/static/{name}?v={self._hashes[name]}"

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in {200, 206, 304}:
            is_this_one = scope["query_string"] == f"v={self._hashes.get(path)}".encode()
            lifetime = "max-age=31536000, immutable" if is_this_one else "no-cache"
            response.headers["Cache-Control"] = f"public, {lifetime}"
        return response


def build_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOT),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: (
            without_controls(value) if type(value) is str else value
        ),  # not Markup, which is ours
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_words(environment)
    environment.globals.update(NAVIGATION=NAVIGATION, SETTINGS=SETTINGS, once_for=once_for)
    return environment


def iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


class FrenchSpaces(Extension):
    """Applies `typo` to the text of templates; tags and expressions stay unchanged."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        del name, filename
        pieces = _NOT_WORDS.split(source)
        return "".join(piece if index % 2 else typo(piece) for index, piece in enumerate(pieces))


def jour_of(instant: datetime, code_commune: str) -> str:
    return short_date(civil_day(instant, code_commune))


def in_commune(words: Callable[[datetime, str], str]) -> Callable[[Context, datetime], str]:
    """Return a filter that formats an instant in the civil time of the page's commune.

    A template without `commune` fails: it must be imported "with context".
    """

    @pass_context
    def write(context: Context, instant: datetime) -> str:
        return words(instant, context["commune"].code)

    return write


def day_of(text: str) -> str:
    """Format a day of a JSON document: `2027-04-11` gives `dimanche 11 avril 2027`."""
    return weekday_date(date.fromisoformat(text))


@pass_context
def to_deposit(context: Context, file: AskedFile) -> bool:
    """Whether the file is one that the platform of its commune still wants."""
    return bool(context["platform"].deposits_wanted) and not file.is_never_deposited


def kept_until(file: AskedFile, days: int) -> date:
    """Return the last civil day of the commune on which the bytes of a finished file are sure to be kept.

    `days`: after the file was made. What was published or deposited is kept a year after that.
    """
    declared = [day for day in (file.published_on, file.deposited_on) if day]
    proofs = [day + timedelta(days=PROOF_DAYS) for day in declared]
    made = civil_day(file.finished_at or file.requested_at, file.code_commune)
    return max([made + timedelta(days=days), *proofs])


def people_label(file: AskedFile, now: datetime) -> str:
    """Format as `Liste principale — 25 novembre, 14 h 38`; the year is added unless it is that of `now`.

    Pages show the label, known to users of openElec, beside it. Days and hours do not break across lines.
    """
    at = civil_time(file.requested_at, file.code_commune)
    day = long_date(at.date()).replace(" ", NBSP)
    if at.year == civil_time(now, file.code_commune).year:
        day = day.removesuffix(f"{NBSP}{at.year}")
    what = Liste(file.liste).short_label
    if file.edition and not file.is_tableau:
        what = file.label.partition(", liste")[0]
    if file.is_tableau:
        of = f", {name_secteur(file.secteur)}" if file.secteur else ""
        what = f"{file.titre}{of}, {liste_words(file.liste)}"
    other_format = (
        "" if file.is_tableau or file.format == Format.CSV else f" ({FORMATS[file.format].label})"
    )
    return f"{what} — {day}, {at.hour}{NBSP}h{NBSP}{at:%M}{other_format}"


def liste_words(code: str) -> str:
    """Format a list within a sentence: `CE` gives `liste complémentaire européenne`."""
    return Liste(code).short_label.lower()


def add_words(environment: Environment) -> None:
    environment.add_extension(FrenchSpaces)
    by_name = to_deposit, day_of, iso, kept_until, capitalized, people_label, liste_words
    for word in by_name:
        environment.filters[word.__name__] = word
    environment.filters |= {
        "typo": lambda text: typo(without_commands(text)),
        "jour": short_date,
        "naissance": format_birth,
        "secteur": name_secteur,
        "long_jour": weekday_date,
        "moment": in_commune(format_moment),
        "jour_of": in_commune(jour_of),
        "number": format_number,
        "size": format_size,
        "agree": count_of,
        "elapsed": format_elapsed,
    }
    environment.globals.update(
        Liste=Liste, TypeTableau=TypeTableau, Presentation=Presentation, Edition=Edition
    )
    environment.globals.update(Format=Format, FORMATS=FORMATS)
