# %% [markdown]
# # 05 · Registration: how a stranger becomes a client
#
# **In 35 minutes** you introduce a client that nobody knows to the bridge, in three ways: an administrator names it, a
# document describes it, or it registers itself and becomes a row in DynamoDB. And you see what each way refuses.
#
# *You need:* notebook 00, done once. No cloud account, no cost.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("05")

# %% [markdown]
# ## Who is asking?
#
# A program that wants access is a *client*, and `client_id` is its name in every request. Before it may send a person to
# sign in, the authorization server has to know three things of it: what it is called, where answers may be sent (its
# *redirect URIs*), and how it proves itself later: by a secret, by a key, or not at all. Telling it so is *registration*.

# %%
lab.predict(
    "Which of the three does the most harm if a stranger may choose it freely?",
    {
        "the name": "It misleads people, and that is bad enough; but a name receives nothing.",
        "the redirect URIs": "The code that becomes a token is sent there: whoever chooses the place gets the code.",
        "the way it proves itself": "A client that proves nothing is common: programs on a laptop cannot keep a secret.",
    },
    answer="the redirect URIs",
)

# %% [markdown]
# First, a client that has not registered at all. `by_hand` sends single requests; this one is complete and correct but
# for its `client_id`.

# %%
from mcp_demo.lab import by_hand

stranger = by_hand.request(run, "nobody")
lab.show(by_hand.authorize(stranger))

# %% [markdown]
# `400`, a page for the person, and no redirect. The redirect URI came in the same request, from the same stranger, so
# it is not used, not even for an error
# ([RFC 6749 §4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
#
# Which ways in are there? The metadata of the bridge, which you met in step 4 of notebook 00, announces
# two:

# %%
import httpx

offers = httpx.get(f"{run.bridge}/.well-known/oauth-authorization-server").json()
lab.show({name: offers.get(name) for name in ("client_id_metadata_document_supported", "registration_endpoint")})

# %% [markdown]
# The third way needs no announcement: whoever was registered by an administrator knows it.
#
# **MCP requires** none of the three, but says in which order a client should try them
# ([Client Registration](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration)).
# **Cognito does** know clients that an administrator made. **The bridge adds** the other two ways.
#
# ## Way 1 · An administrator registers it
#
# The oldest way: somebody with access to the server writes the client down. Deploying this system did it for the
# browser client of notebook 00.

# %%
import json

from mcp_demo.settings import BridgeSettings

known = json.loads(BridgeSettings.load(run.state / "env" / "bridge.env").clients)[0]
lab.show(known)

# %% [markdown]
# Name, redirect URIs, and `none`: this client proves nothing, it is a *public* client. `scope` is the most it may ask for.
#
# One redirect URI has no port. `127.0.0.1` is a *loopback* address: it leads from a machine to itself. A program on a laptop
# gets a free port from its system, another one each time; so on loopback addresses, and only there, the port may differ
# ([RFC 8252 §7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).

# %%
lab.show({
    "registered, any port": by_hand.said(by_hand.authorize(by_hand.request(run, run.client_id))),
    "another path": by_hand.said(by_hand.authorize(by_hand.request(run, run.client_id, "http://127.0.0.1:49152/other"))),
})

# %% [markdown]
# The first is let in as far as the consent page. The second ends on an error page: everything but the port is compared
# character by character, which notebook 06 takes apart.
#
# This way is safe and does not scale: thousands of clients meet thousands of MCP servers, and nobody introduces them.
# `mcp-demo clients add` is the command for it.

# %% [markdown]
# ## Way 2 · A document describes it
#
# The newest way, and the one that **MCP recommends**: the client publishes a small JSON document about itself, and its
# `client_id` *is* the URL of that document: a *Client ID Metadata Document*, CIMD for short. You are now the maker
# of a client, and publish one, on a free port of this machine.

# %%
from conformance.documents import LoopbackDocuments

web = LoopbackDocuments()
url = web.url("/client.json")
document = {"client_id": url, "client_name": "My first client", "redirect_uris": ["http://127.0.0.1/callback"]}
web.publish("/client.json", json.dumps(document).encode())
lab.show(document)

# %% [markdown]
# Three members, and nobody has been told. Now somebody arrives at the bridge with this URL.

