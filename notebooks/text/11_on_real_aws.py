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
# # 11 · On real AWS: deploy, verify, count the cost, clean up
#
# **In half an hour** you will have deployed the whole system as it would run on AWS, with MCP server and bridge as functions,
# checked from outside that it does what it must, worked out a bill, and removed every piece.
#
# *You need:* notebooks 00 and 01; 02 to 04 for the documents that you check. No account. *Cost:* nothing while `TARGET` is
# `"embedded"`; with `"aws"` a few cents if you clean up the same day.
#
# **Nothing in this project has been run on AWS yet.** It was written against AWS's documentation and runs on an embedded AWS.
# Step 15 counts what that proves and what not.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("11")

# %% [markdown]
# ## Step 1 · One parameter
#
# `TARGET` is all you change for AWS. The running system of notebook 00 stays as it is; you deploy a second one beside it, whose
# names all begin with `mine`.

# %%
from mcp_demo.lab.aws import site

TARGET = "embedded"  # or "aws", with the credentials of the shell that started Jupyter
here = site(run, TARGET)
lab.show({"target": TARGET, "services answer at": here.profile.endpoint or "AWS itself"})

# %% [markdown]
# For AWS: run `aws sso login` in the shell first, set `AWS_REGION`, take an account for experiments, and be somebody who may
# make roles there.
#
# ## Step 2 · Who am I, and where?
#
# The most expensive mistake in AWS is the right command in the wrong account. So ask first: STS is the service that says
# whose credentials these are.

# %%
me = here.profile.client("sts").get_caller_identity()
lab.show({"account": me["Account"], "identity": me["Arn"], "region": here.profile.session.region_name})

# %% [markdown]
# An account of twelve zeros is the embedded AWS, whose *root* may do everything. On AWS these three lines are worth reading
# aloud. A *Region* is a place with data centres; what you make in one is not seen in another.
#
# ## Step 3 · What would be made?
#
# You met templates in notebook 01. The whole system has five. Before anything exists, read from them how much they make.

# %%
from mcp_demo.deploy.system import STACKS
from mcp_demo.lab.aws import would_make

lab.show({stack: would_make(stack) for stack in STACKS})

# %% [markdown]
# Eighty resources, and then some. Each stack has one job:
#
# | Stack | Its job |
# |---|---|
# | `endpoints` | an address each for MCP server and bridge: two *HTTP APIs*, the simpler kind of API Gateway |
# | `identity` | the user pool (notebook 01, steps 5 to 8) |
# | `registration` | clients register themselves (notebook 01, steps 10 to 12) |
# | `server` | MCP server and bridge as Lambda functions, and the keys of the bridge |
# | `hardening` | alarms and a dashboard; a firewall only if you choose it |
#
# *Under a condition* is what you may choose, such as a domain of yours or the firewall, what makes sense only with functions, and
# what only AWS knows.

# %% [markdown]
# ## Step 4 · Is the place free?
#
# A name that is already in use would be *changed* by your deployment. Take the inventory before, not only after.

# %%
from mcp_demo.deploy.cleanup import take_inventory

before = take_inventory(here.profile, "mine", here.folder)
lab.show({"stacks": len(before.stacks), "resources": len(before.resources), "files": len(before.files)})

# %% [markdown]
# Zeros: the name is free. (Other numbers are what an interrupted run left behind; it is taken up where it ended.)
#
# ## Step 5 · Deploy
#
# There is a knot in it. The user pool must know the URL of the MCP server, as you saw in notebook 01. That URL is made by
# API Gateway. And the function behind it must know the user pool.

# %%
lab.predict(
    "Which stack comes first?",
    {
        "server": "Its function has to be told the issuer of a pool that does not exist yet.",
        "identity": "The pool's resource server is named by the URL of the MCP server, and there is none yet.",
        "endpoints": "An API has its URL as soon as it exists, long before there is a function behind it.",
    },
    answer="endpoints",
)

# %% [markdown]
# One call deploys all five in the right order. On AWS it takes minutes, here seconds; a line comes with each stack that is done.

# %%
from mcp_demo.deploy.system import deploy_system
from mcp_demo.lab.aws import each_stack

tell = each_stack()
system = deploy_system(here.profile, here.endpoints, here.folder, tell, "mine", serverless=True, hardened=True)
made = system.outputs
lab.show({"changed": system.changed, "outputs": len(made)})

