# ---
# jupyter:
#   jupytext:
#     formats: ipynb,text//py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here: one sign-in, hop by hop
#
# **In a quarter of an hour** you will have watched a program without any credentials find out, by itself, whom to ask for
# access to a protected MCP server, send a person to sign in, and come back with data. Eight steps, and you run each.
#
# *You need:* this notebook and nothing else. No cloud account, no cost: AWS is embedded and runs on your machine.
# Run the cells from the top, one by one, with <kbd>Shift</kbd> + <kbd>Enter</kbd>.
#
# ![Client, MCP server, bridge and user pool, with six numbered arrows between them](../docs/images/overview.svg)
#
# *MCP*, the Model Context Protocol, lets a program call *tools* on a server. *OAuth* is how the program gets permission for
# that. Amazon *Cognito* keeps people's accounts in a *user pool*, and signs tokens for them. The *bridge* is ours, and stands
# between the two.
#
# Three labels keep apart what is easily mixed up:
#
# | Label | Means |
# |---|---|
# | **MCP requires** | a rule of the protocol; it holds for every MCP server and client |
# | **Cognito does** | how AWS's user pools behave |
# | **The bridge adds** | what our authorization server in front of Cognito supplies, because MCP requires it and Cognito lacks it |
#
# This is the first of twelve notebooks. The map shows the way; each one begins with it.

# %%
from mcp_demo import lab

lab.where("00")

# %% [markdown]
# ## Before the first step: start the system
#
# The next cell finds the running system, or starts it: a user pool with one user, the bridge, and an MCP server with three
# tools. It goes on running when you close the notebook.

# %%
run = lab.start()
lab.show({"MCP server": run.server, "bridge": run.bridge, "user pool": run.domain, "user": run.user.username})

# %% [markdown]
# ## Step 1 · Knock, without a token
#
# A client wants to call the tool `whoami`. It has never seen this server, and it holds no *token*: the piece of text that
# says who may do what. Before you look, decide what you expect.

# %%
lab.predict(
    "A program without a token calls a tool. What does the server answer?",
    {
        "200, with an error text inside": "A client that looks at the status would take this for success.",
        "302, a redirect to a sign-in page": "A program is asking. It could do nothing with a page.",
        "401, with a header that helps": "The status says “not without a token”, the header says where to begin.",
    },
    answer="401, with a header that helps",
)

# %% [markdown]
# Now see. `lab.begin` makes a client, and `lab.next_step` lets it take one step. Each step shows as a card: the request with
# its arrow out, the answer with its arrow back.

# %%
flow = lab.begin(run, "whoami")
lab.next_step(flow)

# %% [markdown]
# **MCP requires** this `401` and its header `WWW-Authenticate`, the *challenge*
# ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)). There is no `error` in it, because nothing was wrong
# with a token: there was none.

# %% [markdown]
# ## Step 2 · Read the challenge
#
# Everything the client knows so far stands in that one header. It is worth reading on its own.

# %%
from mcp_demo.client.discovery import challenge_of

challenge = challenge_of(flow.exchanges[0].response)
lab.show({"scheme": challenge.scheme, **challenge.parameters})

# %% [markdown]
# Two hints. `scope` names the permission that is enough for reading. `resource_metadata` is the address of a document, and
# that document is the next thing to fetch.

# %% [markdown]
# ## Step 3 · Ask the server who protects it
#
# The server does not sign anybody in. It only says whom it trusts to do so: an *authorization server*. The
# document that says it is called *protected resource metadata* ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728#section-3)).

# %%
lab.next_step(flow)

# %% [markdown]
# `resource` is the server's own name for itself. The client repeats it in every request for a token, so that the
# token is made for this server and is worthless at any other ([RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
#
# `authorization_servers` names the bridge, not Cognito. The next step shows why.

# %% [markdown]
# ## Step 4 · Ask the authorization server what it can do
#
# One more document, the *authorization server metadata*. **MCP requires** that a client goes no further unless it finds
# `S256` in `code_challenge_methods_supported`
# ([MCP, Authorization Code Protection](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/security-considerations#authorization-code-protection)).
# It stands for a protection that you meet in steps 5 and 7.

# %%
lab.next_step(flow)

# %% [markdown]
# Here is the reason for the bridge. **Cognito does** support S256, but its metadata does not say so, and it has no
# [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414) document: a strict client stops here. **The bridge adds** the document,
# and `iss` (*issuer*: the server's name) in responses, so that a client can tell who answered.
#
# So far the client has only read. This is the flow up to here:

# %%
flow.diagram()

# %% [markdown]
# ## Step 5 · Send the person to sign in
#
# Now a browser takes over, and a person comes in. They will type a password.

# %%
lab.predict(
    "Who gets to see the password?",
    {
        "the client": "It never does. It opens a browser and waits: that is what the whole detour is for.",
        "the bridge": "It asks whether you agree, and passes the browser on. The password is typed elsewhere.",
        "the user pool only": "It is the one that knows the users. Nobody else has any use for a password.",
    },
    answer="the user pool only",
)

# %% [markdown]
# The next cell drives a real browser for you: it agrees on the bridge's page, then types name and password on the user
# pool's page. (To click yourself, start over with `lab.begin(run, "whoami", by_hand=True)`.)