# %%
lab.predict(
    "A request comes with this URL as client_id. What does the bridge do first?",
    {
        "it looks into its table": "There is no row: nobody has registered anything.",
        "it fetches the URL": "The URL is the name and the address at once; whoever controls the host controls the client.",
        "it asks Cognito": "User pools know nothing of such documents.",
    },
    answer="it fetches the URL",
)

# %% [markdown]
# This is the page that a person gets to see:

# %%
from mcp_demo.lab import browsers

lab.show([browsers.look(by_hand.request(run, url))])

# %% [markdown]
# No registration was sent, and yet the bridge knows the name. Beside the name it shows the host: a name is claimed by
# whoever writes the document, the host is proven by the fetch. And it warns, because any program on this computer could
# listen on a loopback address
# ([CIMD §6](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00#section-6)).

# %%
lab.show({"times the bridge fetched the document": web.hits(url)})

# %% [markdown]
# ### What is not fetched
#
# The bridge fetches what a stranger names. That is a gift to attackers, so it is careful. Five documents it should not
# take; the first three are on our own server:

# %%
text = json.dumps(document).encode()
attempts = {
    "a copy at another URL": web.publish("/copy.json", text),
    "a redirect to the document": web.publish("/moved.json", b"", status=302, headers={"Location": url}),
    "a document of 6 kB": web.publish("/large.json", text + b" " * 6000),
    "a private address": "https://10.0.0.1/client.json",
    "the cloud's own metadata": "https://169.254.169.254/latest/meta-data/iam",
}
lab.show(attempts)

# %% [markdown]
# The last two are not ours: no document of ours lies there, and perhaps none at all.

# %%
lab.predict(
    "Which of these attacks the bridge itself, and not the person?",
    {
        "the copy": "It would pass for the client that it copies: that deceives the person.",
        "the private address": "The bridge stands inside a network and would fetch for the attacker what only it can reach.",
        "none of them": "The last three do: they use the bridge's memory, or its place in the network.",
    },
    answer="the private address",
)

# %% [markdown]
# Each of the five, as `client_id` of a request that is otherwise good:

# %%
lab.show({what: by_hand.said(by_hand.authorize(by_hand.request(run, where))) for what, where in attempts.items()})

# %% [markdown]
# Five refusals. The `client_id` inside has to be the URL it came from, character by character. Redirects
# are not followed, or a public address could lead to a private one. 5 kB is all that is read. The last two are *server-side
# request forgery*: on AWS, `169.254.169.254` hands out the credentials of the machine
# ([CIMD §6.5](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00#section-6.5)).
#
# In production only `https` is taken; `http` on this machine is allowed here because the whole system runs on it.
#
# ## Way 3 · It registers itself
#
# *Dynamic client registration*, DCR: one `POST`, and the client has a `client_id`. The newest revision of MCP
# [deprecates it](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration) in favour of documents. **The bridge adds** it with three AWS services:
# API Gateway takes the request, a Lambda function checks it, a DynamoDB table keeps the result.
#
# A *grant* is a way to get tokens; the one with a browser and a person is `authorization_code`. This client wants a
# secret, and is a little greedy: it asks for a second grant, `client_credentials`, which gives tokens without any person.

# %%
metadata = {
    "client_name": "My second client",
    "redirect_uris": ["http://localhost:51000/callback"],
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code", "client_credentials"],
}
endpoint = offers["registration_endpoint"]
registered = by_hand.register(endpoint, metadata)
lab.show(registered)

# %% [markdown]
# `201`, with a `client_id` that begins with `dcr_`. The server may replace values instead of refusing them, and has to say
# what it registered ([RFC 7591 §3.2.1](https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1)): look at `grant_types`.
# A grant without a person is nothing for a client that came by itself.
#
# Two secrets are in the answer: `client_secret`, to prove who it is when it trades a code for tokens, and
# `registration_access_token`, to manage this registration. The card shows neither in full.

# %% [markdown]
# ### What is kept
#
# The Lambda function wrote a row. You are on your own AWS, so you may look.

# %%
lab.predict(
    "What does the row hold of the client secret?",
    {
        "the secret": "Whoever reads the table, or a backup of it, could then pass for every client.",
        "the secret, encrypted": "Better, but the key has to be somewhere, and nobody ever needs the secret again.",
        "its hash": "Enough to recognise the secret when it is shown, and useless to whoever reads the table.",
    },
    answer="its hash",
)

