"""The table of regimes: its rows, and the days of real polls in thirteen territories."""

import tomllib
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    commission_to_renew,
    cycle_of,
    find_cycles,
    is_poll_day,
    is_yearly,
    last_day_to_register,
    last_round,
    polls_of,
    polls_to_note,
)
from common.regimes import TABLE, Revision, Vote, parse, read_regimes
from common.regimes_page import PAGE, write_part
from producers.web.echeances import build_agenda
from schemas.tableaux import YEARLY_REVISION, TypeTableau, find_wrong_dates, why_never_published
from schemas.vocabulary import CATEGORIES, Liste, Nature
from tests.walks import PLACES, walk

REAL = tomllib.loads(Path(__file__).with_name("real_polls.toml").read_text("utf-8"))["poll"]
_DELAYS = ("cloture", "cloture_en_ligne", "l30", "reunion_premier", "reunion_dernier")
PAPEETE, NOUMEA, CAYENNE = "98735", "98818", "97302"
PRESIDENTIAL = CalendarScrutin(date(2027, 4, 11), "Élection présidentielle, 1er tour")
LEGISLATIVE = CalendarScrutin(date(2027, 6, 13), "Élections législatives, 1er tour")


def _known(poll: dict[str, Any], commune: str) -> list[CalendarScrutin]:
    """The poll as an operator and the town hall note it."""
    national, (name, *tour) = poll.get("national"), poll["name"].split(", ")
    noted = zip(poll.get("noted", ()), (*tour, "2nd tour"), strict=False)
    return [
        *([CalendarScrutin(national, poll["name"])] if national else []),
        *(CalendarScrutin(day, f"{name}, {tour}", code_commune=commune) for day, tour in noted),
        *(
            CalendarScrutin(day, name, code_commune=commune)
            for day in poll.get("noted", ())
            if not tour
        ),
    ]


_CASES = [
    pytest.param(poll, commune, id=f"{poll['name']} {poll.get('first', '-')} {commune}")
    for poll in REAL
    for commune in poll["communes"]
]


@pytest.mark.parametrize(("poll", "commune"), _CASES)
def test_a_real_poll_has_the_days_of_its_source(poll: dict[str, Any], commune: str) -> None:
    known = _known(poll, commune)
    polls = polls_of(commune, known)
    if "first" not in poll:  # not held, or no text was read
        assert polls == []
        assert bool(polls_to_note(commune, known)) is poll.get("unread", False)
        return
    first = polls[0]
    assert (first.jour, last_round(first, polls)) == (poll["first"], poll["second"])
    counted: dict[str, date | None] = {
        name: last_day_to_register(first.jour, name, first.libelle)
        for name in _DELAYS
        if name in poll
    }
    assert counted == {name: poll[name] or None for name in counted}
    if "listes" in poll:
        assert read_regimes().lists_of(first.libelle) == {*poll["listes"]}
    if "papiers" in poll:
        assert [it.type for it in cycle_of(first, (), polls).due] == poll["papiers"]


def test_of_each_kind_of_poll_and_territory_a_real_one_is_known() -> None:
    """Except where the table says that it is not held, and where no page was found: they are listed."""
    regimes = read_regimes()
    seen = {
        (row.genre, regimes.territory_of(commune).cle)
        for poll in REAL
        for commune in poll["communes"]
        for row in regimes.rows_of(poll["name"], commune)
    }
    held = {
        (it.genre, cle)
        for it in regimes.polls
        for cle in it.territoires
        if it.vote is not Vote.AUCUN
    }
    without = {
        genre: sorted(cle for kind, cle in held - seen if kind == genre) for genre, _ in held - seen
    }
    assert len(without.pop("consultation")) == len(regimes.territories) - 1, "all but one"
    assert without == {
        "référendum": ["saint-barthelemy", "saint-martin"],
        "métropolitaines": ["metropole"],
        "municipales": ["nouvelle-caledonie"],
    }


