"""Every planted bug of the authorization server: importing this module fills `MUTANTS`."""

from conformance.mutants import authz_back, authz_front
from conformance.mutants.authz_plant import MUTANTS, red

__all__ = ["MUTANTS", "PLANTED", "red"]

PLANTED = (authz_front, authz_back)
"""The modules that fill `MUTANTS` when they are imported."""
