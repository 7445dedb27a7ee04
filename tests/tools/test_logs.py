"""Libraries log what they send, at levels below WARNING: nothing of that may be printed, whatever
their loggers are set to.
"""

import subprocess
import sys

PROGRAM = """
import logging, sys
from clearance.running.logs import configure_logs

library = logging.getLogger("mcp.client.streamable_http")
library.setLevel(logging.DEBUG)
library.addHandler(logging.StreamHandler(sys.stdout))
library.debug("before: the handler works")
configure_logs("debug")
library.debug("Sending client message: s3cr3t-argument")
library.info("Received: s3cr3t-answer")
library.warning("this may be read")
"""


def test_no_library_prints_below_warning_even_if_its_logger_is_set_to() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert "before" in ended.stdout
    assert "this may be read" in ended.stdout
    assert "this may be read" in ended.stderr
    assert "s3cr3t" not in ended.stdout + ended.stderr
