"""What a command, a refusal or a page of the screen says is in docs/messages.md, with what to do about it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.web.entrance import _REFUSALS
from producers.web.error_pages import _ACCESS_TEXTS, _OTHER, _TEXTS

REPOSITORY = Path(__file__).parents[2]
SPOKEN_IN = ("producers", "worker/cli", "worker/db", "worker/handlers", "worker/messaging", "worker/solo")
"""Where commands and refusals are; what the register says of a file is in its own document."""

RAISED = {
    *("BadParameter", "BatchInterruptedError", "ConfigurationError", "InvalidRequestError", "NotKnownYetError"),
    *("NotPutBackError", "PrefectureError", "ProducerConfigurationError", "RefusedError", "StateAwayError"),
    *("TransientError", "UsageError"),
}


def _said(path: Path) -> Iterator[tuple[int, str]]:
    """Line and longest piece of each message that is raised there."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[text, *_])) if (
                name in RAISED
            ):
                if pieces := list(_pieces(text)):
                    yield node.lineno, max(pieces, key=len)


def _pieces(text: ast.expr) -> Iterator[str]:
    for part in text.values if isinstance(text, ast.JoinedStr) else [text]:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value.strip(" .:;")


def _explained() -> str:
    return re.sub(r"\s+", " ", (REPOSITORY / "docs" / "messages.md").read_text("utf-8"))


@pytest.mark.parametrize("folder", SPOKEN_IN)
def test_every_message_of_a_command_is_explained(folder: str) -> None:
    explained = _explained()
    said = {
        f"{path.name}:{line}": message for path in (REPOSITORY / folder).rglob("*.py") for line, message in _said(path)
    }
    assert said
    assert {place: message for place, message in said.items() if message not in explained} == {}


def test_every_page_that_takes_the_place_of_another_is_explained() -> None:
    download = (REPOSITORY / "producers" / "web" / "exports" / "telechargement.html").read_text("utf-8")
    titles = {
        *(title for title, _ in (*_TEXTS.values(), _OTHER)),
        *(title for case, (title, _) in _ACCESS_TEXTS.items() if case != "left"),
        *_REFUSALS.values(),
        *re.findall(r'^  "\w+": "(.+)",$', download, re.MULTILINE),
    }
    explained = _explained()
    assert {title for title in titles if title not in explained} == set()
