"""Ports of every kind: a gateway in one network namespace receives A and B on two ports and trades through a third, over AF_XDP,
AF_PACKET and taps; it is started and stopped, killed and started again, loses its links and has them back, and leaves nothing behind.
Nothing passes from one port to another. An XDP program that is not tickgate's is left alone. Needs root, iproute2 and two CPUs;
removes what it makes. With --full each kind is started 50 times and killed 10 times (the suite: 2 and 1), with --starts that
is all; names of kinds choose among them."""
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g
import desk as d
import paths as p

FULL = "--full" in sys.argv
STARTS, KILLS = (50, 10) if FULL else (2, 1)
MARK = b"tickgate forwards nothing"


def stopped_cleanly(gateway, name, what):
    gateway.send_signal(signal.SIGINT)
    _, err = gateway.communicate(timeout=60)
    g.check(gateway.returncode == 0, f"{what}: clean stop {err.strip()}", quiet=True)
    left = p.left_behind(name)
    g.check(not left, f"{what}: nothing is left behind, but: {left}", quiet=True)


def starts(work, kind):
    name = f"starts-{kind.replace('_', '')}"
    path = p.config(work, name, kind)
    begin = time.monotonic()
    for i in range(STARTS):
        stopped_cleanly(n.gateway_start(path), name, f"{kind}: start {i + 1}")
    g.check(True, f"{kind}: {STARTS} starts and stops in {time.monotonic() - begin:.1f} s, nothing left behind")
    for i in range(KILLS):
        gateway = n.gateway_start(path)
        gateway.kill()
        gateway.communicate()
        stopped_cleanly(n.gateway_start(path), name, f"{kind}: start after kill {i + 1}")
    g.check(True, f"{kind}: {KILLS} times kill -9 and start again, nothing left behind")


def links_lost(_desk):
    """A's link goes, then the order session's: for more than a second each, and both come back."""
    time.sleep(0.5)
    n.ip("-n", n.GATEWAY, "link", "set", "vg", "down")
    time.sleep(1.2)
    n.ip("-n", n.GATEWAY, "link", "set", "vg", "up")
    n.ip("-n", d.BRIDGE, "link", "set", "b0", "down")
    time.sleep(1.2)
    n.ip("-n", d.BRIDGE, "link", "set", "b0", "up")


def trade(work, kind, lose_links):
    name = f"trade-{kind.replace('_', '')}{'-links' if lose_links else ''}"
    report, end, desk, _, _ = d.run(work, name, path=p.config(work, name, kind), started=p.taps_join if kind == "tap" else None,
                                    exchange=("--interface-b", p.B_VENUE_IP, "--rate", "2500"), middle=links_lost if lose_links else None)
    d.each_once_in_order(desk, name)
    d.states_agree(end, report, name)
    feed = report["feeds"][0]
    lines = {line["name"]: line for line in feed["lines"]}
    g.check(feed["holes"] == 0 and feed["total"] > d.MESSAGES - 20, f"{name}: {feed['total']} messages, no hole")
    ports = {port["name"]: port for port in report["ports"]}
    lost = {port: ports[port]["link"]["lost"] for port in ("a", "b", "orders")}
    if lose_links:
        g.check(lost == {"a": 1, "b": 0, "orders": 1} and all(ports[port]["link"]["back"] == lost[port] for port in lost),
                f"{name}: the links of a and orders were lost once and came back")
        g.check(ports["a"]["link"]["down_ns"] > 10**9 and ports["a"]["link"]["up"], f"{name}: a was down for "
                f"{ports['a']['link']['down_ns'] / 1e9:.2f} s", quiet=True)
        g.check(report["session"]["counters"]["breaks"] == 0, f"{name}: TCP bridged its loss, the session never broke")
    else:
        g.check(not any(lost.values()) and all(ports[port]["link"]["up"] for port in lost), f"{name}: every link was up all the time")
    g.check(all(line["packets"] > 1000 for line in lines.values()), f"{name}: A {lines['A']['packets']} and B {lines['B']['packets']} packets")
    if kind == "af_xdp":
        guards = {guard["interface"]: guard["frames"] for guard in report["xdp"]}
        g.check(set(guards) == set(p.INTERFACES) and guards["vg"]["feed"] > 1000 and guards["vo"]["tcp"] > 100,
                f"{name}: the guards saw {guards['vg']['feed']} feed frames on vg, {guards['vo']['tcp']} TCP frames on vo")
        g.check(not any(guard["no_socket"] or guard["flood"] for guard in guards.values()), f"{name}: no frame without socket", quiet=True)
    left = p.left_behind(name)
    g.check(not left, f"{name}: nothing is left behind {left or ''}")


def raw_socket(namespace, device):
    """A raw socket inside a namespace; a thread enters it for a moment."""
    made = []

    def enter():
        descriptor = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0: # CLONE_NEWNET
            made.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
            made[0].bind((device, 3))
        os.close(descriptor)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def datagram(dst_mac, src_mac, protocol, src, dst, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, socket.inet_aton(src), socket.inet_aton(dst))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + header[12:]
    return bytes.fromhex(dst_mac.replace(":", "")) + bytes.fromhex(src_mac.replace(":", "")) + b"\x08\x00" + header + payload


