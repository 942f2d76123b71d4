"""The fonts of a document: each is a subset of a face, embedded, that says which character each code is."""

from collections.abc import Iterator
from hashlib import sha256

from worker.pdf.document import Document
from worker.pdf.face import Face
from worker.pdf.font import Font

_FLAGS = 4
"""Symbolic: the codes are those of the font program itself. PDF Reference 1.4, 5.7.1; PDF/A-1, 6.3.7."""
_AT_MOST = 100
"""Characters in one bfchar block. Adobe Technical Note 5014."""

_CMAP = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo <</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<00> <FF>
endcodespacerange
{blocks}
endcmap
CMapName currentdict /CMap defineresource pop
end
end"""


def embed_fonts(document: Document, fonts: list[Font]) -> bytes:
    """Write the fonts; the dictionary by which pages name them."""
    names = [
        f"/{name} {_embed(document, font.face, code_points)} 0 R"
        for font in fonts
        for name, code_points in font.subsets()
    ]
    return f"<<{''.join(names)}>>".encode()


def _embed(document: Document, face: Face, code_points: list[int]) -> int:
    name = f"{_tag(code_points)}+{face.name}"
    program = face.subset(code_points)
    file = document.add_stream(b"/Length1 %d" % len(program), program)
    to_unicode = document.add_stream(b"", _CMAP.format(blocks="\n".join(_blocks(code_points))).encode())
    box = " ".join(str(round(edge)) for edge in face.box)
    heights = f"/Ascent {face.ascent:.0f}/Descent {face.descent:.0f}/CapHeight {face.cap_height:.0f}"
    descriptor = document.add(
        f"<</Type/FontDescriptor/FontName/{name}/Flags {_FLAGS}/FontBBox[{box}]/ItalicAngle 0{heights}"
        f"/StemV {face.stem:.0f}/FontFile2 {file} 0 R>>".encode()
    )
    widths = " ".join(f"{face.width(code_point):.0f}" for code_point in code_points)
    return document.add(
        f"<</Type/Font/Subtype/TrueType/BaseFont/{name}/FirstChar 0/LastChar 255/Widths[{widths}]"
        f"/FontDescriptor {descriptor} 0 R/ToUnicode {to_unicode} 0 R>>".encode()
    )


def _tag(code_points: list[int]) -> str:
    """Six letters that are the subset's own, whichever files are merged later."""
    digest = sha256(repr(code_points).encode()).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


def _blocks(code_points: list[int]) -> Iterator[str]:
    lines = [
        f"<{code:02X}> <{chr(code_point).encode('utf-16-be').hex().upper()}>"
        for code, code_point in enumerate(code_points)
        if code_point
    ]
    for start in range(0, len(lines), _AT_MOST):
        block = lines[start : start + _AT_MOST]
        yield f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar"