# %% [markdown]
# `Profile` makes boto3 clients for the embedded AWS. On real AWS these lines are the same but for the profile.

# %%
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import outputs

made, aws = by_hand.document(registered), Profile.local(run.aws)
table = outputs(aws.cloudformation(), "mcp-demo-registration")["ClientsTable"]
tables = aws.session.resource("dynamodb", endpoint_url=run.aws)
row = tables.Table(table).get_item(Key={"client_id": made["client_id"]})["Item"]
lab.show(row)

# %% [markdown]
# Two hashes, no secret. Clients that register themselves pile up, so they end by themselves: `lifetime` is thirty days in
# seconds, and `expires` moves on while the client is used. After that a scheduled function removes it, and `ttl` lets
# DynamoDB do so if the function does not.
#
# Is it really the hash of what you were given?

# %%
import hashlib

fingerprint = hashlib.sha256(made["client_secret"].encode()).hexdigest()
lab.show({
    "the hash in the row is that of your secret": fingerprint == row["secret_hash"],
    "the secret is somewhere in the row": made["client_secret"] in str(row),
})

# %% [markdown]
# A hash without salt would be wrong for a password that a person chose. Here it is right: the secret has 256 random
# bits, and nobody can try them all.
#
# Logs are the other place where secrets leak. This is what the Lambda function wrote about your client:

# %%
events = aws.client("logs").filter_log_events(logGroupName="/aws/lambda/mcp-demo-register")["events"]
lab.show(json.loads(next(event["message"] for event in events if made["client_id"] in event["message"])))

# %% [markdown]
# Who, what, how it ended; no body and no header.
#
# ### Read, change, take back
#
# [RFC 7592](https://www.rfc-editor.org/rfc/rfc7592) gives a client a door to its own registration: the URL
# `registration_client_uri`, opened by the `registration_access_token`. First, read.

# %%
lab.show(by_hand.manage("GET", made))

# %% [markdown]
# The same as before, without `client_secret`: nobody but the client knows it any more. (It could be answered only if it
# were kept.)
#
# A change replaces everything, so the client sends its whole metadata again, with the `client_id` it is about:

# %%
moved = {**metadata, "client_id": made["client_id"], "redirect_uris": ["http://localhost:52000/callback"]}
changed = by_hand.document(by_hand.manage("PUT", made, moved))
lab.show({"redirect_uris": changed["redirect_uris"], "client_id": changed["client_id"] == made["client_id"]})

# %% [markdown]
# And the end: delete, then try to read once more.

# %%
lab.show([by_hand.manage("DELETE", made), by_hand.manage("GET", made)])

# %% [markdown]
# `204`, then `401`, not `404`: for whoever asks, a client that is gone and a token that is wrong look alike
# ([RFC 7592 §2.1](https://www.rfc-editor.org/rfc/rfc7592#section-2.1)).
#
# ### What is not registered
#
# Anybody may register, so what registration gives is given to everybody. Five attempts, each with one thing wrong:

# %%
wrong = {
    "plain http": {"redirect_uris": ["http://app.example/callback"]},
    "a script": {"redirect_uris": ["javascript:alert(1)"]},
    "a fragment": {"redirect_uris": ["https://app.example/callback#here"]},
    "no redirect URI": {"redirect_uris": []},
    "a made-up method": {"token_endpoint_auth_method": "trust_me"},
}
lab.show({what: by_hand.said(by_hand.register(endpoint, {**metadata, **change})) for what, change in wrong.items()})

# %% [markdown]
# `invalid_redirect_uri` and `invalid_client_metadata` are the two words of
# [RFC 7591 §3.2.2](https://www.rfc-editor.org/rfc/rfc7591#section-3.2.2), and the sentence behind says what to mend. Plain
# `http` over a network shows the code to whoever listens; a script would run in the server's own pages.
#
# ## Two strategies upstream
#
# Behind the bridge, Cognito knows *app clients*, its own word for registered clients. You have just registered one
# with the bridge. What did the user pool notice?

# %%
from mcp_demo.lab import strategies

another = by_hand.document(by_hand.register(endpoint, metadata))
lab.show({name: identifier for identifier, name in strategies.app_clients(run).items()})

# %% [markdown]
# Nothing. All registered clients *share* the app client of the bridge: that is the strategy `shared`, and the default.
# The other one, `per-client`, makes an app client for each. `strategies.per_client` deploys a second registration that
# does so, next to the first, and removes it at the end of the block.

