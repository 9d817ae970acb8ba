"""A plan for 10⁸ users, 10⁵ clients and 10³ MCP servers on AWS: a simulated day against the documented quotas.

    python -m benchmarks plan                                # prints the tables
    python -m benchmarks plan --write docs/scale.md          # puts them into the page

Nothing of this was run on AWS. The quotas are what AWS documents; how people behave is assumed, and each assumption is
an option of the command.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from benchmarks.pages import with_tables

_MINUTES = 24 * 60
_COMMAND = "python -m benchmarks plan"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How people behave, and what is deployed."""

    users: int = 100_000_000
    clients: int = 100_000
    servers: int = 1_000
    active: float = 0.10  # of the users, on a day
    visits: float = 2.0  # times an active user comes back on a day
    session: int = 60  # minutes of such a visit
    sign_ins: float = 0.10  # visits that begin with a sign-in; the others with a refresh
    calls: int = 50  # of tools in a visit
    peak: float = 3.0  # busiest minute of the day, in average minutes
    token_minutes: int = 60  # life of an access token
    pages: int = 4  # requests of a sign-in at the user pool's domain: authorize, page, form, token
    registrations: float = 0.05  # of the clients, on a day
    bridge_ms: int = 60  # of a Lambda, for each request
    server_ms: int = 40
    regions: int = 1  # accounts or Regions among which people are divided
    pools: int = 1  # user pools of a Region
    bridge_clients: int = 1  # app clients of the bridge in a pool
    own_app_clients: bool = False  # an app client for each registered client (strategy `per-client`)
    raised: bool = False  # whether AWS has raised what can be raised


