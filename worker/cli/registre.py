"""The commands about what the register knows besides lists: bureaux, communes, polls, motifs, protections, doubts.

Names of electors are asked for, never options: a command line is kept by the shell and seen by every account of the
machine.
"""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from common.cli import confirm
from common.french import count_of, short_date
from schemas.vocabulary import DoubtDecision, Liste, parse_liste
from worker.cli.options import (
    CODE_COMMUNE,
    JOUR,
    operator,
    print_recalled,
    print_table,
    reason_option,
    register_database,
    system_user,
    whole_number,
    worker_database,
)

if TYPE_CHECKING:
    from worker.registre.bureaux import DescribedBureau
    from worker.registre.comparaison.doubts import DoubtSide, OpenDoubt
    from worker.registre.protections import Protege
    from worker.registre.scrutins import KnownScrutin, Reunion


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--bureau", metavar="CODE", help="Bureau à compléter, par exemple 0001.")
@click.option("--libelle", help="Nom du bureau.")
@click.option("--canton", "code_canton", metavar="CODE", help="Code INSEE du canton, par exemple 1301.")
@click.option("--libelle-canton", help="Nom du canton.")
@click.option("--circonscription", "code_circonscription", metavar="CODE", help="Circonscription législative : 01.")
@click.option("--libelle-circonscription", help="Nom de la circonscription.")
def bureaux(*, commune: str, bureau: str | None, **options: str | None) -> None:
    """Montrer ou compléter les bureaux."""
    from worker.handlers.note_register import describe_bureau
    from worker.registre.bureaux import select_bureaux
    from worker.registre.imports.lines import parse_bureau

    description = {name: value for name, value in options.items() if value is not None}
    if description and not bureau:
        raise click.UsageError("il manque --bureau : lequel faut-il compléter ?")
    with register_database() as engine, engine.begin() as connection:
        if bureau and description:
            describe_bureau(connection, commune.upper(), parse_bureau(bureau), description, by=operator())
        found = list(select_bureaux(connection, [commune.upper()]))
    _show_bureaux([it for it in found if not bureau or it.code == parse_bureau(bureau)], commune)


def _show_bureaux(found: list["DescribedBureau"], commune: str) -> None:
    if not found:
        click.echo(f"Aucun bureau à {commune} : importez d'abord la liste électorale.")
        return
    rows = []
    for it in found:
        canton = f"{it.code_canton or '?'} {it.libelle_canton}"
        rows.append((it.code, it.libelle, canton, f"{it.code_circonscription or '?'} {it.libelle_circonscription}"))
    print_table(("Bureau", "Nom", "Canton", "Circonscription"), rows)


_SHOWN = 50


@click.command
@click.option("--add", nargs=2, metavar="CODE NOM", help="Ajouter une commune, ou renommer celle de ce code.")
@click.option("--search", metavar="TEXTE", help="Chercher par le nom, ou par le code entier.")
def communes(*, add: tuple[str, str] | None, search: str | None) -> None:
    """Chercher ou ajouter une commune."""
    from worker.registre.communes import add_commune, read_codes, search_communes

    with worker_database() as engine, engine.begin() as connection:
        if add:
            add_commune(connection, *add)
            click.echo(f"Commune {add[0].upper()} ({add[1]}) enregistrée.")
        if search:
            _show_communes(search_communes(connection, search))
        if not add and not search:
            click.echo(f"{count_of(len(read_codes(connection)), 'commune connue')} ; cherchez avec --search.")


def _show_communes(found: list[tuple[str, str, str]]) -> None:
    for code, nom, departement in found[:_SHOWN]:
        click.echo(f"{code}  {nom} ({departement})")
    if len(found) > _SHOWN:
        click.echo(f"… et {count_of(len(found) - _SHOWN, 'autre')} ; précisez la recherche.")
    if not found:
        click.echo("Aucune commune trouvée.")


