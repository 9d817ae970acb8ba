"""The client registry.

`model` (what a client is) · `composition` (several registries as one) · `dynamodb` (the store) ·
`policy` (what may register) · `families` (refresh-token families, used assertions).

Standard library and boto3 only: the Lambda functions ship this package.
"""
