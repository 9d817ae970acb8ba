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
# # 01 · Deploy: a system of your own, and gone again
#
# **In half an hour** you will have deployed an authorization system of your own beside the running one, looked at each piece
# of it with boto3 (AWS's library for Python), changed it in a way that you saw beforehand, and removed it so that provably
# nothing is left.
#
# *You need:* notebook 00, and to know what an HTTP API is. *Cost:* nothing; AWS is embedded. What the same costs on AWS is said
# at the end.

# %%
from mcp_demo import lab

run = lab.start()
lab.where("01")

# %% [markdown]
# ## Step 1 · One parameter says where
#
# The next cell makes the tools of this notebook. `site` has one parameter that matters: `"embedded"` is the AWS that runs on
# your machine, `"aws"` is AWS itself, with the credentials of your shell. Everything below is the same for both.

# %%
from mcp_demo.lab.aws import progress, site

here = site(run, "embedded")
cloud = here.profile.cloudformation()
lab.show({stack["StackName"]: stack["StackStatus"] for stack in cloud.describe_stacks()["Stacks"]})

# %% [markdown]
# `cloud` is a plain boto3 client of **CloudFormation**, the service that makes other services. You hand it a *template*, a text
# that says what should exist. It makes a *stack*, and remembers what belongs to it.
#
# The two stacks above are the system that you met in notebook 00. You will now make the same two under another name.
#
# ## Step 2 · Say what should exist
#
# A stack is a template plus *parameters*. The templates lie in `infrastructure/`; the parameters are made of the addresses of
# the running parts.

# %%
from mcp_demo.deploy.system import identity_plan

plan = identity_plan(here.profile, here.endpoints, "my-first")
plan.parameters["Mfa"] = "OPTIONAL"
lab.show({"stack": plan.name, **plan.parameters})

# %% [markdown]
# `McpUrl` is the one to remember: the address of the MCP server. `BridgeUrl` and `StaticClientUrl` say where browsers may be
# sent back to. `Emulated` leaves out what the embedded AWS does not know: the styles of the sign-in pages. `Mfa`, set by hand
# here, says who needs a second factor to sign in.
#
# ## Step 3 · Deploy the identity stack
#
# This is one call. It takes a blink here and minutes on AWS, so it tells each resource once it is done.

# %%
from mcp_demo.deploy.stacks import deploy

identity = deploy(cloud, plan, progress)

# %% [markdown]
# CloudFormation found the order by itself: it makes what others refer to first.
#
# | Resource | What it is for |
# |---|---|
# | `UserPool` | the people: names, passwords, second factors (MFA); and the keys that sign tokens |
# | `Domain` | the address of the pages on which people sign in |
# | `McpServer` | a *resource server*: the MCP server's name and its scopes, as the pool knows them |
# | `BridgeClient` | the *app client* as which the bridge talks to the pool |
# | `StaticClient` | the app client of the browser client that is known beforehand |
# | `BridgeRole` | what the bridge may do in AWS, should it run there |

# %% [markdown]
# ## Step 4 · Deploy it again
#
# Deployments are run by hand, by pipelines, and again when somebody is unsure.

# %%
lab.predict(
    "You run the very same deployment a second time. What happens?",
    {
        "It fails, as the stack exists": "So it is for plain creating; this asks for a change instead.",
        "A second user pool appears": "The name of the stack is its identity: there is one of each name.",
        "Nothing": "CloudFormation compares template and parameters with what is there: no difference.",
    },
    answer="Nothing",
)

# %% [markdown]
# Look for resources in the output of the next cell, and at `changed`.

# %%
again = deploy(cloud, plan, progress)
same = again.outputs["UserPoolId"] == identity.outputs["UserPoolId"]
lab.show({"changed": again.changed, "same pool": same})

# %% [markdown]
# No line of progress, nothing changed. So a deployment that was interrupted is simply run again.
#
# A stack also has *outputs*, `identity.outputs`: names that were not known before, such as the id of the pool. Nothing in
# these notebooks is pasted by hand; it comes from there.
#
# ## Step 5 · The user pool
#
# Now look at what you have, by asking the services themselves.

# %%
cognito = here.profile.cognito()
pool = cognito.describe_user_pool(UserPoolId=identity.outputs["UserPoolId"])["UserPool"]
lab.show({name: pool[name] for name in ("Id", "Name", "UserPoolTier", "MfaConfiguration")})

# %% [markdown]
# **Cognito does** sell user pools in tiers. `ESSENTIALS` is the first that puts the name of the server that a token is for
# [into the token](https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html);
# without that, MCP cannot be done safely. How do tokens name the pool itself?

