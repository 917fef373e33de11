#!/usr/bin/env python3
"""A client of the Sluice protocol with nothing but Python's standard library, written from docs/protocol.md alone.

usage: protocol_client.py HOST:PORT|unix:PATH [--action login] [--entity user=u1]... [--count 64] [--mode check]

Sends COUNT requests in one write, matches the answers by stream, and prints one JSON line for each, sorted by stream.
Then tries what a server must survive: an unknown method, a payload that is no message, the same dimension twice. Prints
one last JSON line of what it saw, and exits 0 if all of it is as the protocol has it, else 1.
"""

import argparse
import json
import socket
import struct
import sys

PREFACE = bytes.fromhex("534C554943450001")
HEADER = struct.Struct(">IBBBBII")  # length, kind, method, status, flags, stream, micros
REQUEST, RESPONSE, PING, PONG, GOAWAY, HELLO = 1, 2, 3, 4, 5, 6
CHECK = 1
OK, INVALID_ARGUMENT, UNIMPLEMENTED = 0, 3, 12
VERDICTS = ["allow", "review", "challenge", "deny"]
BASES = ["redis", "cache", "local", "policy"]
REASONS = ["limit", "blocked", "listed"]
MODES = {"check": 0, "peek": 1, "record": 2}


class ProtocolError(Exception):
    pass


