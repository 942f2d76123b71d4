"""From the mouvements of the register to a tableau: one snapshot, every mouvement checked, a PDF, all or nothing."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from common.calendrier import is_mineur, last_birth
from common.french import count_of, describe_missing, short_date
from common.texte import clean
from schemas.profiles.platform import read_shipped
from schemas.tableaux import Presentation, Repere
from schemas.vocabulary import ExportKind, ExportStatus, Liste, Nature, Piece, Severity
from worker.db.engine import reading, snapshot
from worker.domain.anomaly import Anomaly
from worker.domain.identite import FORGOTTEN, Etat, Identite, identite
from worker.domain.majorite import (
    OfAge,
    Period,
    check_before,
    check_corrections,
    check_replaced,
    check_second_tour,
)
from worker.domain.tableau.composition import (
    SANS_BUREAU,
    ListeDeCommune,
    OfSecteur,
    compose_tableau,
    move_electeur,
)
from worker.domain.tableau.controles import (
    Reconciliation,
    check_bilan,
    check_tableau,
    find_differences,
)
from worker.domain.tableau.couverture import (
    Chain,
    Link,
    base_of,
    check_altered,
    check_couverture,
    check_doubts,
    check_first,
    first_export,
    imports_used,
    window_of,
)
from worker.domain.tableau.demande import Demande, is_in
from worker.domain.tableau.model import NUMERO_PROVISOIRE, Tableau, fetch_in_batches
from worker.exports.lease import Heartbeat
from worker.exports.models import Export, facts_of, piece_name
from worker.exports.records import announce, mark_ready
from worker.handlers.making.make_liste import read_spec
from worker.handlers.requests.export_plan import read_demande
from worker.registre.checks.facts import has_facts
from worker.registre.checks.rules import TWICE
from worker.registre.communes import NO_VERSION, require_commune
from worker.registre.comparaison.doubts import list_corrections, list_guesses, open_pairs
from worker.registre.imports.chain import (
    find_altered,
    find_import_by,
    read_births,
    read_chain,
    read_rests_on,
)
from worker.registre.models import Electeur
from worker.registre.mouvements.queries import (
    ListedExport,
    MouvementSource,
    identity_keys,
    select_bureaux,
    select_imports,
)
from worker.registre.reference import arrondissements_of, name_departement
from worker.registre.secteurs import describe_secteur, others_of
from worker.services import Services
from worker.work.queue import Claim
from worker.writers import Progress
from worker.writers.columns import ADRESSE, ListeSpec, header_of
from worker.writers.precheck import ReportSubject, Tally, find_anomalies_of_electeurs, write_report

BYTES_PER_MOUVEMENT = 1_400
"""Required room for a line: it takes 1,100 bytes with its tags, and an anomaly of the report 300."""

LEAST_BYTES = 1 << 20
"""Required room for fonts, and for the summary of a commune of many bureaux."""


def make_tableau(export: Export, claim: Claim, heartbeat: Heartbeat, services: Services) -> None:
    """Draw the tableau and write its report of anomalies, publish them and record them.

    Raises:
        ExportError: the register no longer holds the commune.
        DiskFullError: the volume has no room now.
        LeaseLostError: another worker holds the row; no file was published.
    """
    from worker.pdf.render import render_tableau  # fonts and reportlab: list workers do without

    storage = services.storage
    with (
        storage.pending(
            export.code_commune, piece_name(export.file_name, Piece.RAPPORT), claim.owner
        ) as report,
        storage.pending(
            export.code_commune, piece_name(export.file_name, Piece.RECONCILIATION), claim.owner
        ) as proof,
        storage.pending(export.code_commune, export.file_name, claim.owner) as file,
    ):
        with snapshot(services.registre) as connection:
            subject = TableauSubject(connection, export, heartbeat.progress)
            tableau = compose_tableau(subject.demande, subject.liste, subject.shown, subject.chain)
            announce(services.engine, claim, electeurs=tableau.mouvements)
            storage.require_room(LEAST_BYTES + tableau.mouvements * BYTES_PER_MOUVEMENT)
            spec = replace(read_spec(connection, export, services), form=read_shipped().form)
            counted_on = _read_age_before(services.engine, export, subject.demande)
            tally = write_report(
                subject.anomalies(tableau, spec, services.ruined_values, counted_on),
                report,
                ReportSubject(facts_of(export), services.public_url),
            )
            pages = render_tableau(marked(tableau, tally), file)
            reconciliation = subject.reconcile(tableau)
        file.finish()
        beside = {Piece.RAPPORT: report} if tally.counts else {}
        if reconciliation and reconciliation.differences:
            # the electors who differ
            of_each = {"differences": [it.to_record() for it in reconciliation.differences]}
            document = reconciliation.to_record() | {"label": export.label} | of_each
            proof.write(f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode())
            beside[Piece.RECONCILIATION] = proof

        mark_ready(
            services.engine,
            claim,
            file,
            beside,
            electeurs=tableau.mouvements,
            mineurs=0,
            bloquantes=tally.total(Severity.BLOCKING),
            remarques=tally.total(Severity.REMARK),
            anomalies=tally.to_record(),
            a_completer=tally.total(Severity.TO_COMPLETE),
            pages=pages,
            rests_on=subject.rests_on,
            reconciliation=reconciliation.to_record() if reconciliation else None,
            profile=services.profiles.of(export.code_commune).record(of_liste=False),
        )


def _read_age_before(engine: Engine, export: Export, demande: Demande) -> date | None:
    """Return the day on which the last tableau that ends where this one begins counted age, if there is one."""
    if demande.reunion is None:
        return None
    is_before = (
        Export.code_commune == export.code_commune,
        Export.liste == export.liste,
        Export.id < export.id,
    )
    made = Export.kind == ExportKind.TABLEAU, Export.status == ExportStatus.READY
    query = select(Export.reconciliation).where(*is_before, *made).order_by(Export.id.desc())
    with reading(engine) as connection:
        for known in connection.scalars(query):
            if known and known["tableau_on"] == demande.reunion.isoformat():
                return date.fromisoformat(known["age_on"])
    return None


def marked(tableau: Tableau, tally: Tally) -> Tableau:
    """Return the tableau to print: each page states its blocking anomalies, and what it lacks to be published."""
    mentions = [tableau.mention]
    if bloquantes := tally.total(Severity.BLOCKING):
        mentions.append(
            f"À corriger, ne pas afficher : {count_of(bloquantes, 'anomalie bloquante')}"
        )
    if missing := describe_missing(tally.to_record()):
        mentions.append(f"À compléter, à ne publier que par décision motivée : {missing}")
    return replace(tableau, mention=" — ".join(filter(None, mentions)))


class TableauSubject:
    """The register data of a tableau, in one snapshot; later imports do not change a tableau that is made again."""

    def __init__(self, connection: Connection, export: Export, progress: Progress) -> None:
        """Read the data of a tableau.

        Raises:
            ExportError: the register no longer holds the commune.
        """
        commune = require_commune(connection, export.code_commune)
        liste = Liste(export.liste)
        self.demande = demande = read_demande(export)
        chain = read_chain(connection, commune.code, liste)
        base = base_of(demande, chain)
        if base and (chain.words or chain.daily):
            births = read_births(
                connection, commune.code, liste, chain.links[0].taken_on, base.import_id
            )
            chain = replace(chain, births=births)
        self.chain = chain
        used = imports_used(demande, chain) | select_imports(
            connection, commune.code, liste, demande
        )
        self.rests_on = read_rests_on(connection, used)
        self.others = (
            others_of(connection, commune.code, demande.secteur)
            if demande.secteur
            else frozenset[str]()
        )
        """The bureaux of the other secteurs, if the tableau is of one."""
        version = commune.versions.get(liste, NO_VERSION)
        now = MouvementSource(connection, commune.code, liste, version, _Count(progress))
        self.current = _at(
            now,
            chain,
            next((it for it in chain.links if it.import_id == version and it.is_kept), None),
        )
        """With the list as it is now."""
        self.register = register = _at(now, chain, base)
        """With the list that electors are counted from."""
        days = demande.age_avant, demande.jour
        as_of = base.import_id if base else None
        if not chain.links:  # no export of this list: bureaux of the day of the request
            as_of = find_import_by(connection, commune.code, demande.jour)
        self.liste = ListeDeCommune(
            commune.code,
            clean(commune.nom),
            liste,
            [
                it
                for it in select_bureaux(
                    connection, commune.code, liste, register.version, days, as_of=as_of
                )
                if it.code not in self.others
            ],
            name_departement(commune.code_departement),
            has_arrondissements=bool(arrondissements_of(commune.code)),
            secteur=describe_secteur(commune.code, demande.secteur),
        )
        self.doubts = open_pairs(connection, commune.code, liste)
        self.corrections: Sequence[tuple[str, str]] = ()
        self.guesses: Sequence[Row[Any]] = ()
        if reunion := demande.reunion:
            self.corrections = list_corrections(
                connection, commune.code, liste, reunion, as_of=as_of
            )
            self.guesses = list_guesses(connection, commune.code, liste, reunion, demande.last_day)
        exports = [*window_of(demande, chain)]
        exports += [base] if base and base not in exports else []
        self.source = OfAge(Period.of(demande), register, exports, self.corrections)
        self.shown = OfSecteur(self.source, self.others)

    def anomalies(
        self, tableau: Tableau, spec: ListeSpec, ours: Severity, counted_on: date | None
    ) -> Iterator[Anomaly]:
        """Yield what contradicts the list, is missing, or is wrong about arriving electors.

        Whether an elector may be on the list blocks only while the list of today has that anomaly too.
        `ours`: see `find_anomalies`. `counted_on`: see `check_before`.
        """
        register = self.register
        inscrits = identity_keys(
            register.connection, register.code_commune, register.liste, register.version
        )
        bureaux = {bureau.code for bureau in self.liste.bureaux}
        yield from check_couverture(self.demande, self.chain, is_neant=not tableau.mouvements)
        yield from self._check_mouvements()
        yield from self._check_first(tableau)
        both = fetch_in_batches(self.register.fetch, [id_ for pair in self.doubts for id_ in pair])
        yield from check_doubts(self.demande, zip(both, both, strict=True))
        yield from check_second_tour(self.demande, register)
        yield from check_before(self.demande, register, counted_on)
        yield from check_corrections(self.demande, self.corrections)
        yield from check_replaced(self.source.replaced)
        yield from map(_describe_guess, self.guesses)
        yield from check_bilan(tableau)
        yield from check_tableau(self.demande, self.shown, inscrits, bureaux)
        of_today: Collection[tuple[str, Identite]] | None = None
        for anomaly in self._of_arrivals(spec, ours):
            is_about_right = _is_about_right(anomaly)
            if is_about_right and of_today is None:
                of_today = {_sign(it) for it in self._blocking(self.current, spec, ours)}
            is_over = is_about_right and of_today is not None and _sign(anomaly) not in of_today
            yield _describe_corrected(anomaly) if is_over else anomaly

    def reconcile(self, tableau: Tableau) -> Reconciliation | None:
        """Compare the tableau with the list of the day of its request.

        None under the yearly revision, and for a secteur.
        """
        if self.source.period is None or self.demande.secteur:
            return None
        it, demande = self.current, self.demande
        listed = select_bureaux(
            it.connection, it.code_commune, it.liste, it.version, (demande.jour, demande.jour)
        )
        return Reconciliation(
            liste_on=demande.jour,
            version=it.version,
            electeurs=sum(bureau.electeurs for bureau in listed),
            tableau_on=demande.last_day,
            age_on=demande.age_apres,
            apres=tableau.sections[-1].bilan.apres,
            differences=list(find_differences(demande, it)),
        )

    def _of_arrivals(self, spec: ListeSpec, ours: Severity) -> Iterator[Anomaly]:
        """Yield the blocking anomalies of arriving electors; the tableau is read once more only if there are some."""
        arrivals: Mapping[Identite, bool] | None = None
        for anomaly in self._blocking(self.register, spec, ours):
            arrivals = self._arrivals() if arrivals is None else arrivals
            is_protegee = arrivals.get(_key(anomaly.nom, anomaly.prenoms, anomaly.naissance))
            if is_protegee is not None and self._is_wrong(anomaly, is_protegee=is_protegee):
                yield anomaly

    def _blocking(
        self, source: MouvementSource, spec: ListeSpec, ours: Severity
    ) -> Iterator[Anomaly]:
        """Yield the blocking anomalies of the electors on the list of a source."""
        if spec.version != source.version:
            where = source.connection, source.code_commune, source.liste, source.version
            spec = replace(spec, version=source.version, has_facts=has_facts(*where, spec.jour))
        spec = replace(spec, age_on=self.demande.age_apres)
        for anomaly in find_anomalies_of_electeurs(source.connection, spec, ours=ours):
            if anomaly.severity is Severity.BLOCKING and anomaly.nom != FORGOTTEN:
                yield anomaly

    def _arrivals(self) -> Mapping[Identite, bool]:
        """Return the electors who arrive on the list of a bureau; True where the address is masked on every line.

        Pending inscriptions are left out: a namesake on the list is another elector, or `deja_inscrit` blocks.
        """
        arrivals: dict[Identite, bool] = {}
        for mouvement in self.shown.stream():
            is_waiting = mouvement.nature is Nature.INSCRIPTION and mouvement.etat is Etat.ACTIF
            if (
                mouvement.arrives_in is not None
                and not is_waiting
                and is_in(mouvement, self.demande)
            ):
                it = mouvement.personne
                key = _key(it.nom_naissance, it.prenoms, it.date_naissance)
                arrivals[key] = arrivals.get(key, True) and it.is_protegee
        return arrivals

    def _is_wrong(self, anomaly: Anomaly, *, is_protegee: bool) -> bool:
        if anomaly.code == TWICE.code or anomaly.column == header_of(Electeur.code_bureau):
            return True
        if anomaly.column == header_of(Electeur.nationalite):
            return self.liste.liste is not Liste.PRINCIPALE
        if self.demande.presentation is Presentation.RECAPITULATIF:
            return False
        is_of_adresse = anomaly.column in {
            header_of(column.source) for column in ADRESSE if column.source
        }
        return anomaly.column != header_of(Electeur.sexe) and not (is_protegee and is_of_adresse)

    def _check_mouvements(self) -> Iterator[Anomaly]:
        """See `check_altered`: of the exports after the first one, until the one that electors are counted from."""
        it, window = self.register, window_of(self.demande, self.chain)
        if window:
            last = base_of(self.demande, self.chain) or window[-1]
            days = find_altered(
                it.connection, it.code_commune, it.liste, window[0].import_id, last.import_id
            )
            yield from check_altered(days)

    def _check_first(self, tableau: Tableau) -> Iterator[Anomaly]:
        """See `check_first`; skipped where a date of birth was corrected after the first export."""
        link, it = first_export(self.demande, self.chain), self.register
        if link is None:
            return
        births = list_corrections(
            it.connection, it.code_commune, it.liste, link.taken_on, as_of=it.version
        )
        if any(before != after for before, after in births):
            return
        days = self.demande.age_avant, self.demande.jour
        listed = select_bureaux(it.connection, it.code_commune, it.liste, link.import_id, days)
        by_code = Counter({bureau.code: bureau.electeurs for bureau in listed})
        for mouvement in it.narrow(link.taken_on, last_birth(self.demande.age_avant)).stream():
            is_between = (
                link.taken_on < mouvement.date_mouvement <= self.demande.required(Repere.REUNION)
            )
            if (
                is_between
                and mouvement.is_applied
                and not is_mineur(mouvement.personne.date_naissance, *days)
            ):
                move_electeur(mouvement, by_code, 1)
        electeurs = {
            code or SANS_BUREAU: number
            for code, number in by_code.items()
            if code not in self.others
        }
        yield from check_first(link, electeurs, tableau.bilans)


def _at(source: MouvementSource, chain: Chain, link: Link | None) -> MouvementSource:
    if link is None:
        return source
    exports = frozenset(it.import_id for it in chain.links)
    return replace(
        source, version=link.import_id, export=ListedExport(link.import_id, link.taken_on, exports)
    )


def _key(nom: str, prenoms: str, naissance: str) -> Identite:
    return identite(nom, prenoms, naissance, "", "")


def _is_about_right(anomaly: Anomaly) -> bool:
    """Whether it asks if an elector may be on the list: once that list is corrected, it asks nothing of a tableau.

    Such a tableau tells that the elector came; the tableau of the correction tells that they left. Other anomalies are
    about values that it prints.
    """
    return anomaly.code == TWICE.code or anomaly.column == header_of(Electeur.nationalite)


def _sign(anomaly: Anomaly) -> tuple[str, Identite]:
    return anomaly.code, _key(anomaly.nom, anomaly.prenoms, anomaly.naissance)


def _describe_corrected(anomaly: Anomaly) -> Anomaly:
    said = "Le registre d'aujourd'hui ne l'a plus : le tableau dit ce qui était alors."
    return replace(
        anomaly,
        code="corrigee_depuis",
        severity=Severity.REMARK,
        message=f"{anomaly.message} {said}",
    )


def _describe_guess(guess: Row[Any]) -> Anomaly:
    before, after = (
        f"bureau {bureau or SANS_BUREAU}, n° {numero or NUMERO_PROVISOIRE}"
        for bureau, numero in (
            (guess.bureau_before, guess.numero_before),
            (guess.bureau_after, guess.numero_after),
        )
    )
    return Anomaly(
        code="homonymes_supposes",
        severity=Severity.REMARK,
        column=header_of(Electeur.nom_naissance),
        message=(
            f"Homonymes que rien ne départage dans l'export du {short_date(guess.taken_on)} : celui d'avant ({before}) "
            f"est supposé être celui d'après ({after}), à une autre adresse. Si c'est un autre qui est resté, les "
            "mouvements de ces homonymes sont à corriger : vérifier dans le REU."
        ),
        bureau=guess.bureau_after or SANS_BUREAU,
        numero=str(guess.numero_after or NUMERO_PROVISOIRE),
        nom=guess.nom_naissance,
        prenoms=guess.prenoms,
        naissance=guess.date_naissance,
    )


class _Count:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._drawn = 0

    def __call__(self, number: int) -> None:
        self._progress(self._drawn)
        self._drawn += number