# %%
lab.show({"issuer": identity.outputs["Issuer"]})

# %% [markdown]
# The *issuer* is a URL that ends with the pool's id. It stands in every token as `iss`. Keep it in mind for notebook 04.
#
# ## Step 6 · The MCP server, as the pool knows it
#
# A user pool can issue tokens for several servers. It must know each by a name, and which permissions (*scopes*) it has.

# %%
servers = cognito.list_resource_servers(UserPoolId=pool["Id"], MaxResults=10)["ResourceServers"]
lab.show({one["Identifier"]: [scope["ScopeName"] for scope in one["Scopes"]] for one in servers})

# %% [markdown]
# The name is the URL of the MCP server, letter by letter. **MCP requires** tokens that are made for one server
# ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)), and clients know a server by its URL only. So one string does four
# jobs: URL, identifier here, `resource` in requests, `aud` in tokens.
#
# ## Step 7 · The app clients
#
# A program that asks for tokens is an OAuth *client*; Cognito calls it an *app client*. You made two: one for the bridge, which is a program on a server, and one for
# the browser client of notebook 00.

# %%
lab.predict(
    "Which of the two gets a secret from the pool?",
    {
        "Both": "What a browser is told, its user can read: a secret there protects nothing.",
        "The bridge only": "It runs where nobody looks in. Such clients are called confidential, others public.",
        "None": "Then anybody could redeem at the pool what was meant for the bridge.",
    },
    answer="The bridge only",
)

# %% [markdown]
# The cell asks for both, and shows whether there is a secret, not the secret.

# %%
for name in ("Bridge", "Static"):
    client_id = identity.outputs[f"{name}ClientId"]
    found = cognito.describe_user_pool_client(UserPoolId=pool["Id"], ClientId=client_id)["UserPoolClient"]
    display(lab.show({
        "name": found["ClientName"],
        "has a secret": "ClientSecret" in found,
        "may send browsers to": found["CallbackURLs"],
        "flows": found["AllowedOAuthFlows"],
        "scopes": found["AllowedOAuthScopes"],
    }))

# %% [markdown]
# The flow `code` is the only one allowed, and each client may send browsers to one address only: its own
# ([OAuth 2.1 §2.3](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-2.3)). The template says so; a
# default would allow more.
#
# ## Step 8 · The domain
#
# Passwords are typed on pages of the pool and nowhere else. The pages need an address.

# %%
domain = cognito.describe_user_pool_domain(Domain=pool["Domain"])["DomainDescription"]
lab.show({name: domain[name] for name in ("Domain", "ManagedLoginVersion", "Status")})

# %% [markdown]
# Version 2 is Cognito's *managed login*. From the name, AWS makes an address:

# %%
lab.show({"on AWS": identity.outputs["DomainUrl"], "here": run.domain})

# %% [markdown]
# The embedded AWS has no such pages, so this project brings a stand-in for them, the address `here`. It is the only part of
# Cognito that is not the embedded AWS's.
#
# ## Step 9 · The rest, in one call
#
# `deploy_system` does all of it: the identity stack, which it finds unchanged, then the second stack, which lets clients
# register themselves. At the end it writes the settings of each part.

# %%
from mcp_demo.deploy.system import deploy_system

system = deploy_system(here.profile, here.endpoints, here.folder, progress, "my-first")

# %% [markdown]
# Many lines, three ideas: an API, a function with a role of its own behind each operation of it, and tables. Take them one
# by one.
#
# ## Step 10 · The API
#
# API Gateway takes requests from the network, so that the functions behind it need not.

# %%
gateway = here.profile.client("apigateway")
apis = {api["name"]: api["id"] for api in gateway.get_rest_apis()["items"]}
paths = gateway.get_resources(restApiId=apis["my-first-registration"])["items"]
lab.show({path["path"]: sorted(path.get("resourceMethods", {})) for path in paths if path["path"] != "/"})

# %% [markdown]
# `POST /register` makes a client ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591#section-3)); the other methods read,
# change and remove one ([RFC 7592](https://www.rfc-editor.org/rfc/rfc7592#section-2)). `OPTIONS` is for browsers, which ask
# before they send.
#
# ## Step 11 · The functions
#
# Each operation is a Lambda function: code that runs when it is called, and costs nothing in between.

# %%
functions = here.profile.client("lambda").list_functions()["Functions"]
mine = [function for function in functions if function["FunctionName"].startswith("my-first-")]
lab.show({f["FunctionName"]: f"{f['Handler']} as {f['Role'].rpartition('/')[2]}" for f in mine})

