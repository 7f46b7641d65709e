"""A ledger's nightly job: has checkpoints signed, every second one by a call of its own and the others on one stream.

    python batch.py FOLDER SERVER...

Takes checkpoints from standard input, a JSON object a line. Puts what is to be published into FOLDER/published.ndjson,
a line each, and prints after each line how many there are. FOLDER has ca.crt, ledger.crt and ledger.key. The first one
that is not signed after all retries ends it, with exit code 1.
"""

import asyncio
import json
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import TextIO

from amply_checkpoint_signer import AsyncClient, SignedCheckpoint, Tls

CALLS_AT_ONCE = 64
LONGEST_LINE = 1024 * 1024

Checkpoints = asyncio.Queue[dict | None]


class Publication:
    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.count = 0

    def add(self, signed: SignedCheckpoint) -> None:
        self.file.write(f"{signed.published_json}\n")
        self.file.flush()
        self.count += 1
        print(self.count, flush=True)


async def take_in(queues: list[Checkpoints]) -> None:
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    count = 0
    async for line in lines:
        queues[count % len(queues)].put_nowait(json.loads(line))
        count += 1
    for queue in queues:
        queue.put_nowait(None)


async def each(queue: Checkpoints) -> AsyncIterator[dict]:
    while (checkpoint := await queue.get()) is not None:
        yield checkpoint
    # For the next who waits.
    queue.put_nowait(None)


async def by_calls(client: AsyncClient, queue: Checkpoints, publication: Publication) -> None:
    async for checkpoint in each(queue):
        publication.add(await client.sign(checkpoint))


async def on_a_stream(client: AsyncClient, queue: Checkpoints, publication: Publication) -> None:
    async for outcome in client.sign_many(each(queue)):
        publication.add(outcome.result())


async def main(folder: pathlib.Path, servers: list[str]) -> None:
    tls = Tls(folder / "ca.crt", folder / "ledger.crt", folder / "ledger.key")
    calls, stream = Checkpoints(), Checkpoints()
    # Each half prefers another replica.
    async with AsyncClient(servers, tls=tls) as one, AsyncClient(servers[::-1], tls=tls) as other:
        with (folder / "published.ndjson").open("w") as file:
            publication = Publication(file)
            await asyncio.gather(
                take_in([calls, stream]),
                *(by_calls(one, calls, publication) for _ in range(CALLS_AT_ONCE)),
                on_a_stream(other, stream, publication),
            )


if __name__ == "__main__":
    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
