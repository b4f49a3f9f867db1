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

for text, config, options, expect in (
        ("two-core, max", work.config(join="start"), ["--speed", "max"], 0),
        ("two-core, overrun", work.config(ring_slots=64), ["--speed", "max", "--no-throttle"], 1),
        ("inline, max", work.config(mode="inline"), ["--speed", "max"], 0),
        ("two-core, paced", work.config(), ["--speed", "10"], 0),
):
    report = g.replay(config, captures, "--prove", *options, expect=expect, env=env)
    frames = report["rx"][0]["frames"]
    g.check(report["rx"][0]["proof"] and report["strategies"][0].get("proof", True), f"{text}: the filter is on")
    g.check(frames >= FRAMES, f"{text}: {frames} frames")
    g.check(report["strategies"][0]["orders"] > 0, f"{text}: {report['strategies'][0]['orders']} orders")
    g.check(report["feeds"][0]["holes"] > 0, f"{text}: {report['feeds'][0]['holes']} holes passed")
    if expect:
        g.check(report["strategies"][0]["events_lost"] > 0, f"{text}: {report['strategies'][0]['events_lost']} events lost")
    g.check(report["violations"] == 0, f"{text}: no system call, no allocation")

if env:
    report = g.replay(work.config(mode="inline"), captures, "--prove", "--speed", "max", expect=1,
                      env={**env, "TRAP_ALLOC_SELF_TEST": "one allocation"})
    g.check(report["violations"] == 2, "the trapping allocator catches an allocation and its free")
