# %% [markdown]
# # 06 · Authorization code: one sign-in, taken apart
#
# **In 40 minutes** you make the secret behind a sign-in by hand, read the request that opens the browser word by word,
# follow a real sign-in on both sides of the bridge, and then attack it in eight ways, each of which fails.
#
# *You need:* notebook 00, done once. No cloud account, no cost.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("06")

# %% [markdown]
# ## Why two trips?
#
# A client wants a token, and only a person at a browser can allow it. What comes back through the browser is seen by
# many: it stands in the address bar, in the history, in logs. So the browser brings a *code*, which is worth nothing by
# itself, and the client trades it for tokens on a second trip, directly and without the browser.
#
# But if a code is stolen on the first trip, what keeps the thief from making the second one?

# %%
lab.predict(
    "The client has no secret of its own. How can the server still tell it from a thief who holds the code?",
    {
        "by its client_id": "That is no secret: it stands in the same address bar.",
        "by a secret made for this one sign-in": "The client makes one up, shows its hash first, and the secret itself with the code.",
        "by its IP address": "Browser and client may have different ones, and a thief can be in the same café.",
    },
    answer="by a secret made for this one sign-in",
)

# %% [markdown]
# ## Make the secret by hand
#
# This is *PKCE*, said "pixy" ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)). The secret is called *verifier*, and
# its hash *challenge*. Who knows the challenge cannot get back to the verifier. Here is the verifier of the example in
# [RFC 7636, Appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B); SHA-256 and base64 are all it takes:

# %%
import base64
import hashlib

verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
digest = hashlib.sha256(verifier.encode()).digest()
lab.show({"challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()})

# %% [markdown]
# `E9Melhoa…`, letter for letter what the RFC prints. This method is called `S256`. The other one, `plain`, sends the
# verifier itself as challenge, and is worthless against whoever sees the request. **MCP requires** `S256` of every client
# that can hash
# ([Authorization Code Protection](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/security-considerations#authorization-code-protection)).
#
# The library does the same, and never uses a verifier twice:

# %%
from mcp_demo.oauth import pkce

challenge = pkce.challenge(verifier)
lab.show({
    "challenge": challenge,
    "the verifier fits": pkce.matches(verifier, challenge),
    "one letter changed": pkce.matches(verifier.replace("k", "l"), challenge),
    "the challenge itself as verifier": pkce.matches(challenge, challenge),
})

# %% [markdown]
# ## The request that opens the browser
#
# The first three hops are those of notebook 00: knock, ask who protects the server, ask the bridge what it can do. You
# walk through them at once.

# %%
flow = lab.begin(run, "whoami")
for _ in range(3):
    lab.next_step(flow)
flow.diagram()

# %% [markdown]
# The client now knows whom to ask, and has prepared its request. What it has to remember until the browser comes back it
# keeps in `pending`. Nothing is sent yet.

# %%
from mcp_demo.lab import by_hand

pending = flow.walk.upcoming.pending
lab.show(by_hand.parameters(pending.url))

# %% [markdown]
# | Parameter | Says |
# |---|---|
# | `response_type` | I want a code ([OAuth 2.1 §4.1.1](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.1.1)) |
# | `client_id` | who asks: notebook 05 |
# | `redirect_uri` | where the answer has to go, one of those that are registered |
# | `state` | a random number, by which the client recognises the answer to its own question |
# | `code_challenge`, `…_method` | the hash of the verifier, and how it was made |
# | `resource` | which MCP server the token is for ([RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)) |
# | `scope` | what the client wants to do there |
#
# All of it is public. `code_verifier` is *not* in it: it stays with the client.

# %%
lab.predict(
    "Leave out one of the eight. Which omission is answered with an error page, and no redirect?",
    {
        "code_challenge": "An error, but one that the client is told: the redirect URI is known to be good.",
        "redirect_uri": "There is nowhere to redirect to. The same goes for client_id: nobody knows whose address it is.",
        "scope": "No error at all: the server chooses the least.",
    },
    answer="redirect_uri",
)

# %% [markdown]
# Try them all. Each line is one request with one parameter missing:

# %%
names = list(by_hand.parameters(pending.url))
lab.show({f"no {name}": by_hand.said(by_hand.authorize(pending.url, **{name: None})) for name in names})

# %% [markdown]
# Two end on a page; they are checked first. Then errors are *redirected*, so that the client learns of them. Three are
# no errors for the server: without `scope` it offers the least, and it serves one resource only. All the same, **MCP
# requires** of clients that they
# [send `resource`](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#resource-parameter-implementation), and a client without `state` could not recognise its answer.
#
# ## Attack 1 · A redirect URI that is almost right
#
# An attacker sends you a link to the real bridge with a real `client_id`, and changes where the code goes.

# %%
good = "http://127.0.0.1:49152/callback"
almost = {
    "as registered": good,
    "one letter more": good + "s",
    "one letter less": good[:-1],
    "another case": good.replace("callback", "Callback"),
    "a query": good + "?to=evil.example",
    "looks like loopback": good.replace("127.0.0.1", "127.0.0.1.evil.example"),
    "a user name": good.replace("127.0.0.1:49152", "127.0.0.1@evil.example"),
}
lab.show({what: by_hand.said(by_hand.authorize(pending.url, redirect_uri=uri)) for what, uri in almost.items()})

# %% [markdown]
# One is let in. The others end on a page, and the browser goes nowhere. **MCP requires** the exact comparison
# ([OAuth 2.1 §2.3.1](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-2.3.1)): every rule that is
# kinder, a prefix, a wildcard, can be used to steal codes ([RFC 9700 §4.1](https://www.rfc-editor.org/rfc/rfc9700#section-4.1)). **Cognito does** compare exactly, but only the bridge's own address.
# **The bridge adds** the comparison for its clients.

# %% [markdown]
# ## The person decides and signs in
#
# Now for real. A headless browser opens the request, presses *Allow* on the consent page and types name and password.
# (To click yourself, begin with `lab.begin(run, "whoami", by_hand=True)`.)

# %%
lab.next_step(flow)

# %% [markdown]
# Two pages from two hosts; look at the addresses. The bridge asks *whether*: who wants what, and where the answer goes.
# The user pool asks *who you are*. Nobody passes the first page unasked: **the bridge adds** it, since Cognito has none,
# and **MCP requires** it of a server that stands in front of another one
# ([Consent UI Requirements](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices#consent-ui-requirements)).
#
# ## What went on behind
#
# The browser went to the bridge, on to Cognito, back to the bridge, and to the client. You saw the first and the last
# address. On a learner's machine the bridge tells the rest.

# %%
lab.predict(
    "Cognito issues a code too. Whose challenge is it bound to?",
    {
        "one that the bridge made up": "Then the bridge could redeem the code without the client.",
        "the client's own": "It is passed on as it came; only who knows the client's verifier can redeem, the bridge included.",
        "none, the bridge has a secret": "The bridge has a secret at Cognito, but that would not tie the code to this client.",
    },
    answer="the client's own",
)

# %% [markdown]
# The visit to Cognito, and the way back. Compare `code_challenge`, `state`, `client_id` and `redirect_uri` with those in
# your table above:

# %%
lab.show(flow.behind()[1:])

# %% [markdown]
# The challenge is the same. The other three are the bridge's: to Cognito, *the bridge* is the client. Its `state` is an
# encrypted note to itself, so the bridge stores nothing meanwhile: client, redirect URI, scopes and your state come back
# with the browser. And the code that goes on to the client is no longer Cognito's: it is Cognito's in an
# envelope that only the bridge can open.
#
# ## The answer, and three questions before it is used
#
# Anybody can send a browser to the client's address. This is what came:

# %%
lab.show(by_hand.parameters(flow.callback_url))

# %% [markdown]
# Three parameters. Is `state` the one we sent? Is `iss` the server we asked? Is there a code, and no error? Only then
# `pending.read` hands the code out.

# %%
code = pending.read(flow.callback_url)
lab.show({"state is ours": pending.state in flow.callback_url, "we asked": pending.issuer, "a code came": bool(code)})

# %% [markdown]
# ## Attack 2 · An answer to somebody else's question
#
# The attacker signs in with an account of their own and sends *you* the answer. Your client would then work in the
# attacker's account, and what you enter would be theirs.

# %%
from mcp_demo.oauth.errors import IssuerMismatch, StateMismatch

with lab.expect_refusal(StateMismatch):
    pending.read(flow.callback_url.replace(pending.state, "the-state-of-somebody-else"))

# %% [markdown]
# `state` is random and was remembered by the client, so an answer to another question is recognised
# ([RFC 6749 §10.12](https://www.rfc-editor.org/rfc/rfc6749#section-10.12)).
#
# ## Attack 3 · The mix-up
#
# Notebook 04 shows how this one begins, with a forged document; here is how it ends. A client may know several
# authorization servers, and one of them is evil. The client asks *evil*; evil sends the
# browser on to the *honest* one, where you really sign in. An honest code comes back, with the right `state`.

# %%
lab.predict(
    "The client believes that the code is from evil. What does it do with it?",
    {
        "it throws it away": "Nothing in the code says where it is from.",
        "it sends code and verifier to evil's token endpoint": "That is the attack: evil now has both and redeems the code at the honest server.",
        "it asks the person": "People cannot see this: the pages they saw were honest.",
    },
    answer="it sends code and verifier to evil's token endpoint",
)

# %% [markdown]
# The cure is one parameter: `iss`, in which the server says who it is. Our client asked the bridge; now let the answer
# say that it comes from another one:

# %%
from urllib.parse import quote

named = f"&iss={quote(pending.issuer, safe='')}"
with lab.expect_refusal(IssuerMismatch):
    pending.read(flow.callback_url.replace(named, "&iss=https%3A%2F%2Fevil.example"))

# %% [markdown]
# Silence is refused too, because the metadata of this server announces `iss` in all its answers:

# %%
with lab.expect_refusal(IssuerMismatch):
    pending.read(flow.callback_url.replace(named, ""))

# %% [markdown]
# **MCP requires** the comparison, letter by letter
# ([RFC 9207 §2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)). **Cognito does** not send `iss`; **the bridge
# adds** it.
#
# ## Attacks 4 to 6 · A stolen code
#
# The thief has read the code in your address bar. For one of the attempts they have a client of their own, which
# registers by itself, as in notebook 05.

# %%
import httpx

offers = httpx.get(f"{run.bridge}/.well-known/oauth-authorization-server").json()
their_callback = "http://localhost:51000/callback"
mine = {"client_name": "Calendar helper", "redirect_uris": [their_callback], "token_endpoint_auth_method": "none"}
theirs = by_hand.document(by_hand.register(offers["registration_endpoint"], mine))
thefts = {
    "another verifier": by_hand.redeem(pending, code, code_verifier=pkce.new_verifier()),
    "the challenge as verifier": by_hand.redeem(pending, code, code_verifier=pkce.challenge(pending.code_verifier)),
    "their own client": by_hand.redeem(pending, code, client_id=theirs["client_id"]),
}
lab.show({what: by_hand.said(theft) for what, theft in thefts.items()})

# %% [markdown]
# Three times `invalid_grant`, and the code is still good: a wrong guess must not let a stranger spoil your sign-in. In
# the third attempt the thief even had your verifier; the code is bound to the client too
# ([OAuth 2.1 §4.1.3](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.1.3)).
#
# ## Redeem it
#
# The second trip, made by the client that began the first.

# %%
lab.next_step(flow)

# %% [markdown]
# `code_verifier` is sent here for the first time. `redirect_uri` and `resource` are sent again, and have to be the same.
# Behind the bridge, its last hop, with the same verifier:

# %%
lab.show(flow.behind()[-1:])

# %% [markdown]
# **Cognito does** check that the verifier fits the challenge, and makes the access token. **The bridge adds** that it
# authenticates with its own secret, which your client never sees.
#
# ## Attack 7 · The same code again
#
# Now the thief comes late, but with everything: code, verifier, client.

# %%
lab.show({"the code, once more": by_hand.said(by_hand.redeem(pending, code))})

# %% [markdown]
# A code works once. That it comes a second time means that somebody has stolen it, so the bridge ends what the first use
# gave ([RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)). The refresh token, which was to bring new
# access tokens later, is dead, for the thief and for you:

# %%
lab.show({"the refresh token": by_hand.said(by_hand.refresh(pending, flow.exchanges[-1]))})

# %% [markdown]
# The access token cannot be called back: the MCP server believes it until it expires, without asking anybody. That is
# why it lives for an hour, and not for a year.

# %%
lab.next_step(flow)
lab.show(flow.data)

# %% [markdown]
# ## Attack 8 · A link in a mail
#
# The cleverest one. To Cognito all clients are the bridge, and Cognito remembers you. So the thief begins a sign-in for
# *their* client, agrees on the consent page *in their own browser*, and copies the address they are sent to: Cognito's
# own sign-in page. That address they mail to you.

# %%
lure = by_hand.request(run, theirs["client_id"], their_callback)
link = by_hand.approve(lure)
lab.show({"the address in the mail": link.partition("?")[0], "where your code is to end up": their_callback})

# %% [markdown]
# An address of Cognito: nothing in it looks wrong. Were you signed in there already, you would not even see a page.

# %%
lab.predict(
    "You follow the link, see Cognito's honest page, and sign in. What could stop your code from reaching the thief?",
    {
        "the password": "You type it yourself: the page is real.",
        "the state": "It is genuine; the bridge itself has made it.",
        "a cookie": "The bridge knows in which browser consent was given, and it was not yours.",
    },
    answer="a cookie",
)

# %% [markdown]
# A browser that has never seen the bridge follows the link and signs in:

# %%
from mcp_demo.lab import browsers

lab.show(browsers.follow(run, link))

# %% [markdown]
# You signed in, and yet nobody got a code. When the thief pressed *Allow*, the bridge set a cookie, in the thief's
# browser. At the end it looks for that cookie, and yours has none. This attack is called *confused deputy*, and it
# threatens every server that stands in front of another one
# ([Security Best Practices](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices#confused-deputy-problem)).
#
# The thief's client goes away again:

# %%
from mcp_demo.lab import strategies

lab.show({"clients of the thief that were removed": strategies.tidy(run, "Calendar helper")})

# %% [markdown]
# ## Break it, and mend it
#
# `break_it` starts a copy of the bridge, inside this notebook, with a bug on purpose, and lets the *conformance suite*
# attack it: little programs that look for such bugs (notebook 10). The first bug is a comparison that is too kind.

# %%
lab.break_it("prefix")

# %% [markdown]
# Each line under *Received* is an address that somebody else may own. Your function takes the place of the comparison: a
# redirect URI comes in, and `True` lets it pass.

# %%
from mcp_demo.oauth.redirect_uri import is_loopback, without_port

def repair(uri, registered):
    if is_loopback(uri):  # on this machine the port may differ
        return without_port(uri) in [without_port(known) for known in registered]
    # TODO: https://app.example/callback-evil only begins like https://app.example/callback
    return any(uri.startswith(known) for known in registered)

lab.check("compare-exactly", repair)

# %% [markdown]
# Stuck? `lab.hint("compare-exactly")` in a cell of its own helps: first a nudge, then where it is written, then a solution.
#
# The second bug: a server that takes PKCE from whoever offers it, and does without from others. Then an attacker leaves
# the challenge out, and nobody misses it: that is a *downgrade*.

# %%
lab.break_it("pkce_optional")

# %% [markdown]
# A code came out, bound to nothing. Your function sees the request first, and may refuse it by returning an error code.

# %%
def repair(request):
    # TODO: without a code_challenge (see request.parameters) this is an "invalid_request"
    return None

lab.check("insist-on-the-challenge", repair)

# %% [markdown]
# `lab.hint("insist-on-the-challenge")` helps. The third bug, `no_iss_on_refusal`, is quiet: when the person says no, the
# client is told so without `iss`. A client that insists on `iss` has to throw this answer away, and never learns of the
# refusal. Your function may change the answer.

# %%
from urllib.parse import quote

def repair(answer, server):
    where = answer.headers.get("location", "")
    # TODO: an address with error= in it leads to the client: add &iss= and quote(server.issuer, safe="")
    return answer

lab.check("say-who-you-are", repair)

# %% [markdown]
# `lab.hint("say-who-you-are")` helps.

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Why does the browser bring a code, and not the token itself?</summary>
# What comes through the browser is seen in the address bar, the history and logs. The code is worth nothing without the verifier, which never goes through the browser.
# </details>
# <details><summary>2 · Verifier and challenge: which is sent when, and why does seeing the challenge not help?</summary>
# The challenge goes with the request, the verifier with the code. The challenge is a hash of the verifier: nobody can get back from it.
# </details>
# <details><summary>3 · Which mistakes are told on a page, and which by a redirect to the client?</summary>
# As long as client and redirect URI are not known to belong together, on a page; afterwards by a redirect, so that the client learns of them.
# </details>
# <details><summary>4 · <code>state</code> was right, and the client still must not use the code. When?</summary>
# When <code>iss</code> is not the server it asked, or is missing though announced: it would hand an honest server's code to an evil one.
# </details>
# <details><summary>5 · Your code, your sign-in, somebody else's consent: what exactly fails in attack 8?</summary>
# The cookie that the bridge set when consent was given is in the thief's browser. The browser that comes back from the sign-in has none, so no code is sent on.
# </details>
#
# **Learned.** The code travels where all can see it, so it is bound to everything: the verifier, the client, the
# redirect URI, the resource, and it works once. The client checks who answers before it uses what it got. Consent counts
# only in the browser in which it was given.
#
# **Read on.** [OAuth 2.1 §4.1](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.1) ·
# [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636) · [RFC 8707](https://www.rfc-editor.org/rfc/rfc8707) ·
# [RFC 9207](https://www.rfc-editor.org/rfc/rfc9207) ·
# [Security Best Practices](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices)
#
# **Next:** [07 · Tokens](07_tokens.ipynb): you hold an access token; what is in it, and who believes it?