# Protocol Buffers: just enough to write and read the messages of this protocol.


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One field: an int as a varint, bytes and text behind their length. What is 0 or empty is left out."""
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtocolError("a varint that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7


def read_fields(data):
    """A message as {field number: [values]}, whatever its type."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        wire_type = key & 7
        if wire_type == 0:
            value, at = read_varint(data, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire_type == 2:
            size, at = read_varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ProtocolError("wire type %d" % wire_type)
        if at > len(data):
            raise ProtocolError("a field longer than its message")
        found.setdefault(key >> 3, []).append(value)
    return found


def one(fields, number, default=0):
    return fields.get(number, [default])[-1]


def text(fields, number):
    return one(fields, number, b"").decode()


def name(names, number):
    return names[number] if number < len(names) else number


# The messages.


def check_request(action, entities, mode=0):
    payload = field(1, action)
    for dimension, value in entities:
        payload += field(2, field(1, dimension) + field(2, value))
    return payload + field(5, mode)


def check_response(payload):
    fields = read_fields(payload)
    return {
        "verdict": name(VERDICTS, one(fields, 1)),
        "trips": [trip(data) for data in fields.get(2, [])],
        "basis": name(BASES, one(fields, 3)),
        "retry_after_ms": one(fields, 4, None),
        "tightest": headroom(fields[5][-1]) if 5 in fields else None,
        "generation": one(fields, 6),
        "duplicate": bool(one(fields, 7)),
    }


def trip(payload):
    fields = read_fields(payload)
    return {
        "rule": text(fields, 1),
        "window_ms": one(fields, 2),
        "max": one(fields, 3),
        "used": one(fields, 4),
        "retry_after_ms": one(fields, 5, None),
        "verdict": name(VERDICTS, one(fields, 6)),
        "shadow": bool(one(fields, 7)),
        "reason": name(REASONS, one(fields, 8)),
        "limit": text(fields, 9),
    }


def headroom(payload):
    fields = read_fields(payload)
    return {
        "rule": text(fields, 1),
        "window_ms": one(fields, 2),
        "max": one(fields, 3),
        "remaining": one(fields, 4),
        "reset_ms": one(fields, 5),
        "limit": text(fields, 6),
    }


def hello_message(payload):
    fields = read_fields(payload)
    return {
        "version": one(fields, 1),
        "server": text(fields, 2),
        "generation": one(fields, 3),
        "max_payload": one(fields, 4),
        "max_in_flight": one(fields, 5),
        "authentication_required": bool(one(fields, 6)),
        "features": [feature.decode() for feature in fields.get(7, [])],
    }


# The connection.


class Connection:
    def __init__(self, endpoint, timeout):
        if endpoint.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(endpoint[5:])
        else:
            host, _, port = endpoint.rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.last_stream = 0
        self.socket.sendall(PREFACE)
        kind, _, _, _, _, payload = self.read()
        if kind != HELLO:
            raise ProtocolError("frame kind %d before HELLO" % kind)
        self.hello = hello_message(payload)

    def exactly(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise ProtocolError("the server closed the connection")
        return data

    def read(self):
        length, kind, method, status, flags, stream, micros = HEADER.unpack(self.exactly(HEADER.size))
        if flags:
            raise ProtocolError("flags %d" % flags)
        return kind, method, status, stream, micros, self.exactly(length)

    def call(self, requests, micros):
        """Sends (method, payload) pairs in one write. Returns {stream: (method, status, micros, payload)}, and the
        streams in the order of the requests."""
        streams, out = [], b""
        for method, payload in requests:
            self.last_stream += 1
            streams.append(self.last_stream)
            out += HEADER.pack(len(payload), REQUEST, method, 0, 0, self.last_stream, micros) + payload
        self.socket.sendall(out)
        answers = {}
        while len(answers) < len(streams):
            kind, method, status, stream, spent, payload = self.read()
            if kind == PING:
                self.socket.sendall(HEADER.pack(len(payload), PONG, 0, 0, 0, 0, 0) + payload)
            elif kind == RESPONSE and stream == 0:
                raise ProtocolError("the server refuses the connection: " + text(read_fields(payload), 1))
            elif kind == RESPONSE and stream in streams and stream not in answers:
                answers[stream] = (method, status, spent, payload)
            elif kind != GOAWAY:
                raise ProtocolError("kind %d on stream %d was not asked for" % (kind, stream))
        return answers, streams

    def call_one(self, method, payload, micros):
        answers, streams = self.call([(method, payload)], micros)
        return answers[streams[0]]

    def ping(self):
        token = b"sluice!?"
        self.socket.sendall(HEADER.pack(len(token), PING, 0, 0, 0, 0, 0) + token)
        kind, _, _, stream, _, payload = self.read()
        return kind == PONG and stream == 0 and payload == token


def refusal(answer):
    _, status, _, payload = answer
    return {"status": status, "message": text(read_fields(payload), 1)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("--action", default="login")
    parser.add_argument("--entity", action="append", metavar="DIMENSION=VALUE")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--mode", choices=MODES, default="check")
    parser.add_argument("--deadline-ms", type=int, default=1000)
    arguments = parser.parse_args()
    pairs = [entity.partition("=") for entity in arguments.entity or ["user=u1"]]
    entities = [(dimension, value) for dimension, _, value in pairs]
    micros = arguments.deadline_ms * 1000

    connection = Connection(arguments.endpoint, timeout=10)
    saw = {"hello": connection.hello, "ping": connection.ping()}

    request = (CHECK, check_request(arguments.action, entities, MODES[arguments.mode]))
    at_once = max(1, min(arguments.count, connection.hello["max_in_flight"]))
    lines, left = [], arguments.count
    while left > 0:
        answers, streams = connection.call([request] * min(left, at_once), micros)
        left -= len(streams)
        for stream in sorted(answers):
            method, status, spent, payload = answers[stream]
            line = {"stream": stream, "status": status, "micros": spent}
            line.update(check_response(payload) if status == OK else refusal(answers[stream]))
            print(json.dumps(line))
            lines.append(status == OK and method == CHECK)

    twice = check_request(arguments.action, [("user", "u1"), ("user", "u2")])
    saw["answers"] = len(lines)
    saw["unknown_method"] = refusal(connection.call_one(99, b"", micros))
    saw["malformed_payload"] = refusal(connection.call_one(CHECK, b"\xff\xff\xff", micros))
    saw["duplicate_dimension"] = refusal(connection.call_one(CHECK, twice, micros))
    peek = check_request(arguments.action, entities, MODES["peek"])
    saw["still_alive"] = connection.call_one(CHECK, peek, micros)[1] == OK
    saw["ok"] = (
        connection.hello["version"] == 1
        and saw["ping"]
        and all(lines)
        and saw["unknown_method"]["status"] == UNIMPLEMENTED
        and saw["malformed_payload"]["status"] == INVALID_ARGUMENT
        and saw["duplicate_dimension"]["status"] == INVALID_ARGUMENT
        and saw["still_alive"]
    )
    print(json.dumps(saw))
    return 0 if saw["ok"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ProtocolError, struct.error, UnicodeDecodeError) as error:
        print(json.dumps({"ok": False, "error": str(error)}))
        sys.exit(1)
