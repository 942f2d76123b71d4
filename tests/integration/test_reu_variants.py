"""Sixty changed exports: read right, or asked about once; nothing is read wrong in silence."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from common.calendrier import now
from producers.web.verifier.diagnosis import examine, explain
from schemas.profiles import write_profile
from schemas.profiles.platform import read_shipped
from schemas.profiles.source import SourceMapping, SourceProfile, read_reu
from schemas.vocabulary import Liste
from tests.integration.export_desk import Desk
from tests.integration.files_desk import Ran
from tests.oracle.product import ask_liste
from tests.parts.profiles import everywhere, tabulation, virgule
from tests.parts.reu_variants import TODAY, Variant, answer, iter_variants, original
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.demo.libreville import LIBREVILLE
from worker.errors import ImportRefusedError
from worker.registre.communes import add_commune
from worker.registre.models import Electeur
from worker.registre.reu.guess import MatchNeededError
from worker.registre.reu.importer import Intake, import_file
from worker.registre.reu.lines import FIELDS

VARIANTS = {it.name: it for it in iter_variants()}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = build_engine(f"sqlite:///{tmp_path_factory.mktemp('variants') / 'register.db'}")
    migrate(engine)
    with engine.begin() as connection:
        add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
    yield engine
    engine.dispose()


def _import(engine: Engine, path: Path, mapping: SourceMapping) -> int:
    intake = Intake(
        taken_on=date(2026, 11, 28),
        no_compare="a test",
        commune=LIBREVILLE.code,
        named=path.name,
        profile=read_reu().joined(mapping),
    )
    return import_file(
        engine, path, imported_by="a test", accept_changes=True, intake=intake
    ).import_id


def _import_variant(engine: Engine, folder: Path, variant: Variant) -> int:
    """Import a changed file; answer its questions, if there are some, as a clerk who knows the file."""
    path = folder / variant.file_name
    path.write_bytes(variant.content)
    try:
        return _import(engine, path, SourceMapping())
    except MatchNeededError as needed:
        form, wrong = answer(needed.matching, variant)
        assert wrong == []
        mapping, faults = needed.matching.read(form)
        assert faults == {}
        return _import(engine, path, mapping)


def _electeurs(engine: Engine, import_id: int, variant: Variant) -> Counter[tuple[Any, ...]]:
    """The electors of an import, without the fields that the variant lost, and with joined ones as one value."""
    left = {"nettoyages", *variant.lost, *variant.joined}
    names = [
        *(it for it in variant.joined if it in FIELDS),
        *(name for name in FIELDS if name not in left),
    ]
    query = select(*(getattr(Electeur, name) for name in names)).where(
        Electeur.version == import_id
    )
    place = len({*variant.joined} & {*FIELDS})
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return Counter((" ".join(filter(None, row[:place])), *row[place:]) for row in rows)


@pytest.fixture(scope="module")
def expected(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> int:
    path = tmp_path_factory.mktemp("original") / "export.csv"
    path.write_bytes(original().content)
    return _import(engine, path, SourceMapping())


@pytest.mark.parametrize("name", VARIANTS)
def test_a_changed_export_is_read_right_after_one_page_of_questions(
    engine: Engine, expected: int, tmp_path: Path, name: str
) -> None:
    variant = VARIANTS[name]
    if not variant.is_readable:
        with pytest.raises(ImportRefusedError):
            _import_variant(engine, tmp_path, variant)
        return
    import_id = _import_variant(engine, tmp_path, variant)
    assert _electeurs(engine, import_id, variant) == _electeurs(engine, expected, variant)


@pytest.mark.slow
def test_the_lists_of_each_are_right_for_the_verifier_of_three_platforms(
    engine: Engine, tmp_path: Path
) -> None:
    """A file of one platform has no fault by its own profile, and at least one by the profile of another."""
    desk = Desk(engine, tmp_path / "exports")
    platforms = {
        "e-listelec": read_shipped(),
        "virgule": virgule(tmp_path),
        "tabulation": tabulation(tmp_path),
    }
    wrong: list[str] = []
    for variant in filter(lambda it: it.is_readable, VARIANTS.values()):
        _import_variant(engine, tmp_path, variant)
        for name, profile in platforms.items():
            desk.configure(profiles=everywhere(profile))
            row = desk.process(ask_liste(desk, LIBREVILLE.code, Liste.PRINCIPALE, now()))
            uploaded = examine(io.BytesIO(desk.read(row)), row["file_name"])
            judged = {
                other: explain(uploaded, None, None, it.form) for other, it in platforms.items()
            }
            wrong += [
                f"{variant.name}, {name} by {it}"
                for it, said in judged.items()
                if bool(said) is (it == name)
            ]
    assert wrong == []


def test_the_profile_of_an_operator_makes_a_file_known(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file below PREFECTURE_HOME serves all communes; a wrong one is refused with its line."""
    monkeypatch.setenv("PREFECTURE_HOME", str(tmp_path))
    (path := tmp_path / "export.csv").write_bytes(VARIANTS["titre-inconnu"].content)
    assert run("migrate").code == 0
    assert run("communes", "--add", LIBREVILLE.code, LIBREVILLE.label).code == 0
    refused = run("import-reu", path)
    assert "Colonnes manquantes : nom de naissance, date de naissance" in refused.err
    said = {
        "kind": "source",
        "name": "x",
        "label": "x",
        "version": "1",
        "according_to": "x",
        "seen_on": TODAY,
    }
    fields = {"nom_naissance": {"titles": ["Champ 4"]}, "date_naissance": {"titles": ["Champ 8"]}}
    profile = write_profile(SourceProfile.model_validate(said | {"fields": fields}))
    (folder := tmp_path / "profiles").mkdir()
    (folder / "x.toml").write_text(profile.replace('"Champ 8"', '"Champ 4"'), encoding="utf-8")
    assert "x.toml, ligne" in run("import-reu", path).err
    (folder / "x.toml").write_text(profile, encoding="utf-8")
    assert run("profiles", "check", folder / "x.toml").out.startswith("x.toml : valide.")
    assert run("import-reu", path).code == 0
