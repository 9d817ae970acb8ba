"""Bugs in the validation of tokens: each leaves one rule out, or gets it wrong."""

import json
from collections.abc import Callable

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from conformance.issuer import decode, hmac_signer
from conformance.mutants.plant import RESULT, Answer, Claims, Fix, Forward, Seen, forgive, mutant, peek, signed
from conformance.mutants.reference import Lab


def _forgives(check: str, name: str, bug: str, fix: Callable[[Claims, Claims, Lab], object], *also: str) -> None:
    """A bug of a validator that is right about the signature, and lets one claim or header member pass."""

    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        rule: Fix = lambda claims, header: fix(claims, header, lab)  # noqa: E731 - reads as what it is
        return await forward(forgive(seen, lab, rule))

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(check, also=also)(behaviour)


def _if(condition: bool, members: Claims, **changes: object) -> None:
    if condition:
        members.update(changes)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


_ISS = "rs.token.issuer"
_forgives(_ISS, "ignores_iss", "iss is not looked at.", lambda c, h, lab: c.update(iss=lab.issuer.issuer))
_forgives(
    _ISS,
    "matches_iss_by_host",
    "Every user pool of the same host is trusted.",
    lambda c, h, lab: _if(_text(c, "iss").startswith(lab.issuer.issuer.rpartition("/")[0]), c, iss=lab.issuer.issuer),
)
_forgives(
    _ISS,
    "trims_iss",
    "A slash at the end of iss is dropped.",
    lambda c, h, lab: _if(_text(c, "iss") == f"{lab.issuer.issuer}/", c, iss=lab.issuer.issuer),
)
_forgives(
    _ISS,
    "lowers_iss",
    "iss is compared without regard to case.",
    lambda c, h, lab: _if(_text(c, "iss").lower() == lab.issuer.issuer.lower(), c, iss=lab.issuer.issuer),
)
_forgives(
    _ISS,
    "searches_iss",
    "The trusted issuer may stand anywhere in iss.",
    lambda c, h, lab: _if(lab.issuer.issuer in _text(c, "iss"), c, iss=lab.issuer.issuer),
)
_forgives(
    _ISS, "needs_no_iss", "A token without iss is fine.", lambda c, h, lab: c.setdefault("iss", lab.issuer.issuer)
)

_AUD, _WHOLE, _ABSENT = "rs.token.audience", "rs.token.audience-whole", "rs.token.audience-absent"
_forgives(_AUD, "ignores_aud", "aud is not looked at.", lambda c, h, lab: _if("aud" in c, c, aud=lab.url), _WHOLE)
_forgives(
    _AUD,
    "takes_client_id_as_aud",
    "aud may be the client id.",
    lambda c, h, lab: _if(c.get("aud") == c.get("client_id"), c, aud=lab.url),
)
_forgives(
    _AUD,
    "takes_issuer_as_aud",
    "aud may be the authorization server.",
    lambda c, h, lab: _if(c.get("aud") == lab.issuer.issuer, c, aud=lab.url),
)
_forgives(
    _WHOLE,
    "matches_aud_by_prefix",
    "aud has to begin with the resource.",
    lambda c, h, lab: _if(_text(c, "aud").startswith(lab.url), c, aud=lab.url),
)
_forgives(
    _WHOLE,
    "matches_aud_the_other_way",
    "aud has to be a beginning of the resource.",
    lambda c, h, lab: _if(bool(_text(c, "aud")) and lab.url.startswith(_text(c, "aud")), c, aud=lab.url),
)
_forgives(
    _WHOLE,
    "searches_aud",
    "The resource may stand anywhere in aud.",
    lambda c, h, lab: _if(lab.url in _text(c, "aud"), c, aud=lab.url),
)
_forgives(
    _WHOLE,
    "lowers_aud",
    "aud is compared without regard to case.",
    lambda c, h, lab: _if(_text(c, "aud").lower() == lab.url.lower(), c, aud=lab.url),
)
_forgives(
    _WHOLE,
    "knows_no_arrays",
    "An aud that is an array is refused.",
    lambda c, h, lab: _if(isinstance(c.get("aud"), list), c, aud="array"),
)
_forgives(
    _ABSENT,
    "needs_no_aud",
    "A token without aud is fine.",
    lambda c, h, lab: c.setdefault("aud", lab.url) and c.update(scope=lab.issuer.scopes[0]) if "aud" not in c else None,
)

