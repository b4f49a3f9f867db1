#!/usr/bin/env python3
"""feedgen's captures: feedgen.py FEEDGEN. The same options give the same bytes; lines lose what they should and never the same
message, unless asked; other packets hold the same messages; checksums are right. Standard library only."""
import os
import struct
import subprocess
import sys
import tempfile

FEEDGEN = sys.argv[1]
MESSAGES = 40000
failures = 0


def check(condition, text):
    global failures
    failures += not condition
    print("ok:" if condition else "FAILED:", text)


def feedgen(*options, expect=0):
    done = subprocess.run([FEEDGEN, *options], capture_output=True, text=True)
    check(done.returncode == expect, f"feedgen {' '.join(options)[:70]}: exit code {done.returncode} {done.stderr.strip()}")
    return done


def read(path):
    with open(path, "rb") as file:
        return file.read()


def frames(path):
    data, at = read(path), 24
    assert data[:4] == struct.pack("<I", 0xA1B23C4D), "nanosecond pcap"
    while at < len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("<IIII", data, at)
        yield seconds * 10**9 + nanoseconds, data[at + 16:at + 16 + length]
        at += 16 + length


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def line(path):
    """{sequence: message}, messages in each packet, heartbeats and ends of one line; its times and checksums checked."""
    messages, counts, heartbeats, ends, last, sound = {}, [], 0, 0, 0, True
    for ts, frame in frames(path):
        ip, udp = frame[14:34], frame[34:]
        sound = sound and ts > last and checksum(ip) == 0xFFFF and len(frame) == 14 + struct.unpack(">H", ip[2:4])[0] <= 1514
        sound = sound and checksum(ip[12:20] + bytes([0, 17]) + udp[4:6] + udp) == 0xFFFF
        last, (seq, count), at = ts, struct.unpack_from(">QH", frame, 52), 62
        heartbeats, ends = heartbeats + (count == 0), ends + (count == 0xFFFF)
        if count in (0, 0xFFFF):
            continue
        counts.append(count)
        for i in range(count):
            length = struct.unpack_from(">H", frame, at)[0]
            sound = sound and seq + i not in messages
            messages[seq + i] = frame[at + 2:at + 2 + length]
            at += 2 + length
        sound = sound and at == len(frame)
    check(sound, f"{os.path.basename(path)}: times run forwards, lengths and checksums are right")
    return messages, counts, heartbeats, ends


with tempfile.TemporaryDirectory(prefix="tickgate-feedgen-") as work:
    def path(name):
        return os.path.join(work, name)

    common = ["--messages", str(MESSAGES), "--symbols", "30"]
    feedgen("--out-a", path("a"), "--out-b", path("b"), "--itch", path("itch"), *common)
    (a, counts, heartbeats, ends), (b, *_) = line(path("a")), line(path("b"))
    whole = [a[seq] for seq in range(1, MESSAGES + 1)]
    check(len(a) == MESSAGES and a == b, "both lines hold every message once, from sequence 1")
    check(heartbeats >= 2 and ends >= 3, f"{heartbeats} heartbeats in quiet seconds, {ends} ends of session")
    check(2.4 < sum(counts) / len(counts) < 3 and 25 < max(counts) <= 38, "packets hold 2.7 messages in the mean, 38 at most")
    check(0.45 < counts.count(1) / len(counts) < 0.55, "half of all packets hold one message")
    check(read(path("itch")) == b"".join(struct.pack(">H", len(m)) + m for m in whole) + b"\0\0", "BinaryFILE: the same messages")
    midnight = 1767589200 * 10**9
    check(all(int.from_bytes(frame[69:75], "big") + midnight < ts for ts, frame in frames(path("a")) if frame[60:62] < b"\x7f" and
              frame[60:62] != b"\0\0"), "no frame is older than its first message; midnight of 2026-01-05 is 05:00 UTC")

    feedgen("--out-a", path("a2"), "--out-b", path("b2"), *common)
    check(read(path("a")) == read(path("a2")) and read(path("b")) == read(path("b2")), "same options, same bytes")
    feedgen("--out-a", path("a2"), "--seed", "2", *common)
    check(read(path("a")) != read(path("a2")), "another seed, other bytes")

    for cut in ([], ["--cut-differently"]):
        feedgen("--out-a", path("a"), "--out-b", path("b"), "--loss-a", "3", "--loss-b", "3", *cut, *common)
        (a, a_counts, *_), (b, b_counts, *_) = line(path("a")), line(path("b"))
        check(0.015 < 1 - len(a) / MESSAGES < 0.05 and 0.015 < 1 - len(b) / MESSAGES < 0.05, "each line loses about 3 %")
        either = {**a, **b}
        check([either.get(seq) for seq in range(1, MESSAGES + 1)] == whole, "no message is lost on both, none is changed")
        check(not cut or abs(len(a_counts) - len(b_counts)) > 100, "B is cut into other packets")
        feedgen("--out-a", path("a"), "--out-b", path("b"), "--loss-both", "0.5", *cut, *common)
        (a, *_), (b, *_) = line(path("a")), line(path("b"))
        check(a == b and 0.002 < 1 - len(a) / MESSAGES < 0.01, "packets lost on both lines are lost on both")
    feedgen("--out-b", path("b"), "--loss-both", "0.0001", *common)
    check(0 < MESSAGES - len(line(path("b"))[0]) < 60, "a line alone: --loss-both loses one packet at least")

    feedgen("--out-a", path("a"), "--date", "2025-07-01", *common)
    check(next(frames(path("a")))[0] // 10**9 == 1751376598, "summer: 09:29:58 in New York is 13:29:58 UTC")

    for options in (["--messages", "10", "--out-a", path("n")], common, ["--out-a", path("n"), "--seed", "-1"],
                    ["--out-a", path("n"), "--date", "2026-02-29"], ["--out-a", path("n"), "--loss-a", "101"],
                    ["--out-a", path("n"), "--group-a", "239.1.1"], ["--out-a", path("n"), "--session", "ELEVEN CHARS"],
                    ["--out-a", path("n"), "--out-b", path("n")], ["--out-a", path("n"), "--itch", path("n")]):
        feedgen(*options, expect=2)
    check(not os.path.exists(path("n")), "and nothing is written")
    feedgen("--out-a", os.path.join(work, "no", "a"), *common, expect=1)
    if os.path.exists("/dev/full"):
        feedgen("--itch", "/dev/full", *common, expect=1)

sys.exit(1 if failures else 0)
