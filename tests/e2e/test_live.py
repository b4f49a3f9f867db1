"""Live, over a real driver: a venue in one network namespace multicasts a generated session over veth, the gateway in another
trades on it, and its orders arrive. Kernel sockets on the venue's side. Needs root, iproute2 and two CPUs; removes what it makes."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eal"))
import gateway as g
import namespaces

namespaces.need()

TAG = f"tg{os.getpid()}"
GATEWAY, VENUE = TAG + "g", TAG + "v"
PAUSE_S = 0.0005 # between frames: what this test is about is not speed


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def network_make():
    for namespace in (GATEWAY, VENUE):
        ip("netns", "add", namespace)
    ip("-n", GATEWAY, "link", "add", "vg", "type", "veth", "peer", "name", "vv", "netns", VENUE)
    for namespace, device in ((GATEWAY, "vg"), (VENUE, "vv")):
        subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=False)
        ip("-n", namespace, "link", "set", device, "up")


def network_remove():
    for namespace in (GATEWAY, VENUE):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def raw_socket(namespace, device):
    """A raw socket inside a namespace; the calling thread enters it for a moment."""
    result = []

    def enter():
        descriptor = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        libc = __import__("ctypes").CDLL(None, use_errno=True)
        if libc.setns(descriptor, 0x40000000) == 0: # CLONE_NEWNET
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            raw.bind((device, 0x0800))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            result.append(raw)
        os.close(descriptor)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return result[0]


def live(work, device, frames, symbols=(), books="all"):
    config = work.config(name="live", mode="inline", every=10, reorder_us=50000)
    text = open(config).read().replace("    join:", f"    books: {books}\n    join:")
    if symbols:
        for kind in ("probe", "taker"):
            text = text.replace(f"kind: {kind},", f"kind: {kind}, symbols: [{', '.join(symbols)}],")
    text = text.replace("{name: feed, device: net_ring}", f"{{name: feed, device: '{device}'}}")
    text = text.replace("  - {name: orders, device: net_ring}\n", "").replace("port: orders", "port: feed")
    open(config, "w").write(text)
    venue = raw_socket(VENUE, "vv")
    process = subprocess.Popen(["ip", "netns", "exec", GATEWAY, g.TICKGATE, "run", config, "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    said = ""
    while True:
        line = process.stderr.readline()
        said += line
        if "armed" in line or not line:
            break
    g.check("armed" in said, f"{device}: armed ({said.strip().splitlines()[-1] if said else 'nothing said'})")
    for frame in frames:
        venue.send(frame)
        time.sleep(PAUSE_S)
    time.sleep(0.3) # the last orders cross the veth
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    g.check(process.returncode == 0, f"{device}: clean stop {err.strip()}")
    report = json.loads(out)
    venue.setblocking(False)
    orders = []
    while True:
        try:
            data, address = venue.recvfrom(2048)
        except BlockingIOError:
            break
        if address[2] != socket.PACKET_OUTGOING and data[23:24] == b"\x11" and data[36:38] == (26000).to_bytes(2, "big"):
            orders.append(data[42:42 + int.from_bytes(data[38:40], "big") - 8])
    venue.close()
    return report, orders


network_make()
try:
    g.need_two_cpus()
    work = g.Work()
    captures = work.session("live", 3000, "--symbols", "20", "--loss-a", "2", "--loss-b", "2")
    frames = [frame for _, _, frame in sorted((ts, index, frame) for index, path in enumerate(captures)
                                              for ts, frame in g.pcap_read(path))]
    inspected = subprocess.run([g.TICKGATE, "inspect", "--json", "--reorder-packets", "64", *captures], capture_output=True,
                               text=True, check=True)
    total = json.loads(inspected.stdout)["total"]
    for device in ("net_af_packet,iface=vg", "net_af_xdp,iface=vg"):
        report, orders = live(work, device, frames)
        feed, sent = report["feeds"][0], report["strategies"][0]["orders"]
        g.check(feed["total"] == total and feed["holes"] == 0,
                f"{device}: {feed['total']} of {total} messages, {feed['holes']} holes, {report['rx'][0]['frames']} frames")
        g.check(sent > 0 and report["strategies"][0]["latency"]["tick_to_trade"]["count"] == sent, f"{device}: {sent} orders sent")
        g.check(len(orders) == sent, f"{device}: {len(orders)} orders arrived")
        refs = [int.from_bytes(order[1:5], "big") for order in orders]
        g.check(refs == list(range(1, sent + 1)), f"{device}: each once, in order")
    symbols = g.symbols_of(frames)
    listed = [symbols[locate] for locate in sorted(symbols)[::5]]
    all_report, all_orders = live(work, "net_af_packet,iface=vg", frames, listed)
    report, orders = live(work, "net_af_packet,iface=vg", frames, listed, "traded")
    feed = report["feeds"][0]
    g.check(len(orders) > 0 and orders == all_orders, f"books: traded: the same {len(orders)} orders as with books of all, byte by byte")
    g.check(feed["untraded"] > total / 4 and all_report["feeds"][0]["untraded"] == 0 and feed["total"] == total and feed["orphans"] == {},
            f"books: traded: {feed['untraded']} of {total} passed over")
    left = subprocess.run(["ip", "-n", GATEWAY, "-d", "link", "show", "vg"], capture_output=True, text=True).stdout
    g.check("prog/xdp" not in left, "no XDP program is left on the interface")
finally:
    network_remove()