Demand = dict[str, float]


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit.

    Args:
        name: What is limited.
        default: Per Region and account, pool or app client.
        raised: As high as AWS says it can be, else the default; may depend on the users of a Region.
        demand: What is asked of it, from what one Region sees at its peak.
        source: Where AWS says so.
        change: What to do when it binds.
    """

    name: str
    default: float
    raised: Callable[[float], float]
    demand: Callable[[Demand, Assumptions], float]
    source: str
    change: str


def _same(value: float) -> Callable[[float], float]:
    return lambda users: value


def _by_users(base: float, step: float) -> Callable[[float], float]:
    """40 more a second for each million users beyond two, considered by AWS up to ten million."""
    return lambda users: base + step * max(0.0, min(users, 10e6) / 1e6 - 2)


QUOTAS = (
    Quota(
        "sign-ins and refreshes, `UserAuthentication` requests/s (account, Region)",
        120,
        _by_users(120, 40),
        lambda seen, _: seen["sign_ins"] + seen["refreshes"],
        "Cognito 1",
        "longer access tokens; divide people among accounts or Regions; beyond ten million users ask the account team",
    ),
    Quota(
        "user-pool domain, requests/s (app client)",
        300,
        _same(300),
        lambda seen, plan: seen["domain"] / plan.pools / plan.bridge_clients,
        "Cognito 2",
        "several bridge app clients in a pool, chosen by client id; more pools",
    ),
    Quota(
        "user-pool domain, requests/s (pool)",
        500,
        _same(500),
        lambda seen, plan: seen["domain"] / plan.pools,
        "Cognito 2",
        "more pools, people divided among them by tenant",
    ),
    Quota(
        "users (pool)",
        40e6,
        _same(40e6),
        lambda seen, plan: seen["users"] / plan.pools,
        "Cognito 1",
        "more pools; raised by the account team",
    ),
    Quota(
        "resource servers = MCP servers (pool)",
        25,
        _same(300),
        lambda _, plan: plan.servers / plan.pools,
        "Cognito 1",
        "MCP servers divided among pools; several servers of one owner behind one resource, told apart by scopes",
    ),
    Quota(
        "app clients (pool)",
        1_000,
        _same(10_000),
        lambda _, plan: plan.bridge_clients + (plan.clients / plan.pools if plan.own_app_clients else 0),
        "Cognito 1",
        "the strategy `shared`: the bridge is the only app client, registrations cost none",
    ),
    Quota(
        "managed-login styles (pool, fixed)",
        20,
        _same(20),
        lambda _, plan: plan.bridge_clients + (plan.clients / plan.pools if plan.own_app_clients else 0),
        "Cognito 2",
        "the strategy `shared`",
    ),
    Quota(
        "new app clients/s (pool)",
        5,
        _same(5),
        lambda seen, plan: seen["registrations"] / plan.pools if plan.own_app_clients else 0,
        "Cognito 1",
        "the strategy `shared`; metadata documents (CIMD), which are not registered at all",
    ),
    Quota(
        "API Gateway, requests/s (account, Region)",
        10_000,
        _same(10_000),
        lambda seen, _: seen["bridge"] + seen["calls"],
        "API Gateway",
        "the MCP servers behind a load balancer of their own, or raised on request; the bridge alone fits",
    ),
    Quota(
        "Lambda, runs at once (account, Region)",
        1_000,
        _same(10_000),
        lambda seen, plan: seen["bridge"] * plan.bridge_ms / 1000 + seen["calls"] * plan.server_ms / 1000,
        "Lambda",
        "raised on request (tens of thousands); busy MCP servers in containers",
    ),
    Quota(
        "DynamoDB, writes/s of the row that counts registrations",
        1_000,
        _same(1_000),
        lambda seen, _: seen["registrations"],
        "DynamoDB",
        "count in several rows, or leave the ceiling on registrations to the hourly sweep",
    ),
    Quota(
        "DynamoDB, writes/s of the refresh-token table",
        40_000,
        _same(40_000),
        lambda seen, _: seen["refreshes"],
        "DynamoDB",
        "none soon: its keys are random, so partitions share the load",
    ),
)


def day(plan: Assumptions) -> list[Demand]:
    """What one Region sees in each minute of a day, per second.

    Visits come in a daily wave. Each begins with a sign-in or a refresh, and refreshes again whenever its token ends.
    """
    users = plan.users / plan.regions
    visits = users * plan.active * plan.visits / _MINUTES
    begins = [visits * _wave(minute, plan.peak) for minute in range(_MINUTES)]
    minutes: list[Demand] = []
    for minute in range(_MINUTES):
        again = sum(begins[minute - age] for age in range(plan.token_minutes, plan.session, plan.token_minutes))
        alive = sum(begins[minute - age] for age in range(plan.session))
        sign_ins = begins[minute] * plan.sign_ins / 60
        refreshes = (begins[minute] * (1 - plan.sign_ins) + again) / 60
        registrations = plan.clients / plan.regions * plan.registrations / _MINUTES / 60 * _wave(minute, plan.peak)
        minutes.append(
            {
                "users": users,
                "sign_ins": sign_ins,
                "refreshes": refreshes,
                "domain": sign_ins * plan.pages + refreshes,
                "bridge": sign_ins * 4 + refreshes + registrations,  # authorize, consent, callback, token
                "calls": alive * plan.calls / plan.session / 60,
                "registrations": registrations,
            }
        )
    return minutes


def _wave(minute: int, peak: float) -> float:
    """A day's wave of mean 1 whose top is `peak`: a cosine, sharpened as far as it takes."""
    power = next(p for p in range(1, 400) if 1 / _mean(p) >= peak)
    return ((1 + math.cos(2 * math.pi * (minute / _MINUTES - 0.5))) / 2) ** power / _mean(power)


