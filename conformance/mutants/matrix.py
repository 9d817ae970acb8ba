"""Every planted bug against every check: who finds what."""

from collections.abc import Callable, Mapping

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.mutants import access, challenges, metadata, planted, tokens
from conformance.mutants.in_process import InProcess
from conformance.mutants.plant import MUTANTS, Mutant
from conformance.mutants.reference import Wrapper, served, unchanged
from conformance.requirements import LATEST
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session
from conformance.target import Target

__all__ = ["MUTANTS", "PLANTED", "judge_wrapped", "red"]

PLANTED = (challenges, metadata, tokens, access)
"""The modules that fill `MUTANTS` when they are imported."""


def red(mutant: Mutant) -> Mapping[str, str]:
    """The checks that turn red with a bug, and what they say."""
    return planted.red(judge_wrapped(mutant.wrap, revision=mutant.revision, host=mutant.host, retarget=mutant.retarget))


def judge_wrapped(
    wrapper: Wrapper = unchanged,
    *,
    revision: str = LATEST,
    host: str = "localhost",
    audience: str = "resource",
    retarget: Callable[[Target], Target] = lambda target: target,
) -> Report:
    """The report on the reference server behind a wrapper, without a socket."""
    network = InProcess()
    try:
        with served(wrapper, revision=revision, host=host, audience=audience, network=network) as target:
            judged = retarget(target)
            checks = Selection(revision=revision, roles=("resource-server",)).of(catalogue.load())
            return judge(judged, checks, session=Session(judged, transport=network))
    finally:
        network.end()