def test_a_saturday_poll_is_one_poll_with_one_cycle() -> None:
    """Also if the commune notes the day itself; one hour later nobody is told to prepare two."""
    own = CalendarScrutin(date(2027, 4, 10), "Présidentielle", code_commune=CAYENNE)
    for known in ([PRESIDENTIAL], [PRESIDENTIAL, own], [own, PRESIDENTIAL]):
        polls = polls_of(CAYENNE, known)
        assert [it.jour for it in polls] == [date(2027, 4, 10)]
        (cycle,) = (it for it in find_cycles(date(2027, 2, 1), polls, []) if it.scrutin)
        assert cycle.window == (date(2027, 3, 17), date(2027, 3, 20))
        assert [it.due_on for it in cycle.due] == [date(2027, 3, 21), date(2027, 4, 5)]
    on_sunday = CalendarScrutin(date(2027, 4, 11), "Présidentielle", code_commune=CAYENNE)
    assert [it.jour for it in polls_of(CAYENNE, [PRESIDENTIAL, on_sunday])] == [date(2027, 4, 11)]
    assert [it.jour for it in polls_of("01001", [PRESIDENTIAL])] == [PRESIDENTIAL.jour]


def test_where_no_text_gives_the_day_the_clerk_notes_it() -> None:
    assert polls_of(PAPEETE, [LEGISLATIVE]) == []
    assert polls_to_note(PAPEETE, [LEGISLATIVE]) == [LEGISLATIVE]
    own = CalendarScrutin(date(2027, 6, 5), "Législatives", code_commune=PAPEETE)
    assert polls_to_note(PAPEETE, [LEGISLATIVE, own]) == []
    (poll,) = polls_of(PAPEETE, [LEGISLATIVE, own])
    assert (poll.jour, last_round(poll)) == (own.jour, None), "the decree gives the second round"
    metropolitan = CalendarScrutin(date(2028, 3, 12), "Élections provinciales")
    assert polls_to_note(PAPEETE, [metropolitan]) == [metropolitan]
    unnamed = CalendarScrutin(date(2028, 3, 12))
    assert polls_of(PAPEETE, [unnamed])[0].jour == unnamed.jour


@pytest.mark.parametrize(
    ("libelle", "held", "elsewhere"),
    [
        ("Élections départementales", "13055", ("75056", "69123", "2A004", CAYENNE, NOUMEA)),
        ("Élections régionales", "2A004", ("97608", PAPEETE, NOUMEA)),
        ("Élections municipales", NOUMEA, ("97701", "97801", "98613")),
        ("Élections métropolitaines", "69123", ("75056", "13055")),
    ],
)
def test_a_poll_is_not_asked_for_where_it_is_not_held(
    libelle: str, held: str, elsewhere: tuple[str, ...]
) -> None:
    poll = CalendarScrutin(date(2028, 3, 12), libelle)
    assert [it.jour for it in polls_of(held, [poll])] == [poll.jour]
    for commune in elsewhere:
        assert polls_of(commune, [poll]) == polls_to_note(commune, [poll]) == []
        own = CalendarScrutin(poll.jour, libelle, code_commune=commune)
        assert polls_of(commune, [poll, own]) == [own], "what the commune noted wins"


def test_of_two_polls_of_a_day_one_may_be_held() -> None:
    both = CalendarScrutin(date(2021, 6, 20), "Élections départementales et régionales")
    for commune in ("69123", "97608", "2A004", CAYENNE, "01001"):
        (poll,) = polls_of(commune, [both])
        assert (poll.jour, last_round(poll)) == (both.jour, date(2021, 6, 27))
    assert polls_of(NOUMEA, [both]) == []


