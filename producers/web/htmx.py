"""What htmx says of a request: a page that stays open made it, and its answer becomes a part of that page."""

from starlette.requests import Request


def is_for_a_part(request: Request) -> bool:
    """Whether htmx asks; a later answer may overtake this one."""
    return "hx-request" in request.headers
