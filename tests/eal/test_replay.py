"""Same input, same output: one session, every mode, burst and speed; and inputs that differ give hashes that differ."""
import subprocess

import gateway as g

g.need_two_cpus()
work = g.Work()
MESSAGES = 8000 if g.SANITIZED else 60000

captures = work.session("loss", MESSAGES, "--symbols", "50", "--loss-a", "1", "--loss-b", "1", "--skew-ns", "3000")
two_core, inline = work.config(mode="two-core"), work.config(mode="inline")

base = g.replay(two_core, captures, "--speed", "max")
event_hash, event_count, order_hash, order_count = g.hashes(base)
g.check(event_hash and event_count >= MESSAGES, f"two-core, burst 32, max: {event_count} events, hash {event_hash}")
g.check(order_hash and order_count > 20, f"{order_count} orders, hash {order_hash}")
g.check(base["feeds"][0]["total"] >= MESSAGES and base["feeds"][0]["holes"] == 0, "loss on single lines leaves no hole")
g.check(base["feeds"][0]["lines"][0]["lost"] > 0 and base["feeds"][0]["lines"][1]["lost"] > 0, "both lines did lose messages")
g.check(base["strategies"][0]["events_lost"] == 0, "no event lost to an overrun")
g.check(base["rx"][0]["pinned"] and base["strategies"][0]["pinned"], "both hot threads are pinned")
g.check(not any(base["feeds"][0]["noted"].values()), "nothing is noted")

for text, config, options in (
        ("two-core, burst 1, max", two_core, ["--speed", "max", "--burst", "1"]),
        ("inline, burst 32, max", inline, ["--speed", "max"]),
        ("inline, burst 1, max", inline, ["--speed", "max", "--burst", "1"]),
        ("two-core config run inline", two_core, ["--speed", "max", "--mode", "inline"]),
        ("two-core, paced", two_core, ["--speed", "2"]),
        ("inline, burst 1, paced", inline, ["--speed", "2", "--burst", "1"]),
        ("two-core, ring of 2048 slots, throttled", work.config(ring_slots=2048, reorder_packets=2), ["--speed", "max"]),
        ("two-core, 2 MiB of buffer, streamed", two_core, ["--speed", "max", "--buffer-mb", "2"]),
):
    report = g.replay(config, captures, *options)
    g.check(g.hashes(report) == g.hashes(base), f"{text}: same hashes")
    if "paced" in text:
        g.check(report["rx"][0]["latency"]["lateness"]["count"] == report["rx"][0]["source"]["frames"],
                f"{text}: lateness of every frame is recorded")

# The merged capture of both lines is the same as the two files.
frames = sorted(((ts, index, frame) for index, path in enumerate(captures) for ts, frame in g.pcap_read(path)),
                key=lambda item: item[:2])
merged = work.path("merged.pcap")
g.pcap_write(merged, [(ts, frame) for ts, _, frame in frames])
g.check(g.hashes(g.replay(two_core, [merged], "--speed", "max")) == g.hashes(base), "A and B in one file: same hashes")

# One byte of the message that caused the first order: both hashes change.
journal = work.path("journal")
whole = work.session("whole", MESSAGES, "--symbols", "50", both=False)
before = g.replay(inline, whole, "--speed", "max", "--journal", journal)
first = open(journal).readline().split()
cause = int([word for word in first if word.startswith("cause=")][0].split(":")[1])
frames, changed = g.pcap_read(whole[0]), False
for index, (ts, frame) in enumerate(frames):
    at, seq = 42 + 20, int.from_bytes(frame[52:60], "big")
    for _ in range(int.from_bytes(frame[60:62], "big") % 0xFFFF):
        length = int.from_bytes(frame[at:at + 2], "big")
        if seq == cause:
            body = bytearray(frame)
            body[at + 2 + 10] ^= 1 # last byte of the venue's timestamp: in every type of message
            frames[index], changed = (ts, bytes(body)), True
        at, seq = at + 2 + length, seq + 1
g.check(changed, f"message {cause} of the feed caused the first order")
one_byte = work.path("one-byte.pcap")
g.pcap_write(one_byte, frames)
after = g.replay(inline, [one_byte], "--speed", "max")
g.check(g.hashes(after)[0] != g.hashes(before)[0], "one byte of a timestamp changes the event hash")

for index, (ts, frame) in enumerate(frames):
    at, seq = 42 + 20, int.from_bytes(frame[52:60], "big")
    for _ in range(int.from_bytes(frame[60:62], "big") % 0xFFFF):
        length = int.from_bytes(frame[at:at + 2], "big")
        kind = frame[at + 2:at + 3]
        if seq <= cause and kind in (b"A", b"F"):
            body = bytearray(frames[index][1])
            body[at + 2 + 35] ^= 1 # last byte of the price of an order
            frames[index] = (ts, bytes(body))
        at, seq = at + 2 + length, seq + 1
prices = work.path("prices.pcap")
g.pcap_write(prices, frames)
after = g.replay(inline, [prices], "--speed", "max")
g.check(g.hashes(after)[2] != g.hashes(before)[2], "other prices change the order hash")

# A line that never says anything is behind by what others have shown of what is wanted, and by nothing before anything was sent.
def lags(report):
    return [line["lag"] for line in report["feeds"][0]["lines"]]


