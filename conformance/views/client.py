"""What the checks of the client role look through: runs of the client, one for each scenario, shared by all of them."""

import json
from collections.abc import Mapping
from typing import Any, cast

from conformance.check import Blocked, NotApplicable
from conformance.personas import SCENARIOS, Hit, Kind, Play
from conformance.session import Session, View
from conformance.target import Capability
from conformance.views.answers import members
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange, Request, Response

_HOW = "It has to list the tools of the server, and to call each of them."


class Client(View):
    """A client, seen by the servers it meets."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._plays: dict[str, Play] = {}

    def play(self, name: str) -> Play:
        """The run in a scenario, whatever came of it.

        Raises:
            Blocked: There is no client, or it sent nothing at all.
        """
        if self.target.subject is None:
            raise Blocked("There is no client to judge: mcp-demo conformance client -- COMMAND.")
        if name not in self._plays:
            self._plays[name] = self.target.subject(SCENARIOS[name], self.target.revision)
        play = self._plays[name]
        self.session.look_at(*(hit.exchange for hit in play.hits()))
        if not play.hits():
            raise Blocked(f"The client sent nothing in the scenario {name}: {play.fate}.")
        return play

    @property
    def plays(self) -> tuple[Play, ...]:
        """The runs so far."""
        return tuple(self._plays.values())

    def control(self) -> Play:
        """The run with helpful servers, in which the client gets in: without it, a refusal proves nothing.

        Raises:
            Blocked: It did not get in.
        """
        play = self.play("helpful")
        if not play.successes:
            raise Blocked(f"The client did not even get in where all is well: {play.fate}.")
        return play

    def faced(self, name: str, *kinds: Kind) -> Play:
        """The run in a scenario, in which the client went as far as to these requests, and they were answered.

        Raises:
            Blocked: It did not, or it did not get in where all is well.
        """
        self.control()
        play = self.play(name)
        for kind in kinds:
            if not any(hit.status < 400 for hit in play.hits(kind)):
                raise Blocked(f"In the scenario {name} the client did not get as far as to be judged: {play.fate}.")
        if play.ended == "too slow":
            raise Blocked(f"In the scenario {name} the client came to no end in its time.")
        return play

    def used(self, name: str, times: int = 1) -> Play:
        """The run in a scenario, in which so many calls came through.

        Raises:
            Blocked: They did not.
        """
        self.control()
        play = self.play(name)
        if len(play.successes) < times:
            raise Blocked(f"In the scenario {name} the client did not get as far as to be judged. {_HOW}")
        return play

    def registration(self, name: str = "helpful") -> Hit:
        """The client's registration in a scenario.

        Raises:
            NotApplicable: It does not register.
        """
        self.control()
        found = self.play(name).hits("register")
        if not found:
            raise NotApplicable("The client does not register dynamically.")
        return found[0]

    def metadata_url(self) -> str:
        """The URL that the client uses as its client id, where an issuer takes such.

        Raises:
            NotApplicable: It uses none.
        """
        self.control()
        for hit in self.play("documents-only").authorizations:
            identifier = hit.fields.get("client_id", "")
            if "://" in identifier:
                return identifier
        raise NotApplicable("The client uses no metadata document.")

    def document(self) -> tuple[Exchange, Mapping[str, Any]]:
        """The client's metadata document: what was given for it, else what is found at its URL.

        Raises:
            Blocked: There is none.
        """
        url = self.metadata_url()
        request = Request("GET", url, (("accept", "application/json"),))
        spec = "CIMD §4"
        probe = Exchange("The client's metadata document", "Issuers fetch it.", spec, "suite", "client", request)
        given = self.target.client_document
        if given is not None:
            answer = Response(200, (("content-type", "application/json"),), given)
            exchange = Exchange(probe.name, probe.why, spec, "suite", "client", request, answer)
            self.session.look_at(exchange)
        else:
            try:
                exchange = self.session.send(probe)
            except Unanswered as failure:
                words = f"{url} was not answered ({failure}). If it is not public yet, use --client-document FILE."
                raise Blocked(words, Capability.DOCUMENT) from failure
        return exchange, members(exchange) or {}


def body_of(hit: Hit) -> Mapping[str, Any]:
    """The JSON object in a request."""
    return _object(hit.request.body)


def answer_of(hit: Hit) -> Mapping[str, Any]:
    """The JSON object in its answer."""
    return _object(hit.exchange.response.body if hit.exchange.response else b"")


def texts(value: object) -> tuple[str, ...]:
    """The texts of a JSON array."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


def scopes(hit: Hit) -> tuple[str, ...]:
    """The scopes of an authorization request, as often as they are there."""
    return tuple(filter(None, hit.fields.get("scope", "").split(" ")))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
