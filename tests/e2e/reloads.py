"""Asking a service to read its configuration again."""

import urllib.error
import urllib.request

_SECONDS = 30


def post(url):
    """Status and body of a POST to /-/reload."""
    request = urllib.request.Request(f"{url}/-/reload", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode().strip()