def _mean(power: int) -> float:
    return math.comb(2 * power, power) / 4**power


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a quota fares.

    Args:
        quota: Which.
        limit: As it is under the plan.
        demand: At the busiest minute.
        minutes: Of the day in which it is not enough.
    """

    quota: Quota
    limit: float
    demand: float
    minutes: int

    @property
    def used(self) -> float:
        """The demand as a part of the limit."""
        return self.demand / self.limit


def verdicts(plan: Assumptions) -> list[Verdict]:
    """Each quota over the whole day, the one that binds first on top."""
    minutes = day(plan)
    found: list[Verdict] = []
    for quota in QUOTAS:
        limit = quota.raised(plan.users / plan.regions) if plan.raised else quota.default
        asked = [quota.demand(seen, plan) for seen in minutes]
        found.append(Verdict(quota, limit, max(asked), sum(demand > limit for demand in asked)))
    return sorted(found, key=lambda verdict: -verdict.used)


def changed(plan: Assumptions) -> Assumptions:
    """The plan: what is raised and lengthened, and how far people and servers are divided, until everything fits."""
    plan = replace(plan, raised=True, own_app_clients=False, token_minutes=max(plan.token_minutes, plan.session))
    while verdicts(plan)[0].used > 1:
        first = verdicts(plan)[0].quota.name
        if "(pool)" in first:
            plan = replace(plan, pools=plan.pools + 1)
        elif "(app client)" in first:
            plan = replace(plan, bridge_clients=plan.bridge_clients + 1)
        else:
            plan = replace(plan, regions=plan.regions + 1)
    return plan


def table(plan: Assumptions) -> list[str]:
    """The verdicts, in Markdown."""
    lines = [
        "| Quota | Limit | Busiest minute | Used | Minutes over | Source |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for found in verdicts(plan):
        numbers = f"{found.limit:,.0f} | {found.demand:,.0f} | {found.used:.0%} | {found.minutes:,}"
        lines.append(f"| {found.quota.name} | {numbers} | {found.quota.source} |")
    return lines


def page(plan: Assumptions) -> str:
    """What the command makes of the page."""
    after = changed(plan)
    own = replace(plan, own_app_clients=True)
    told = ["### As deployed: one Region, one pool, default quotas", "", *table(plan), ""]
    first = verdicts(plan)[0]
    told += [f"First to bind: **{first.quota.name}**, asked {first.used:.1f} times what it gives.", ""]
    told += ["### What to change, in the order in which they bind", ""]
    told += [f"1. {found.quota.name}: {found.quota.change}." for found in verdicts(plan) if found.used > 1]
    told += ["", "With an app client for each registered client (`per-client`) these bind too:", ""]
    known = {found.quota.name for found in verdicts(plan) if found.used > 1}
    told += [
        f"- {found.quota.name}: {found.demand:,.0f} asked, {found.limit:,.0f} given."
        for found in verdicts(own)
        if found.used > 1 and found.quota.name not in known
    ]
    told += ["", f"### The plan: {_words(after)}", "", *table(after)]
    return "\n".join(told)


def _words(plan: Assumptions) -> str:
    return (
        f"{plan.regions} accounts or Regions, {plan.pools} pools and {plan.bridge_clients} bridge app client"
        f"{'s' if plan.bridge_clients > 1 else ''} a pool in each, quotas raised"
    )


def written(document: str, plan: Assumptions) -> str:
    """The page with the tables in it."""
    return with_tables(document, _COMMAND, page(plan))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or put them into a page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks plan", description="A simulated day against AWS quotas."
    )
    parser.add_argument("--write", type=Path, help="the page to put the tables into")
    for option in fields(Assumptions):
        usual: object = getattr(Assumptions(), option.name)
        if isinstance(usual, int | float) and not isinstance(usual, bool):
            parser.add_argument(f"--{option.name.replace('_', '-')}", type=type(usual), default=usual)
    values = vars(parser.parse_args(arguments))
    path: Path | None = values.pop("write")
    plan = Assumptions(**values)
    if path is None:
        sys.stdout.write(page(plan) + "\n")
    else:
        path.write_text(written(path.read_text(encoding="utf-8"), plan), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
