"""Difficult texts, fixed and random: shared by the tests of cleaning, in Python and in the databases."""

from hypothesis import strategies as st

NASTY = (
    "\t", "a\tb", "a\nb", "a\r\nb", "a\x0bb", "a\x0cb", "a\x85b", "\x01", "a\x1fb", "a\x7f", "a\x9fb",
    " a", "a ", "a  b", " ", "\u00a0", "a\u00a0b", "a\u1680b", "a\u2003b", "a\u2028b", "a\u2029b", "a\u202fb",
    "a\u3000b", "a\u00adb", "a\u200bb", "a\u200db", "a\u200fb", "a\u2060b", "\ufeffa", "a\ufdd0b", "a\ufdefb",
    "a\ufffeb", "a\uffff", "e\u0301", "\u0301", "Zoe\u0301 Anai\u0308s", "e\u00ad\u0301",
    "a\u0327\u0301", "a\u0301\u0327", "\u1100\u1161",
    "\u212b", "\u212a", "\u037e", "\u0344", "\u0958", "\ufb1d", "\U0001d15e", "\U000110a5",
    "a;b", 'a"b', ";", '"', "a; ", "\u037e\u00a0",
)  # fmt: skip
"""Each needs a closer look: it must be cleaned, or it contains a separator."""

_OTHERS = "¦| ¦|¦ |\u0300|Ł|Œ|’|ő|Ș|Σ|Ж|é|🏛|\ue000|\u1e9b"
_PIECES = (*NASTY, *_OTHERS.split("|"))


def nasty_texts(*, surrogates: bool = False, nul: bool = True) -> st.SearchStrategy[str]:
    """Short texts, dirty more often than not, without characters that Unicode has not assigned yet."""
    characters = st.characters(
        exclude_categories=["Cs", "Cn"], exclude_characters="" if nul else "\0"
    )
    pieces = st.one_of(
        st.sampled_from(_PIECES), characters, st.characters(max_codepoint=0x7F, min_codepoint=0x01)
    )
    if surrogates:
        pieces |= st.sampled_from(["\ud800", "\udfff", "\udc80"])
    return st.lists(pieces, max_size=8).map("".join)