# %% [markdown]
# If this cell is interrupted, or a permission is missing, mend it and run it again: it goes on where it ended. `outputs` are
# the names that AWS chose; everything below comes from there.
#
# ## Step 6 · The addresses
#
# What did the first stack promise, and what are the functions told?

# %%
from mcp_demo.deploy.stacks import outputs

promised = outputs(here.profile.cloudformation(), "mine-endpoints")
lab.show({"promised by AWS": promised["McpUrl"], "the function is told": made["McpUrl"]})

# %% [markdown]
# On AWS both lines are the same `https://….execute-api.….amazonaws.com/mcp`. Nobody can answer under that name here, so
# the functions go by the addresses of the running system. The APIs of the embedded AWS all lie below its own address:

# %%
from mcp_demo.lab.aws import Front

door = Front(here, made)
lab.show({f"Host: {host.decode()}": root for host, root in door.roots.items()} or {"hosts": "as they are"})

# %% [markdown]
# `door` sends a request for the left side to the right side, and leaves the `Host` as it was. On AWS it does nothing: there,
# each API *is* its host.
#
# ## Step 7 · Is it alive?
#
# `/health` is the one path that says nothing but *I am here*. Watch the seconds.

# %%
import time

from mcp_demo.lab.asking import ask

address, started = made["McpUrl"].removesuffix("/mcp") + "/health", time.monotonic()
first = ask(run, address, network=door).response
lab.show({"status": first.status, "body": first.body.decode(), "seconds": f"{time.monotonic() - started:.1f} s"})

# %% [markdown]
# Slow? A function that nobody has called is not running anywhere. Lambda makes an *instance* of it first: this is a *cold
# start*. Ask again.

# %%
started = time.monotonic()
second = ask(run, address, network=door).response
lab.show({"status": second.status, "seconds": f"{time.monotonic() - started:.1f} s"})

# %% [markdown]
# The instance waits some minutes for more. How long a cold start takes on AWS, we have not measured.
#
# ## Step 8 · The 401, through API Gateway
#
# Knock without a token, as in notebook 02.

# %%
lab.predict(
    "API Gateway can check tokens itself, before any function runs. Is it a good idea to let it?",
    {
        "Yes, it saves function calls": "It does, and a client that has never been here gets stuck.",
        "No": "Its 401 does not name the resource metadata, so a new client would not know where to go.",
        "It makes no difference": "Compare the challenges: who writes the 401 decides what stands in it.",
    },
    answer="No",
)

# %% [markdown]
# So the template says `AuthorizationType: NONE` at this API, and the MCP server refuses by itself.

# %%
from mcp_demo.client import mcp

knock = mcp.call_tool(made["McpUrl"], "whoami", {})
ask(run, knock.with_token(None), network=door)

# %% [markdown]
# The challenge of notebook 02, unchanged on its way through the API. **MCP requires** it
# ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)). The card shows the address that the function goes by;
# step 12 proves that it was *your* function which answered.
#
# ## Step 9 · The two documents
#
# Follow the challenge as a client would: resource metadata (notebook 03), then the bridge's metadata (notebook 04). The second
# wakes another function, so it is slow once more.

# %%
import json

from mcp_demo.oauth.resource_metadata import well_known_url

resource = json.loads(ask(run, well_known_url(made["McpUrl"]), network=door).response.body)
address = f"{resource['authorization_servers'][0]}/.well-known/oauth-authorization-server"
bridge = json.loads(ask(run, address, network=door).response.body)
lab.show({"resource": resource["resource"], "issuer": bridge["issuer"], "S256": bridge["code_challenge_methods_supported"]})

# %% [markdown]
# Three strings to compare, letter by letter: `resource` is the URL that you knocked at, `issuer` is the one that the resource
# metadata names, and `S256` says that the bridge takes PKCE. That is all that a client looks at before it registers.
#
# ## Step 10 · What runs there?
#
# Lambda runs a *zip*. It was made from the sources on this machine, and it must be what it says it is.

# %%
import hashlib
from base64 import b64encode
from io import BytesIO
from zipfile import ZipFile

from mcp_demo.deploy.package import REQUIREMENTS, serving_package

package = serving_package("arm64" if TARGET == "aws" else None)
files = ZipFile(BytesIO(package.content)).namelist()
digest = b64encode(hashlib.sha256(package.content).digest()).decode()
deployed = here.profile.client("lambda").get_function_configuration(FunctionName=made["ServerFunction"])
lab.show({"name": package.key, "files": len(files), "kB": len(package.content) // 1000,
          "the deployed one is the same": deployed["CodeSha256"] == digest})  # fmt: skip