# %%
with strategies.per_client(run) as second_endpoint:
    own = by_hand.document(by_hand.register(second_endpoint, metadata))
    during = list(strategies.app_clients(run).values())
    by_hand.manage("DELETE", own)
    after = list(strategies.app_clients(run).values())
by_hand.manage("DELETE", another)
lab.show({"while it is registered": during, "after it is taken back": after})

# %% [markdown]
# One more app client while it lasts, none after. Which strategy to choose is a question of limits
# ([quotas of Cognito](https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html)). One of them surprises: on
# AWS an app client has no sign-in page until it is given a *style*, and a pool has twenty.
#
# | | `shared` | `per-client` |
# |---|---|---|
# | calls to Cognito for a registration | none | one, and on AWS a second for the style of the sign-in page |
# | how many clients | as many as the table holds | 1,000 app clients a pool; 20 styles, which cannot be raised |
# | how fast | as API Gateway lets through | 5 a second |
# | `client_id` in Cognito's tokens and logs | the bridge's | the client's own |
#
# With 20 styles, the 21st client would have no sign-in page. So `per-client` is for few clients that must be told apart in Cognito.
#
# ## Cognito's own registration
#
# Since late 2026 user pools can register clients themselves, at `/oauth2/register` of their domain. It is off by default,
# and so it is here. The next block serves the user pool's domain once more, on another port, with it switched on.

# %%
from mcp_demo.lab import native

with native.registration(run) as native_endpoint:
    native_card = by_hand.register(native_endpoint, {**metadata, "grant_types": ["authorization_code"]})
lab.show(native_card)

# %% [markdown]
# It looks alike. Look again: there is no `registration_client_uri` and no `registration_access_token`, so the client can
# neither change nor remove itself. Two more questions: does another port work, as it has to for a program on a laptop?
# And does the user pool's own metadata tell a client where to register?

# %%
native_id = by_hand.document(native_card)["client_id"]
here = by_hand.request(run, native_id, metadata["redirect_uris"][0]).replace(run.bridge + "/", run.domain + "/oauth2/")
told = httpx.get(f"{run.aws}/{strategies.user_pool(run)}/.well-known/openid-configuration").json()
lab.show({
    "port 51000, as registered": by_hand.said(by_hand.authorize(here)),
    "port 51001": by_hand.said(by_hand.authorize(here, redirect_uri="http://localhost:51001/callback")),
    "registration_endpoint in the metadata": told.get("registration_endpoint"),
})

# %% [markdown]
# **Cognito does** register, but each client is an app client under the limits above, its loopback port is fixed, and an
# MCP client does not find the endpoint. **The bridge adds** what is missing. (Native registration is new. This project has
# not seen it run on AWS; the stand-in follows its documentation.)
#
# The app client goes away again, as an administrator would do it:

# %%
aws.cognito().delete_user_pool_client(UserPoolId=strategies.user_pool(run), ClientId=native_id)
lab.show({"app clients": list(strategies.app_clients(run).values())})

# %% [markdown]
# ## Which way does a client take?
#
# A client may have several ways in. **MCP recommends** an order.

# %%
lab.predict(
    "A client has a client_id from an administrator, has published a document, and could register. Which comes first?",
    {
        "the client_id it was given": "Somebody decided about this very pair of client and server; nothing is as sure.",
        "the document": "It comes second: one fetch, and nothing is left behind on the server.",
        "registering": "It comes last: each registration leaves a row on each server, which somebody has to clean up.",
    },
    answer="the client_id it was given",
)

# %% [markdown]
# Three identities, from rich to poor, go to the same bridge. `introduce` lets the client library choose.

# %%
from mcp_demo.client.registration import Identity

identities = {
    "id, document": Identity(client_id=run.client_id, metadata_url=url),
    "document": Identity(metadata_url=url),
    "neither": Identity(),
}
chosen = {what: by_hand.introduce(run, identity) for what, identity in identities.items()}
by_hand.withdraw(chosen["neither"])
lab.show({what: f"{way.way}: {way.client_id}" for what, way in chosen.items()})

# %% [markdown]
# In order: pre-registered, document, dynamic
# ([Client Registration](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration)).
# If none works, a client asks the person for a `client_id`. What it got it keeps **per issuer**: a `client_id` of one
# authorization server means nothing at another, and its secret must not be shown there.

