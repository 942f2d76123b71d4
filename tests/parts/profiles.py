"""Profiles of platforms as a préfecture would write them: the shipped file, with other lines."""

from pathlib import Path

from schemas.profiles.platform import SHIPPED, PlatformProfile, PlatformProfiles, read_platform

TEXT = (
    SHIPPED.read_text("utf-8")
    .replace('xsd = "../liste_electorale.xsd"', "")
    .replace('"csv", "xml"', '"csv"')
)
_HEAD, _COLUMNS = TEXT.split("[form.columns]\n")
REVERSED = "\n".join(_COLUMNS.splitlines()[::-1])
_WITHOUT_BUREAU = "\n".join(line for line in _COLUMNS.splitlines() if "_bureau" not in line)

CHANGES = {
    "virgule": {
        'separator = ";"': 'separator = ","',
        'encoding = "utf-8"': 'encoding = "cp1252"',
        'line_end = "LF"': 'line_end = "CRLF"',
        '"liste-{liste}-{commune}-{moment}"': '"{commune}_{liste}_{moment}"',
        'P = "G"': 'P = "01"',
        'NomdeNaissance = "nom_naissance"': '"NOM FAMILLE" = "nom_naissance"',
    },
    "tabulation": {
        'separator = ";"': 'separator = "\\t"',
        "byte_order_mark = false": "byte_order_mark = true",
        '"liste-{liste}-{commune}-{moment}"': '"LE-{commune}-{liste}-{moment}"',
    },
}


def write_profile(
    path: Path, changes: dict[str, str], *, columns: str = _COLUMNS
) -> PlatformProfile:
    """Write a profile with these lines in place of others, and read it."""
    text = f"{_HEAD}[form.columns]\n{columns}\n"
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return read_platform(path)


def virgule(folder: Path) -> PlatformProfile:
    """A platform that wants commas, Windows' letters and line ends, its own codes and names, columns backwards."""
    return write_profile(folder / "virgule.toml", CHANGES["virgule"], columns=REVERSED)


def tabulation(folder: Path) -> PlatformProfile:
    """A platform that wants tabs and a byte order mark, and no column about the bureau."""
    return write_profile(folder / "tabulation.toml", CHANGES["tabulation"], columns=_WITHOUT_BUREAU)


def everywhere(profile: PlatformProfile) -> PlatformProfiles:
    """Use one profile for all communes."""
    return PlatformProfiles(profile, {})
