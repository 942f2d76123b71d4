"""LIBREVILLE, the demonstration commune: 330 electors, and every nasty case of real files among them."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from worker.demo.bulk import iter_electeurs, sizes_of, today_in_paris
from worker.demo.cases import BOTH_LISTS, EUROPEAN_ONLY, MUNICIPAL_ONLY, Case, principal_cases
from worker.demo.people import ALONE_EVERY, iter_europeenne, iter_municipale, iter_principale
from worker.demo.reu_format import COLUMNS, ReuRow, write_lines
from worker.demo.ville import Bureau, Ville

LIBREVILLE = Ville(
    code="13900",
    label="LIBREVILLE",
    code_postal="13900",
    spellings=("LIBREVILLE",) * 17 + ("Libreville", "LIBRE VILLE", "LIBRE-VILLE"),
    circonscription="13-16",
    canton="LIBREVILLE-1",
)

PRINCIPALE_SIZE, MUNICIPALE_SIZE, EUROPEENNE_SIZE = 330, 24, 20
PER_BUREAU = 83

BUREAUX = tuple(
    Bureau(code, nom, LIBREVILLE.circonscription, canton, "16e circonscription")
    for code, nom, canton in (
        ("0001", "HOTEL DE VILLE", "LIBREVILLE-1"),
        ("0002", "ECOLE DES TILLEULS", "LIBREVILLE-1"),
        ("0003", "SALLE DES FETES", ""),
        ("0004", "GYMNASE DU LAC", "LIBREVILLE-2"),
    )
)


def libreville_rows(*, today: date | None = None, with_nul: bool = False) -> list[dict[str, str]]:
    """The electors of the three lists, as column → value.

    Always the same, but for the dates of birth around 18 years, which follow `today` (by default the date in Paris).
    `with_nul` leaves a NUL in the address of BOUSSOLE Anne-Lise.
    """
    electeurs = _demonstration(today or today_in_paris(), with_nul=with_nul)
    return [dict(zip(COLUMNS, electeur, strict=True)) for electeur in electeurs]


def write_reu(path: Path, *, size: int | None = None, today: date | None = None, with_nul: bool = False) -> None:
    """Write LIBREVILLE's export; with a size, that many ordinary electors on the principal list and no nasty case."""
    day = today or today_in_paris()
    if size is None:
        write_lines(path, _demonstration(day, with_nul=with_nul))
    else:
        write_lines(path, iter_electeurs(LIBREVILLE, sizes_of(size), day))


def _demonstration(today: date, *, with_nul: bool) -> Iterator[ReuRow]:
    principale = list(iter_principale(LIBREVILLE, BUREAUX, PRINCIPALE_SIZE, None, PER_BUREAU))
    municipale = list(iter_municipale(LIBREVILLE, BUREAUX, MUNICIPALE_SIZE))
    europeenne = list(iter_europeenne(LIBREVILLE, BUREAUX, EUROPEENNE_SIZE))
    cases = principal_cases(today)
    _place(cases, principale, range(1, PRINCIPALE_SIZE, PRINCIPALE_SIZE // len(cases)))
    _place(BOTH_LISTS, municipale, range(MUNICIPALE_SIZE))
    _place(BOTH_LISTS, europeenne, range(EUROPEENNE_SIZE))
    _place(MUNICIPAL_ONLY, municipale, range(EUROPEENNE_SIZE, MUNICIPALE_SIZE))
    _place(EUROPEAN_ONLY, europeenne, range(ALONE_EVERY - 1, EUROPEENNE_SIZE, ALONE_EVERY))
    for electeur in (*principale, *municipale, *europeenne):
        yield electeur if with_nul else ReuRow(*(value.replace("\0", "") for value in electeur))


def _place(cases: Sequence[Case], electeurs: list[ReuRow], positions: range) -> None:
    for case, position in zip(cases, positions, strict=False):
        electeurs[position] = case.applied_to(electeurs[position])