def test_on_line_one_registers_as_long_as_on_paper_for_a_partial_poll() -> None:
    """Code électoral, art. R. 5, last paragraph: « aux élections générales »."""
    day = date(2026, 9, 6)
    general = last_day_to_register(day, "cloture_en_ligne", "Élections municipales, 1er tour")
    assert general == date(2026, 7, 29)
    for name in ("Municipale partielle", "Élection municipale complémentaire"):
        assert last_day_to_register(day, "cloture_en_ligne", name) is None
        assert last_day_to_register(day, "cloture", name) == date(2026, 7, 31)


def test_wallis_et_futuna_has_no_days_for_a_yearly_meeting() -> None:
    """Code électoral, art. R. 204, I: R. 10 does not apply there."""
    today = date(2027, 11, 25)
    assert find_cycles(today, [], [], code_commune="98613") == []
    assert find_cycles(today, [], [], code_commune=PAPEETE)[0].window


def test_nothing_is_due_for_a_poll_on_a_list_that_is_not_ours() -> None:
    """The special electoral list of the provincial elections."""
    poll = CalendarScrutin(date(2026, 6, 28), "Élections provinciales", code_commune=NOUMEA)
    *_, cycle = find_cycles(date(2026, 5, 1), [poll], [], code_commune=NOUMEA)
    assert (cycle.scrutin, cycle.due) == (poll, ())
    assert read_regimes().lists_of(poll.libelle) == set()
    assert read_regimes().lists_of("Scrutin") is None


def test_the_yearly_revision_has_its_own_tableaux_and_no_commission() -> None:
    polls = polls_of(NOUMEA, [PRESIDENTIAL])
    yearly, cycle = find_cycles(date(2027, 1, 5), polls, [], code_commune=NOUMEA)
    assert (yearly.window, cycle.window) == (None, None)
    due = [(it.type, it.due_on) for it in (*yearly.due, *cycle.due)]
    assert due == [
        (TypeTableau.PREMIER_RECTIFICATIF, date(2027, 1, 10)),
        (TypeTableau.SECOND_RECTIFICATIF, date(2027, 2, 28)),
        (TypeTableau.CINQ_JOURS, date(2027, 4, 6)),
    ]
    titles = [it.titre for it in build_agenda(cycle, [], ["P"]).due]
    assert titles == ["Tableau des cinq jours"], "the revision is in force there"
    laws = {it.reference_legale for it in (*yearly.due, *cycle.due)}
    assert all("à vérifier" in law and "alinéa" not in law for law in laws)
    agenda = build_agenda(cycle, [], ["P"])
    assert (agenda.last_day_to_register, agenda.last_day_online, agenda.last_day_l30) == (None,) * 3
    assert build_agenda(yearly, [], ["P"]).title == "Révision annuelle de 2027"
    later = find_cycles(date(2027, 3, 1), polls, [], code_commune=NOUMEA)[0]
    assert later.due[0].due_on == date(2028, 1, 10)


@pytest.mark.parametrize(("commune", "yearly"), [(NOUMEA, True), ("01001", False)])
def test_each_revision_refuses_the_tableaux_of_the_other(commune: str, *, yearly: bool) -> None:
    dates = {"date_tableau": date(2027, 1, 10), "scrutin": PRESIDENTIAL.jour, "commune": commune}
    wrong = {it.type for it in find_wrong_dates([*TypeTableau], dates)}
    assert wrong == {it for it in TypeTableau if it.is_repealed is not yearly}
    refusal = why_never_published(TypeTableau.PREMIER_RECTIFICATIF, "commune", "affichage", commune)
    assert (refusal is None) is yearly


def test_the_contract_and_the_table_agree_on_the_yearly_revision() -> None:
    annual = {it.cle for it in read_regimes().territories if it.revision is Revision.ANNUELLE}
    assert annual == {read_regimes().territory_of(YEARLY_REVISION).cle}
    assert is_yearly(NOUMEA)


