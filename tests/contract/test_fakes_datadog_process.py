"""The Datadog counterpart as a process that may be killed: its record file is what an end-to-end test judges by."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp


async def send(client, url: str, body: bytes = b'[{"message": "hello"}]', *, key: str = "test-api-key") -> int:
    headers = {"DD-API-KEY": key, "Content-Type": "application/json"}
    async with client.post(f"{url}/api/v2/logs", data=body, headers=headers) as answer:
        return answer.status


class Process:
    """The intake as a process of its own."""

    def __init__(self, record: Path, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "tests.fakes.datadog_intake", "--record", str(record), *arguments]
        self.url = ""

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE)
        line = await self.process.stdout.readline()
        self.url = line.decode().removeprefix("listening on ").strip()
        return self

    async def end(self, number: int) -> int:
        self.process.send_signal(number)
        await self.process.stdout.read()
        return await self.process.wait()

    async def __aexit__(self, *_exc: object) -> None:
        if self.process.returncode is None:
            await self.end(signal.SIGKILL)


async def test_what_was_answered_for_is_on_disk_when_the_process_is_killed(client, tmp_path):
    record = tmp_path / "record.jsonl"
    async with Process(record, "--api-key", "k") as intake:
        assert await send(client, intake.url, b'[{"message": "one"}, {"message": "two"}]', key="k") == 202
        await intake.end(signal.SIGKILL)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["message"] for line in lines] == ["one", "two"]
    assert lines[0]["_intake"]["request"] == 1
    record.write_text(record.read_text() + '{"message": "torn')
    async with Process(record, "--api-key", "k") as intake:
        assert await send(client, intake.url, b'[{"message": "three"}]', key="k") == 202
        assert await intake.end(signal.SIGTERM) == 0
    assert [json.loads(line)["message"] for line in record.read_text().splitlines()] == ["one", "two", "three"]


async def test_a_process_that_fails_at_random_still_tells_its_state(client, tmp_path):
    async with Process(tmp_path / "record.jsonl", "--fail", "1", "--seed", "3") as intake:
        failed = 0
        for _ in range(6):
            try:
                failed += await send(client, intake.url) != 202
            except aiohttp.ClientError:
                failed += 1
        async with client.get(intake.url + "/_state") as answer:
            state = await answer.json()
    assert (failed, state["requests"]) == (6, 6)
    assert state["accepted"] == len((tmp_path / "record.jsonl").read_text().splitlines())
