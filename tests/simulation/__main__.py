"""Simulates many histories: `python -m tests.simulation -n 10000 -s 0` plays the seeds from 0 on.

A seed that fails is printed with what was seen; played alone with `-v`, it also prints all that was counted.
"""

import sys
from argparse import ArgumentParser
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import monotonic

from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import Report, Simulation

SHOWN = 20  # failing seeds


def played(seed: int, scenario: str) -> Report:
    """One history."""
    return Simulation(seed, SCENARIOS[scenario]).run()


def main() -> int:
    """Play seeds; 1 if any failed."""
    parser = ArgumentParser(prog="python -m tests.simulation", description="Simulate histories of the whole system.")
    parser.add_argument("-n", "--number", type=int, default=1000, help="how many seeds (%(default)s)")
    parser.add_argument("-s", "--seed", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("-j", "--processes", type=int, default=1, help="how many processes share them (%(default)s)")
    parser.add_argument("--scenario", choices=SCENARIOS, default="chaos", help="in which circumstances (%(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all that was counted")
    given = parser.parse_args()

    began, counts = monotonic(), Counter[str]()
    with ProcessPoolExecutor(given.processes) as pool:
        seeds = range(given.seed, given.seed + given.number)
        play = partial(played, scenario=given.scenario)
        reports = pool.map(play, seeds, chunksize=10) if given.processes > 1 else map(play, seeds)
        failed = []
        for report in reports:
            counts.update(report.counts)
            if report.violations:
                failed.append(report)
    seconds = monotonic() - began
    lines = [str(report) for report in failed[:SHOWN]]
    lines.append(f"{given.number} seeds, {len(failed)} failed, {given.number / seconds:.0f} seeds/s")
    if given.verbose:
        lines += (f"  {name:28}{count:10}" for name, count in sorted(counts.items()))
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
