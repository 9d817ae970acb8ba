"""The exercises, a module a notebook: `n02` belongs to `02_the_401`."""
