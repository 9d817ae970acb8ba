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
# # 10 · Conformance: prove it, break it, watch it be caught
#
# **In half an hour** you have judged a running server by what MCP requires, read the report, and planted a bug to see whether
# the judge can be trusted. Then you point it at a server of your own.
#
# *You need:* notebook 00; notebooks 02, 07 and 08 for what is being checked. No account, no cost.

# %%
from mcp_demo import lab
from mcp_demo.lab import suite

run = lab.start()
lab.where("10")

# %% [markdown]
# ## What a check is
#
# A *requirement* is one sentence of a specification that says MUST, SHOULD or MAY. A *check* is a little program that tries to
# catch a system not keeping it, and then says what it expected, what it received, and what to do. Three *roles* are judged:

# %%
from collections import Counter

from conformance import catalogue

checks = catalogue.load()
lab.show(Counter(check.role for check in checks))

# %% [markdown]
# The *resource server* is the MCP server, the *authorization server* is the bridge here, and the *client* is the program in
# front. Take one check, and ask what it is for. `suite.command` runs what you would type in a terminal:

# %%
suite.command("mcp-demo", "conformance", "explain", "rs.token.expiry")

# %% [markdown]
# *What* and *Where* come from the specification. *How tested* and *Often wrong* say how people get caught, *Fix* how they get
# out. The last line, *Needs*, is the important one for the next step: this check has to sign tokens.

# %% [markdown]
# ## Judge the running system
#
# A *target* is an address, together with what the suite may do there. Of a system on this machine it may do everything:

# %%
from conformance.stack import target_of

target = target_of(run.state)
lab.show({"url": target.url, "may use": sorted(target.capabilities)})

# %% [markdown]
# These are *capabilities*. `test-issuer` is what you had in notebook 07: the key of the pool. `operation` is a tool that needs
# more than the first scope, `add_context` here. Two topics are enough for now, the 401 and the scopes:

# %%
from conformance.catalogue import Selection
from conformance.run import judge

chosen = Selection(select=("rs.challenge", "rs.scope")).of(checks)
report = judge(target, chosen)
lab.show({"verdict": report.sentence, **report.summary, "requests": report.requests})

# %% [markdown]
# Nothing found. (*Not applicable* is a check that has no meaning here; its result says why.) Now the same server, seen by a
# stranger who has the address and nothing else.

# %%
lab.predict(
    "The stranger cannot sign a token, nor has one. What becomes of the checks that need one?",
    {
        "They pass, nothing wrong was seen": "Then the emptiest run would be the greenest.",
        "They fail": "That would accuse a server of which nothing is known.",
        "They are blocked": "Not seen is neither right nor wrong, and the report says what it would take.",
    },
    answer="They are blocked",
)

# %% [markdown]
# The target is the bare address this time:

# %%
from conformance.target import Target

black_box = judge(Target(run.server), chosen)
lab.show({"verdict": black_box.sentence, **black_box.summary})

# %% [markdown]
# So a verdict always has two halves: what was found, and how much could be looked at. *Nothing found* in a run in which
# half could not be looked at is no praise.

# %% [markdown]
# ## The same from a terminal
#
# In daily life you type a command. `--stack` names the folder of a local run, `--select` chooses, and `--report` writes files.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

desk = TemporaryDirectory()
folder = Path(desk.name)
words = ("--stack", run.state, "--select", "rs.challenge", "--select", "rs.metadata")
files = ("--report", "html=report.html", "--report", "json=report.json")
suite.command("mcp-demo", "conformance", "run", *words, *files, folder=folder)

# %% [markdown]
# First the *preflight*: is there anything to be judged at all? Then a line a check, with its level. At the end the sentence,
# and the exit code for programs: `0` nothing found, `1` something wrong with the target, `2` to `5` for everything that is not
# the target's fault.

# %% [markdown]
# ## Break it
#
# Green is easy: a suite that checks nothing is green as well. So take the *reference*, a second copy of our MCP server inside
# this notebook, and plant a bug in it, the one you met in the attack gallery of notebook 07: it does not look at `aud`.

