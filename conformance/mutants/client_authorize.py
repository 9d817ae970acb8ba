"""Bugs planted in the client: the authorization request, and what it makes of the response."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from conformance.mutants.client_messages import query, registers, with_query
from conformance.mutants.client_plant import Changed, planted
from mcp_demo.client.registration import Registration
from mcp_demo.client.storage import Vault
from mcp_demo.oauth import authorization, pkce, redirect_uri, server_metadata
from mcp_demo.oauth.errors import ErrorResponse

_PKCE = "mcp_demo.client.authorization.pkce"
_ONE_VERIFIER = pkce.new_verifier()

planted(
    "no-pkce",
    "There is no PKCE.",
    "authorize.pkce",
    asks=lambda url: with_query(url, code_challenge=None, code_challenge_method=None),
)
planted(
    "one-verifier",
    "The verifier is made once.",
    "authorize.pkce",
    rules={_PKCE: Changed(pkce, new_verifier=lambda: _ONE_VERIFIER)},
)
planted(
    "short-verifier",
    "The verifier is short.",
    "authorize.pkce",
    rules={_PKCE: Changed(pkce, new_verifier=lambda: pkce.new_verifier()[:20])},
)
planted(
    "verifier-of-another",
    "The verifier in the token request is not the one of the challenge.",
    "authorize.pkce",
    rules={_PKCE: Changed(pkce, challenge=lambda verifier: pkce.challenge(f"{verifier}x"))},
)
planted(
    "plain-pkce",
    "The challenge is the verifier itself.",
    "authorize.s256",
    rules={_PKCE: Changed(pkce, challenge=lambda verifier: verifier)},
    asks=lambda url: with_query(url, code_challenge_method="plain"),
)
planted(
    "pkce-taken-for-granted",
    "Metadata that says nothing of PKCE is good enough.",
    "authorize.pkce-unlisted",
    rules={"mcp_demo.client.engine.server_metadata": Changed(server_metadata, require_s256=lambda metadata: None)},
)
planted(
    "any-state",
    "The state of the response is not compared.",
    "authorize.state",
    hears=lambda url, asked: with_query(url, state=query(asked)["state"]),
)
planted(
    "no-state",
    "There is no state.",
    "authorize.state",
    asks=lambda url: with_query(url, state=None),
    hears=lambda url, asked: with_query(url, state=query(asked)["state"]),
)


class _SameAgain:
    """No randomness at all."""

    @staticmethod
    def token_urlsafe(length: int) -> str:
        return "a" * length


planted(
    "one-state",
    "The state is always the same.",
    "authorize.state",
    rules={"mcp_demo.client.authorization.secrets": _SameAgain},
)
planted(
    "opens-anything",
    "Whatever the metadata has as authorization endpoint is opened.",
    "authorize.endpoint-scheme",
    rules={
        "mcp_demo.oauth.server_metadata.is_secure_url": lambda url: "plain" not in url,
        "mcp_demo.client.authorization.is_secure_url": lambda url: True,
    },
)
planted(
    "browser-by-shell",
    "The browser is started by a command line.",
    "authorize.no-shell",
    opens=lambda url, home: subprocess.run(f": {url}", shell=True, check=False, capture_output=True, timeout=5),  # noqa: S602
)
planted(
    "redirect-of-before",
    "The redirect URI is another one than was registered.",
    "authorize.redirect-registered",
    rules={
        "mcp_demo.client.authorization.redirect_uri": Changed(redirect_uri, is_registered=lambda *_: True),
    },
    sends=registers(redirect_uris=["http://localhost:3000/oauth/cb"]),
)
planted(
    "plain-redirect",
    "The response comes back over http to another machine.",
    "authorize.redirect-scheme",
    "authorize.redirect-registered",
    rules={"mcp_demo.client.authorization.is_secure_url": lambda url: True},
    redirect_uri="http://client.conformance.example/callback",
)
planted(
    "listens-everywhere",
    "The callback is listened for at all addresses.",
    "authorize.redirect-scheme",
    listening=("any",),
)

# --- which issuer

_ANSWERS = "mcp_demo.client.pending.authorization"


def _reading(read: Callable[..., str]) -> Mapping[str, Any]:
    return {_ANSWERS: Changed(authorization, read_response=read)}


def _only_if_announced(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    heard = url if iss_advertised else with_query(url, iss=None)
    return authorization.read_response(heard, state=state, issuer=issuer, iss_advertised=iss_advertised)


def _never_missed(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    del iss_advertised
    return authorization.read_response(url, state=state, issuer=issuer, iss_advertised=False)


def _always_demanded(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    del iss_advertised
    return authorization.read_response(url, state=state, issuer=issuer, iss_advertised=True)


def _alike(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    found = query(url).get("iss", "").lower().rstrip("/").replace("%6c", "l")
    heard = with_query(url, iss=issuer) if found == issuer.rstrip("/") else url
    return authorization.read_response(heard, state=state, issuer=issuer, iss_advertised=iss_advertised)


def _error_first(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    found = query(url)
    if "error" in found:
        raise ErrorResponse(found["error"], found.get("error_description"))
    return authorization.read_response(url, state=state, issuer=issuer, iss_advertised=iss_advertised)


planted(
    "iss-only-if-announced",
    "The iss is compared only where the metadata announces it.",
    "issuer.compare",
    rules=_reading(_only_if_announced),
)
planted("iss-never-missed", "A missing iss is always fine.", "issuer.missing", rules=_reading(_never_missed))
planted(
    "iss-always-demanded",
    "The iss is demanded of every issuer.",
    "issuer.absent-is-fine",
    rules=_reading(_always_demanded),
)
planted("iss-normalised", "The iss is normalised before it is compared.", "issuer.exact", rules=_reading(_alike))
planted(
    "error-before-iss",
    "Errors are shown before the iss is compared.",
    "issuer.error-response",
    rules=_reading(_error_first),
)


_own_registration = Vault.registration


def _newest(vault: Vault, issuer: str) -> Registration | None:
    last = vault._registrations.get("newest client")  # pyright: ignore[reportPrivateUsage]
    found = _own_registration(vault, last) if last else None
    return None if found is None else replace(found, issuer=issuer)


def _newest_of_all(vault: Vault, issuer: str) -> Registration | None:
    return None if _own_registration(vault, issuer) is None else _newest(vault, issuer)


planted(
    "one-drawer",
    "Registrations are kept by MCP server: the new issuer is shown the old client id.",
    "issuer.new-credentials",
    rules={"mcp_demo.client.storage.Vault.registration": _newest},
)
planted(
    "newest-registration",
    "Of several registrations the newest is used, whoever made it.",
    "issuer.own-credentials",
    rules={"mcp_demo.client.storage.Vault.registration": _newest_of_all},
)
