"""The command line: help, exit codes, one sentence for what is wrong, a clean stop, nothing left behind."""
import gateway as g
import glob
import json
import os
import signal
import socket
import struct
import subprocess

work = g.Work()


def tickgate(*arguments, **options):
    return subprocess.run([g.TICKGATE, *arguments], capture_output=True, text=True, timeout=60, **options)


for command in ([], ["run"], ["replay"], ["inspect"], ["check"], ["doctor"]):
    done = tickgate(*command, "--help")
    g.check(done.returncode == 0 and done.stdout.startswith("usage: tickgate"), f"{' '.join(command)} --help")

for arguments, sentence in (
        ([], "usage: tickgate"),
        (["fly"], "no command 'fly'"),
        (["replay"], "CONFIG is missing"),
        (["replay", "x.yaml"], "--capture FILE is missing"),
        (["replay", "x.yaml", "--capture", "y", "--speed", "fast"],
         "--speed wants max or a number from 0.000001 to 1000000, not fast; see --help"),
        (["replay", "x.yaml", "--capture", "y", "--speed", ""], "--speed wants max or a number"),
        (["replay", "x.yaml", "--capture", "y", "--burst", "0"], "--burst wants a whole number from 1 to 64, not 0; see --help"),
        (["replay", "x.yaml", "--capture", "y", "--burst", "65"], "--burst wants a whole number from 1 to 64, not 65; see --help"),
        (["replay", "x.yaml", "--capture", "y", "--burst", "1.5"], "--burst wants a whole number from 1 to 64, not 1.5"),
        (["replay", "x.yaml", "--capture", "y", "--buffer-mb", "4096"],
         "--buffer-mb wants a whole number from 2 to 4095, not 4096; see --help"),
        (["run", "x.yaml", "--duration", "0x10"], "--duration wants a number from 0.001 to 1000000000, not 0x10; see --help"),
        (["run", "x.yaml", "--duration", "1e3"], "--duration wants a number from 0.001 to 1000000000, not 1e3"),
        (["run", "x.yaml", "--duration", "-1"], "--duration wants a number from 0.001 to 1000000000, not -1"),
        (["run", "x.yaml", "--foo"], "tickgate run --help says more"),
        (["run", "x.yaml", "--foo"], "tickgate run: unrecognized option '--foo'"),
        (["replay", "x.yaml", "--foo"], "tickgate replay --help says more"),
        (["admin", "--timeout", "0x10", "x.sock", "status"], "--timeout wants a number from 0.001 to 3600, not 0x10; see --help"),
        (["admin", "--timeout", "3601", "x.sock", "status"], "--timeout wants a number from 0.001 to 3600, not 3601"),
        (["admin", "--foo", "x.sock", "status"], "tickgate admin --help says more"),
        (["run", "x.yaml", "y.yaml"], "one CONFIG"),
        (["run", work.path("none.yaml")], "none.yaml"),
        (["check", work.path("none.yaml")], "none.yaml"),
        (["doctor", work.path("none.yaml")], "none.yaml"),
        (["doctor", "x.yaml", "y.yaml"], "one CONFIG"),
):
    done = tickgate(*arguments)
    g.check(done.returncode == 2 and sentence in done.stderr, f"tickgate {' '.join(arguments)[:60]}: exit 2, {sentence!r}")

config = work.config(mode="inline")
done = tickgate("check", config)
g.check(done.returncode == 0, "check accepts the config of these tests")
done = tickgate("replay", config, "--capture", work.path("none.pcap"))
g.check(done.returncode == 1 and "none.pcap" in done.stderr, "a missing capture: exit 1 and its name")

done = tickgate("doctor", config, "--json")
findings = json.loads(done.stdout)["findings"]
todo = [finding for finding in findings if finding["status"] in ("warn", "bad")]
g.check(done.returncode == (1 if todo else 0) and len(findings) >= 27 and all({"id", "status", "why", "fix"} <= set(f) for f in findings),
        f"doctor: {len(findings)} findings, {len(todo)} of them to do, and its exit code says so")
