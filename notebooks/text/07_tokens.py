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
# # 07 · Tokens: read one, check one, forge one
#
# **In 35 minutes** you can say of any access token whether a server may take it, rule by rule, and why each rule is there.
# At the end you steal a token from one server, carry it to another, and see what stops you.
#
# *You need:* notebook 00, which shows how a client gets a token. No account, no cost: all of it stays on your machine.

# %%
from mcp_demo import lab
from mcp_demo.lab import forge

run = lab.start()
lab.where("07")

# %% [markdown]
# ## Get a real token
#
# One sign-in, as in notebook 00. Of its seven hops you see the last but one, in which the token arrives.
# (To sign in yourself, write `Caller(run, by_hand=True)`.)

# %%
from mcp_demo.lab.caller import Caller

client = Caller(run)
lab.show(client.call("whoami")[-2:-1])

# %% [markdown]
# You see the token's first letters, its length and a fingerprint, so that you know it again below. **Cognito does** the making
# and signing; the bridge passes it on unchanged. A server that receives it has to decide, alone, whether to believe it.

# %% [markdown]
# ## Look inside
#
# The token is a *JSON Web Token* (JWT, [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)): three parts with dots between
# them. Each part is spelled in *base64url*, an alphabet that is safe in headers and URLs.

# %%
token = client.grant.access_token
names = ("header", "payload", "signature")
lab.show({name: f"{len(part)} characters" for name, part in zip(names, token.split("."), strict=True)})

# %% [markdown]
# The header says how the token is signed. The payload makes statements, called *claims*. The signature covers both.

# %%
lab.predict(
    "Somebody finds your token in a log file. What can they do with it?",
    {
        "Nothing, it is encrypted": "Base64url is a spelling and no encryption: anybody can undo it.",
        "Read it": "They can, and they can do more.",
        "Read it and use it": "It is a bearer token: whoever bears it, may use it, until it expires.",
        "Read it, change it and use it": "They can read and use it. A change breaks the signature, as you will see.",
    },
    answer="Read it and use it",
)

# %% [markdown]
# The next cell takes your token apart and holds each claim against the rules of your server. The token itself is never
# shown, only what it says.

# %%
lab.token(token, run)

# %% [markdown]
# Three claims carry most of the weight: `iss` says who made it, `aud` for which server, `exp` until when. `client_id` is the
# bridge's client in the user pool. The next sections put each of them to the test.

# %% [markdown]
# ## The signature
#
# The user pool has pairs of keys. The *private* key of a pair makes signatures and never leaves the pool. The *public* key
# only checks them, so everybody may have it: the pool publishes it as a *JWKS*, a list of keys
# ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).

# %%
keys = forge.published_keys(run)
lab.show(keys)

# %% [markdown]
# Each key has a name, its `kid`. The token's header names the key that signed it, so the server knows which one to take.
# **Cognito does** sign access tokens and ID tokens with different keys, hence two.
#
# Now change a token. One more scope would be nice:

# %%
changed = forge.edited(token, scope=f"{run.server}/read {run.server}/write")
lab.show(forge.answers(run.server, {"as issued": token, "with a scope more": changed}))

# %% [markdown]
# One word more in the payload, and the signature no longer fits ([RFC 7515 §5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2)).
# That is why nobody can change a token, and also why the server need not ask Cognito about each request.

# %% [markdown]
# ## A good signature is not enough
#
# Cognito signs a lot: tokens for other apps, other servers, tokens that are long dead. All their signatures are good. So the
# rules begin *after* the signature. To try them one by one you need tokens with exactly one defect, and no honest issuer
# makes those. But here you own the pool: its private key lies in this run's folder. (Of a pool on AWS nobody has it.)

# %%
from conformance.issuer import DROP
from conformance.stack import issuer_of

issuer = issuer_of(run)
lab.show(forge.present(run.server, issuer.token(), "a forged token without a defect", "whoami"))

