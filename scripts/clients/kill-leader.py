#!/usr/bin/env python3
"""Kills the leader of a partition with SIGKILL, waits until another one leads, has the dead one started again, and waits until
it is in sync. Prints what happened when.

usage: CLUSTER_DIR=DIR kill-leader.py TOPIC PARTITION      DIR: where `dmq up` keeps cluster.json
"""

import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

DEADLINE_S = 60
directory, topic, partition = os.environ["CLUSTER_DIR"], sys.argv[1], int(sys.argv[2])
begun = time.monotonic()


def members():
    with open(os.path.join(directory, "cluster.json")) as file:
        return json.load(file)["members"]


def replicas():
    """Leader and ISR, by the first metadata node that answers; none while nobody does."""
    for member in members():
        if member["role"] != "metadata":
            continue
        try:
            with urllib.request.urlopen(f"{member['url']}/api/v1/metadata/topics/{topic}", timeout=5) as answer:
                found = next(one for one in json.load(answer)["partitions"] if one["id"] == partition)
                return found["leader"], found["isr"]
        except (urllib.error.URLError, TimeoutError):
            continue
    return None, []


def until(what, holds):
    while True:
        found = replicas()
        if holds(*found):
            print(f"{time.monotonic() - begun:.3f} s: {what}: leader {found[0]}, in sync {found[1]}", flush=True)
            return found
        if time.monotonic() - begun > DEADLINE_S:
            sys.exit(f"not within {DEADLINE_S} s: {what}; leader {found[0]}, in sync {found[1]}")
        time.sleep(0.02)


def start(name):
    """`dmq up` starts a process again when it is asked on its socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.path.join(directory, "cluster.sock"))
        connection.sendall(f"start {name}\n".encode())
        answer = connection.makefile().read().strip()
    if not answer.startswith("ok "):
        sys.exit(f"{name}: {answer}")


dead, in_sync = until("before", lambda leader, isr: leader and len(isr) > 1)
process = next(one for one in members() if one["role"] == "broker" and one["id"] == dead)
os.kill(process["pid"], signal.SIGKILL)
until("another one leads", lambda leader, _: leader and leader != dead)
until("it is known to be dead", lambda _, __: all(one["pid"] is None for one in members() if one["name"] == process["name"]))
start(process["name"])
until("it is back in sync", lambda _, isr: len(isr) >= len(in_sync))