# %% [markdown]
# The zip is made anew here, and its bytes are those that Lambda has: same sources, same zip, so new code is a change and old
# code is none. In it are only modules that the functions reach: no tests, no clients, no stand-ins.
#
# Libraries are left out here, since the embedded AWS sees those on this machine. For AWS they come in as *wheels*, each pinned:

# %%
pinned = REQUIREMENTS.read_text().splitlines()
names = [line.split("==")[0] for line in pinned if line[:1].isalpha()]
lab.show({"hashes": sum("--hash=" in line for line in pinned), "libraries": len(names), "by name": names})

# %% [markdown]
# A wheel whose hash is not in [that list](../mcp_demo/serverless/requirements.txt) is refused before it is packed. With all of
# them the zip has 32 MB, and a package index has to be within reach when you deploy to AWS.
#
# ## Step 11 · No secret is a setting
#
# Settings of a function are shown to everybody who may look at it in the console. The bridge needs two secrets. One is that of
# its app client (notebook 01). The other: **the bridge adds** codes and refresh tokens of its own, *sealed*, that is
# encrypted, so it needs keys.

# %%
lab.predict(
    "Where do the bridge's secrets stand?",
    {
        "In the settings of its function, encrypted": "They would be decrypted for everybody who may look.",
        "In the zip": "Then they would be on every machine that ever deployed.",
        "In neither": "It asks for them when an instance starts, with the rights of its role.",
    },
    answer="In neither",
)

# %% [markdown]
# The names of all settings, for both functions:

# %%
functions = here.profile.client("lambda")
for name in (made["ServerFunction"], made["BridgeFunction"]):
    settings = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    display(lab.show({"function": name, "settings": [setting.removeprefix("MCP_DEMO_") for setting in settings]}))

# %% [markdown]
# `ENVELOPE_SECRET` is the *name* of a secret in **Secrets Manager**, the service that keeps them. And the app client's secret is
# asked of the user pool itself. What does the named secret hold?

# %%
from mcp_demo.lab.aws import Keyring

keyring = Keyring(here, made["EnvelopeSecret"])
lab.show({"the secret holds": keyring.now()})

# %% [markdown]
# One key, made by CloudFormation. You see a number in place of the key, and no step of the deployment saw more.
#
# ### Keys that change
#
# A key that never changes is one day lost. But several instances of the bridge may run at once, one that started yesterday and
# one of today, and each knows the keys of its own day.
#
# *Rotation* is a function that Secrets Manager calls every 30 days, once for each of four steps. Call it yourself, two rounds:

# %%
import uuid

seen = {"as made": keyring.now()}
for turn in ("rotated", "rotated again"):
    version = str(uuid.uuid4())
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        event = {"Step": step, "SecretId": made["EnvelopeSecret"], "ClientRequestToken": version}
        done = functions.invoke(FunctionName=made["RotationFunction"], Payload=json.dumps(event))
        seen[turn] = done.get("FunctionError") or keyring.now()
lab.show(seen)

# %% [markdown]
# The first key of each line *seals*, all of the line *open*. Follow key 2: it comes in at the end, able to open, and moves to
# the front one rotation later. So what one instance seals, every other can open. Nobody is signed out:
# [a test](../tests/integration/test_serverless.py) shows it.
#
# The embedded AWS does not rotate by itself; on AWS the stack has a schedule too.
#
# ## Step 12 · Find one request again
#
# Somebody writes: *it says 401*. Show a token that is nonsense, and note the request id of the answer.

# %%
refused = ask(run, knock, network=door, authorization="Bearer not-a-token").response
request_id = refused.header("x-request-id")
lab.show({"status": refused.status, "x-request-id": request_id})

# %% [markdown]
# Logs of a function lie in CloudWatch, in a *log group* of its name. On AWS they come some seconds late, so `eventually` asks
# until there is an answer.

# %%
from mcp_demo.lab.aws import eventually

logs, group = here.profile.client("logs"), f"/aws/lambda/{made['ServerFunction']}"
found = eventually(lambda: logs.filter_log_events(logGroupName=group, filterPattern=f'"{request_id}"')["events"])
lab.show(json.loads(found[0]["message"]))

# %% [markdown]
# One line of JSON a request, with the id that the person can read in the answer. The log group is that of *your* function, so it
# was yours that answered. `error` says why. And what was sent?

# %%
lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
lab.show({"lines": len(lines), "with the token": sum("not-a-token" in line for line in lines)})

