"""The impairing bridge between two veth pairs: what it harms is what it counts, what it must not harm arrives byte for byte, both
ways, and the same seed loses the same packets. Needs root and iproute2; removes what it makes."""
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import namespaces

IMPAIR = os.environ["IMPAIR"]
namespaces.need()

TAG = f"tg{os.getpid()}"
LEFT, BRIDGE, RIGHT = TAG + "l", TAG + "b", TAG + "r"
GROUP_A, GROUP_B, UNICAST = "239.192.1.1", "239.192.2.1", "10.9.9.9"
COUNT = 2000
BATCH = 50 # frames on their way at one time: socket buffers are bounded


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)
    print("ok:", text)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def network_make():
    for namespace in (LEFT, BRIDGE, RIGHT):
        ip("netns", "add", namespace)
        subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=False)
    for namespace, near, far in ((LEFT, "vl", "inner0"), (RIGHT, "vr", "inner1")):
        ip("-n", namespace, "link", "add", near, "type", "veth", "peer", "name", far, "netns", BRIDGE)
        ip("-n", namespace, "link", "set", near, "up")
        ip("-n", BRIDGE, "link", "set", far, "up")


def network_remove():
    for namespace in (LEFT, BRIDGE, RIGHT):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def raw_socket(namespace, device):
    """All that comes in; this thread enters the namespace for a moment."""
    libc, here = ctypes.CDLL(None, use_errno=True), os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    assert libc.setns(there, 0x40000000) == 0 # CLONE_NEWNET
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind((device, 3))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    raw.setsockopt(263, 8, 1) # SOL_PACKET, PACKET_AUXDATA
    assert libc.setns(here, 0x40000000) == 0
    os.close(here)
    os.close(there)
    return raw


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def datagram(number, destination=GROUP_A, port=26477, tag=b"", size=60):
    payload = struct.pack(">Q", number) + bytes((number + i) % 256 for i in range(size))
    addresses = socket.inet_aton("10.9.9.1") + socket.inet_aton(destination)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0x4000, 16, 17, 0) + addresses
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    udp = struct.pack(">HHHH", 26400, port, 8 + len(payload), 0)
    udp = udp[:6] + struct.pack(">H", checksum(addresses + struct.pack(">BBH", 0, 17, 8 + len(payload)) + udp + payload) or 0xFFFF)
    return b"\x01\x00\x5e\x40\x01\x01" + b"\x02\x00\x00\x00\x00\x01" + tag + b"\x08\x00" + header + udp + payload


def other(number):
    """A frame of a type that nobody harms."""
    return b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + b"\x88\xb5" + struct.pack(">Q", number) + bytes(40)


