#!/usr/bin/env python3
"""Reads the directory of a partition, knowing nothing but docs/data-files.md, and prints what is there as JSON.

`read-partition.py DIR`: needs Python 3.9 and nothing else; gzip is built in, batches of the other codecs are shown with
their header alone. Exit code 1 if anything is not as the page says."""

import gzip
import json
import struct
import sys
from pathlib import Path

CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


def crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


CRC_TABLE = list(crc_table())


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        if self.at + length > len(self.data):
            raise ValueError(f"{length} bytes are wanted at {self.at} of {len(self.data)}")
        self.at += length
        return self.data[self.at - length:self.at]

    def numbers(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))

    def varint(self):
        raw = shift = 0
        while True:
            byte = self.take(1)[0]
            raw |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return raw >> 1 ^ -(raw & 1)

    def nullable(self):
        length = self.varint()
        return None if length == -1 else self.take(length).hex()

    def listed(self, entry):
        return [entry() for _ in range(self.numbers("I")[0])]


def knowledge(reader):
    def producer():
        names = ["producerId", "epoch", "coordinatorEpoch", "lastTimestampMs", "openTransaction"]
        state = dict(zip(names, reader.numbers("qhiqq")))
        state["openTransaction"] = None if state["openTransaction"] == -1 else state["openTransaction"]
        names = ["firstSequence", "lastSequence", "baseOffset", "lastOffset", "timestampMs"]
        return state | {"batches": reader.listed(lambda: dict(zip(names, reader.numbers("iiqqq"))))}

    known = {
        "leaderEpochs": reader.listed(lambda: dict(zip(["epoch", "startOffset"], reader.numbers("iq")))),
        "producers": reader.listed(producer),
        "openTransactions": reader.listed(lambda: reader.numbers("qq")),
        "endedTransactions": reader.listed(lambda: reader.numbers("qq")),
        "abortedTransactions": reader.listed(
            lambda: dict(zip(["producerId", "firstOffset", "lastOffset"], reader.numbers("qqq")))),
    }
    if reader.at != len(reader.data):
        raise ValueError("bytes follow what the log knows")
    return known


def sealed(path, magic):
    data = path.read_bytes()
    if data[:8] != magic or struct.unpack(">I", data[8:12])[0] != crc32c(data[12:]):
        raise ValueError(f"{path.name} is not what was written")
    return Reader(data[12:])


def checkpoint(path):
    reader = sealed(path, b"dmqlog\0\1")
    state, log_start, recovery_point = reader.numbers("bqq")
    missing = reader.listed(lambda: reader.numbers("qq"))
    return {"state": ["OPEN", "CLEAN", "EMPTYING"][state], "logStart": log_start, "recoveryPoint": recovery_point,
            "missing": missing, "knowledge": knowledge(reader)}


def records(header, payload):
    reader = Reader(payload)
    found = []
    for _ in range(header["recordCount"]):
        end = reader.varint() + reader.at
        reader.take(1)
        timestamp = header["baseTimestampMs"] + reader.varint()
        record = {"offset": header["baseOffset"] + reader.varint(),
                  "timestampMs": header["maxTimestampMs"] if header["attributes"] & 8 else timestamp,
                  "key": reader.nullable(), "value": reader.nullable(), "headers": []}
        for _ in range(reader.varint()):
            record["headers"].append([reader.take(reader.varint()).hex(), reader.nullable()])
        if reader.at != end:
            raise ValueError(f"record at offset {record['offset']} is not as long as it says")
        found.append(record)
    if reader.at != len(payload):
        raise ValueError("bytes follow the last record")
    return found


HEADER = ["baseOffset", "length", "leaderEpoch", "magic", "crc", "attributes", "lastOffsetDelta", "baseTimestampMs",
          "maxTimestampMs", "producerId", "producerEpoch", "baseSequence", "recordCount"]


def layout(directory):
    """The files of each segment that counts, by base offset: what a pending `swap` says has happened."""
    def files(base, count_new):
        found = {}
        for suffix in ("log", "frames"):
            names = [f"{base:020}.{suffix}"]
            names = [names[0] + ".new"] + names if count_new else names
            found[suffix] = next((directory / name for name in names if (directory / name).exists()), None)
        return found

    bases, new = {int(path.stem) for path in directory.glob("*.log")}, []
    if (directory / "swap").exists():
        reader = sealed(directory / "swap", b"dmqswp\0\1")
        reader.take(1)
        gone, new = (reader.listed(lambda: reader.numbers("q")[0]) for _ in range(2))
        bases = bases - set(gone) | set(new)
    return {base: files(base, base in new) for base in sorted(bases)}


def segment(base, files, next_base):
    """The batches of a segment, each checked against its frame if there is one."""
    path, frames_path = files["log"], files["frames"]
    data, frames = path.read_bytes(), frames_path.read_bytes() if frames_path else b""
    batches, at, chain, end = [], 0, 0, base
    while at < len(data):
        header = dict(zip(HEADER, struct.unpack_from(">qiibIhiqqqhii", data, at)))
        size, crc = header["length"] + 12, header["crc"]
        batch = data[at:at + size]
        if header["magic"] != 2 or len(batch) < size or crc != crc32c(batch[21:]) or header["baseOffset"] < end:
            raise ValueError(f"{path.name}: no batch at {at}")
        chain = crc32c(batch[:61], chain)
        end = header["baseOffset"] + header["lastOffsetDelta"] + 1
        if next_base is not None and end > next_base:
            raise ValueError(f"{path.name}: the batch at {at} reaches into the next segment")
        entry, number = frames[32 * len(batches):][:32], len(batches)
        if entry:
            position, length, last, _durable, _time, check, own = struct.unpack(">IIIIqII", entry)
            place = b"frame v1" + struct.pack(">qI", base, number)
            if own != crc32c(place + entry[:28]) or (position, length) != (at, size) or check != chain \
                    or base + last != end - 1:
                raise ValueError(f"{frames_path.name}: entry {number} is not that of the batch at {at}")
        header["compression"] = CODECS[header["attributes"] & 7]
        header["framed"] = bool(entry)
        if header["compression"] in ("none", "gzip"):
            payload = batch[61:] if header["compression"] == "none" else gzip.decompress(batch[61:])
            header["records"] = records(header, payload)
        batches.append(header)
        at += size
    if len(frames) > 32 * len(batches):
        raise ValueError(f"{frames_path.name}: more entries than batches")
    return {"baseOffset": base, "endOffset": end, "batches": batches}


def main(directory):
    found = {"checkpoint": checkpoint(directory / "checkpoint"), "segments": [], "lost": [], "snapshots": {}}
    found["lost"] = [list(missing) for missing in found["checkpoint"]["missing"]]
    segments = layout(directory) if found["checkpoint"]["state"] != "EMPTYING" else {}
    expected = found["checkpoint"]["logStart"]
    for (base, files), next_base in zip(segments.items(), [*list(segments)[1:], None]):
        if base > expected and not any(start <= expected and base <= end for start, end in found["lost"]):
            found["lost"].append([expected, base])
        found["segments"].append(segment(base, files, next_base))
        expected = max(expected, found["segments"][-1]["endOffset"])
    for path in sorted(directory.glob("*.snapshot")):
        found["snapshots"][str(int(path.stem))] = knowledge(sealed(path, b"dmqsnp\0\1"))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
