"""Faults between the processes: what user pool, DynamoDB and API Gateway answer on a bad day, put in by a relay."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

from benchmarks.faults import Made, Make, System, children_of
from benchmarks.relay import Answers, Head, Rule, answer

_HTML = b"<!doctype html><html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"
_LATEST = 10.0
_AT_WORK = 0.06  # seconds that a function takes
_THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException")

NOT_FOUND: Answers = (("404", answer("404 Not Found", b'{"message":"Not Found"}')),)
_HUGE = json.dumps({"keys": [{"kty": "RSA", "kid": str(n), "n": "A" * 342, "e": "AQAB"} for n in range(400)]}).encode()
_bad_jwks = deque(
    (
        *NOT_FOUND,
        ("HTML", answer("200 OK", _HTML, "text/html")),
        ("cut short", answer("200 OK", b'{"keys": [{"kty": "RSA", "kid": "')),
        ("150 KB", answer("200 OK", _HUGE)),
    )
)
_BUSY = b'{"error":"temporarily_unavailable","error_description":"Too many requests. Wait a moment and try again."}'
_BUSY_PLAIN = b'{"message":"Too Many Requests"}'  # of an API that nobody has given words of its own


def is_jwks(head: Head) -> bool:
    """Whether somebody asks for the signing keys."""
    return head.path.endswith("/.well-known/jwks.json")


async def bad_keys(system: System, seconds: float) -> Made:
    """The JWKS is gone, HTML, cut short, huge. Which of these comes next is remembered from one time to the next."""
    with system.relays["aws"].by(Rule(is_jwks, tuple(_bad_jwks))) as rule:
        await _met(rule, seconds)
    _bad_jwks.rotate(-rule.made.total())
    return rule.made


def dynamodb(*, silent: bool) -> Make:
    """DynamoDB refuses the bridge's requests for their number, or does not answer them."""

    def refusal(code: str) -> bytes:
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "Rate of requests exceeds the limit."}
        return answer("400 Bad Request", json.dumps(body).encode(), "application/x-amz-json-1.0")

    answers = () if silent else tuple((code, refusal(code)) for code in _THROTTLED)
    return between("aws", lambda head: head.headers.get("x-amz-target", "").startswith("DynamoDB_"), answers)


def too_many(relay: str, is_meant: Callable[[Head], bool] = lambda head: True, *, wait: int | None = None) -> Make:
    """API Gateway answers 429, and says when to come back or does not."""
    plain = answer("429 Too Many Requests", _BUSY_PLAIN)
    said = plain if wait is None else answer("429 Too Many Requests", _BUSY, retry_after=str(wait))
    return between(relay, is_meant, (("429", said),))


def is_registration(head: Head) -> bool:
    """Whether a request is for the registration API."""
    return head.path.startswith("/_aws/execute-api/")


def is_token_request(head: Head) -> bool:
    """Whether the bridge wants tokens of the user pool."""
    return head.path == "/oauth2/token"


html = (("HTML", answer("200 OK", _HTML, "text/html")),)
"""What a page says that stands in for a service."""


def between(relay: str, is_meant: Callable[[Head], bool], answers: Answers) -> Make:
    """Some requests are answered by somebody else, or by nobody, for so long and until there was such a request."""

    async def make(system: System, seconds: float) -> Made:
        with system.relays[relay].by(Rule(is_meant, answers)) as rule:
            await _met(rule, seconds)
        return rule.made

    return make


async def crashing_lambdas(system: System, seconds: float) -> Made:
    """Kill the functions behind the registration API, a moment after some requests: in the midst of their work.

    Requests in between are let through, so that a function is at work when it is killed, rather than at its start.
    """
    made, until, came = Counter[str](), time.monotonic() + seconds, asyncio.Semaphore(0)

    def watched(head: Head) -> bool:
        if is_registration(head):
            came.release()
        return False

    with system.relays["aws"].by(Rule(watched)):
        while time.monotonic() < until:
            for _ in range(random.randint(5, 9)):  # noqa: S311 - nothing secret
                with suppress(TimeoutError):
                    await asyncio.wait_for(came.acquire(), timeout=_LATEST)
            await asyncio.sleep(random.uniform(0, _AT_WORK))  # noqa: S311
            for pid in children_of(system.pid("aws")):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    made["functions killed"] += 1
    return made


async def _met(rule: Rule, seconds: float) -> None:
    await asyncio.sleep(seconds)
    until = time.monotonic() + _LATEST
    while not rule.made and time.monotonic() < until:
        await asyncio.sleep(0.1)
