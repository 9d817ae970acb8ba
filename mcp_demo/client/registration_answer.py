"""What a registration endpoint answers, read.

Spec: RFC 7591 §3.2.
"""

from pydantic import BaseModel, Field, ValidationError

from mcp_demo.client.discovery import out_of_service
from mcp_demo.client.errors import RegistrationFailed
from mcp_demo.exchange.model import Response
from mcp_demo.exchange.redact import redact_text
from mcp_demo.oauth.token import AuthMethod


class Answer(BaseModel):
    """A registration (RFC 7591 §3.2.1)."""

    client_id: str = Field(min_length=1)
    client_secret: str | None = None
    client_secret_expires_at: int = 0
    token_endpoint_auth_method: AuthMethod | None = None
    redirect_uris: tuple[str, ...] = ()
    registration_client_uri: str | None = None
    registration_access_token: str | None = None


class _Refusal(BaseModel):
    """A registration error (RFC 7591 §3.2.2)."""

    error: str = Field(min_length=1)
    error_description: str = ""


def read(response: Response, issuer: str) -> Answer:
    """The registration in an answer.

    Spec: RFC 7591 §3.2.

    Raises:
        RegistrationFailed: Nobody was registered, or what came cannot be used; it says which.
    """
    if response.status not in (200, 201):
        raise RegistrationFailed(_refusal(response, issuer))
    try:
        return Answer.model_validate_json(response.body)
    except ValidationError as error:
        members = ", ".join(str(item["loc"][0]) if item["loc"] else "the document" for item in error.errors())
        raise RegistrationFailed(f"{issuer} sent a registration that cannot be used: {members}.") from None


def _refusal(response: Response, issuer: str) -> str:
    """What a registration endpoint that registered nobody has said, in words."""
    reason = _reason(response)
    if status := out_of_service(response):  # whatever it says: who is busy has refused nobody
        return f"{issuer} cannot register clients now: it answers {status}, {reason or 'out of service or overloaded'}."
    return f"{issuer} refused to register this client: {reason or f'it answered {response.status}'}."


def _reason(response: Response) -> str:
    try:
        refusal = _Refusal.model_validate_json(response.body)
    except ValidationError:
        return ""
    return redact_text(f"{refusal.error} {refusal.error_description}").strip().removesuffix(".")
