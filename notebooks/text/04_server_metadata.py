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
# # 04 · Server metadata, and why Cognito alone is refused
#
# **In twenty-five minutes** you will have asked a Cognito user pool what it can do, watched a correct MCP client walk away from it,
# and seen what the bridge adds so that it stays.
#
# *You need:* notebook 00; 03 helps. *Cost:* nothing.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("04")

# %% [markdown]
# ## Step 1 · An issuer is an address, and more
#
# In notebook 03 the MCP server named an *issuer*: the URL by which an authorization server is known. Two of them matter here: that of the
# bridge, and that of the user pool.

# %%
lab.show({"bridge": run.bridge, "user pool": run.issuer})

# %% [markdown]
# An issuer is a name first: it stands in documents and in tokens, and is compared letter by letter. From it a client also
# derives where the *metadata* lies, the document about the server.

# %%
lab.predict(
    "The pool's issuer has a path. How many addresses will a client try?",
    {
        "One": "There are two kinds of document, OAuth's and OpenID Connect's, in different places.",
        "Two": "That is so for an issuer without a path, like the bridge's.",
        "Three": "OAuth's inserted, OpenID's inserted, OpenID's appended: three habits that grew.",
    },
    answer="Three",
)

# %% [markdown]
# The client's rule, for both:

# %%
from mcp_demo.oauth.server_metadata import candidate_urls

for issuer in (run.bridge, run.issuer):
    display(lab.show(dict(enumerate(candidate_urls(issuer), start=1))))

# %% [markdown]
# *Inserted* puts the well-known part between host and path ([RFC 8414 §3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1));
# *appended* puts it behind the path, as
# [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html) does. (*OpenID Connect* is a way to
# sign people in, built on OAuth.) **MCP requires** of a client to try
# them all, [in this order](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery#authorization-server-metadata-discovery).
#
# ## Step 2 · Ask the user pool
#
# Walk through the three addresses. They are AWS's; on this machine the embedded AWS answers for them.

# %%
from mcp_demo.client.discovery import server_metadata_of
from mcp_demo.client.drive import Walk
from mcp_demo.lab.asking import connect

walk = Walk(server_metadata_of(run.issuer, run.server), connect(run))
tried = list(walk)
lab.show({exchange.request.url: exchange.response.status for exchange in tried})

# %% [markdown]
# **Cognito does** publish OpenID Connect's document, at the last of the three addresses. It has no OAuth document
# ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)), so a client that looks only there finds nothing. This is what it says:

# %%
tried[-1]

# %% [markdown]
# Where people sign in, where codes are traded, which keys sign. (The addresses in it are the embedded AWS's; of a pool on AWS
# they are AWS's.) Now look for what is *not* there. It was not there on AWS either, in August 2026.
#
# ## Step 3 · What is missing
#
# Five members that an MCP client looks for. The cell asks pool and bridge for each.

# %%
import json

from mcp_demo.lab.asking import ask

pool = json.loads(tried[-1].response.body)
asked = ask(run, candidate_urls(run.bridge)[0], why="The bridge's own document.", spec="RFC 8414 §3")
bridge = json.loads(asked.response.body)
members = ("code_challenge_methods_supported", "registration_endpoint",
           "client_id_metadata_document_supported", "authorization_response_iss_parameter_supported",
           "token_endpoint_auth_methods_supported")  # fmt: skip
for name, document in {"the user pool": pool, "the bridge": bridge}.items():
    display(lab.show({"published by": name, **{member: document.get(member, "—") for member in members}}))

# %% [markdown]
# | Member | Tells a client | Notebook |
# |---|---|---|
# | `code_challenge_methods_supported` | that a stolen code is worthless, by *PKCE* with `S256` | 06 |
# | `registration_endpoint` | where it can introduce itself | 05 |
# | `client_id_metadata_document_supported` | that its own URL may serve as its name | 05 |
# | `authorization_response_iss_parameter_supported` | that each answer says who gives it | here, step 6 |
# | `token_endpoint_auth_methods_supported` | how it proves who it is; `none` means it need not | 05 |
#
# **Cognito does** support PKCE with `S256`
# ([Cognito docs](https://docs.aws.amazon.com/cognito/latest/developerguide/using-pkce-in-authorization-code.html)). Its document does not say so, and that is the difference that follows.
#
# ## Step 4 · The client walks away
#
# Suppose somebody leaves the bridge out, and lets the MCP server name the user pool itself. Only one document changes.

# %%
from mcp_demo.client import mcp
from mcp_demo.oauth.resource_metadata import well_known_url

