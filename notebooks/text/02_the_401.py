# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · The 401: a refusal that says where to go
#
# **In twenty minutes** you will read any `WWW-Authenticate` header, tell six refusals apart, and say what a browser needs to see
# one. You will also repair three broken ones.
#
# *You need:* notebook 00. *Cost:* nothing.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("02")

# %% [markdown]
# ## Step 1 · Knock
#
# In notebook 00 a client knocked without a token, and its engine did the rest. Now you do the knocking: `knock` is the same
# request, and `ask` sends it exactly as it is.

# %%
from mcp_demo.client import mcp
from mcp_demo.lab.asking import ask

knock = mcp.call_tool(run.server, "whoami", {})
refused = ask(run, knock.with_token(None))
refused

# %% [markdown]
# A `401` has a body too, and it is for people. Programs read the header: **MCP requires** that a client can act on
# `WWW-Authenticate`
# ([Authorization Server Discovery](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements)).
#
# ## Step 2 · Read the challenge
#
# What stands in `WWW-Authenticate` is called a *challenge*: a *scheme*, then parameters, each `name="value"`, with commas in
# between ([RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)).

# %%
from mcp_demo.client.discovery import challenge_of

challenge = challenge_of(refused.response)
lab.show({"scheme": challenge.scheme, **challenge.parameters})

# %% [markdown]
# `Bearer` is the scheme of access tokens: whoever bears one may use it, as with a coin
# ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-1)). `resource_metadata` says where to read on, `scope` which
# permission is enough to begin. All of it is said by the MCP server alone: neither Cognito nor the bridge has a part in this
# notebook.
#
# ## Step 3 · Why not just split at commas?
#
# It is tempting to read that header with a regular expression. But a server may offer several schemes at once, a value in
# quotes may hold commas, and commas also separate the challenges.

# %%
lab.predict(
    'How many challenges are in:  Basic realm="tea, coffee", Bearer scope="read write"  ?',
    {
        "One": "A new scheme begins a new challenge, also in the middle of a field.",
        "Two": "Basic and Bearer, one parameter each. The comma inside the quotes separates nothing.",
        "Three": "That is what splitting at commas gives, and it is wrong.",
    },
    answer="Two",
)

# %% [markdown]
# Give the line to a parser that follows the grammar.

# %%
from mcp_demo.oauth.challenge import parse

for one in parse(['Basic realm="tea, coffee", Bearer scope="read write"']):
    display(lab.show({"scheme": one.scheme, **one.parameters}))

# %% [markdown]
# A client that guesses works with most servers, and fails with the one that offers two schemes. Names of schemes and parameters
# count without regard to case, values do not.
#
# ## Step 4 · Four ways to have no good token
#
# Knock with no header, with another scheme (`Basic`: name and password), with `Bearer` and nothing behind it, and with a token
# that is nonsense.

# %%
lab.predict(
    "Which of them will be told an error code?",
    {
        "All four": "An error code says what was wrong with a token. Two of the four did not try one.",
        "Only the nonsense": "A header that says Bearer and holds no token is wrong too: it is malformed.",
        "The last two": "Who tried to use a token and failed is told why. Who did not try is shown the way.",
    },
    answer="The last two",
)

# %% [markdown]
# The cell sends all four and reads the challenge of each answer.

# %%
attempts = {
    "no header": {},
    "another scheme": {"authorization": "Basic dGVhOmNvZmZlZQ=="},
    "Bearer without a token": {"authorization": "Bearer"},
    "nonsense": {"authorization": "Bearer nonsense"},
}
answers = {name: ask(run, knock, **headers).response for name, headers in attempts.items()}
told = {name: challenge_of(one).parameters.get("error", "no error") for name, one in answers.items()}
lab.show({name: f"{one.status} · {told[name]}" for name, one in answers.items()})

