"""Who may register at all: initial access tokens (RFC 7591 §3), judged before the registration function runs.

The Lambda authorizer of `POST /register`. It answers with a policy, as API Gateway wants; the gateway turns a "no" into
the challenge of RFC 6750 §3. No cache keeps an answer: a token that was taken off the list is refused from then on.
"""

import hmac
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mcp_demo.registry.model import hash_secret


@dataclass(frozen=True, slots=True)
class InitialToken:
    """A token as the settings have it.

    Args:
        label: Whom it was given to; stands in the access log.
        hash: `hash_secret` of the token.
        ends: When it ends, in seconds since the epoch; None for never.
    """

    label: str
    hash: str
    ends: float | None = None


def parse(text: str) -> tuple[InitialToken, ...]:
    """The tokens of the parameter `InitialAccessTokens`: LABEL:HASH or LABEL:HASH:LAST-DAY, separated by commas.

    Raises:
        ValueError: An entry is not like that.
    """
    return tuple(_parse(entry) for entry in text.split(",") if entry)


def label_of(token: str, tokens: Iterable[InitialToken], now: float) -> str | None:
    """Whose token this is; None for a token that is unknown or over. Takes equally long for every wrong one."""
    presented, found = hash_secret(token), None
    for known in tokens:
        matches = hmac.compare_digest(presented, known.hash)
        if matches and (known.ends is None or now < known.ends):
            found = known.label
    return found


def authorize(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The authorizer (API Gateway, type TOKEN)."""
    # That it is a bearer token at all, the gateway has compared with its pattern.
    token = str(event.get("authorizationToken", "")).partition(" ")[2].strip()
    label = label_of(token, parse(os.environ["INITIAL_ACCESS_TOKENS"]), time.time())
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Deny" if label is None else "Allow",
        "Resource": event["methodArn"],
    }
    return {
        "principalId": label or "nobody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }


def _parse(entry: str) -> InitialToken:
    label, digest, *rest = entry.strip().split(":")
    ends = None
    if rest:
        try:
            day = datetime.strptime(rest[0], "%Y-%m-%d").replace(tzinfo=UTC)
            ends = (day + timedelta(days=1)).timestamp()
        except (ValueError, OverflowError):
            raise ValueError(f"{rest[0]} is no last day. Give one that the calendar has, like 2027-01-31.") from None
    return InitialToken(label, digest, ends)
