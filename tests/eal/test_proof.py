"""Armed threads make no system call and allocate nothing: seccomp trap and trapping allocator over more than 100,000 frames
with orders, a gap and an overrun. That the traps work is shown beside it (and in test_armed.c)."""
import gateway as g
import os

g.need_two_cpus()
work = g.Work()
MESSAGES = 30000 if g.SANITIZED else 300000
FRAMES = 5000 if g.SANITIZED else 100000

captures = work.session("proof", MESSAGES, "--symbols", "100", "--loss-a", "0.5", "--loss-b", "0.5", "--loss-both", "0.01")
env = {} if g.SANITIZED else {"LD_PRELOAD": os.environ["TRAP_ALLOC"]} # a sanitizer brings its own allocator

def proven(text, config, options, expect, inputs=captures):
    report = g.replay(config, inputs, "--prove", *options, expect=expect, env=env)
    frames = report["rx"][0]["frames"]
    g.check(report["rx"][0]["proof"] and report["strategies"][0].get("proof", True), f"{text}: the filter is on")
    g.check(frames >= FRAMES, f"{text}: {frames} frames")
    g.check(report["feeds"][0]["holes"] > 0, f"{text}: {report['feeds'][0]['holes']} holes passed")
    g.check(report["violations"] == 0, f"{text}: no system call, no allocation")
    watched = report["disturbances"]
    g.check([one["name"] for one in watched] == [lcore["name"] for lcore in report["rx"] + (report["strategies"] if len(watched) > 1 else [])]
            and len(watched) == (1 if report["mode"] == "inline" else 2), f"{text}: every hot lcore was watched", quiet=True)
    g.check(all(one["voluntary"] == 0 and one["migrations"] == 0 for one in watched),
            f"{text}: no hot thread slept or moved ({', '.join(one['name'] + ' ' + one['verdict'] for one in watched)})")
    return report["strategies"][0]["orders"], report["strategies"][0]["events_lost"]


for text, config, options in (
        ("two-core, max", work.config(), ["--speed", "max"]),
        ("inline, max", work.config(mode="inline"), ["--speed", "max"]),
        ("two-core, paced", work.config(), ["--speed", "10"]),
):
    orders, lost = proven(text, config, options, 0)
    g.check(orders > 0 and lost == 0, f"{text}: {orders} orders, nothing lost")

# An overrun in the middle of trading: the last third of the session comes all at once, unthrottled, on a small ring, to a
# reader whose many strategies make it slower than its producer in any build. It makes every channel stale, so the laboratory
# switch lets orders through. When a reader is lapped is up to the machine: if that was before the directory was read, no
# order follows, and the run is made again.
slow = "".join(f"  - {{name: slow{i}, kind: probe, lcore: LCORE, feed: itch, params: {{every: 1000000}}}}\n" for i in range(14))
bursts = []
for path in captures:
    frames = g.pcap_read(path)
    calm = len(frames) * 2 // 3
    bursts.append(path + ".burst")
    g.pcap_write(bursts[-1], frames[:calm] + [(frames[calm][0], frame) for _, frame in frames[calm:]])
for attempt in range(8):
    orders, lost = proven(f"two-core, overrun, attempt {attempt}", work.config(ring_slots=512, allow_stale="true", more_strategies=slow),
                          ["--speed", "5", "--no-throttle"], None, bursts)
    if orders > 0 and lost > 0:
        break
g.check(orders > 0 and lost > 0, f"{orders} orders around {lost} lost events")

if env:
    report = g.replay(work.config(mode="inline"), captures, "--prove", "--speed", "max", expect=1,
                      env={**env, "TRAP_ALLOC_SELF_TEST": "one allocation"})
    g.check(report["violations"] == 2, "the trapping allocator catches an allocation and its free")
