r"""The speed of files and of pages, as ratios to what the host itself can do: `make bench`.

Seconds depend on the host and its load; ratios measured in turn (A B A B) in one run are stable. A ratio is that of two
medians, its spread that of the pairs. Registers are vacuumed and analysed after the import, as autovacuum does a minute
later; caches are warm. Workers have the default settings, and no query runs while they work.

P1  The job of a queued row (claim, count, checks, file, SHA-256, fsync, record) / psql's `\copy` of the same SELECT,
    with our snapshot's planner settings, which is the harder comparison, and with those of an untuned server.
P2  `write_csv` and its SHA-256 / the same; the SELECT / the same rows of plain columns, since a slow SELECT would hide.
P3  CPU of the XML job, validated and hashed / the simplest way to write the same rows with lxml.
P4  CPU of drawing a tableau, tagged, wrapped, with an embedded Unicode font / PHP's FPDF, which openElec uses: with a
    core font and nothing wrapped; with an embedded font, wrapped, in cp1252. Left out if PHP cannot be installed.
P5  The same / ReportLab's LongTable with fixed heights.
P6  Highest resident size of a process that makes one file, in MB, and / that of a list twenty times smaller.
P7  All lists of a département as CSV through RabbitMQ, two worker processes, from before the first request is sent
    until the last row is ready / `\copy` of the same lines in the same order in one file.
P8  The time of one worker process / that of two: XML, and a tableau for which one elector in ten has moved. Not CSV:
    it is PostgreSQL's work.
P9  From before a request is sent until the row is ready: a village, one request after another, one warm process.
P10 From before a request is sent until its mail is delivered.
P11 Requests recorded in a second, sent at once; requests notified in a second, each by a mail and two events.
P12 The import of a REU export, then of the next one, compared with it / `\copy` of the first into a plain table.
P13 Each service of docker-compose.yml when idle: seconds of processor until it is ready; memory of all (PSS).
W1  From before the request of a page until its last byte, beside months of requests of a busy commune.
W2  The first byte of the same pages for a hundred clerks at once, while ten of them download a list of 60 MB.

`--size` makes the registers smaller; targets are for the default.
"""
