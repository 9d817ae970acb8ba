"""Bugs of a proxy that is one client upstream: consent, and the state it sends."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from dataclasses import replace
from html import unescape
from urllib.parse import urlencode

from conformance.mutants.authz_plant import always, broken, mutant, nothing
from conformance.mutants.authz_reference import Lab
from conformance.mutants.plant import Answer, Forward, Seen


@mutant("as.proxy.consent")
async def consents_itself(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Who has been here before is sent on without a question."""
    answer = await forward(seen)
    ticket = re.search(rb'name="ticket" value="([^"]+)"', answer.body)
    if seen.path != "/authorize" or not ticket or not seen.header(b"cookie"):
        return answer
    body = urlencode({"ticket": unescape(ticket[1].decode()), "decision": "approve"}).encode()
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"cookie", seen.header(b"cookie") or b"")]
    return await forward(Seen("POST", "/consent", b"", headers, body))


@mutant("as.proxy.consent-page")
async def name_as_markup(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The client's name is put into the page unescaped."""
    answer = await forward(seen)
    return replace(answer, body=answer.body.replace(b"&lt;b id=conformance&gt;", b"<b id=conformance>"))


@mutant("as.proxy.consent-page")
async def hides_scopes(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page does not name the scopes."""
    answer = await forward(seen)
    return (
        replace(answer, body=answer.body.replace(f"{lab.mcp}/read".encode(), b"some things"))
        if seen.path == "/authorize"
        else answer
    )


@mutant("as.proxy.consent-integrity")
async def readable_cookies(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Scripts can read the cookies."""
    answer = await forward(seen)
    return replace(
        answer,
        headers=[
            (key, value.replace(b"HttpOnly; ", b"") if key == b"set-cookie" else value) for key, value in answer.headers
        ],
    )


@mutant("as.proxy.consent-integrity", scheme="https")
async def cookies_in_the_clear(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Though the server is called by https, its cookies are sent by plain http too."""
    answer = await forward(seen)
    kept = [(key, value.replace(b"; Secure", b"") if key == b"set-cookie" else value) for key, value in answer.headers]
    return replace(answer, headers=kept)


broken(
    "forged_consent",
    "A form from another site counts.",
    "as.proxy.consent-integrity",
    rules={"mcp_demo.bridge.consent._same_site": nothing},
)
broken(
    "any_browser",
    "A form shown in another browser counts.",
    "as.proxy.consent-integrity",
    rules={"mcp_demo.bridge.browser.Browsers.is_visitor": always},
)
broken(
    "any_login",
    "A callback in another browser counts.",
    "as.proxy.state",
    rules={"mcp_demo.bridge.browser.Browsers.is_login": always},
)
broken(
    "state_twice",
    "A state works twice.",
    "as.proxy.state",
    rules={"mcp_demo.bridge.browser.Browsers.forget_login": nothing},
)
broken(
    "early_cookie",
    "The cookie of the page is enough for the callback.",
    "as.proxy.state-after-consent",
    rules={"mcp_demo.bridge.browser.Browsers.is_login": lambda self, request, login, expected: bool(request.cookies)},
)
