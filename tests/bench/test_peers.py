"""tests/bench/peers.py beside decoders that are scripts: one that finds what is in the file, one that does not, and some that do not keep to
what was agreed. No time is looked at: they say what they like."""
import json
import os
import struct
import subprocess
import sys
import tempfile

SOURCE, BUILD = sys.argv[1:3]
MESSAGES = 6000
ROUNDS = 9

PEER = """#!{python}
import sys
found, ns, ready, path, warm, count = {found!r}, {ns!r}, {ready!r}, *sys.argv[1:4]
data, at, messages = open(path, "rb").read(), 0, []
while data[at + 1]:
    messages.append(data[at + 2:at + 2 + data[at + 1]])
    at += 2 + data[at + 1]
messages = messages[int(warm):int(warm) + int(count)]
print(ready, flush=True)
for line in sys.stdin:
    print(ns, flush=True)
refs = sum(int.from_bytes(message[11:19], "big") for message in messages if message[:1] in b"AD") % 2**64
times = sum(int.from_bytes(message[5:11], "big") for message in messages)
print(found.format(refs=refs, times=times))
"""


def check(condition, what):
    if not condition:
        print(f"FAILED: {what}", file=sys.stderr)
        sys.exit(1)


def peers(*arguments):
    return subprocess.run([sys.executable, os.path.join(SOURCE, "tests/bench/peers.py"), "--build", BUILD, *arguments], capture_output=True,
                          text=True)


def peer_write(directory, name, found="refs={refs:x} times={times:x}", ns="50.0", ready="ready keeps nothing"):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(PEER.format(python=sys.executable, found=found, ns=ns, ready=ready))
    os.chmod(path, 0o755)
    return f"--decode={name}={path}"


def day_write(path):
    with open(path, "wb") as file:
        for i in range(MESSAGES):
            prefix = struct.pack(">HH6s", 1 + i % 7, 0, (34200000000000 + i // 3).to_bytes(6, "big"))
            if i % 2 == 0:
                message = b"A" + prefix + struct.pack(">QcI8sI", 1 << 63 | i, b"B", 100, b"TEST    ", 10000 + i)
            else:
                message = b"D" + prefix + struct.pack(">Q", 1 << 63 | (i - 1))
            file.write(struct.pack(">H", len(message)) + message)
        file.write(b"\0\0")


def test_table(directory, itch):
    arguments = ("--itch", itch, "--rounds", str(ROUNDS), peer_write(directory, "right"), peer_write(directory, "wrong", "times={times:x} refs=1"))
    done = peers("--json", *arguments)
    check(done.returncode == 0, done.stderr)
    said = json.loads(done.stdout)["decode"]
    check(said["warm"] + said["count"] == MESSAGES, f"{said['warm']} + {said['count']} messages")
    ours, right, wrong = said["ours"]["decode_ns"], said["peers"]["right"], said["peers"]["wrong"]
    check(len(ours["rounds_ns"]) == ROUNDS == len(right["rounds_ns"]) and min(ours["rounds_ns"]) > 0, "rounds")
    check(right["median_ns"] == 50 and abs(right["ratios"]["decode_ns"] - ours["median_ns"] / 50) < 1e-9, f"ratio {right['ratios']}")
    check((right["agrees"], right["differs"]) == (["refs", "times"], []), f"what was found: {right}")
    check((wrong["agrees"], wrong["differs"]) == (["times"], ["refs"]), f"what was not found: {wrong}")
    shown = peers(*arguments).stdout
    check("times NOT refs; keeps nothing" in shown and "refs times; keeps nothing" in shown, shown)


def test_refusals(directory, itch):
    """One sentence for what cannot be, whether it is an argument or what a program says."""
    true = "--decode=true=/bin/true"
    for arguments, words in (
            ((), "nobody to compare with"),
            (("--decode", "x"), "NAME=PROGRAM"),
            (("--book", f"x={directory}"), "NAME=PROGRAM"),
            ((true, true), "two programs of one name"),
            (("--rounds", "8", true), "9 to 1001"),
            (("--cpu", "-1", true), "--cpu: of "),
            (("--itch", itch + "x", true), "is not there"),
            (("--build", directory, true), "bench_decode is not in"),
            (("--itch", itch, true), "true has ended too early, exit code 0"),
            (("--itch", itch, peer_write(directory, "hello", ready="hello")), "said 'hello' and not 'ready'"),
            (("--itch", itch, peer_write(directory, "fast", ns="fast")), "said 'fast' and not ns a message")):
        done = peers(*arguments)
        check(done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, f"{arguments}: {done.returncode} {done.stderr}")


def test_turns(itch):
    """A row that is not there, and more rounds than there are messages for."""
    for said, words in (("decode_ns\nsome_ns\n", "no row is named 'some_ns'"), ("decode_ns\n" * (ROUNDS + 2), "too many rounds of decode_ns")):
        done = subprocess.run([os.path.join(BUILD, "tests/bench/bench_decode"), "--turns", "--itch", itch, "--rounds", str(ROUNDS)], input=said,
                              capture_output=True, text=True)
        check(done.returncode == 2 and words in done.stderr and done.stdout.startswith("ready "), f"{said!r}: {done.returncode} {done.stderr}")


def test_write(directory, itch):
    """What was read is written as it was."""
    path = os.path.join(directory, "again.itch")
    done = subprocess.run([os.path.join(BUILD, "tests/bench/bench_decode"), "--itch", itch, "--write", path], capture_output=True, text=True)
    check(done.returncode == 0 and f"{MESSAGES} messages" in done.stdout, f"{done.returncode} {done.stderr}")
    with open(path, "rb") as again, open(itch, "rb") as first:
        check(again.read() == first.read(), "other bytes than those that were read")
    done = subprocess.run([os.path.join(BUILD, "tests/bench/bench_decode"), "--itch", itch, "--write", directory], capture_output=True, text=True)
    check(done.returncode == 1 and done.stderr.startswith(f"--write: {directory}: "), done.stderr)


with tempfile.TemporaryDirectory(prefix="tickgate-test-peers-") as work:
    day = os.path.join(work, "day.itch")
    day_write(day)
    test_table(work, day)
    test_refusals(work, day)
    test_turns(day)
    test_write(work, day)
print("tests/bench/peers.py: good")
