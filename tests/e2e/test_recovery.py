"""Recovery over a real network: the venue is `exchange` in a network namespace of its own, the gateway in another; multicast, re-requests
over UDP and GLIMPSE over TCP between them are the kernel's. Every case must end whole, with the book of a replay without loss; the
requests are watched on the wire. Needs root, iproute2 and two CPUs; removes what it makes."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eal"))
import gateway as g

if os.geteuid() != 0:
    print("skipped: network namespaces need root")
    sys.exit(g.SKIP)

EXCHANGE = os.environ["EXCHANGE"]
TAG = f"tg{os.getpid()}"
GATEWAY, VENUE = TAG + "g", TAG + "v"
GATEWAY_IP, VENUE_IP = "10.77.0.1", "10.77.0.2"
REQUEST_PORTS, GLIMPSE_PORT = (17001, 17002), 18001
MESSAGES, SYMBOLS, SEED = 60000, 40, 7
REQUEST_MESSAGES, RATE_PER_S, RATE_BURST, TIMEOUT_US, TIMEOUT_MAX_US = 50, 400, 40, 20000, 160000
SO_TIMESTAMPNS = 35

RECOVERY = f"""\
    stale: at-once
    hold_messages: 65536
    retransmission:
      transport: kernel
      servers:
        - {{address: {VENUE_IP}, udp_port: {REQUEST_PORTS[0]}}}
        - {{address: {VENUE_IP}, udp_port: {REQUEST_PORTS[1]}}}
      request_messages: {REQUEST_MESSAGES}
      in_flight: 4
      rate_per_s: {RATE_PER_S}
      rate_burst: {RATE_BURST}
      timeout_us: {TIMEOUT_US}
      timeout_max_us: {TIMEOUT_MAX_US}
      attempts: 5
      gap_max: 20000
    snapshot:
      servers:
        - {{address: {VENUE_IP}, tcp_port: {GLIMPSE_PORT}}}
      username: tick
      password: gate
      timeout_ms: 2000
      retry_ms: 20
      retry_max_ms: 200
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def network_make():
    for namespace in (GATEWAY, VENUE):
        ip("netns", "add", namespace)
    ip("-n", GATEWAY, "link", "add", "vg", "type", "veth", "peer", "name", "vv", "netns", VENUE)
    for namespace, device, address in ((GATEWAY, "vg", GATEWAY_IP), (VENUE, "vv", VENUE_IP)):
        subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=False)
        ip("-n", namespace, "addr", "add", address + "/24", "dev", device)
        ip("-n", namespace, "link", "set", device, "up")
        ip("-n", namespace, "link", "set", "lo", "up")


def network_remove():
    for namespace in (GATEWAY, VENUE):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


class Wire(threading.Thread):
    """Requests as they arrive at the venue's interface: (time in ns, server port, first sequence, count)."""

    def __init__(self):
        super().__init__()
        self.requests = []
        self.stopped = False
        self.ready = threading.Event()

    def run(self):
        descriptor = os.open(f"/var/run/netns/{VENUE}", os.O_RDONLY)
        __import__("ctypes").CDLL(None).setns(descriptor, 0x40000000) # CLONE_NEWNET, of this thread
        os.close(descriptor)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as raw:
            raw.bind(("vv", 0x0800))
            raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            raw.settimeout(0.2)
            self.ready.set()
            while not self.stopped:
                try:
                    data, extra, _, address = raw.recvmsg(2048, 256)
                except socket.timeout:
                    continue
                port = int.from_bytes(data[36:38], "big")
                if address[2] == socket.PACKET_OUTGOING or data[23:24] != b"\x11" or port not in REQUEST_PORTS:
                    continue
                seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
                seq, count = struct.unpack(">QH", data[52:62]) if data[38:40] == b"\0\x1c" else (0, 0) # 20 bytes and a header
                self.requests.append((seconds * 10**9 + nanoseconds, port, seq, count))


def config_write(work, name):
    config = work.config(name=name, mode="inline", every=50, reorder_us=2000)
    text = open(config).read().replace("{name: feed, device: net_ring}", "{name: feed, device: 'net_af_packet,iface=vg'}")
    text = text.replace("  - {name: orders, device: net_ring}\n", "").replace("port: orders", "port: feed")
    text = text.replace("    lines:\n", RECOVERY + "    lines:\n", 1)
    with open(config, "w") as file:
        file.write(text)
    return config


