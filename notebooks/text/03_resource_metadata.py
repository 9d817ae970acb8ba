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
# # 03 · Resource metadata: who protects this server?
#
# **In twenty-five minutes** you will know where the document behind a `401` lies, which of its members a client has to compare
# letter by letter, and what somebody could steal if it did not.
#
# *You need:* notebook 00; 02 helps. *Cost:* nothing.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("03")

# %% [markdown]
# ## Step 1 · Where does it lie?
#
# Usually the `401` names the address of the document (notebook 02). If it does not, a client has to find it from the only thing
# it knows: the URL of the MCP server.

# %%
lab.predict(
    "The server is https://host/mcp. Where is its document, if nobody says?",
    {
        "https://host/mcp/.well-known/oauth-protected-resource": "Well-known addresses begin at the root.",
        "https://host/.well-known/oauth-protected-resource/mcp": "It is inserted between host and path.",
        "https://host/mcp?metadata": "A client could not know that.",
    },
    answer="https://host/.well-known/oauth-protected-resource/mcp",
)

# %% [markdown]
# The client's own rule gives the addresses to try, in their order:

# %%
from mcp_demo.oauth.resource_metadata import candidate_urls, well_known_url

lab.show(dict(enumerate(candidate_urls(run.server), start=1)))

# %% [markdown]
# First with the path behind, then at the root alone ([RFC 9728 §3.1](https://www.rfc-editor.org/rfc/rfc9728#section-3.1),
# [MCP](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery)). Well-known addresses begin at the root of a host
# ([RFC 8615](https://www.rfc-editor.org/rfc/rfc8615#section-3)); the path behind keeps apart the servers that share it.
#
# ## Step 2 · Read it
#
# Knock first, for there is no reason to look without a `401`.

# %%
from mcp_demo.client import mcp
from mcp_demo.lab.asking import ask, connect

refused = ask(run, mcp.call_tool(run.server, "whoami", {}).with_token(None)).response
lab.show({"status": refused.status, "challenge": refused.header("www-authenticate")})

# %% [markdown]
# Here the address is named, and it is the first of the two above. Let the client take the next step:

# %%
from mcp_demo.client.discovery import check_url, discover
from mcp_demo.client.drive import Walk

found = Walk(discover(run.server, refused), connect(run)).next_step()
found

# %% [markdown]
# It can be read without a token; it has to, since who reads it has none.
#
# | Member | Says |
# |---|---|
# | `resource` | who this server is: the name that tokens for it must carry |
# | `authorization_servers` | whom it trusts to make tokens, by their *issuer*: a URL that names an authorization server |
# | `scopes_supported` | which permissions are enough to begin; others are asked for when they are needed |
# | `bearer_methods_supported` | how a token is sent: in the header, nowhere else |
# | `resource_name` | what people call it |
#
# **MCP requires** the document, and
# [`authorization_servers` in it](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements);
# RFC 9728 [§2](https://www.rfc-editor.org/rfc/rfc9728#section-2) has all members. Cognito has no part in it: the document is
# the MCP server's own.
#
# ## Step 3 · `resource`, letter by letter
#
# A client that was told to use one URL finds a document that names a URL. When are they the same?

# %%
lab.predict(
    "The document says http://localhost/mcp. For which of these URLs may a client use it?",
    {
        "http://localhost/mcp/": "A slash more. Often the same to a web server, but another server to a token.",
        "http://127.0.0.1/mcp": "The same machine, but another name. Names are compared, not machines.",
        "http://localhost/mcp only": "Byte for byte: no rule about slashes, case or ports has to be agreed on.",
    },
    answer="http://localhost/mcp only",
)

# %% [markdown]
# Ask the client's rule about three URLs that look right.

# %%
import json

from mcp_demo.oauth.errors import ResourceMismatch
from mcp_demo.oauth.resource_metadata import parse, validate_resource

document = json.loads(found.response.body)
elsewhere = run.server.replace("localhost", "127.0.0.1")
for called in (f"{run.server}/", elsewhere, run.server.replace("/mcp", "/MCP")):
    with lab.expect_refusal(ResourceMismatch):
        validate_resource(parse(document), called)

