"""Faults of a replay: the same seed gives the same run in every mode, one healthy line is enough, and what is wrong is refused."""
import gateway as g
import subprocess

g.need_two_cpus()
work = g.Work()
MESSAGES = 8000 if g.SANITIZED else 40000
captures = work.session("whole", MESSAGES, "--symbols", "50", "--skew-ns", "3000")
LINES = "itch/A", "itch/B"


def config(name="faults", mode="inline", feed="", faults="", **changes):
    """A config of the harness with more keys for its feed, and a section of faults."""
    path = work.config(name, mode, **changes)
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("    join: start\n", "    join: start\n" + feed) + faults)
    return path


def faults_of(report):
    return {f"{line['feed']}/{line['line']}": line for line in report["faults"]["lines"]}


def run(path, *faults, seed=None, options=()):
    words = [word for fault in faults for word in ("--fault", fault)]
    words += ["--fault-seed", str(seed)] if seed is not None else []
    return g.replay(path, captures, "--speed", "max", *words, *options)


inline, two_core = config(), config(mode="two-core")
base = run(inline)
g.check("faults" not in base and base["feeds"][0]["total"] == MESSAGES, "without faults no word of them")
nothing = run(inline, "*:loss=0")
g.check(g.hashes(nothing) == g.hashes(base), "faults that never happen change nothing")
g.check(all(line["packets"] == base["feeds"][0]["packets"] // 2 and not any(
            line[key] for key in line if key not in ("feed", "line", "packets")) for line in faults_of(nothing).values()),
        "and are counted as packets that passed")

# Everything at once, on both lines.
MIXED = ("*:loss=0.5,duplicate=1,reorder=1,corrupt=0.2,truncate=0.2,jitter_us=20",
         "itch/B:loss=1,skew_us=50,stall_every_ms=200,stall_ms=30")
mixed = run(inline, *MIXED, seed=5)
g.check(mixed["feeds"][0]["holes"] > 0 and g.hashes(mixed)[0] != g.hashes(base)[0],
        f"mixed faults on both lines: {mixed['feeds'][0]['holes']} holes, hash {g.hashes(mixed)[0]}")
for key in ("lost", "duplicated", "reordered", "corrupted", "truncated"):
    g.check(all(faults_of(mixed)[line][key] > 0 for line in LINES), f"some are {key} on both lines")
g.check(faults_of(mixed)["itch/A"]["stalled"] == 0 < faults_of(mixed)["itch/B"]["stalled"], "only B stands still at times")
for line, packets in zip(LINES, mixed["feeds"][0]["lines"]):
    counts = faults_of(mixed)[line]
    g.check(packets["packets"] <= counts["packets"] - counts["lost"] + counts["duplicated"],
            f"{line}: no more packets arrive than were let through")
for text, path, options in (
        ("again", inline, []),
        ("inline, burst 1", inline, ["--burst", "1"]),
        ("two-core, burst 32", two_core, []),
        ("two-core, burst 1", two_core, ["--burst", "1"]),
        ("two-core, 2 MiB of buffer, streamed", two_core, ["--buffer-mb", "2"]),
):
    report = run(path, *MIXED, seed=5, options=options)
    g.check(g.hashes(report) == g.hashes(mixed) and report["faults"] == mixed["faults"], f"mixed faults, {text}: same hashes")
other = run(inline, *MIXED, seed=6)
g.check(g.hashes(other)[0] != g.hashes(mixed)[0], "another seed, another hash")
g.check(g.hashes(run(inline, "*:loss=2", seed=1))[0] != g.hashes(run(inline, "*:loss=2", seed=2))[0],
        "loss on both lines: another seed, another hash")
alone, both = run(inline, "itch/A:loss=3", seed=5), run(inline, "itch/A:loss=3", "itch/B:loss=3", seed=5)
g.check(faults_of(alone)["itch/A"] == faults_of(both)["itch/A"], "what happens to A does not depend on B")

# One line is enough. While the other one has its chance a strategy is told that the books are in doubt, and nothing else differs.
late = run(inline, "itch/A:loss=3")
feed = late["feeds"][0]
doubts = g.hashes(late)[1] - g.hashes(base)[1]
g.check(feed["holes"] == 0 and feed["book_hash"] == base["feeds"][0]["book_hash"] and feed["messages"] == base["feeds"][0]["messages"],
        "loss on one line: no hole, the same messages, the same books")
g.check(doubts == 2 * feed["recovery"]["stale"] > 0, f"loss on the earlier line: {doubts} more events, a begin and an end for each doubt")
g.check(g.hashes(run(inline, "itch/B:loss=3,duplicate=3,reorder=3")) == g.hashes(base), "faults of the later line alone: same hashes")
patient = config("patient", feed="    stale: after-window\n    checksum: verify\n", reorder_us=5000)
for fault in ("loss=10", "reorder=10", "duplicate=10", "corrupt=10", "truncate=10", "skew_us=100,jitter_us=30",
              "stall_every_ms=50,stall_ms=10", "loss=100", "loss=5,duplicate=5,reorder=5,corrupt=5,truncate=5,jitter_us=50"):
    report = run(patient, "itch/A:" + fault)
    g.check(g.hashes(report) == g.hashes(base), f"stale after the window, A with {fault}: same hashes as without faults")
