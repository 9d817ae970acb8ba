"""The page behind the link: `GET /review` and `POST /review` of the HTTP API for reviews.

Reading the page decides nothing, since programs that scan mail open every link. The link is the only credential and
travels in the form, so another site has nothing to ride on. A decision is final here: the command line can change it.
"""

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import parse_qs

from mcp_demo.dcr import review_page as page
from mcp_demo.dcr.review_link import Link, LinkRefused, read
from mcp_demo.registry.model import Client, Status, WritableRegistry

_DECISIONS: dict[str, Status] = {"approve": "active", "deny": "denied"}
_WORDS: dict[Status, str] = {"active": "approved", "denied": "denied", "pending": "waiting"}
_LONGEST_FORM = 8 * 1024
_log = logging.getLogger("mcp_demo.dcr")


@dataclass(frozen=True, slots=True)
class Reviews:
    """Decisions over a store.

    Args:
        store: Where clients are kept.
        key: What links are signed with.
        clock: The current time in seconds since the epoch.
    """

    store: WritableRegistry
    key: str
    clock: Callable[[], float]

    def show(self, token: str) -> page.Answer:
        """The question, or why there is none."""
        found = self._find(token)
        if not isinstance(found, Client):
            return found
        return page.question(found, token) if found.status == "pending" else self._decided(found)

    def decide(self, token: str, decision: str) -> page.Answer:
        """Approve or deny; asked again, it says what was decided."""
        found = self._find(token)
        if not isinstance(found, Client):
            return found
        status = _DECISIONS.get(decision)
        if status is None:
            return page.note(400, "Nothing was decided", "The form has to say approve or deny.")
        if found.status == "pending":
            # What is stored is what was shown: a change that comes in between meets a client that waits no more.
            changed = replace(found, status=status)
            if not self.store.replace(changed, was=found):
                return self.show(token)
            _write(found.client_id, _WORDS[status])
            return page.decided(changed, _WORDS[status])
        return self._decided(found, wanted=status)

    def _find(self, token: str) -> Client | page.Answer:
        try:
            link: Link = read(self.key, token, self.clock())
        except LinkRefused as refused:
            return page.note(403, "This link does not work", str(refused))
        client = self.store.get(link.client_id)
        if client is None or client.is_expired(self.clock()):
            return page.note(404, "The application is gone", "It was removed, or its registration has expired.")
        if client.review != link.review:
            return page.note(
                409, "There is a newer link", "The application has changed what it says since. Use the newest message."
            )
        return client

    def _decided(self, client: Client, wanted: Status | None = None) -> page.Answer:
        status = 200 if wanted in (None, client.status) else 409
        return page.decided(client, f"{_WORDS[client.status]} already", status=status)


def serve(event: Mapping[str, Any], reviews: Callable[[], Reviews]) -> page.Answer:
    """Answer a request (payload 2.0 of an HTTP API)."""
    try:
        if event["requestContext"]["http"]["method"] == "POST":
            form = _form(event)
            return reviews().decide(form.get("link", ""), form.get("decision", ""))
        return reviews().show(_query(event).get("link", ""))
    except Exception as error:
        _log.exception("review failed: %s", type(error).__name__)
        return page.note(500, "That failed on our side", "Nothing was decided. Try again later.")


def _query(event: Mapping[str, Any]) -> Mapping[str, str]:
    return cast("Mapping[str, str]", event.get("queryStringParameters") or {})


def _form(event: Mapping[str, Any]) -> dict[str, str]:
    body = str(event.get("body") or "")[:_LONGEST_FORM]
    text = b64decode(body).decode("utf-8", "replace") if event.get("isBase64Encoded") else body
    return {name: values[0] for name, values in parse_qs(text).items()}


def _write(client_id: str, decision: str) -> None:
    _log.info(json.dumps({"operation": "review", "client_id": client_id, "decision": decision}))
