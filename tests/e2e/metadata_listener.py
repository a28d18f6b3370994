"""What stands where metadata services stand: listens on port 80 of each of their addresses, and says who came.

A process: `python -m tests.e2e.metadata_listener`, in a network namespace whose `lo` has the addresses. One line per contact.
"""

import asyncio

ADDRESSES = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254")
NOTHING_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def _note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    print(f"contacted {writer.get_extra_info('sockname')[0]}", flush=True)  # noqa: T201 - the line that the test counts
    await reader.read(1024)
    writer.write(NOTHING_HERE)
    writer.close()


async def _listen() -> None:
    async with asyncio.TaskGroup() as group:
        for address in ADDRESSES:
            server = await asyncio.start_server(_note, address, 80)
            group.create_task(server.serve_forever())
        print("listening", flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    asyncio.run(_listen())