report = run(patient, "itch/A:corrupt=5")
g.check(report["rx"][0]["refused"]["checksum"] == faults_of(report)["itch/A"]["corrupted"] > 0,
        "checksum: verify refuses exactly the corrupted packets")
report = run(inline, "itch/A:truncate=5")
refused = report["rx"][0]["refused"]
g.check(sum(refused.values()) == faults_of(report)["itch/A"]["truncated"] > 0, f"exactly the truncated packets are refused: {refused}")

g.check(run(inline, "itch/*:loss=5")["faults"] == run(inline, "*:loss=5")["faults"], "FEED/* is every line of a feed")

# Another session in the middle.
report = run(inline, f"*:restart_at={MESSAGES // 2}")
g.check(report["feeds"][0]["sessions"] == base["feeds"][0]["sessions"] + 1, "a restart is a change of session")
g.check(report["feeds"][0]["holes"] == 0 and report["feeds"][0]["next_seq"] == MESSAGES // 2 + 2, "numbered from 1, without a hole")
g.check(report["rx"][0]["refused"]["checksum"] == 0 and
        run(patient, f"*:restart_at={MESSAGES // 2}")["rx"][0]["refused"]["checksum"] == 0, "and with right checksums")
cut = work.session("cut", MESSAGES, "--symbols", "50", "--skew-ns", "3000", "--cut-differently")
one = g.replay(inline, cut, "--speed", "max", "--fault", f"*:restart_at={MESSAGES // 2}")
g.check(one["feeds"][0]["book_hash"] == report["feeds"][0]["book_hash"], "lines that are cut differently restart at the same message")

# The config says it, or the command line, or both.
section = "faults:\n  seed: 5\n  lines:\n    - {feed: itch, line: A, loss: 2.5, skew_us: 7}\n    - {feed: itch, line: B, loss: 1}\n"
said = run(config("said", faults=section))
g.check(said["faults"]["seed"] == 5 and said["faults"] == run(inline, "itch/A:loss=2.5,skew_us=7", "itch/B:loss=1", seed=5)["faults"],
        "faults of the config are those of the command line")
over = run(config("said", faults=section), "itch/B:loss=0", seed=9)
g.check(over["faults"]["seed"] == 9 and faults_of(over)["itch/B"]["lost"] == 0 < faults_of(over)["itch/A"]["lost"],
        "the command line goes on top of the config, key by key")
done = subprocess.run([g.TICKGATE, "replay", inline, "--capture", captures[0], "--speed", "max", "--fault", "itch/A:loss=10"],
                      capture_output=True, text=True, timeout=60)
g.check(done.returncode == 0 and "faults, seed 1\n  itch/A: " in done.stdout and " lost" in done.stdout, "the text report has them too")

for words, sentence in (
        (["--fault", "itch/C:loss=1"], "no line 'itch/C'"),
        (["--fault", "other/A:loss=1"], "no line 'other/A'"),
        (["--fault", "other/*:loss=1"], "no line 'other/*'"),
        (["--fault", "loss=1"], "not FEED/LINE:KEY=VALUE"),
        (["--fault", "itch/A:"], "'' is not KEY=VALUE"),
        (["--fault", "itch/A:lost=1"], "unknown key 'lost'; keys are loss, duplicate, reorder"),
        (["--fault", "itch/A:loss=101"], "loss is a percentage, 0 ... 100 with up to 7 decimals, not '101'"),
        (["--fault", "itch/A:loss=-1"], "loss is a percentage"),
        (["--fault", "*:skew_us=1.5"], "skew_us is a whole number, 0 ... 10000000, not '1.5'"),
        (["--fault", "*:stall_ms=5"], "stall_every_ms does nothing without stall_ms"),
        (["--fault", "*:loss=1"] * 65, "at most 64 times --fault"),
        (["--fault-seed", "x"], "--fault-seed is a whole number, not: x"),
        (["--fault-seed", "-1"], "--fault-seed is a whole number"),
        (["--fault-seed", "18446744073709551616"], "--fault-seed is a whole number"),
):
    done = subprocess.run([g.TICKGATE, "replay", inline, "--capture", captures[0], *words], capture_output=True, text=True, timeout=60)
    g.check(done.returncode == 2 and sentence in done.stderr and done.stdout == "",
            f"{' '.join(words)[:50]}: exit 2, {sentence!r} in {done.stderr[-200:]!r}")
done = subprocess.run([g.TICKGATE, "run", inline, "--fault", "*:loss=1"], capture_output=True, text=True, timeout=60)
g.check(done.returncode == 2, "a live gateway takes no faults")
