"""Running tickgate in tests: configs from text, captures from feedgen, reports as JSON. Standard library only."""
import atexit
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile

TICKGATE = os.environ["TICKGATE"]
FEEDGEN = os.environ["FEEDGEN"]
SHARED = os.environ.get("SHARED", "")
SANITIZED = os.environ.get("SANITIZE", "none") != "none"
SKIP = 77

signal.signal(signal.SIGHUP, signal.SIG_DFL) # tests that nohup has started give their children what a terminal would

CONFIG = """\
gateway: {{name: {name}, mode: {mode}, memory: {memory}, memory_mb: 128, burst: {burst}, ring_slots: {ring_slots}}}
lcores:
{lcores}
ports:
  - {{name: feed, device: net_ring}}
  - {{name: orders, device: net_ring}}
feeds:
  - name: itch
    protocol: itch50
    lcore: rx0
    session_date: "{date}"
    time_zone: America/New_York
    join: {join}
    instruments_max: 65535
    orders_max: {orders_max}
    levels_max: 131072
    reorder_packets: {reorder_packets}
    reorder_us: {reorder_us}
    lines:
{lines}
strategies:
  - {{name: probe, kind: probe, lcore: {strategy_lcore}, feed: itch, params: {{every: {every}, quantity: 100}}}}
  - {{name: taker, kind: taker, lcore: {strategy_lcore}, feed: itch, params: {{threshold: 100, quantity: 100}}}}
{more_strategies}orders:
  port: orders
  carrier: udp
  local_mac: "02:00:00:00:00:01"
  peer_mac: "02:00:00:00:00:02"
  local_ip: 10.20.0.1
  peer_ip: 10.20.0.2
  local_port: 40000
  peer_port: 26000
  fills: {fills}
  open_timeout_ms: 50
  frames: 256
  open_orders_max: 4096
risk:
  order_qty_max: 1000
  order_notional_max: 10000000000
  collar_bps: 500
  rate_per_s: {rate_per_s}
  rate_burst: 1000
  position_max: 100000
  allow_stale: {allow_stale}
latency: {{stages: {stages}}}
telemetry: {{enabled: false}}
"""

LINES = """\
      - {name: A, port: feed, group: 239.192.1.1, udp_port: 26477}
      - {name: B, port: feed, group: 239.192.2.1, udp_port: 26478}
"""


class Work:
    """A directory of its own for one test, removed at the end."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="tickgate-test-")

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def config(self, name="test", mode="two-core", **changes):
        cpus = sorted(os.sched_getaffinity(0))
        values = dict(name=name, mode=mode, memory="no-huge", burst=32, ring_slots=65536, date="2026-01-05", join="start",
                      reorder_packets=64, reorder_us=500, lines=LINES, every=50, fills="none", rate_per_s=100000, stages="true", allow_stale="false",
                      more_strategies="", orders_max=262144)
        values.update(changes)
        if mode == "inline":
            values["lcores"] = f"  - {{name: rx0, role: rx, cpu: {cpus[0]}}}"
            values["strategy_lcore"] = "rx0"
        else:
            values["lcores"] = (f"  - {{name: rx0, role: rx, cpu: {cpus[0]}}}\n"
                                f"  - {{name: strategy0, role: strategy, cpu: {cpus[1]}}}")
            values["strategy_lcore"] = "strategy0"
        values["more_strategies"] = values["more_strategies"].replace("LCORE", values["strategy_lcore"])
        path = self.path(f"{name}-{mode}-{abs(hash(str(values)))}.yaml")
        with open(path, "w") as file:
            file.write(CONFIG.format(**values))
        return path

    def session(self, name, messages, *options, both=True):
        """Captures of one generated session: A alone, or A and B."""
        a, b = self.path(name + "-a.pcap"), self.path(name + "-b.pcap")
        command = [FEEDGEN, "--out-a", a, "--messages", str(messages), *options]
        if both:
            command += ["--out-b", b]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [a, b] if both else [a]


def itch_messages(frame):
    """Those of a MoldUDP64 packet, in Ethernet and IPv4 without options."""
    at = 42 + 20
    for _ in range(int.from_bytes(frame[60:62], "big") % 0xFFFF):
        length = int.from_bytes(frame[at:at + 2], "big")
        yield frame[at + 2:at + 2 + length]
        at += 2 + length


def symbols_of(frames):
    """Stock locates and symbols, as the directory messages among them say."""
    return {int.from_bytes(message[1:3], "big"): message[11:19].decode().strip()
            for frame in frames for message in itch_messages(frame) if message[:1] == b"R"}


def need_two_cpus():
    if len(os.sched_getaffinity(0)) < 2:
        print("skipped: two-core mode needs two CPUs")
        sys.exit(SKIP)


def replay(config, captures, *options, expect=0, env=None):
    """The JSON report of a replay; fails the test when the exit code is not the expected one (None: any)."""
    command = [TICKGATE, "replay", config, "--json"]
    for capture in captures:
        command += ["--capture", capture]
    command += options
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=120)
    if done.returncode != expect and expect is not None:
        print("command:", " ".join(command), "\nexit code", done.returncode, "expected", expect)
        print(done.stdout[-2000:], done.stderr[-4000:])
        sys.exit(1)
    report = json.loads(done.stdout) if done.stdout else {}
    report["stderr"], report["exit_code"] = done.stderr, done.returncode
    return report


def hashes(report):
    strategies = report["strategies"][0]
    return strategies["events"][0]["hash"], strategies["events"][0]["count"], strategies["order_hash"], strategies["orders"]


def end_children():
    """What a test that failed has left running: it would go on for ever, and whoever reads our output would wait for it."""
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGKILL)


atexit.register(end_children)


def check(condition, text, quiet=False):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)
    if not quiet:
        print("ok:", text)


def pcap_read(path):
    """[(ts_ns, frame)] of a nanosecond pcap."""
    with open(path, "rb") as file:
        data = file.read()
    magic = struct.unpack_from("<I", data)[0]
    assert magic == 0xA1B23C4D, "not a nanosecond pcap"
    frames, at = [], 24
    while at < len(data):
        seconds, nanoseconds, captured, _ = struct.unpack_from("<IIII", data, at)
        frames.append((seconds * 10**9 + nanoseconds, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return frames


def pcap_write(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for ts_ns, frame in frames:
            file.write(struct.pack("<IIII", ts_ns // 10**9, ts_ns % 10**9, len(frame), len(frame)))
            file.write(frame)