# %% [markdown]
# `200`: a token made by you is as good as one made by Cognito, since the key is all that counts. This is your *control*:
# only because this one is let in do the refusals below mean anything. Each has one claim changed; the rest is right, and
# so is the signature.

# %% [markdown]
# ## Rule 1 · Who made it? `iss`
#
# All user pools of all AWS customers share a few host names. Anybody can make a pool of their own, and sign what they like.

# %%
host = run.issuer.rpartition("/")[0]
issuers = {
    "another pool of AWS": f"{host}/us-east-1_Stranger",
    "a slash more": f"{run.issuer}/",
    "in capitals": run.issuer.upper(),
    "no iss at all": DROP,
}
lab.show(forge.answers(run.server, {what: issuer.token(iss=value) for what, value in issuers.items()}))

# %% [markdown]
# The server compares `iss` as a whole, letter by letter, with the one it was told to trust
# ([RFC 8725 §3.8](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)), and it does so before it looks for a key. *Begins
# with `https://cognito-idp.`* would let every AWS customer in.

# %% [markdown]
# ## Rule 2 · Until when? `exp`
#
# `exp` is a number of seconds since 1970. After that the token is dead, and a thief has nothing any more.

# %%
lab.predict(
    "It is exactly exp, to the second. Is the token good?",
    {
        "Yes, that second still counts": "Many programs think so, and are wrong by one second.",
        "No": "It must not be accepted “on or after” that time.",
        "The server may choose": "Only a small tolerance for clocks that differ may be added, a minute or two.",
    },
    answer="No",
)

# %% [markdown]
# A server in a test cannot wait an hour. But its rules are a function with the time as a parameter, so you can look at the
# same token one second before, at, and one second after its end:

# %%
forged = issuer.token()
end = forge.verify(run, forged).expires_at
lab.show({f"exp {seconds:+d} s": forge.verdict(run, forged, end + seconds) for seconds in (-1, 0, 1)})

# %% [markdown]
# “On or after” is the wording of [RFC 7519 §4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4). Always try a limit
# at three points: before, at, after. And what if there is no `exp`, or one that is no time?

# %%
ends = {"no exp": DROP, "a word": "tomorrow", "null": None, "in the year 9999": 253_402_300_799}
lab.show(forge.answers(run.server, {what: issuer.token(exp=value) for what, value in ends.items()}))

# %% [markdown]
# What cannot be read is refused, never taken as *for ever*. The last one is let in, and rightly: how long tokens live is
# for the issuer to decide.
#
# **Exercise.** Now a copy of your server with one bug planted: it does not look at `exp`. The function below stands in front of
# it and decides which tokens get through; `claims` are those of a token with a good signature. `lab.check` lets the
# *conformance suite* attack it, a set of little programs that look for such bugs (notebook 10). As it stands, the function
# changes nothing: run it and see the damage, then write the rule. `lab.hint("token-expiry")` helps, three times if need be.

# %%
import time

def is_alive(claims):
    # TODO: True only while the token lives. `exp` may be missing, or be no number.
    return True

lab.check("token-expiry", is_alive)

# %% [markdown]
# ## Rule 3 · From when? `nbf`
#
# *Not before* is the mirror image: an issuer may make a token today for tomorrow. Your token above has no such claim, but an
# issuer may send one, and then it counts ([RFC 7519 §4.1.5](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5)).

# %%
start = int(end) - 100
early = issuer.token(nbf=start)
lab.show({f"nbf {seconds:+d} s": forge.verdict(run, early, start + seconds) for seconds in (-1, 0, 1)})

# %% [markdown]
# Here the limit itself is alive: “before” that time the token must not be accepted, so *at* that time it may. Together,
# `nbf` and `exp` make a span that includes its first second and excludes its last.

# %% [markdown]
# ## Rule 4 · What kind of token? `token_use`
#
# Signing in gives two kinds of token. An ordinary app, one that just wants to know who you are, sends you to Cognito directly:
# no MCP, no bridge. It gets an access token too, and an *ID token*, which says who signed in, when, and to which app.

