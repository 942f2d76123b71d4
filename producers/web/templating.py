"""Renders pages: Jinja templates, French filters, static files.

Templates refer to a static file by `static('screen.css')`. Its URL has a hash of the content, so that browsers cache it
for a year and load a new release at once. For a plain `/static/screen.css`, the browser revalidates each time (ETag).
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from common.calendrier import civil_day, civil_time
from common.french import (
    NBSP,
    capitalized,
    count_of,
    format_elapsed,
    format_moment,
    format_number,
    format_size,
    long_date,
    short_date,
    typo,
    weekday_date,
    without_commands,
)
from producers.records import WORDS
from producers.web.exports.query import AskedFile
from producers.web.forms import once_for
from producers.web.suivi.requests import request_words
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import FORMATS, ExportKind, Format, Liste, Severity

NAVIGATION = (
    ("taches", "À faire"),
    ("registre", "Le registre"),
    ("listes", "Liste électorale"),
    ("tableaux", "Tableaux"),
    ("exports", "Tous les fichiers"),
    ("dossier", "Dossier de dépôt"),
    ("depot", "Dépôts"),
    ("verifier", "Vérifier un fichier"),
    ("echeances", "Échéances"),
    ("reunions", "Réunions et scrutins"),
    ("completer", "À compléter"),
    ("envois", "Messages"),
    ("journal", "Journal"),
)
"""The tabs: name of the route and French label."""


_ROOT = Path(__file__).parent
FOLDER = _ROOT / "static"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_KEPT = frozenset({200, 206, 304})

_NOT_WORDS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>]*>)", re.DOTALL)

_ACCENTED = """
    absorbée abîmé abîmée abîmés caractères catégorie déjà département électeur exportés française général incohérent
    incohérente nationalité nettoyés numéro obsolète prénoms récente remplacé répété séparateur zéro zéros
"""
_ACCENTS = {unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode(): word for word in _ACCENTED.split()}
_JOINED = {
    "commune naissance": "commune de naissance",
    "date absente": "date de naissance absente",
    "date tableau": "date de tableau",
    "département naissance": "département de naissance",
    "hors union": "hors de l'Union",
    "nom usage": "nom d'usage",
    "numéro voie en date": "numéro de voie en date",
    "pays naissance": "pays de naissance",
}
"""Other French words for parts of the pre-check's codes."""
_LABELS = {
    "bilan_impossible": "Nombre d'électeurs impossible",
    "couverture_attente": "Mouvements en attente",
    "couverture_date": "Dates incertaines",
    "couverture_debut": "Début de la période inconnu",
    "couverture_fin": "Fin de la période inconnue",
    "couverture_inconnue": "Mouvements peut-être incomplets",
    "couverture_lacune": "Exports non comparés",
    "couverture_contredite": "Mouvements et exports en désaccord",
    "doutes_ouverts": "Doutes à trancher",
    "export_efface": "Numéro et adresse d'un autre jour",
    "homonymes_supposes": "Homonymes départagés par supposition",
    "majorite_corrigee": "Majorité changée par une correction",
    "majorite_entre_tableaux": "Majorité entre deux tableaux",
    "registre_modifie": "Registre modifié hors import",
    "second_tour_inconnu": "Second tour non précisé",
}
"""French labels of the other codes, about the completeness of a tableau's period."""


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
        """Send the file with its cache lifetime."""
        response = await super().get_response(path, scope)
        if response.status_code in _KEPT:
            version = parse_qs(scope["query_string"].decode("latin-1")).get("v")
            response.headers["Cache-Control"] = _FOR_EVER if version == [self._hashes.get(path)] else _ASK_AGAIN
        return response

    def mount(self, environment: Environment) -> Mount:
        """Return the route of the static files; define `static` for templates."""
        environment.globals["static"] = self.url
        return Mount("/static", self, name="static")


def build_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOT),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_words(environment)
    environment.globals.update(NAVIGATION=NAVIGATION, once_for=once_for)
    return environment


def iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def duration(span: timedelta) -> str:
    """Format as `8 s`, `3 min 20 s`, `2 h 05 min`."""
    return format_elapsed(span.total_seconds())


def counted(number: int, kind: ExportKind) -> str:
    """Format a number with the noun of the kind: `1 mouvement`, `1 200 électeurs`."""
    return WORDS[kind].so_many(number)


class FrenchSpaces(Extension):
    """Applies `typo` to the text of templates; tags and expressions stay unchanged."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Preprocess a template that Jinja loads."""
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


def kept_until(finished_at: datetime, days: int) -> datetime:
    return finished_at + timedelta(days=days)


def people_label(file: AskedFile, now: datetime) -> str:
    """Format as `Liste principale — 25 novembre, 14 h 38`; the year is added unless it is that of `now`.

    Pages show the label, known to users of openElec, beside it. Days and hours do not break across lines.
    """
    at = civil_time(file.requested_at, file.code_commune)
    day = long_date(at.date()).replace(" ", NBSP)
    if at.year == civil_time(now, file.code_commune).year:
        day = day.removesuffix(f"{NBSP}{at.year}")
    what = Liste(file.liste).short_label
    if file.is_tableau:
        what = f"{file.titre}, {liste_words(file.liste)}"
    other_format = "" if file.is_tableau or file.format == Format.CSV else f" ({FORMATS[file.format].label})"
    return f"{what} — {day}, {at.hour}{NBSP}h{NBSP}{at:%M}{other_format}"


def liste_words(code: str) -> str:
    """Format a list within a sentence: `CE` gives `liste complémentaire européenne`."""
    return Liste(code).short_label.lower()


def code_words(code: str) -> str:
    """Format a code of a report of anomalies: `prenoms_absents` gives `Prénoms absents`."""
    if label := _LABELS.get(code):
        return label
    words = " ".join(_ACCENTS.get(word, word) for word in code.split("_"))
    for short, full in _JOINED.items():
        words = words.replace(short, full)
    return capitalized(words)


def add_words(environment: Environment) -> None:
    environment.add_extension(FrenchSpaces)
    by_name = day_of, iso, duration, kept_until, capitalized, counted, code_words, people_label, liste_words
    for word in (*by_name, request_words):
        environment.filters[word.__name__] = word
    environment.filters |= {
        "typo": lambda text: typo(without_commands(text)),
        "jour": short_date,
        "long_jour": weekday_date,
        "moment": in_commune(format_moment),
        "jour_of": in_commune(jour_of),
        "number": format_number,
        "size": format_size,
        "agree": count_of,
    }
    environment.globals.update(Liste=Liste, TypeTableau=TypeTableau, Presentation=Presentation, Edition=Edition)
    environment.globals.update(Format=Format, FORMATS=FORMATS, Severity=Severity)
