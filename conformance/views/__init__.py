"""What checks look through: the observations of a role, each made once."""
