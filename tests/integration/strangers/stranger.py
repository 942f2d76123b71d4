"""Request a list, receive the answer, read the file; verify a webhook. It knows only the published files."""

import hashlib
import json
import os
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jsonschema
import pika
from standardwebhooks import Webhook


def ask(commune: str) -> None:
    """Print what the events tell about the file, and the SHA-256 of the content."""
    schema = jsonschema.Draft202012Validator(json.loads(Path(os.environ["SCHEMA"]).read_text("utf-8")))
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/strangers/python",
        "type": "fr.openelec.prefecture.request.liste_export.v1",
        "time": datetime.now(UTC).isoformat(),
        "data": {"commune": commune, "listes": ["CE"], "formats": ["csv"], "requested_by": "stranger"},
    }
    schema.validate(event)
    if schema.is_valid(event | {"data": {"commune": "LIBREVILLE"}}):
        sys.exit("a wrong event is not noticed")
    url = os.environ["PREFECTURE_AMQP_URL"]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        kind = "application/cloudevents+json; charset=utf-8"
        account = urlsplit(url).username
        properties = pika.BasicProperties(kind, delivery_mode=2, user_id=account)
        channel.basic_publish(
            "prefecture", f"{account}.{event['type']}", json.dumps(event).encode(), properties, mandatory=True
        )
        said: dict[str, Any] = {}
        while not {"accepted", "ready"} <= said.keys():
            _, _, body = channel.basic_get(os.environ["QUEUE"], auto_ack=True)
            if body is None:
                time.sleep(0.1)
                continue
            heard = json.loads(body)
            if heard["data"]["request"]["id"] == event["id"]:
                said[heard["data"]["status"]] = heard["data"]
    ready = said["ready"]["file"]
    request = urllib.request.Request(ready["url"], headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    with urllib.request.urlopen(request) as answer:
        digest = hashlib.sha256(answer.read()).hexdigest()
    print(event["id"], len(said["accepted"]["exports"]), ready["sha256"], digest)


def verify(message_id: str, timestamp: str, signature: str) -> None:
    """Print the number of events; fail when the signature is wrong."""
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    print(len(Webhook(os.environ["SECRET"]).verify(sys.stdin.read(), headers)))


if sys.argv[1] == "ask":
    ask(*sys.argv[2:])
else:
    verify(*sys.argv[2:])
