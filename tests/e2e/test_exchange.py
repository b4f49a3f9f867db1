"""exchange, the venue side, over loopback: EXCHANGE and FEEDGEN say where they are. What it publishes is what feedgen says, what
is to be lost is lost and nothing else, requests and snapshots are answered from what was said. Standard library only."""
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

EXCHANGE, FEEDGEN = os.environ["EXCHANGE"], os.environ["FEEDGEN"]
MESSAGES = 6000
SESSION = ["--messages", str(MESSAGES), "--symbols", "20", "--seed", "5"]
FAST = ["--speed", "20"]
GROUPS = [f"239.193.{os.getpid() >> 8 & 255}.{os.getpid() & 254 | line}" for line in (0, 1)]
END = 0xffff
SO_RCVBUFFORCE = 33
SKIP = 77
failures = 0

if os.geteuid() != 0:
    print("skipped: large socket buffers need root")
    sys.exit(SKIP)


def check(condition, text):
    global failures
    failures += not condition
    print("ok:" if condition else "FAILED:", text, flush=True)


class Line(threading.Thread):
    """What comes on one line: messages by sequence, counts of heartbeats and ends."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.messages, self.heartbeats, self.ends, self.twice, self.strangers = {}, 0, 0, 0, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20) # the kernel must not lose what the venue does not
        self.socket.bind((group, 0))
        self.port = self.socket.getsockname()[1]
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1"))
        self.start()

    def run(self):
        while True:
            payload = self.socket.recv(2048)
            if payload == b"enough":
                return
            session, seq, messages = parse(payload)
            self.strangers += session != b"TGDEMO0001"
            self.heartbeats += messages == []
            self.ends += messages is None
            for message in messages or []:
                self.twice += seq in self.messages
                self.messages[seq] = message
                seq += 1

    def finish(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            other.sendto(b"enough", self.socket.getsockname())
        self.join()
        self.socket.close()


def parse(payload):
    """Session, sequence, messages; None for the end of the session."""
    session, seq, count = struct.unpack(">10sQH", payload[:20])
    messages, at = [], 20
    for _ in range(count if count != END else 0):
        length, = struct.unpack(">H", payload[at:at + 2])
        messages.append(payload[at + 2:at + 2 + length])
        at += 2 + length
    if at != len(payload):
        check(False, "a packet is its blocks and nothing else")
    return session, seq, messages if count != END else None


class Venue:
    def __init__(self, *options, expect=0):
        self.expect = expect
        self.lines = [Line(group) for group in GROUPS]
        groups = [f"{group}:{line.port}" for group, line in zip(GROUPS, self.lines)]
        self.process = subprocess.Popen([EXCHANGE, "--group-a", groups[0], "--group-b", groups[1], *options], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = []
        self.ready = self.wait("ready")

    def wait(self, event):
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if self.said[-1]["event"] == event:
                return self.said[-1]
        check(False, f"the exchange ended before it said '{event}'")
        sys.exit(1)

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        end = self.wait("end")
        self.process.communicate(timeout=60)
        check(self.process.returncode == self.expect, f"exit code {self.process.returncode}")
        for line in self.lines:
            line.finish()
        return end

    def request(self, server, seq, count, session=b"TGDEMO0001", timeout=30):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(timeout)
            asker.sendto(session + struct.pack(">QH", seq, count), ("127.0.0.1", self.ready["request_ports"][server]))
            return parse(asker.recv(2048))

    def spin(self, password="secret", sequence=1):
        """All packets of one connection, as (type, payload)."""
        with socket.create_connection(("127.0.0.1", self.ready["glimpse_port"]), timeout=30) as client:
            login = b"L" + b"user  " + password.encode().ljust(10) + b" " * 10 + str(sequence).encode().rjust(20)
            for byte in struct.pack(">H", len(login)) + login:
                client.sendall(bytes([byte]))
            stream = b"".join(iter(lambda: client.recv(65536), b""))
        packets, at = [], 0
        while at < len(stream):
            length, = struct.unpack(">H", stream[at:at + 2])
            packets.append((stream[at + 2:at + 3], stream[at + 3:at + 2 + length]))
            at += 2 + length
        return packets


def binaryfile_read(path):
    with open(path, "rb") as file:
        data = file.read()
    messages, at = [], 0
    while at < len(data):
        length, = struct.unpack(">H", data[at:at + 2])
        messages.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return dict(enumerate(messages[:-1], 1)) # without the end mark


with tempfile.TemporaryDirectory() as folder:
    itch = os.path.join(folder, "session.itch")
    subprocess.run([FEEDGEN, "--itch", itch, *SESSION], check=True, capture_output=True)
    whole = binaryfile_read(itch)
    check(len(whole) == MESSAGES, f"{len(whole)} messages")

    venue = Venue(*SESSION, *FAST, "--wait-start", "--pause-at", "3000", "--pause-at", str(MESSAGES + 1), "--end-s", "1",
                  "--skew-us", "300")
    venue.go_on()
    check(venue.wait("paused")["seq"] == 3000, "paused where it should")
    venue.go_on()
    check(venue.wait("paused")["seq"] == MESSAGES + 1, "paused before the end of the session")
    venue.go_on()
    end = venue.finish()
    for line in venue.lines:
        check(line.messages == whole and line.twice == line.strangers == 0, "a line has every message once, as feedgen says it")
        check(line.heartbeats >= 1 and line.ends >= 2, f"{line.heartbeats} heartbeats, {line.ends} ends of session")
    check(end["whole"] and end["messages"] == MESSAGES and all(line["lost_messages"] == 0 for line in end["lines"]), "counts")

    venue = Venue("--itch", itch, *FAST, "--end-s", "0", "--drop-a", "100-100", "--drop-a", "2000-2999", "--drop-b", "5000-5100",
                  "--drop-both", "700-710")
    end = venue.finish()
    both = set(range(700, 711))
    for line, counts, lost in zip(venue.lines, end["lines"], ({100, *range(2000, 3000)} | both, set(range(5000, 5101)) | both)):
        check(set(whole) - set(line.messages) == lost, "exactly what is to be dropped is")
        check(all(line.messages[seq] == whole[seq] for seq in line.messages), "and the others are those of the file")
        check(counts["lost_messages"] == len(lost), "counted")

    with open(itch, "rb") as file, open(itch + ".cut", "wb") as cut:
        cut.write(file.read()[:-10])
    venue = Venue("--itch", itch + ".cut", *FAST, "--end-s", "0", expect=1)
    check(venue.finish()["messages"] == MESSAGES - 1, "a file that is cut is published to where it is whole")

    losses = [Venue(*SESSION, *FAST, "--end-s", "0", "--loss-a", "10", "--loss-b", "10", "--loss-both", "2") for _ in range(2)]
    ends = [venue.finish() for venue in losses]
    missing = [[set(whole) - set(line.messages) for line in venue.lines] for venue in losses]
    check(missing[0] == missing[1] and missing[0][0] != missing[0][1], "losses are seeded, and each line's own")
    check(all(50 < len(line) < MESSAGES / 2 for line in missing[0]), "and as many as asked for")
    check(missing[0][0] & missing[0][1] != set(), "some of them common")
    check([line["lost_messages"] for line in ends[0]["lines"]] == [len(line) for line in missing[0]], "and counted")

    venue = Venue(*SESSION, *FAST, "--pause-at", "4000", "--end-s", "0", "--request", "127.0.0.1:0", "--request", "127.0.0.1:0:100",
                  "--glimpse-port", "0", "--username", "user", "--password", "secret", "--spin-break-after", "7",
                  "--spin-wrong-end", "-3")
    venue.wait("paused")
    _, seq, messages = venue.request(0, 17, 5)
    check(seq == 17 and messages == [whole[seq] for seq in range(17, 22)], "a request is answered")
    _, seq, messages = venue.request(0, 3990, 60000)
    check(seq == 3990 and messages == [whole[seq] for seq in range(3990, 4000)], "with what was said, and nothing later")
    for server, seq, count, session in ((0, 4000, 1, b"TGDEMO0001"), (0, 1, 1, b"OTHER00001"), (0, 1, 0, b"TGDEMO0001"),
                                        (1, 1, 1, b"TGDEMO0001")):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.sendto(session + struct.pack(">QH", seq, count), ("127.0.0.1", venue.ready["request_ports"][server]))
            said = venue.wait("request")
            while (said["server"], said["seq"], said["count"]) != (server, seq, count):
                said = venue.wait("request")
            check(not said["answered"], f"silence about {count} from {seq} of {session.decode()}, server {server}")
            asker.setblocking(False)
            try:
                check(asker.recv(2048) == b"", "an answer came")
            except BlockingIOError:
                pass
    broken = venue.spin()
    check(broken[0][0] == b"A" and [kind for kind, _ in broken[1:]] == [b"S"] * 7, "the first snapshot breaks off after 7 messages")
    wrong, right, tail = venue.spin(), venue.spin(), venue.spin(sequence=200)
    check(wrong[-2][1][:1] == b"G" and int(wrong[-2][1][1:]) == 3997, "the next has a wrong end")
    check(right[-2][1][:1] == b"G" and int(right[-2][1][1:]) == 4000 and right[-1] == (b"Z", b""), "the others have the right one")
    check(wrong[1:-2] == right[1:-2] and len(right) > 300, f"all else is the same, {len(right)} packets")
    check(int(tail[0][1][10:]) == 200 and tail[1:] == right[200:], "a later sequence gets the rest")
    check(venue.spin(password="guess") == [(b"J", b"A")], "somebody else is not let in")
    names = {message[11:19] for seq, message in whole.items() if message[:1] == b"R"}
    check({payload[11:19] for kind, payload in right if kind == b"S" and payload[:1] == b"R"} == names, "each stock is in it")
    said = {payload for kind, payload in right if kind == b"S" and payload[:1] in b"RHYS"}
    check(said <= set(whole.values()), "in the feed's own words")
    venue.go_on()
    end = venue.finish()
    spins = [said["seq"] for said in venue.said if said["event"] == "spin"]
    check(spins == [4000] * 4 and end["spins"] == 4 and end["spins_whole"] == 3, "spins said and counted")
    check([server["requests"] for server in end["servers"]] == [5, 1] and end["servers"][1]["lost"] == 1, "requests counted")

    venue = Venue(*SESSION, "--wait-start")
    venue.process.terminate()
    check(not venue.finish()["whole"], "a signal ends it")

    for options in (["--messages", "3"], ["--loss-a", "101"], ["--drop-a", "7"], ["--drop-a", "7-6"], ["--request", "127.0.0.1"],
                    ["--speed", "0"], ["--pause-at", "9", "--pause-at", "9"], ["--username", "toolong"], ["more"],
                    ["--group-a", "10.0.0.1:26477"], ["--order-log", "orders.log"]):
        done = subprocess.run([EXCHANGE, *options], capture_output=True, text=True)
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == "", f"refused: {done.stderr.strip()}")
    done = subprocess.run([EXCHANGE, "--interface-a", "192.0.2.77"], capture_output=True, text=True)
    check(done.returncode == 1 and "--interface-a 192.0.2.77: is no address of this host" in done.stderr, f"no such address: {done.stderr.strip()}")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for option in ("--orders", "--glimpse"):
            done = subprocess.run([EXCHANGE, option, taken], capture_output=True, text=True)
            check(done.returncode == 1 and f"{option} {taken}: another program has it" in done.stderr, f"a port in use: {done.stderr.strip()}")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([EXCHANGE, *SESSION, "--speed", "1000000", "--end-s", "0"], stdout=full, stderr=subprocess.PIPE, text=True)
    check(done.returncode == 1 and "events could not be written" in done.stderr, f"stdout on a full disk: {done.stderr.strip()}")
    done = subprocess.run([EXCHANGE, "--help"], capture_output=True, text=True)
    check(done.returncode == 0 and done.stdout.startswith("usage: exchange"), "help")

sys.exit(failures != 0)