_EXP = "rs.token.expiry"
_LATER = 4_000_000_000
_forgives(
    _EXP,
    "ignores_exp",
    "Expiry is not checked.",
    lambda c, h, lab: _if("exp" in c, c, exp=_LATER),
    "rs.challenge.invalid-token",
)
_forgives(_EXP, "needs_no_exp", "A token without exp never expires.", lambda c, h, lab: c.setdefault("exp", _LATER))
_forgives(
    _EXP,
    "takes_words_as_exp",
    "An exp that is no number never comes.",
    lambda c, h, lab: _if(isinstance(c.get("exp"), str), c, exp=_LATER),
)
_forgives(
    _EXP,
    "takes_null_as_exp",
    "An exp of null means never.",
    lambda c, h, lab: _if("exp" in c and c["exp"] is None, c, exp=_LATER),
)
_forgives(
    _EXP,
    "allows_an_hour",
    "An hour of tolerance is given.",
    lambda c, h, lab: _if(
        isinstance(c.get("exp"), int), c, exp=int(c.get("exp") or 0) + 3600 if isinstance(c.get("exp"), int) else 0
    ),
    "rs.challenge.invalid-token",
)
_forgives("rs.token.not-before", "ignores_nbf", "nbf is not looked at.", lambda c, h, lab: c.pop("nbf", None))

_KIND = "rs.token.kind"
_ACCESS = {"token_use": "access"}
_forgives(_KIND, "takes_id_tokens", "token_use is not looked at.", lambda c, h, lab: c.update(_ACCESS))
_forgives(
    _KIND,
    "needs_no_token_use",
    "A token without token_use is fine.",
    lambda c, h, lab: c.setdefault("token_use", "access"),
)
_forgives(
    _KIND,
    "refuses_only_id_tokens",
    "Whatever is no ID token is an access token.",
    lambda c, h, lab: _if(c.get("token_use") != "id", c, **_ACCESS),
)
_forgives(
    "rs.token.critical-extension", "ignores_crit", "crit is not looked at.", lambda c, h, lab: h.pop("crit", None)
)

_KID = "rs.token.key-id"
_forgives(
    _KID,
    "takes_the_only_key",
    "With one key published, kid does not matter.",
    lambda c, h, lab: h.update(kid=lab.issuer.key.kid),
)
_forgives(
    _KID,
    "needs_no_kid",
    "A token without kid is tried with the first key.",
    lambda c, h, lab: h.setdefault("kid", lab.issuer.key.kid),
)


