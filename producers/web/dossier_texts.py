"""The words of a dossier de dépôt: LISEZ-MOI.txt for the clerk, SHA256SUMS for `sha256sum --check`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from common.french import count_of, format_moment, typo
from producers.records import WORDS
from producers.web.reading.exports import AskedFile

_WIDTH = 88
"""Letters of a line: Notepad does not fold long ones."""

_STEPS = """\
Extrayez ce dossier (clic droit, « Extraire tout »). N'ouvrez aucun fichier CSV ou XML, surtout pas avec un \
tableur, et ne renommez rien : un fichier modifié, même sans le vouloir, est rejeté.
Connectez-vous à e-listelec, la plateforme où votre préfecture reçoit les listes.
Déposez d'abord les listes du dossier « a-deposer », une par une : la liste principale, puis les listes \
complémentaires. Une liste sans électeur se dépose aussi.
Déposez ensuite les tableaux (PDF) du même dossier.
La plateforme envoie aussitôt un accusé de réception : il dit que le fichier est arrivé, pas qu'il est accepté.
Elle contrôle chaque électeur dans la nuit. Sa réponse arrive par courriel, en général le lendemain matin.
Revenez dans le Module Préfecture, page « Dépôts » : marquez les fichiers comme déposés, puis notez la réponse.
"""
_REJECTED = (
    "Si un fichier est rejeté : corrigez le registre (REU), faites importer de nouveau son export, redemandez le "
    "fichier et déposez-le en entier. Le dernier dépôt remplace le précédent."
)
_VERIFY = (
    "Pour savoir si un fichier est intact : page « Vérifier un fichier » du Module Préfecture ; ou, sous Linux, "
    "« sha256sum --check SHA256SUMS » dans ce dossier."
)
_PRIVACY = (
    "Ces fichiers contiennent les données de tous les électeurs : effacez-les de ce poste une fois le dépôt accepté."
)


def write_readme(commune: str, nom: str, files: Sequence[tuple[str, AskedFile]]) -> bytes:
    """For a person, and for the oldest Notepad: with a byte order mark and CRLF."""
    lines = [f"Dossier de dépôt – {nom} ({commune})", "", "CE QUE CONTIENT CE DOSSIER", ""]
    for path, file in files:
        lines += [path, f"    {file.label}", f"    {_facts(file)}"]
        lines += [f"    {typo(warning)}" for warning in _warnings(file)]
        lines.append("")
    lines += ["CE QU'IL FAUT FAIRE", ""]
    for number, step in enumerate(_STEPS.splitlines(), 1):
        lines += [*wrap(f"{number}. {typo(step)}", _WIDTH, subsequent_indent="   "), ""]
    for paragraph in (_REJECTED, _VERIFY, _PRIVACY):
        lines += [*wrap(typo(paragraph), _WIDTH), ""]
    return "\ufeff".encode() + "\r\n".join(lines).encode()


def write_sums(files: Iterable[tuple[str, str]], texts: Mapping[str, bytes]) -> bytes:
    """Paths and SHA-256, as `sha256sum` writes and reads them."""
    digests = [*files, *((path, hashlib.sha256(text).hexdigest()) for path, text in texts.items())]
    return "".join(f"{digest}  {path}\n" for path, digest in digests).encode("ascii")


def _facts(file: AskedFile) -> str:
    made = format_moment(file.finished_at or file.requested_at)
    counted = WORDS[file.kind].counted
    number = count_of(file.electeurs or 0, counted.removesuffix("s"), counted)
    remarques = count_of(file.remarques, "remarque", "remarques")
    return f"{number}, {remarques} ; fabriqué le {made}, demandé par {file.requested_by}"


def _warnings(file: AskedFile) -> list[str]:
    found = []
    if file.bloquantes:
        count = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        found.append(f"ATTENTION : {count} ; {WORDS[file.kind].consequence} si rien n'est corrigé.")
    if file.is_for_commission:
        found.append("NE PAS DÉPOSER NI AFFICHER : exemplaire de la commission, avec les motifs complets.")
    return found
