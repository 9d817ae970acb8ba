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
# # 09 · Hardening: when strangers come
#
# **In forty minutes** you have closed the doors of a system one by one: to programs that nobody asked for, to crowds, to stolen
# passwords, to tokens from the wrong place. After each, you knock to see whether it is closed.
#
# *You need:* notebook 00; notebooks 05 to 07 for registering, signing in, and what stands in a token. No account, no cost.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("09")

# %% [markdown]
# ## A place to practise
#
# You will change settings of a deployment, and your running system should not feel it. `hardening.Beside` deploys what you
# harden *beside* it, in the same embedded AWS, under the name `lesson-09`. At the end all of it goes.

# %%
from mcp_demo.lab import hardening

beside = hardening.Beside(run)
lab.show({"the running system": run.bridge, "all that you deploy begins with": hardening.NAME})

# %% [markdown]
# Every setting here is one that an administrator gives to `mcp-demo deploy --set STACK.PARAMETER=VALUE`
# ([docs/aws.md](../docs/aws.md#choose) lists them). MCP asks for few of them. So look at the three labels: much of this is
# neither what **MCP requires** nor what **Cognito does** by itself, but a choice.
#
# ## 1 · Only for those who were invited
#
# As it comes, anybody may register a client. That is how a new client gets to know a server without a human, and also how
# somebody fills your table with clients called *Your Bank*. An *initial access token* is an invitation: who registers has
# to show it ([RFC 7591 §3](https://www.rfc-editor.org/rfc/rfc7591#section-3)).

# %%
lab.predict(
    "You make the invitation. What do you put into the settings of the registration?",
    {
        "the invitation": "Settings are read by many: consoles, pipelines, backups. Each reader would be invited.",
        "its SHA-256 hash": "Enough to recognise the invitation, and useless to who reads it.",
        "nothing, it is checked elsewhere": "Whoever checks it has to know it again somehow.",
    },
    answer="its SHA-256 hash",
)

# %% [markdown]
# Make one of 256 random bits, and deploy a registration that knows its hash:

# %%
import hashlib
import secrets

invitation = secrets.token_urlsafe(32)
fingerprint = hashlib.sha256(invitation.encode()).hexdigest()
endpoint = beside.registration(InitialAccessTokens=f"friends:{fingerprint}")
lab.show({"registration endpoint": endpoint})

# %% [markdown]
# Three try it with the same metadata: one without invitation, one who guesses, one who was invited.

# %%
from mcp_demo.lab.asking import ask

metadata = {"client_name": "Notes", "redirect_uris": ["http://127.0.0.1/callback"]}
metadata["token_endpoint_auth_method"] = "none"
headers = {
    "nothing": {},
    "a guess": {"authorization": "Bearer guess"},
    "the invitation": {"authorization": f"Bearer {invitation}"},
}
answers = {what: ask(run, endpoint, body=metadata, **header).response for what, header in headers.items()}
lab.show({what: f"{one.status} · {one.header('www-authenticate') or 'no challenge'}" for what, one in answers.items()})

# %% [markdown]
# Two `401`, each with a challenge as in notebook 02, then `201`. And what does the deployment know?

# %%
functions = beside.profile.client("lambda")
judge = functions.get_function_configuration(FunctionName="lesson-09-initial-access")
settings = judge["Environment"]["Variables"]
lab.show({
    "the hash": fingerprint in settings["INITIAL_ACCESS_TOKENS"],
    "the invitation": invitation in str(settings),
})

# %% [markdown]
# The hash only, and a label that says whom it was for. The function that holds it is an *authorizer*: API Gateway asks it
# before anything else runs. **The bridge adds** this; MCP says nothing of invitations. It fits where you know who may come.
# A server that anybody's client should be able to use cannot have it.
#
# The gateway writes the challenge, and for a reason: in what a *function* answers, API Gateway on AWS renames
# `WWW-Authenticate`
# ([its documentation](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)).
# *Documented, not proven*, says [docs/parity.md](../docs/parity.md).
#
# ### Break it, and mend it
#
# A refusal helps nobody who cannot read what is missing:

# %%
lab.break_it("token_only_if_sent")

# %% [markdown]
# Your function sees each answer of that server before the client does. `lab.hint("say-which-key")` helps.