def receive(raw):
    """The next frame that comes in, its VLAN tag where it was."""
    while True:
        if not select.select([raw], [], [], 20)[0]:
            check(False, "a frame that is due arrives")
        data, ancillary, _, address = raw.recvmsg(65536, 256)
        if address[2] == 4: # PACKET_OUTGOING: our own
            continue
        for _, _, value in ancillary:
            status, _, _, _, _, tci, tpid = struct.unpack("<IIIHHHH", value[:20])
            if status & 0x10:
                data = data[:12] + struct.pack(">HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
        return data


class Bridge:
    def __init__(self, *options):
        self.process = subprocess.Popen(["ip", "netns", "exec", BRIDGE, IMPAIR, "--in", "inner0", "--out", "inner1", *options],
                                        stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline() == "ready\n", f"ready: {' '.join(options)}")

    def stop(self):
        """Its counts."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=30)
        check(self.process.returncode == 0, "stops on SIGTERM")
        said = json.loads(out)
        check(said["in"]["dropped_by_kernel"] == said["out"]["dropped_by_kernel"] == 0, "and no frame was lost on its own sockets")
        return said


def through(sender, receiver, frames):
    """What comes out for `frames`; after each batch one frame that is never harmed shows that the batch is through."""
    arrived = []
    for at in range(0, len(frames), BATCH):
        for frame in frames[at:at + BATCH]:
            sender.send(frame)
        sender.send(other(at))
        while True:
            frame = receive(receiver)
            if frame == other(at):
                break
            arrived.append(frame)
    return arrived


def run():
    left, right = raw_socket(LEFT, "vl"), raw_socket(RIGHT, "vr")
    frames = [datagram(i, (GROUP_A, GROUP_B, UNICAST)[i % 3], size=10 + i % 1300) for i in range(COUNT)]
    tagged = [datagram(i, tag=struct.pack(">HH", 0x8100, 141)) for i in range(20)]

    bridge = Bridge()
    check(through(left, right, frames) == frames, "without faults every frame arrives as it was sent, once, in order")
    check(through(right, left, frames) == frames, "and so on the way back")
    check(through(left, right, tagged) == tagged, "VLAN tags stay")
    said = bridge.stop()
    check(said["in"]["sent"] == said["out"]["received"] == COUNT + COUNT // BATCH, f"counted: {said}")

    def lost_with(*options):
        bridge = Bridge("--fault", "loss=10", *options)
        arrived = through(left, right, frames)
        back = through(right, left, frames)
        said = bridge.stop()
        check(back == frames, "nothing is harmed on the way back")
        check(arrived == [frame for frame in frames if frame in set(arrived)], "what arrives is unharmed and in order")
        lost = [i for i, frame in enumerate(frames) if frame not in set(arrived)]
        check(len(lost) == sum(line["lost"] for line in said["lines"]), f"{len(lost)} lost, as counted")
        return lost, said

    lost, said = lost_with("--seed", "3")
    check(COUNT // 20 < len(lost) < COUNT // 5 and said["lines"][0]["packets"] == COUNT, "about a tenth of all UDP packets")
    check(lost_with("--seed", "3")[0] == lost, "the same seed loses the same packets")
    check(lost_with("--seed", "4")[0] != lost, "another seed loses others")
    lost, said = lost_with("--only-multicast")
    check(lost and all(i % 3 < 2 for i in lost), "--only-multicast: unicast is not touched")
    lost, said = lost_with("--group", f"{GROUP_B}:26477", "--group", f"{GROUP_A}:9")
    check(lost and all(i % 3 == 1 for i in lost), "--group: only its packets are touched")
    check([line["group"] for line in said["lines"]] == [f"{GROUP_B}:26477", f"{GROUP_A}:9"] and said["lines"][1]["packets"] == 0,
          "and each group is counted by itself")

    bridge = Bridge("--fault", "reorder=10,duplicate=10,corrupt=10,truncate=10,jitter_us=10")
    arrived = through(left, right, frames)
    said = bridge.stop()["lines"][0]
    arrived += [receive(right) for _ in range(COUNT + said["duplicated"] - len(arrived))]
    check(len(set(arrived)) < len(arrived) and len(set(arrived) - set(frames)) > COUNT // 10, "packets come twice and harmed, none is lost")
    check(all(said[key] > COUNT // 50 for key in ("reordered", "duplicated", "corrupted", "truncated")), f"all faults: {said}")

    # What waits at the end is let go.
    bridge = Bridge("--fault", "reorder=100")
    check(through(left, right, frames[:4]) == [], "packets that wait to be overtaken do not come by themselves")
    bridge.stop()
    check([receive(right) for _ in range(4)] == frames[:4], "but when the bridge ends")

    both = ["--in", "inner0", "--out", "inner1"]
    for options, code in ((both[:2], 2), ([*both[:3], "inner0"], 2), ([*both, "--fault", "x=1"], 2), ([*both, "--group", "1.2.3.4"], 2),
                          ([*both, "--seed", "x"], 2), ([*both[:3], "nowhere"], 1)):
        done = subprocess.run(["ip", "netns", "exec", BRIDGE, IMPAIR, *options], capture_output=True, text=True, timeout=20)
        check(done.returncode == code and done.stderr.startswith("impair: ") and done.stdout == "", f"{options}: {done.stderr.strip()}")
    done = subprocess.run(["ip", "netns", "exec", BRIDGE, "setpriv", "--bounding-set=-net_raw", IMPAIR, *both], capture_output=True, text=True,
                          timeout=20)
    check(done.returncode == 1 and "takes root or cap_net_raw" in done.stderr, f"without rights: {done.stderr.strip()}")


try:
    network_make()
    run()
finally:
    network_remove()
