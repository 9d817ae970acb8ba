"""All faults of the soak."""

from benchmarks.faults import (
    CALLS,
    ENVELOPE_KEYS_LOST,
    REGISTRATIONS,
    SIGN_INS,
    Fault,
    disk_full,
    during,
    killed,
    paused,
)
from benchmarks.faults_between import (
    bad_keys,
    between,
    crashing_lambdas,
    dynamodb,
    html,
    is_registration,
    is_token_request,
    too_many,
)
from benchmarks.faults_clock import clock_off
from benchmarks.faults_keys import envelope_keys, signing_keys, signing_keys_unpublished

_TABLES = frozenset(("refresh", "client"))
_MINUTES = 300

ENDING = (
    Fault("user-pool domain killed, started again", killed("domain"), SIGN_INS),
    Fault("signing keys of the issuer rotated", signing_keys, SIGN_INS),
    Fault(
        "signing keys rotated while the JWKS is gone",
        signing_keys_unpublished,
        SIGN_INS | CALLS,
        after=12.0,
    ),
    Fault("bridge killed, started again", killed("bridge"), SIGN_INS),
    Fault("MCP server killed, started again", killed("server"), CALLS),
    Fault("bridge and MCP server killed at once, started again", killed("bridge", "server"), SIGN_INS | CALLS),
    Fault("envelope key rotated", envelope_keys(lost=False), SIGN_INS),
    Fault(ENVELOPE_KEYS_LOST, envelope_keys(lost=True), SIGN_INS),
    Fault(
        "clock of the MCP server five minutes fast", clock_off("server", _MINUTES), CALLS, clock=_MINUTES, seconds=5.0
    ),
    Fault(
        "clock of the MCP server five minutes slow", clock_off("server", -_MINUTES), CALLS, clock=-_MINUTES, seconds=5.0
    ),
    Fault("clock of the bridge five minutes fast", clock_off("bridge", _MINUTES), SIGN_INS, seconds=5.0),
    Fault("clock of the bridge five minutes slow", clock_off("bridge", -_MINUTES), SIGN_INS, seconds=5.0),
)
"""Faults that end processes, and start them again."""

STAYING = (
    Fault("user-pool domain slow: answers after seconds", during(paused, "domain"), SIGN_INS),
    Fault(
        "user-pool domain stops answering for longer than the bridge waits",
        during(paused, "domain"),
        SIGN_INS,
        seconds=12.0,
    ),
    Fault("user-pool domain answers the bridge with HTML", between("domain", is_token_request, html), SIGN_INS),
    Fault(
        "JWKS gone, HTML, cut short or huge; strangers show made-up key ids",
        bad_keys,
        frozenset(("refused",)),
        says="503, come back in",
        seconds=8.0,
        strange_keys=True,
    ),
    Fault(
        "embedded AWS stops answering: user pool, JWKS, DynamoDB, Lambda, API Gateway",
        during(paused, "aws"),
        SIGN_INS | REGISTRATIONS,
    ),
    Fault("DynamoDB throttles the bridge", dynamodb(silent=False), _TABLES),
    Fault("DynamoDB does not answer the bridge", dynamodb(silent=True), _TABLES, seconds=8.0),
    Fault("Lambda functions killed halfway, again and again", crashing_lambdas, REGISTRATIONS, seconds=8.0),
    Fault(
        "API Gateway: 429 for registrations, Retry-After: 1",
        too_many("aws", is_registration, wait=1),
        REGISTRATIONS,
        says=".*429",
    ),
    Fault("API Gateway: 429 for the bridge, no Retry-After", too_many("bridge"), SIGN_INS),
    Fault(
        "API Gateway: 429 for the MCP server, Retry-After: 1",
        too_many("server", wait=1),
        CALLS,
        says=".*429",
        seconds=1.5,
    ),
    Fault("API Gateway: 429 for the MCP server, no Retry-After", too_many("server"), CALLS, says=".*429"),
    Fault("bridge stops answering", during(paused, "bridge"), SIGN_INS),
    Fault("MCP server stops answering", during(paused, "server"), CALLS),
    Fault("disk full for the MCP server", during(disk_full, "server"), CALLS),
    Fault("disk full for the user-pool domain", during(disk_full, "domain"), SIGN_INS),
)
"""Faults that every process survives."""
