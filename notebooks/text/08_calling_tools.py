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
# # 08 · Calling tools: a token that is not enough, runs out, and is taken back
#
# **In half an hour** you have taken one login through its whole life: a call that is refused for want of a permission, the
# permission asked for, the hour that passes, a theft that is noticed, and the end.
#
# *You need:* notebook 00; notebook 07 for what stands in a token. No account, no cost.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("08")

# %% [markdown]
# ## What is on offer
#
# A client that knows nothing lists the tools first. The server refuses strangers even that, so there is a sign-in behind
# this cell, as in notebook 00. (To sign in yourself, write `Caller(run, by_hand=True)`.)

# %%
from mcp_demo.lab.caller import Caller

client = Caller(run)
client.tools()
lab.show({tool["name"]: tool["title"] for tool in client.data["tools"]})

# %% [markdown]
# Four tools. (The last one calls an API behind the server for you, and your token stays here:
# [docs/token-exchange.md](../docs/token-exchange.md).) What the client was *granted* when it signed in, and what each tool
# *needs*, are two different lists:

# %%
from mcp_demo.server.operations import TOOL_SCOPES

lab.show({"granted": client.grant.scopes, **TOOL_SCOPES})

# %% [markdown]
# A *scope* is the name of a permission. In a token it is written in full, with the server's address in front. **Cognito
# does** that: a scope belongs to one server, so A's `read` is not B's. Your client holds `read`, which is all that the very
# first `401` asked for. It asks for no more than it needs: least privilege.

# %%
lab.show({hop.name: hop.response.status for hop in client.call("list_contexts")})

# %% [markdown]
# One hop: the client kept its token, and `read` covers this tool.

# %% [markdown]
# ## Not enough: the 403
#
# `add_context` stores a note, and needs `write`. The token has a good signature, the right audience, an hour to live. It just
# does not say `write`.

# %%
lab.predict(
    "What should the server answer to add_context with this token?",
    {
        "200, with an error text inside": "Then a program would have to understand prose to know what is missing.",
        "401": "That says: I do not believe your token. The client would fetch a new one, just like it, for ever.",
        "403, and the name of what is missing": "I believe you, and this is what you need besides.",
    },
    answer="403, and the name of what is missing",
)

# %% [markdown]
# The client would react by itself, so the next cell sends the bare request, to let you read the answer:

# %%
from mcp_demo.lab import forge

held = client.grant
note = {"name": "shopping", "text": "milk"}
lab.show(forge.present(run.server, held.access_token, "a token with read only", "add_context", **note))

# %% [markdown]
# The challenge names the error, `insufficient_scope`, and the scopes this call needs
# ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)). The tool did not run: the authorization layer answered
# before the request reached it. **MCP recommends** exactly this form
# ([Scope Challenge Handling](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#scope-challenge-handling)),
# so that a client can act on it.
#
# See a server that gets it wrong:

# %%
lab.break_it("sends_a_bare_403")

# %% [markdown]
# That was a copy of your server with one bug, attacked by the *conformance suite*, a set of little programs that look for such
# bugs (notebook 10).
#
# **Exercise.** `parameters` are those of the challenge that the broken copy is about to send. Put in what is missing, and
# `lab.check` lets the suite try again. `lab.hint("missing-scope")` helps.

# %%
def say_what_is_missing(parameters, status, server):
    if status == 403:
        # TODO: add `error`, `scope` and `resource_metadata`; server.scopes is (read, write).
        pass
    return parameters

lab.check("missing-scope", say_what_is_missing)

# %% [markdown]
# ## Step-up: ask for more
#
# The client that meets a 403 sends the person back to the consent page, once, to ask for the missing permission. That is
# called *step-up*. In the request for authorization it has to name scopes again.

# %%
lab.predict(
    "The client holds read and now needs write. Which scopes does it ask for?",
    {
        "write": "Then the new token has write only, and the next whoami is refused.",
        "read and write": "The union of what it has and what is missing.",
        "every scope the server knows": "That would work, and ask the person for more than anybody needs.",
    },
    answer="read and write",
)

# %% [markdown]
# Now let the client do it. Its call leads you to the consent page:

# %%
hops = client.call("add_context", **note)
lab.show(hops[3:5])

# %% [markdown]
# Look at `scope` in the request, and at the page: it shows what you agree to *now*, both permissions. Agreed, signed in, and
# a new token comes:

# %%
lab.show(hops[-2:-1])

