"""tools/bench on what programs might have said: names, ratios, targets, tables, pictures; and on three programs as they are."""
import argparse
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

SOURCE, BUILD = sys.argv[1:3]
PROGRAMS = {
    "decode": {"decode_ns": [4, 5, 6], "limit_walk_ns": [2, 2, 4], "limit_stream_ns": [1, 1, 1]},
    "book": {"book_burst_ns": [50, 40, 60], "book_single_ns": [100, 90, 80], "limit_line_ahead_ns": [10, 10, 10],
             "limit_miss_ns": [100, 100, 100]},
    "ring": {"hop_ns, p50": [62, 63, 64], "hop_ns, p99": [80, 80, 80], "hop_limit_ns, p50": [60, 60, 60], "hop_limit_ns, p99": [70, 70, 70],
             "hop_throughput_ns": [11, 12, 10], "hop_throughput_limit_ns": [10, 10, 10]},
    "gate": {"gate_ns": [20, 20, 20], "gate_check_ns, hours": [22, 21, 22], "gate_check_ns, everything": [40, 60, 50]},
    "send": {"send_udp_ns": [20, 20, 20], "send_delegated_ns": [22, 24, 23], "send_lwip_ns": [400, 400, 400], "send_kernel_ns": [2000] * 3},
    "t2t": {"t2t_inline_ns, p50": [110, 100, 120], "t2t_inline_ns, p99": [200] * 3, "t2t_inline_ns, p99.9": [300] * 3,
            "t2t_inline_ns, max": [900] * 3, "t2t_inline_parts_ns": [100] * 3, "t2t_two_core_ns, p50": [200] * 3,
            "t2t_two_core_parts_ns": [160] * 3, "dpdk_loop_ns, p50": [20] * 3, "t2t_inline_tail_ns": [250, 300, 200],
            "t2t_inline_at_10000_ns, p50": [100] * 3, "t2t_inline_at_10000_ns, p99.9": [500] * 3, "t2t_inline_at_10000_ns, lost": [0] * 3,
            "t2t_inline_at_80000_ns, p50": [120] * 3, "t2t_inline_at_80000_ns, p99.9": [900] * 3, "t2t_inline_at_80000_ns, lost": [2] * 3},
    "line_rate": {"line_heartbeat_ns": [50] * 3, "limit_rx_ns": [10] * 3, "message_ns": [40] * 3,
                  "message_traded_ns": [16, 20, 24], "message_active_ns": [30] * 3},
}
HOST_SPEED = {"decode": [2.0, 2.1, 2.2], "ring": [2.0, 2.0, 3.0], "gate": [3.0, 3.2, 4.0]} # the others are of before there was a probe
ROUND_PROBES = {"decode": [9.0, 2.1, 2.4, 2.0, 2.2], "ring": [2.0, 2.0, 2.0, 3.0, 2.0]} # of the warming round, of three, and at the end
PATHS = [{"path": "socket", "orders": 900, "min_ns": 9000, "p50_ns": 30000, "p99_ns": 60000, "max_ns": 90000},
         {"path": "memif", "orders": 300, "min_ns": 2000, "p50_ns": 5000, "p99_ns": 20000, "max_ns": 50000},
         {"path": "af_xdp", "orders": 0, "min_ns": None, "p50_ns": None, "p99_ns": None, "max_ns": None}]
WANTED = ("decode_ns book_burst_ns book_single_ns hop_p50_ns hop_limit_p50_ns hop_p99_ns hop_limit_p99_ns hop_throughput_ns "
          "hop_throughput_limit_ns t2t_inline_ns t2t_inline_parts_ns t2t_two_core_ns t2t_two_core_parts_ns dpdk_loop_ns send_udp_ns "
          "send_delegated_ns send_lwip_ns send_kernel_ns socket_path_p50_ns socket_path_p99_ns dpdk_path_p50_ns dpdk_path_p99_ns "
          "messages_per_s messages_traded_per_s ratios targets host command commit disturbances host_speed").split()