# %% [markdown]
# No line holds the token. Queries, headers and bodies are not written at all, since they carry tokens and codes
# ([RFC 6750 §5.3](https://www.rfc-editor.org/rfc/rfc6750#section-5.3) warns of logs). A log is read by more people than
# a database.
#
# ## Step 13 · Ring an alarm
#
# One refused token is nothing. Fifty in five minutes is somebody trying, or a setting that is wrong. A filter counts the lines
# with `invalid_token` as a *metric*, and an *alarm* watches that number.

# %%
watch = here.profile.client("cloudwatch")
alarms = watch.describe_alarms(AlarmNamePrefix="mine-")["MetricAlarms"]
lab.show({alarm["AlarmName"]: f"{alarm['MetricName']} > {alarm['Threshold']:.0f}" for alarm in alarms})

# %% [markdown]
# Report 51 refused tokens, in place of the filter, and ask how the alarm is.

# %%
watch.put_metric_data(Namespace="mine", MetricData=[{"MetricName": "RefusedTokens", "Value": 51}])
ringing = {"AlarmNames": ["mine-refused-tokens"], "StateValue": "ALARM"}
alarm = eventually(lambda: watch.describe_alarms(**ringing)["MetricAlarms"])[0]
lab.show({"state": alarm["StateValue"], "because": alarm["StateReason"], "tells": alarm["AlarmActions"]})

# %% [markdown]
# `ALARM`, and a message to the topic `mine-alarms`. It sends mail if you choose so: `hardening.AlarmEmail=you@example.com`.
# On AWS this takes a minute or two. The dashboard draws the same numbers.
#
# ## Step 14 · What will it cost?
#
# Nothing here is paid by the hour. You pay for people, requests, gigabytes, and a few things by the month. Begin with your
# own numbers, then run both cells.

# %%
people, calls, sign_ins = 1_000, 1_000, 8  # people, and for each of them tool calls and sign-ins in a month
milliseconds, log_bytes = 20, 850  # of a call, on Lambda and in the logs: assumed, not measured
requests = people * (calls + 5 * sign_ins)
gigabytes = requests * log_bytes / 1e9
lab.show({"requests a month": f"{requests:,}", "GB of logs": round(gigabytes, 2)})

# %% [markdown]
# The prices are list prices of us-east-1 as we know them, without the free amounts of new accounts. They change: look them up.

# %%
bill = {
    "Cognito, Essentials": max(0, people - 10_000) * 0.015,
    "HTTP APIs": requests * 1.00e-6,
    "Lambda": requests * (0.20e-6 + milliseconds / 1000 * 1.33e-5),
    "DynamoDB": requests / 4 * (0.625e-6 + 0.125e-6),  # one request in four writes and reads
    "Secrets Manager": 0.40 + 0.05,
    "CloudWatch logs": gigabytes * (0.50 + 0.03),
    "registration's metrics": 5 * 0.30,
    "alarms, dashboard, metrics": 9 * 0.10 + 3.00 + 2 * 0.30,
}
lab.show({**{what: f"$ {price:.2f}" for what, price in bill.items()}, "a month": f"$ {sum(bill.values()):.2f}"})

# %% [markdown]
# The largest line is for watching, not for working. Set `people` to 20,000 and look which line grows beyond all others: it is
# the only one that counts heads, and the first 10,000 of a month are free.
#
# Not counted: traffic out, of which 100 GB a month are free, encryption keys of the tables, backups, traces. Sources:
# [Cognito](https://aws.amazon.com/cognito/pricing/), [API Gateway](https://aws.amazon.com/api-gateway/pricing/),
# [Lambda](https://aws.amazon.com/lambda/pricing/), [DynamoDB](https://aws.amazon.com/dynamodb/pricing/on-demand/),
# [Secrets Manager](https://aws.amazon.com/secrets-manager/pricing/), [CloudWatch](https://aws.amazon.com/cloudwatch/pricing/).

# %%
lab.predict(
    "Nobody uses the system for a month. What do you pay?",
    {
        "Nothing": "What is kept by the month is paid without a request, too.",
        "The same, it runs all the time": "Functions, tables and APIs wait for nothing.",
        "Four or five dollars": "The secret, nine alarms and the dashboard. Without the last two, 40 cents.",
    },
    answer="Four or five dollars",
)

# %% [markdown]
# ## Step 15 · What is proven, and what not
#
# All that you saw ran on an embedded AWS. [docs/parity.md](../docs/parity.md) lists each behaviour of AWS that this project
# relies on, with the tests that show it. Count the rows by their label:

