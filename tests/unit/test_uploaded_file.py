"""An uploaded file: its content in pieces of any size, the kind of change of a value; a ZIP file by file."""

import codecs
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.file_kind import FileKind
from producers.web.verifier import diagnosis as uploaded_file
from producers.web.verifier.diagnosis import UploadedFile, compare, examine, examine_all, explain
from schemas.profiles.platform import FileForm, read_shipped
from tests.parts.profiles import tabulation, virgule
from tests.ruined.archives import pack
from tests.ruined.catalogue import OF_ANOTHER_KIND, Ruined

MADE = "TypeListe;Code;Naissance;Nom\nG;05110;14/03/1962;ÉCLUSE\nG;13900;01/02/1980;ŁUCARNE\n"


def _examine(content: bytes, name: str = "liste.csv") -> UploadedFile:
    return examine(io.BytesIO(content), name)


@given(st.binary(max_size=200), st.integers(1, 7))
def test_pieces_of_any_size_say_the_same(content: bytes, size: int) -> None:
    whole = _examine(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploaded_file, "CHUNK", size)
        pieces = _examine(content)
    assert (pieces.sha256, pieces.size, pieces.lines) == (whole.sha256, whole.size, whole.lines)
    assert (pieces.has_crlf, pieces.is_utf8, pieces.has_quotes) == (
        whole.has_crlf,
        whole.is_utf8,
        whole.has_quotes,
    )
    assert whole.is_utf8 is _is_utf8(content)


@pytest.mark.parametrize("ruined", OF_ANOTHER_KIND, ids=[it.name for it in OF_ANOTHER_KIND])
def test_what_an_import_would_not_read_is_named_to_whoever_uploads_it(ruined: Ruined) -> None:
    uploaded = _examine(ruined.content, ruined.name)
    said = " ".join(explain(uploaded, None, None, read_shipped().form))
    if uploaded.kind == {"xml": FileKind.XML, "pdf": FileKind.PDF, "zip": FileKind.ZIP}.get(
        uploaded.extension
    ):
        assert "Par son contenu" not in said, "the module makes such files too"
    elif uploaded.is_workbook:
        assert "C'est un classeur de tableur" in said
    else:
        assert uploaded.kind in said or "Le fichier est vide" in said


