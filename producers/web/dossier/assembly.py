"""The dossier de dépôt: a ZIP of the files to deposit, with instructions and proofs.

Only lists, tableaux and their reconciliation name electors. The same files give the same bytes: all dates are those of
the record, and neither the time nor the author of the download is included.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import wrap
from typing import Any
from zipfile import ZipFile, ZipInfo

from common.calendrier import civil_time
from common.french import count_of, format_moment, format_number, short_date, typo
from producers.records import WORDS, FileState, PieceFile
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import Delivery, FileAlteredError, open_asked
from schemas.vocabulary import FORMATS, Labelled, Liste, Piece

TO_DEPOSIT, NOT_TO_DEPOSIT = "a-deposer", "ne-pas-deposer"
MANIFEST_VERSION = 1
"""Version of `manifest.json` and of `reconciliation.json`."""

_WIDTH = 88
"""Maximum line length in characters: Notepad does not wrap long lines."""

_STEP_OF_TABLEAUX = "Déposez ensuite les tableaux (PDF) du même dossier."
_STEPS = f"""\
Extrayez ce dossier (clic droit, « Extraire tout »). N'ouvrez aucun fichier CSV ou XML, surtout pas avec un \
tableur, et ne renommez rien : un fichier modifié, même sans le vouloir, est rejeté.
Connectez-vous à e-listelec, la plateforme où votre préfecture reçoit les listes.
Déposez d'abord les listes du dossier « a-deposer », une par une : la liste principale, puis les listes \
complémentaires. Une liste sans électeur se dépose aussi.
{_STEP_OF_TABLEAUX}
La plateforme envoie aussitôt un accusé de réception : il dit que le fichier est arrivé, pas qu'il est accepté.
Elle contrôle chaque électeur dans la nuit. Sa réponse arrive par courriel, en général le lendemain matin.
Revenez dans le Module Préfecture, page « Dépôts » : marquez les fichiers comme déposés, puis notez la réponse.
"""
_REJECTED = (
    "Si un fichier est rejeté : corrigez le registre (REU), déposez son nouvel export, redemandez le "
    "fichier et déposez-le en entier. Le dernier dépôt remplace le précédent."
)
_VERIFY = (
    "Pour savoir si un fichier est intact : page « Vérifier un fichier » du Module Préfecture. SHA256SUMS, "
    "manifest.json et reconciliation.json sont pour les logiciels qui le font sans vous."
)
_PRIVACY = (
    "Ces fichiers contiennent les données de tous les électeurs : effacez-les de ce poste une fois le dépôt accepté."
)


@dataclass(frozen=True)
class DossierFile:
    """A file of a dossier; for a tableau, also the electors who differ from the list of the day."""

    file: AskedFile
    differences: Sequence[Mapping[str, Any]] = ()

    @property
    def path(self) -> str:
        """Path in the archive: files that must not be deposited are in a folder of their own."""
        it = self.file
        is_apart = it.is_never_deposited or it.provisoire_until or it.is_incomplete or it.recalled_at or it.is_rejected
        return f"{NOT_TO_DEPOSIT if is_apart else TO_DEPOSIT}/{it.file_name}"

    @property
    def moment(self) -> datetime:
        """When the file was made, in the civil time of its commune."""
        return civil_time(self.file.finished_at or self.file.requested_at, self.file.code_commune)


_TO_TAKE = frozenset({FileState.READY, FileState.DEPOSITED, FileState.ACCEPTED})


def by_liste(files: Iterable[AskedFile]) -> dict[Liste, list[AskedFile]]:
    """Return the list files that e-listelec accepts, by list, the newest request first."""
    listes = [it for it in files if not it.is_tableau and not it.is_never_deposited]
    newest_first = sorted(listes, key=lambda file: (-file.request_id, file.export_id))
    return {liste: [it for it in newest_first if it.liste == liste] for liste in Liste}


def pick(files: Sequence[AskedFile]) -> AskedFile | None:
    """Return the file of one list for a dossier, from its files newest first; None if the last one is unusable.

    A file that the platform rejected is never chosen, nor the other format of that request.
    """
    if not files or any(it.is_rejected for it in files if it.request_id == files[0].request_id):
        return None
    return files[0] if files[0].state in _TO_TAKE else None


def why_lacking(files: Sequence[AskedFile]) -> str:
    """Return why a dossier has no file of a list, from its files newest first."""
    if not files:
        return "aucun fichier n'est fait"
    last = next((it for it in files if it.is_rejected and it.request_id == files[0].request_id), files[0])
    match last.state:
        case FileState.REJECTED:
            on = f" le {short_date(last.verdict_on)}" if last.verdict_on else ""
            return f"la plateforme l'a rejetée{on}"
        case FileState.TO_CORRECT if not last.outdated_at:
            return count_of(last.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        case FileState.TO_REDO:
            return f"à refaire, {last.recalled_because}"
        case FileState.OUTDATED | FileState.TO_CORRECT:
            return "le registre a été importé de nouveau depuis"
    return "elle n'a pas été choisie"


def seal(root: Path, commune: str, nom: str, files: Sequence[AskedFile], lacking: Sequence[str] = ()) -> Delivery:
    """Write the archive of these files to an unnamed temporary file, in this order, after verifying all their bytes.

    `lacking` holds one sentence for each missing list. The caller closes the archive.

    Raises:
        FileGoneError: a file does not exist any more.
        FileAlteredError: a file differs from its record.
        OSError: the disk has no room for the archive.
    """
    held = [DossierFile(file, _read_differences(root, file)) for file in files]
    moment = max(it.moment for it in held)
    manifest = write_manifest(commune, nom, held)
    proof, page = write_reconciliation(commune, nom, held)
    readme = write_readme(commune, nom, [(it.path, it.file) for it in held], lacking)
    texts = {"LISEZ-MOI.txt": readme, TEXT_NAME: page, "manifest.json": manifest, JSON_NAME: proof}
    sums = write_sums([(it.path, it.file.sha256 or "") for it in held], texts)
    with ExitStack() as opened:
        file = opened.enter_context(TemporaryFile())
        with ZipFile(file, "w") as archive:
            archive.writestr(_entry("LISEZ-MOI.txt", moment), readme)
            archive.writestr(_entry(TEXT_NAME, moment), page)
            for it in held:
                _copy(root, it, archive)
            archive.writestr(_entry("SHA256SUMS", moment), sums)
            archive.writestr(_entry("manifest.json", moment), manifest)
            archive.writestr(_entry(JSON_NAME, moment), proof)
        name = f"dossier-{commune}-{moment:%Y%m%d-%H%M%S}.zip"
        delivery = Delivery(PieceFile(name, file.seek(0, os.SEEK_END), ""), file)
        opened.pop_all()
    return delivery


def _entry(path: str, moment: datetime) -> ZipInfo:
    entry = ZipInfo(path, moment.timetuple()[:6])
    entry.external_attr = 0o100644 << 16
    return entry


def _copy(root: Path, it: DossierFile, archive: ZipFile) -> None:
    entry, digest = _entry(it.path, it.moment), hashlib.sha256()
    entry.file_size = it.file.size or 0
    with closing(open_asked(root, it.file)) as delivery, archive.open(entry, "w") as copy:
        for chunk in delivery:
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != it.file.sha256:
        raise FileAlteredError(it.file.file_name)


def write_manifest(commune: str, nom: str, held: Sequence[DossierFile]) -> bytes:
    document = {
        "version": MANIFEST_VERSION,
        "commune": {"code": commune, "nom": nom},
        "files": [_describe(it) for it in held],
    }
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode()


def _describe(held: DossierFile) -> dict[str, Any]:
    file = held.file
    kind = {"type_tableau": file.type_tableau, "presentation": file.presentation, "edition": file.edition}
    return {
        "path": held.path,
        "label": file.label,
        "export_id": file.export_id,
        "kind": file.kind.value,
        "liste": file.liste,
        "format": file.format,
        **(kind if file.is_tableau else {}),
        **({"recalled_because": file.recalled_because} if file.recalled_at else {}),
        **({"provisoire_until": file.provisoire_until.isoformat()} if file.provisoire_until else {}),
        "mouvements" if file.is_tableau else "electeurs": file.electeurs,
        "bloquantes": file.bloquantes,
        **({"a_completer": file.a_completer} if file.is_incomplete else {}),
        "remarques": file.remarques,
        "size": file.size,
        "sha256": file.sha256,
        "made_at": held.moment.isoformat(timespec="seconds"),
        "requested_by": file.requested_by,
    }


def _read_differences(root: Path, file: AskedFile) -> Sequence[dict[str, Any]]:
    if Piece.RECONCILIATION not in file.pieces:
        return ()
    with closing(open_asked(root, file, Piece.RECONCILIATION)) as delivery:
        found: list[dict[str, Any]] = json.loads(delivery.file.read())["differences"]
    return found


def write_readme(commune: str, nom: str, files: Sequence[tuple[str, AskedFile]], lacking: Sequence[str] = ()) -> bytes:
    """Return the instructions as text for Notepad: byte order mark and CRLF."""
    lines = [f"Dossier de dépôt – {nom} ({commune})", "", "CE QUE CONTIENT CE DOSSIER", ""]
    for path, file in files:
        lines += [path, f"    {file.label}", f"    {_counts(file)}"]
        lines += [f"    {typo(warning)}" for warning in _warnings(file)]
        lines.append("")
    if lacking:
        lines += ["CE QUI MANQUE À CE DOSSIER", ""]
        lines += [line for said in lacking for line in wrap(typo(said), _WIDTH, subsequent_indent="   ")] + [""]
    lines += ["CE QU'IL FAUT FAIRE", ""]
    has_tableau = any(it.is_tableau and not it.is_repealed for _, it in files)
    steps = [step for step in _STEPS.splitlines() if step != _STEP_OF_TABLEAUX or has_tableau]
    for number, step in enumerate(steps, 1):
        lines += [*wrap(f"{number}. {typo(step)}", _WIDTH, subsequent_indent="   "), ""]
    for paragraph in (_REJECTED, _VERIFY, _PRIVACY):
        lines += [*wrap(typo(paragraph), _WIDTH), ""]
    return "\ufeff".encode() + "\r\n".join(lines).encode()


def write_sums(files: Iterable[tuple[str, str]], texts: Mapping[str, bytes]) -> bytes:
    """Return paths and SHA-256 in the format of `sha256sum`."""
    digests = [*files, *((path, hashlib.sha256(text).hexdigest()) for path, text in texts.items())]
    return "".join(f"{digest}  {path}\n" for path, digest in digests).encode("ascii")


def _counts(file: AskedFile) -> str:
    made = format_moment(file.finished_at or file.requested_at, file.code_commune)
    number = WORDS[file.kind].so_many(file.electeurs or 0)
    remarques = count_of(file.remarques, "remarque", "remarques")
    return f"{number}, {remarques} ; préparé le {made}, demandé par {file.requested_by}"


def _warnings(file: AskedFile) -> list[str]:
    found = []
    if file.bloquantes:
        count = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        found.append(f"ATTENTION : {count} ; {WORDS[file.kind].consequence} si rien n'est corrigé.")
    if file.is_rejected:
        found.append("NE PAS DÉPOSER : la plateforme a rejeté ce fichier, et le rejetterait encore.")
    if file.recalled_at:
        found.append(f"NE PAS DÉPOSER NI AFFICHER : à refaire, {file.recalled_because}.")
    if file.provisoire_until:
        found.append(
            f"NE PAS DÉPOSER NI AFFICHER : provisoire, à refaire à partir du {short_date(file.provisoire_until)}."
        )
    if file.is_incomplete:
        found.append(f"NE PAS DÉPOSER NI AFFICHER : à compléter, {file.missing}.")
    if not FORMATS[file.format].may_be_deposited:
        found.append("NE PAS DÉPOSER : la plateforme ne prend pas ce format.")
    if file.is_repealed:
        found.append("NE PAS DÉPOSER NI AFFICHER : tableau abrogé depuis 2019, archive ou duplicata.")
    if file.is_for_commission:
        found.append("NE PAS DÉPOSER NI AFFICHER : exemplaire de la commission, avec les motifs complets.")
    return found


JSON_NAME, TEXT_NAME = "reconciliation.json", "RAPPROCHEMENT.txt"


class Reconciled(Labelled):
    """The result of comparing a tableau with the list of its dossier."""

    AGREES = "agrees", "La liste et le tableau comptent les mêmes électeurs."
    EXPLAINED = (
        "explained",
        "La liste et le tableau s'accordent à l'électeur près : ceux qui diffèrent sont nommés ici.",
    )
    CONTRADICTS = (
        "contradicts",
        "ATTENTION : la liste et le tableau se contredisent. Vérifiez les mouvements, puis redemandez les deux.",
    )
    OTHER_DAY = (
        "other_day",
        "NON RAPPROCHÉ : la liste de ce dossier est d'un autre jour. Redemandez la liste et le tableau le même jour.",
    )
    OTHER_REGISTER = (
        "other_register",
        "NON RAPPROCHÉ : un import a eu lieu entre la liste et le tableau. Redemandez celui qui a été préparé d'abord.",
    )
    NO_LISTE = "no_liste", "Ce dossier n'a pas la liste : le tableau est rapproché du registre de son jour."
    NOT_RECONCILED = (
        "not_reconciled",
        "NON RAPPROCHÉ : tableau de la révision annuelle, ou préparé avant que le module sache le faire.",
    )

    @property
    def is_proved(self) -> bool:
        """Whether the list file and the tableau agree elector by elector."""
        return self in {Reconciled.AGREES, Reconciled.EXPLAINED}


def judge(tableau: AskedFile, liste: AskedFile | None) -> Reconciled:
    """Compare the record of a tableau with that of the list in the dossier."""
    known, other = tableau.reconciliation, liste.reconciliation if liste else None
    if known is None or (liste is not None and other is None):
        return Reconciled.NOT_RECONCILED
    failing = {
        Reconciled.CONTRADICTS: bool(known["unexplained"]),
        Reconciled.NO_LISTE: other is None,
        Reconciled.OTHER_REGISTER: other is not None and other["version"] != known["version"],
        Reconciled.OTHER_DAY: other is not None and other["liste_on"] != known["liste_on"],
    }
    if found := next((verdict for verdict, fails in failing.items() if fails), None):
        return found
    if other is not None and other["electeurs"] != known["electeurs"]:
        return Reconciled.CONTRADICTS
    return Reconciled.EXPLAINED if known["differences"] else Reconciled.AGREES


def write_reconciliation(commune: str, nom: str, files: Sequence[DossierFile]) -> tuple[bytes, bytes]:
    """Return the JSON document and the text page. Both name electors, as the other files of the dossier do."""
    listes = {it.file.liste: it for it in files if not it.file.is_tableau}
    tableaux = [
        (it, judge(it.file, listes[it.file.liste].file if it.file.liste in listes else None))
        for it in files
        if it.file.is_tableau
    ]
    document = {
        "version": MANIFEST_VERSION,
        "commune": {"code": commune, "nom": nom},
        "is_proved": all(verdict.is_proved for _, verdict in tableaux),
        "listes": [
            {"path": it.path, "liste": it.file.liste, **(it.file.reconciliation or {})} for it in listes.values()
        ],
        "tableaux": [
            {
                "path": it.path,
                "liste": it.file.liste,
                "verdict": verdict.value,
                **(it.file.reconciliation or {}),
                "differences": [dict(one) for one in it.differences],
            }
            for it, verdict in tableaux
        ],
    }
    lines = [f"Rapprochement des listes et des tableaux – {nom} ({commune})", ""]
    for it in listes.values():
        lines += [*_describe_liste(it), ""]
    for it, verdict in tableaux:
        lines += [*_describe_tableau(it, verdict), ""]
    page = "\ufeff".encode() + "\r\n".join(lines).encode()
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode(), page


def _describe_liste(it: DossierFile) -> Iterator[str]:
    yield it.path
    known = it.file.reconciliation
    on = f" le {_day(known['liste_on'])}" if known else ""
    yield f"    {Liste(it.file.liste).label} : {count_of(it.file.electeurs or 0, 'électeur')}{on}"


def _describe_tableau(it: DossierFile, verdict: Reconciled) -> Iterator[str]:
    yield it.path
    yield f"    {it.file.label}"
    if known := it.file.reconciliation:
        yield from _indent(
            f"{count_of(known['apres'], 'électeur')} après ce tableau, arrêté au {_day(known['tableau_on'])} (âge "
            f"compté au {_day(known['age_on'])}) ; {count_of(known['electeurs'], 'électeur')} sur la liste du "
            f"{_day(known['liste_on'])}."
        )
    yield from _indent(verdict.label)
    for one in it.differences:
        sign = "+" if one["is_on"] == "liste" else "−"
        who = f"{one['nom_naissance']} {one['prenoms']}".strip()
        born = "/".join(reversed(one["date_naissance"].split("-")))
        yield from _indent(f"{sign} {who}, {born}, bureau {one['bureau'] or '–'} : {one['message']}", "      ")
    if known and known["unexplained"]:
        yield from _indent(f"Écart que rien n'explique : {format_number(known['unexplained'])}.")


def _indent(text: str, indent: str = "    ") -> list[str]:
    return wrap(typo(text), _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _day(text: str) -> str:
    return short_date(date.fromisoformat(text))
