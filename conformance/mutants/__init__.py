"""Planted bugs: the reference system with one defect each, to prove that the checks find what they claim to find."""