# %% [markdown]
# A request without a token **should not** be told an error
# ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)): nothing was wrong, it was only the first step. A
# malformed request is a `400`, not a `401`; a new token would not mend it.
#
# What a client does next hangs on that code: `invalid_token` means *throw this token away, get another*; no error means *begin*.
#
# ## Step 5 · What is said about a bad token
#
# Now the whole challenge for the nonsense. Somebody has to find out from it what went wrong, and that somebody may also be an
# attacker who is trying things.

# %%
lab.show(challenge_of(answers["nonsense"]).parameters)

# %% [markdown]
# `error` is for programs, `error_description` for people. (A *JWT* is what these tokens are made of: notebook 07.) The rest is as before, so a client whose token has died can go the
# same way as a new one.
#
# Does the server repeat what it was sent? Try a token that ends the quoted text, and goes on with a lie:

# %%
trick = ask(run, knock, authorization='Bearer x", resource_metadata="https://evil.example/')
lab.show(challenge_of(trick.response).parameters)

# %% [markdown]
# The lie is not in it. The words are fixed ones, chosen by the server; nothing of the request is repeated. Had it been, the
# challenge would send clients to `evil.example`, to ask there who protects the server.
#
# ## Step 6 · A token in the wrong place
#
# A token can also be put into the URL. Some APIs want it like that.

# %%
lab.predict(
    "What does the server do with a token in its URL?",
    {
        "It uses it": "MCP forbids it: URLs end up in logs, histories and Referer headers.",
        "It refuses with invalid_token": "That would mean that the token had been looked at.",
        "It does not see it": "Tokens are read from the Authorization header only, so here is none.",
    },
    answer="It does not see it",
)

# %% [markdown]
# Compare the answer with the first one of this notebook.

