r"""The speed of files and of pages, as ratios to what the host itself can do: `make bench`.

It starts a private PostgreSQL (for P7 to P9 a RabbitMQ too), invents a register, measures, prints a table and writes
the samples as JSON. Seconds depend on the host and its load; ratios measured in turn (A B A B) in one run are stable.
Each measure has its own process (imports done, nothing connected). A ratio is that of two medians, its spread that of
the pairs.

P1  How long a clerk waits: the job of a queued row (claim, count, checks, file, SHA-256, fsync, record), wall, against
    the mere `psql \copy` of the same SELECT. The cost that we add to the copy of the data.
P2  The part of our writing: `write_csv` and its SHA-256 against that `\copy`. A slow SELECT would hide there, so the
    same SELECT is also measured against the same rows of plain columns, both by `\copy`. PostgreSQL quotes an empty
    text unless another text stands for NULL; the plain columns are spared that.
    Our snapshot lets PostgreSQL's planner use its parallel processes. In P1 and P2 `\copy` gets the same settings,
    which is the harder comparison; « server's settings » are those of an untuned psql.
P3  The cost of an XML file: CPU of the worker's process for the whole job, validated and hashed, against the simplest
    way to write the same rows with lxml (`bench.baselines`), neither validated nor hashed.
P4  The cost of a PDF: CPU of drawing a tableau, tagged, every value wrapped and in an embedded Unicode font, against
    PHP's FPDF, which openElec uses, with a core font and nothing wrapped; then with an embedded font and values wrapped
    as we wrap them, in cp1252 since FPDF knows no Unicode, without tags (`bench.baselines_pdf`). Fonts are read before.
    Left out, with a message, if PHP is missing and cannot be installed.
P5  Likewise against ReportLab's LongTable with fixed heights.
P6  Whether memory is flat: the highest resident size of a process that makes one file of the whole register, against
    one twenty times smaller, and in MB; likewise for the import, on both databases. For a tableau, of a process that
    makes one of 20,000, then of 100,000 lines from the register, none of them applied yet: it looks for each on the
    list. The tags are objects of the file, so that it grows with its lines.
P7  How long a département takes: a batch for each of its communes, sent as producers do, each request for the three
    lists as CSV; through RabbitMQ to two worker processes of one thread; wall from before the first request is sent
    until the last row is ready, against `\copy` of the same lines in the same order in one file (`bench.departement`,
    `bench.departement_query`). Communes are as unequal as real ones. Both planners, as in P1.
P8  The gain of a second worker process: a batch of communes of one size, XML of their lists and PDF of a tableau for
    which one elector in ten has moved; wall with one process / with two. A floor. CSV is left out: it is PostgreSQL's
    work, which shares the cores; on two of them PostgreSQL's own part keeps the ratio below 2.
P9  How long a clerk of a village waits: its list of 500 electors as CSV, as XML, a tableau where all 500 moved; wall
    from before the request is sent until the row is ready, one request after another, one warm worker process; of 300
    requests the fourth slowest. Requests alternate between villages, since the seconds distinguish file names.
P12 The cost of an import: a REU export read, cleaned, checked and made a version of the register, then the next one,
    without one elector in fifty, compared with it; each once, wall, against `\copy` of the first file into a table of
    plain texts.
P10 How long a clerk waits for a notification: from before a request for the list of a village is sent until the mail is
    delivered to the mail server; one at a time, one worker process, one notifier, of 300 the fourth slowest.
P11 How many requests are recorded in a second: a thousand, sent at once as a batch, from before the first is sent until
    each has its rows and messages; two processes that read requests only. How many requests are notified in a second,
    each by a mail and two events, by one, then by two notifiers.
P13 The cost of idle services: each of our services of docker-compose.yml, by its command, all at once: memory (PSS:
    shared pages are counted once) of all; seconds of processor from its start until it is
    ready, the least of three.
W1  How long a clerk waits for a page of the screen, beside ten thousand requests of six files of the commune: wall from
    before the HTTP request until the last byte arrives; pages in turn, of 100 rounds the second slowest, and the
    median. On both databases. The commune has a request every ten minutes, day and night; half of its files are purged,
    and another commune's 30,000 files are newer (`bench.history`). One screen process, one clerk, default settings, no
    other load; of each page the address that shows or searches most.
W2  The same pages for a hundred clerks at once, each with a page that updates itself and another each ten seconds,
    while ten of them download a list of 60 MB: milliseconds until the first byte, pages that were updated, memory of
    the screen (PSS).

In P7 to P9 workers have the default settings and no query runs meanwhile: PostgreSQL's NOTIFY announces that a row is
ready. Each file is then on the volume with the bytes of its row. No notifier runs: notifications are not measured.

The tables are vacuumed and analysed after the import, as autovacuum does a minute later; caches are warm. `--size`
makes the registers smaller: P3 and the long tableau of P6 take a tenth of it, P4, P5 and the other tableau of P6 a
fiftieth, the other files of P6 are compared with a twentieth, P7 takes 1.84 times as many lines, P8 sixteen times a
fiftieth; P9 does not change; W1 takes a hundredth, as requests. Targets are for the default.
"""
