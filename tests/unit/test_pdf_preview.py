"""`python -m worker.pdf`: JSON in, PDF out, and what is wrong said in French."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from tests.unit.pdf_samples import COMMISSION, commune, draw, lignes, tableau
from worker.errors import RefusedError
from worker.pdf.__main__ import read_tableau

SUBJECT = tableau(commune(lignes(3)), signatures=COMMISSION)


def _run(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "worker.pdf", *arguments], input=text, capture_output=True, check=False
    )


def _json() -> Any:  # noqa: ANN401 — JSON
    return json.loads(json.dumps(asdict(SUBJECT)))


def test_a_tableau_is_read_as_it_was_written() -> None:
    assert read_tableau(json.dumps(asdict(SUBJECT))) == SUBJECT


def test_the_preview_is_the_file() -> None:
    done = _run(json.dumps(asdict(SUBJECT)).encode())
    assert done.returncode == 0
    assert done.stdout == draw(SUBJECT)
    assert done.stderr.decode() == "1 page\n"


def test_fields_with_a_default_may_be_left_out() -> None:
    content = _json()
    del content["notes"], content["has_nationalite"]
    assert read_tableau(json.dumps(content)).notes == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("titre"), "titre : champ manquant"),
        (lambda content: content.update(titer=""), "titer : champ inconnu ; est-ce « titre » ?"),
        (lambda content: content.update(zzz=""), "zzz : champ inconnu"),
        (lambda content: content.update(presentation="bureau"), "presentation : commune, par_bureau, recapitulatif"),
        (lambda content: content.update(is_provisoire="oui"), "is_provisoire : true ou false est attendu"),
        (lambda content: content.update(sections={}), "sections : une liste est attendue"),
        (lambda content: content["sections"][0].update(bilan=3), "sections[0].bilan : un objet est attendu"),
        (
            lambda content: content["sections"][0]["bilan"].update(avant=True),
            "sections[0].bilan.avant : un nombre entier est attendu",
        ),
        (
            lambda content: content["sections"][0]["parties"][0]["lignes"][2].update(motif=None),
            "sections[0].parties[0].lignes[2].motif : un texte est attendu",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change: Any, message: str) -> None:  # noqa: ANN401 — a lambda
    content = _json()
    change(content)
    with pytest.raises(RefusedError) as refusal:
        read_tableau(json.dumps(content))
    assert message in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "Erreur : ce n’est pas du JSON : ligne 1, colonne 2\n"),
        (b"\xff", "Erreur : le fichier n’est pas en UTF-8\n"),
        (b"[]", "Erreur : le fichier : un objet est attendu\n"),
    ],
)
def test_a_refusal_is_one_line_and_a_code(text: bytes, message: str) -> None:
    done = _run(text)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", message)


def test_help_is_french() -> None:
    done = _run(b"", "--help")
    assert done.returncode == 0
    assert "python -m worker.pdf < tableau.json > tableau.pdf" in done.stdout.decode()
    assert _run(b"", "--wrong").returncode == 2