# %% [markdown]
# Five functions, five roles. One role for all would be shorter, and then a bug in *read* could delete. What a role allows
# stands in the template, next to its function; `sweep` runs every hour and removes clients that nobody uses.
#
# ## Step 12 · The tables
#
# What was registered has to be somewhere.

# %%
dynamodb = here.profile.client("dynamodb")
for name in ("Clients", "Families"):
    table = dynamodb.describe_table(TableName=system.outputs[f"{name}Table"])["Table"]
    key, billing = table["KeySchema"][0]["AttributeName"], table["BillingModeSummary"]["BillingMode"]
    display(lab.show({"table": table["TableName"], "key": key, "billing": billing}))

# %% [markdown]
# `Clients` holds the registered clients. `Families` is about refresh tokens, which renew a sign-in without the person: it
# remembers which were used, so that a stolen one is noticed (notebook 08). `PAY_PER_REQUEST` means that an empty table waits for nothing.
#
# ## Step 13 · Does it work?
#
# Send a registration to your own API, as a client that has never been here would.

# %%
from mcp_demo.lab.asking import ask

wanted = {"client_name": "Lesson 01", "redirect_uris": ["http://localhost:9999/callback"]}
endpoint = system.outputs["RegistrationEndpoint"]
registered = ask(run, endpoint, body=wanted, why="A client introduces itself.", spec="RFC 7591 §3.1")
registered

# %% [markdown]
# `201`: API Gateway took it, the function checked it and answered with an id. Look for the client in the table.

# %%
import json

from boto3.dynamodb.types import TypeDeserializer

client_id = json.loads(registered.response.body)["client_id"]
key, table = {"client_id": {"S": client_id}}, system.outputs["ClientsTable"]
item = dynamodb.get_item(TableName=table, Key=key)["Item"]
names = ("client_id", "client_name", "source", "status", "redirect_uris")
lab.show({name: TypeDeserializer().deserialize(item[name]) for name in names})

# %% [markdown]
# The request went through all three: API, function, table. Notebook 05 is about what is checked on the way, and what becomes
# of the two secrets in the answer.
#
# ## Step 14 · What the parts are told
#
# Bridge, server and clients are the same programs here and on AWS. None of them asks where it runs; each reads one file.

# %%
told = {}
for file in sorted(here.folder.glob("*.env")):
    lines, mode = file.read_text().splitlines(), oct(file.stat().st_mode)[-3:]
    told[f"{file.name} ({mode})"] = [line.partition("=")[0].removeprefix("MCP_DEMO_").lower() for line in lines]
lab.show(told)

# %% [markdown]
# Compare `server.env` with `bridge.env`. The MCP server is told an issuer and where its public keys are: no secret at all. The
# secret of the app client is told to the bridge, and `600` means that only you can read the file. (`domain` is the stand-in of
# step 8; `static`, `auto` and `metadata` are the three browser clients.)
#
# ## Step 15 · Change something, and look before you leap
#
# A *change set* is CloudFormation's answer to "what would you do, if …?". Ask it two questions: what if everybody needed MFA,
# and what if the MCP server moved?

# %%
lab.predict(
    "Which of the two changes makes CloudFormation replace a resource?",
    {
        "MFA for everybody": "A setting of the pool: it is changed in place, and the users stay.",
        "Another McpUrl": "The identifier of a resource server cannot be changed, so a new one is made.",
        "Both": "Only what cannot be changed in place is replaced.",
    },
    answer="Another McpUrl",
)

# %% [markdown]
# `what_if` makes a change set with boto3, reads it, and throws it away. First the question about MFA.

# %%
from mcp_demo.lab.aws import what_if

lab.show(what_if(cloud, plan, Mfa="ON"))

# %% [markdown]
# The pool itself, and a role that refers to it, are changed in place: nobody loses an account. Now the question about the address.

# %%
lab.show(what_if(cloud, plan, McpUrl="http://localhost:9999/mcp"))

# %% [markdown]
# `McpServer` would be replaced: its identifier is its identity. Every token made for the old address would be worthless at the
# new one, and that is right, since `aud` would name a server that no longer is. Choose the URL before you have users.
#
# ## Step 16 · Change it
#
# Now really ask for MFA, with the same `deploy` as before. Other parameters, so there is something to do.

# %%
from dataclasses import replace

stricter = replace(plan, parameters={**plan.parameters, "Mfa": "ON"})
outcome = deploy(cloud, stricter, lambda event: None)
after = cognito.describe_user_pool(UserPoolId=pool["Id"])["UserPool"]
lab.show({"changed": outcome.changed, "before": pool["MfaConfiguration"], "now": after["MfaConfiguration"]})