refused = ask(run, mcp.call_tool(run.server, "whoami", {}).with_token(None)).response
place = well_known_url(run.server)
resource = json.loads(ask(run, place).response.body)
changed = {**resource, "authorization_servers": [run.issuer]}
network = connect(run, {place: changed})
lab.show({"was": resource["authorization_servers"], "for this client": changed["authorization_servers"]})

# %% [markdown]
# `network` is the world as the next client sees it: everything as it is, but for that document.

# %%
lab.predict(
    "Cognito supports S256. What does a correct client do with a document that does not say so?",
    {
        "It tries, with S256": "If the server ignored it, a stolen code would work, and nobody would notice.",
        "It tries, without PKCE": "That is the downgrade an attacker hopes for.",
        "It refuses": "What is not announced cannot be relied on, and cannot be tried out safely.",
    },
    answer="It refuses",
)

# %% [markdown]
# This is the engine of the browser clients, from the `401` on:

# %%
from mcp_demo.client.engine import Engine
from mcp_demo.client.registration import Identity
from mcp_demo.oauth.errors import PkceUnsupported

engine = Engine(run.server, Identity(client_id=run.client_id), "http://localhost:9/callback")
with lab.expect_refusal(PkceUnsupported):
    list(Walk(engine.prepare(refused), network))

# %% [markdown]
# **MCP requires** this refusal
# ([Authorization Code Protection](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/security-considerations#authorization-code-protection)).
# It is not a quarrel about a missing word. PKCE (notebook 00, step 5) is a parameter that the client sends along, and a server
# that ignores it answers just like one that honours it. So nobody finds out by trying.
#
# ## Step 5 · The client stays
#
# A new engine, the same call, and the documents as they are:

# %%
engine = Engine(run.server, Identity(client_id=run.client_id), "http://localhost:9/callback")
walk = Walk(engine.prepare(refused), connect(run))
lab.show({exchange.request.url: exchange.response.status for exchange in walk})

# %% [markdown]
# Two documents, no refusal. Here is the second one as a card, and what the client holds now:

# %%
found, registration = walk.result
display(asked)
metadata = found.metadata
lab.show({"issuer": metadata.issuer, "PKCE": metadata.code_challenge_methods_supported})

# %% [markdown]
# **The bridge adds** this document. It says nothing that is not so: `S256` is checked by Cognito, the other endpoints are the
# bridge's own. **MCP requires** one of the two kinds of document
# ([Overview](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#overview)); the bridge publishes OAuth's
# only, as it signs nobody in by OpenID Connect.
#
# ## Step 6 · The issuer, letter by letter
#
# The document names its issuer. A client compares it with the one that it started from.

# %%
from mcp_demo.oauth.errors import IssuerMismatch
from mcp_demo.oauth.server_metadata import parse

for expected in (f"{run.bridge}/", run.bridge.replace("localhost", "127.0.0.1"), "http://localhost:7777"):
    with lab.expect_refusal(IssuerMismatch):
        parse(bridge, expected_issuer=expected)

# %% [markdown]
# The third is the interesting one: a copy of the bridge's document, published by somebody else
# ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)), who could otherwise pass for the bridge.
#
# So the attacker puts another name into it, leaves the sign-in to the honest bridge, and asks for the codes:

# %%
mixed = {**bridge, "issuer": "http://localhost:7777", "token_endpoint": "http://localhost:7777/token"}
accepted = parse(mixed, expected_issuer="http://localhost:7777")
codes = accepted.token_endpoint
lab.show({"people sign in at": accepted.authorization_endpoint, "codes are sent to": codes})

# %% [markdown]
# This document is accepted; nothing in it contradicts itself. People would sign in at the honest bridge, and the client would
# carry the code to the attacker. That is the *mix-up attack*. No document can stop it, so the answer must.

# %%
lab.predict(
    "The browser comes back from the sign-in. What in the answer gives the mix-up away?",
    {
        "state": "It is right: the client made it, and the honest bridge returned it.",
        "iss": "It says who gave this answer: the bridge. The client had asked http://localhost:7777.",
        "code": "It looks like any other.",
    },
    answer="iss",
)

# %% [markdown]
# First see the damage. **Cognito does** not send `iss`; with such a server in place of the bridge, the answer looks like this:

# %%
from mcp_demo.oauth.authorization import read_response

silent = "http://localhost:9/callback?code=abc&state=ours"
code = read_response(silent, state="ours", issuer=accepted.issuer, iss_advertised=False)
lab.show({"accepted": code, "is sent to": accepted.token_endpoint})

# %% [markdown]
# The attack succeeds: nothing in the answer is wrong. Now with the bridge, which says its name:

