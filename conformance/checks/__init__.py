"""The checks, a package a role, a module a topic. `conformance.catalogue` finds them."""
