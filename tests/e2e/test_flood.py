"""A flood beside the feed, with the XDP guard and without it. The exchange sends A and B at a rate each on a schedule; flood sends
datagrams to the interface of line A: to a port that nobody reads, then to A's own group from an address that is not its source. With
the guard the feed stays complete, every frame of the flood is counted and dropped in the driver, and ARP is answered all the while;
without it the same flood goes through tickgate. The rates that were reached are said; the suite's are small, --full is the one of
docs/OPERATIONS.md (20,000 feed packets and 200,000 of flood a second). Needs root, iproute2 and two CPUs; removes what it makes."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g
import desk as d
import paths as p

FLOOD = os.environ["FLOOD"]
FULL = "--full" in sys.argv
LINE_RATE, FLOOD_RATE, SECONDS = (10000, 200000, 10) if FULL else (1000, 20000, 3)
STRANGER = "203.0.113.5"
AWAY_S = 0.5


def config(work, name, guard):
    """A on AF_XDP, with its source; B elsewhere. `guard`: on or off."""
    path = p.config(work, name, "af_xdp", strategies="", every=1000)
    text = open(path).read()
    text = text.replace("device: 'net_af_xdp,iface=vg',", f"device: 'net_af_xdp,iface=vg', xdp_guard: {{enabled: {guard}}},")
    text = text.replace("rx_descriptors: 2048", "rx_descriptors: 64", 1).replace("telemetry: {enabled: false}", "telemetry: {enabled: false, report_s: 1}")
    text = text.replace("udp_port: 26477}", f"udp_port: 26477, source: {n.VENUE_IP}}}")
    with open(path, "w") as file:
        file.write(text)
    return path


def flood(kind):
    group, port = ("239.192.1.1", "26477") if kind == "feed" else ("10.77.0.1", "9")
    mac = "01:00:5e:40:01:01" if kind == "feed" else n.mac(n.GATEWAY, "vg")
    sources = "1" if kind == "feed" else "1000"
    return subprocess.Popen(["ip", "netns", "exec", n.VENUE, FLOOD, "vv", mac, group, port, STRANGER, sources, str(FLOOD_RATE), str(SECONDS)],
                            stdout=subprocess.PIPE, text=True)


def arp_answered():
    """The kernel's own ARP on the flooded interface."""
    subprocess.run(["ip", "-n", n.VENUE, "neigh", "del", n.GATEWAY_IP, "dev", "vv"], capture_output=True)
    subprocess.run(["ip", "netns", "exec", n.VENUE, sys.executable, "-c",
                    f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('{n.GATEWAY_IP}', 9))"], capture_output=True)
    for _ in range(100):
        if "lladdr" in n.ip("-n", n.VENUE, "neigh", "show", n.GATEWAY_IP, "dev", "vv"):
            return True
        time.sleep(0.05)
    return False


def missing(said):
    """More came while the gateway was away than its buffers hold: not on a host that is too busy to flood."""
    return said["per_s"] * AWAY_S > 2 * 2048


def flooded(work, guard, kind):
    name = f"flood-{'guard' if guard else 'bare'}-{kind}"
    gateway = n.gateway_start(config(work, name, "true" if guard else "false"))
    bridge = d.Impair()
    desk = d.Desk(work.path(name + ".log"), "--messages", "4000000", "--symbols", "50", "--seed", "11", "--interface-b", p.B_VENUE_IP,
                  "--rates", str(LINE_RATE), "--rate-s", str(SECONDS + 2))
    desk.wait("order_login")
    desk.wait("order_login")
    desk.go_on()
    time.sleep(1)
    harm = flood(kind)
    answered = arp_answered() if guard else None
    if not guard: # away for longer than its buffers last
        gateway.send_signal(signal.SIGSTOP)
        time.sleep(AWAY_S)
        gateway.send_signal(signal.SIGCONT)
    said = json.loads(harm.communicate(timeout=60)[0])
    end = desk.finish()
    if not guard and missing(said):
        lines = [next(line for line in gateway.stderr if " events lost" in line)]
        while "; port a has MISSED" not in lines[-1] and len(lines) < 20:
            lines.append(next(line for line in gateway.stderr if " events lost" in line))
        g.check("; port a has MISSED" in lines[-1], f"{name}: {lines[-1].strip()}")
    report = n.gateway_stop(gateway)
    bridge.finish()
    feed, rx = report["feeds"][0], report["rx"][0]
    line = feed["lines"][0]
    packets = end["lines"][0]["packets"]
    port = next(port for port in report["ports"] if port["name"] == "a")
    frames = next(x for x in report["xdp"] if x["interface"] == "vg")["frames"]
    print(f"{name}: {said['per_s']} frames/s of flood ({said['sent']} in all) beside {LINE_RATE} packets/s on each line: A has {line['packets']} of "
          f"{packets} packets, {line['lost']} messages lost on A; {frames['source'] + frames['other'] + frames['flood']} frames dropped in the driver; "
          f"the lcore took {rx['frames']} frames, {port['missed']} missed")
    return said, line, feed, frames, rx, port, answered


def guarded(work, kind):
    said, line, feed, frames, rx, port, answered = flooded(work, True, kind)
    dropped = frames["source"] if kind == "feed" else frames["other"]
    g.check(said["sent"] <= dropped <= said["sent"] + 100, f"guard, {kind}: every one of {said['sent']} frames of the flood was dropped in the driver, and counted")
    # A host whose other work keeps the lcore from running loses on both lines alike; a flood that came through would be A's alone.
    other = feed["lines"][1]
    g.check(line["lost"] == 0 or line["packets"] > 0.9 * other["packets"], f"guard, {kind}: line A has {line['packets']} packets and lacks "
            f"{line['lost']} messages, line B, where no flood is, {other['packets']} and {other['lost']} ({port['missed']} missed)")
    g.check(rx["foreign"] == 0, f"guard, {kind}: none of it came to tickgate", quiet=True)
    g.check(answered, f"guard, {kind}: the kernel's ARP was answered meanwhile")


def bare(work, kind):
    """What happens without: all of it is tickgate's to look at. How much of the feed is lost depends on the host; it is said."""
    said, line, _, frames, rx, port, _ = flooded(work, False, kind)
    g.check(frames["everything"] >= said["sent"], f"no guard, {kind}: the driver gave all of it to tickgate")
    g.check(rx["frames"] + port["missed"] > said["sent"],
            f"no guard, {kind}: the lcore took {rx['frames']} frames, {port['missed']} were missed, {line['lost']} messages lost on A")
    g.check(port["rx_descriptors"] == 2048 and "instead of 64" in port["note"] and (port["missed"] > 0 or not missing(said)) and
            0 <= frames["everything"] - port["rx_frames"] - port["missed"] <= 2048,
            f"no guard, {kind}: of {frames['everything']} frames {port['rx_frames']} came and {port['missed']} are counted as missed")


def main():
    if not os.environ.get("GUARD_OBJECT"):
        print("skipped: this build has no XDP guard")
        sys.exit(g.SKIP)
    p.network_make()
    try:
        g.need_two_cpus()
        work = g.Work()
        for kind in ("rubbish", "feed"):
            guarded(work, kind)
            bare(work, kind)
    finally:
        p.network_remove()


if __name__ == "__main__":
    main()
