"""The catalogue: a file's name, its bytes, the expected message to the clerk, and whether the register accepts it."""

import codecs
import csv
import gzip
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from schemas.profiles.platform import read_shipped
from tests.ruined.archives import (
    SHEET,
    claim_size,
    noise,
    pack,
    protect,
    rewrite,
    rows_of,
    workbook,
)
from tests.unit.reu_sample import (
    COMMUNE,
    DATE,
    LIGNE,
    LISTE,
    NOM,
    NUMERO,
    POSTAL,
    TITLES,
    VOIE,
    electeurs,
    format_reu,
)

ELECTEURS = 4
"""Number of electors on the list P of each file that is an export."""

AGAIN_FROM_ELIRE = (
    "téléchargez-le de nouveau depuis ELIRE, et donnez-le sans l'ouvrir dans un tableur"
)
NO_PROFILE = "aucun profil ne correspond à ce fichier"
NOT_ELIRE = "ce n'est pas un export « Liste des électeurs actifs » du REU"
VIDE = "le fichier est vide"


class Ruined(NamedTuple):
    """One file; `electeurs`: those of the list P after its import, None when it is refused and nothing may change."""

    name: str
    content: bytes
    said: Sequence[str]
    electeurs: int | None = None
    options: Sequence[str] = ()
    command: str = "import-reu"


def _export(**changes: str) -> str:
    """An export; `changes`: values of its last elector, by the names below."""
    *others, last = electeurs(ELECTEURS)
    return format_reu([*others, last | {_TITLES[name]: value for name, value in changes.items()}])


_TITLES = {
    "commune": COMMUNE,
    "liste": LISTE,
    "nom": NOM,
    "date": DATE,
    "voie": VOIE,
    "numero": NUMERO,
}
TEXT = _export()
EXPORT = TEXT.encode()
_LINES = TEXT.splitlines(keepends=True)
_REJECTED = "1 ligne rejetée sur 4"


def _everywhere(title: str, value: str) -> bytes:
    return format_reu([it | {title: value} for it in electeurs(ELECTEURS)]).encode()


def _refused(name: str, content: bytes, *said: str) -> Ruined:
    return Ruined(name, content, said)


def _named(name: str, content: bytes, what: str) -> Ruined:
    """A file of another kind."""
    return Ruined(
        name,
        content,
        (f"Erreur : {name} : c'est {what}, et non un fichier CSV ; {AGAIN_FROM_ELIRE}",),
    )


def _read(
    name: str, content: bytes, *said: str, electeurs: int = ELECTEURS, options: Sequence[str] = ()
) -> Ruined:
    return Ruined(name, content, said, electeurs, options)


_HTML = "une page web (HTML), comme celle d'une session expirée"
_UTF_16 = "À savoir : fichier en UTF-16, converti en UTF-8."
_COMPRESSED = "une archive compressée (gzip, 7z, RAR…)"
_OLD_OFFICE = "un ancien classeur Excel (.xls), ou un classeur protégé par un mot de passe"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")