def _is_utf8(content: bytes) -> bool:
    """Whether it is UTF-8 as far as it goes: its last letter may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("liste-P-13900-20261125-093000.csv", ["liste-P-13900-20261125-093000.csv"]),
        ("C:\\Temp\\liste-P-13900-20261125-093000 (1).xml", ["liste-P-13900-20261125-093000.xml"]),
        ("liste-P-13900-20261125-093000-2.csv", ["liste-P-13900-20261125-093000-2.csv"]),
        ("Copie de liste-P-13900-20261125-093000.XLSX", ["liste-P-13900-20261125-093000.csv"]),
        (
            "tableau-vingt_jours-P-13900-par_bureau-20261125-093000.pdf",
            ["tableau-vingt_jours-P-13900-par_bureau-20261125-093000.pdf"],
        ),
        ("13900_P_20261125-093000.csv", ["13900_P_20261125-093000.csv"]),
        ("electeurs.csv", []),
        ("", []),
    ],
)
def test_the_name_that_a_file_had_is_found_again(name: str, likely: list[str]) -> None:
    assert _examine(b"x", name).likely_names[:1] == likely


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange_to_compare(content: bytes) -> None:
    found = compare(io.BytesIO(MADE.encode()), io.BytesIO(content), _examine(content), "utf-8", ";")
    assert found.made == 3


FORMS: dict[str, Callable[[Path], FileForm]] = {
    "e-listelec": lambda _folder: read_shipped().form,
    "virgule": lambda folder: virgule(folder).form,
    "tabulation": lambda folder: tabulation(folder).form,
}
REWRITTEN: dict[str, tuple[str, Callable[[str, FileForm], bytes]]] = {
    "bom": ("(BOM) a été ajoutée", lambda text, _form: ("\ufeff" + text).encode()),
    "no bom": ("(BOM) du début a été ôtée", lambda text, form: text.encode(form.encoding)),
    "CR LF": (
        "Windows (CR LF)",
        lambda text, form: _bytes(text.replace("\r\n", "\n").replace("\n", "\r\n"), form),
    ),
    "LF": ("autre système (LF)", lambda text, form: _bytes(text.replace("\r\n", "\n"), form)),
    "Windows": ("Windows-1252", lambda text, _form: text.encode("cp1252", "replace")),
    "UTF-8": ("Les accents sont écrits en UTF-8", lambda text, _form: text.encode()),
    ";": (
        "est le point-virgule",
        lambda text, form: _bytes(text.replace(form.separator, ";"), form),
    ),
    ",": ("est la virgule", lambda text, form: _bytes(text.replace(form.separator, ","), form)),
    "tab": (
        "est la tabulation",
        lambda text, form: _bytes(text.replace(form.separator, "\t"), form),
    ),
    "quotes": (
        "entre guillemets",
        lambda text, form: _bytes(text.replace("ARLES", '"ARLES"'), form),
    ),
}
"""The sentence that a way to write a file again brings, unless the profile wants the file so."""
CHANGED = {
    "zeros": ("une valeur changée", "05110", "5110"),
    "spaces": ("une valeur changée", "ARLES", "ARLES "),
    "no value": ("une valeur changée", "ARLES", ""),
    "titles": ("ligne des titres", "Prenoms", "PRENOMS"),
}
_SENTENCES = {*(it[0] for it in REWRITTEN.values()), *(it[0] for it in CHANGED.values())}


def _bytes(text: str, form: FileForm) -> bytes:
    return ("\ufeff" * form.byte_order_mark + text).encode(form.encoding)


def _sentences(made: bytes, found: bytes, form: FileForm) -> set[str]:
    """The known sentences that the verifier says of a file."""
    uploaded = _examine(found)
    comparison = compare(
        io.BytesIO(made), io.BytesIO(found), uploaded, form.encoding, form.separator
    )
    said = " ".join(explain(uploaded, None, comparison, form))
    assert ("Les valeurs sont toutes les mêmes" in said) is (comparison.first is None)
    return {sentence for sentence in _SENTENCES if sentence in said}


@pytest.mark.parametrize("platform", FORMS)
@pytest.mark.parametrize("variant", [*REWRITTEN, *CHANGED])
def test_of_each_platform_only_what_changed_is_told(
    tmp_path: Path, platform: str, variant: str
) -> None:
    form = FORMS[platform](tmp_path)
    known = {
        "nom_naissance": "ÉCLUSE",
        "date_naissance": "14/03/1962",
        "code_postal": "05110",
        "type_liste": "G",
    }
    known |= {"commune_naissance": "ARLES", "prenoms": "Zélie"}
    line = form.separator.join(known.get(value, "") for value in form.values)
    text = form.end.join([form.separator.join(form.columns), line, line, ""])
    made = _bytes(text, form)
    if variant in CHANGED:
        sentence, old, new = CHANGED[variant]
        assert old in text
        assert _sentences(made, _bytes(text.replace(old, new), form), form) == {sentence}
        return
    sentence, rewrite = REWRITTEN[variant]
    found = rewrite(text, form)
    expected = set() if found == made else {sentence}
    if variant in {"Windows", "UTF-8"} and form.byte_order_mark:
        expected.add(REWRITTEN["no bom"][0])  # neither writes the mark again
    if variant in {"bom", "UTF-8"} and form.encoding != "utf-8":
        expected.add(REWRITTEN["UTF-8"][0])
    if variant == "UTF-8" and form.encoding == "utf-8":
        expected.discard(sentence)
    assert _sentences(made, found, form) == expected


def archive(
    compression: int = zipfile.ZIP_STORED, name: str = "liste.csv", content: bytes = b"A;B\n" * 50
) -> bytes:
    return pack({name: content}, compression)


def _examine_archive(content: bytes) -> tuple[list[UploadedFile], str]:
    with patch("os.nice"):
        [(found, unreadable)] = cast("Any", examine_all(io.BytesIO(content), "dossier.zip"))
    return found[1:], unreadable


def test_its_files_are_examined_one_by_one() -> None:
    [found], unreadable = _examine_archive(archive(zipfile.ZIP_DEFLATED, "dossier/liste.csv"))
    assert (found.name, found.size, found.lines, unreadable) == ("liste.csv", 200, 50, "")


@pytest.mark.parametrize(
    "content",
    [
        archive().replace(b"A;B\n", b"A;C\n"),
        archive(zipfile.ZIP_DEFLATED).replace(archive(zipfile.ZIP_DEFLATED)[40:45], b"\xff" * 5),
        archive(name="é.csv").replace("é".encode(), b"\xe9\xe9"),
        archive()[:-30],
        b"PK\3\4",
    ],
    ids=["bytes", "deflate", "name", "short", "nothing"],
)
def test_what_is_damaged_is_told(content: bytes) -> None:
    assert "abîmé" in _examine_archive(content)[1]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_content_that_would_come_out_at_once_is_not_read(method: int) -> None:
    bomb = archive(method, content=bytes(1_000_000))
    tracemalloc.start()
    try:
        assert "refaites-le" in _examine_archive(bomb)[1]
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