# %%
in_url = ask(run, f"{run.server}?access_token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
lab.show({"status": in_url.response.status, **challenge_of(in_url.response).parameters})

# %% [markdown]
# No `error`: the request counts as one without a token. **MCP requires** the header, in every request
# ([Token Requirements](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#token-requirements)).
#
# ## Step 7 · Every door, not just the front one
#
# A server has more ways in than the one you use. It is enough for an attacker if one was forgotten.

# %%
from mcp_demo.exchange.model import Request

origin = run.server.removesuffix("/mcp")
doors = ("POST /mcp", "GET /mcp", "DELETE /mcp", "POST /mcp/", "POST /MCP", "GET /admin", "GET /health",
         "GET /.well-known/oauth-protected-resource/mcp")  # fmt: skip
requests = {door: Request(door.split()[0], origin + door.split()[1]) for door in doors}
lab.show({door: ask(run, request).response.status for door, request in requests.items()})

# %% [markdown]
# `/admin` does not exist, and is `401` all the same: what is not open on purpose is closed. This is called *default deny*.
# Two doors are open on purpose. One says that the server is alive, the other is the document of the next notebook.
#
# **MCP requires** authorization
# [for every request](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#token-requirements), so it sits in front of the whole server, not inside single tools.
#
# ## Step 8 · What a browser needs
#
# A client can also be a web page, such as the three of this project. A browser lets a page read the answer of another server
# only as far as that server allows: this is *CORS* ([Fetch Standard](https://fetch.spec.whatwg.org/#http-cors-protocol)).
#
# Before the real request it asks for permission, with `OPTIONS` and without any token. This is the *preflight*:

# %%
page = run.clients["static"]
asked = Request("OPTIONS", run.server)
wanted = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
allowed = ask(run, asked, origin=page, **wanted).response
cors = {name: value for name, value in allowed.headers if name.startswith("access-control")}
lab.show({"status": allowed.status, **cors})

# %% [markdown]
# `204`, though there was no token: a browser cannot send one here, so a `401` would shut out every page. `authorization` is
# among the allowed headers by name; a `*`
# [would not include it](https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name).
#
# Now the knock itself, from that page:

# %%
seen = ask(run, knock, origin=page).response
cors = {name: value for name, value in seen.headers if name.startswith("access-control")}
lab.show({"status": seen.status, **cors})

# %% [markdown]
# `access-control-expose-headers` is easily forgotten. Without it the page sees a `401`, but where
# `WWW-Authenticate` stands it reads `null`, and never learns where to go
# ([Fetch Standard](https://fetch.spec.whatwg.org/#http-access-control-expose-headers)).
#
# And a page that the operator does not know?

# %%
stranger = ask(run, knock, origin="https://evil.example").response
body = stranger.body.decode()
lab.show({"status": stranger.status, "challenge": challenge_of(stranger), "body": body})

# %% [markdown]
# `403`, and no challenge: there is nothing to sign in for. **MCP requires** that servers check `Origin`, since a page that you
# merely visit could otherwise talk to servers on your own machine
# ([Streamable HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#security-warning)).
#
# ## Your turn
#
# Three servers are broken on purpose, each with a bug that the *conformance suite* finds: little programs, called checks, that
# look for such bugs (notebook 10). `break_it` shows the bug and what a check saw. Then you repair it in a line or two, and the same check judges again. `lab.hint("…")` in a new cell helps, a
# little more each time. Change only what stands under `TODO`.
#
# ### A challenge that leads nowhere

# %%
lab.break_it("hides_the_metadata")

# %% [markdown]
# What the client misses is a parameter of the challenge. `parameters` are those that the broken server sends; return what it
# should send.

# %%
def repair(parameters, server):
    # TODO: tell the client where the document lies (server.metadata is its address)
    return parameters

lab.check("name-the-metadata", repair)

# %% [markdown]
# Until it is solved, the verdict says *not yet*; that is no error.
#
# ### A challenge that blames

# %%
lab.break_it("blames_missing_token")

# %% [markdown]
# `request.has_token` says whether the request came with a token.

# %%
def repair(parameters, request):
    # TODO: who sent no token made no mistake (request.has_token says whether one came)
    return parameters

lab.check("do-not-blame", repair)

# %% [markdown]
# Would you have noticed these two without the suite? With the first, some clients still find the document by looking
# (notebook 03). With the second, all goes well until a client tries to renew (*refresh*, notebook 08) a token that it
# never had.
#
# ### A challenge that pages cannot see

# %%
lab.break_it("exposes_nothing")

# %% [markdown]
# `answer` has `status`, `headers` (a dictionary, names in small letters) and `body`.

# %%
def repair(answer):
    # TODO: a page may read only those header fields of answer.headers that the answer exposes
    return answer

lab.check("let-pages-see", repair)

# %% [markdown]
# This one only shows in a browser: the same server works for every program.
#
# ## What you can answer now
#
# <details><summary>1 · A request carried no token. Why is there no <code>error</code> in the answer?</summary>
# Nothing was wrong yet. The code <code>invalid_token</code> would tell the client to throw a token away that it never had.
# </details>
# <details><summary>2 · Which parameter of the challenge leads on, and which one says how much to ask for?</summary>
# <code>resource_metadata</code> names the document to read next; <code>scope</code> the permission that is enough to begin.
# </details>
# <details><summary>3 · Why does the server never repeat anything of the request in its challenge?</summary>
# Text of an attacker could end the quotes and add parameters, such as another <code>resource_metadata</code>.
# </details>
# <details><summary>4 · A path that does not exist is answered 401. What is that good for?</summary>
# What is not open on purpose is closed, so a door that somebody adds later is not open by mistake.
# </details>
# <details><summary>5 · A page shows that it got a 401 but cannot find the challenge. What is missing?</summary>
# <code>WWW-Authenticate</code> in <code>Access-Control-Expose-Headers</code>.
# </details>
#
# **Three sentences.** A `401` is an invitation: it says where to read on and how much to ask for. It names an error only to those
# who tried a token. It is answered at every door, and a browser must be allowed to see it.
#
# **Read on:** [RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1) ·
# [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3) ·
# [RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1) ·
# [MCP Authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization)
#
# **Next:** [03 · The document behind the 401](03_resource_metadata.ipynb)