# %%
lab.predict(
    "May the ID token call your MCP server? Its signature is good, it is fresh, it is of your own pool.",
    {
        "Yes, it proves who I am": "It proves that to the app it was made for. To a server it proves nothing.",
        "No": "It was made for the app to read. Servers take access tokens only.",
        "Only for reading": "It carries no scope at all, so it allows nothing.",
    },
    answer="No",
)

# %% [markdown]
# The next cell is such an app. It signs you in at the user pool, and takes the ID token apart:

# %%
pool = forge.sign_in_at_the_pool(run)
lab.token(pool.id_token, run)

# %% [markdown]
# The crosses show what a server finds wrong with it, claim by claim. Present both tokens to yours:

# %%
both = {"ID token": pool.id_token, "access token of the same sign-in": pool.access_token}
lab.show(forge.answers(run.server, both))

# %% [markdown]
# An ID token is a letter *to the app*: this person signed in. An access token is a key *to a server*. The app shows the
# letter around freely, in its own back ends and logs; taken as a key, each copy would open every server.
#
# | | ID token | access token |
# |---|---|---|
# | for | the app | a server |
# | `aud` | the app's client id | the server, if it was named |
# | tells | who you are: name, e-mail | what may be done: `scope` |
# | `token_use` (**Cognito does**) | `id` | `access` |
#
# [RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11) asks to tell kinds apart. But why was the second one
# refused, a real access token of your own pool?

# %% [markdown]
# ## Rule 5 · For whom? `aud`
#
# What does the access token of the ordinary app say about its audience?

# %%
from mcp_demo.oauth import unverified_token

said = unverified_token.read(pool.access_token).claims
lab.show({name: said.get(name, "(missing)") for name in ("token_use", "aud", "scope")})

# %% [markdown]
# The app named no `resource` when it asked. **Cognito does** put `aud` into an access token only if one was named. Without it,
# nothing says that this token was meant for your server. So what counts as *for us*?

# %%
lab.predict(
    "Which of these audiences is good for the server …/mcp?",
    {
        "…/mcp-staging": "It begins with the right name, and is another server's.",
        "a list of two, …/mcp among them": "There may be several, and one equal member is enough.",
        "the origin, without /mcp": "Another path may be another server, run by somebody else.",
        "none, if the signature is good": "Then every app of the pool would hold a key to your server.",
    },
    answer="a list of two, …/mcp among them",
)

# %% [markdown]
# Six forged tokens, each with another audience:

# %%
audiences = {
    "another server": "https://other.example/mcp",
    "a longer name": f"{run.server}-staging",
    "the origin": run.server.removesuffix("/mcp"),
    "nobody": DROP,
    "a list with others only": ["https://other.example/mcp"],
    "a list with this one": ["https://other.example/mcp", run.server],
}
lab.show(forge.answers(run.server, {what: issuer.token(aud=value) for what, value in audiences.items()}))

# %% [markdown]
# **MCP requires** that a server accepts only tokens issued for it
# ([audience binding](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/security-considerations#token-audience-binding-and-validation)). Compare whole strings,
# or look for an equal member of the list ([RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)). What
# happens without this rule you see in the attack gallery below.

# %% [markdown]
# ## Rule 6 · The token does not choose the algorithm
#
# So far all signatures were made with the pool's private key. But the header is written by whoever writes the token, and it
# names the algorithm, `alg`. What if an attacker writes `none`? Or `HS256`, where *one shared secret* both makes and checks?

# %%
lab.predict(
    "A careless server checks HS256 with “the key of the issuer”. Which secret does the attacker sign with?",
    {
        "The private key": "They do not have it.",
        "The public key": "The server takes the text of the public key as the secret, and everybody has that text.",
        "A guessed password": "No need to guess anything.",
    },
    answer="The public key",
)

# %% [markdown]
# Both tricks, with nothing in hand but what is public:

# %%
import json

from conformance.issuer import by_hand, hmac_signer

