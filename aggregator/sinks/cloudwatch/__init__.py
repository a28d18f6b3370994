"""CloudWatch Logs: PutLogEvents over the shared session, signed by botocore's signer; no instance metadata, ever."""