# %%
lab.predict(
    "One bug, and some fifty checks for this role. How many should turn red?",
    {
        "About half of them": "A report in which everything is red tells nobody where to look.",
        "One or two": "Those that are about the audience, and no other.",
        "None, it is a small bug": "Then the suite would not be worth its name.",
    },
    answer="One or two",
)

# %% [markdown]
# All checks of the role, on the broken server:

# %%
found = suite.with_bug("ignores_aud")
wrong = [result for result in found.results if result.is_problem]
lab.show({"judged": len(found.results), **{result.check.id: result.level for result in wrong}})

# %% [markdown]
# Two: one sends tokens for strangers, the other tokens whose audience only resembles the right one. Without a rule both are
# let in. Look at the first as the report tells it:

# %%
first = wrong[0]
told = {"expected": first.check.expected, "received": first.received, "why": first.check.why}
lab.show({**told, "fix": first.check.fix, "on Cognito": first.check.cognito})

# %% [markdown]
# *Received* is what makes it a proof: not “the audience check seems to be missing” but three requests and their answers. The
# exchanges are kept with the result, with every secret cut out.

# %% [markdown]
# ## Read the report
#
# `--report html=…` makes one file without scripts or remote parts, so you can mail it. Here is the one of the broken server:

# %%
from conformance import document
from conformance.report import write

write(document.build(found), "html", folder / "broken.html")
lab.show([suite.picture(folder / "broken.html")])

# %% [markdown]
# The verdict first, then what is wrong, each with a link to its evidence. The other forms come from the same data: `json` for
# programs, `junit` for a build server's test view, `sarif` for the security tab of a code host, `badge` for a README.

# %% [markdown]
# ## How far can you trust it?
#
# You have planted one bug. The suite's own tests plant all of them, and ask two things: does the check that claims a bug find
# it, and does *no other* complain? That share is the *mutation score*. For the check on kinds of tokens:

# %%
lab.show(suite.score("rs.token.kind"))

# %% [markdown]
# Three ways to get one rule wrong, each caught by name. And all there are:

# %%
from conformance.mutants import ROLES, matrix_of

lab.show({role: f"{len(matrix_of(role).MUTANTS)} planted bugs" for role in ROLES})

# %% [markdown]
# [docs/mutation-score.md](../docs/mutation-score.md) lists them all with who finds them; the project's tests make it anew and
# are red if one escapes. When a check lets you down, plant your bug first and mend the check second.

# %% [markdown]
# ## Live with a known problem
#
# Nobody mends everything at once. A *baseline* lists what is known, with a reason, so that a build turns red for news only.
# The suite drafts it from a report:

# %%
write(document.build(found), "json", folder / "broken.json")
suite.command("mcp-demo", "conformance", "baseline", "broken.json", folder=folder)

# %% [markdown]
# Where it says TODO, you write the reason, and perhaps when it will be done. Then `--baseline FILE` takes it into account.

# %%
lab.predict(
    "A month later the bug is mended, and the baseline still lists it. What should the build do?",
    {
        "Stay green, all is well": "Then the entry would hide the bug should it come back.",
        "Turn red": "What is listed and passes is stale. Take it out, and the baseline can only shrink.",
        "Remove the entry by itself": "Somebody wrote a reason there; a person should take it out.",
    },
    answer="Turn red",
)

# %% [markdown]
# The broken server without a baseline, then with one, and the mended server with the old one:

# %%
from conformance import baseline

known = [baseline.Known(result.check.id, "planted for a lesson") for result in wrong]
mended = judge(target, Selection(select=("rs.token.audience", "rs.token.audience-whole")).of(checks))
runs = {"broken": found, "broken, known": baseline.apply(found, known)}
runs["mended, still listed"] = baseline.apply(mended, known)
lab.show({what: f"exit code {one.exit_code}" for what, one in runs.items()})