# %%
answer = f"http://localhost:9/callback?code=abc&state=ours&iss={run.bridge}"
with lab.expect_refusal(IssuerMismatch):
    read_response(answer, state="ours", issuer=accepted.issuer, iss_advertised=True)

# %% [markdown]
# [RFC 9207](https://www.rfc-editor.org/rfc/rfc9207#section-2.4) is the whole of it: each answer says who gives it, and the client
# compares. And an answer of the bridge's without `iss`? The metadata announces that there is one:

# %%
with lab.expect_refusal(IssuerMismatch):
    read_response(silent, state="ours", issuer=run.bridge, iss_advertised=True)

# %% [markdown]
# Announced and absent is refused: that answer came from somebody else. **The bridge adds** both, `iss` and the announcement.
#
# ## Step 7 · Two issuers, and which is whose
#
# There is one thing left that confuses everybody. Ask the running server what it trusts:

# %%
from mcp_demo.settings import ServerSettings

server = ServerSettings.load(run.state / "env" / "server.env")
lab.show({"sends clients to": server.authorization_servers, "accepts tokens of": server.issuer})

# %% [markdown]
# Clients are sent to the bridge, but the tokens are made by the user pool, and name it in their `iss`. Both are right: the bridge
# passes the pool's tokens on and signs none itself. A client never looks into a token, so it meets the first issuer only; the
# MCP server meets the second only. Notebook 07 takes such a token apart.
#
# ## Your turn
#
# Three authorization servers are broken on purpose. Look at the bug, repair the document in a line or two, and let the same check
# judge again. It is one of the *conformance suite*, little programs that look for such bugs (notebook 10); `lab.hint("…")` in a new cell helps. Change only what stands under `TODO`.
#
# ### Silent about PKCE
#
# The user pool's own bug, planted in the bridge.

# %%
lab.break_it("no_pkce")

# %% [markdown]
# `document` is what the broken server publishes; return what it should publish.

# %%
def repair(document):
    # TODO: this server checks S256, but does not say so
    return document

lab.check("announce-pkce", repair)

# %% [markdown]
# As long as it is unsolved, the verdict says *not yet*; that is no error. Mind what you announce: the check also looks for
# `plain`, the method that hides nothing (notebook 06).
#
# ### A slash too many

# %%
lab.break_it("issuer_with_slash")

# %% [markdown]
# The client of step 6 refuses this one, as every client has to
# ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).

# %%
def repair(document, server):
    # TODO: the server is known as server.issuer, byte for byte
    return document

lab.check("one-issuer", repair)

# %% [markdown]
# Two strings, configured in two places, drift apart. Use one.
#
# ### A promise that is not kept

# %%
lab.break_it("dead_endpoint")

# %% [markdown]
# Look at the exchange: the check asked the endpoint, and nobody was there.

# %%
def repair(document):
    # TODO: one of these endpoints does not exist; the card of the broken server shows which
    return document

lab.check("promise-what-you-keep", repair)

# %% [markdown]
# A document that is made of what is deployed cannot promise more. That is how the bridge makes its own.
#
# ## What you can answer now
#
# <details><summary>1 · Why can an MCP client not use a Cognito user pool directly?</summary>
# Its document does not announce <code>S256</code>, so the client has to refuse, although Cognito supports it.
# </details>
# <details><summary>2 · Why does the client not simply try PKCE?</summary>
# A server that ignores the challenge answers like one that honours it. Only the announcement tells them apart.
# </details>
# <details><summary>3 · An issuer has a path. Where may its document lie?</summary>
# OAuth's well-known part inserted before the path, OpenID's inserted, OpenID's appended; a client tries them in this order.
# </details>
# <details><summary>4 · What does a mix-up attacker want, and what gives it away?</summary>
# Codes of an honest authorization server. The <code>iss</code> in the answer names the honest one, not the one that was asked.
# </details>
# <details><summary>5 · The tokens name another issuer than the metadata. Is that a mistake?</summary>
# No. The client compares the issuer of the metadata and of answers: the bridge. The MCP server compares that of tokens: the
# user pool.
# </details>
#
# **Three sentences.** A client knows an authorization server by its issuer, and derives everything else from it. What is not
# announced does not exist for a careful client, and that is why a user pool alone is refused. The issuer is compared
# letter by letter, in the metadata and in each answer, against two different attacks.
#
# **Read on:** [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414) · [RFC 9207](https://www.rfc-editor.org/rfc/rfc9207) ·
# [Authorization Server Discovery](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery) ·
# [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html)
#
# **Next:** [05 · Registration: how a client gets a name](05_registration.ipynb)