# %% [markdown]
# It is the same pool, by its id. `deploy` works by change set too: it makes one, and executes it unless it is empty.
#
# ## Step 17 · A mistake that costs nothing
#
# What is wrong with a template or a parameter is best found before anything exists. **Cognito does** refuse the words *aws*,
# *amazon* and *cognito* in a domain, but only once the domain is to be made. The template says it first.

# %%
from mcp_demo.deploy.profile import aws_failures
from mcp_demo.errors import SetupError

wrong = identity_plan(here.profile, here.endpoints, "my-cognito")
with lab.expect_refusal(SetupError), aws_failures():
    deploy(cloud, wrong, progress)

# %% [markdown]
# One line, with the rule in it, and no stack was begun. `aws_failures` makes that line of what boto3 raises.
#
# ## Step 18 · Remove it, and prove it
#
# Removing is part of a deployment. The embarrassing left-overs are those that a stack does not own: a bucket with code, logs
# that a late request made, files on your disk. So first take an inventory, by asking every service for the name.

# %%
from mcp_demo.deploy.cleanup import remove, take_inventory

found = take_inventory(here.profile, "my-first", here.folder)
resources = {resource.rpartition(" ")[2]: resource.rpartition(" ")[0] for resource in found.resources}
files = {file.name: "file" for file in found.files}
lab.show({**dict.fromkeys(found.stacks, "stack"), **resources, **files})

# %% [markdown]
# This is all there is of `my-first`. Nothing of the running system is in it: its names begin with `mcp-demo`.

# %%
remove(here.profile, "my-first", found, lambda event: None)
left = take_inventory(here.profile, "my-first", here.folder)
lab.show({"stacks": len(left.stacks), "resources": len(left.resources), "files": len(left.files)})

# %% [markdown]
# Three zeros are the proof: the services were asked, not the stack. And the running system? Knock at it.

# %%
stacks = {stack["StackName"]: stack["StackStatus"] for stack in cloud.describe_stacks()["Stacks"]}
lab.show({**stacks, "MCP server answers": ask(run, run.server).response.status})

# %% [markdown]
# Both of its stacks are there, and the server answers `401`, as it did in notebook 00. What that answer means is the next
# notebook.
#
# ## On AWS
#
# Write `site(run, "aws")` in step 1, sign in to AWS in the shell that starts Jupyter, and run this notebook again. Use an
# account for experiments: the second stack sets who may write API Gateway's logs, which is one setting of a whole account.
#
# *What it costs there.* Nothing here is paid by the hour. The user pool is billed by people who sign in, with
# [a free number each month](https://aws.amazon.com/cognito/pricing/); API, functions and tables by requests; stored logs and
# backups by the gigabyte. The few requests of a lesson round to zero. What you forget to remove goes on costing a little: run
# step 18.
#
# The parts keep running on your machine in this notebook. Notebook 11 runs the whole system on AWS.
#
# ## What you can answer now
#
# <details><summary>1 · What does CloudFormation compare when you deploy a second time?</summary>
# Template and parameters with the stack of that name. Without a difference, nothing is done.
# </details>
# <details><summary>2 · Which string is the same in four places, and which places are they?</summary>
# The URL of the MCP server: its address, the identifier of the resource server in the pool, <code>resource</code> in
# requests, and <code>aud</code> in tokens.
# </details>
# <details><summary>3 · Why has the bridge's app client a secret, and the browser client's none?</summary>
# The bridge runs where nobody looks in. What a browser is told, its user can read.
# </details>
# <details><summary>4 · You want to change the URL of the MCP server. How do you find out beforehand what that does?</summary>
# By a change set: it says that the resource server is replaced, so that tokens for the old URL become worthless.
# </details>
# <details><summary>5 · The stacks are deleted. Why is that not yet a proof that nothing is left?</summary>
# Some things belong to no stack: the bucket with the code, logs made by late requests, files with settings. So all services
# are asked.
# </details>
#
# **Three sentences.** A template says what should exist, and deploying it again changes only what differs. The user pool knows
# the MCP server by its URL, which is what binds a token to it. What can be deployed in one call must be removable in one call,
# and checked.
#
# **Read on:** [change sets](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html) ·
# [resource servers in user pools](https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html) ·
# [identity.yaml](../infrastructure/identity.yaml) · [registration.yaml](../infrastructure/registration.yaml)
#
# **Next:** [02 · The 401 that starts everything](02_the_401.ipynb)