g.check(all(finding["fix"] for finding in todo), "doctor: whatever is to be done has its fix")
os.makedirs(work.path("nothing/proc"))
done = tickgate("doctor", "--root", work.path("nothing"))
g.check(done.returncode == 2 and "holds no proc and sys" in done.stderr, "doctor: a root without sys is refused")
os.mkdir(work.path("nothing/sys"))
done = tickgate("doctor", "--root", work.path("nothing"))
g.check(done.returncode in (0, 1) and "unknown" in done.stdout, "doctor: a host that tells nothing is unknown")

empty = work.path("empty.pcap")
g.pcap_write(empty, [])
report = g.replay(config, [empty], "--speed", "max")
g.check(report["strategies"][0]["events"][0]["hash"] is None and report["strategies"][0]["order_hash"] is None,
        "an empty capture: no hash")

done = tickgate("replay", config, "--capture", empty, "--mode", "two-core")
g.check(done.returncode == 2 and done.stderr.count("\n") == 1 and "use a two-core config" in done.stderr,
        f"--mode two-core of an inline config: one sentence: {done.stderr}", quiet=True)
done = tickgate("replay", config, "--capture", empty, "--journal", work.path("none/journal"))
g.check(done.returncode == 1 and f"--journal {work.path('none/journal')}: cannot be written: No such file" in done.stderr,
        f"a journal without a folder: {done.stderr}", quiet=True)

# A replay of less than its captures, or of none of them: not taken for one of the whole.
captures = work.session("other", 20000, "--group-a", "239.192.7.1", "--group-b", "239.192.7.2")
report = g.replay(config, captures, "--speed", "max", expect=1)
g.check(f"nothing in the captures is of a line of {config}" in report["stderr"] and "tickgate inspect" in report["stderr"],
        "captures of other groups: exit 1, and what to do")
