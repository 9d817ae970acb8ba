"""What a flow asks of whoever drives it, and how it says so.

A flow is a generator without input or output. It yields events and is sent a reply to each: a `Response` for a `Step`,
the callback URL for a `SignIn`, nothing for a `Turn` or a `Pause`. So the same flow runs in asyncio, in a thread,
inside httpx, or one step at a time in a notebook.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias, TypeVar

from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.exchange.model import Exchange, Request, Response

T = TypeVar("T")
_RETURNS = 2
_LONGEST_WAIT = 10


@dataclass(frozen=True, slots=True)
class Step:
    """One request to be sent, with what a reader should know about it (see `mcp_demo.exchange.model.Exchange`)."""

    name: str
    why: str
    spec: str
    sender: str
    receiver: str
    phase: str
    request: Request

    def exchange(self, response: Response | None, started: float = 0.0, seconds: float = 0.0) -> Exchange:
        """The step as a recorded exchange."""
        return Exchange(
            self.name,
            self.why,
            self.spec,
            self.sender,
            self.receiver,
            self.request,
            response,
            self.phase,
            started,
            seconds,
        )

    def with_token(self, access_token: str | None, scheme: str = "Bearer") -> "Step":
        """The step with the token in its Authorization header, and nowhere else (OAuth 2.1 §5.1); None: without."""
        if access_token is None:
            return replace(
                self,
                name=f"{self.name}, without a token",
                why="The client has no token yet. A protected server answers 401 and says where to look for one.",
                spec="RFC 9728 §5.1",
                phase="discovery",
            )
        headers = tuple(pair for pair in self.request.headers if pair[0].lower() != "authorization")
        return replace(
            self,
            name=f"{self.name}, with the token",
            why="The access token travels in the Authorization header of every request, never in the URL.",
            spec="OAuth 2.1 §5.1.1",
            request=replace(self.request, headers=(*headers, ("authorization", f"{scheme} {access_token}"))),
        )


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person has to be sent to `pending.url`; the reply is the URL they came back to."""

    pending: PendingAuthorization


class Turn(Enum):
    """Only one flow at a time may authorize; a flow that fails need not give its turn back, its driver does."""

    TAKE = "take"
    GIVE = "give"


@dataclass(frozen=True, slots=True)
class Pause:
    """A server said when to come back; the driver waits that long."""

    seconds: float


Event: TypeAlias = Step | SignIn | Turn | Pause
Reply: TypeAlias = Response | str | None
Flow: TypeAlias = Generator[Event, Reply, T]


def fetch(step: Step) -> Flow[Response]:
    """Yield a step; where the server says that it is busy and when to come back, come back then, a few times.

    Spec: RFC 9110 §10.2.3 and §15.6.4, RFC 6585 §4.
    """
    for _ in range(_RETURNS):
        response = yield from fetch_once(step)
        wait = _wait(response)
        if wait is None:
            return response
        yield Pause(wait)
    return (yield from fetch_once(step))


def fetch_once(step: Step) -> Flow[Response]:
    """Yield a step and insist on a response, whatever it says."""
    reply = yield step
    if not isinstance(reply, Response):
        raise TypeError("The reply to a Step is a Response.")
    return reply


def _wait(response: Response) -> float | None:
    """The seconds to wait before asking again; None if the answer stands, or nobody would wait that long."""
    said = response.header("retry-after") or ""
    # As a float: of too many digits Python makes no int at all.
    if response.status not in (429, 503) or not said.isdecimal() or float(said) > _LONGEST_WAIT:
        return None
    return float(said)


def ask(sign_in: SignIn) -> Flow[str]:
    """Yield a sign-in and insist on a URL."""
    reply = yield sign_in
    if not isinstance(reply, str):
        raise TypeError("The reply to a SignIn is the callback URL.")
    return reply