# %% [markdown]
# ## Break it, and mend it
#
# `break_it` starts a copy of the bridge, inside this notebook, with a bug on purpose. The *conformance suite*, little programs
# that look for such bugs (notebook 10), attacks it and shows what it found. Your running system is not touched.
#
# The first bug: somebody forgot to look at redirect URIs.

# %%
lab.break_it("any_redirect_uri")

# %% [markdown]
# Every line under *Received* is a place where codes could be sent. Now you: the function below stands in front of the
# broken server and sees each registration before it does. Return the error that a request deserves, or `None` to let it pass.

# %%
def repair(request):
    uris = request.document.get("redirect_uris", [])
    # TODO: a POST is an "invalid_redirect_uri" unless every one is https, or http on this machine; none is too few
    return None

lab.check("refuse-unsafe-addresses", repair)

# %% [markdown]
# Stuck? `lab.hint("refuse-unsafe-addresses")` in a cell of its own helps: first a nudge, then where it is written, then a
# solution.
#
# The second bug, `host_only`, lets the copy of a document pass for the original, which you saw refused above. Your
# function takes the place of the rule that reads documents.

# %%
from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.oauth.metadata_document import parse

def repair(document, url):
    # TODO: a copy names another client_id than this url; then raise InvalidClient("…", status=400)
    return parse({**document, "client_id": url} if isinstance(document, dict) else document, url)

lab.check("one-url-one-client", repair)

# %% [markdown]
# `lab.hint("one-url-one-client")` helps.
#
# The third bug is a classic among the guards against forged fetches: `10.0.0.1` is refused by its looks, but an address
# can be written in many ways.

# %%
lab.break_it("numeric_hosts")

# %% [markdown]
# `2130706433` is `127.0.0.1`, written as one number, and resolvers take it. The real bridge does not judge by looks: it
# resolves the name, checks every address, and connects to one that it has checked. Here, a simpler mending will do:

# %%
from urllib.parse import urlsplit

def repair(request):
    host = urlsplit(request.parameters.get("client_id", "")).hostname or ""
    # TODO: refuse with "invalid_client" what is no name at all but an address, written as one number
    return None

lab.check("stay-outside", repair)

# %% [markdown]
# `lab.hint("stay-outside")` helps here. The check behind it tries seven spellings, and a redirect too: a mending that lets
# one of them in is found.

# %% [markdown]
# ## Tidy up
#
# Your documents are taken off the net. What you registered is gone already, unless you left this notebook half-way once.

# %%
web.close()
left = strategies.tidy(run, "My first client", "My second client")
lab.show({"left over from an interrupted visit": left, "app clients": list(strategies.app_clients(run).values())})

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Why is a request of an unknown client answered with a page, and never with a redirect?</summary>
# The redirect URI comes from the same stranger as the rest. Until client and redirect URI are known to belong together, sending a browser there would make the server a springboard for anybody.
# </details>
# <details><summary>2 · A document at <code>/copy.json</code> says that its <code>client_id</code> is <code>/client.json</code>. Why is that refused?</summary>
# Anybody can copy a document. Only who controls the URL can put a document there, so the two have to be the same, character by character.
# </details>
# <details><summary>3 · What can somebody do with a copy of the DynamoDB table?</summary>
# Read names and redirect URIs. Not pass for a client: of the secrets there are only hashes, and the secrets are too long to guess.
# </details>
# <details><summary>4 · When would you choose <code>per-client</code>, and what stops you?</summary>
# When clients have to be told apart in Cognito's own tokens and logs. 20 sign-in styles and 1,000 app clients a pool, and five calls a second, stop you.
# </details>
# <details><summary>5 · A client has a document and could register as well. What does it do, and why?</summary>
# It uses the document: nothing has to be stored at the server, nothing be cleaned up, and its host proves whose it is.
# </details>
#
# **Learned.** A client is known by its redirect URIs more than by its name. A URL as `client_id` needs no registration,
# but a careful fetch. What anybody can register must be worth little, and be swept away.
#
# **Read on.** [Client ID Metadata Documents](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00) ·
# [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591) · [RFC 7592](https://www.rfc-editor.org/rfc/rfc7592) ·
# [MCP › Client Registration](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration)
#
# **Next:** [06 · Authorization code](06_authorization_code.ipynb): the client is known; now it sends a person to sign in.