# %% [markdown]
# `1`, `0`, `1`: bad news, no news, and good news that has to be written down.

# %% [markdown]
# ## Your own server
#
# Any address will do, in any language. Here is a server as the first example of the MCP SDK has it: one tool and no
# authorization at all. Three lines, its address, a choice, and the verdict:

# %%
own = suite.OwnServer()
few = Selection(select=("rs.challenge.missing-token", "rs.metadata.served")).of(checks)
mine = judge(Target(own.url), few)
lab.show({result.check.id: f"{result.verdict}: {result.received}" for result in mine.results})

# %% [markdown]
# Everybody is let in, and no document says whom to ask. In a hurry, ask the *doctor* instead: it goes through the layers from
# the outside in, and stops at the first one that is ill.

# %%
suite.command("mcp-demo", "doctor", own.url)

# %% [markdown]
# The suite says all that is wrong; the doctor says what to mend *first*. For more than the black box, give the suite what it
# asks for: a token (`$MCP_TOKEN`), a tool that needs more (`--operation`), a user (`--sign-in`).

# %% [markdown]
# ## In your tests
#
# With the plugin each check is a test of its own, which your test runner selects, repeats and reports:

# %%
select = ("--mcp-url", run.server, "--mcp-select", "rs.metadata")
plugin = ("-p", "conformance.pytest_plugin", "--pyargs", "conformance.test_conformance")
suite.command("pytest", *plugin, *select, "-v", folder=folder, lines=16)

# %% [markdown]
# The same on every push, with [the action of this project](../conformance/action/action.yml):
#
# ```yaml
# - uses: OWNER/REPOSITORY/conformance/action@COMMIT
#   with:
#     url: https://mcp.example/mcp
#     token: ${{ secrets.MCP_TOKEN }}
#     baseline: known-problems.yaml
# ```
#
# It leaves the reports of the section above behind, and its exit code is the build's.
#
# ## And your client
#
# A client is judged the other way round: it is started, some fifty times, against servers that are helpful, careless or
# hostile, and what it sends is looked at. It takes some minutes, so try it in a terminal:
#
# ```console
# mcp-demo conformance client -- mcp-demo connect {url}
# ```
#
# Everything after `--` is the client's own command; `{url}` becomes the address of the server it is to meet. Here is what one
# of these checks is after:

# %%
suite.command("mcp-demo", "conformance", "explain", "client.authorize.pkce-unlisted")

# %% [markdown]
# Time to tidy up:

# %%
desk.cleanup()
lab.show({"your own server": own.stop()})

# %% [markdown]
# ## What you can answer now
#
# <details><summary>1 · A run says “Nothing found”. What do you look at before you are glad?</summary>
# How many checks were blocked for want of a capability. What was not looked at is not proven.
# </details>
# <details><summary>2 · What is the difference between a check that failed and one that was blocked?</summary>
# A failed one saw something wrong, with the exchange to prove it. A blocked one could not look, and says what it would take.
# </details>
# <details><summary>3 · How do you know that the suite itself is any good?</summary>
# Bugs are planted, and each has to be found by the check that claims it and by no other: the mutation score.
# </details>
# <details><summary>4 · What is a baseline for, and when does it turn a build red?</summary>
# It lists known problems with reasons, so that only news fails. It is red itself when something listed has become right.
# </details>
# <details><summary>5 · Nobody gets into your server, and you have five minutes. Suite or doctor?</summary>
# The doctor: it names the first layer that is ill, and what to change. The suite is for proving that all is well.
# </details>
#
# **Three sentences to keep.** Blocked is not passed. A check that cannot turn red proves nothing, so break the system and
# watch. Write down what you live with, with a reason, and let the list only shrink.
#
# **Read on:** [docs/mutation-score.md](../docs/mutation-score.md), [docs/official.md](../docs/official.md) for what the
# official suite says, [MCP Authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization).
#
# **Next:** [11 · On real AWS](11_on_real_aws.ipynb), the same on the real thing.
