"""Medians of both systems and their ratios, from the lines that bench-vs-kafka.sh wrote.

usage: compare.py RESULTS.jsonl
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
    ("history", "recordsPerSecond", ">=", 1.5),
    ("own-history", "recordsPerSecond", ">=", 1.5),
    ("tail", "recordsPerSecond", ">=", 1.5),
    ("end-to-end", "p99Ms", "<=", 0.33),
    ("produce-rf3", "brokersCpuSeconds", "<=", 0.5),
    ("produce-rf3", "brokerPeakMiB", "<=", 0.15),
    ("ready", "readyMs", "<=", 0.1),
    ("restart-1000", "readyMs", "<=", 0.1),
]


def main():
    with open(sys.argv[1]) as lines:
        results = [json.loads(line) for line in lines]
    print(f"{'way':<11} {'figure':<12} {'field':<18} {'kafka':>10} {'dmq':>10} {'ratio':>7}  goal")
    for way in sorted({result["way"] for result in results}):
        for figure, field, sign, goal in GOALS:
            both = {}
            for system in ("kafka", "dmq"):
                values = [
                    result[field]
                    for result in results
                    if (result["system"], result["way"], result["figure"]) == (system, way, figure)
                ]
                if values:
                    both[system] = statistics.median(values)
            if len(both) < 2:
                continue
            ratio = both["dmq"] / both["kafka"] if both["kafka"] else float("nan")
            reached = ratio >= goal if sign == ">=" else ratio <= goal
            print(
                f"{way:<11} {figure:<12} {field:<18} {both['kafka']:>10} {both['dmq']:>10} {ratio:>6.2f}x  "
                f"{sign} {goal}x {'reached' if reached else 'MISSED'}"
            )


main()
