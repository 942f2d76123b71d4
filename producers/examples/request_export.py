"""Request the list files of a commune with pika: PREFECTURE_AMQP_URL=amqp://… python request_export.py 13900."""

import json
import os
import sys
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika

TYPE = "fr.openelec.prefecture.request.liste_export.v1"
event_id = str(uuid4())
event = {
    "specversion": "1.0",
    "id": event_id,
    "source": "/examples/python",
    "type": TYPE,
    "time": datetime.now(UTC).isoformat(),
    "datacontenttype": "application/json",
    "data": {"commune": sys.argv[1], "listes": ["P", "CE", "CM"], "formats": ["csv"], "requested_by": "exemple"},
}
url = os.environ["PREFECTURE_AMQP_URL"]
account = unquote(urlsplit(url).username or "guest")
properties = pika.BasicProperties(
    content_type="application/cloudevents+json; charset=utf-8",
    delivery_mode=2,
    message_id=event_id,
    user_id=account,  # the broker checks that this is the account of the connection
)
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # basic_publish then raises if the broker rejects the message or cannot route it
    channel.basic_publish("prefecture", f"{account}.{TYPE}", json.dumps(event).encode(), properties, mandatory=True)
print(event_id)
