"""A reader that is lapped in the middle of a session: by policy resync it is brought up to date and trades again; by policy
stop-trading it sends no new order until the next session. The feed is never held back for it."""
import gateway as g

g.need_two_cpus()
work = g.Work()
MESSAGES = 30000 if g.SANITIZED else 120000

# Calm, then a third of the session at once, several times what the ring holds, to a reader whose many strategies make it
# slower than its producer in any build, then calm again. When exactly a reader is lapped is up to the machine; that it is,
# in one of a few runs, is not. In the calm parts the ring holds what comes while a busy machine has the reader off its CPU.
captures = work.session("overrun", MESSAGES, "--symbols", "100")
slow = "".join(f"  - {{name: slow{i}, kind: probe, lcore: LCORE, feed: itch, params: {{every: 1000000}}}}\n" for i in range(14))
bursts = []
for path in captures:
    frames = g.pcap_read(path)
    begin, end = len(frames) // 3, len(frames) * 2 // 3
    burst_ns, calm_ns = frames[begin][0], frames[end][0]
    bursts.append(path + ".burst")
    g.pcap_write(bursts[-1], frames[:begin] + [(burst_ns, frame) for _, frame in frames[begin:end]] + frames[end:])


def config(policy, **changes):
    path = work.config(ring_slots=4096, more_strategies=slow, **changes)
    with open(path) as file:
        text = file.read().replace("kind: ", f"on_overrun: {policy}, kind: ")
    with open(path, "w") as file:
        file.write(text)
    return path


late_ns = frames[len(frames) * 5 // 6][0]  # long after the burst


def run(policy, *options):
    """A run that was lapped and brought up to date: the strategies' report, how many of its orders came late, the violations."""
    orders = work.path(policy + ".pcap")
    for attempt in range(8):
        report = g.replay(config(policy), bursts, "--speed", "2", "--no-throttle", "--orders", orders, *options, expect=None)
        strategies = report["strategies"][0]
        g.check(report["feeds"][0]["total"] == MESSAGES, f"{policy}, attempt {attempt}: the feed went through whole")
        if strategies["overruns"] > 0 and strategies["resyncs"] > 0:
            text = f"{policy}: {strategies['events_lost']} events lost in {strategies['overruns']} overruns, {strategies['resyncs']} resyncs"
            g.check(strategies["events_lost"] > 0 and strategies["resyncs"] <= strategies["overruns"], text)
            return strategies, sum(ts_ns >= late_ns for ts_ns, _ in g.pcap_read(orders)), report["violations"]
    g.check(False, f"{policy}: the reader was lapped and brought up to date")


for attempt in range(4): # a machine that is busy elsewhere may lap it to the very end
    strategies, late, _ = run("resync")
    g.check("overrun" not in strategies["refused"], "resync: no order refused for the policy")
    if late > 0:
        break
g.check(late > 0, f"resync: {late} of {strategies['orders']} orders long after it")

strategies, late, _ = run("stop-trading")
g.check(strategies["refused"].get("overrun", 0) > 0, f"stop-trading: {strategies['refused'].get('overrun', 0)} orders refused")
g.check(late == 0, f"stop-trading: none of {strategies['orders']} orders long after it")

# What the resync does on the hot threads is no exception to their rule.
_, _, violations = run("resync", "--prove")
g.check(violations == 0, "with proof: no system call")

# A reader that is not lapped asks for nothing.
report = g.replay(config("resync"), captures, "--speed", "max")
strategies = report["strategies"][0]
g.check(strategies["overruns"] == 0 and strategies["resyncs"] == 0, "throttled: no overrun, no resync")
