"""CloudFormation deployments, the same code for AWS and for the embedded AWS; outputs become settings."""