@mutant(_KID)
async def fetches_for_every_kid(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Each unknown kid makes the server fetch the keys anew."""
    found = peek(seen.token)
    if found and found[0].get("kid") != lab.issuer.key.kid:
        lab.downloads += 1
    return await forward(seen)


@mutant(_KID)
async def opens_kid_as_a_file(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Kid names a file that holds an HMAC key."""
    found = peek(seen.token)
    if found and str(found[0].get("kid")).endswith("/dev/null") and _hmac_fits(seen.token or "", b""):
        return RESULT
    return await forward(seen)


def _hmac_fits(token: str, secret: bytes, algorithm: str = "HS256") -> bool:
    head, payload, signature = token.split(".")
    return hmac_signer(secret, algorithm)(f"{head}.{payload}".encode()) == decode(signature)


_SIGNATURE = "rs.token.signature"


@mutant(_SIGNATURE)
async def decodes_without_verifying(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The signature of an RS256 token with a known kid is not checked."""
    found = peek(seen.token)
    if found and found[0].get("alg") == "RS256" and found[0].get("kid") == lab.issuer.key.kid:
        return await forward(seen.with_token(lab.issuer.sign(found[0], found[1])))
    return await forward(seen)


@mutant(_SIGNATURE)
async def remembers_good_signatures(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A signature that was good once is good for every content (a cache keyed by the signature alone)."""
    token = seen.token or ""
    signature = token.rpartition(".")[2]
    found = peek(token)
    if found and signed(token, lab.issuer.key):
        lab.memory[signature] = True
    elif found and lab.memory.get(signature):
        return RESULT
    return await forward(seen)


_UNSIGNED = "rs.token.unsigned"


def _unsigned(name: str, bug: str, spellings: tuple[str, ...], *, signature: bool) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        found = peek(seen.token)
        if found and found[0].get("alg") in spellings and (signature or (seen.token or "").endswith(".")):
            return RESULT
        return await forward(seen)

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(_UNSIGNED, also=("rs.challenge.invalid-token",) if "none" in spellings and not signature else ())(behaviour)


_unsigned("trusts_alg_none", "alg none is accepted.", ("none",), signature=False)
_unsigned("trusts_alg_none_in_capitals", "alg none is refused, NONE is not.", ("None", "NONE"), signature=False)
_unsigned("trusts_alg_none_in_mixed_case", "alg none is refused, nOnE is not.", ("nOnE",), signature=False)
_unsigned("trusts_alg_none_with_junk", "alg None with a junk signature is accepted.", ("None",), signature=True)

_ALGORITHM = "rs.token.algorithm"


def _confused(name: str, bug: str, secret: Callable[[RSAKey], bytes], algorithm: str = "HS256") -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        found = peek(seen.token)
        if (
            found
            and found[0].get("alg") == algorithm
            and _hmac_fits(seen.token or "", secret(lab.issuer.key), algorithm)
        ):
            return RESULT
        return await forward(seen)

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(_ALGORITHM)(behaviour)


_confused(
    "takes_the_pem_as_secret", "HS256 is checked with the public key's PEM.", lambda key: key.as_pem(private=False)
)
_confused(
    "takes_the_bare_pem_as_secret",
    "HS256 is checked with the trimmed PEM.",
    lambda key: key.as_pem(private=False).strip(),
)
_confused(
    "takes_the_der_as_secret", "HS256 is checked with the public key's DER.", lambda key: key.as_der(private=False)
)
_confused(
    "takes_the_jwk_as_secret",
    "HS256 is checked with the public JWK.",
    lambda key: json.dumps(key.as_dict(private=False)).encode(),
)
_confused(
    "takes_the_modulus_as_secret",
    "HS256 is checked with the modulus.",
    lambda key: decode(str(key.as_dict(private=False)["n"])),
)
_confused(
    "takes_the_pem_as_long_secret",
    "HS512 is checked with the public key's PEM.",
    lambda key: key.as_pem(private=False),
    "HS512",
)


def _other_algorithm(algorithm: str) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        return await forward(forgive(seen, lab, lambda _, header: header.update(alg="RS256"), algorithms=(algorithm,)))

    behaviour.__name__, behaviour.__doc__ = f"takes_{algorithm.lower()}", f"{algorithm} is accepted for an RS256 key."
    mutant(_ALGORITHM)(behaviour)


_other_algorithm("RS512")
_other_algorithm("PS256")

_EMBEDDED = "rs.token.embedded-key"


@mutant(_EMBEDDED)
async def trusts_the_key_in_the_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The signature is checked with the jwk that the token brings."""
    found = peek(seen.token)
    if found and "jwk" in found[0] and _signed_by(seen, found[0]["jwk"]):
        return RESULT
    return await forward(seen)


@mutant(_EMBEDDED)
async def trusts_the_address_in_the_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The key is fetched from the jku that the token names."""
    found = peek(seen.token)
    if found and "jku" in found[0]:
        key = (await _fetch(str(found[0]["jku"]))).json()["keys"][0]
        if _signed_by(seen, key):
            return RESULT
    return await forward(seen)


@mutant(_EMBEDDED)
async def visits_the_address_in_the_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The x5u that the token names is fetched, though not believed."""
    found = peek(seen.token)
    if found and "x5u" in found[0]:
        await _fetch(str(found[0]["x5u"]))
    return await forward(seen)


@mutant(_EMBEDDED)
async def trusts_the_certificate_in_the_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The signature is checked with the certificate that the token brings."""
    found = peek(seen.token)
    return RESULT if found and "x5c" in found[0] else await forward(seen)


def _signed_by(seen: Seen, key: Claims) -> bool:
    try:
        return signed(seen.token or "", RSAKey.import_key(key))
    except (JoseError, ValueError):
        return False


async def _fetch(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return await client.get(url)


@mutant("rs.token.fail-closed")
async def lets_in_without_keys(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """When the keys are out of reach, the check is skipped."""
    return RESULT if not lab.reachable and seen.token else await forward(seen)


@mutant("rs.token.fail-closed")
async def crashes_without_keys(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """When the keys are out of reach, the answer is a 500."""
    return Answer(500) if not lab.reachable and seen.token else await forward(seen)
