"""The three tools of our server once more, for peers: same names, arguments and results, so answers weigh the same."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field


class Identity(BaseModel):
    """What the verified access token says about the caller. The token itself is never shown."""

    subject: str = Field(description="Who you are, as the user pool names you (`sub`). Unique within the issuer.")
    username: str | None = Field(description="Your user name in the user pool, if the token carries it.")
    client_id: str = Field(description="The application that the token was issued to.")
    issuer: str = Field(description="Who issued the token (`iss`).")
    scopes: list[str] = Field(description="What the token allows.")
    expires_at: datetime = Field(description="When the token ends (`exp`), in UTC.")


class StoredContext(BaseModel):
    """One stored context."""

    id: str
    name: str
    text: str
    created: datetime = Field(description="When it was stored, in UTC.")


class StoredContexts(BaseModel):
    """All contexts of the caller."""

    contexts: list[StoredContext] = Field(description="Oldest first.")


Name = Annotated[str, Field(min_length=1, max_length=80, description="A short title.")]
Text = Annotated[str, Field(min_length=1, max_length=4000, description="The text to remember.")]


def tools(claims: Callable[[], dict[str, Any]]) -> dict[str, Callable[..., Any]]:
    """The tools, by title. Only `whoami` is ever called."""

    async def whoami() -> Identity:
        """Show who you are to this server: user, application, scopes, issuer and expiry, read from your access token.

        Needs the scope `read`. Takes no arguments. The token itself is never part of the answer.
        """
        known = claims()
        return Identity(
            subject=known["sub"],
            username=known.get("username"),
            client_id=known["client_id"],
            issuer=known["iss"],
            scopes=known["scope"].split(),
            expires_at=known["exp"],
        )

    async def list_contexts() -> StoredContexts:
        """List the contexts you have stored, oldest first. Nobody else's are ever shown.

        Needs the scope `read`. Takes no arguments: whose contexts these are follows from your access token.
        """
        return StoredContexts(contexts=[])

    async def add_context(name: Name, text: Text) -> StoredContext:
        """Store a short text under a name, for you alone, and return it with its id.

        Needs the scope `write`. With a token that only has `read`, the server answers 403 and names the scope to ask
        for: authorize again with it (step-up) and repeat the call. At most 100 contexts a person.
        """
        raise NotImplementedError

    return {"Who am I?": whoami, "List my contexts": list_contexts, "Store a context": add_context}