# %%
from mcp_demo.lab.aws import proofs

lab.show(proofs())

# %% [markdown]
# *The emulator* is the embedded AWS: software of others, which follows AWS. *Our stand-in* is the sign-in domain: we wrote it after
# AWS's documentation, so it cannot prove that we understood that. *Unproven* is only documented. There is no label *proven
# on AWS*, because nothing was run there.
#
# So on AWS, believe nothing of this notebook before you have seen it. Then sign in, which the embedded AWS cannot show for a
# second pool:
#
# ```console
# mcp-demo deploy --profile aws --demo-user     # its own system, named mcp-demo
# mcp-demo connect URL                          # in your browser, on Cognito's own pages
# mcp-demo conformance run URL                  # the verdict, requirement by requirement
# mcp-demo cleanup --profile aws
# ```
#
# Here the whole way through functions, sign-in included, is `mcp-demo up --server lambda`.

# %% [markdown]
# ### What does not go to AWS
#
# | Notebook | What | Why |
# |---|---|---|
# | 07 | forging tokens, the attack gallery | it signs with the key of the pool, a file here; on AWS nobody has it |
# | 08 | the token that may only write | signed with the same key |
# | 10 | `--stack`, and checks that need `test-issuer` | the same key; there the suite reports them *blocked* |
# | 00, 05, 06, 08 | pictures of the sign-in pages | they are of our stand-in; Cognito's own look different |
#
# Notebooks 01 and 11 have the parameter. The others show the system on your machine; server and bridge are the same code there
# and on AWS.
#
# ## Step 16 · Clean up
#
# First see what there is, by kind.

# %%
from collections import Counter

there = take_inventory(here.profile, "mine", here.folder)
kinds = Counter(resource.rpartition(" ")[0] for resource in there.resources)
lab.show({"stack": len(there.stacks), **kinds, "file": len(there.files)})

# %% [markdown]
# Now remove it. The order is the reverse of step 5: what others refer to goes last.

# %%
from mcp_demo.deploy.cleanup import remove

remove(here.profile, "mine", there, each_stack())
left = take_inventory(here.profile, "mine", here.folder)
lab.show({"stacks": len(left.stacks), "resources": len(left.resources), "files": len(left.files)})

# %% [markdown]
# Three zeros. The bucket with the zip belonged to no stack, nor do logs of late requests. And a deleted secret usually waits for
# 30 more days, with its name taken, so this one is deleted for good.
#
# Two things may remain on AWS. If another system in this Region relied on the account's setting for API Gateway's logs, it has
# to set it anew; `registration.ApiLogRole=existing` leaves that setting alone. And metrics stay visible until they expire,
# at no cost. Look at the bill the day after.
#
# Was the running system touched?

# %%
stacks = here.profile.cloudformation().describe_stacks()["Stacks"]
lab.show({**{stack["StackName"]: stack["StackStatus"] for stack in stacks}, "it answers": ask(run, run.server).response.status})

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · Why are the addresses deployed before everything else?</summary>
# The user pool names the MCP server by its URL, and the functions need the pool. An API has its URL before any function
# stands behind it, and that unties the knot.
# </details>
# <details><summary>2 · API Gateway could refuse requests without a token. Why does it not?</summary>
# Its <code>401</code> would name no resource metadata, and a client that comes for the first time would be lost.
# </details>
# <details><summary>3 · A new key opens long before it seals. What for?</summary>
# Instances start at different times. What the newest seals, one that started before the last rotation must be able to open.
# </details>
# <details><summary>4 · A person reports a 401. What do you ask for, and where do you look?</summary>
# For <code>x-request-id</code> of the answer. One line in the function's log group has it, and says which error it was; it
# holds no token.
# </details>
# <details><summary>5 · All tests are green. What does that say about AWS?</summary>
# That the system does what AWS documents, as an emulator and a stand-in understand it. That AWS does so, only AWS can show.
# </details>
#
# **Three sentences to keep.** Read the account, the Region and the inventory before you deploy, and the inventory again after
# you cleaned up. Secrets are asked for at run time, are rotated, and stand in no setting and no log. Say what is proven, where,
# and never more.
#
# **Read on:** [docs/aws.md](../docs/aws.md) for all choices · [server.yaml](../infrastructure/server.yaml) ·
# [endpoints.yaml](../infrastructure/endpoints.yaml) ·
# [rotation by Lambda](https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html)
#
# This was the last of the twelve. [Back to the start](00_start_here.ipynb), or take your own server to
# [notebook 10](10_conformance.ipynb).
