"""Recovery over a real network: the venue is `exchange` in a network namespace of its own, the gateway in another; multicast, re-requests
over UDP and GLIMPSE over TCP between them are the kernel's. Every case must end whole, with the book of a replay without loss; the
requests are watched on the wire. Needs root, iproute2 and two CPUs; removes what it makes."""
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g

MESSAGES, SYMBOLS, SEED = 60000, 40, 7
SO_TIMESTAMPNS = 35


class Wire(threading.Thread):
    """Requests as they arrive at the venue's interface: (time in ns, server port, first sequence, count)."""

    def __init__(self):
        super().__init__()
        self.requests = []
        self.stopped = False
        self.ready = threading.Event()

    def run(self):
        descriptor = os.open(f"/var/run/netns/{n.VENUE}", os.O_RDONLY)
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
                if address[2] == socket.PACKET_OUTGOING or data[23:24] != b"\x11" or port not in n.REQUEST_PORTS:
                    continue
                seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
                seq, count = struct.unpack(">QH", data[52:62]) if data[38:40] == b"\0\x1c" else (0, 0) # 20 bytes and a header
                self.requests.append((seconds * 10**9 + nanoseconds, port, seq, count))


def case(config, *options, pause=None):
    """One session; the gateway joins at the start, or while the venue pauses. The feed's report, and requests on the wire."""
    wire = Wire()
    wire.start()
    wire.ready.wait()
    venue = n.Venue("--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), *options,
                    *(["--pause-at", str(pause)] if pause else []))
    process = None if pause else n.gateway_start(config)
    venue.go_on()
    if pause:
        venue.wait("paused")
        process = n.gateway_start(config)
        venue.go_on()
    end = venue.finish()
    feed = n.gateway_stop(process)["feeds"][0]
    wire.stopped = True
    wire.join()
    return feed, wire.requests, venue, end


def patterns(name, requests):
    """Requests as configured: size, rate, one in flight for a range, time-outs that double, servers in turn."""
    g.check(all(1 <= count <= n.REQUEST_MESSAGES for _, _, _, count in requests), f"{name}: at most {n.REQUEST_MESSAGES} messages a request")
    g.check(all(1 <= seq and seq + count <= MESSAGES + 1 for _, _, seq, count in requests), f"{name}: nothing beyond the newest")
    times = [time for time, *_ in requests]
    worst = max((sum(1 for other in times if 0 <= other - time < 10**9) for time in times), default=0)
    g.check(worst <= n.RATE_PER_S + n.RATE_BURST, f"{name}: at most {n.RATE_PER_S} requests a second and {n.RATE_BURST} at once ({worst})")
    ranges = {}
    for time, port, seq, count in requests:
        ranges.setdefault((seq, count), []).append((time, port))
    for (seq, count), asked in ranges.items():
        if len(asked) < 3:
            continue
        # Asked again and again, each time with twice the patience. A request may reach the wire late, the first one too: half
        # of what the waits come to is beyond doubt.
        least = sum(min(n.TIMEOUT_US << attempt, n.TIMEOUT_MAX_US) for attempt in range(len(asked) - 1)) * 1000
        waited = asked[-1][0] - asked[0][0]
        g.check(waited >= least / 2, f"{name}: {seq} asked {len(asked)} times within {waited / 1e6:.1f} ms, the time-outs come to "
                f"{least / 1e6} ms", quiet=True)
        g.check(len({port for _, port in asked}) == 2, f"{name}: {seq} was asked of both servers", quiet=True)
    return max((len(asked) - 1 for asked in ranges.values()), default=0)


n.network_make()
try:
    g.need_two_cpus()
    work = g.Work()
    captures = work.session("whole", MESSAGES, "--symbols", str(SYMBOLS), "--seed", str(SEED))
    whole = g.replay(work.config(name="whole", mode="inline"), captures, "--speed", "max")["feeds"][0]
    # A reorder window longer than the veth is ever late: what the other line has is never asked for.
    config = n.config_live(work.config(name="recovery", mode="inline", every=50, reorder_us=20000), [n.recovery()])
    by_port = n.config_live(work.config(name="port", mode="inline", every=50, reorder_us=20000), [n.recovery(
        f"transport: port\n      local_ip: {n.PORT_IP}\n      local_port: 31000\n      peer_mac: '{n.mac(n.VENUE, 'vv')}'")],
                              orders_too=False)

    def converged(name, feed):
        g.check(feed["book_hash"] == whole["book_hash"] and feed["live_orders"] == whole["live_orders"],
                f"{name}: the book of a run without loss, {feed['live_orders']} orders")
        g.check(not feed["stale"] and feed["next_seq"] == MESSAGES + 1 and feed["holes"] == 0, f"{name}: whole at the end")
        g.check(sum(feed["orphans"].values()) == 0, f"{name}: no orphan")

    for attempt in range(3): # where the machine itself loses packets of both lines, requests are right
        feed, requests, _, _ = case(config, "--drop-a", "5000-5400", "--drop-a", "20000-20010", "--drop-b", "30000-30500")
        converged("loss on one line", feed)
        if [line["lost"] for line in feed["lines"]] == [401 + 11, 501]:
            break
        print("packets were lost besides, once more:", [line["lost"] for line in feed["lines"]])
    g.check(feed["recovery"]["filled_by_line"] > 0, f"filled by the other line {feed['recovery']['filled_by_line']} times")
    g.check(not requests and feed["recovery"]["requests"] == 0, "loss on one line: no request at all")

    feed, requests, venue, _ = case(config, "--drop-both", "5000-5000", "--drop-both", "12000-12011", "--drop-both", "30000-39999")
    converged("loss on both lines", feed)
    patterns("loss on both lines", requests)
    asked = {seq for _, _, first, count in requests for seq in range(first, first + count)}
    wanted = {5000, *range(12000, 12012), *range(30000, 40000)}
    g.check(wanted <= asked, "one message, a packet, 10,000 messages: all of them were asked for")
    g.check(feed["recovery"]["spins"] == 0 and feed["recovery"]["filled_by_retransmission"] > 0, "retransmission was enough")

    feed, requests, _, _ = case(by_port, "--drop-both", "12000-12111")
    converged("requests through the port", feed)
    patterns("requests through the port", requests)
    g.check(feed["recovery"]["filled_by_retransmission"] > 0 and feed["recovery"]["spins"] == 0, "requests through the port: answered")

    feed, requests, _, _ = case(config, "--drop-both", "9000-9300", "--drop-both", "30000-31000", "--reply-loss", "40")
    converged("answers lost", feed)
    patterns("answers lost", requests)
    g.check(feed["recovery"]["asked_again"] > 0, f"asked again {feed['recovery']['asked_again']} times")
    g.check({port for _, port, _, _ in requests} == set(n.REQUEST_PORTS), "both servers were asked")

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
    n.network_remove()