claims, kid = json.dumps(issuer.token_claims()).encode(), issuer.key.kid
public = issuer.key.as_pem(private=False)
unsigned = by_hand({"alg": "none", "kid": kid}, claims, lambda _: b"")
shared = by_hand({"alg": "HS256", "kid": kid}, claims, hmac_signer(public))
lab.show(forge.answers(run.server, {"alg none": unsigned, "HS256 with the public key": shared}))

# %% [markdown]
# Neither needs any secret: these two are forged by *anybody*. The server expects RS256 because its settings say so, and
# never asks the token ([RFC 8725 §3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)). Somebody who had read half of
# this wrote `if alg == "none": refuse`. `break_it` plants that bug and lets the suite find it:

# %%
lab.break_it("trusts_alg_none_in_capitals")

# %% [markdown]
# **Exercise.** Decide from the header alone whether it is worth looking for a key.

# %%
def may_look_for_a_key(header):
    # TODO: True only if the header names the one algorithm that the user pool signs with.
    return True

lab.check("token-algorithm", may_look_for_a_key)

# %% [markdown]
# ## Rule 7 · The token does not bring its key
#
# The header may carry addresses of keys too: `jku` and `x5u`. An attacker signs with a key of their own, and says where the
# matching public key is to be found. The next cell sets up such an address, and counts who comes.

# %%
from conformance.hits import Listener
from joserfc.jwk import RSAKey

own = RSAKey.generate_key(2048, {"kid": "mine"}, private=True)
with Listener({"keys": [own.as_dict(private=False)]}) as trap:
    headers = {"an unknown kid": {}, "jku": {"jku": trap.url}, "x5u": {"x5u": trap.url}}
    made = {what: issuer.token(header={"kid": "mine", **more}, key=own) for what, more in headers.items()}
    found = forge.answers(run.server, made)
lab.show({**found, "visits to the address": trap.hits})

# %% [markdown]
# Refused, and nobody even looked: a server that fetches what a stranger's token names can be sent anywhere, into your own
# network too. `kid` is only a name to look up among the published keys
# ([RFC 8725 §3.10](https://www.rfc-editor.org/rfc/rfc8725#section-3.10)).

# %% [markdown]
# ## Rule 8 · What may be done? `scope`
#
# Last, a token that is right in everything, for the right server, but with none of its permissions:

# %%
without = {"scope openid": issuer.token(scope="openid"), "no scope": issuer.token(scope=DROP)}
lab.show(forge.answers(run.server, without))

# %% [markdown]
# Now it is `403`, and the difference matters. `401 invalid_token`: *I do not believe this token*, get another one.
# `403 insufficient_scope`: *I believe it, and it is not enough*, ask the person for more
# ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)). Notebook 08 goes on from there.

# %% [markdown]
# ## The attack gallery: steal from A, replay at B
#
# You use two MCP servers. A is the one that runs here. B keeps your secrets, has an address of its own, and trusts the same
# user pool. B comes in three makes: one as it should be, one without the rule on `aud`, and one that also forgets scopes,
# so that it checks signature, issuer and expiry only.

# %%
careful = forge.Neighbour(run)
hasty = forge.Neighbour(run, "ignores_aud")
careless = forge.Neighbour(run, "ignores_aud", "asks_for_no_scope")
lab.show({"A": run.server, "B careful": careful.url, "B hasty": hasty.url, "B careless": careless.url})

# %% [markdown]
# You store something at the careless B, with a token that was made for it:

# %%
me = forge.verify(run, token)
mine = careless.issuer.token(sub=me.subject, scope=" ".join(careless.issuer.scopes))
stored = forge.answer(careless.url, mine, "add_context", name="PIN", text="4711")
lab.show({"your PIN, 4711, to B": stored})

# %% [markdown]
# Now the theft. You call A with your token for A, as you did at the top of this page; that is what it is for. But A is run
# by somebody curious, or its log was read by one. They carry your token to B.

