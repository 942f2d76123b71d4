"""The file of a batch: what names a commune, what is left out, what is wrong and on which line."""

import pytest

from producers.batch.batch import read_communes

CODE = "code INSEE de commune attendu : 5 caractères, par exemple 13055 ou 2A004"


@pytest.mark.parametrize(
    "content",
    [
        "13900\n2A004\n",
        "13900\r\n2A004",
        "\ufeff13900\n\n  2a004  \n",
        "# arrondissement\n13900 # LIBREVILLE\n2A004\n",
        "Code INSEE;Nom\n13900;LIBREVILLE\n2A004;AJACCIO\n",
        '"codgeo","libelle"\n"13900","LIBREVILLE"\n"2A004","AJACCIO"\n;\n',
        "code_commune\tnom\n13900\tLIBREVILLE\n2A004\tAJACCIO\n",
    ],
)
def test_one_commune_a_line_or_the_first_column(content: str) -> None:
    assert read_communes(content.encode()) == (["13900", "2A004"], [], 0)


def test_other_columns_may_be_in_another_encoding() -> None:
    assert read_communes("13900;Évenos\n".encode("cp1252")).communes == ["13900"]


def test_a_commune_named_twice_is_asked_for_once() -> None:
    assert read_communes(b"13900\n13055\n13900\n13900\n") == (["13900", "13055"], [], 2)


def test_every_wrong_line_is_told_with_its_number() -> None:
    read = read_communes(b"# communes\n13900\n1001\n\nMARSEILLE;13055\n;AJACCIO\n2A004\n")
    assert read.communes == ["13900", "2A004"]
    assert read.faults == [(3, f"{CODE} ; un tableur a peut-être ôté le zéro du début"), (5, CODE), (6, CODE)]


def test_a_name_on_the_first_line_is_a_fault_and_not_a_title() -> None:
    assert [fault.line for fault in read_communes(b"MARSEILLE\n13055\n").faults] == [1]