OF_ANOTHER_KIND = [
    _refused("vide.csv", b"", VIDE),
    _refused("lignes-blanches.csv", b"\r\n\r\n  \r\n", VIDE),
    _refused("marque-seule.csv", codecs.BOM_UTF8, VIDE),
    _named(
        "octets-nuls.csv",
        bytes(5000),
        "un fichier rempli d'octets nuls, abîmé par le disque ou par la copie",
    ),
    _named("binaire.csv", bytes(range(1, 256)) * 9, "un fichier binaire, qui n'a rien d'un texte"),
    _refused("utf-32.csv", TEXT.encode("utf-32"), f"c'est un texte en UTF-32 ; {AGAIN_FROM_ELIRE}"),
    _named(
        "session-expiree.csv", "<!DOCTYPE html>\n<title>Session expirée</title>".encode(), _HTML
    ),
    _named(
        "connexion.csv",
        b"\xef\xbb\xbf\r\n<!-- portail -->\n<HTML lang=fr><form>Mot de passe</form>",
        _HTML,
    ),
    _named(
        "xhtml.csv",
        b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"></html>',
        _HTML,
    ),
    _named("tableau-html.xls", b"<table><tr><td>code de l'ugle</td></tr></table>", _HTML),
    _named(
        "classeur-2003.xls",
        b'<?xml version="1.0"?>\n<Workbook><Worksheet/></Workbook>',
        "un fichier XML",
    ),
    _named("liste.xml", b"<ListeElectorale><Electeur/></ListeElectorale>", "un fichier XML"),
    _named(
        "erreur.csv",
        b'{"error": "unauthorized"}',
        "une réponse d'un programme (JSON), souvent un message d'erreur",
    ),
    _named("ancien.xls", _OLE + bytes(2000), _OLD_OFFICE),
    _named("mot-de-passe.xlsx", _OLE + "EncryptedPackage".encode("utf-16-le"), _OLD_OFFICE),
    _named("liste.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj", "un PDF"),
    _named("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(200)), "une image"),
    _named("capture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "une image"),
    _named("scan.tif", b"II*\x00" + bytes(100), "une image"),
    _named("lettre.rtf", b"{\\rtf1\\ansi La liste}", "un document de traitement de texte (RTF)"),
    _named("export.csv.gz", gzip.compress(EXPORT), _COMPRESSED),
    _named("export.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100), _COMPRESSED),
    _named("export.rar", b"Rar!\x1a\x07\x00" + bytes(100), _COMPRESSED),
]

_DOS = "les accents sont écrits comme sous MS-DOS (CP850 ou CP437)"
ENCODINGS = [
    _read("texte-unicode.txt", TEXT.encode("utf-16"), _UTF_16),
    _read("utf-16-sans-marque.csv", TEXT.encode("utf-16-le"), _UTF_16),
    _read("utf-16-gros-boutiste.csv", TEXT.encode("utf-16-be"), _UTF_16),
    _refused(
        "utf-16-coupe.csv",
        TEXT.encode("utf-16")[:-1],
        "le fichier est coupé au milieu d'une lettre",
    ),
    _read(
        "excel.csv",
        TEXT.encode("cp1252"),
        "À savoir : fichier en Windows-1252 (cp1252), converti en UTF-8.",
    ),
    _read("marque.csv", TEXT.encode("utf-8-sig"), f"{ELECTEURS} gardées"),
    _refused("cp850.csv", TEXT.encode("cp850"), _DOS, AGAIN_FROM_ELIRE),
    _refused("cp437.csv", TEXT.encode("cp437", "replace"), _DOS, AGAIN_FROM_ELIRE),
    _refused(
        "titres-sans-accent-cp850.csv",
        ("".join([_LINES[0].replace("é", "e").replace("è", "e"), *_LINES[1:]])).encode("cp850"),
        _DOS,
    ),
    _refused(
        "macintosh.csv", TEXT.encode("mac_roman"), "comme sur un ancien Macintosh (Mac Roman)"
    ),
    _refused(
        "une-ligne-en-cp1252.csv",
        "".join(_LINES[:-1]).encode() + _LINES[-1].encode("cp1252"),
        f"{_REJECTED} : octets illisibles dans l'encodage du fichier",
    ),
    _refused(
        "une-ligne-en-utf-8.csv",
        "".join(_LINES[:-1]).encode("cp1252") + _LINES[-1].encode(),
        f"{_REJECTED} : octets illisibles dans l'encodage du fichier",
    ),
]

FORM = [
    _read(
        "virgules.csv",
        format_reu(electeurs(ELECTEURS), separator=",").encode(),
        f"{ELECTEURS} gardées",
    ),
    _read("tabulations.csv", TEXT.replace(";", "\t").encode(), f"{ELECTEURS} gardées"),
    _read("barres.csv", TEXT.replace(";", "|").encode(), f"{ELECTEURS} gardées"),
    _read("cr-seul.csv", TEXT.replace("\n", "\r").encode(), f"{ELECTEURS} gardées"),
    _refused(
        "tout-entre-guillemets.csv",
        "".join('"' + line.strip().replace('"', '""') + '"\n' for line in _LINES).encode(),
        "chaque ligne est d'un bout à l'autre entre guillemets",
        AGAIN_FROM_ELIRE,
    ),
    _refused(
        "guillemet-ouvert.csv",
        TEXT.replace('"Zoé B"', '"Zoé B').encode(),
        "guillemets mal fermés (1)",
    ),
    _refused(
        "separateur-dans-un-nom.csv",
        TEXT.replace('"Zoé B"', "Zoé;B").encode(),
        "28 colonnes au lieu de 27 (1)",
    ),
    _refused(
        "coupe-entre-guillemets.csv",
        EXPORT[:-60],
        f"{_REJECTED} : dernière ligne coupée : le téléchargement",
    ),
    _refused(
        "coupe-apres-un-separateur.csv",
        TEXT.rpartition(";")[0].rpartition(";")[0].encode(),
        f"{_REJECTED} : dernière ligne coupée : le téléchargement",
    ),
    _refused(
        "coupe-entre-deux-lignes.csv",
        "".join(_LINES[:3]).encode(),
        "perdrait 2 électeurs connus sur 4",
    ),
    _refused(
        "deux-fichiers.csv",
        EXPORT + EXPORT,
        "ligne de titres répétée : plusieurs fichiers mis bout à bout (1)",
    ),
    _refused(
        "deux-fichiers-marques.csv",
        codecs.BOM_UTF8 + EXPORT + codecs.BOM_UTF8 + EXPORT,
        "ligne de titres répétée : plusieurs fichiers mis bout à bout (1)",
    ),
    _read(
        "sans-fin-de-ligne.csv",
        EXPORT[:-1],
        "À savoir : la dernière ligne n'a pas de fin de ligne : si le téléchargement a été interrompu, recommencez-le.",
    ),
    _read("nuls-dans-un-nom.csv", _export(nom="LAN\0TERNE").encode(), "1 valeur nettoyée"),
    _read("marque-dans-un-nom.csv", _export(nom="\ufeffLANTERNE").encode(), "1 valeur nettoyée"),
]

CONTENT = [
    _refused("titres-seuls.csv", _LINES[0].encode(), "ne contient aucun électeur", "--empty"),
    _refused(
        "sans-titres.csv",
        "".join(_LINES[1:]).encode(),
        f"{NOT_ELIRE}. Colonnes manquantes : code de l'ugle",
    ),
    _read(
        "titres-plus-bas.csv",
        b"Export du 25/11/2026\n\n" + EXPORT,
        "titres des colonnes lus à la ligne 3.",
    ),
    _refused(
        "sans-sexe.csv",
        TEXT.replace('"sexe"', '"genre"').encode(),
        f"sans-sexe.csv : {NO_PROFILE}. Colonnes manquantes : sexe. Décrivez-le dans un profil (--profile)\n",
    ),
    _refused(
        "large.csv", b"titre;" * 100 + b"titre\n", "une des premières lignes a plus de 100 colonnes"
    ),
    _refused(
        "colonne-double.csv",
        TEXT.replace('"sexe"', '"prénoms"').encode(),
        "plusieurs fois : prénoms",
    ),
    _refused(
        "colonne-en-double.csv",
        "".join(
            f'{line.rstrip()};"{end}"\n'
            for line, end in zip(_LINES, ["sexe", *"FFFF"], strict=True)
        ).encode(),
        "colonnes présentes plusieurs fois : sexe",
    ),
    _refused("e-listelec.csv", read_shipped().form.header, "une liste faite pour e-listelec"),
    _refused(
        "nos-mouvements.csv",
        ";".join(LIGNE).encode() + b"\n",
        "un fichier de mouvements (import-mouvements)",
    ),
    _refused(
        "reu-rejets.csv",
        b"Ligne;Colonne;Motif\n2;;x\n",
        "le rapport des lignes rejetées par un import",
    ),
    _refused(
        "autre-logiciel.csv",
        b"NOM;PRENOM;NE LE\nLANTERNE;Zelie;1962\n",
        f"{NOT_ELIRE}. Colonnes manquantes",
    ),
    _refused(
        "zeros-perdus.csv",
        _everywhere(COMMUNE, "1004"),
        "code de commune qui a perdu son zéro : un tableur l'a retiré (4)",
    ),
    _refused(
        "commune-inconnue.csv", _export(commune="13999").encode(), "commune inconnue : 13999 (1)"
    ),
    _refused(
        "commune-en-notation.csv", _export(commune="1,3055E+04").encode(), "commune inconnue (1)"
    ),
    _refused("liste-inconnue.csv", _export(liste="Liste des jurés").encode(), "liste inconnue (1)"),
    _refused(
        "dates-en-jours.csv", _export(date="22719").encode(), "date de naissance en nombre de jours"
    ),
    _refused(
        "dates-a-l-americaine.csv",
        _export(date="12/31/1960").encode(),
        "date de naissance illisible (1)",
    ),
    _refused(
        "numero-a-virgule.csv", _export(numero="4,0").encode(), "numéro d'ordre illisible (1)"
    ),
    _read("com13055.csv", _everywhere(COMMUNE, "com13055"), f"{ELECTEURS} gardées"),
    _refused(
        "arrondissement.csv",
        _everywhere(COMMUNE, "13216"),
        "celui de 13216, une partie de la commune 13055",
    ),
]


def _without(*titles: str) -> bytes:
    places = [place for place, title in enumerate(TITLES) if title not in titles]
    rows = [[fields[place] for place in places] for fields in csv.reader(_LINES, delimiter=";")]
    return "".join(";".join(fields) + "\n" for fields in rows).encode()


_BARE = _without(COMMUNE, LISTE)
_WHOSE = "rien n'y dit de qui sont ces électeurs. Colonnes manquantes : "
_BY_NAME = "(c'est ce que dit le nom du fichier : à vérifier)"
_ANSWER = ("--commune", "13055", "--liste", "LP")

WHOSE = [
    _refused(
        "electeurs.csv",
        _BARE,
        f"{_WHOSE}code de l'ugle, libellé du type de liste. Ajoutez --commune CODE --liste LISTE\n",
    ),
    _refused("electeurs_13055_LP.csv", _BARE, f"Ajoutez --commune 13055 --liste P {_BY_NAME}"),
    _refused("COM13216 liste générale.csv", _BARE, f"Ajoutez --commune 13055 --liste P {_BY_NAME}"),
    _refused(
        "13055-20261125.csv",
        _without(COMMUNE),
        f"{_WHOSE}code de l'ugle. Ajoutez --commune 13055 {_BY_NAME}",
    ),
    _refused("LP et LCE de 13055 et 13900.csv", _BARE, "Ajoutez --commune CODE --liste LISTE\n"),
    _read("com13055-liste-principale.csv", _BARE, f"{ELECTEURS} gardées", options=_ANSWER),
    _read("sans-nom.csv", _BARE, f"{ELECTEURS} gardées", options=_ANSWER),
    _read(
        "liste-dans-le-fichier.csv",
        _without(COMMUNE),
        f"{ELECTEURS} gardées",
        options=("--commune", "13055"),
    ),
    Ruined(
        "electeurs-de-13900.csv",
        _BARE,
        ("le nom du fichier dit « 13900 », et --commune « 13055 » : vérifiez lequel est vrai",),
        options=_ANSWER,
    ),
    Ruined(
        "electeurs-LCE.csv",
        _BARE,
        ("le nom du fichier dit « CE », et --liste « P » : vérifiez",),
        options=_ANSWER,
    ),
    Ruined(
        "liste-dite-deux-fois.csv",
        EXPORT,
        ("le fichier dit lui-même de quelle liste",),
        options=("--liste", "P"),
    ),
]

_MOUVEMENTS = f"{';'.join(LIGNE)}\n{';'.join(LIGNE.values())}\n"
_SAVE_AS = "enregistrez-le en « CSV UTF-8 », séparateur point-virgule"


def _of_mouvements(name: str, content: bytes, *said: str, electeurs: int | None = None) -> Ruined:
    return Ruined(name, content, said, electeurs, command="import-mouvements")


MOUVEMENTS = [
    _of_mouvements("mouvements-vide.csv", b"", VIDE),
    _of_mouvements(
        "mouvements-unicode.txt", _MOUVEMENTS.encode("utf-16"), _UTF_16, electeurs=ELECTEURS
    ),
    _of_mouvements(
        "mouvements.pdf", b"%PDF-1.7\n", f"c'est un PDF, et non un fichier CSV ; {_SAVE_AS}"
    ),
    _of_mouvements("mouvements-cp850.csv", _MOUVEMENTS.encode("cp850"), _DOS, _SAVE_AS),
    _of_mouvements(
        "mouvements-reu.csv", EXPORT, "mais un export du REU (import-reu). Colonnes manquantes"
    ),
    _of_mouvements("mouvements-coupes.csv", _MOUVEMENTS[:-30].encode(), "dernière ligne coupée"),
    _of_mouvements(
        "mouvements-excel.csv", _MOUVEMENTS.encode("cp1252"), "Windows-1252", electeurs=ELECTEURS
    ),
]

_READ_IN_ZIP = "À savoir : fichier lu dans le ZIP : export.csv."
_ZIP = pack({"export.csv": EXPORT})
_SWOLLEN = b"PK\3\4" + noise(500_000).encode() + bytes(33 << 20)

ARCHIVES = [
    _read("export.zip", _ZIP, _READ_IN_ZIP, f"{ELECTEURS} gardées"),
    _read(
        "avec-une-note.zip",
        pack({"LISEZ-MOI.pdf": b"%PDF-1.4", "2026/export.csv": EXPORT}),
        _READ_IN_ZIP,
    ),
    _read(
        "macintosh.zip",
        pack({"export.csv": EXPORT, "__MACOSX/._export.csv": b"\0\5\x16\7"}),
        _READ_IN_ZIP,
    ),
    _read(
        "excel.zip",
        pack({"export.csv": TEXT.encode("cp1252")}),
        _READ_IN_ZIP,
        "Windows-1252 (cp1252)",
    ),
    _read(
        "classeur.zip",
        pack({"liste.xlsx": workbook(rows_of(ELECTEURS))}),
        "lu par sa feuille « Feuil1 »",
    ),
    _refused(
        "deux-exports.zip", pack({"p.csv": EXPORT, "ce.csv": EXPORT}), "ce ZIP contient 2 fichiers"
    ),
    _refused("vide.zip", pack({}), "ce ZIP ne contient aucun fichier"),
    _refused(
        "photos.zip",
        pack({"photo.jpg": b"\xff\xd8\xff\xe0"}),
        "c'est une image, et non un fichier CSV",
    ),
    _refused(
        "zip-de-zip.zip",
        pack({"export.zip": _ZIP}),
        "ce ZIP contient un autre ZIP ; décompressez-les",
    ),
    _refused("mot-de-passe.zip", protect(_ZIP), "ce ZIP est protégé par un mot de passe"),
    _refused(
        "bombe.zip",
        claim_size(_ZIP, 3 << 30),
        "ce ZIP contient trop de fichiers, ou de trop grands",
    ),
    _refused(
        "gonfle.zip",
        pack({"liste.xlsx": b"PK\3\4" + noise(500_000).encode() + bytes(33 << 20)}),
        "le classeur de ce ZIP est trop grand",
    ),
    _refused(
        "foule.zip",
        pack({f"{it}.csv": b"" for it in range(300)}),
        "ce ZIP contient trop de fichiers",
    ),
    _refused(
        "taille-fausse.zip", claim_size(_ZIP, 300), "ce ZIP est abîmé : téléchargez-le de nouveau"
    ),
    _refused("coupe.zip", _ZIP[:-40], "ce ZIP est abîmé : téléchargez-le de nouveau"),
    _refused(
        "lzma.zip",
        pack({"e.csv": EXPORT}, zipfile.ZIP_LZMA),
        "compressé d'une façon que le module ne lit pas",
    ),
    _refused(
        "lettre.docx",
        pack({"word/document.xml": b"<w/>"}),
        "c'est un document de traitement de texte (.docx)",
    ),
    _refused(
        "liste.ods",
        pack({"content.xml": b"<o/>"}),
        "c'est un document OpenDocument",
        AGAIN_FROM_ELIRE,
    ),
    _refused(
        "liste.xlsb", pack({"xl/workbook.bin": b"\0"}), "c'est un classeur Excel binaire (.xlsb)"
    ),
]

_SHEET = "xl/worksheets/sheet1.xml"
_WORKBOOK = workbook(rows_of(ELECTEURS))
_NOISY = rewrite(_WORKBOOK, _SHEET, "</sheetData>", f"</sheetData><!--{noise(4 << 20)}-->")
_BY_SHEET = "À savoir : classeur lu par sa feuille « Feuil1 » ; l'export CSV d'origine est plus sûr qu'un classeur."
_OF_NUMBERS = {COMMUNE: 13055, POSTAL: 1400, DATE: date(1962, 3, 14), NUMERO: 7.0}

WORKBOOKS = [
    _read("classeur.xlsx", _WORKBOOK, _BY_SHEET, f"{ELECTEURS} gardées"),
    _read(
        "classeur-de-nombres.xlsx",
        workbook(rows_of(ELECTEURS, _OF_NUMBERS)),
        f"de naissance) de {ELECTEURS} électeurs : les fichiers de ces listes ne seront pas à déposer.",
    ),
    _refused(
        "classeur-zeros-perdus.xlsx",
        workbook(rows_of(ELECTEURS, {COMMUNE: 1004})),
        "code de commune qui a perdu son zéro : un tableur l'a retiré (4)",
    ),
    _refused(
        "classeur-de-jours.xlsx",
        workbook(rows_of(ELECTEURS, {DATE: 22719})),
        "date de naissance en nombre de jours, comme un tableur la compte (4)",
    ),
    _refused(
        "classeur-en-erreur.xlsx",
        workbook(rows_of(ELECTEURS, {NOM: "#N/A"})),
        "cellule en erreur dans le class",
    ),
    _refused(
        "classeur-de-deux-feuilles.xlsx",
        workbook(rows_of(2), rows_of(2)),
        "plusieurs feuilles de ce classeur ont ces titres (« Feuil1 », « Feuil2 ») ; n'en gardez qu'une",
    ),
    _read(
        "classeur-avec-notes.xlsx",
        workbook([["Notes"]], rows_of(ELECTEURS)),
        "lu par sa feuille « Feuil2 »",
    ),
    _refused(
        "classeur-feuille-cachee.xlsx",
        workbook([["Notes"]], rows_of(ELECTEURS), hidden=[1]),
        f"{NOT_ELIRE}. Colonnes manquantes",
    ),
    _read(
        "classeur-titres-plus-bas.xlsx",
        workbook([["Export du 25/11/2026"], *rows_of(ELECTEURS)]),
        "titres des colonnes lus à la ligne 2.",
    ),
    _refused(
        "classeur-deux-tableaux.xlsx",
        workbook([*rows_of(2), *rows_of(2)]),
        "ligne de titres répétée",
    ),
    _refused(
        "classeur-trop-large.xlsx",
        workbook([*rows_of(3), ["x"] * 28]),
        "28 colonnes au lieu de 27 (1)",
    ),
    _refused("classeur-vide.xlsx", workbook([]), "la feuille est vide", AGAIN_FROM_ELIRE),
    _refused("classeur-titres-seuls.xlsx", workbook(rows_of(0)), "ne contient aucun électeur"),
    _read(
        "classeur-dimension-fausse.xlsx",
        rewrite(_WORKBOOK, _SHEET, '<dimension ref="A1:AA5"', '<dimension ref="A1:A1"'),
        f"{ELECTEURS} gardées",
    ),
    _read(
        "classeur-une-cellule-au-bout.xlsx",
        rewrite(
            _WORKBOOK,
            _SHEET,
            "</sheetData>",
            '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t> </t></is></c></row></sheetData>',
        ),
        f"{ELECTEURS} gardées",
    ),
    _refused(
        "classeur-sans-fin.xlsx",
        rewrite(_WORKBOOK, _SHEET, "</sheetData>", '<row r="1999999"></row></sheetData>'),
        "la feuille a plus de lignes qu'un tableur n'en écrit",
    ),
    _refused(
        "classeur-de-cellules.xlsx",
        rewrite(_WORKBOOK, _SHEET, "</sheetData>", f"<row>{'<c/>' * 200_000}</row></sheetData>"),
        "une ligne de ce classeur a trop de cellules",
    ),
    _refused(
        "classeur-en-poupees.xlsx",
        rewrite(
            _WORKBOOK,
            _SHEET,
            "</sheetData>",
            f"<row>{'<c>' * 200_000}{'</c>' * 200_000}</row></sheetData>",
        ),
        "une ligne de ce classeur a trop de cellules",
    ),
    _refused(
        "classeur-a-entites.xlsx",
        rewrite(_WORKBOOK, _SHEET, "<worksheet", '<!DOCTYPE w [<!ENTITY a "Zoé">]><worksheet'),
        "ce classeur est abîmé",
    ),
    _refused(
        "classeur-bombe.xlsx",
        claim_size(_WORKBOOK, 300 << 20),
        "ce ZIP contient trop de fichiers, ou de trop grands",
    ),
    _refused(
        "classeur-enorme.xlsx",
        claim_size(_NOISY, 300 << 20),
        "ce classeur contient trop de fichiers, ou",
    ),
    _refused(
        "classeur-coupe.xlsx", _WORKBOOK[:-40], "ce ZIP est abîmé : téléchargez-le de nouveau"
    ),
    _refused(
        "classeur-de-feuilles.xlsx",
        rewrite(_WORKBOOK, "xl/workbook.xml", "</sheets>", f"{SHEET * 100}</sheets>"),
        "ce classeur a trop de feuilles (plus de 100)",
        AGAIN_FROM_ELIRE,
    ),
    _refused(
        "classeur-sans-rien.xlsx",
        pack({"xl/workbook.xml": b"<w/>"}),
        "ce classeur est abîmé (KeyError)",
    ),
    _of_mouvements(
        "mouvements.xlsx",
        workbook([list(LIGNE), [*LIGNE.values()]]),
        "classeur lu par sa feuille « Feuil1 »",
        electeurs=ELECTEURS,
    ),
]

CATALOGUE = [
    *OF_ANOTHER_KIND,
    *ENCODINGS,
    *FORM,
    *CONTENT,
    *WHOSE,
    *MOUVEMENTS,
    *ARCHIVES,
    *WORKBOOKS,
]
