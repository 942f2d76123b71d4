"""The secteurs of Paris, Lyon and Marseille: a commission and a tableau each. Code électoral, art. L. 19 and R. 7."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from common.french import name_secteur
from common.regimes import read_regimes
from worker.errors import ExportError
from worker.registre.models import Electeur


def others_of(connection: Connection, code_commune: str, secteur: int) -> Collection[str]:
    """Return the codes of the bureaux of the other secteurs, by the arrondissement of their electors' export.

    Raises:
        ExportError: the commune has no such secteur, or the register does not know of each bureau where it is.
    """
    own = read_regimes().arrondissements_of(code_commune, secteur)
    if not own:
        raise ExportError(f"la commune {code_commune} n'a pas de {name_secteur(secteur)}")
    columns = Electeur.code_bureau, Electeur.arrondissement
    query = select(*columns).where(Electeur.code_commune == code_commune).distinct()
    places = {(code, arrondissement) for code, arrondissement in connection.execute(query) if code}
    placed = {(code, arrondissement) for code, arrondissement in places if arrondissement}
    known = {code for code, _ in placed}
    if {*own} - {it for _, it in placed} or {code for code, _ in places} - known:
        raise ExportError(
            f"le registre ne sait pas quels bureaux sont du {name_secteur(secteur)} : importez l'export du REU de "
            "chaque arrondissement"
        )
    ours = {code for code, arrondissement in placed if arrondissement in own}
    others = {code for code, arrondissement in placed if arrondissement not in own}
    if shared := sorted(ours & others):
        raise ExportError(f"le bureau {shared[0]} est dans plusieurs secteurs : corrigez son code")
    return frozenset(others)


def describe_secteur(code_commune: str, secteur: int) -> str:
    """Return « 7e secteur (13e et 14e arrondissements) », as the paper names it; empty for the whole commune."""
    codes = read_regimes().arrondissements_of(code_commune, secteur)
    numbers = [int(code[-2:]) - (80 if code.startswith("6938") else 0) for code in codes]
    names = [f"{number}{'er' if number == 1 else 'e'}" for number in numbers]
    if not names:
        return ""
    *others, last = names
    said = f"{', '.join(others)} et {last} arrondissements" if others else f"{last} arrondissement"
    return f"{name_secteur(secteur)} ({said})"