# %%
lab.predict(
    "A's token, replayed at the three Bs, asking for your notes. Who lets the thief in?",
    {
        "All three": "The careful one compares aud with its own address.",
        "The hasty and the careless one": "Nearly: the hasty one is saved by something else: look at its answer.",
        "The careless one only": "The audience stops it at the first, the scopes at the second, and nothing at the third.",
        "None": "Two rules are missing at the careless one, and nothing is left to stop it.",
    },
    answer="The careless one only",
)

# %% [markdown]
# One token, three doors:

# %%
servers = {"B careful": careful, "B hasty": hasty, "B careless": careless}
lab.show({name: forge.answer(server.url, token, "list_contexts") for name, server in servers.items()})

# %% [markdown]
# Three answers worth a second look. `401`: *meant for another server*. `403` at the hasty one is luck: **Cognito does** put
# the server's address into each scope, and A's `…/read` is not B's. With scopes simply called `read`, it would have let the
# thief in. And the damage at the third:

# %%
lab.show(forge.present(careless.url, token, "the stolen token", "list_contexts"))

# %% [markdown]
# There is your PIN, given to somebody who never signed in at B. The thief did not break any cryptography: the signature
# was good all the time.
#
# Three things together prevent it. The client names the server it wants a token for, with `resource`
# ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)); the issuer puts that into `aud`; and *every* server checks it, as a
# whole. One that writes `if resource in aud` has a rule, and a hole in it:

# %%
lab.break_it("searches_aud")

# %% [markdown]
# **Exercise.** Write the rule on `aud`, for a string, for a list, and for nothing.

# %%
def is_for_us(claims, server):
    # TODO: True only if `aud` names server.resource. It may be a string, a list, or missing.
    return True

lab.check("token-audience", is_for_us)

# %% [markdown]
# ### What is left for the thief
#
# At A itself the stolen token still works: `aud` fits there. That is why tokens live for an hour at most, travel over https
# only, and never in a URL. And it is why **MCP requires** that a server never passes its clients' tokens on to others
# ([token passthrough](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices#token-passthrough)):
# each copy that travels can be stolen. A token bound to a key of the client would be of no use to a thief at all
# ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)); yours says `Bearer`, and is not.
#
# Time to tidy up:

# %%
lab.show({name: server.stop() for name, server in servers.items()})

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Who can read an access token, who can change it, who can use it?</summary>
# Whoever has it can read it and use it until it expires. Nobody can change it without the private key of the issuer.
# </details>
# <details><summary>2 · A token has a good signature, comes from your own pool and has not expired. Name three reasons to refuse it.</summary>
# It is an ID token; its <code>aud</code> is missing or names another server; its <code>nbf</code> lies ahead. (Without your
# scopes, it is believed and answered 403.)
# </details>
# <details><summary>3 · The clock shows exactly <code>exp</code>. Accept or refuse? And exactly <code>nbf</code>?</summary>
# Refuse at <code>exp</code>, accept at <code>nbf</code>.
# </details>
# <details><summary>4 · Why must a server take neither the algorithm nor the address of a key from the token?</summary>
# The attacker writes the header. <code>none</code> needs no key, <code>HS256</code> turns the public key into a secret
# everybody has, and <code>jku</code> makes the server believe, and fetch, whatever the attacker wants.
# </details>
# <details><summary>5 · Your token for A was stolen. Why is it useless at B, and where is it not?</summary>
# Its <code>aud</code> names A, and B compares. At A it works until it expires, and at every server that does not compare.
# </details>
#
# **Three sentences to keep.** A good signature says who made a token, and nothing about whom it is for. Every value in a
# token is a question to be compared as a whole with something the server knows already. What cannot be read is refused.
#
# **Read on:** [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519) (JWT), [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)
# (what goes wrong with them), [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068) (access tokens),
# [Cognito: verifying tokens](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html).
#
# **Next:** [08 · Calling tools](08_calling_tools.ipynb), where a token is not enough, runs out, and is taken back.
