"""Telling administrators that a client waits for them: a message to an SNS topic, with a link to the decision."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from mcp_demo.dcr.review_link import LIFETIME, Link, sign
from mcp_demo.registry.model import Client

SUBJECT = "An application asks to be approved"


@dataclass(frozen=True, slots=True)
class Announcer:
    """Publishes to the topic that administrators have subscribed to.

    Args:
        sns: The SNS client.
        topic: The topic's ARN.
        page: The URL of the page on which is decided.
        key: What links are signed with.
        clock: The current time in seconds since the epoch.
    """

    sns: Any
    topic: str
    page: str
    key: str
    clock: Callable[[], float]

    def __call__(self, client: Client) -> None:
        """Ask for a decision upon a client."""
        link = Link(client.client_id, client.review or "", int(self.clock()) + LIFETIME)
        url = f"{self.page}?{urlencode({'link': sign(self.key, link)})}"
        self.sns.publish(TopicArn=self.topic, Subject=SUBJECT, Message=message(client, url, link.expires))


def message(client: Client, url: str, expires: float) -> str:
    """The message: plain text, with what the client says of itself in quotes, since nobody has checked it."""
    lines = [
        "An application has registered itself and asks to sign people in.",
        "",
        f"It calls itself: {_quoted(client.client_name)}",
        f"Its home page:   {_quoted(client.client_uri)}",
        *(f"Answers go to:   {_quoted(uri)}" for uri in client.redirect_uris),
        f"Client id:       {client.client_id}",
        "",
        "Nobody has checked any of this. Look at where answers go: whoever is there could act for your people.",
        "",
        f"Approve or deny it until {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC:",
        url,
        "",
        "Opening the page decides nothing. Whoever has this link can decide, so do not pass it on.",
    ]
    return "\n".join(lines)


def _quoted(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False) if text else "not told"