# %%
def repair(answer):
    # TODO: a 401 needs the header www-authenticate; see answer.status and answer.headers
    return answer

lab.check("say-which-key", repair)

# %% [markdown]
# ### The other door
#
# Registering is closed. Is the house?

# %%
lab.predict(
    "A stranger has no invitation. Which way in is still open?",
    {
        "none": "Registering is one of three ways to become a client.",
        "a metadata document": "A URL as client_id needs no registration at all: notebook 05.",
        "guessing the client_id of another": "Ids are no secret. But the answer goes to the other's redirect URI.",
    },
    answer="a metadata document",
)

# %% [markdown]
# The bridge can be told whose documents count. This one serves the clients of your deployment, and knows its friends:

# %%
from mcp_demo.lab import by_hand

choosy = beside.bridge(metadata_document_hosts=["*.friends.example"])
stranger = by_hand.request(run, "https://evil.example/client.json").replace(run.bridge, choosy)
lab.show({"evil.example": by_hand.said(by_hand.authorize(stranger))})

# %% [markdown]
# Refused by its name, before anything is fetched. Note the rule behind it: when you close a door, list the others.
#
# ## 2 · Only after somebody has looked
#
# An invitation can be passed on. *Approval* is stricter: anybody may register a client, and nobody may use it until an
# administrator has looked. **The bridge adds** that, too. Change the deployment: no hash, but approval.

# %%
beside.registration(InitialAccessTokens="", Approval="administrator")
registered = by_hand.register(endpoint, metadata)
lab.show(registered)

# %% [markdown]
# `201`, a `client_id`, and no word about waiting: [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1) has none
# for it. The client thinks that it is ready, and sends its person to the bridge.

# %%
from mcp_demo.lab.browsers import look

bridge = beside.bridge()
client_id = by_hand.document(registered)["client_id"]
link = by_hand.request(run, client_id).replace(run.bridge, bridge)
lab.show([look(link, height=560)])

# %% [markdown]
# **The bridge** tells the person what the client cannot know, and sends nobody back: until somebody has looked, its redirect
# URI is as strange as its name. On AWS a mail with a link can ask you for the decision
# ([how](../docs/aws.md#approval-by-mail)).
#
# Now be the administrator. `suite.command` runs what you would type in a terminal:

# %%
from mcp_demo.lab import suite

suite.command("mcp-demo", "clients", "show", client_id, "--name", "lesson-09")

# %% [markdown]
# `pending`. (`mcp-demo clients list` names all that there are.) A name is only what the client says of itself, so look at
# where its answers go, too. Here that is a program on the person's own machine. You approve:

# %%
suite.command("mcp-demo", "clients", "approve", client_id, "--name", "lesson-09")

# %% [markdown]
# And the person tries again, by the same link:

# %%
lab.show({"now": by_hand.said(by_hand.authorize(link))})

# %% [markdown]
# The consent page. Your approval did not replace it: you decided that the client may *ask*, the person decides whether it
# *gets*.
#
# ### Why the person is asked each time
#
# Towards Cognito, the bridge is one client for all. If you signed in a moment ago, Cognito asks nothing, whichever client
# sent you. Then a stranger's client would get a code of yours without a word: the bridge would be a *confused deputy*, who
# lends its good name to anybody. Hence **MCP requires** consent for each client
# ([Confused Deputy Problem](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices#confused-deputy-problem)),
# and that it cannot be forged. Here it can:

# %%
lab.break_it("forged_consent")

# %% [markdown]
# A page at `evil.example` has pressed *Allow* for somebody. `origin` is written by the browser, so a page cannot lie
# about it. Your function sees each request to `/consent` first: return the error that it deserves, or `None` to let it pass.

# %%
def repair(request, server):
    origin = request.headers.get("origin", "null")
    # TODO: return "access_denied" unless the origin is the server's own (server.issuer), or "null"
    return None

lab.check("forms-of-our-own", repair)

# %% [markdown]
# `lab.hint("forms-of-our-own")` helps. (Pages that send no referrer have the origin `null`; ours are such. A foreign page
# can make itself one too, so the real bridge also reads `sec-fetch-site`, another header that only browsers write, and asks
# for a cookie of this very browser.)
#
# ## 3 · Not all at once
#
# A loop that registers a thousand times a second needs no permission to hurt. A *throttle* is a bucket of tokens, which has
# nothing to do with access tokens: each call takes one, and so many come back a second.

