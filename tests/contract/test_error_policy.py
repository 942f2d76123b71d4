"""The table of error policies in docs/operations.md matches the code."""

from pathlib import Path

from worker.error_policy import ERROR_POLICIES, ErrorPolicy, Source, Treatment
from worker.errors import PrefectureError

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
FILES = "an hour"
PATIENCE = {Source.BROKER: "until it is back", Source.MAIL: "three days"}


def _describe(row: ErrorPolicy) -> tuple[str, str]:
    patience = PATIENCE.get(row.source, FILES)
    waits = {Treatment.COUNT: "three starts", Treatment.REFUSE: "not at all"}.get(row.treatment, patience)
    if row.treatment is Treatment.LEAVE:
        waits += "; this process ends, with 71"
    return waits, "" if row.error is PrefectureError else f"`{row.error.code}`"


def test_the_table_of_error_policies_is_that_of_the_code() -> None:
    text = OPERATIONS.read_text("utf-8")
    section = text.partition("### What is waited for\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and "Source" not in line]
    documented: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in lines:
        source, codes, _, *said = (cell.strip() for cell in line.strip("|").split("|"))
        kinds = codes.replace("5xx, of", "5xx; of").split(", ")
        documented |= {(source, code.strip("`").replace(";", ",")): tuple(said) for code in kinds}
    assert documented == {(row.source, code): _describe(row) for row in ERROR_POLICIES for code in row.codes}
