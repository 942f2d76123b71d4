"""What makes a file a PDF/A-1b (ISO 19005-1) besides embedded fonts: colours that are defined, and metadata as XMP."""

from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from worker.domain.texte import clean
from worker.pdf.document import Document, text_string

_PROFILE = Path(__file__).parent / "fonts" / "sRGB.icc"
_CREATOR = "Préfecture"
_CONDITION = "sRGB IEC61966-2.1"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" \
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>1</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>fr-FR</rdf:li></rdf:Bag></dc:language>
<xmp:CreatorTool>{creator}</xmp:CreatorTool>
<pdf:Producer>{creator}</pdf:Producer>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def add_metadata(document: Document, title: str, author: str) -> int:
    """Write the XMP metadata, readable by any program: not compressed (6.7.2)."""
    values = {
        name: escape(clean(value)) for name, value in (("title", title), ("author", author), ("creator", _CREATOR))
    }
    return document.add_stream(b"/Type/Metadata/Subtype/XML", _XMP.format(**values).encode(), is_plain=True)


def add_info(document: Document, title: str, author: str) -> int:
    """Write the older form of the metadata, which says the same (6.7.3); no date, so that no clock is read."""
    values = (("Title", title), ("Author", author), ("Creator", _CREATOR), ("Producer", _CREATOR))
    return document.add(b"<<%b>>" % b"".join(b"/%b%b" % (name.encode(), text_string(value)) for name, value in values))


def add_output_intent(document: Document) -> int:
    """Write which colours the greys and the reds are (6.2.2)."""
    profile = document.add_stream(b"/N 3", _profile())
    condition = text_string(_CONDITION)
    return document.add(
        b"<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier%b/Info%b/DestOutputProfile %d 0 R>>"
        % (condition, condition, profile)
    )


@cache
def _profile() -> bytes:
    return _PROFILE.read_bytes()