# %% [markdown]
# With it the client sent the same call again, by itself, and the note is stored. The new token *replaces* the old one, hence
# the union. Since revision 2026-07-28 the challenge names only what the operation
# needs, and **MCP recommends** that the client itself asks for the union
# ([step-up flow](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#step-up-authorization-flow)).
# What if it asked for `write` alone? Here scopes are flat, so `write` does not include `read`:

# %%
from conformance.stack import issuer_of

write_only = issuer_of(run).token(scope=f"{run.server}/write")
lab.show({tool: forge.answer(run.server, write_only, tool) for tool in ("whoami", "list_contexts")})

# %% [markdown]
# Such a client would now step up for `read`, lose `write`, step up for that, and send its person to the sign-in page for
# ever. Ours also counts: after two rounds for the same scopes it gives up and says so.

# %% [markdown]
# ## It runs out: refresh
#
# Your access token lives for an hour, since a stolen one works until it ends. Nobody wants to sign in every hour, though.

# %%
lab.predict(
    "The hour is over, the person is away. How does the client go on?",
    {
        "It changes exp in its token": "The signature would no longer fit: notebook 07.",
        "It sends the person to the sign-in page": "Nobody is there. And there is a better way.",
        "It trades another token for a new one": "It got a refresh token together with the access token.",
    },
    answer="It trades another token for a new one",
)

# %% [markdown]
# You need not wait: the next cell puts the *client's* clock ahead by 59 minutes and 50 seconds. It believes its token to be
# at its end.

# %%
client.ahead = 59 * 60 + 50
lab.show(client.call("whoami"))

# %% [markdown]
# Two hops, no browser. The *refresh token* is good for one thing only: to get new tokens, at the one authorization server it
# is from ([OAuth 2.1 §4.3](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.3)). The MCP server never
# sees it. So the token that travels with each call lives shortly, and the one that lives long hardly ever travels.
#
# Who gets a refresh token? Elsewhere a client has to ask for a scope called `offline_access`. Look whether it is offered here:

# %%
import json

metadata = json.loads(hops[2].response.body)
lab.show({name: metadata[name] for name in ("scopes_supported", "grant_types_supported")})

# %% [markdown]
# It is not, and for a reason. See what the user pool says to somebody who asks for it all the same:

# %%
from urllib.parse import unquote_plus, urlencode

from mcp_demo.lab.asking import ask

wish = {"response_type": "code", "client_id": run.client_id, "scope": "offline_access"}
wish["redirect_uri"] = f"{run.clients['static']}/callback"
sent_back = ask(run, f"{run.domain}/oauth2/authorize?{urlencode(wish)}").response
lab.show({"sent back to": unquote_plus(sent_back.header("location"))})

# %% [markdown]
# **Cognito does** give a refresh token with every such login, and knows no scope for it. So the bridge lists none, and a good
# client asks for `offline_access` only where it is listed. (The name comes from
# [OIDC Core §11](https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess).)

# %% [markdown]
# ## Stolen: rotation
#
# Compare the fingerprints in the card above: `refresh_token` went out, and *another* one came back. Each works once. That is
# *rotation*. It does not prevent a theft. It makes the theft show.
#
# Let the thief copy the refresh token of your very first sign-in, from before the step-up. You go on using it, as clients do:

# %%
stolen = held
first, second = client.refresh(held)
again, third = client.refresh(second)
lab.show({"first refresh": first.response.status, "second refresh": again.response.status})

# %% [markdown]
# Two rotations on, the thief comes with the copy.

# %%
lab.predict(
    "Now the thief uses the copy. What should happen?",
    {
        "The thief gets tokens": "Then one theft would last as long as the login, and that is long.",
        "The thief is refused, and you go on": "And if the thief had been faster? Then you were refused, and they went on.",
        "The thief is refused, and so are you": "A token that comes twice is in two hands. Nobody knows whose are yours.",
    },
    answer="The thief is refused, and so are you",
)

# %% [markdown]
# The copy, sent by the thief:

# %%
theft, _ = client.refresh(stolen)
lab.show(theft)

# %% [markdown]
# `invalid_grant`: the copy was used before. And you, with the newest token, which nobody has seen?

# %%
yours, _ = client.refresh(third)
lab.show({"your newest token": f"{yours.response.status} {json.loads(yours.response.body)['error']}"})

# %% [markdown]
# Ended too: all tokens that grew from one login are a *family*, and the replay of one ends the family
# ([OAuth 2.1 §4.3.1](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.3.1)). You sign in again, once.
# The thief cannot. Your other login, from the step-up, is another family and goes on.
#
# Whose work is this? **MCP requires** rotation for public clients, those without a secret
# ([token theft](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/security-considerations#token-theft)).
# **Cognito does** rotate, if a setting says so, and refuses an old token; that it would end the rest too,
# [its documentation](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html)
# does not say. **The bridge adds** the family, and its end.
#
# And an honest client whose answer got lost on the way? It asks again at once:

# %%
from mcp_demo.bridge.payloads import REFRESH_SECONDS
from mcp_demo.registry.families import GRACE

at_once = [client.refresh(client.grant)[0].response.status for _ in range(2)]
days = REFRESH_SECONDS // 86_400
lab.show({"twice at once": at_once, "that is, within": f"{GRACE:.0f} s", "a login lasts": f"{days} days"})

# %% [markdown]
# For ten seconds the *last* one may come twice. That is a compromise: without it, each dropped connection would look like a
# thief. (It is also why you refreshed twice above, before the thief came.) Now a bridge that remembers nothing:

# %%
lab.break_it("old_refresh_token")

# %% [markdown]
# **Exercise.** The bridge numbers the refresh tokens of a family: 0, 1, 2 and so on, its *generations*. `rotate` is called when
# one of them is used. As it stands, `newest` is written and never read.

# %%
from mcp_demo.registry.families import Rotation

newest = {}

def rotate(bridge, family, generation, **times):
    # TODO: if this is not the newest of its family, end the family and return Rotation("reused").
    newest[family] = generation + 1
    return Rotation("rotated", generation + 1)

lab.check("refresh-rotation", rotate)

# %% [markdown]
# ## Taken back: revocation
#
# You log out. The client forgets its tokens, and gives the refresh token back, so that no copy of it works either
# ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

# %%
held = client.grant
lab.show(client.leave())

# %% [markdown]
# `200` and an empty page: it is done, says the authorization server.

# %%
lab.predict(
    "Somebody has a copy of both tokens. What works after the logout?",
    {
        "Neither": "The refresh token is dead. But who would tell the MCP server about the other one?",
        "The access token, until it expires": "The server checks it alone and asks nobody.",
        "The refresh token": "That is the one that was given back.",
    },
    answer="The access token, until it expires",
)

# %% [markdown]
# Both copies, one after the other:

# %%
refreshed, _ = client.refresh(held)
lab.show({
    "refresh token": f"{refreshed.response.status} {json.loads(refreshed.response.body)['error']}",
    "access token": forge.answer(run.server, held.access_token, "whoami"),
})

# %% [markdown]
# This is the price of tokens that a server can check by itself: nobody can call them back. Hence the short hour. Can you
# not revoke the access token as well? Ask:

# %%
lab.show(client.give_back(held, held.access_token))

# %% [markdown]
# **Cognito does** revoke refresh tokens only. The bridge could answer `200` and do nothing. It says instead that
# it cannot ([RFC 7009 §2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)): better a refusal than a promise that
# does not hold.
#
# | What happens | refresh token | access token |
# |---|---|---|
# | the hour passes | works | ends |
# | you log out | ends | works until `exp` |
# | an old refresh token comes back | the whole family ends | works until `exp` |
# | thirty days pass | ends | ended long ago |

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · What is the difference between 401 and 403, and what does the client do after each?</summary>
# 401: the token is not believed; get another one, by refresh or sign-in. 403 <code>insufficient_scope</code>: it is believed
# and does not cover this call; ask the person for more.
# </details>
# <details><summary>2 · Why does the client ask for read <em>and</em> write, when only write is missing?</summary>
# The new token replaces the old one. With <code>write</code> alone, the next read would be refused.
# </details>
# <details><summary>3 · How does a client go on after an hour without a person? Which server takes part?</summary>
# It trades its refresh token for new tokens, at the authorization server. The MCP server never sees a refresh token.
# </details>
# <details><summary>4 · A thief uses a refresh token that you have used before. What happens, and why to you too?</summary>
# It is refused and the whole family ends: the server cannot know which of the two is the thief. You sign in again.
# </details>
# <details><summary>5 · You log out. What still works, for how long, and why?</summary>
# The access token, until it expires: servers check it by themselves, and nobody tells them of the logout.
# </details>
#
# **Three sentences to keep.** Ask for little, and for more when it is needed, and then for all of it. Rotation does not
# prevent a theft, it makes it show. Nobody can call back a token that a server checks by itself, so let it live shortly.
#
# **Read on:** [MCP Authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization),
# [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750) (bearer tokens), [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)
# (revocation),
# [Cognito: refresh tokens](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html).
#
# **Next:** [09 · Hardening](09_hardening.ipynb), for when strangers come.