RATIOS = {"decode": 2, "book_burst": 5, "book_single": 0.9, "hop_p50": 1.05, "hop_throughput": 1.1, "send_delegated": 1.15, "t2t_inline": 1.1,
          "t2t_two_core": 1.25, "tail": 2.273, "gate_everything": 2.5, "traded": 0.5, "path_p50": 6, "path_p99": 3}
MET = {"decode, a message": "as a ratio", "books, in bursts, a message": "no", "hop between two cores, p50": "yes",
       "tick to trade, inline, p50": "yes", "tick to trade, two cores, p50": "no", "heartbeats, one lcore": "yes",
       "messages with books and events": "yes", "the same, books of 100 symbols of 8,000": "yes",
       "kernel socket ÷ our DPDK path, p50": "yes", "kernel socket ÷ our DPDK path, p99": "no"}


def check(good, what):
    if not good:
        sys.exit(f"FAIL {what}")


def say(directory, factor=1.0):
    """What the programs said in one run; `factor`: by how much the ring was slower, and the host under it."""
    os.makedirs(directory)
    for name, rows in PROGRAMS.items():
        said = {"benchmark": name, "rounds": 3, "cpu": "a CPU", "tsc_hz": 2000000000, "rows": [], "watch": {"disturbances": []}}
        for row, rounds in rows.items():
            rounds = [one * (factor if row == "hop_ns, p50" else 1) for one in rounds]
            median = sorted(rounds)[1]
            said["rows"].append({"name": row, "median_ns": median, "min_ns": min(rounds), "max_ns": max(rounds), "ratio": 1,
                                 "per_s": 1e9 / median if median else 0, "rounds_ns": rounds})
        with open(os.path.join(directory, name + ".json"), "w") as file:
            json.dump({**said, **({"host_speed": ROUND_PROBES[name]} if name in ROUND_PROBES else {})}, file)
    with open(os.path.join(directory, "paths.json"), "w") as file:
        json.dump({"rows": PATHS}, file)
    probes = {name: [one * (factor if name == "ring" else 1) for one in speed] for name, speed in HOST_SPEED.items()}
    with open(os.path.join(directory, "host.json"), "w") as file:
        json.dump({"cpu": "a CPU", "commit": "c0ffee", "command": "tools/bench", "probes": probes, "waited": {"gate": 30.2}}, file)


