"""Facts that no export contains, noted by events: the register, the audit trail, and the files that they change."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import RowMapping, delete, insert, text

from common.calendrier import CalendarReunion
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Action, Categorie, SeenPage, Wish
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.tableau_desk import wrap
from tests.parts.notes import note_register, note_screen
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE, TODAY
from worker.access.authorization import Authorization
from worker.access.management import allow_sender
from worker.audit import Actor, AuditLine
from worker.db.engine import build_engine
from worker.demo.libreville import demo_calendrier
from worker.handlers.declarations.declare import protect, protect_marked
from worker.handlers.making import make_tableau
from worker.handlers.requests.export_plan import plan_tableaux
from worker.registre.models import Commission, Scrutin
from worker.registre.protections import Protege
from worker.registre.scrutins import MOST, select_reunions
from worker.writers import precheck

pytestmark = [
    pytest.mark.database(MOUVEMENTS_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

COMMUNE = "13900"
DAYS = demo_calendrier(TODAY)
ASKED_AT = datetime(TODAY.year, TODAY.month, TODAY.day, 9).astimezone()
VINGT, CINQ = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
OF_THE_SCREEN = {"wishes", "electeurs_seen"}
CALENDAR = {Action.REUNION_CHANGED, Action.SCRUTIN_CHANGED}


def _note(desk: DepotsDesk, kind: str, by: str = AGENT, **fields: Any) -> RowMapping:  # noqa: ANN401
    note = note_screen if kind in OF_THE_SCREEN else note_register
    return desk.declare(note(kind, requested_by=by, **fields))


def _accepted(request: RowMapping) -> None:
    assert (request["outcome"], request["reason"]) == ("accepted", "")
    assert request["notified_at"] is not None, "no mail is sent about it"


def _refusal(request: RowMapping) -> tuple[str, str]:
    assert request["outcome"] == "refused"
    assert request["notified_at"] is not None, "no mail is sent about it"
    return request["code"], request["reason"]


def _reunions(desk: DepotsDesk) -> list[CalendarReunion]:
    with desk.engine.connect() as connection:
        return select_reunions(connection, COMMUNE)


def _trail(desk: DepotsDesk) -> list[AuditLine]:
    return [it for it in desk.audit() if it.action != Action.FILE_RECALLED]


def _tableau(desk: DepotsDesk, *types: TypeTableau, **fields: Any) -> list[int]:  # noqa: ANN401 — of the request
    asked = wrap(*types, **{"scrutin": DAYS.scrutin, "requested_by": AGENT} | fields)
    asked = asked.model_copy(update={"time": ASKED_AT})
    plan = plan_tableaux(asked, desk.services, Authorization("", desk.services, asked))
    return desk.ask_files(plan.files, ASKED_AT)


def _recalled(desk: DepotsDesk) -> list[tuple[int, str]]:
    query = "SELECT export_id, recalled_because FROM derniers_exports WHERE recalled_at IS NOT NULL ORDER BY export_id"
    return [(row["export_id"], row["recalled_because"]) for row in desk.rows(query)]


def test_a_meeting_that_was_not_noted_or_has_not_come_is_refused(desk: DepotsDesk) -> None:
    tomorrow = today() + timedelta(days=1)
    code, reason = _refusal(_note(desk, "reunion", jour=tomorrow.isoformat()))
    assert (code, reason) == (
        "date_a_venir",
        f"Le {tomorrow:%d/%m/%Y} n'est pas encore venu : vérifiez la date.",
    )
    code, reason = _refusal(_note(desk, "reunion", removed=True, jour="2020-01-02"))
    assert reason == "Aucune réunion le 02/01/2020."
    code, reason = _refusal(_note(desk, "reunion", jour="2020-01-03", replaces="2020-01-02"))
    assert reason == "Aucune réunion le 02/01/2020."
    assert date(2020, 1, 3) not in {it.jour for it in _reunions(desk)}
    assert _trail(desk) == []


def test_polls_of_other_times_are_refused(desk: DepotsDesk) -> None:
    for far in ("1999-01-03", "2199-01-06"):
        code, reason = _refusal(_note(desk, "scrutin", jour=far, libelle="x"))
        assert (code, "notez un jour entre 2000 et" in reason) == ("date_hors_periode", True)
    _accepted(_note(desk, "scrutin", jour="2015-12-06", libelle="x"))


@pytest.mark.parametrize(
    ("model", "note"),
    [(Scrutin, {"kind": "scrutin", "libelle": "x"}), (Commission, {"kind": "reunion"})],
)
def test_a_commune_notes_so_many_polls_and_meetings(
    desk: DepotsDesk,
    model: Any,  # noqa: ANN401
    note: dict[str, Any],
) -> None:
    days = [date(2010, 1, 3) + timedelta(weeks=week) for week in range(MOST[model][0])]
    with desk.engine.begin() as connection:
        connection.execute(delete(model).where(model.code_commune == COMMUNE))
        connection.execute(insert(model), [{"code_commune": COMMUNE, "date": day} for day in days])
    code, reason = _refusal(_note(desk, **note, jour="2022-01-02"))
    assert (code, "retirez une date" in reason) == ("calendrier_plein", True)
    _accepted(_note(desk, **note, jour=f"{days[0]}"))
    _accepted(_note(desk, **note, jour="2022-01-02", replaces=f"{days[0]}"))


@pytest.mark.slow
def test_a_meeting_that_did_not_deliberate_makes_its_tableau_to_be_made_again(
    desk: DepotsDesk,
) -> None:
    (made,) = _tableau(desk, VINGT)
    desk.process(made)
    _accepted(_note(desk, "reunion", jour=DAYS.reunion.isoformat(), has_deliberated=False))
    assert CalendarReunion(DAYS.reunion, has_deliberated=False) in _reunions(desk)
    ((number, because),) = _recalled(desk)
    assert number == made
    assert because.endswith("sans pouvoir délibérer")


@pytest.mark.slow
def test_a_tableau_that_is_counted_from_another_day_now_is_to_be_made_again(
    desk: DepotsDesk,
) -> None:
    (vingt,) = _tableau(desk, VINGT)
    (other,) = _tableau(desk, VINGT, reunion="2026-10-01", until="2026-11-02")
    for number in (vingt, other):
        assert desk.process(number)["status"] == "ready"
    (cinq,) = _tableau(desk, CINQ)
    moved = DAYS.reunion + timedelta(days=1)
    _accepted(_note(desk, "reunion", jour=moved.isoformat(), replaces=DAYS.reunion.isoformat()))
    because = f"la commission de contrôle s'est réunie le {moved:%d/%m/%Y}, et non le {DAYS.reunion:%d/%m/%Y}"
    assert _recalled(desk) == [(vingt, because), (cinq, because)], (
        "one made, one to be made; not the one with own days"
    )
    assert desk.process(cinq)["recalled_because"] == because
    assert [it.export_id for it in desk.audit() if it.action == Action.FILE_RECALLED] == [
        vingt,
        cinq,
    ]


@pytest.mark.slow
def test_a_tableau_that_may_hang_on_the_wall_wants_a_reason(desk: DepotsDesk) -> None:
    (made,) = _tableau(desk, VINGT)
    assert desk.process(made)["bloquantes"] == 0
    _accepted(desk.download(made))
    act: dict[str, Any] = {"kind": "reunion", "removed": True, "jour": DAYS.reunion.isoformat()}
    code, reason = _refusal(_note(desk, **act))
    assert code == "raison_manquante"
    assert reason.startswith(
        "Des fichiers déposés, publiés, ou téléchargés pour l'affichage, seraient à refaire (« Tableau"
    )
    assert (_recalled(desk), CalendarReunion(DAYS.reunion) in _reunions(desk)) == ([], True)
    _accepted(_note(desk, **act | {"reason": "elle n'a pas eu lieu"}))
    assert [number for number, _ in _recalled(desk)] == [made]
    assert [it.detail for it in desk.audit() if it.action in CALENDAR] == [
        f"la réunion de la commission du {DAYS.reunion:%d/%m/%Y} a été retirée : elle n'a pas eu lieu"
    ]


@pytest.mark.slow
def test_a_meeting_that_is_taken_back_recalls_the_tableaux_that_begin_or_end_with_it(
    desk: DepotsDesk,
) -> None:
    held, before = DAYS.reunion, DAYS.reunion_precedente
    ends: dict[str, Any] = {"scrutin": None, "reunion": before, "until": held}
    begins = ends | {"reunion": held, "until": held + timedelta(days=1)}
    neither = ends | {"until": held - timedelta(days=1)}
    made = [number for days in (ends, begins, neither) for number in _tableau(desk, VINGT, **days)]
    for number in made:
        assert desk.process(number)["status"] == "ready"
    _accepted(_note(desk, "reunion", jour=held.isoformat(), removed=True))
    assert [number for number, _ in _recalled(desk)] == made[:2]


def _unspecified(desk: DepotsDesk) -> list[Any]:
    query = "SELECT id, nature FROM mouvement WHERE code_commune = '13900' AND nature <> 'modification' ORDER BY id"
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET categorie = '', motif = ''"))
        return list(connection.execute(text(query)))


def _motifs(desk: DepotsDesk) -> list[tuple[str, str]]:
    found = desk.rows("SELECT categorie, motif FROM mouvement WHERE categorie <> '' ORDER BY id")
    return [(row["categorie"], row["motif"]) for row in found]


def test_many_motifs_are_noted_at_once_or_none(desk: DepotsDesk) -> None:
    rows = _unspecified(desk)
    of = {"inscription": Categorie.INSCRIPTION_OFFICE, "radiation": Categorie.RADIATION_DECES}
    motifs = [
        {"mouvement": row.id, "categorie": of[row.nature], "motif": f"motif {row.id}"}
        for row in rows
    ]
    wrong = "radiation_deces" if rows[-1].nature == "inscription" else "inscription_office"
    code, reason = _refusal(
        _note(desk, "motifs", motifs=[*motifs[:-1], motifs[-1] | {"categorie": wrong}])
    )
    assert code == "categorie_incoherente"
    said = f"cette catégorie n'est pas celle d'une {rows[-1].nature}."
    assert reason.endswith(f"Mouvement n° {rows[-1].id} : {said}")
    code, _ = _refusal(_note(desk, "motifs", motifs=[*motifs, motifs[0] | {"mouvement": 999_999}]))
    assert code == "mouvement_inconnu"
    assert (_motifs(desk), _trail(desk)) == ([], [])
    _accepted(_note(desk, "motifs", motifs=motifs))
    assert _motifs(desk) == [(of[row.nature], f"motif {row.id}") for row in rows]
    (line,) = _trail(desk)
    assert (line.action, line.detail) == (
        Action.MOTIFS_COMPLETED,
        f"la date ou le motif de {len(rows)} mouvements a été complété",
    )


_IN_PERIOD = (
    "m.code_commune = '13900' AND m.liste = 'P' AND m.effet = 'Immediat' "
    f"AND m.date_mouvement > '{DAYS.reunion_precedente}' AND m.date_mouvement <= '{DAYS.reunion}'"
)


def _four_tableaux(desk: DepotsDesk) -> list[int]:
    """One to be posted, one for the commission, one without names, one of a period without mouvements."""
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"edition": "commission"},
        {"presentations": ["recapitulatif"]},
    )
    made = [number for fields in asked for number in _tableau(desk, VINGT, **fields)]
    made += _tableau(desk, VINGT, reunion="2020-01-01", until="2020-02-01")
    assert [desk.process(number)["status"] for number in made] == ["ready"] * 4
    return made


@pytest.mark.slow
def test_a_tableau_that_prints_another_motif_now_is_to_be_made_again(desk: DepotsDesk) -> None:
    _unspecified(desk)
    mouvement = _one(
        desk,
        f"SELECT m.id FROM mouvement m WHERE m.nature = 'radiation' AND {_IN_PERIOD}",  # noqa: S608
    )
    posted, commission, _, _ = _four_tableaux(desk)
    _accepted(desk.download(posted))
    motif = {"mouvement": mouvement, "categorie": "", "motif": "Courrier du 3"}
    because = "la date ou le motif de 1 mouvement a été complété"
    _accepted(_note(desk, "motifs", motifs=[motif]))
    assert _recalled(desk) == [(commission, because)], "the other one prints the category only"
    _accepted(_note(desk, "motifs", motifs=[motif]))
    assert _recalled(desk) == [(commission, because)], "it was said before"
    _accepted(_note(desk, "motifs", motifs=[motif | {"categorie": "radiation_deces"}]))
    assert _recalled(desk) == [(posted, because), (commission, because)], (
        "what was said is the reason"
    )
    assert [it.detail for it in _trail(desk) if it.action == Action.MOTIFS_COMPLETED] == [
        because
    ] * 3


@pytest.mark.slow
def test_a_tableau_that_prints_the_address_of_who_is_protected_is_to_be_made_again(
    desk: DepotsDesk,
) -> None:
    _may_protect(desk)
    desk.add_person()
    posted, commission, _, _ = _four_tableaux(desk)
    _accepted(desk.download(posted))
    nobody = _one(desk, "SELECT id FROM electeur WHERE nom_naissance = 'INVENTEE'")
    _accepted(_note(desk, "protection", electeur=nobody))
    assert _recalled(desk) == [], "she has neither come nor left"
    shown = _one(
        desk,
        "SELECT e.id FROM electeur e JOIN mouvement m ON m.nom_naissance = e.nom_naissance AND m.prenoms = e.prenoms "  # noqa: S608
        "AND m.date_naissance = e.date_naissance JOIN liste l ON l.liste = e.liste AND l.version = e.version "
        f"AND l.code_commune = e.code_commune WHERE NOT m.is_protegee AND m.nature = 'inscription' AND {_IN_PERIOD}",
    )
    _accepted(_note(desk, "protection", electeur=shown))
    because = "une adresse n'est plus à afficher (art. L. 37)"
    assert _recalled(desk) == [(posted, because), (commission, because)]
    assert because in desk.process(posted)["recalled_because"]
    again = _tableau(desk, VINGT)[0]
    assert desk.process(again)["status"] == "ready"
    _accepted(_note(desk, "protection", electeur=shown))
    _accepted(_note(desk, "protection", lifted=_one(desk, "SELECT max(id) FROM protection")))
    assert again not in dict(_recalled(desk)), "an address that is masked harms nobody"


def test_who_is_marked_as_protected_by_an_import_is_protected_in_earlier_tableaux(
    desk: DepotsDesk,
) -> None:
    posted, commission, _, _ = _four_tableaux(desk)
    marked = f"SELECT min(m.id) FROM mouvement m WHERE NOT m.is_protegee AND m.nature = 'inscription' AND {_IN_PERIOD}"  # noqa: S608
    columns = "code_commune, liste, effet, etat, nom_naissance, prenoms, date_naissance, import_id"
    with desk.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO mouvement ({columns}, nature, date_tableau, date_mouvement, is_protegee) SELECT {columns}, "  # noqa: S608
            f"'radiation', '2030-01-01', '2030-01-01', true FROM mouvement WHERE id = ({marked})"
        )
        number = connection.scalar(
            text("SELECT import_id FROM mouvement WHERE date_tableau = '2030-01-01'")
        )
        labels = [protect_marked(connection, number, by=Actor("moi")) for _ in range(2)]
    assert [len(it) for it in labels] == [2, 0]
    assert {posted, commission} == {*dict(_recalled(desk))}


@pytest.mark.slow
def test_a_tableau_that_is_being_made_prints_no_address_of_who_is_protected_meanwhile(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bool] = []

    def write_report(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        if not done:
            done.append(True)
            with desk.engine.begin() as connection:
                protect(
                    connection, COMMUNE, Protege("INVENTEE", "Zélie", "1962-03-14"), by=Actor("moi")
                )
        return precheck.write_report(*arguments)

    desk.add_person()
    monkeypatch.setattr(make_tableau, "write_report", write_report)
    (number,) = _tableau(desk, VINGT)
    row = desk.process(number)
    assert (row["status"], row["starts"]) == ("queued", 0)
    assert desk.process(number)["status"] == "ready"


def test_the_mouvement_of_another_commune_is_not_known(desk: DepotsDesk) -> None:
    row = _unspecified(desk)[0]
    desk.run("UPDATE mouvement SET code_commune = '13055' WHERE id = :id", id=row.id)
    motifs = [{"mouvement": row.id, "categorie": ""}]
    code, _ = _refusal(_note(desk, "motifs", motifs=motifs))
    assert code == "mouvement_inconnu"


def _may_protect(desk: DepotsDesk, name: str = AGENT) -> None:
    desk.run("DELETE FROM agent")
    columns = "name, code_commune, email, may_protect"
    insert = f"INSERT INTO agent ({columns}) VALUES (:name, :code, 'm@m.example', :yes)"  # noqa: S608 — ours
    desk.run(insert, name=name, code=COMMUNE, yes=True)


def _one(desk: DepotsDesk, query: str) -> Any:  # noqa: ANN401 — one value
    return next(iter(desk.values(query)), None)


@pytest.mark.parametrize("name", ["mairie-libreville", "Mme Autre"])
def test_only_an_agent_with_that_right_protects(desk: DepotsDesk, name: str) -> None:
    _may_protect(desk, "Mme Sureau")
    desk.run(
        "INSERT INTO agent (name, code_commune, email) VALUES ('mairie-libreville', :code, 'a@a.example')",
        code=COMMUNE,
    )
    desk.add_person()
    electeur = _one(desk, "SELECT id FROM electeur WHERE nom_naissance = 'INVENTEE'")
    code, _ = _refusal(_note(desk, "protection", by=name, electeur=electeur))
    assert code == "agent_sans_droit"
    assert _one(desk, "SELECT id FROM protection WHERE nom_naissance = 'INVENTEE'") is None


def test_an_agent_says_what_she_is_told_of(desk: DepotsDesk) -> None:
    _may_protect(desk)
    _accepted(_note(desk, "wishes", wishes=[Wish.DEADLINE, Wish.FAILED]))
    assert _one(desk, "SELECT kinds FROM agent") == "echec,echeance"
    _accepted(_note(desk, "wishes", wishes=[]))
    assert _one(desk, "SELECT kinds FROM agent") == ""
    assert [it.detail for it in _trail(desk)] == ["échecs, refus et annulations, échéances", "rien"]
    code, _ = _refusal(_note(desk, "wishes", by="Mme Personne", wishes=[]))
    assert code == "agent_inconnu"


@pytest.mark.parametrize(
    "note",
    [
        {"kind": "reunion", "jour": "2026-11-20"},
        {"kind": "motifs", "motifs": [{"mouvement": 1, "categorie": ""}]},
        {"kind": "protection", "electeur": 1},
    ],
)
def test_a_register_that_another_software_keeps_is_not_written(
    desk: DepotsDesk, note: dict[str, Any]
) -> None:
    elsewhere = build_engine(str(desk.engine.url.render_as_string(hide_password=False)))
    desk.configure(registre=elsewhere)
    code, reason = _refusal(_note(desk, **note))
    assert (code, "un autre logiciel" in reason) == ("registre_ailleurs", True)
    elsewhere.dispose()


def test_only_the_account_of_the_screen_writes_what_the_screen_notes(desk: DepotsDesk) -> None:
    for name, speaks in (("mairie-13900", False), ("ecran", True)):
        with desk.engine.begin() as connection:
            allow_sender(connection, name, COMMUNE, actor="test", speaks_for_agents=speaks)
    desk.sender = "mairie-13900"
    seen: dict[str, Any] = {"page": SeenPage.DOUBTS, "electeurs": 4}
    code, reason = _refusal(_note(desk, "electeurs_seen", **seen))
    assert (code, "ne peut pas envoyer ce que note l'écran" in reason) == (
        "compte_non_autorise",
        True,
    )
    desk.sender = "ecran"
    _accepted(_note(desk, "electeurs_seen", **seen))
    assert [line.account for line in _trail(desk) if line.action == Action.ELECTEURS_SEEN] == [
        "ecran"
    ]
