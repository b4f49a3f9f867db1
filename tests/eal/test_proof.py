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

def proven(text, config, options, expect):
    report = g.replay(config, captures, "--prove", *options, expect=expect, env=env)
    frames = report["rx"][0]["frames"]
    g.check(report["rx"][0]["proof"] and report["strategies"][0].get("proof", True), f"{text}: the filter is on")
    g.check(frames >= FRAMES, f"{text}: {frames} frames")
    g.check(report["feeds"][0]["holes"] > 0, f"{text}: {report['feeds'][0]['holes']} holes passed")
    g.check(report["violations"] == 0, f"{text}: no system call, no allocation")
    return report["strategies"][0]["orders"], report["strategies"][0]["events_lost"]


for text, config, options in (
        ("two-core, max", work.config(), ["--speed", "max"]),
        ("inline, max", work.config(mode="inline"), ["--speed", "max"]),
        ("two-core, paced", work.config(), ["--speed", "10"]),
):
    orders, lost = proven(text, config, options, 0)
    g.check(orders > 0 and lost == 0, f"{text}: {orders} orders, nothing lost")

# When a reader is lapped is up to the machine: too small a ring loses the directory, and no order follows; too large a one
# loses nothing. An overrun makes every channel stale, so the laboratory switch lets orders through here.
for slots in (1024, 4096, 8192, 16384, 32768, 2048):
    report = g.replay(work.config(ring_slots=slots), captures, "--speed", "max", "--no-throttle", "--no-hash", expect=None)
    if report["strategies"][0]["events_lost"] == 0:
        continue
    orders, lost = proven(f"two-core, overrun, {slots} slots", work.config(ring_slots=slots, allow_stale="true"),
                          ["--speed", "max", "--no-throttle"], None)
    if orders > 0 and lost > 0:
        break
g.check(orders > 0 and lost > 0, f"{orders} orders around {lost} lost events")

if env:
    report = g.replay(work.config(mode="inline"), captures, "--prove", "--speed", "max", expect=1,
                      env={**env, "TRAP_ALLOC_SELF_TEST": "one allocation"})
    g.check(report["violations"] == 2, "the trapping allocator catches an allocation and its free")
