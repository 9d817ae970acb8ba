"""DPoP for any flow: a wrapper that puts a proof on each request that carries a bound token, or asks for one.

Spec: RFC 9449 §5, §7.1, §8 and §9; SEP-1932.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from joserfc.jwk import ECKey

from mcp_demo.client.events import Event, Flow, Reply, Step, T, fetch_once
from mcp_demo.exchange.model import Response, header_values
from mcp_demo.oauth import dpop

_SCHEME = "DPoP "


class Prover:
    """A key, and the nonces that servers gave out last.

    Args:
        key: A P-256 key.
        clock: The time.
    """

    def __init__(self, key: ECKey, clock: Callable[[], float]) -> None:
        self._key, self._clock = key, clock
        self._nonces: dict[tuple[str, str], str] = {}

    def prove(self, flow: Flow[T]) -> Flow[T]:
        """The same flow, its token requests and its requests with a bound token proven."""
        go_on: Callable[[], Event] = partial(flow.send, None)
        while True:
            try:
                event = go_on()
            except StopIteration as stop:
                return stop.value
            try:
                go_on = partial(flow.send, (yield from self._answer(event)))
            except Exception as error:  # what its driver fails at, such as a sign-in, is for the flow to know
                go_on = partial(flow.throw, error)

    def _answer(self, event: Event) -> Flow[Reply]:
        """The reply to an event; a request that takes a proof is sent with it."""
        if isinstance(event, Step) and (event.phase == "token" or _bound_token(event) is not None):
            return (yield from self._carry_out(event))
        return (yield event)

    def _carry_out(self, step: Step) -> Flow[Response]:
        """Send a step with its proof; once more where the server wants its nonce in it (RFC 9449 §8)."""
        response = yield from self._send(step)
        challenges = header_values(response.headers, "www-authenticate")
        if response.header("dpop-nonce") and dpop.asks_for_nonce(response.status, challenges, response.body):
            return (yield from self._send(step))
        return response

    def _send(self, step: Step) -> Flow[Response]:
        """Send a step with a proof of its own, and remember the nonce for the next."""
        place = (step.phase, urlsplit(step.request.url).netloc)
        response = yield from fetch_once(self._proven(step, self._nonces.get(place)))
        if nonce := response.header("dpop-nonce"):
            self._nonces[place] = nonce
        return response

    def _proven(self, step: Step, nonce: str | None) -> Step:
        request = step.request
        proof = dpop.proof(
            self._key,
            method=request.method,
            url=request.url,
            token_id=secrets.token_urlsafe(16),
            now=self._clock(),
            access_token=_bound_token(step),
            nonce=nonce,
        )
        return replace(step, request=replace(request, headers=(*request.headers, ("dpop", proof))))


def _bound_token(step: Step) -> str | None:
    authorization = step.request.header("authorization") or ""
    return authorization.removeprefix(_SCHEME) if authorization.startswith(_SCHEME) else None