report = g.replay(config, work.session("lost", 20000), "--speed", "max", "--fault", "*:loss=100")
g.check("nothing in the captures" not in report["stderr"], "captures whose packets were all lost on purpose are ours")
process = subprocess.Popen([g.TICKGATE, "replay", config, "--capture", work.session("begun", 100000, both=False)[0], "--speed", "0.01"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while process.poll() is None: # until it has blocked SIGINT, to read it as a signalfd
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        if int(file.read().split("SigBlk:")[1].split()[0], 16) & 1 << signal.SIGINT - 1:
            break
process.send_signal(signal.SIGINT)
out, err = process.communicate(timeout=20)
g.check(process.returncode == 1 and "stopped by a signal before the captures had ended" in err, f"a replay that is interrupted: exit 1: {err}")

done = tickgate("admin", config, "status")
g.check(done.returncode == 2 and f"{config}: is no socket" in done.stderr and "admin.socket" in done.stderr,
        f"admin of a config instead of its socket: {done.stderr}", quiet=True)
if os.geteuid() == 0 and os.path.exists("/dev/net/tun"):
    taken = work.path("taken.yaml")
    with open(config, encoding="ascii") as file, open(taken, "w", encoding="ascii") as copy:
        copy.write(file.read().replace("device: net_ring", "device: 'net_tap,iface=lo'", 1))
    done = tickgate("run", taken, "--duration", "0.01")
    g.check(done.returncode == 1 and "a name that no other interface has" in done.stderr, f"net_tap by a name that is taken: {done.stderr}",
            quiet=True)

with open("/proc/meminfo", encoding="ascii") as file:
    available_mb = int(file.read().split("MemAvailable:")[1].split()[0]) // 1024
if available_mb < 65536:
    greedy = work.path("greedy.yaml")
    with open(config, encoding="ascii") as file, open(greedy, "w", encoding="ascii") as copy:
        copy.write(file.read().replace("memory_mb: 128", "memory_mb: 65536"))
    done = tickgate("run", greedy, "--duration", "0.01")
    g.check(done.returncode == 1 and "gateway.memory_mb: 65536 MiB are wanted and" in done.stderr, f"more memory than there is: {done.stderr}",
            quiet=True)

# /tmp/dpdk is that of whoever came first. Root's here, in a mount namespace: another user has to do without.
nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-u", "XDG_RUNTIME_DIR"]
unshared = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs -o mode=0700 tmpfs /tmp/dpdk; exec "$@"', "sh", *nobody]
missing = os.geteuid() == 0 and not os.path.exists("/tmp/dpdk") and not os.mkdir("/tmp/dpdk")
if os.geteuid() == 0:
    os.chmod(work.directory.name, 0o755)
    if subprocess.run([*unshared, "test", "-x", g.TICKGATE], capture_output=True).returncode == 0:
        done = subprocess.run([*unshared, g.TICKGATE, "replay", config, "--capture", empty], capture_output=True, text=True, timeout=60)
        g.check(done.returncode == 0 and not os.path.exists("/tmp/tickgate-65534"), f"beside another user's /tmp/dpdk, nothing stays: {done.stderr}",
                quiet=True)
    if missing:
        os.rmdir("/tmp/dpdk")

kept = work.path("kept")
for life in (1, 2):
    with open(kept, "a", encoding="ascii") as file:
        file.write(f"{life}\n")
    g.check(tickgate("run", config, "--duration", "0.01", "--journal", kept).returncode == 0, f"life {life} of a journal", quiet=True)
with open(kept, encoding="ascii") as file:
    g.check(file.read() == "1\n2\n", "run adds to the journal of the life before")

with open("/dev/full", "w", encoding="ascii") as full:
    for arguments in (["--help"], ["--version"], ["check", config], ["check", "--json", config], ["doctor"], ["inspect", empty],
                      ["replay", config, "--capture", empty], ["replay", config, "--capture", empty, "--json"]):
        done = subprocess.run([g.TICKGATE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        g.check(done.returncode == 1 and done.stderr.count("the output could not be written completely") == 1,
                f"{' '.join(arguments)[:40]} to a full disk: exit 1, and said once", quiet=True)

doubted = work.path("doubted.yaml")
with open(config, encoding="ascii") as file, open(doubted, "w", encoding="ascii") as copy:
    copy.write(file.read() + "faults: {lines: [{line: A, loss: 1}]}\n")
said = tickgate("run", doubted, "--duration", "0.01").stderr
g.check(f"{doubted}:" in said and said.count("warning: ") == 1, f"a warning is called one once: {said.strip()}", quiet=True)

made = False
for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    process = subprocess.Popen([g.TICKGATE, "run", config, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    while line and "armed" not in line:
        line = process.stderr.readline()
    own = [f"{run}/tickgate-*-{process.pid}" for run in ("/var/run/dpdk", "/tmp/dpdk")] # others may be running
    made = made or any(map(glob.glob, own))
    process.send_signal(stop)
    out, err = process.communicate(timeout=20)
    g.check(process.returncode == 0 and '"mode":"inline"' in out, f"run stops cleanly on {stop.name} and prints its report: {err}")
    g.check(not any(map(glob.glob, own)), "no run directory is left behind")
g.check(made or os.geteuid() != 0, "there was one, while it ran", quiet=True)

# a snapshot server that refuses the login: the report says so in words
lone = work.path("refused.yaml")
with open(lone, "w", encoding="ascii") as file, socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen()
    server.settimeout(20)
    file.write(f"""gateway: {{name: refused, mode: inline, memory: no-huge, memory_mb: 64}}
lcores: [{{name: rx0, role: rx, cpu: {min(os.sched_getaffinity(0))}}}]
ports: [{{name: md, device: 'socket,iface=lo,wait=block'}}]
feeds:
  - name: itch
    join: snapshot
    instruments_max: 64
    orders_max: 4096
    levels_max: 1024
    snapshot: {{servers: [{{address: 127.0.0.1, tcp_port: {server.getsockname()[1]}}}], username: u, password: p}}
    lines: [{{name: A, port: md, group: 239.192.9.1, udp_port: 26479}}]
""")
    file.flush()
    process = subprocess.Popen([g.TICKGATE, "run", lone], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "armed" not in process.stderr.readline() and process.poll() is None:
        pass
    feed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    feed.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    feed.sendto(b"SESSION001" + struct.pack(">QH", 1000, 0), ("239.192.9.1", 26479)) # a heartbeat: much came before
    client, _ = server.accept()
    client.recv(100)
    client.sendall(b"\0\2JA")
    client.recv(100) # its end
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    g.check("servers: logins refused (look at username and password) 1" in out, f"a refused login is told {err}")
