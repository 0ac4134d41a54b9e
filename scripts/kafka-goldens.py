#!/usr/bin/env python3
"""Writes crates/kafka-wire/tests/golden/messages.txt: messages of every API and version, as the independent codec
`kio` (PyPI) encodes them. Each line is `Api version side hex`. The same seed gives the same file.

    python3 -m venv /tmp/kio && /tmp/kio/bin/pip install kio==0.6.5
    /tmp/kio/bin/python scripts/kafka-goldens.py
"""

import dataclasses
import datetime
import enum
import importlib
import io
import pathlib
import random
import re
import types
import typing
import uuid

from kio.index import schema_name_map
from kio.serial import entity_writer
from kio.static.constants import EntityType

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "crates/kafka-wire/src/messages/table.rs"
GOLDEN = ROOT / "crates/kafka-wire/tests/golden/messages.txt"
MESSAGES_EACH = 3
TEXTS = ["", "a", "orders", "größe", "x" * 40]


def value(kind, hint, chance):
    """A random value of a field."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        # kio calls a zero uuid and the time -1 None; null records are left out: we read them as none.
        if kind != "records" and chance.random() < 0.3:
            return None
        return value(kind, inner[0], chance)
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]
        return tuple(value(kind, element, chance) for _ in range(chance.choice([0, 1, 1, 2])))
    if dataclasses.is_dataclass(hint):
        return entity(hint, chance)
    if kind and kind.startswith("datetime"):
        ms = chance.choice([0, 1, 1_600_000_000_123])
        return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=ms)
    if kind and kind.startswith("timedelta"):
        return datetime.timedelta(milliseconds=chance.choice([0, 1, 30_000, 2**31 - 1]))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return chance.choice(list(hint))
    if hint is bool:
        return chance.random() < 0.5
    if hint is uuid.UUID:
        return uuid.UUID(int=chance.getrandbits(128))
    if kind in ("bytes", "records"):
        return chance.randbytes(chance.choice([0, 1, 20, 130]))
    if kind == "string":
        return chance.choice(TEXTS)
    low, high = bounds(hint)
    return chance.choice([low, -1 if low < 0 else 0, 0, 1, 127, high])


def bounds(hint):
    while not hasattr(hint, "__low__"):
        hint = hint.__supertype__
    return hint.__low__, hint.__high__


def entity(cls, chance):
    """A random structure; tagged fields hold their default half of the time."""
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):
        tagged = "tag" in field.metadata
        has_default = field.default is not dataclasses.MISSING
        if tagged and has_default and chance.random() < 0.5:
            values[field.name] = field.default
            continue
        hint = hints[field.name]
        got = value(field.metadata.get("kafka_type"), hint, chance)
        if tagged and got is None:
            # A tag cannot hold null: absent is how a default of null looks.
            got = field.default if has_default else value(field.metadata.get("kafka_type"), hint, chance)
        values[field.name] = got
    return cls(**values)


def apis():
    """Name, key and versions of the APIs that we have."""
    for name, low, high in re.findall(r"/// (\w+), v(\d+) to v(\d+)\.", TABLE.read_text()):
        yield name, range(int(low), int(high) + 1)


def main():
    chance = random.Random(20261121)
    lines = []
    for name, versions in apis():
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for version in versions:
            known = schema_name_map[snake].get(version)
            if known is None:
                print(f"kio has no {name} v{version}")
                continue
            for side in (EntityType.request, EntityType.response):
                module, _, cls = known[side].partition(":")
                cls = getattr(importlib.import_module(module), cls)
                for _ in range(MESSAGES_EACH):
                    buffer = io.BytesIO()
                    entity_writer(cls)(buffer, entity(cls, chance))
                    lines.append(f"{name} {version} {side.name} {buffer.getvalue().hex()}".rstrip())
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} messages")


main()
