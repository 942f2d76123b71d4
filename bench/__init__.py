r"""How fast files are made, as ratios to what the machine itself can do: `make bench`, or `python -m bench`.

It starts a PostgreSQL of its own, invents a register, measures, prints a table and writes the samples as JSON. Seconds
depend on the machine and on who shares it; ratios taken in turn (A B A B) in one run hold. Each measure is made by a
process of its own (imports done, nothing connected); a ratio is that of two medians, its spread that of the pairs.

P1  How long a clerk waits: the job of a queued row (claim, count, checks, file, SHA-256, fsync, record), wall, against
    the mere `psql \copy` of the same SELECT. What we add to copying the data.
P2  How much of that is our writing: `write_csv` and its SHA-256 against that `\copy`. A slow SELECT would hide there,
    so the same SELECT is also measured against the same rows of plain columns, both by `\copy`. PostgreSQL quotes an
    empty text unless something else stands for NULL; the plain columns are spared that.
    A snapshot of ours lets PostgreSQL's planner use its parallel processes. In P1 and P2 `\copy` is given the same
    settings, which is the harder comparison; « server's settings » are those of a psql that nobody has tuned.
P3  What an XML file costs: CPU of the worker's process for the whole job, validated and hashed, against the simplest
    way to write the same rows with lxml (`bench.baselines`), neither validated nor hashed.
P4  What a PDF costs: CPU of drawing a tableau, every value wrapped and in an embedded Unicode font, against PHP's FPDF,
    which openElec uses, with a core font and nothing wrapped (`bench.baselines_pdf`). Left out, and said, where PHP is
    not and may not be installed.
P5  Likewise against ReportLab's LongTable with fixed heights.
P6  Whether memory is flat: the highest resident size of a process that makes one file of the whole register, against
    one twenty times smaller, and in MB; likewise for the import, on both databases. For a tableau, of a process that
    makes one of a hundred thousand lines from the register, none of them applied yet: it looks for each on the list.

The tables are vacuumed and analysed after the import, as autovacuum does a minute later; caches are warm. `--size`
makes the registers smaller: P3, P4, P5 and the tableau of P6 take a tenth of it, the other files of P6 are compared
with a twentieth. Targets are for the default.
"""
