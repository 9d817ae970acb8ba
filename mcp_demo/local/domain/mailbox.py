"""The mail that the user pool would have sent: confirmation and recovery codes. Local only; on AWS it is real mail."""

import re
from dataclasses import dataclass

import httpx
from fastapi import APIRouter
from fastapi.responses import Response

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.parts import Parts

_CODE = re.compile(r"\b\d{6}\b")
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Mail:
    """One message, as a person would read it."""

    to: str
    subject: str
    text: str
    sent: float

    @property
    def code(self) -> str | None:
        """The six-digit code in it, if any."""
        found = _CODE.search(self.text)
        return found[0] if found else None


def read_mail(aws_endpoint: str, to: str | None = None) -> list[Mail]:
    """What the embedded AWS at `aws_endpoint` sent, the newest first; to one address if given.

    Raises:
        SetupError: It does not answer.
    """
    try:
        answer = httpx.get(f"{aws_endpoint}/_ministack/ses/messages", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise SetupError(f"The embedded AWS does not answer: {error}.", "Start it with `mcp-demo up`.") from None
    sent = [message for account in answer.json()["messages"].values() for message in account]
    mails = [
        Mail(", ".join(item["To"]), item["Subject"], item["BodyText"] or item["BodyHtml"], item["Timestamp"])
        for item in sent
        if to is None or to.lower() in (address.lower() for address in item["To"])
    ]
    return sorted(mails, key=lambda mail: mail.sent, reverse=True)


def mailbox_router(parts: Parts) -> APIRouter:
    """The route of the mailbox page."""
    router = APIRouter()

    @router.get("/mailbox")
    def mailbox() -> Response:
        mails = read_mail(parts.settings.aws_endpoint)
        return parts.pages.render("mailbox.html", mails=mails[:_SHOWN])

    return router