# %% [markdown]
# Three refusals ([RFC 9728 §3.3](https://www.rfc-editor.org/rfc/rfc9728#section-3.3)). It looks pedantic, and is easy
# to stumble over: the URL typed into a client has a slash that the server's configuration has not. The cure is one spelling
# everywhere.
#
# ## Step 4 · The attack that this stops
#
# Somebody runs a free and useful MCP server, and wants tokens for *yours*. So that server publishes a copy of your document:
# byte for byte, with your name and your authorization server in it.

# %%
evil = "http://localhost:6666/mcp"
network = connect(run, {well_known_url(evil): document})
lab.show({"at": well_known_url(evil), **document})

# %% [markdown]
# `network` is the world as this client sees it: the copy lies at the attacker's address. Now look at what a client without the
# check of step 3 would do with it.

# %%
naive = parse(document)
lab.show({"asks": naive.authorization_servers[0], "for a token for": naive.resource, "and sends it to": evil})

# %% [markdown]
# Everything the person sees is honest: their own authorization server, your server's name on the consent page. They agree, and
# the client carries a good token for your server to the attacker. Now the real client, with the same world:

# %%
from mcp_demo.exchange.model import Response

with lab.expect_refusal(ResourceMismatch):
    list(Walk(discover(evil, Response(401)), network))

# %% [markdown]
# It stops before anybody signs in. A document that names another resource must not be used, and this is why
# ([RFC 9728 §7.3](https://www.rfc-editor.org/rfc/rfc9728#section-7.3)).
#
# ## Step 5 · Addresses that a client must not visit
#
# The document and the challenge are full of URLs, all chosen by a server that the client does not know yet. Suppose a server on
# the internet names one *inside* your company.

# %%
from mcp_demo.oauth.errors import InsecureUrl

for url in ("https://10.0.0.5/admin", "https://localhost/admin", "http://mcp.example/as"):
    with lab.expect_refusal(InsecureUrl):
        check_url(url, "https://mcp.example/mcp")

# %% [markdown]
# The client stands inside your network, where the attacker is not. This is *server-side request forgery*
# ([Security Best Practices](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices#server-side-request-forgery)).
# The last one is public, but not `https`. Servers on your own machine, as here, may name others on it.
#
# ## Step 6 · Several authorization servers
#
# `authorization_servers` is a list. A server may trust more than one, and it is the client that chooses
# ([RFC 9728 §7.6](https://www.rfc-editor.org/rfc/rfc9728#section-7.6)).

# %%
lab.predict(
    "A client registered with the second of two servers long ago. Which one does it ask?",
    {
        "The first": "It would have to register again, and the person would sign in at a strange place.",
        "The second": "It has credentials there. They are bound to that issuer and go to no other.",
        "Both, and takes the quicker": "Then one of them learns of a sign-in that is none of its business.",
    },
    answer="The second",
)

# %% [markdown]
# The client's engine is a generator: it says what it wants to fetch, and you may answer in the network's stead. Give it a
# document with two servers, and look where it turns.

# %%
two = {**document, "authorization_servers": [run.bridge, "http://localhost:7777"]}
for known in (None, "http://localhost:7777"):
    flow = discover(run.server, refused, preferred_issuer=known)
    next(flow)
    then = flow.send(Response(200, (), json.dumps(two).encode()))
    display(lab.show({"registered with": known, "asks next": then.request.url}))

# %% [markdown]
# Without credentials it takes the first. With some, it goes where they are from: **MCP requires** that credentials of one
# authorization server are
# [never used at another](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration#authorization-server-binding).
# So a server lists the one that suits newcomers first. Notebook 09 runs two.
#
# ## Step 7 · What else is in the answer
#
# The members are one half; the other half are header fields that nobody looks at until something is wrong.

# %%
page = ask(run, found.request.url, origin=run.clients["static"])
names = ("content-type", "cache-control", "access-control-allow-origin")
lab.show({name: page.response.header(name) for name in names})

