"""The client as one engine without input or output: every face of this package drives these flows.

Spec: MCP 2026-07-28 Authorization; OAuth 2.1.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from mcp_demo.client import authorization, discovery, grant, registration
from mcp_demo.client.choosing import choose_issuer
from mcp_demo.client.discovery import Discovery
from mcp_demo.client.errors import IssuerChanged, StepUpExhausted, Unauthorized
from mcp_demo.client.events import Flow, SignIn, Step, T, Turn, ask, fetch
from mcp_demo.client.grant import Grant
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.policy import Policy
from mcp_demo.client.proof import Prover
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.client.revision import Revision, knows
from mcp_demo.client.storage import Vault
from mcp_demo.exchange.model import Response
from mcp_demo.oauth import resource, scopes, server_metadata
from mcp_demo.oauth.challenge import Challenge
from mcp_demo.oauth.errors import ErrorResponse, InsecureUrl

_STEP_UPS = 2


class Engine:
    """One MCP server as seen by one client on behalf of one person.

    Args:
        server_url: The MCP endpoint.
        identity: Who the client is.
        redirect_uri: Where the browser is to come back to.
        vault: Where grants and registrations are kept.
        policy: What the client wants.
        clock: The time.

    Raises:
        InsecureUrl: The endpoint is plain http off loopback.
    """

    def __init__(
        self,
        server_url: str,
        identity: Identity,
        redirect_uri: str,
        vault: Vault | None = None,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not resource.is_secure_url(server_url):
            raise InsecureUrl("An MCP server that asks for tokens must be https, or on this machine.")
        self.server_url = server_url
        self.vault = vault or Vault()
        self._identity = identity
        self._redirect_uri = redirect_uri
        self._policy = policy or Policy()
        self._clock = clock
        self._step_ups: Counter[tuple[str, ...]] = Counter()
        self._prover = Prover(identity.dpop_key, clock) if identity.dpop_key else None
        self._failures = 0
        self._failure: Exception | None = None

    @property
    def revision(self) -> Revision:
        """The newest revision of MCP that this client goes by."""
        return self._policy.revision

    def covers(self, url: str) -> bool:
        """Whether a URL belongs to the server that the token is for: its endpoint, or what lies below."""
        ours, theirs = urlsplit(self.server_url), urlsplit(url)
        below = theirs.path.startswith(ours.path.rstrip("/") + "/")
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc) and (theirs.path == ours.path or below)

    def send(self, step: Step) -> Flow[Response]:
        """Carry out a request to the MCP server, authorizing as often as it takes and no oftener.

        Ahead of its end the token is refreshed; a 401 leads to one refresh or one authorization, a 403 with
        `insufficient_scope` to step-up with the union of scopes, a few times at most.

        Raises:
            StepUpExhausted: The server keeps asking for scopes.
            Unauthorized: The server refuses a token that is fresh.
        """
        return self._proven(self._send(step))

    def _send(self, step: Step) -> Flow[Response]:
        renewed = False
        used = yield from self._usable()
        while True:
            response = yield from fetch(_authorized(step, used))
            bearer = discovery.challenge_of(response)
            if response.status == 401:
                if renewed:
                    raise Unauthorized("The MCP server refuses a token that it has just been issued for.")
                renewed = True
                yield from self._in_turn(used, lambda seen=used, no=response: self._renew(no, seen))
            elif bearer and self._asks_for_more(response, bearer):
                self._count(bearer.scopes)
                yield from self._in_turn(used, lambda seen=used, no=response: self._step_up(no, seen))
            else:
                self._step_ups.clear()
                return response
            # Not `_usable`: a token whose whole life is shorter than the leeway has to be used all the same.
            used = self.vault.grant(self.server_url)

    def prepare(self, refusal: Response, held: Grant | None = None) -> Flow[tuple[Discovery, Registration]]:
        """Find the authorization server behind a refusal and become known to it."""
        found = yield from discovery.discover(
            self.server_url,
            refusal,
            self._identity.issuer,  # credentials given to us decide, for they lead in nowhere else
            self.revision,
            lambda offered: self._choose(offered, held),
        )
        self._check_issuer(found, held)
        issuer = found.metadata.issuer
        silent = not found.metadata.code_challenge_methods_supported
        if self._policy.attended and (knows(self.revision, "advertised S256") or not silent):
            server_metadata.require_s256(found.metadata)
        known = self.vault.registration(issuer)
        ours = yield from registration.register(
            self._identity, found.metadata, self._redirect_uri, known, self._clock(), self.revision
        )
        ours = replace(ours, token_type=self._identity.token_type)
        self.vault.keep_registration(ours)
        return found, ours

    def complete(self, pending: PendingAuthorization, callback_url: str) -> Flow[Grant]:
        """Validate the authorization response, trade its code, and keep the grant.

        Raises:
            ProtocolViolation: The response is not an answer to this request.
            ErrorResponse: The authorization server refused.
        """
        return self._proven(self._complete(pending, callback_url))

    def _complete(self, pending: PendingAuthorization, callback_url: str) -> Flow[Grant]:
        code = pending.read(callback_url)
        ours = self.vault.registration(pending.issuer)
        if ours is None or ours.client_id != pending.client_id:
            raise IssuerChanged("The registration that this sign-in was begun with is gone.")
        try:
            received = yield from grant.exchange_code(pending, ours, code, self._clock(), self._identity.key)
        except ErrorResponse as error:
            if error.error == "invalid_client" and ours.way == "dynamic":
                self.vault.forget_registration(pending.issuer)
            raise
        self.vault.keep_grant(self.server_url, received)
        return received

    def leave(self) -> Flow[None]:
        """Log out: forget the grant, and give its refresh token back."""
        held = self.vault.grant(self.server_url)
        self.vault.forget_grant(self.server_url)
        ours = self.vault.registration(held.issuer) if held else None
        if held is not None and ours is not None:
            yield from grant.revoke(held, ours, self._clock(), self._identity.key)

    def _usable(self) -> Flow[Grant | None]:
        """The grant to use now, refreshed if its end is near; None if there is none."""
        held = self.vault.grant(self.server_url)
        if held is not None and held.token_type != self._identity.token_type:
            self.vault.forget_grant(self.server_url)  # it is from before the client had a key, or after
            return None
        if held is None or held.is_fresh(self._clock(), self._policy.leeway):
            return held
        yield from self._in_turn(held, lambda: self._refresh(held))
        return self.vault.grant(self.server_url)

    def _in_turn(self, used: Grant | None, flow: Callable[[], Flow[object]]) -> Flow[None]:
        """Run a flow while no other runs, unless another has done its work, or failed at it, in the meantime."""
        failures = self._failures
        yield Turn.TAKE
        held = self.vault.grant(self.server_url)
        if (held and held.access_token) == (used and used.access_token):
            if self._failure is not None and self._failures != failures:
                raise self._failure
            try:
                yield from flow()
            except Exception as error:
                self._failures, self._failure = self._failures + 1, error
                raise
        yield Turn.GIVE

    def _renew(self, refusal: Response, used: Grant | None) -> Flow[None]:
        """Answer a 401: ask anew who protects the server, then refresh, then authorize."""
        found, ours = yield from self.prepare(refusal, used)
        same = used is not None and used.issuer == found.metadata.issuer
        if used is not None and same and (yield from self._refresh(used)):
            return
        wanted = self._policy.scopes
        if not wanted and knows(self.revision, "scope challenges"):
            wanted = scopes.select(found.challenged, found.resource_metadata.scopes_supported)
        yield from self._authorize(found, ours, wanted)

    def _step_up(self, refusal: Response, used: Grant | None) -> Flow[None]:
        """Answer a 403: ask for what was asked for before, what was granted, and what is missing now."""
        found, ours = yield from self.prepare(refusal, used)
        before = (used.requested, used.scopes) if used else ()
        yield from self._authorize(found, ours, scopes.union(*before, found.challenged))

    def _refresh(self, held: Grant) -> Flow[bool]:
        """Refresh a grant; where that is refused, forget it. Whether it was refreshed."""
        ours = self.vault.registration(held.issuer)
        if held.refresh_token is not None and ours is not None and ours.client_id == held.client_id:
            try:
                refreshed = yield from grant.refresh(held, ours, self._clock(), self._identity.key)
            except ErrorResponse as error:
                if error.error not in ("invalid_grant", "invalid_client", "unauthorized_client", "invalid_request"):
                    raise
            else:
                self.vault.keep_grant(self.server_url, refreshed)
                return True
        self.vault.forget_grant(self.server_url)
        return False

    def _authorize(self, found: Discovery, ours: Registration, wanted: tuple[str, ...] | None) -> Flow[None]:
        if not self._policy.attended:
            received = yield from self._without_sign_in(found, ours, wanted)
            self.vault.keep_grant(self.server_url, received)
            return
        offline = self._policy.offline_access and knows(self.revision, "offline access")
        if wanted and offline and "offline_access" in found.metadata.scopes_supported:
            wanted = scopes.union(wanted, ("offline_access",))
        pending = authorization.begin(found, ours, self._redirect_uri, wanted)
        if not knows(self.revision, "announced issuer"):
            pending = replace(pending, iss_advertised=False)
        callback_url = yield from ask(SignIn(pending))
        yield from self._complete(pending, callback_url)

    def _without_sign_in(self, found: Discovery, ours: Registration, wanted: tuple[str, ...] | None) -> Flow[Grant]:
        key = self._identity.key
        if self._policy.assertion is None:
            return (yield from grant.client_credentials(found, ours, wanted, self._clock(), key))
        assertion = yield from self._policy.assertion(found, wanted)
        return (yield from grant.jwt_bearer(found, ours, assertion, wanted, self._clock(), key))

    def _proven(self, flow: Flow[T]) -> Flow[T]:
        """The flow with DPoP proofs on its requests, if that is wanted."""
        return self._prover.prove(flow) if self._prover else flow

    def _choose(self, offered: Sequence[str], held: Grant | None) -> str:
        return choose_issuer(
            offered,
            preferred=self._policy.issuers,
            held=(held.issuer,) if held else (),
            known=lambda issuer: not self.vault.is_shared and self.vault.registration(issuer) is not None,
            ask=self._policy.choose,
        )

    def _check_issuer(self, found: Discovery, held: Grant | None) -> None:
        """Refuse to take pre-registered credentials to another authorization server (SEP-2352)."""
        issuer = found.metadata.issuer
        if self._identity.client_id is None or self._identity.issuer is not None:
            return
        if held is not None and held.issuer != issuer:
            raise IssuerChanged(f"The client id is from {held.issuer}, but the MCP server now relies on {issuer}.")
        self._identity = replace(self._identity, issuer=issuer)

    def _asks_for_more(self, response: Response, bearer: Challenge) -> bool:
        """Whether an answer is a challenge to step up (MCP 2026-07-28 Authorization › Scope Challenge Handling)."""
        known = knows(self.revision, "scope challenges")
        return known and response.status == 403 and bearer.parameters.get("error") == "insufficient_scope"

    def _count(self, challenged: tuple[str, ...]) -> None:
        self._step_ups[challenged] += 1
        if self._step_ups[challenged] > _STEP_UPS:
            raise StepUpExhausted(f"The MCP server keeps asking for {scopes.join(challenged) or 'more permissions'}.")


def _authorized(step: Step, used: Grant | None) -> Step:
    return step.with_token(used.access_token, used.token_type) if used else step.with_token(None)