def bench(*arguments):
    done = subprocess.run([sys.executable, os.path.join(SOURCE, "tools/bench.py"), *arguments], capture_output=True, text=True)
    check(done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def test_figures(kept):
    said = json.loads(bench("--from", kept, "--json"))
    check(not [name for name in WANTED if name not in said], f"missing: {[name for name in WANTED if name not in said]}")
    check(said["t2t_inline_ns"] == {"p50": 110, "p99": 200, "p999": 300, "max": 900}, said["t2t_inline_ns"])
    check(said["dpdk_loop_ns"] == 20 and said["dpdk_loop_quantiles_ns"] == {"p50": 20}, "the bare loop")
    check(said["hop_p50_ns"] == 63 and said["messages_per_s"] == 25e6, "figures")
    for name, ratio in RATIOS.items():
        check(abs(said["ratios"][name] - ratio) < 0.001, f"ratio {name}: {said['ratios'].get(name)} instead of {ratio}")
    check(said["ratios"]["gate_check"]["hours"] == 1.1, "a check beside the gate")
    met = {target["what"]: target["met"] for target in said["targets"]}
    for what, wanted in MET.items():
        check(met[what] == wanted, f"{what}: {met[what]} instead of {wanted}")
    check("spread" not in said, "one run has no spread")


def test_host_speed(kept):
    """In which spell of the host each program ran; where nothing is known nothing is said. No target looks at it."""
    said = json.loads(bench("--from", kept, "--json"))
    check(said["host_speed"]["probe_ns"] == 2 and set(said["host_speed"]["programs"]) == set(HOST_SPEED), said["host_speed"])
    check(said["host_speed"]["programs"]["gate"] == {"fastest": 1.5, "median": 1.6, "slowest": 2, "waited_s": 30.2}, "a slow spell")
    check("\nhost: probe 1.00 … 2.00 of its fastest in this run, median by program: decode 1.05, ring 1.00, gate 1.60 (waited 30 s)\n"
          in bench("--from", kept), "one line of the tables")


def test_spread(kept):
    said = json.loads(bench("--from", kept, "--json"))
    spread = said["spread"]
    check(spread["hop_p50"] == {"values": [1.05, 1.26], "spread": 0.2, "host_apart": True, "fast": None}, spread["hop_p50"])
    check(spread["decode"] == {"values": [2, 2], "spread": 0, "host_apart": False, "fast": None}, "what did not change")
    check(spread["send_delegated"]["host_apart"] is False, "of a program without a probe")
    check(said["host_speed"]["programs"]["ring"]["median"] == 1.2, "as a multiple of the fastest of all runs")
    shown = bench("--from", kept)
    lines = [line.split() for line in shown.splitlines()]
    check(["hop_p50", "1.05", "1.26", "20", "%", "apart,", "the", "host", "too", "–", "–"] in lines, "table of runs")
    check(f"1 of {len(spread)} ratios are more than 15 % apart, 1 of them of programs whose runs had the host at different speeds" in shown, "summary")


def test_fast(kept):
    """Rounds between two fast probes, of all runs; too few of them say nothing."""
    said = json.loads(bench("--from", kept, "--json"))
    check(said["fast"] == {"decode_ns": {"rounds": 6, "median_ns": 5, "limit_ns": 2, "ratio": 2}}, said["fast"])
    check(["decode,", "a", "message", "6", "5.0", "ns", "2.0", "ns", "2.00", "as", "a", "ratio"]
          in [line.split() for line in bench("--from", kept).splitlines()], "table of fast rounds")
    sys.path.insert(0, os.path.join(SOURCE, "tools"))
    sys.dont_write_bytecode = True
    import bench_table
    runs = [{"rows": {"arb_ns": {"program": "arb", "rounds_ns": [4 * slower] * 5 + [90]},
                      "limit_schedule_ns": {"program": "arb", "rounds_ns": [2] * 6}},
             "host_speed": {"probe_ns": 2}, "round_probes": {"arb": [2] * 7 + [4]}} for slower in (1, 1.5)]
    check(bench_table.fast_spread(runs, "arbitration") == {"values": [2, 3], "spread": 0.5}, "runs compared by their fast rounds")
    check(bench_table.fast_spread(runs[:1], "arbitration") is None, "one run is apart from nobody")


def test_docs(kept, directory):
    os.makedirs(directory)
    path = os.path.join(directory, "PERFORMANCE.md")
    with open(path, "w") as file:
        file.write("before\n<!-- bench: targets -->\nold\n<!-- /bench -->\nbetween\n<!-- bench: stamps -->\nkept\n<!-- /bench -->\nafter\n")
    bench("--from", kept, "--docs", directory)
    with open(path) as file:
        text = file.read()
    check("old" not in text and "| decode, a message | 5.0 ns | 2.0 ns | 2.00 |" in text, "table of targets in docs")
    check("kept" in text and text.startswith("before\n") and "\nbetween\n" in text and text.endswith("after\n"), "what is not ours stays")
    for name in ("bench_rates.svg", "bench_ratios.svg"):
        with open(os.path.join(directory, name)) as file:
            picture = file.read()
        check(picture.startswith("<svg") and picture.count("<circle") >= 4, name)


def test_markers():
    """Each table has its place in the docs."""
    import bench_table
    with open(os.path.join(SOURCE, "docs/PERFORMANCE.md")) as file:
        text = file.read()
    for marker in ("host", "targets", "fast", "rates", "spread", *(table[0] for table in bench_table.TABLES)):
        check(text.count(f"<!-- bench: {marker} -->") == 1, f"docs/PERFORMANCE.md has no place for {marker}")


def test_programs(directory):
    bench("--build", BUILD, "--short", "--only", "stamp,arb", "--wait", "0.2", "--keep", directory, "--json")
    said = json.loads(bench("--from", directory, "--json"))
    for name in ("tsc_ns", "hist_record_ns", "arb_ns"):
        check(said[name] > 0, name)
    shown = bench("--from", directory)
    for name in ("stamp", "arb"):
        with open(os.path.join(directory, "run1", name + ".json")) as file:
            for row in json.load(file)["rows"]:
                check(shown.count(f"\n{row['name']} ") == 1, f"{row['name']} is not in one table")
    check(set(said["disturbances"]) == {"stamp", "arb"} and said["ratios"]["arbitration"] > 1, "a run")
    speed = said["host_speed"]["programs"]
    check(said["command"] == "tools/bench --short --only stamp,arb --wait 0.2", said["command"])
    check(set(speed) == {"stamp", "arb"} and min(one["fastest"] for one in speed.values()) == 1, "how fast the host was")


def test_wait():
    """Until the host is nearly as fast as it was seen to be; for one that does not become so no longer than asked for."""
    import bench as tool

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    for probes, fastest, wanted in (([3, 2.5, 2.1, 2], 2, (2, 2.1)), ([4] * 99, 2, (30, 4)), ([4, 1], float("inf"), (0, 4)),
                                    ([None], 2, (0, None))):
        tool.time, told = Clock(), iter(probes)
        tool.probe = lambda options, told=told: next(told)
        got = tool.wait(argparse.Namespace(wait=30), "arb", fastest)
        check(got == wanted, f"{probes[:4]} after {fastest}: {got}")


def test_itch(directory):
    """A BinaryFILE as the workload, as it is and gzipped; one that is too short, or none, is refused with a sentence."""
    os.makedirs(directory)
    messages = [struct.pack(">HcHH6sc", 12, b"S", 0, 0, (34200000000000 + i // 3).to_bytes(6, "big"), b"Q") for i in range(6000)]
    for name, opened in (("day.itch", open), ("day.itch.gz", gzip.open)):
        path = os.path.join(directory, name)
        with opened(path, "wb") as file:
            file.write(b"".join(messages))
        said = json.loads(bench("--build", BUILD, "--short", "--only", "decode", "--itch", path, "--json"))
        check(said["decode_ns"] > 0 and said["frame_parse_ns"]["frame"] > 2 * said["frame_parse_ns"]["message"], name)
        check(said["command"] == f"tools/bench --short --only decode --itch {name}", said["command"])
    with open(os.path.join(directory, "short.itch"), "wb") as file:
        file.write(b"".join(messages[:100]))
    for path, word in ((os.path.join(directory, "short.itch"), "too few"), (__file__, "neither pcap nor")):
        done = subprocess.run([os.path.join(BUILD, "tests/bench/bench_decode"), "--itch", path], capture_output=True, text=True)
        check(done.returncode == 2 and word in done.stderr, f"{path}: {done.returncode} {done.stderr}")


with tempfile.TemporaryDirectory(prefix="tickgate-test-bench-") as work:
    say(os.path.join(work, "one"))
    for number, factor in enumerate((1.0, 1.2)):
        say(os.path.join(work, "two", f"run{number + 1}"), factor)
    test_figures(os.path.join(work, "one"))
    test_host_speed(os.path.join(work, "one"))
    test_spread(os.path.join(work, "two"))
    test_fast(os.path.join(work, "two"))
    test_docs(os.path.join(work, "one"), os.path.join(work, "docs"))
    test_markers()
    test_programs(os.path.join(work, "programs"))
    test_wait()
    test_itch(os.path.join(work, "itch"))
print("tools/bench: good")
