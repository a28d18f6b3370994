"""What a real client says to the Datadog counterpart."""

import io
import json

import aiohttp

LOGS = "/api/v2/logs"
GOOD = [{"message": "hello", "service": "web"}]
HEADERS = {"DD-API-KEY": "test-api-key", "Content-Type": "application/json"}


async def send(client, intake, body=None, *, path=LOGS, within_seconds=10.0, **headers) -> int:
    body = json.dumps(GOOD).encode() if body is None else body
    given = {name: value for name, value in (HEADERS | headers).items() if value is not None}
    timeouts = aiohttp.ClientTimeout(total=within_seconds)
    async with client.post(
        intake.url + path, data=io.BytesIO(body), headers=given, timeout=timeouts, allow_redirects=False
    ) as answer:
        await answer.read()
        return answer.status
