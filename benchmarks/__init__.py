"""How fast this is, as ratios of things measured in the same run: `make bench`, or `python -m benchmarks`.

`issuer` (tokens) · `servers` (one process each, on a core of their own) · `served` (what is compared) ·
`load` (wrk on the other core) · `requests` and `endpoint` (what is asked, in interleaved rounds) · `ratios` (what has
to come of it) · `micro` · `system` (the whole stack) · `report`.

Load and faults have commands of their own: `logins`, `mixed`, `soak`.
"""
