"""Limits changed while a gateway trades: a venue in one network namespace multicasts a session over veth, the gateway in another answers
with orders. What it may send is changed between two frames, and the very next order feels it. Needs root, iproute2 and two CPUs."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

os.environ.setdefault("EXCHANGE", "") # the venue is a socket here
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g

FRAMES = 600 # of one step
PAUSE_S = 0.0005 # between frames: what this test is about is not speed


class Trading:
    """A gateway on the veth, and the venue's end of it."""

    def __init__(self, work, frames):
        self.socket, self.audit, self.frames, self.seq = work.path("sock"), work.path("audit"), frames, 0
        path = work.config(name="admin", mode="inline", every=10, reorder_us=50000)
        text = open(path).read().replace("{name: feed, device: net_ring}", "{name: feed, device: 'net_af_packet,iface=vg,"
                                       "blocksz=4096,framesz=2048,framecnt=8192'}") # room for a hot thread that is not run for a while
        text = text.replace("  - {name: orders, device: net_ring}\n", "").replace("port: orders", "port: feed")
        with open(path, "w") as file:
            file.write(text + f"admin: {{socket: {self.socket}, audit_file: {self.audit}}}\n")
        self.venue = n.raw_socket(n.VENUE, "vv")
        self.process = n.gateway_start(path)

    def admin(self, *words):
        done = subprocess.run([g.TICKGATE, "admin", self.socket, *words], capture_output=True, text=True)
        g.check(done.returncode == 0, f"admin {' '.join(words)}: {done.stdout}{done.stderr}", quiet=True)
        return json.loads(done.stdout)

    def arm(self):
        done = subprocess.run([g.TICKGATE, "admin", self.socket, "arm"], capture_output=True, text=True)
        return json.loads(done.stdout)["ok"]

    def lcore(self):
        return self.admin("status")["lcores"]["rx0"]

    def feed(self, killed=False):
        """The next frames of the session, until the gateway has seen them all. Returns orders that came, refusals by reason since. Killed,
        the gateway sends cancels of its own, as often as it likes."""
        before = self.lcore()
        self.orders()
        for frame in self.frames[:FRAMES]:
            self.venue.send(frame)
            self.seq = max(self.seq, int.from_bytes(frame[52:60], "big") + int.from_bytes(frame[60:62], "big")) # MoldUDP64
            time.sleep(PAUSE_S)
        del self.frames[:FRAMES]
        deadline = time.monotonic() + 30
        while self.admin("status")["feeds"]["itch"]["next_seq"] < self.seq:
            g.check(time.monotonic() < deadline, f"the gateway sees the feed up to {self.seq}: {self.admin('status')['feeds']}", quiet=True)
        after = self.lcore()
        orders = 0 if killed else after["orders"] - before["orders"]
        arrived = [order for order in self.orders() if order[:1] == b"O"]
        while len(arrived) < orders:
            arrived += self.orders(wait=True)
        g.check(len(arrived) == orders, f"{orders} orders sent and arrived", quiet=True)
        return orders, {reason: count - before["refusals"].get(reason, 0) for reason, count in after["refusals"].items()
                        if count != before["refusals"].get(reason, 0)}

    def orders(self, wait=False):
        """Order messages that have arrived."""
        found = []
        self.venue.settimeout(10 if wait else 0)
        while True:
            try:
                data, address = self.venue.recvfrom(2048)
            except (BlockingIOError, TimeoutError):
                g.check(not wait, "orders that the gateway has sent arrive", quiet=True)
                return found
            if address[2] != socket.PACKET_OUTGOING and data[23:24] == b"\x11" and data[36:38] == (26000).to_bytes(2, "big"):
                found.append(data[42:42 + int.from_bytes(data[38:40], "big") - 8])
                if wait:
                    return found


def trading(work):
    captures = work.session("admin", 12000, "--symbols", "20")
    frames = [frame for _, _, frame in sorted((ts, index, frame) for index, path in enumerate(captures) for ts, frame in g.pcap_read(path))]
    gateway = Trading(work, frames)
    orders, refused = gateway.feed()
    g.check(orders > 0 and "qty" not in refused, f"{orders} orders of 100 shares, none refused for its quantity, with order_qty_max 1000")
    for scope in ("rx0", "probe"):
        changed = gateway.admin("set", scope, "order_qty_max", "99")
        orders, refused = gateway.feed()
        g.check((orders == 0 or scope == "probe") and refused.get("qty", 0) > 0, # the other strategy is free to trade
                f"{scope}: order_qty_max from {changed['old']} to {changed['new']}: the very next order was refused, as were all of {refused}")
        changed = gateway.admin("set", scope, "order_qty_max", "100")
        orders, refused = gateway.feed()
        g.check(orders > 0 and "qty" not in refused, f"{scope}: order_qty_max {changed['new']}: {orders} orders pass")
    gateway.admin("kill", "a test")
    orders, refused = gateway.feed(killed=True)
    g.check(orders == 0 and refused.get("killed", 0) > 0, f"kill: no order, {refused} refused")
    while not gateway.arm(): # frames of the session go on, and with them the time in which unanswered orders are forgotten
        gateway.feed(killed=True)
    orders, refused = gateway.feed()
    g.check(orders > 0 and "killed" not in refused, f"arm: {orders} orders pass")
    gateway.process.send_signal(signal.SIGTERM)
    gateway.process.communicate(timeout=30)
    g.check(gateway.process.returncode == 0, "clean stop", quiet=True)
    done = subprocess.run([g.TICKGATE, "audit", gateway.audit], capture_output=True, text=True)
    g.check(done.returncode == 0, f"the audit log is whole: {done.stdout.splitlines()[0]}")


n.network_make()
try:
    g.need_two_cpus()
    trading(g.Work())
finally:
    n.network_remove()