def nothing_forwarded(work, kind):
    """Frames for hosts behind one port are sent to another port's MAC address, and listened for on every other side."""
    name = f"forward-{kind.replace('_', '')}"
    sides = {"vg": (n.VENUE, "vv"), "vh": (n.VENUE, "vw"), "vo": (d.BRIDGE, "b0")}
    hosts = {"vg": n.VENUE_IP, "vh": p.B_VENUE_IP, "vo": d.DESK_IP}
    gateway = n.gateway_start(p.config(work, name, kind))
    sockets = {device: raw_socket(*side) for device, side in sides.items()}
    sent = 0
    for device, side in sides.items():
        own_mac, peer_mac = n.mac(n.GATEWAY, device), n.mac(*side)
        for other in hosts:
            for protocol, head in ((1, b"\x08\x00\x00\x00\x00\x01\x00\x01"), (6, struct.pack("!HHIIHHHH", 7, 7, 0, 0, 0x5002, 100, 0, 0)),
                                   (17, struct.pack("!HHHH", 7, 7, 8 + len(MARK), 0))):
                if other != device:
                    sockets[device].send(datagram(own_mac, peer_mac, protocol, hosts[device], hosts[other], head + MARK))
                    sent += 1
        sockets[device].send(datagram("01:00:5e:40:01:01", peer_mac, 17, hosts[device], "239.192.1.1",
                                      struct.pack("!HHHH", 7, 26477, 8 + len(MARK), 0) + MARK))
        sent += 1
    seen, deadline = [], time.monotonic() + 1
    while time.monotonic() < deadline:
        for ready in select.select(list(sockets.values()), [], [], 0.1)[0]:
            data, address = ready.recvfrom(2048)
            if MARK in data and address[2] != socket.PACKET_OUTGOING:
                seen.append(data)
    for one in sockets.values():
        one.close()
    n.gateway_stop(gateway)
    g.check(sent == 21 and not seen, f"{kind}: {sent} frames for hosts behind other ports, {len(seen)} came out anywhere")


def foreign_program(work):
    """A program of somebody else stays; the config may say that it goes. A second gateway does not take the first one's interface."""
    name = "foreign"
    path = p.config(work, name, "af_xdp")
    guard = os.environ["GUARD_OBJECT"]
    attach = ["ip", "-n", n.GATEWAY, "link", "set", "dev", "vg", "xdp", "obj", guard, "sec", "xdp"]
    other = work.path("other.o")
    done = subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-x", "c", "-", "-c", "-o", other], text=True, capture_output=True,
                          input='__attribute__((section("xdp"), used)) int other(void *context) { return 2; }\n'
                                'char l[] __attribute__((section("license"), used)) = "GPL";\n')
    g.check(done.returncode == 0, f"a program of somebody else is made {done.stderr}", quiet=True)
    attach[attach.index(guard)] = other
    subprocess.run(attach, check=True, capture_output=True)
    command = ["ip", "netns", "exec", n.GATEWAY, g.TICKGATE, "run", path]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    g.check(refused.returncode == 1 and "the XDP program 'other'" in refused.stderr and "is not tickgate's" in refused.stderr,
            f"refused: {refused.stderr.strip().splitlines()[-1]}")
    g.check(p.left_behind(name) == ["XDP program other on vg"], "and it is still there")
    text = open(path).read().replace("device: 'net_af_xdp,iface=vg',", "device: 'net_af_xdp,iface=vg', xdp_guard: {replace: true},")
    with open(path, "w") as file:
        file.write(text)
    gateway = n.gateway_start(path)
    second = subprocess.run([*command[:-1], path], capture_output=True, text=True, timeout=60)
    g.check(second.returncode == 1 and "another tickgate" in second.stderr, f"a second one: {second.stderr.strip().splitlines()[-1]}")
    report = n.gateway_stop(gateway)
    notes = [guard["note"] for guard in report["xdp"] if "note" in guard]
    g.check(len(notes) == 1 and "replaced the XDP program 'other'" in notes[0], f"with replace: {notes[0] if notes else ''}")
    g.check(not p.left_behind(name), "nothing is left behind")


def killed_guard_is_known(work):
    name = "killed"
    path = p.config(work, name, "af_xdp")
    gateway = n.gateway_start(path)
    gateway.kill()
    gateway.communicate()
    g.check(sum("XDP program xsk_def_prog" in what for what in p.left_behind(name)) == 3, "killed: its three guards are still attached")
    report = n.gateway_stop(n.gateway_start(path))
    notes = [guard.get("note", "") for guard in report["xdp"]]
    g.check(len(notes) == 3 and all("replaced an earlier life's" in note for note in notes), f"killed: {notes[0]}")
    g.check(not p.left_behind(name), "killed: nothing is left behind")


def main():
    p.network_make()
    try:
        g.need_two_cpus()
        work = g.Work()
        chosen = [argument for argument in sys.argv[1:] if argument in p.KINDS]
        for kind in chosen or p.KINDS:
            if kind == "tap":
                p.bridges_make() # last: the interfaces belong to bridges from here on
            starts(work, kind)
            if "--starts" in sys.argv:
                continue
            trade(work, kind, False)
            if kind != "tap": # a tap's link is its own: the bridge hides what is behind it
                trade(work, kind, True)
                nothing_forwarded(work, kind)
            if kind == "af_xdp" and os.environ.get("GUARD_OBJECT"):
                killed_guard_is_known(work)
                foreign_program(work)
    finally:
        p.network_remove()


if __name__ == "__main__":
    main()
