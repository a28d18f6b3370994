"""CloudWatch: lines and metrics (EMF) by PutLogEvents over the shared session, signed by botocore's signer; no instance metadata, ever."""
