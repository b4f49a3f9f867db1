"""The real Nasdaq open of 2023-08-22 makes the gateway trade; its order frames are valid to an independent decoder. Needs the
captures, and tshark for the decoder's part."""
import gateway as g
import os
import shutil
import struct
import subprocess
import sys

capture = os.path.join(g.SHARED, "data/pcap/nasdaq_totalview_itch50_moldudp64_vlan141_20230822-open-100pkts_dhsilv.pcap")
if not os.path.exists(capture):
    print("skipped: the real captures are not here")
    sys.exit(g.SKIP)

work = g.Work()
LINE = "      - {name: A, port: feed, group: 233.54.12.111, udp_port: 26477}\n"
config = work.config(mode="inline", date="2023-08-22", join="anywhere", lines=LINE, every=3)
orders, journal = work.path("orders.pcap"), work.path("journal")
report = g.replay(config, [capture], "--speed", "max", "--orders", orders, "--journal", journal)
feed = report["feeds"][0]
g.check(feed["total"] == 269, "269 messages")
g.check(feed["messages"] == {"A": 125, "D": 30, "E": 3, "F": 6, "I": 5, "S": 1, "U": 99}, "A125 U99 D30 F6 I5 E3 S1")
g.check(feed["holes"] == 0, "no hole")
sent = report["strategies"][0]["orders"]
g.check(sent > 0, f"{sent} orders")

frames = g.pcap_read(orders)
g.check(len(frames) == sent, "every order is in the file")
lines = open(journal).read().splitlines()
g.check(len(lines) == sent and all("cause=itch/A:147" in line for line in lines), "every order knows its cause")


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


refs = []
for _, frame in frames:
    ip, udp = frame[14:34], frame[34:]
    length = struct.unpack(">H", udp[4:6])[0]
    message = udp[8:length]
    assert frame[:12] == bytes.fromhex("020000000002020000000001") and frame[12:14] == b"\x08\x00"
    assert checksum(ip) == 0xFFFF, "IPv4 header checksum"
    assert checksum(ip[12:20] + bytes([0, 17]) + udp[4:6] + udp[:length]) == 0xFFFF, "UDP checksum"
    assert len(message) == 47 and message[0:1] == b"O", "Enter Order, 47 bytes"
    assert message[5:6] in b"BS" and message[45:47] == b"\0\0"
    assert message[26:27] == b"3" and message[27:31] == b"YPNN", "IOC, displayed, principal, no ISO, continuous"
    refs.append(struct.unpack(">I", message[1:5])[0])
    assert struct.unpack(">I", message[6:10])[0] == 100
    assert message[10:18].rstrip(b" ").isalpha() and struct.unpack(">Q", message[18:26])[0] > 0
g.check(refs == list(range(1, sent + 1)), "UserRefNum counts from 1; bytes are as the tables say, checksums right")

if not shutil.which("tshark"):
    print("skipped: tshark is not installed")
    sys.exit(g.SKIP)
fields = ["eth.dst", "ip.checksum.status", "udp.checksum.status", "udp.dstport", "udp.length", "_ws.malformed"]
command = ["tshark", "-n", "-r", orders, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"]
for field in fields:
    command += ["-e", field]
out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
g.check(out == ["02:00:00:00:00:02\t1\t1\t26000\t55\t"] * sent, "tshark: valid Ethernet, IPv4 and UDP, checksums good")
