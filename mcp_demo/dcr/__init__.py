"""Dynamic client registration on AWS Lambda (RFC 7591, RFC 7592).

`handlers` (what Lambda calls) · `http` (API Gateway's events) · `registration` (what happens) ·
`app_clients` (the user pool's side of the strategy `per-client`) · `sweep` (removing what nobody uses) ·
`initial_access` (who may register at all) · `announce`, `review_link`, `review`, `review_page` (approval by mail).

Shipped as a zip without third-party code: standard library, boto3, and modules of this project that need no more.
"""