def _read_liste(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Liste | None:
    try:
        return parse_liste(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command
@click.option("--commune", default="", metavar="CODE", help="Code INSEE ; sans lui, les scrutins nationaux.")
@click.option("--add", type=JOUR, metavar="DATE", help="Ajouter ou corriger le scrutin de ce jour, avec --libelle.")
@click.option("--libelle", default="", metavar="TEXTE", help="Ce qu'on élit : « Élections municipales, 1er tour ».")
@click.option("--cloture", type=JOUR, metavar="DATE", help="Clôture de la liste, quand elle est inhabituelle.")
@click.option(
    "--publication", "publication_due", type=JOUR, metavar="DATE", help="Dernier jour du tableau, si ce n'est pas J-20."
)
@click.option("--sans-commission", is_flag=True, help="La commission de contrôle ne se réunit pas avant ce scrutin.")
@click.option("--texte", default="", metavar="TEXTE", help="Le texte qui fixe ces jours : « décret n° … du … ».")
@click.option("--remove", type=JOUR, metavar="DATE", help="Retirer le scrutin de ce jour.")
@reason_option
def scrutins(
    *,
    commune: str,
    add: date | None,
    sans_commission: bool,
    remove: date | None,
    reason: str,
    **noted: Any,  # noqa: ANN401 — the fields of a KnownScrutin
) -> None:
    """Montrer, ajouter ou retirer des scrutins.

    Les tableaux des cinq et des vingt jours, et celui des additions, se comptent depuis leur date : ceux qui sont déjà
    faits et qui changeraient sont à refaire.
    """
    from worker.handlers.note_register import forget_scrutin, note_scrutin
    from worker.registre.scrutins import KnownScrutin, select_scrutins

    if (sans_commission or any(noted.values())) and not add:
        raise click.UsageError("--libelle, --cloture et les jours d'un scrutin demandent aussi --add")
    code = commune.upper()
    with register_database() as engine, engine.begin() as connection:
        by, recalled = operator(), list[str]()
        if remove:
            recalled += forget_scrutin(connection, code, remove, by=by, reason=reason)
        if add:
            scrutin = KnownScrutin(code, add, has_commission=not sans_commission, **noted)
            recalled += note_scrutin(connection, scrutin, by=by, reason=reason)
        found = select_scrutins(connection, code)
    print_recalled(recalled)
    _show_scrutins(found)


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option(
    "--liste", callback=_read_liste, metavar="LISTE", help="P, CE ou CM, si la réunion n'a porté que sur elle."
)
@click.option("--add", type=JOUR, metavar="DATE", help="Noter la réunion de ce jour.")
@click.option("--sans-deliberation", is_flag=True, help="Elle n'a pas délibéré : pas de quorum, ou voix à égalité.")
@click.option("--remove", type=JOUR, metavar="DATE", help="Retirer la réunion de ce jour.")
@reason_option
def commissions(
    *,
    commune: str,
    liste: Liste | None,
    add: date | None,
    sans_deliberation: bool,
    remove: date | None,
    reason: str,
) -> None:
    """Montrer, noter ou retirer les réunions de la commission de contrôle.

    Le tableau des vingt jours compte les mouvements depuis la réunion précédente jusqu'à celle qu'il suit, celui des
    cinq jours depuis celle-ci : ceux qui sont déjà faits et qui changeraient sont à refaire.
    """
    from worker.handlers.note_register import forget_reunion, note_reunion
    from worker.registre.scrutins import ALL_LISTS, Reunion, select_reunions

    if sans_deliberation and not add:
        raise click.UsageError("--sans-deliberation demande aussi --add")
    code, about = commune.upper(), liste.value if liste else ALL_LISTS
    with register_database() as engine, engine.begin() as connection:
        by, recalled = operator(), list[str]()
        if remove:
            recalled += forget_reunion(connection, code, Reunion(about, remove), by=by, reason=reason)
        if add:
            reunion = Reunion(about, add, not sans_deliberation)
            recalled += note_reunion(connection, code, reunion, by=by, reason=reason)
        found = select_reunions(connection, code, liste)
    print_recalled(recalled)
    _show_reunions(found)


def _show_scrutins(found: "list[KnownScrutin]") -> None:
    if not found:
        click.echo("Aucun scrutin : ajoutez-en un avec --add.")
        return
    rows = []
    for it in found:
        cloture = short_date(it.cloture) if it.cloture else ""
        rows.append((short_date(it.date), it.code_commune or "toutes", it.libelle, cloture, _unusual(it)))
    print_table(("Scrutin", "Commune", "Libellé", "Clôture", "Jours particuliers"), rows)


def _unusual(scrutin: "KnownScrutin") -> str:
    said = [f"tableau publié au plus tard le {short_date(scrutin.publication_due)}"] if scrutin.publication_due else []
    said += [] if scrutin.has_commission else ["pas de réunion de la commission"]
    return " ; ".join((*said, scrutin.texte)) if said else ""


def _show_reunions(found: "list[Reunion]") -> None:
    for it in found:
        about = f"liste {it.liste}" if it.liste else "toutes les listes"
        click.echo(f"{short_date(it.date)}  {about}{'' if it.has_deliberated else ', sans délibération'}")
    if not found:
        click.echo("Aucune réunion : notez-en une avec --add.")


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--export", "to", type=click.Path(path_type=Path), metavar="FICHIER", help="Écrire le CSV à compléter.")
@click.option("--import", "source", type=click.Path(path_type=Path), metavar="FICHIER", help="Noter le CSV complété.")
def motifs(*, commune: str, to: Path | None, source: Path | None) -> None:
    """Compléter les dates, les catégories et les motifs des mouvements.

    L'export du REU ne dit ni quand ni pourquoi un électeur est venu ou parti. Le tableau est à compléter tant que la
    mairie ne l'a pas dit. Écrivez le fichier, complétez ses trois dernières colonnes, puis notez-le.
    """
    from worker.handlers.note_register import read_completed
    from worker.registre.mouvements.motifs import count_incomplete, write_motifs

    if to and source:
        raise click.UsageError("--export ou --import, pas les deux à la fois")
    code = commune.upper()
    with register_database() as engine, engine.begin() as connection:
        if source:
            completed = read_completed(connection, code, source, by=operator())
            click.echo(f"{count_of(completed.noted, 'mouvement complété')}.")
            print_recalled(completed.recalled)
        if to:
            written = write_motifs(connection, code, to)
            if written:
                click.echo(f"{count_of(written, 'mouvement')} à compléter dans {to} : il contient des noms.")
                return
        remaining = count_incomplete(connection, code)
    click.echo(f"{count_of(remaining, 'mouvement')} sans date ou sans catégorie.")


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--add", is_flag=True, help="Protéger un électeur : son nom est demandé ensuite.")
@click.option("--remove", is_flag=True, help="Ne plus protéger un électeur : son nom est demandé ensuite.")
def protections(*, commune: str, add: bool, remove: bool) -> None:
    """Montrer, ajouter ou retirer des électeurs protégés.

    Les tableaux n'impriment pas leur adresse (Code électoral, art. L. 37). L'export du REU ne dit pas qui ils sont.
    """
    from worker.handlers.note_register import lift_protection, protect
    from worker.registre.protections import select_protections

    if add and remove:
        raise click.UsageError("--add ou --remove, pas les deux à la fois")
    code = commune.upper()
    asked = _ask_elector() if add or remove else None
    with register_database() as engine, engine.begin() as connection:
        if asked:
            print_recalled((protect if add else lift_protection)(connection, code, asked, by=operator()))
        found = select_protections(connection, code)
    _show_protections(found)


def _ask_elector() -> "Protege":
    from common.texte import clean
    from worker.registre.imports.lines import parse_date
    from worker.registre.protections import Protege

    questions = "Nom de naissance", "Tous les prénoms", "Date de naissance (JJ/MM/AAAA)"
    nom, prenoms, born = (
        clean(click.prompt(question, default="", show_default=False, prompt_suffix=" : ", err=True))
        for question in questions
    )
    try:
        return Protege(nom, prenoms, parse_date(born))
    except ValueError:
        raise click.UsageError("ce n'est pas une date de naissance ; écrivez JJ/MM/AAAA") from None


def _show_protections(found: "list[Protege]") -> None:
    for it in found:
        born = "/".join(reversed(it.date_naissance.split("-")))
        click.echo(", ".join(filter(None, (f"{it.nom_naissance} {it.prenoms}".strip(), born))))
    if not found:
        click.echo("Aucun électeur protégé : ajoutez-en un avec --add.")


@click.command("doutes")
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Code INSEE ; sans lui, toutes les communes.")
@click.option("--same-person", type=whole_number(1), multiple=True, metavar="N°", help="C'est la même personne.")
@click.option("--two-persons", type=whole_number(1), multiple=True, metavar="N°", help="Ce sont deux personnes.")
@click.option("--json", "as_json", is_flag=True, help="Écrire les doutes ouverts en JSON, pour un programme.")
def doubts(*, commune: str | None, same_person: Iterable[int], two_persons: Iterable[int], as_json: bool) -> None:
    """Montrer ou trancher les doutes des comparaisons.

    Une radiation et une inscription du même export sont peut-être une seule personne, dont l'état civil a été corrigé
    ou qui a un homonyme. Tant que personne ne l'a dit, les tableaux qui les montrent sont bloquants. La même personne
    n'a plus de mouvement, ou change seulement de bureau.
    """
    from worker.handlers.note_register import decide
    from worker.registre.comparaison.doubts import list_doubts

    answers = [(it, DoubtDecision.SAME_PERSON) for it in same_person]
    answers += [(it, DoubtDecision.TWO_PERSONS) for it in two_persons]
    with register_database() as engine, engine.begin() as connection:
        for number, decision in answers:
            decided = decide(connection, number, decision, by=system_user(), code_commune=commune)
            followed = "".join(f" Donc le n° {it} : {DoubtDecision.TWO_PERSONS.label}." for it in decided.others)
            click.echo(f"Doute n° {number} : {decision.label}.{followed}", err=as_json)
        found = list_doubts(connection, commune)
    if as_json:
        click.echo(json.dumps([_as_document(it) for it in found], ensure_ascii=False, default=str))
    elif not answers:
        _show_doubts(found)


def _as_document(doubt: "OpenDoubt") -> dict[str, object]:
    return doubt._asdict() | {"radiation": doubt.radiation._asdict(), "inscription": doubt.inscription._asdict()}


def _show_doubts(found: "list[OpenDoubt]") -> None:
    from worker.registre.comparaison.doubts import describe_differing

    for it in found:
        click.echo(
            f"N° {it.id}, {it.code_commune}, liste {it.liste}, import {it.import_id} du {short_date(it.jour)}. "
            f"Diffère : {describe_differing(it.differs)}"
        )
        click.echo(f"  radiation   : {_describe_side(it.radiation)}")
        click.echo(f"  inscription : {_describe_side(it.inscription)}")
    if found:
        click.echo(f"{count_of(len(found), 'doute')} à trancher : --same-person N° ou --two-persons N°.")
    else:
        click.echo("Aucun doute à trancher.")


def _describe_side(side: "DoubtSide") -> str:
    used = f" ({side.nom_usage})" if side.nom_usage else ""
    born = "/".join(reversed(side.date_naissance.split("-")))
    lieu = side.commune_naissance or side.pays_naissance
    where = f"bureau {side.bureau or '?'} n° {side.numero}"
    return ", ".join(filter(None, (f"{side.nom_naissance}{used} {side.prenoms}", born, lieu, side.adresse, where)))


@click.command
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--agent", metavar="NOM", help="Un agent retiré : son nom quitte ce qu'il a fait et le journal.")
@click.option("--electeur", is_flag=True, help="Un électeur seulement : son nom est demandé ensuite.")
@click.option("--liste", callback=_read_liste, metavar="LISTE", help="P, CE ou CM, si l'électeur reste sur une autre.")
@click.option("--yes", is_flag=True, help="Ne pas demander confirmation.")
@click.pass_context
def forget(
    context: click.Context, *, commune: str | None, agent: str | None, electeur: bool, liste: Liste | None, yes: bool
) -> None:
    """Effacer ce qui est gardé d'une commune, d'un électeur qui n'est plus sur la liste, ou le nom d'un agent.

    Registre et ses versions, mouvements, textes, fichiers, exports déposés, lettres mortes. Ce que la loi garde est
    dit ; qui est encore inscrit est refusé. Recommencer finit ce qui a été interrompu.
    """
    from worker.arrivals import Arrivals
    from worker.exports.storage import EXPORTS, Sentinel, Storage
    from worker.handlers.forget import ForgetScope, forget_commune, forget_electeur
    from worker.settings import load_settings

    if liste and not electeur:
        raise click.UsageError("--liste demande aussi --electeur")
    if agent:
        _forget_agent(agent, yes=yes)
        return
    if not commune:
        raise click.UsageError("--commune ou --agent est attendu")
    who = _ask_elector() if electeur else None
    if not yes:
        what = "cet électeur" if who else f"tous les électeurs de {commune}, ses fichiers et ses agents"
        confirm(f"Effacer {what}, pour toujours ?")
    settings = load_settings()
    with register_database() as engine:
        storage = Storage(settings.exports_dir, Sentinel(engine, EXPORTS))
        scope = ForgetScope(engine, storage, Arrivals(settings.arrivals_dir), commune, operator())
        done = forget_electeur(scope, who, liste) if who else forget_commune(scope)
        click.echo(f"Effacé ou masqué : {done.describe()}.")
        if context.find_root().command_path == "python -m worker":
            from worker.cli.dead_letters import drop_about

            letters = drop_about(engine, done.is_about)
            click.echo(f"{count_of(letters, 'lettre morte supprimée', 'lettres mortes supprimées')}.")
    for it in done.kept:
        click.echo(f"Reste : {it}.")


def _forget_agent(name: str, *, yes: bool) -> None:
    from worker.handlers.forget import forget_agent

    if not yes:
        confirm(f"Effacer le nom de {name} de ce qui est gardé, pour toujours ?")
    with register_database() as engine:
        kept = forget_agent(engine, name, operator())
    click.echo("Nom effacé : le journal n'a plus qu'un signe à sa place.")
    for it in kept:
        click.echo(f"Reste : {it}.")
