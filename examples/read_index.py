#!/usr/bin/env python3
"""Lists what is in a dump with an index, or prints a part of it, without reading the rest.

  read_index.py FILE            lists the entries
  read_index.py FILE DUMP_ID    prints the text of an entry

It needs Python alone for .sql.gz, and the programs zstd or lz4 for .sql.zst and .sql.lz4. It was written from
docs/file-format.md, and shares nothing with pgsiphon.
"""

import subprocess
import sys
import zlib
from itertools import accumulate
from struct import unpack_from

READS = []


def read(file, offset, length):
    """Stands for one ranged GET."""
    READS.append(length)
    file.seek(offset)
    return file.read(length)


def find(file):
    """The format, where the index is, and its payload."""
    size = file.seek(0, 2)
    tail = read(file, max(0, size - 65536), min(size, 65536))
    if tail[-4:] == b"\xb1\xea\x92\x8f":
        kind, (frames, descriptor) = "zstd", unpack_from("<IB", tail, len(tail) - 9)
        entry = 12 if descriptor & 0x80 else 8
        length = unpack_from("<I", tail, len(tail) - 9 - entry)[0]
        begin = size - (8 + frames * entry + 9) - length
    else:
        kind, locator = ("gzip", tail[-42:-10]) if tail[-58:-56] == b"\x1f\x8b" else ("lz4", tail[-32:])
        if locator[:8] != b"\x9bpgs\0loc":
            sys.exit("there is no index")
        assert locator[8] == 1 and unpack_from("<I", locator, 28)[0] == zlib.crc32(locator[:28])
        begin, length = unpack_from("<QQ", locator, 12)
    start = begin - (size - len(tail))
    data = tail[start : start + length] if start >= 0 else read(file, begin, length)
    if kind != "gzip":
        return kind, begin, data[8:]
    payload = b""
    while data:
        length = unpack_from("<H", data, 14)[0]
        payload, data = payload + data[16 : 16 + length], data[26 + length :]
    return kind, begin, payload


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        shift = result = 0
        while True:
            byte = self.data[self.at]
            self.at, result, shift = self.at + 1, result | (byte & 127) << shift, shift + 7
            if byte < 128:
                return result

    def numbers(self, count):
        return [self.number() for _ in range(count)]

    def signed(self):
        number = self.number()
        return number >> 1 ^ -(number & 1)

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length : self.at]


def decode(payload):
    """The restart points and the entries."""
    assert payload[:9] == b"\x9bpgs\0idx\x01", "no index, or a later version"
    assert unpack_from("<I", payload, 20)[0] == zlib.crc32(payload[:20] + payload[24:])
    cursor, sections = Cursor(zlib.decompress(payload[24:])), {}
    while cursor.at < len(cursor.data):
        section = cursor.number()
        sections[section] = Cursor(cursor.bytes(cursor.number()))
    text_bytes = sections[1].number()
    cursor = sections[2]
    count = cursor.number()
    points = list(zip(accumulate(cursor.numbers(count)), accumulate(cursor.numbers(count))))
    cursor = sections[3]
    strings = [cursor.bytes(cursor.number()).decode(errors="backslashreplace") for _ in range(cursor.number())]
    cursor, entries, dump_id, end = sections[4], [], 0, 0
    for _ in range(cursor.number()):
        dump_id += cursor.signed()
        kind, classoid, oid, namespace, tag, owner, section = cursor.numbers(7)
        needs = [dump_id - cursor.signed() for _ in range(cursor.number())]
        ranges = []
        for _ in range(cursor.number()):
            offset, length = end + cursor.signed(), cursor.number()
            ranges, end = ranges + [(offset, length)], offset + length
        names = [strings[number] for number in (kind, namespace, tag, owner)]
        entries.append([dump_id, classoid, oid, *names, section, needs, ranges, None])
    for number in (5, 6):
        cursor, entry = sections[number], 0
        for _ in range(cursor.number()):
            entry += cursor.number()
            if number == 5:
                cursor.numbers(2), cursor.numbers(cursor.number())
            counts = [(cursor.signed(), cursor.number(), cursor.number())[2] for _ in range(cursor.number())]
            entries[entry][-1] = sum(counts)
    return text_bytes, points, entries


def text_of(file, kind, points, offset, length):
    """A part of the text. `points` ends with the end of the compressed text and of the text."""
    first = max(i for i, point in enumerate(points) if point[1] <= offset)
    last = min(i for i, point in enumerate(points) if point[1] >= offset + length and i > first)
    stored = read(file, points[first][0], points[last][0] - points[first][0])
    unpack = lambda: subprocess.run([kind, "-dc"], input=stored, stdout=subprocess.PIPE, check=True).stdout
    text = zlib.decompressobj(-15).decompress(stored) if kind == "gzip" else unpack()
    return text[offset - points[first][1] :][:length]


def main(path, dump_id=None):
    with open(path, "rb") as file:
        kind, begin, payload = find(file)
        text_bytes, points, entries = decode(payload)
        points.append((begin, text_bytes))
        for entry in entries:
            if dump_id is None:
                print(*entry[:7], *entry[8], sep="\t", end="\t\n" if entry[-1] is None else f"\t {entry[-1]}\n")
            elif entry[0] == int(dump_id):
                for offset, length in entry[9]:
                    sys.stdout.buffer.write(text_of(file, kind, points, offset, length))
    print(f"{len(READS)} reads of {sum(READS)} bytes", file=sys.stderr)


main(*sys.argv[1:])
