"""Proof that the parts of this project do what the specifications ask of them."""