g.check(lags(before) == [0, before["feeds"][0]["next_seq"] - 1] != [0, 0], f"B, which says nothing, is {lags(before)[1]} behind")
nobody = work.path("nobody.pcap")
g.pcap_write(nobody, [(ts, frame[:30] + bytes(4) + frame[34:]) for ts, frame in g.pcap_read(whole[0])[:1]])
g.check(lags(g.replay(inline, [nobody], "--speed", "max", expect=1)) == [0, 0], "where nothing was sent, none is behind")
middle, frames = work.path("middle.pcap"), g.pcap_read(whole[0])
g.pcap_write(middle, frames[len(frames) // 2:])
report = g.replay(work.config(mode="inline", join="anywhere"), [middle], "--speed", "max")
wanted = int.from_bytes(frames[len(frames) // 2][1][52:60], "big")
g.check(lags(report) == [0, report["feeds"][0]["next_seq"] - wanted], f"joined at {wanted}: B is {lags(report)[1]} behind")

# A side that is none, and a jump of time: each is noted where it belongs.
frames = g.pcap_read(whole[0])
index, side_at = next((index, frame.index(message) + 19) for index, (_, frame) in enumerate(frames)
                      for message in g.itch_messages(frame) if message[:1] == b"A")
body = bytearray(frames[index][1])
body[side_at] = ord("X")
frames[index] = (frames[index][0], bytes(body))
half = len(frames) // 2
frames[half:] = [(ts + 60 * 10**9, frame) for ts, frame in frames[half:]]
odd = work.path("odd.pcap")
g.pcap_write(odd, frames)
with open(inline, encoding="utf-8") as file:
    text = file.read().replace("risk:\n", "risk:\n  clock_ahead_ms: 30000\n")
watched = work.path("watched.yaml")
with open(watched, "w", encoding="utf-8") as file:
    file.write(text)
report = g.replay(watched, [odd], "--speed", "max")
g.check(report["feeds"][0]["noted"]["bad_side"] == 1 == sum(report["feeds"][0]["noted"].values()), "a side that is none is noted")
g.check(report["strategies"][0]["clock_jumps"] == 1, "a jump of time is noted")
said = subprocess.run([g.TICKGATE, "replay", watched, "--capture", odd, "--speed", "max"], capture_output=True, text=True, timeout=120)
g.check("  noted: side neither B nor S 1\n" in said.stdout and "  noted: jumps of time 1\n" in said.stdout, "and the text says both")
g.check(report["rx"][0]["asks_lost"] == report["causes_lost"] == report["strategies"][0]["positions_unknown"] == 0, "and nothing else")

# Each execution is a line of the journal, behind the order that it is of.
report = g.replay(work.config(mode="inline", fills="immediate"), whole, "--speed", "max", "--journal", journal)
sent, filled, positions = {}, 0, {}
with open(journal, encoding="ascii") as file:
    for line in file:
        _, name, ref, kind, symbol, side, qty, _, price, last = line.split()[:10]
        if kind == "enter":
            sent[ref] = (name, symbol, side, qty, price)
        else:
            g.check(kind == "fill" and last == "left=0" and sent.pop(ref) == (name, symbol, side, qty, price), line, quiet=True)
            filled += 1
            positions[symbol] = positions.get(symbol, 0) + (int(qty) if side == "B" else -int(qty))
strategies = report["strategies"][0]
g.check(filled == strategies["fills"] == strategies["orders"] > 20 and not sent, f"fills: immediate: {filled} executions, each in the journal")
g.check({symbol: shares for symbol, shares in positions.items() if shares} == strategies["positions"], "their sums are the positions")

done = subprocess.run([g.TICKGATE, "replay", inline, "--capture", whole[0], "--speed", "max", "--journal", "/dev/full"], capture_output=True, text=True,
                      timeout=120)
g.check(done.returncode == 1 and done.stderr.count("journal cannot be written: No space left on device") == 1 and
        "lines are missing in the journal" in done.stderr and "orders file" not in done.stderr, f"a journal on a full disk: {done.stderr.strip()}")

# Holes that nobody fills: the channel is stale, and no new order leaves.
holes = work.session("holes", MESSAGES, "--symbols", "50", "--loss-a", "0.5", both=False)
report = g.replay(inline, holes, "--speed", "max")
g.check(report["feeds"][0]["holes"] > 0 and report["feeds"][0]["stale"], "a hole on the only line makes the channel stale")
g.check(0 < report["strategies"][0]["orders"] < g.hashes(before)[3],
        "orders before the hole, none behind it")

# Books that are too small: counted, and the report names the key.
small = work.config(mode="inline", orders_max=1024)
crowd = work.session("crowd", 60000, "--symbols", "50", both=False)
full = g.replay(small, crowd, "--speed", "max")["feeds"][0]
refused = full["noted"]["orders_full"]
g.check(refused > 0 and full["live_orders"] <= 1024, f"orders_max 1024: no room for {refused} orders, {full['live_orders']} live")
said = subprocess.run([g.TICKGATE, "replay", small, "--capture", crowd[0], "--speed", "max"], capture_output=True, text=True,
                      timeout=120)
g.check(said.returncode == 0 and f"noted: no room for an order (raise orders_max) {refused}" in said.stdout, "and the text says so")

# No throttle, a tiny ring and a reader whose many strategies make it slower than its producer in any build: it is lapped, in one of a
# few runs at the least, and says so.
slow = "".join(f"  - {{name: slow{i}, kind: probe, lcore: LCORE, feed: itch, params: {{every: 1000000}}}}\n" for i in range(14))
for attempt in range(8):
    report = g.replay(work.config(ring_slots=64, more_strategies=slow), captures, "--speed", "max", "--no-throttle", expect=None)
    if report["strategies"][0]["events_lost"] > 0:
        break
lost = report["strategies"][0]["events_lost"]
g.check(lost > 0 and report["strategies"][0]["events"][0]["hash"] is None, f"{lost} events lost: no hash")
g.check(report["exit_code"] == 1, "which is no success")
g.check(f"hash void: {lost} events lost" in report["stderr"], "and a sentence that says so")
g.check(lost + report["strategies"][0]["events"][0]["count"] >= event_count, "lost and consumed add up to what was published")
