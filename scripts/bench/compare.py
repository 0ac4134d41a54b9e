"""Medians of both systems with their least and largest values, and the ratios of the medians, from the lines that
bench-vs-kafka.sh wrote.

usage: compare.py RESULTS.jsonl...
"""

import json
import statistics
import sys

# Figure, field, and what our share of Kafka's value should be: at least (higher is better) or at most.
GOALS = [
    ("produce-rf3", "recordsPerSecond", ">=", 2.0),
    ("produce-rf1", "recordsPerSecond", ">=", 2.0),
    ("own-rf3", "recordsPerSecond", ">=", 2.0),
    ("own-rf1", "recordsPerSecond", ">=", 2.0),
    ("latency-rf3", "p50Ms", "<=", 0.5),
    ("latency-rf3", "p99Ms", "<=", 0.33),
    ("own-latency-rf3", "p50Ms", "<=", 0.5),
    ("own-latency-rf3", "p99Ms", "<=", 0.33),
    ("history", "recordsPerSecond", ">=", 1.5),
    ("own-history", "recordsPerSecond", ">=", 1.5),
    ("tail", "recordsPerSecond", ">=", 1.5),
    ("end-to-end", "p99Ms", "<=", 0.33),
    ("produce-rf3", "brokersCpuSecondsPerGb", "<=", 0.5),
    ("produce-rf3", "brokerPeakMiB", "<=", 0.15),
    ("ready", "readyMs", "<=", 0.1),
    ("restart-1000", "readyMs", "<=", 0.1),
]


def shown(values):
    """Median, least and largest; large ones without what nobody reads."""
    number = lambda value: f"{value:,.0f}" if value >= 1000 else f"{value:g}"
    return f"{number(statistics.median(values))} ({number(min(values))}-{number(max(values))})"


def main():
    results = []
    for path in sys.argv[1:]:
        with open(path) as lines:
            results += [json.loads(line) for line in lines]
    print(f"{'way':<11} {'figure':<16} {'field':<22} {'kafka':>34} {'dmq':>34} {'ratio':>7}  goal")
    for way in sorted({result["way"] for result in results}):
        for figure, field, sign, goal in GOALS:
            kafka, dmq = (
                [
                    result[field]
                    for result in results
                    if (result["system"], result["way"], result["figure"]) == (system, way, figure)
                ]
                for system in ("kafka", "dmq")
            )
            if not kafka or not dmq or not statistics.median(kafka):
                continue
            ratio = statistics.median(dmq) / statistics.median(kafka)
            reached = ratio >= goal if sign == ">=" else ratio <= goal
            print(
                f"{way:<11} {figure:<16} {field:<22} {shown(kafka):>34} {shown(dmq):>34} {ratio:>6.2f}x  "
                f"{sign} {goal}x {'reached' if reached else 'MISSED'}"
            )


main()