# %%
lab.next_step(flow)

# %% [markdown]
# Look at the address above each picture: the bridge asks whether you agree, the user pool asks for the password, and the
# client sees neither page.
#
# `code_challenge` is the hash of a secret that stays with the client: together they are called *PKCE*
# ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636#section-1.1)).
# `state` lets the client recognise the answer to its own question.

# %% [markdown]
# ## Step 6 · Take the code, but check who brings it
#
# The browser came back with a `code`, which the client will trade for tokens. Anyone can send a browser to that address, so the client first compares two values
# with what it remembered.

# %%
from urllib.parse import parse_qs, urlsplit

answer = {name: values[0] for name, values in parse_qs(urlsplit(flow.callback_url).query).items()}
lab.show({
    "state is ours": answer["state"] == flow.pending.state,
    "issuer is the one we asked": answer["iss"] == run.bridge,
})

# %% [markdown]
# Two times `True`, so the code may be used. **MCP requires** the comparison of `iss` letter by letter
# ([RFC 9207 §2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)): it is what stops a hostile authorization server from collecting the
# codes of an honest one.

# %% [markdown]
# ## Step 7 · Trade the code for tokens
#
# The code alone is worth nothing. With it the client sends `code_verifier`, the secret behind the challenge of step 5, and
# once more the `resource`.

# %%
lab.next_step(flow)

# %% [markdown]
# You never see a token here, only its first letters, its length and a short fingerprint: enough to recognise it in the next
# step, not enough to use it.
#
# Between steps 5 and 7 the bridge talked to Cognito. On a learner's machine it tells what it did:

# %%
lab.show(flow.behind(), first=1)

# %% [markdown]
# Follow `code_challenge`: it is the client's own, all the way to the user pool, so the bridge could not redeem the code
# without the client. **Cognito does** the checking. **The bridge adds** the consent, and ties the login to the browser that
# gave it.

# %% [markdown]
# ## Step 8 · Knock again, with the token
#
# The same call as in step 1, with one header more.

# %%
lab.predict(
    "The server has never talked to the bridge or to Cognito about you. How will it know that the token is good?",
    {
        "it asks Cognito about the token": "That would work, and cost a request for every call.",
        "it checks a signature with Cognito's public key": "Cognito signs each token; whoever has the public key can check.",
        "it trusts whoever has a token": "Then a token from anywhere would open it, forged ones too.",
    },
    answer="it checks a signature with Cognito's public key",
)

# %% [markdown]
# Here is the call. Compare the `authorization` header with the token's fingerprint in step 7.

# %%
lab.next_step(flow)

# %% [markdown]
# Cognito publishes its public keys; the server checks signature, issuer, expiry, kind of token, scopes and, above
# all, `aud`: is this token meant for *me*? **MCP requires** that last check, since a token for one server must never open
# another ([MCP, Token Handling](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#token-handling)).
#
# You can look over the server's shoulder. This is the token, taken apart, with what this server says to each part:

# %%
lab.token(flow.exchanges[-1], run)

# %% [markdown]
# `client_id` is the bridge's client in the user pool: the bridge asked on your behalf. `scope` is what you agreed to, and no
# more. And this is what it was all for, the answer of the tool:

# %%
lab.show(flow.data)

# %% [markdown]
# The whole way once more, on one page. The user pool is not on it: the client never talks to it, and need not know of it.

# %%
flow.diagram()

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Why does the server answer 401 and not with a redirect to a sign-in page?</summary>
# The caller is a program. The 401 tells it where to read who protects the server; the program then opens a browser itself.
# </details>
# <details><summary>2 · Which two documents does the client read before anybody signs in, and whose are they?</summary>
# The protected resource metadata (of the MCP server), and the authorization server metadata (of the bridge).
# </details>
# <details><summary>3 · Why is the bridge there at all?</summary>
# MCP asks an authorization server for things Cognito lacks: metadata that names S256, <code>iss</code> in responses, consent.
# </details>
# <details><summary>4 · Somebody reads the code from the browser's history. Why does it not help them?</summary>
# They lack the verifier behind the challenge, so the code buys them nothing.
# </details>
# <details><summary>5 · What makes a token useless at another MCP server?</summary>
# Its <code>aud</code> names the one server it was made for, as asked for with <code>resource</code>; every server has to check that.
# </details>
#
# ## In three sentences
#
# 1. A client needs to know one address; the 401 and two documents tell it all the rest.
# 2. The password goes to the user pool only, and the code is worthless without the client's own secret.
# 3. A token is made for one server, and each server checks that it is the one.
#
# Where it is written: [MCP Authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization) ·
# [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728) · [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414) ·
# [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636) · [RFC 8707](https://www.rfc-editor.org/rfc/rfc8707) ·
# [RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)
#
# ## Where next
#
# [01 · Deploy](01_deploy.ipynb) looks at what this system is made of. Or try it by hand: open a browser client at one of
# these addresses, log in, and press **Add data**. That needs a permission you have not given yet.

# %%
lab.show(run.clients)

# %% [markdown]
# When you are done, `lab.stop()` in a new cell ends the system and leaves nothing running.
