"""A million tokens that no server may take, made from good ones: `hostile_tokens.py --number 1000000`.

Every token comes with what has to be said of it, known from how it was made. Nearly all have one thing wrong: a claim
below a good signature, the signature, the header, the spelling of the base64url or of the JSON, a key of somebody else.
A few are good, some of them oddly, so that a verifier which refuses everything does not pass. What is accepted is also
held against another library (PyJWT) and the claims.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import random
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mcp_demo.oauth.access_token import AccessToken, Rules
from mcp_demo.oauth.unverified_token import TokenRejected
from mcp_demo.server.keys import KeysUnavailable, SigningKeys
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer

NOW: Final = 1_800_000_000
RESOURCE: Final = "https://mcp.example/mcp"
ISSUER: Final = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Abc"
SCOPES: Final = frozenset({f"{RESOURCE}/read", f"{RESOURCE}/write"})
RULES: Final = Rules(ISSUER, RESOURCE, SCOPES)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD = ("", " ", "=", "==", "\n", "\t", "\x00", ".", "+", "/", "%3D", "\u200b", "é", "\ufeff", "'", '"', ",", "Bearer ")


@dataclass(frozen=True, slots=True)
class Made:
    """A token, how it was made, and whether a server may take it."""

    family: str
    text: str
    good: bool = False


@dataclass(slots=True)
class Tally:
    """What became of the tokens."""

    made: Counter[str] = field(default_factory=Counter[str])
    accepted: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    wrong: list[Made] = field(default_factory=list[Made])
    seconds: float = 0.0


class Forge:
    """Makes tokens: the same changes for the same seed, with new keys.

    Args:
        seed: Of all that is random.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.key = rsa.generate_private_key(65537, 2048)
        self._strange = rsa.generate_private_key(65537, 2048)
        public = self.key.public_key()
        numbers = public.public_numbers()
        self.jwk = {"kty": "RSA", "kid": "key-1", "use": "sig", "alg": "RS256", "e": "AQAB"}
        self.jwk["n"] = encode(numbers.n.to_bytes(256, "big"))
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._confusions = (self.public_pem, self.public_pem.strip(), der, numbers.n.to_bytes(256, "big"))
        self._confusions += (self.jwk["n"].encode(), json.dumps(self.jwk).encode(), b"", b"secret")
        self._modulus = numbers.n
        self._recent: list[str] = [self.good().text]
        self._families: tuple[tuple[int, Callable[[], Made]], ...] = (
            (12, self._claim),
            (6, self._header),
            (4, self._duplicate),
            (5, self._json),
            (3, self._stranger),
            (4, self._odd_but_good),
            (1, self.good),
            (9, self._confusion),
            (14, self._signature),
            (14, self._spelling),
            (8, self._structure),
            (12, self._unsigned_change),
            (8, self._noise),
        )

    def __iter__(self) -> Iterator[Made]:
        """Tokens without end."""
        weights = [weight for weight, _ in self._families]
        makers = [maker for _, maker in self._families]
        while True:
            for maker in self._random.choices(makers, weights, k=256):
                made = maker()
                if made.good:
                    self._recent = [*self._recent[-63:], made.text]
                elif made.text in self._recent:  # nothing was changed
                    continue
                yield made

    def good(self) -> Made:
        """A token as the issuer makes them."""
        return Made("good", self._sign(self._members(), self._claims()), good=True)

    # --- with the issuer's own signature

    def _claim(self) -> Made:
        claims = self._claims()
        name, value = self._pick(_bad_claims(self._random))
        if name == "iat":
            claims["exp"] = NOW + 10**7  # else it would be after `exp`, which is another rule
        if value is _ABSENT:
            claims.pop(name, None)
        else:
            claims[name] = value
        return Made("a claim is wrong", self._sign(self._members(), claims))

    def _header(self) -> Made:
        members = self._members()
        name, value = self._pick(_bad_members(self._random))
        if value is _ABSENT:
            members.pop(name, None)
        else:
            members[name] = value
        return Made("the header is wrong", self._sign(members, self._claims()))

    def _duplicate(self) -> Made:
        first, second = (json.dumps(part)[1:-1] for part in (self._members(), self._claims()))
        name = self._pick(("iss", "aud", "exp", "sub", "scope", "token_use", "client_id", "unknown"))
        pair = f'"{name}": {json.dumps(self._pick((self._claims().get(name), "other", 9**9, None)))}'
        if self._random.random() < 0.3:
            pair = self._pick(('"alg": "none"', '"kid": "key-1"', '"alg": "RS256"', '"x": 1, "x": 1'))
            first = self._pick((f"{first}, {pair}", f"{pair}, {first}"))
            if '"x"' not in pair and first.count(pair.partition(":")[0]) < 2:
                first += f", {pair}"
        else:
            second = (
                f"{second}, {pair}, {pair}"
                if name == "unknown"
                else self._pick((f"{second}, {pair}", f"{pair}, {second}"))
            )
        return Made("a member appears twice", self._sign_raw(f"{{{first}}}".encode(), f"{{{second}}}".encode()))

    def _json(self) -> Made:
        claims = json.dumps(self._claims())
        raw = self._pick(
            (
                claims[:-1] + ', "x": NaN}',
                claims[:-1] + ', "x": -Infinity}',
                claims.replace(f'"exp": {NOW + 60}', '"exp": 1e999'),
                claims.replace(f'"exp": {NOW + 60}', '"exp": Infinity'),
                claims.replace(f'"exp": {NOW + 60}', f'"exp": {"9" * self._random.randint(13, 900)}'),
                claims.replace(f'"exp": {NOW + 60}', '"exp": -0'),
                claims.replace('"', "'"),
                claims + "}",
                claims[:-1],
                claims + claims,
                f"[{claims}]",
                json.dumps(claims),
                "/* */" + claims,
                "\ufeff" + claims,
                claims[:-1] + ",}",
                claims[:-1] + ', "x": ' + "[" * 2000 + "]" * 2000 + "}" if self._random.random() < 0.1 else "null",
                "",
                "0",
                '""',
            )
        ).encode()
        if self._random.random() < 0.15:
            raw = claims.encode(self._pick(("utf-16", "utf-32", "utf-16-le")))
        elif self._random.random() < 0.1:
            raw = raw[:-1] + b', "x": "\xff\xc0"}'
        return Made("no JSON object", self._sign_raw(json.dumps(self._members()).encode(), raw))

    def _stranger(self) -> Made:
        members, key = self._members(), self._strange
        if self._random.random() < 0.5:
            numbers = key.public_key().public_numbers()
            own = {"kty": "RSA", "n": encode(numbers.n.to_bytes(256, "big")), "e": "AQAB", "kid": "key-1"}
            members |= self._pick(
                ({"jwk": own}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/c"})
            )
        raw = self._signing_input(members, self._claims())
        return Made(
            "somebody else's key", f"{raw}.{encode(key.sign(raw.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
        )

    def _odd_but_good(self) -> Made:
        claims, members = self._claims(), self._members()
        act = self._random.randrange(8)
        if act == 0:
            claims["aud"] = self._pick(([RESOURCE], ["https://other.example", RESOURCE], [RESOURCE, RESOURCE]))
        elif act == 1:
            claims["exp"], claims["iat"] = NOW + self._random.random() * 1000 + 0.001, NOW - self._random.random() * 59
        elif act == 2:
            claims = dict(self._random.sample(list(claims.items()), len(claims)))
        elif act == 3:
            claims["exp"] = NOW + self._pick((1, 2, 86_400))
            claims["nbf"] = self._pick((0, NOW - 1, NOW))
        elif act == 4:
            members["typ"] = self._pick(("JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"))
        elif act == 5:
            claims["scope"] = self._pick(("", f"openid {RESOURCE}/read", f"{RESOURCE}/write email"))
        elif act == 6:
            claims |= {"x": [{"aud": "other"}], "é": None, "cognito:groups": ["a"], "version": 2}
            claims.pop("username")
        else:
            raw = json.dumps(claims, indent=self._random.randrange(3), ensure_ascii=self._random.random() < 0.5)
            return Made("odd but good", self._sign_raw(json.dumps(members).encode(), raw.encode()), good=True)
        return Made("odd but good", self._sign(members, claims), good=True)

    # --- without it

    def _confusion(self) -> Made:
        members = self._members() | {
            "alg": self._pick(("none", "None", "nOnE", "", "HS256", "HS384", "HS512", "RS256"))
        }
        if self._random.random() < 0.2:
            members.pop("kid")
        raw = self._signing_input(members, self._claims())
        kind = {"HS384": "sha384", "HS512": "sha512"}.get(members["alg"], "sha256")
        made = hmac.new(self._pick(self._confusions), raw.encode(), kind).digest()
        return Made("confusion of algorithms", f"{raw}.{encode(self._pick((made, made, b'', b'0')))}")

    def _signature(self) -> Made:
        head, _, text = self._pick(self._recent).rpartition(".")
        signature = bytearray(urlsafe_b64decode(text + "=="))
        act = self._random.randrange(8)
        if act < 3:
            signature[self._random.randrange(256)] ^= 1 << self._random.randrange(8)
        elif act == 3:
            signature = signature[: self._random.randrange(256)]
        elif act == 4:
            signature += self._random.randbytes(self._random.randint(1, 9))
        elif act == 5:  # the same number, written otherwise
            number = int.from_bytes(signature, "big")
            wide = self._random.randint(257, 260)
            signature = bytearray(self._pick((number, number + self._modulus)).to_bytes(wide, "big"))
        elif act == 6:
            signature = bytearray(self._pick((bytes(256), b"\xff" * 256, bytes(255) + b"\x01", b"")))
        else:
            other = self._pick(self._recent)
            signature = bytearray(urlsafe_b64decode(other.rpartition(".")[2] + "==")[::-1])
        return Made("the signature is wrong", f"{head}.{encode(bytes(signature))}")

    def _spelling(self) -> Made:
        parts = self._pick(self._recent).split(".")
        number = self._random.randrange(3)
        part = parts[number]
        act = self._random.randrange(5)
        if act == 0 and len(part) % 4:  # the bits that say nothing
            spare = {2: 16, 3: 4}[len(part) % 4]
            last = _ALPHABET.index(part[-1])
            part = part[:-1] + _ALPHABET[last - last % spare + (last + self._random.randint(1, spare - 1)) % spare]
        elif act == 1:
            part += "=" * self._random.randint(1, 4)
        elif act == 2:
            part = part.replace("-", "+").replace("_", "/")
        elif act == 3:
            place = self._random.randint(0, len(part))
            part = part[:place] + self._pick(_ODD[1:]) + part[place:]
        else:
            place = self._random.randrange(len(part))
            part = f"{part[:place]}%{ord(part[place]):02X}{part[place + 1 :]}"
        parts[number] = part
        return Made("spelled otherwise", ".".join(parts))

    def _structure(self) -> Made:
        first, second, third = self._pick(self._recent).split(".")
        return Made(
            "taken apart",
            self._pick(
                (
                    f"{first}.{second}",
                    f"{first}.{second}.",
                    f"{first}..{third}",
                    f".{second}.{third}",
                    f"{first}.{second}.{third}.",
                    f".{first}.{second}.{third}",
                    f"{second}.{first}.{third}",
                    f"{first}.{second}.{third}.{third}",
                    f"{first}.{second}.{third}.{third}.{third}",
                    f"{first}.{first}.{third}",
                    f" {first}.{second}.{third}",
                    f"{first}.{second}.{third}\n",
                    f"Bearer {first}.{second}.{third}",
                    f"{first}.{second}.{third},{first}.{second}.{third}",
                    json.dumps({"protected": first, "payload": second, "signature": third}),
                    first * self._random.randint(1, 20),
                    f"{first}.{second * 20}.{third}",
                    "." * self._random.randint(0, 5),
                )
            ),
        )

    def _unsigned_change(self) -> Made:
        parts = self._pick(self._recent).split(".")
        number = self._random.randrange(2)
        data = bytearray(urlsafe_b64decode(parts[number] + "=="))
        if number and self._random.random() < 0.5:
            claims: dict[str, Any] = json.loads(data)
            name = self._pick(("sub", "client_id", "username", "scope", "exp", "iat", "admin"))
            claims[name] = self._pick(("root", f"{RESOURCE}/write", NOW + 10**6, True, [RESOURCE]))
            data = bytearray(json.dumps(claims).encode())
        else:
            for _ in range(self._random.randint(1, 3)):
                data[self._random.randrange(len(data))] = self._random.randrange(256)
        parts[number] = encode(bytes(data))
        return Made("changed and not signed anew", ".".join(parts))

    def _noise(self) -> Made:
        text = list(self._pick(self._recent))
        for _ in range(self._random.randint(1, 4)):
            place = self._random.randrange(len(text))
            act = self._random.randrange(4)
            if act == 0:
                text[place] = self._pick(_ALPHABET)
            elif act == 1:
                text[place] = self._pick(_ODD)
            elif act == 2:
                text.insert(place, self._pick(_ALPHABET))
            else:
                other = self._random.randrange(len(text))
                text[place], text[other] = text[other], text[place]
        return Made("noise", "".join(text))

    def _claims(self) -> dict[str, Any]:
        person = self._random.randrange(10**9)
        claims: dict[str, Any] = {"iss": ISSUER, "sub": f"user-{person}", "client_id": "app", "username": "demo"}
        claims |= {
            "token_use": "access",
            "aud": RESOURCE,
            "scope": f"{RESOURCE}/read",
            "iat": NOW - 60,
            "exp": NOW + 60,
        }
        return claims

    @staticmethod
    def _members() -> dict[str, Any]:
        return {"alg": "RS256", "kid": "key-1"}

    def _signing_input(self, members: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        return f"{encode(json.dumps(members).encode())}.{encode(json.dumps(claims).encode())}"

    def _sign(self, members: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        return self._sign_raw(json.dumps(members).encode(), json.dumps(claims).encode())

    def _sign_raw(self, members: bytes, claims: bytes) -> str:
        raw = f"{encode(members)}.{encode(claims)}"
        return f"{raw}.{encode(self.key.sign(raw.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def _pick(self, choices: Any) -> Any:
        return self._random.choice(choices)


_ABSENT: Final = object()
_TEXTS: Final[tuple[Any, ...]] = ("", " ", "other", 0, 1, True, None, [], {}, ["x"], {"x": 1})
_NO_TIMES: Final[tuple[Any, ...]] = (
    "1800000060",
    True,
    None,
    [],
    {},
    [NOW + 60],
    -1,
    -1e300,
    10**400,
    1e300,
    253_402_300_800,
)


def _bad_claims(chance: random.Random) -> list[tuple[str, Any]]:
    """One of each claim's wrong values."""
    number = chance.randint(1, 10**6)
    issuers = (f"{ISSUER}/", f"{ISSUER} ", ISSUER.upper(), ISSUER[:-1], f"{ISSUER}c", ISSUER.replace("https", "http"))
    audiences = (
        f"{RESOURCE}/",
        RESOURCE.upper(),
        RESOURCE[:-1],
        f"{RESOURCE}/read",
        f"{RESOURCE} ",
        "*",
        [RESOURCE.title()],
    )
    resources: tuple[Any, ...] = (
        [],
        ["other"],
        [RESOURCE, 1],
        [[RESOURCE]],
        {RESOURCE: 1},
        [None],
        f"{RESOURCE},other",
        f"x {RESOURCE}",
    )
    choices: dict[str, tuple[Any, ...]] = {
        "iss": (*issuers, *_TEXTS, [ISSUER], _ABSENT),
        "aud": (*audiences, *resources, *_TEXTS, _ABSENT),
        "exp": (*_NO_TIMES, 0, NOW, NOW - number, NOW - 1e-6, NOW - 61, _ABSENT),
        "nbf": (*_NO_TIMES, NOW + number, NOW + 0.001, NOW + 1),
        "iat": (*_NO_TIMES, NOW + 61, NOW + 61, NOW + 60 + number),
        "token_use": ("id", "Access", "access ", "refresh", *_TEXTS, ["access"], _ABSENT),
        "sub": ("", 0, 7, True, None, [], {}, ["user"], _ABSENT),
        "client_id": ("", 0, 7, True, None, [], {}, ["app"], _ABSENT),
        "username": ("", 0, True, None, [], {}),
        "scope": (0, True, None, [f"{RESOURCE}/read"], {}, "a\nb", 'a"b', "a\\b", "é", "a\tb", "\x00"),
        "act": ("root", 1, [], {"act": {}}, {"sub": 1}, {"sub": ""}),
    }
    return [(name, chance.choice(values)) for name, values in choices.items()]


def _bad_members(chance: random.Random) -> list[tuple[str, Any]]:
    algorithms = (
        "none",
        "HS256",
        "RS384",
        "RS512",
        "PS256",
        "ES256",
        "EdDSA",
        "rs256",
        "RS256 ",
        "",
        0,
        None,
        ["RS256"],
    )
    keys = (
        "key-2",
        "Key-1",
        "key-1 ",
        "../key-1",
        "key-1\x00",
        "' or 1=1 --",
        "/dev/null",
        "https://evil.example/jwks",
    )
    kinds: tuple[Any, ...] = (
        "id+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "logout+jwt",
        "JOSE",
        "",
        "at+jwt ",
        0,
        None,
        ["JWT"],
        {},
    )
    choices: dict[str, tuple[Any, ...]] = {
        "alg": (*algorithms, _ABSENT),
        "kid": (*keys, "k" * 257, "k" * 600, "", 0, 1, True, None, ["key-1"], {"key-1": 1}, _ABSENT),
        "typ": kinds,
        "crit": (["exp"], [], None, "b64", ["b64"], True),
        "b64": (False, True, None),
    }
    return [(name, chance.choice(values)) for name, values in choices.items()]


def encode(data: bytes) -> str:
    """Base64url as JWTs have it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def agrees(forge: Forge, made: Made, said: AccessToken) -> bool:
    """Whether another library and the claims themselves say the same of an accepted token."""
    off: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        claims: dict[str, Any] = jwt.decode(
            made.text, forge.public_pem, algorithms=["RS256"], audience=RESOURCE, issuer=ISSUER, options=off
        )
    except jwt.PyJWTError:
        return False
    alive = claims.get("nbf", 0) <= NOW < claims["exp"]
    told = (said.subject, said.client_id, said.username, said.expires_at, " ".join(said.scopes))
    meant = (claims["sub"], claims["client_id"], claims.get("username"), claims["exp"], claims.get("scope", ""))
    return alive and claims["token_use"] == "access" and told == meant


async def present(number: int, seed: int, *, tally: Tally | None = None) -> Tally:
    """Show so many tokens to a verifier as the server has it, keys over HTTP included."""
    tally, forge = tally or Tally(), Forge(seed)
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json={"keys": [forge.jwk]}))
    async with httpx.AsyncClient(transport=answer) as http:
        keys = SigningKeys("https://issuer.example/jwks", http, clock=lambda: 0.0)
        verifier = TokenVerifier([TrustedIssuer(RULES, keys)], clock=lambda: float(NOW))
        began = time.perf_counter()
        for _, made in zip(range(number), forge, strict=False):
            await _show(verifier, forge, made, tally)
        tally.seconds += time.perf_counter() - began
    return tally


async def _show(verifier: TokenVerifier, forge: Forge, made: Made, tally: Tally) -> None:
    tally.made[made.family] += 1
    try:
        said = await verifier.verify(made.text)
    except TokenRejected as refusal:
        tally.reasons[refusal.reason] += 1
        right = not made.good
    except KeysUnavailable:
        right = False
    else:
        tally.accepted[made.family] += 1
        right = made.good and agrees(forge, made, said)
    if not right:
        tally.wrong.append(made)


def table(tally: Tally, seed: int) -> str:
    """What became of them, for people."""
    total = sum(tally.made.values())
    lines = ["| How it was made | Tokens | Accepted |", "|---|---:|---:|"]
    lines += [f"| {name} | {number:,} | {tally.accepted[name]:,} |" for name, number in sorted(tally.made.items())]
    lines += [f"| **all** | **{total:,}** | **{sum(tally.accepted.values()):,}** |", ""]
    digest = hashlib.sha256(repr(sorted(tally.made.items())).encode()).hexdigest()[:8]
    rate = f"{total / tally.seconds:,.0f} tokens/s, made and judged"
    lines.append(f"Seed {seed} ({digest}): {len(tally.wrong)} judged wrongly; {rate}.")
    lines.append(
        "Refused for: " + ", ".join(f"{name} {number:,}" for name, number in tally.reasons.most_common()) + "."
    )
    return "\n".join(lines)


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--number", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    tally = asyncio.run(present(chosen.number, chosen.seed))
    sys.stdout.write(table(tally, chosen.seed) + "\n")
    for made in tally.wrong[:20]:
        sys.stdout.write(f"WRONG ({made.family}, good={made.good}): {made.text!r}\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
