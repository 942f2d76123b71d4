"""Code that all imports of files share: bytes, lines, reports, and the record of imports."""