# %% [markdown]
# `max-age=300`: a client may keep the document for five minutes. Who moves to another authorization server serves both for at
# least that long. `access-control-allow-origin: *` lets pages of any origin read it. That is right here: the document is the
# same for everybody and holds no secret. (The server itself answers only pages of origins that it knows: notebook 02.)
#
# ## Step 8 · What a client refuses
#
# Documents come from configurations, and configurations have mistakes. Three that occur in the wild, and what the client says:

# %%
from mcp_demo.oauth.errors import MetadataInvalid

for mistake in ({"authorization_servers": []}, {"authorization_servers": run.bridge}, {"resource": None}):
    with lab.expect_refusal(MetadataInvalid):
        parse({**document, **mistake})

# %% [markdown]
# A list that is empty, a text where a list belongs, a `null`. Members without a value are left out
# ([RFC 9728 §3.2](https://www.rfc-editor.org/rfc/rfc9728#section-3.2)). A client that guessed here would guess about security.
#
# ## Your turn
#
# Three documents are broken on purpose. Look at the bug, repair it in a line or two, and let the same check judge again. It is
# one of the *conformance suite*, little programs that look for such bugs (notebook 10); `lab.hint("…")` in a new cell helps. Change only what stands under `TODO`.
#
# ### The helpful URL class
#
# Some libraries tidy URLs up.

# %%
lab.break_it("adds_a_slash_to_the_resource")

# %% [markdown]
# Every client that was given the URL without the slash walks away, as in step 3.

# %%
def repair(document, server):
    # TODO: name the server as it is called (server.resource), byte for byte
    return document

lab.check("one-spelling", repair)

# %% [markdown]
# As long as it is unsolved, the verdict says *not yet*; that is no error.
#
# ### The address of a document

# %%
lab.break_it("lists_the_metadata_url")

# %% [markdown]
# An issuer is a name. The client makes the address from it by inserting, as in step 1; here it would insert twice.

# %%
def repair(document):
    # TODO: the entries are URLs of documents; what is wanted is the issuer each was derived from
    return document

lab.check("an-issuer-not-an-address", repair)

# %% [markdown]
# Notebook 04 is about what lies at the address that the client makes.
#
# ### The member that says nothing

# %%
lab.break_it("writes_null")

# %% [markdown]
# You saw in step 8 what a strict client does.

# %%
def repair(document):
    # TODO: what has no value is not said at all
    return document

lab.check("leave-it-out", repair)

# %% [markdown]
# Generated documents often carry such members: the class has a field, so the document has one.
#
# ## What you can answer now
#
# <details><summary>1 · A server at <code>https://host/a/mcp</code> names no document in its 401. Where do you look first?</summary>
# At <code>https://host/.well-known/oauth-protected-resource/a/mcp</code>, then at the root of the host.
# </details>
# <details><summary>2 · Why is <code>resource</code> compared byte for byte?</summary>
# It becomes the <code>aud</code> of tokens, which is compared like that too; and any rule for "nearly the same" is one that somebody
# can bend.
# </details>
# <details><summary>3 · An attacker serves a true copy of your document. What is there to gain from a careless client?</summary>
# A good token for your server: the person signs in where they always do, and the client sends the token to the attacker.
# </details>
# <details><summary>4 · Two authorization servers are listed. Who chooses, and how?</summary>
# The client. It takes the one that it has credentials from, otherwise the first.
# </details>
# <details><summary>5 · Why may any web page read this document, but not call the server?</summary>
# The document is public and the same for everybody. Calls are for origins that the operator knows.
# </details>
#
# **Three sentences.** The document lies at an address that is built from the server's own. Its `resource` must be that server,
# letter by letter, or nobody goes on. It does not say how to sign in, only whom to ask.
#
# **Read on:** [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728) ·
# [Authorization Server Discovery](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/authorization-server-discovery) ·
# [RFC 8615](https://www.rfc-editor.org/rfc/rfc8615) on well-known addresses
#
# **Next:** [04 · Authorization server metadata, and why Cognito alone is refused](04_server_metadata.ipynb)
