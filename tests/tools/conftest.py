"""What the tests of tool runners share: a runner that is closed, and servers to call."""

from collections.abc import AsyncIterator, Iterator

import pytest

from clearance.tools.mcp import McpTools
from tests.tools.support.calling import real_http_process
from tests.tools.support.raw_http import RawHttpServer, raw_http_server


@pytest.fixture
async def tools() -> AsyncIterator[McpTools]:
    runner = McpTools()
    yield runner
    await runner.close()


@pytest.fixture
def raw_http() -> Iterator[RawHttpServer]:
    with raw_http_server() as server:
        yield server


@pytest.fixture(scope="session")
def real_http_address() -> Iterator[str]:
    """A real server, in a process of its own; only for tests that do not change it."""
    with real_http_process() as (_, address):
        yield address
