"""How much may be sent: a form is small; the page where a file is dropped takes a larger one, and says so."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

FORM_BYTES = 1 << 20
FILE_BYTES = 512 << 20
"""Larger than any file that the worker makes; read in pieces, kept on the disk while the page looks at it."""


def limit_body(request: Request, most: int) -> Request:
    """The same request, whose body ends by an error past `most` bytes, whether or not it announced its size.

    Raises:
        HTTPException: 413, it announces more; or while it is read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    left = most
    receive = request.receive

    async def receive_limited() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
        return message

    return Request(request.scope, receive_limited)