# %%
beside.registration(Approval="automatic", RequestsPerSecond="1", Burst="2")
crowd = [by_hand.register(endpoint, metadata) for _ in range(6)]
lab.show({"answers": [one.response.status for one in crowd]})

# %% [markdown]
# The first ones pass, the bucket is empty, and `429` says so
# ([RFC 6585 §4](https://www.rfc-editor.org/rfc/rfc6585#section-4)). The last one in full:

# %%
lab.show(crowd[-1])

# %% [markdown]
# API Gateway [answered by itself](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html),
# and no function ran. The body is an OAuth error all the same: those a client understands.

# %%
lab.predict(
    "The throttle counts a second's calls from everybody together. An attacker keeps the bucket empty. Who is refused?",
    {
        "the attacker": "The bucket does not know who calls.",
        "honest clients": "They share the bucket with the attacker. The system is safe, and closed.",
        "nobody": "An empty bucket refuses whoever comes next.",
    },
    answer="honest clients",
)

# %% [markdown]
# So a throttle protects the system, not its users. To count by address you need a firewall, `hardening.Firewall=on`, which
# [costs extra](../docs/aws.md#what-it-costs). The embedded AWS has nothing to put it in front of: that it blocks is
# *unproven*. Two more limits hold in any case: 10,000 clients, and thirty days without use
# ([registration.yaml](../infrastructure/registration.yaml)).
#
# ## 4 · Know when it happens
#
# Doors that hold make no noise. An *alarm* compares a number with a threshold, and tells somebody. Deploy those that come
# with `--harden`, and let four registrations in five minutes be too many:

# %%
beside.alarms(Registrations="3")
watch = beside.profile.client("cloudwatch")
alarms = watch.describe_alarms(AlarmNamePrefix="lesson-09")["MetricAlarms"]
lab.show({alarm["AlarmName"].removeprefix("lesson-09-"): alarm["AlarmDescription"] for alarm in alarms})

# %% [markdown]
# Each says what to do or where to look, for who reads it at night has little time. (Where server and bridge run on Lambda,
# there are four more.) One of them closely:

# %%
alarm = next(alarm for alarm in alarms if alarm["AlarmName"].endswith("many-registrations"))
what = f"{alarm['Namespace']} {alarm['MetricName']}, {alarm['Statistic']} of {alarm['Period']} seconds"
lab.show({"compares": what, "rings above": alarm["Threshold"], "tells": alarm["AlarmActions"]})

# %% [markdown]
# On AWS, API Gateway counts its calls into that metric, and the crowd of a minute ago would have set it off. The embedded AWS
# does not count them. So that link is *unproven* here; what follows it is not. Say the number yourself, as API Gateway
# would:

# %%
counted = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": 4.0}
watch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[counted])
lab.show(beside.state_of(alarm["AlarmName"], until="ALARM"))

# %% [markdown]
# It rings. What it tells is a *topic*, the last line above, to which `hardening.AlarmEmail=you@example.com` subscribes you; the mail itself is
# AWS's. An alarm that nobody has heard once is a hope. You have heard this one.
#
# ## 5 · More than a password
#
# All doors so far are for programs. For people there is one, the sign-in page, and passwords get out: they are phished,
# reused, guessed. A *second factor* (MFA) asks for something the thief has not got, such as the six digits an app on
# your phone shows. What does the running user pool ask for?

# %%
pool_id = run.issuer.rpartition("/")[2]
running = beside.profile.cognito().describe_user_pool(UserPoolId=pool_id)["UserPool"]
lab.show({"MfaConfiguration": running["MfaConfiguration"]})

# %% [markdown]
# `OPTIONAL` leaves it to each person; `OFF` offers nothing; `ON` asks everybody. To try `ON`, deploy a user pool of your own
# and ask what the change would do, before doing it:

# %%
from mcp_demo.deploy.system import identity_plan
from mcp_demo.lab.aws import what_if

own = beside.pool()
cloud, plan = beside.profile.cloudformation(), identity_plan(beside.profile, run.endpoints(), hardening.NAME)
lab.show(what_if(cloud, plan, Mfa="ON"))