class Venue:
    def __init__(self, *options):
        command = ["ip", "netns", "exec", VENUE, EXCHANGE, "--interface-a", VENUE_IP, "--interface-b", VENUE_IP,
                   "--group-a", "239.192.1.1:26477", "--group-b", "239.192.2.1:26478",
                   "--request", f"{VENUE_IP}:{REQUEST_PORTS[0]}", "--request", f"{VENUE_IP}:{REQUEST_PORTS[1]}",
                   "--glimpse", f"{VENUE_IP}:{GLIMPSE_PORT}", "--username", "tick", "--password", "gate",
                   "--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), "--end-s", "3", "--wait-start",
                   *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = []
        self.wait("ready")

    def wait(self, event):
        for line in self.process.stdout:
            said = json.loads(line)
            self.said.append(said)
            if said.get("event") == event:
                return said
        g.check(False, f"the exchange ended before it said '{event}'")
        return None

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        last = self.wait("end")
        g.check(self.process.wait(timeout=60) == 0, "the exchange ended well")
        self.process.stdout.close()
        self.process.stdin.close()
        return last

    def events(self, name):
        return [said for said in self.said if said.get("event") == name]


def gateway_start(config):
    process = subprocess.Popen(["ip", "netns", "exec", GATEWAY, g.TICKGATE, "run", config, "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "armed" in line:
            return process
    g.check(False, "the gateway did not start")
    return None


def gateway_stop(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    g.check(process.returncode == 0, f"clean stop {err.strip()}")
    return json.loads(out)["feeds"][0]


def case(config, *options, pause=None):
    """One session; the gateway joins at the start, or while the venue pauses. The feed's report, and requests on the wire."""
    wire = Wire()
    wire.start()
    wire.ready.wait()
    venue = Venue(*options, *(["--pause-at", str(pause)] if pause else []))
    process = None if pause else gateway_start(config)
    venue.go_on()
    if pause:
        venue.wait("paused")
        process = gateway_start(config)
        venue.go_on()
    end = venue.finish()
    feed = gateway_stop(process)
    wire.stopped = True
    wire.join()
    return feed, wire.requests, venue, end


def patterns(name, requests):
    """Requests as configured: size, rate, one in flight for a range, time-outs that double, servers in turn."""
    g.check(all(1 <= count <= REQUEST_MESSAGES for _, _, _, count in requests), f"{name}: at most {REQUEST_MESSAGES} messages a request")
    g.check(all(1 <= seq and seq + count <= MESSAGES + 1 for _, _, seq, count in requests), f"{name}: nothing beyond the newest")
    times = [time for time, *_ in requests]
    worst = max((sum(1 for other in times if 0 <= other - time < 10**9) for time in times), default=0)
    g.check(worst <= RATE_PER_S + RATE_BURST, f"{name}: at most {RATE_PER_S} requests a second and {RATE_BURST} at once ({worst})")
    again, doubled = {}, 0
    for time, port, seq, count in requests:
        if seq in again:
            before, attempt, port_before, count_before = again[seq]
            if count == count_before: # nothing came of it: asked again after the time-out, not before
                least = min(TIMEOUT_US << attempt, TIMEOUT_MAX_US) * 1000
                # Two clocks: the frame's on the gateway, the arrival's here; a wake-up of 5 ms may lie between.
                g.check(time - before >= least - 5 * 10**6, f"{name}: {seq} again after {(time - before) / 1e6:.1f} ms, not before "
                        f"{least / 1e6} ms", quiet=True)
                doubled = max(doubled, attempt)
                again[seq] = (time, attempt + 1, port, count)
                continue
        again[seq] = (time, 0, port, count)
    return doubled


network_make()
try:
    g.need_two_cpus()
    work = g.Work()
    captures = work.session("whole", MESSAGES, "--symbols", str(SYMBOLS), "--seed", str(SEED))
    whole = g.replay(work.config(name="whole", mode="inline"), captures, "--speed", "max")["feeds"][0]
    config = config_write(work, "recovery")

    def converged(name, feed):
        g.check(feed["book_hash"] == whole["book_hash"] and feed["live_orders"] == whole["live_orders"],
                f"{name}: the book of a run without loss, {feed['live_orders']} orders")
        g.check(not feed["stale"] and feed["next_seq"] == MESSAGES + 1 and feed["holes"] == 0, f"{name}: whole at the end")
        g.check(sum(feed["orphans"].values()) == 0, f"{name}: no orphan")

    feed, requests, _, _ = case(config, "--drop-a", "5000-5400", "--drop-a", "20000-20010", "--drop-b", "30000-30500")
    converged("loss on one line", feed)
    g.check(feed["recovery"]["filled_by_line"] > 0, f"filled by the other line {feed['recovery']['filled_by_line']} times")
    g.check(not requests and feed["recovery"]["requests"] == 0, "loss on one line: no request at all")

    feed, requests, venue, _ = case(config, "--drop-both", "5000-5000", "--drop-both", "12000-12011", "--drop-both", "30000-39999")
    converged("loss on both lines", feed)
    patterns("loss on both lines", requests)
    asked = {seq for _, _, first, count in requests for seq in range(first, first + count)}
    wanted = {5000, *range(12000, 12012), *range(30000, 40000)}
    g.check(wanted <= asked, "one message, a packet, 10,000 messages: all of them were asked for")
    g.check(feed["recovery"]["spins"] == 0 and feed["recovery"]["filled_by_retransmission"] > 0, "retransmission was enough")

    feed, requests, _, _ = case(config, "--drop-both", "9000-9300", "--drop-both", "30000-31000", "--reply-loss", "40")
    converged("answers lost", feed)
    patterns("answers lost", requests)
    g.check(feed["recovery"]["asked_again"] > 0, f"asked again {feed['recovery']['asked_again']} times")
    g.check({port for _, port, _, _ in requests} == set(REQUEST_PORTS), "both servers were asked")

    feed, requests, _, _ = case(config, "--drop-both", "30000-30100", "--request-dead")
    converged("dead servers", feed)
    doubled = patterns("dead servers", requests)
    g.check(doubled >= 3, f"dead servers: the time-out doubled {doubled} times")
    g.check(feed["recovery"]["spliced"] >= 1, "dead servers: a snapshot instead")

    feed, requests, venue, _ = case(config, pause=MESSAGES // 2)
    converged("late join", feed)
    g.check(feed["recovery"]["spliced"] == 1 and feed["recovery"]["snapshot_messages"] > 0,
            f"late join: a snapshot of {feed['recovery']['snapshot_messages']} messages over TCP")
    g.check(len(venue.events("spin")) == 1, "late join: one spin at the venue")

    feed, _, _, _ = case(config, "--spin-break-after", "50", pause=MESSAGES * 2 // 3)
    converged("a spin broken off", feed)
    g.check(feed["recovery"]["spins_lost"] >= 1 and feed["recovery"]["spliced"] == 1,
            f"a spin broken off: begun again ({feed['recovery']['spins_lost']} lost, {feed['recovery']['spliced']} spliced)")
finally:
    network_remove()
