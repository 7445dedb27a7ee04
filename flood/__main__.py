"""`python -m flood`: each flood against a server of its own, beside the same server when quiet.

    python -m flood [--only NAME[,NAME]] [--seconds N] [--write]

Ends with 1 if a goal is missed, and with 2 if a server did not start.
"""

from __future__ import annotations

import argparse
import signal
import sys

from flood import report
from flood.floods import BY_NAME, FLOODS, Flood
from flood.run import Result, measure
from flood.target import NotUp

SECONDS, SECONDS_MAX = 4.0, 10.0  # of each flood


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    try:
        results = [_measured(flood, asked.seconds) for flood in asked.only]
    except NotUp as reason:
        print(f"Nothing is reported: {reason}", file=sys.stderr)
        sys.exit(2)
    text = report.report(results, asked.seconds)
    print(text)
    if asked.write:
        report.write(text)
    if any(report.missed(result) for result in results):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flood", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument(
        "--only", type=_named, default=FLOODS, metavar="NAME", help=f"of {', '.join(BY_NAME)}"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=SECONDS, help=f"of each flood ({SECONDS:g})"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/floods.md")
    return parser.parse_args()


def _named(names: str) -> list[Flood]:
    try:
        return [BY_NAME[name.strip()] for name in names.split(",")]
    except KeyError as unknown:
        sentence = f"there is no flood {unknown}"
        raise argparse.ArgumentTypeError(sentence) from None


def _seconds(text: str) -> float:
    number = float(text)
    if not 1 <= number <= SECONDS_MAX:
        sentence = f"a flood takes 1 to {SECONDS_MAX:g} seconds"
        raise argparse.ArgumentTypeError(sentence)
    return number


def _measured(flood: Flood, seconds: float) -> Result:
    """One result; its rows are shown at once, in case that the run is cut short."""
    print(f"  {flood.name}: {flood.does}", file=sys.stderr, flush=True)
    result = measure(flood, seconds)
    for row in (report.bystanders_row(result), report.server_row(result)):
        print(f"    {row}", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