# %% [markdown]
# The pool stays, and its people with it. (The role is listed because its policy names the pool.) Now do it.

# %%
lab.predict(
    "MFA is ON from now. Ada has a password and no authenticator app. What happens when she signs in?",
    {
        "She is let in one last time": "Then a thief with the password would be let in, too.",
        "She is locked out": "That would be safe, and you would hear about it from everybody.",
        "She sets up an app, then she is in": "The first sign-in shows a key to scan, and wants a code made with it.",
    },
    answer="She sets up an app, then she is in",
)

# %% [markdown]
# A headless browser signs Ada in, twice: today, and on another day without cookies. You can also see *branding*: the pages
# have colours of their own.

# %%
own = beside.pool(Mfa="ON")
page = beside.pages(own, accent="#8a1c5c", background="#fdf3f8")
lab.show(beside.sign_in_twice(own, page))

# %% [markdown]
# Password, key to scan, and the next time the code. (Ada and her key are gone at the end of this lesson.) The second factor
# is what **Cognito does**; MCP server and bridge change nothing for it. And it protects the sign-in, not the thirty days
# after it: a refresh, as in notebook 08, opens no page.
#
# Colours are for people, who learn what their page looks like. They prove nothing, for anybody can copy them, and a page that
# imitates yours can ask for the six digits as well. What counts is the address above the picture.
#
# These pages are our stand-in's. On AWS the colours are a *managed login style*, which the embedded AWS does not know:
# *documented, not proven*.
#
# ## 6 · People from elsewhere
#
# A company has its people in one place already, and there they are removed when they leave. An *identity provider* (IdP) is
# that place. The pool sends the person on to it, and believes what it signs.

# %%
offered = beside.offer(own, "Acme", "login.acme.example")
lab.show({"the sign-in page offers": offered})

# %% [markdown]
# Where does the button lead? The cell presses it, and stops there, since `login.acme.example` does not exist.

# %%
sent = ask(run, f"{page}&identity_provider=Acme").response
lab.show(by_hand.parameters(sent.header("location")))

# %% [markdown]
# You know these from notebook 06, only now the *pool* is the client. **Cognito does** that; the tokens that your
# MCP server sees still come from the pool, with the same `iss` and `aud`. Nothing else in the system has to change.
#
# What is proven? The whole way and back, with [our stand-in](../tests/integration/test_domain_federation.py) playing both
# sides. Against AWS, or any provider that people use: nothing.
#
# One trap is hidden in `beside.offer`. To change one setting of an app client, it sends all of them: those that an update
# leaves out go [back to their defaults](https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPoolClient.html).
# Templates spare you that.
#
# ## 7 · Two authorization servers
#
# Two companies become one, and there are two user pools. An MCP server may trust both: its metadata lists several
# `authorization_servers`, and a client picks one
# ([RFC 9728 §2](https://www.rfc-editor.org/rfc/rfc9728#section-2)). Suppose the second pool is old, and puts no `aud` into
# its tokens. Then the scopes have to show whom they are for, a rule this server calls `scope`; the first pool's is
# `resource`.

# %%
lab.predict(
    "A token of the first issuer has no aud, but the right scopes. Good signature. Accept it?",
    {
        "Yes, one of the rules fits": "That rule belongs to the other issuer. The first always writes aud, so why not here?",
        "No": "The issuer chooses the rule. What the second may leave out, the first may not.",
        "Yes, if the scopes are enough": "Then the second's weaker rule would have become everybody's.",
    },
    answer="No",
)

# %% [markdown]
# `two_issuers` starts the server in this notebook, trusting two issuers whose keys we hold. Five tokens knock:

# %%
from conformance.issuer import DROP
from mcp_demo.lab import forge

with hardening.two_issuers() as server:
    first, second = server.first, server.second
    tokens = {
        "first, with aud": first.token(),
        "second, without aud": second.token(),
        "first, without aud": first.token(aud=DROP),
        "second, with aud": second.token(aud=server.url),
        "says second, signed by first": second.token(header={"kid": first.key.kid}, key=first.key),
    }
    told = {what: forge.answer(server.url, token, "whoami") for what, token in tokens.items()}
lab.show(told)