def test_the_walks_of_two_years_have_the_days_of_their_territory() -> None:
    walks = {place.code: "\n".join(walk(place, 2022)) for place in PLACES}
    assert len(walks) == 8
    assert "19/03/2022 Tableau des vingt jours" in walks["07117"], "the day after its meeting"
    assert "clôture en ligne (R. 5) : Élection municipale partielle" not in walks["77390"]
    assert "04/06/2022 SCRUTIN" in walks[PAPEETE]
    assert "11/06/2022 SCRUTIN" in walks[CAYENNE]
    assert "réunion" not in walks[NOUMEA]
    assert "Secteur 7 : 13213, 13214" in walks["13055"]
    assert "inscription_transfert : INSEE" in walks["61324"]


def test_each_row_names_known_territories_lists_and_tableaux() -> None:
    regimes = read_regimes()
    known = [it.cle for it in regimes.territories]
    pairs = [(it.genre, cle) for it in regimes.polls for cle in it.territoires]
    assert len({*known}) == len(known)
    assert {cle for _, cle in pairs} <= {*known}
    assert len({*pairs}) == len(pairs), "two rows for one kind of poll in one territory"
    assert {liste for it in regimes.polls for liste in it.listes} <= {*Liste}
    assert {it.code for it in regimes.papers} == {*TypeTableau}
    decided = {*CATEGORIES[Nature.INSCRIPTION], *CATEGORIES[Nature.RADIATION]}
    assert {it.code for it in regimes.motifs} == decided
    assert {it.autorite for it in regimes.motifs} == {"maire", "commission", "INSEE", "tribunal"}
    for (genre, cle), territory in product([("présidentielle", it) for it in known], [*known]):
        assert cle != territory or (genre, cle) in pairs


def test_a_row_that_was_read_says_where() -> None:
    regimes = read_regimes()
    sources = [
        *(it.source for it in regimes.territories),
        *(it.source for it in regimes.polls),
        *(it.source for it in regimes.delays),
        *(it.source for it in regimes.motifs),
    ]
    for source in sources:
        assert bool(source.lu) == bool(source.texte) == bool(source.adresse), source
        assert len(source.citation) <= 250, source


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('vote = "samedi"', 'vote = "lundi"'),
        ('revision = "annuelle"', 'revision = "mensuelle"'),
        ('genre = "municipales"', 'gendre = "municipales"'),
        ("jours = 24", "jours = 24\nvendredi = 3"),
    ],
)
def test_a_word_that_the_table_does_not_know_is_an_error(old: str, new: str) -> None:
    text = TABLE.read_text("utf-8")
    with pytest.raises((ValueError, TypeError)):
        parse(text.replace(old, new, 1))


def test_a_poll_is_on_saturday_only_where_the_table_has_one() -> None:
    saturday = date(2027, 4, 10)
    allowed = [it for it in read_regimes().territories if is_poll_day(saturday, it.codes[0] + "01")]
    assert {it.cle for it in allowed} == {
        *("guadeloupe", "martinique", "guyane", "saint-pierre-et-miquelon"),
        *("saint-barthelemy", "saint-martin", "polynesie"),
    }


def test_the_page_of_the_law_is_that_of_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert page == write_part(page, read_regimes()), "python -m common.regimes_page"


def test_the_commission_is_renewed_after_the_municipal_elections() -> None:
    general = CalendarScrutin(date(2026, 3, 15), "Élections municipales, 1er tour")
    partial = CalendarScrutin(date(2026, 9, 6), "Municipale partielle", code_commune="01001")
    before, after = CalendarReunion(date(2026, 2, 20)), CalendarReunion(date(2026, 11, 23))
    today = date(2026, 12, 2)
    polls = polls_of("01001", [general, partial])
    assert commission_to_renew(today, polls, [before]) == polls[0]
    assert commission_to_renew(today, polls, [before, after]) is None
    assert commission_to_renew(date(2026, 3, 15), polls, [before]) is None
    assert commission_to_renew(today, polls_of(NOUMEA, [general]), []) is None
