"""What changed in a list since it was last deposited."""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.web.reading.exports import read_file
from producers.web.reading.values import to_day
from producers.web.visit import NOT_FOUND, Visit


def show(visit: Visit) -> Response:
    """The page; there is none for a tableau, nor for a file that was not made."""
    file = read_file(visit.screen.state, visit.commune.code, visit.number("export"))
    if file is None or not file.is_ready or file.is_tableau:
        raise HTTPException(NOT_FOUND)
    found = file.differences
    return visit.render(
        "differences.html",
        file=file,
        found=found,
        deposited_on=to_day(found["deposited_on"]) if found else None,
    )