# %% [markdown]
# Each issuer passes under its own rule only. The last line matters most: keys belong to issuers, too. If all trusted keys
# lay in one heap, the first issuer could make tokens for the second's people. **MCP requires** that tokens are for this
# server ([Token Handling](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#token-handling)); how
# many issuers it trusts is yours to say (`MCP_DEMO_MORE_ISSUERS`). Clients of several servers have a trouble of their own, the
# *mix-up*; against it stands `iss` in each response (notebook 06).
#
# ### Break it, and mend it
#
# All user pools of a Region share one host: `cognito-idp.REGION.amazonaws.com`. Somebody thought that the host was enough.

# %%
lab.break_it("matches_iss_by_host")

# %% [markdown]
# Anybody with an AWS account can make a pool there, with a user called like you. Your function sees the claims of each token.
# `lab.hint("this-pool-only")` helps.

# %%
def is_from_our_pool(claims, server):
    # TODO: True only if `iss` is the issuer that the server trusts (server.issuer).
    return True

lab.check("this-pool-only", is_from_our_pool)

# %% [markdown]
# ## 8 · A name of your own
#
# API Gateway gives your server an address like `a1b2c3.execute-api.eu-central-1.amazonaws.com`, which people cannot tell from
# another. `endpoints.DomainName=example.com` makes it `mcp.example.com`. This is what the template then adds:

# %%
lab.show(hardening.made_if("endpoints", "HasDomain"))

# %% [markdown]
# A certificate, two names, and the records that lead there. The old addresses are switched off. None of it is deployed here,
# for it needs a domain: *unproven*, and the first time that you do it is a test.
#
# What you can see is what a new name does to the rest:

# %%
lab.show(what_if(cloud, plan, Mfa="ON", McpUrl="https://mcp.example.com/mcp"))

# %% [markdown]
# The resource server is *replaced*, since its name is the URL (notebook 01), and `aud` and scopes are made of that name. Tokens
# for the old one are refused, clients ask again, people sign in again. So choose the name before people come.
#
# ## What is proven where
#
# | | Shown here on | On AWS |
# |---|---|---|
# | initial access token, approval | the embedded AWS and the bridge | unproven |
# | throttle | the embedded AWS | unproven; AWS calls its limits best effort |
# | alarm rings | the embedded AWS, with a number that you gave it | unproven, and so is the counting |
# | firewall | not shown; its rules are made, nothing is behind them | unproven |
# | MFA, branding, external IdP | our stand-in for the sign-in pages | unproven |
# | several issuers | this server, with keys of ours | the same code; unproven with two pools |
# | domain | not shown; the template only | unproven |

# %% [markdown]
# ## Tidy up
#
# Everything that begins with `lesson-09` goes; then the services are asked what is left.

# %%
left = beside.remove()
lab.show({**left, "the running system answers": ask(run, f"{run.bridge}/health").response.status})

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Why does the deployment hold a hash of the initial access token?</summary>
# Many can read settings. A hash lets the function recognise the token, and gives nothing to who reads it.
# </details>
# <details><summary>2 · You close registration. Which other way to become a client do you have to think of?</summary>
# Metadata documents: a URL as <code>client_id</code> needs no registration. Say whose hosts count, or switch them off.
# </details>
# <details><summary>3 · An administrator approved a client. Why is the person still asked?</summary>
# Approval says that the client may ask. Without consent for each client, a bridge that is one client upstream would hand
# out codes in the person's name: a confused deputy.
# </details>
# <details><summary>4 · What does a throttle protect, and what not?</summary>
# The system, and your bill. Not its users: all share one bucket, and an attacker can keep it empty.
# </details>
# <details><summary>5 · A server trusts two issuers. What belongs to each of them?</summary>
# Its keys and its rule for the audience. A token is judged by those of the issuer it names, and the name has to be the
# whole URL.
# </details>
#
# **Three sentences to keep.** When you close a door, list the others. A weaker rule for one must not become the rule for
# all. What has not been tried is not known, and says so.
#
# **Read on:** [Security Best Practices](https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices),
# [RFC 9700](https://www.rfc-editor.org/rfc/rfc9700) (OAuth 2.0 security),
# [Cognito: MFA](https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa.html),
# [Cognito: external providers](https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation.html),
# [docs/parity.md](../docs/parity.md).
#
# **Next:** [10 · Conformance](10_conformance.ipynb): let a judge try all of this, and more.
