"""What is judged, and what the person who asks lets us do with it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from conformance.issuer import TestIssuer
from conformance.requirements import LATEST

if TYPE_CHECKING:
    from conformance.personas.play import Play
    from conformance.personas.scenario import Scenario


class Capability(StrEnum):
    """What a check may need besides the URL. Without it the check is blocked, which is no pass and no fault."""

    TOKEN = "token"  # noqa: S105 - a word, not a password
    SIGN_IN = "sign-in"
    TEST_ISSUER = "test-issuer"
    REGISTRATION = "registration"
    PERSON = "person"
    OPERATION = "operation"
    DOCUMENTS = "documents"
    CLIENT = "client"
    DOCUMENT = "client-document"


HOW_TO_GIVE = {
    Capability.TOKEN: "give an access token: --token, or let somebody sign in with a client",
    Capability.SIGN_IN: "let somebody sign in: --stack, --sign-in NAME, --sign-in-script FILE, or --headed",
    Capability.TEST_ISSUER: "let the target trust keys the suite signs with: --stack",
    Capability.REGISTRATION: "allow the suite to register clients: --allow-registration",
    Capability.PERSON: "have a person at the browser: --headed",
    Capability.OPERATION: "name a tool that needs more than the basic scopes: --operation TOOL[=JSON]",
    Capability.DOCUMENTS: "let the suite serve client metadata documents that the target can fetch: --host-documents",
    Capability.CLIENT: "name a client that is registered already: --client ID --redirect-uri URI",
    Capability.DOCUMENT: "give the document behind the client's metadata URL: --client-document FILE",
}


class SignIn(Protocol):
    """Takes a browser through sign-in and consent."""

    def __call__(self, authorization_url: str, redirect_uri: str) -> str:
        """Open the authorization URL, sign in, agree; returns the URL that the browser was sent to in the end.

        Raises:
            Blocked: The pages are not what this sign-in knows.
        """
        ...


class Subject(Protocol):
    """A client that is judged."""

    def __call__(self, scenario: "Scenario", revision: str) -> "Play":
        """Run it once in a scenario."""
        ...


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client of the authorization server that was registered before the run, by somebody it trusts."""

    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)


class Documents(Protocol):
    """Serves client metadata documents where the authorization server can fetch them."""

    def publish(
        self,
        path: str,
        body: bytes | Callable[[], Iterator[bytes]],
        *,
        status: int = 200,
        headers: Mapping[str, str] = ...,
    ) -> str:
        """Serve this at a path from now on; returns its URL."""
        ...

    def emptied(self, url: str) -> bool:
        """Whether somebody has read what is served piece by piece to its end."""
        ...

    def hits(self, url: str) -> int:
        """How often a URL was fetched."""
        ...

    def url(self, path: str) -> str:
        """The URL of a path."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """A tool call that needs more than the basic scopes. It is carried out: with `side_effect` we say so beforehand."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    side_effect: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A system to judge.

    Args:
        url: The MCP endpoint as clients are told it.
        revision: The revision of MCP to judge by.
        token: A valid access token.
        issuer: Keys whose tokens the target accepts.
        sign_in: How to sign a test user in.
        may_register: Whether clients may be registered at the authorization server.
        person: Whether somebody sits at the browser.
        operation: A tool call that needs more than the basic scopes.
        origin: The origin of a browser page that may call the server; else its own.
        broader: A scope that implies the basic one, if the target's scopes form a hierarchy.
        anonymous: JSON-RPC methods that are open to everybody on purpose.
        cold_start: Starts a copy of the server that cannot reach its keys, and yields the copy's URL.
        key_downloads: How often the server has fetched its keys so far.
        client: A client that the authorization server knows already.
        documents: Serves client metadata documents that the authorization server can fetch.
        subject: The client to judge, where it is one that is judged.
        client_document: The document behind that client's metadata URL, if it is not to be fetched.
    """

    url: str
    revision: str = LATEST
    token: str | None = field(default=None, repr=False)
    issuer: TestIssuer | None = field(default=None, repr=False)
    sign_in: SignIn | None = field(default=None, repr=False)
    may_register: bool = False
    person: bool = False
    operation: Operation | None = None
    origin: str | None = None
    broader: str | None = None
    anonymous: frozenset[str] = frozenset()
    cold_start: Callable[[], AbstractContextManager[str]] | None = field(default=None, repr=False)
    key_downloads: Callable[[], int] | None = field(default=None, repr=False)
    client: KnownClient | None = None
    documents: Documents | None = field(default=None, repr=False)
    subject: Subject | None = field(default=None, repr=False)
    client_document: bytes | None = field(default=None, repr=False)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What is allowed. Who can sign tokens has one, and so has who can sign somebody in with a client."""
        known = self.client is not None or self.may_register or self.documents is not None
        given = {
            Capability.TOKEN: self.token is not None or self.issuer is not None or (self.sign_in is not None and known),
            Capability.SIGN_IN: self.sign_in is not None,
            Capability.TEST_ISSUER: self.issuer is not None,
            Capability.REGISTRATION: self.may_register,
            Capability.PERSON: self.person,
            Capability.OPERATION: self.operation is not None,
            Capability.DOCUMENTS: self.documents is not None,
            Capability.DOCUMENT: self.client_document is not None,
            Capability.CLIENT: known,
        }
        return frozenset(capability for capability, present in given.items() if present)
