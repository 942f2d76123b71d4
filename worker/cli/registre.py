"""The commands `declare`, `communes` and `forget`.

They prompt for the names of electors: the shell stores a command line, and all accounts of the host can see it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple
from datetime import UTC, date, datetime
from typing import Annotated, Any, BinaryIO, Self

import click
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from sqlalchemy import Connection, RowMapping

from common.cli import confirm, one_of
from common.french import count_of, short_date
from common.texte import clean
from schemas.declarations import (
    FILE_KINDS,
    FileDeposited,
    RegisterNote,
    TableauPublished,
    VerdictReceived,
)
from schemas.envelope import InvalidEventError, parse_json
from schemas.faults import FieldError, explain
from schemas.profiles.source import Shape
from schemas.requests import CodeCommune, Contract, ExportIds
from schemas.vocabulary import Liste
from worker.arrivals import Arrivals
from worker.cli.dead_letters import drop_about
from worker.cli.options import (
    CODE_COMMUNE,
    LISTE,
    operator,
    print_recalled,
    print_table,
    register_database,
    worker_database,
)
from worker.exports.storage import Storage
from worker.handlers.declarations.declare import declare as write
from worker.handlers.declarations.declare import lift_protection
from worker.handlers.declarations.declare import protect as protect_electeur
from worker.handlers.declarations.file_notes import declare_files
from worker.handlers.forget import ForgetScope, forget_agent, forget_commune, forget_electeur
from worker.registre.communes import add_commune, read_names, search_communes, select_bureaux
from worker.registre.comparaison.doubts import describe_differing, list_doubts
from worker.registre.imports.chain import Interval
from worker.registre.imports.lines import read_date
from worker.registre.mouvements.queries import list_incomplete
from worker.registre.protections import Protege, select_protections
from worker.registre.scrutins import select_reunions, select_scrutins
from worker.settings import load_settings

KINDS = ("reunion", "scrutin", "motifs", "bureau", "protection", "doubt")
_AAAA_MM_JJ = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


class Declared(Contract):
    """A declaration as the event has it, without `requested_by`. A poll without `commune` is of the whole country."""

    commune: CodeCommune | None = None
    exports: ExportIds | None = None
    note: Annotated[
        FileDeposited | VerdictReceived | TableauPublished | RegisterNote,
        Field(discriminator="kind"),
    ]

    @model_validator(mode="after")
    def _check_exports(self) -> Self:
        if self.is_of_files != bool(self.exports):
            raise FieldError(
                "exports_of_files", "exports est attendu pour ce qui est noté de fichiers"
            )
        return self

    @property
    def is_of_files(self) -> bool:
        """Whether it is a note about files."""
        return self.note.kind in FILE_KINDS

    def write(self, connection: Connection, now: datetime) -> list[str]:
        """Write it, by the operator; return the labels of the recalled tableaux."""
        if not isinstance(self.note, FileDeposited | VerdictReceived | TableauPublished):
            return write(connection, self.commune or "", self.note, by=operator(), now=now)
        about = self.commune or "", self.exports or ()
        declare_files(connection, *about, self.note, by=operator(), now=now)
        return []


@click.command
@click.argument("file", metavar="[FICHIER]", type=click.File("rb"), required=False)
@click.option(
    "--show", "kind", type=one_of(KINDS), metavar="SORTE", help=f"Montrer : {', '.join(KINDS)}."
)
@click.option(
    "--commune", default="", metavar="CODE", help="Code INSEE, avec --show, --protect ou --lift."
)
@click.option("--protect", is_flag=True, help="Protéger un électeur : son nom est demandé ensuite.")
@click.option(
    "--lift", is_flag=True, help="Ne plus protéger un électeur : son nom est demandé ensuite."
)
def declare(
    *, file: BinaryIO | None, kind: str | None, commune: str, protect: bool, lift: bool
) -> None:
    """Noter ce que la mairie sait, ou le montrer.

    FICHIER (« - » : l'entrée standard) est une déclaration en JSON, ou une liste de déclarations. Toutes sont notées,
    ou aucune. Il ne nomme aucun électeur. Un scrutin sans « commune » est celui de tout le pays. Un dépôt, une réponse
    de la plateforme ou une publication nomme ses fichiers par leur numéro (« exports »).
    """
    if [bool(file), bool(kind), protect, lift].count(True) != 1:
        raise click.UsageError("un FICHIER, --show, --protect ou --lift est attendu, un seul")
    if not file and not commune and kind not in {"scrutin", "doubt"}:
        raise click.UsageError("--commune est attendu aussi")
    if file:
        declared, now = _read_file(file), datetime.now(UTC)
        is_of_files = all(it.is_of_files for it in declared)
        database = worker_database if is_of_files else register_database
        with database() as engine, engine.begin() as connection:
            written = [it.write(connection, now) for it in declared]
        click.echo(f"{count_of(len(declared), 'déclaration notée')}.")
        print_recalled([label for labels in written for label in labels])
    elif kind:
        read, titles = _TABLES[kind]
        with register_database() as engine, engine.connect() as connection:
            rows = [[_describe(value) for value in it] for it in read(connection, commune.upper())]
        print_table(titles, rows, "Rien à montrer.")
    else:
        who = _ask_elector()
        with register_database() as engine, engine.begin() as connection:
            if lift:
                lift_protection(connection, commune.upper(), who, by=operator())
            else:
                print_recalled(protect_electeur(connection, commune.upper(), who, by=operator()))
        click.echo("Protection levée." if lift else "Électeur protégé.")


def _read_file(file: BinaryIO) -> list[Declared]:
    try:
        document = parse_json(file.read())
        return TypeAdapter(list[Declared]).validate_python(
            document if isinstance(document, list) else [document]
        )
    except InvalidEventError:
        raise click.UsageError(f"{file.name} n'est pas du JSON") from None
    except ValidationError as error:
        raise click.UsageError(f"{file.name} : {explain(error)}") from None


def _read_motifs(connection: Connection, commune: str) -> Iterator[Iterable[Any]]:
    for it in list_incomplete(connection, commune):
        who = it.nom_naissance, it.prenoms, it.date_naissance
        interval = str(Interval(it.since or date.min, it.until)) if it.until else ""
        yield (
            it.mouvement,
            it.liste,
            it.nature,
            *who,
            it.categorie,
            it.jour if it.is_dated else None,
            interval,
        )


def _read_doubts(connection: Connection, commune: str) -> Iterator[Iterable[Any]]:
    for it in list_doubts(connection, commune):
        sides = (_describe_side(it._mapping, name) for name in ("radiation", "inscription"))  # noqa: SLF001 — public
        yield (
            it.doute,
            it.code_commune,
            it.liste,
            it.jour,
            describe_differing(it.differs.split()),
            *sides,
        )


_TABLES: dict[str, tuple[Callable[[Connection, str], Iterable[Iterable[Any]]], Sequence[str]]] = {
    "reunion": (
        lambda *where: map(astuple, select_reunions(*where)),
        ("Réunion", "Liste", "A délibéré"),
    ),
    "scrutin": (
        lambda *where: map(astuple, select_scrutins(*where)),
        (
            *(
                "Scrutin",
                "Libellé",
                "Clôture",
                "Publication",
                "Commission",
                "Texte",
                "Réunion du",
                "Au",
                "Cinq jours",
            ),
            "Commune",
        ),
    ),
    "motifs": (
        _read_motifs,
        (
            "N°",
            "Liste",
            "Nature",
            "Nom",
            "Prénoms",
            "Né le",
            "Catégorie",
            "Date",
            "Jours possibles",
        ),
    ),
    "bureau": (
        lambda connection, commune: select_bureaux(connection, [commune]),
        (
            "Commune",
            "Bureau",
            "Nom",
            "Canton",
            "Nom du canton",
            "Circonscription",
            "Nom de la circonscription",
        ),
    ),
    "protection": (select_protections, ("Nom", "Prénoms", "Né le")),
    "doubt": (
        _read_doubts,
        ("N°", "Commune", "Liste", "Export du", "Diffère", "Radiation", "Inscription"),
    ),
}
"""By kind, what is read and the titles of its fields. An empty list or commune means all of them."""


def _describe(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "oui" if value else "non"
        case date():
            return short_date(value)
        case _:
            return _AAAA_MM_JJ.sub(r"\3/\2/\1", str(value))


def _describe_side(doubt: RowMapping, name: str) -> str:
    side = {key.removeprefix(f"{name}_"): value for key, value in doubt.items()}
    usage = f" ({side['nom_usage']})" if side["nom_usage"] else ""
    nom = f"{side['nom_naissance']}{usage} {side['prenoms']}"
    lieu = side["commune_naissance"] or side["pays_naissance"]
    where = f"bureau {side['bureau'] or '?'} n° {side['numero']}"
    return ", ".join(
        filter(None, (nom, _describe(side["date_naissance"]), lieu, side["adresse"], where))
    )


def _ask_elector() -> Protege:
    questions = "Nom de naissance", "Tous les prénoms", "Date de naissance (JJ/MM/AAAA)"
    nom, prenoms, born = (
        clean(click.prompt(question, default="", show_default=False, prompt_suffix=" : ", err=True))
        for question in questions
    )
    try:
        return Protege(nom, prenoms, read_date(born, (Shape.DAY_FIRST, Shape.YEAR_FIRST)))
    except ValueError:
        raise click.UsageError("ce n'est pas une date de naissance ; écrivez JJ/MM/AAAA") from None


_SHOWN = 50


@click.command
@click.option(
    "--add", nargs=2, metavar="CODE NOM", help="Ajouter une commune, ou renommer celle de ce code."
)
@click.option("--search", metavar="TEXTE", help="Chercher par le nom, ou par le code entier.")
def communes(*, add: tuple[str, str] | None, search: str | None) -> None:
    """Chercher ou ajouter une commune."""
    with worker_database() as engine, engine.begin() as connection:
        if add:
            add_commune(connection, *add)
            click.echo(f"Commune {add[0].upper()} ({add[1]}) enregistrée.")
        if search:
            found = search_communes(connection, search)
            for code, nom, departement in found[:_SHOWN]:
                click.echo(f"{code}  {nom} ({departement})")
            if len(found) > _SHOWN:
                click.echo(
                    f"… et {count_of(len(found) - _SHOWN, 'autre')} ; précisez la recherche."
                )
            if not found:
                click.echo("Aucune commune trouvée.")
        if not add and not search:
            click.echo(
                f"{count_of(len(read_names(connection)), 'commune connue')} ; cherchez avec --search."
            )


@click.command
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Code INSEE de la commune.")
@click.option(
    "--agent", metavar="NOM", help="Un agent retiré : son nom quitte ce qu'il a fait et le journal."
)
@click.option(
    "--electeur", is_flag=True, help="Un électeur seulement : son nom est demandé ensuite."
)
@click.option(
    "--liste", type=LISTE, metavar="LISTE", help="P, CE ou CM, si l'électeur reste sur une autre."
)
@click.option("--yes", is_flag=True, help="Ne pas demander confirmation.")
@click.pass_context
def forget(
    context: click.Context,
    *,
    commune: str | None,
    agent: str | None,
    electeur: bool,
    liste: Liste | None,
    yes: bool,
) -> None:
    """Effacer ce qui est gardé d'une commune, d'un électeur qui n'est plus sur la liste, ou le nom d'un agent.

    Registre et ses versions, mouvements, textes, fichiers, exports déposés, lettres mortes. Ce que la loi garde est
    dit ; qui est encore inscrit est refusé. Recommencer finit ce qui a été interrompu.
    """
    if liste and not electeur:
        raise click.UsageError("--liste demande aussi --electeur")
    if agent:
        if not yes:
            confirm(f"Effacer le nom de {agent} de ce qui est gardé, pour toujours ?")
        with register_database() as engine:
            kept = forget_agent(engine, agent, operator())
        click.echo("Nom effacé : le journal n'a plus qu'un signe à sa place.")
        for it in kept:
            click.echo(f"Reste : {it}.")
        return
    if not commune:
        raise click.UsageError("--commune ou --agent est attendu")
    who = _ask_elector() if electeur else None
    if not yes:
        what = (
            "cet électeur"
            if who
            else f"tous les électeurs de {commune}, ses fichiers et ses agents"
        )
        confirm(f"Effacer {what}, pour toujours ?")
    settings = load_settings()
    with register_database() as engine:
        storage = Storage(settings.exports_dir, engine)
        scope = ForgetScope(engine, storage, Arrivals(settings.arrivals_dir), commune, operator())
        done = forget_electeur(scope, who, liste) if who else forget_commune(scope)
        click.echo(f"Effacé ou masqué : {done.describe()}.")
        if context.find_root().command_path == "python -m worker":
            letters = drop_about(engine, done.named.is_in)
            click.echo(
                f"{count_of(letters, 'lettre morte supprimée', 'lettres mortes supprimées')}."
            )
    for it in done.kept:
        click.echo(f"Reste : {it}.")
