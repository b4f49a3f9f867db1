"""What tools/bench says of its figures: ratios, targets, tables, pictures. `rows` are those of all programs, by name.

A row is named after its figure: `decode_ns`, or `hop_ns, p50` where a figure has several. Whatever programs print comes into the JSON under
that name; only ratios, targets and tables know names. A ratio of two rows of one program is the median of its rounds' own."""
import re
import statistics
import textwrap

import picture

SPREAD_MAX = 0.15
HOST_FAST = 1.25 # a round between two probes that are no slower is of the fast spell; a slow one takes 1.5 times and more
FAST_MIN = 5 # rounds of it, before anything is said of them
HOST_NEAR = 1.10 # probes that are no further apart are of one speed of the host

# What is divided by what. Both of one program: round by round.
RATIOS = {
    "decode": ("decode_ns", "limit_walk_ns"),
    "decode_to_stream": ("decode_ns", "limit_stream_ns"),
    "book_burst": ("book_burst_ns", "limit_line_ahead_ns"),
    "book_single": ("book_single_ns", "limit_miss_ns"),
    "channel_burst": ("channel_burst_ns", "limit_line_ahead_ns"),
    "channel_single": ("channel_single_ns", "limit_miss_ns"),
    "arbitration": ("arb_ns", "limit_schedule_ns"),
    "hop_p50": ("hop_ns, p50", "hop_limit_ns, p50"),
    "hop_p99": ("hop_ns, p99", "hop_limit_ns, p99"),
    "hop_throughput": ("hop_throughput_ns", "hop_throughput_limit_ns"),
    "gate_everything": ("gate_check_ns, everything", "gate_ns"),
    "send_delegated": ("send_delegated_ns", "send_udp_ns"),
    "send_lwip": ("send_lwip_ns", "send_udp_ns"),
    "send_kernel": ("send_kernel_ns", "send_udp_ns"),
    "warm_walk": ("pause_order_warm_100_us_ns", "pause_order_ns"),
    "t2t_inline": ("t2t_inline_ns, p50", "t2t_inline_parts_ns"),
    "t2t_two_core": ("t2t_two_core_ns, p50", "t2t_two_core_parts_ns"),
    "t2t_inline_to_loop": ("t2t_inline_ns, p50", "dpdk_loop_ns, p50"),
    "tail": ("t2t_inline_tail_ns", "t2t_inline_ns, p50"),
    "tail_as_long": ("t2t_inline_tail_as_long_ns", "t2t_inline_ns, p50"),
    "line_heartbeat": ("line_heartbeat_ns", "limit_rx_ns"),
    "line_add": ("line_add_ns", "limit_rx_ns"),
    "line_foreign": ("line_foreign_ns", "limit_rx_ns"),
    "traded": ("message_traded_ns", "message_ns"),
    "path_p50": ("socket_path_p50_ns", "dpdk_path_p50_ns"),
    "path_p99": ("socket_path_p99_ns", "dpdk_path_p99_ns"),
}


class Target:
    """ns: at most so many. ratio: at most, or with `least` at least, so many times the limit. scaled: the ns as a ratio, on the host where
    the target was set."""

    def __init__(self, what, figure, ratio_name=None, ns=None, aim=None, ratio=None, least=False, scaled=None, per_s=False):
        self.what, self.figure, self.ratio_name, self.per_s = what, figure, ratio_name, per_s
        self.ns, self.aim, self.ratio, self.least, self.scaled = ns, aim, ratio, least, scaled

    def words(self):
        if self.least:
            return f"≥ {self.ratio:g} ×"
        if self.ratio:
            return f"≤ {self.ratio:g} ×" + (f", aim {self.aim:g} ns" if self.aim else "")
        if self.per_s:
            return f"≥ {1e3 / self.ns:.4g} M/s" + (f", aim {1e3 / self.aim:.4g}" if self.aim else "")
        if self.ns:
            return f"≤ {self.ns:g} ns" + (f", aim {self.aim:g}" if self.aim else "")
        return "reported"

    def met(self, ns, ratio):
        if self.least:
            return "yes" if ratio and ratio >= self.ratio else "no"
        if self.ratio:
            return "yes" if ratio and ratio <= self.ratio else "no"
        if not self.ns:
            return ""
        if ns <= self.ns:
            return "yes"
        return "as a ratio" if self.scaled and ratio and ratio <= self.scaled else "no"


TARGETS = (
    Target("decode, a message", "decode_ns", "decode", ns=4, aim=3, scaled=4 / 1.9),
    Target("books, in bursts, a message", "book_burst_ns", "book_burst", ns=45, aim=30, scaled=45 / 9.5),
    Target("books, one message at a time", "book_single_ns", "book_single", ns=80, aim=60, scaled=80 / 150),
    Target("hop between two cores, p50", "hop_ns, p50", "hop_p50", ratio=1.15),
    Target("hop between two cores, p99", "hop_ns, p99", "hop_p99"),
    Target("ring throughput, an event", "hop_throughput_ns", "hop_throughput", ns=11),
    Target("tick to trade, inline, p50", "t2t_inline_ns, p50", "t2t_inline", ratio=1.10, aim=110),
    Target("tick to trade, two cores, p50", "t2t_two_core_ns, p50", "t2t_two_core", ratio=1.10, aim=180),
    Target("tail: p99.9 less that of the bare loop", "t2t_inline_tail_ns", "tail", ratio=3),
    Target("the same, the bare loop as long as an order takes", "t2t_inline_tail_as_long_ns", "tail_as_long", ratio=3),
    Target("heartbeats, one lcore", "line_heartbeat_ns", "line_heartbeat", ns=1e3 / 14.5, per_s=True),
    Target("packets of one Add, arbitrated", "line_add_ns", "line_add", ns=1e3 / 10, per_s=True),
    Target("foreign frames, refused at parse", "line_foreign_ns", "line_foreign", ns=1e3 / 14.88, per_s=True),
    Target("messages with books and events", "message_ns", None, ns=1e3 / 14, aim=1e3 / 20, per_s=True),
    Target("the same, books of 100 symbols of 8,000", "message_traded_ns", "traded", ns=1e3 / 14, aim=1e3 / 20, per_s=True),
    Target("delegated send", "send_delegated_ns", "send_delegated"),
    Target("kernel socket ÷ our DPDK path, p50", "dpdk_path_p50_ns", "path_p50", ratio=5, least=True),
    Target("kernel socket ÷ our DPDK path, p99", "dpdk_path_p99_ns", "path_p99", ratio=5, least=True),
)
LIMITS = {name: pair[1] for name, pair in RATIOS.items()}
LIMITS.update(path_p50="socket_path_p50_ns", path_p99="socket_path_p99_ns")

# Tables of figures: marker in docs/PERFORMANCE.md, heading, rows as patterns.
TABLES = (
    ("feed", "feed, ns", r"(decode|book|channel|frame_parse|mold|arb)_.*|limit_(stream|walk|line_ahead|miss|schedule)_ns"),
    ("ring", "ring, ns", r"hop_.*|push_.*"),
    ("stamps", "stamps, ns", r"tsc.*|clock_.*|gettime_ns|hist_.*"),
    ("gate", "risk gate and frame, ns an order", r"gate_.*|order_encode_ns|market_apply_ns"),
    ("send", "send path, ns an order", r"send_.*"),
    ("warm", "the first order after a pause, ns", r"pause_.*|steady_.*"),
    ("t2t", "tick to trade, ns", r"t2t_(inline|two_core|ring)_(ns|tail_ns|tail_as_long_ns|parts_ns).*|dpdk_loop_.*|t2t_hop_ns"),
    ("parts", "parts and stages, ns", r"t2t_(inline|two_core)_(part|stage)_ns.*"),
    ("line", "line rate, one lcore, ns", r"line_.*|limit_rx_ns|message_.*"),
    ("paths", "wire to wire, ns", r"(socket|dpdk)_path_.*"),
)
RATE = re.compile(r"t2t_(inline|two_core)_at_(\d+)_ns, (.*)")
QUANTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max")


def ratio_of(rows, figure, limit):
    if figure not in rows or limit not in rows:
        return None
    over, under = rows[figure], rows[limit]
    if over["program"] == under["program"] and "rounds_ns" in over and len(over["rounds_ns"]) == len(under["rounds_ns"]):
        shares = [a / b for a, b in zip(over["rounds_ns"], under["rounds_ns"]) if b > 0]
        return round(statistics.median(shares), 3) if shares else None
    return round(over["median_ns"] / under["median_ns"], 3) if under["median_ns"] > 0 else None


def together(run_):
    """The JSON object of one run."""
    rows = run_["rows"]
    merged = {}
    for name, row in rows.items():
        figure, _, part = name.partition(", ")
        if not figure.endswith("_ns"):
            continue
        if not part:
            merged[figure] = row["median_ns"]
            continue
        key = part.replace(".", "")
        merged.setdefault(figure, {})[key] = row["median_ns"]
        if key in ("p50", "p99"):
            merged[f"{figure[:-3]}_{key}_ns"] = row["median_ns"]
    if "dpdk_loop_ns" in merged: # one number, as the parts are
        merged["dpdk_loop_quantiles_ns"] = merged["dpdk_loop_ns"]
        merged["dpdk_loop_ns"] = merged["dpdk_loop_ns"]["p50"]
    ratios = {name: ratio_of(rows, *pair) for name, pair in RATIOS.items()}
    ratios["gate_check"] = {name.partition(", ")[2]: ratio_of(rows, name, "gate_ns") for name in rows if name.startswith("gate_check_ns, ")}
    merged["messages_per_s"] = rows["message_ns"]["per_s"] if "message_ns" in rows else None
    merged["messages_traded_per_s"] = rows["message_traded_ns"]["per_s"] if "message_traded_ns" in rows else None
    merged["ratios"] = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    merged["targets"] = [{"what": target.what, "target": target.words(), "met": target.met(*values_of(target, rows))}
                         for target in TARGETS if target.figure in rows]
    merged.update(host=run_["host"], command=run_["host"].get("command"), commit=run_["host"].get("commit"),
                  disturbances=run_["disturbances"], host_speed=run_["host_speed"])
    return merged


def values_of(target, rows):
    figure = rows.get(target.figure, {}).get("median_ns")
    return figure, ratio_of(rows, *RATIOS[target.ratio_name]) if target.ratio_name else None


def flat(ratios):
    for name, value in ratios.items():
        if isinstance(value, dict):
            yield from ((f"{name}, {part}", one) for part, one in value.items())
        else:
            yield name, value


def host_speeds(runs):
    """To each run how fast the host was under each program: probes, as multiples of the fastest one of all runs."""
    probes = [ns for run_ in runs for one in run_["probes"].values() for ns in one]
    fastest_ns = min(probes, default=None)
    for run_ in runs:
        programs = {name: {"fastest": round(min(one) / fastest_ns, 3), "median": round(statistics.median(one) / fastest_ns, 3),
                           "slowest": round(max(one) / fastest_ns, 3), "waited_s": round(run_["waited"].get(name, 0), 1)}
                    for name, one in run_["probes"].items() if one}
        run_["host_speed"] = {"probe_ns": fastest_ns, "programs": programs}


def fast_rounds(run_, program):
    """Which rounds of a program were of the host's fast spell, by the probes before and behind each: never by what was measured."""
    near_ns = HOST_FAST * (run_["host_speed"]["probe_ns"] or 0)
    probes = run_["round_probes"].get(program, [])[1:] # the first is that of the round that warms up
    return [i for i, pair in enumerate(zip(probes, probes[1:])) if max(pair) <= near_ns]


def fast_values(run_, figure, limit):
    """Of the fast rounds of one run: values of a figure, and of what it is beside if that is of the same program."""
    over, under = run_["rows"].get(figure, {}), run_["rows"].get(limit, {})
    fast = [i for i in fast_rounds(run_, over.get("program")) if i < len(over.get("rounds_ns", []))]
    beside = under.get("rounds_ns", []) if over.get("program") == under.get("program") else []
    return [over["rounds_ns"][i] for i in fast], [beside[i] for i in fast if i < len(beside)]


def fast_ratio(values, limits):
    shares = [value / limit for value, limit in zip(values, limits) if limit > 0]
    return round(statistics.median(shares), 3) if shares else None


def fast_of(runs):
    """What the targets' figures were in the fast rounds of all runs: how many rounds, their median, and the median of their ratios."""
    found = {}
    for target in TARGETS:
        parts = [fast_values(run_, *RATIOS.get(target.ratio_name, (target.figure, None))) for run_ in runs]
        values, limits = [one for part in parts for one in part[0]], [one for part in parts for one in part[1]]
        if len(values) >= FAST_MIN:
            found[target.figure] = {"rounds": len(values), "median_ns": statistics.median(values),
                                    "limit_ns": statistics.median(limits) if limits else None, "ratio": fast_ratio(values, limits)}
    return found


def fast_spread(runs, ratio_name):
    """The ratio in the fast rounds of each run that has enough of them, and how far these are apart. None: of fewer than two runs."""
    parts = [fast_values(run_, *pair_of(ratio_name)) for run_ in runs]
    values = [fast_ratio(*part) for part in parts if len(part[0]) >= FAST_MIN]
    values = [value for value in values if value and value > 0]
    return {"values": values, "spread": round(max(values) / min(values) - 1, 3)} if len(values) > 1 else None


def host_apart(runs, programs):
    """Was the host at different speeds under one of these programs in different runs?"""
    for name in programs:
        medians = [merged["host_speed"]["programs"][name]["median"] for merged in runs if name in merged["host_speed"]["programs"]]
        if medians and max(medians) > HOST_NEAR * min(medians):
            return True
    return False


def pair_of(ratio_name):
    return RATIOS.get(ratio_name) or ("gate_check_ns, " + ratio_name.partition(", ")[2], "gate_ns")


def programs_of(ratio_name, rows):
    return {rows[figure]["program"] for figure in pair_of(ratio_name) if figure in rows}


def spread_of(runs, merged_runs):
    """How far apart the ratios of the runs are: largest over smallest, less one; whether the host was at other speeds; and how far where it
    was fast."""
    rows, seen = runs[-1]["rows"], {}
    for merged in merged_runs:
        for name, value in flat(merged["ratios"]):
            if value:
                seen.setdefault(name, []).append(value)
    return {name: {"values": values, "spread": round(max(values) / min(values) - 1, 3),
                   "host_apart": host_apart(merged_runs, programs_of(name, rows)), "fast": fast_spread(runs, name)}
            for name, values in seen.items() if len(values) == len(runs) and min(values) > 0}


# --- tables

def number(ns):
    if ns is None:
        return "–"
    return f"{ns:.1f}" if ns < 100 else f"{ns:,.0f}"


def table(head, lines, markdown):
    lines = [[str(cell) for cell in line] for line in lines]
    if markdown:
        return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines)])
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    padded = ([cell.rjust(width) if i > 0 else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths))]
              for line in [head, *lines])
    return "\n".join("  ".join(line).rstrip() for line in padded)


def targets_table(rows, markdown):
    lines = []
    for target in TARGETS:
        if target.figure not in rows:
            continue
        ns, ratio = values_of(target, rows)
        limit = rows.get(LIMITS.get(target.ratio_name), {}).get("median_ns")
        figure = f"{number(ns)} ns" + (f" = {1e3 / ns:.1f} M/s" if target.per_s else "")
        lines.append([target.what, figure, f"{number(limit)} ns" if limit else "–", f"{ratio:.2f}" if ratio else "–", target.words(),
                      target.met(ns, ratio)])
    return table(["", "figure", "beside", "ratio", "target", "met"], lines, markdown)


def fast_table(fast, markdown):
    lines = []
    for target in TARGETS:
        one = fast.get(target.figure)
        if one:
            ns = one["median_ns"]
            lines.append([target.what, one["rounds"], f"{number(ns)} ns" + (f" = {1e3 / ns:.1f} M/s" if target.per_s else ""),
                          f"{number(one['limit_ns'])} ns" if one["limit_ns"] else "–", f"{one['ratio']:.2f}" if one["ratio"] else "–",
                          target.met(ns, one["ratio"])])
    return table(["", "rounds", "figure", "beside", "ratio", "met"], lines, markdown) if lines else ""


def figures_table(rows, pattern, markdown):
    base = {figure: limit for figure, limit in reversed(RATIOS.values())}
    lines = []
    for name, row in rows.items():
        if not re.fullmatch(pattern, name) or RATE.fullmatch(name):
            continue
        limit = base.get(name) or ("gate_ns" if name.startswith("gate_check_ns") else None)
        ratio = ratio_of(rows, name, limit) if limit else None
        extremes = f"{number(row['min_ns'])} … {number(row['max_ns'])}" if "min_ns" in row else "–"
        lines.append([f"`{name}`" if markdown else name, number(row["median_ns"]), extremes,
                      (f"{ratio:.2f} × `{limit}`" if markdown else f"{ratio:.2f} x {limit}") if ratio else ""])
    return table(["", "median", "rounds", "beside"], lines, markdown) if lines else ""


def rates_of(rows, mode):
    """Offered rate to its quantiles."""
    found = {}
    for name, row in rows.items():
        match = RATE.fullmatch(name)
        if match and match[1] == mode:
            found.setdefault(int(match[2]), {})[match[3]] = row["median_ns"]
    return dict(sorted(found.items()))


def rates_table(rows, markdown):
    lines = [[mode.replace("_", " "), f"{rate:,}", *(number(at.get(quantile)) for quantile in QUANTILES), f"{at.get('lost', 0):.0f}"]
             for mode in ("inline", "two_core") for rate, at in rates_of(rows, mode).items()]
    return table(["", "frames/s", *QUANTILES, "lost"], lines, markdown) if lines else ""


def spread_table(spread, markdown):
    lines = [[name, " ".join(f"{value:.2f}" for value in one["values"]), f"{one['spread'] * 100:.0f} %",
              "" if one["spread"] <= SPREAD_MAX else "apart, the host too" if one["host_apart"] else "apart",
              " ".join(f"{value:.2f}" for value in one["fast"]["values"]) if one["fast"] else "–",
              f"{one['fast']['spread'] * 100:.0f} %" if one["fast"] else "–"] for name, one in spread.items()]
    return table(["ratio", "runs", "spread", "", "host fast", "spread"], lines, markdown) + "\n\n" + spread_words(spread)


def spread_words(spread):
    apart = [one for one in spread.values() if one["spread"] > SPREAD_MAX]
    words = f"{len(apart)} of {len(spread)} ratios are more than {SPREAD_MAX * 100:.0f} % apart"
    if apart:
        words += f", {sum(one['host_apart'] for one in apart)} of them of programs whose runs had the host at different speeds"
    fast = [one["fast"]["spread"] for one in spread.values() if one["fast"]]
    if fast:
        words += (f"; in the rounds in which it was fast, {sum(one > SPREAD_MAX for one in fast)} of the {len(fast)} that more than one run "
                  f"had {FAST_MIN} such rounds of")
    return words


def host_words(host):
    cpus = f"{host.get('cpus')} CPUs" + (" under a hypervisor" if host.get("hypervisor") else "")
    return (f"{host.get('cpu')} (family {host.get('cpu_family')}, model {host.get('cpu_model')}), {cpus}, "
            f"isolated: {host.get('isolated')}, TSC {(host.get('tsc_hz') or 0) / 1e9:.3f} GHz; Linux {host.get('kernel')}, DPDK {host.get('dpdk')}, {host.get('compiler')} "
            f"{host.get('flags')}; load {host.get('load')}; commit {host.get('commit')}; `{host.get('command')}`")


def disturbed_words(watch):
    """Which programs the kernel left alone."""
    disturbed = [f"{name} ({one['involuntary']} switches, {one['stolen_ms']} ms stolen)" for name, lcores in watch.items() for one in lcores
                 if one.get("verdict") == "disturbed"]
    return "disturbed: " + ", ".join(disturbed) if disturbed else "nothing disturbed the programs"


def speed_words(speed):
    """One line: in which spell each program ran."""
    programs = speed["programs"]
    if not programs:
        return "host: nothing says how fast it was"
    waited = {name: f" (waited {one['waited_s']:.0f} s)" if one["waited_s"] else "" for name, one in programs.items()}
    fastest, slowest = min(one["fastest"] for one in programs.values()), max(one["slowest"] for one in programs.values())
    return (f"host: probe {fastest:.2f} … {slowest:.2f} of its fastest in this run, median by program: " +
            ", ".join(f"{name} {one['median']:.2f}{waited[name]}" for name, one in programs.items()))


def sections(run_, spread, fast, markdown):
    rows = run_["rows"]
    yield "host", "host", "\n\n".join(textwrap.fill(words, 140, break_on_hyphens=False)
                                      for words in (host_words(run_["host"]), disturbed_words(run_["disturbances"]),
                                                    speed_words(run_["host_speed"])))
    yield "targets", "targets", targets_table(rows, markdown)
    yield "fast", "the same in the rounds in which the host was fast, of all runs", fast_table(fast, markdown)
    for marker, heading, pattern in TABLES:
        yield marker, heading, figures_table(rows, pattern, markdown)
    yield "rates", "tick to trade by offered rate, ns", rates_table(rows, markdown)
    if spread:
        yield "spread", "ratios of the runs", spread_table(spread, markdown)


# --- docs

def docs_write(parts, path):
    """Between <!-- bench: MARKER --> and <!-- /bench --> stands the table of that name. Without figures the old one stays."""
    with open(path) as file:
        text = file.read()
    for marker, _, body in parts:
        if body:
            place = re.compile(rf"(<!-- bench: {marker} -->\n).*?(<!-- /bench -->)", re.DOTALL)
            text = place.sub(lambda match, body=body: match[1] + body + "\n" + match[2], text)
    with open(path, "w") as file:
        file.write(text)


def rates_picture(rows, file):
    """Latency by offered rate, a curve for each quantile, a panel for each mode."""
    modes = [(mode, rates_of(rows, mode)) for mode in ("inline", "two_core")]
    modes = [(mode, rates) for mode, rates in modes if len(rates) > 1]
    if not modes:
        return
    shown = QUANTILES[:-1]
    width, top, bottom = 430, 60, 330
    y = picture.Axis([at.get(quantile) for _, rates in modes for at in rates.values() for quantile in shown], bottom, top)
    drawn = picture.Picture(width * len(modes) + 30, 400, "tick to trade by offered rate, an absolute schedule")
    for i, (mode, rates) in enumerate(modes):
        x = picture.Axis(rates, 80 + width * i, 80 + width * i + 280)
        drawn.text(x.begin, 46, mode.replace("_", " "))
        for tick in y.ticks():
            drawn.line(x.begin, y.at(tick), x.end, y.at(tick))
            drawn.text(x.begin - 8, y.at(tick) + 4, picture.of_ns(tick), "end", 11, "#555")
        for tick in x.ticks():
            drawn.line(x.at(tick), top, x.at(tick), bottom)
            drawn.text(x.at(tick), bottom + 18, f"{tick:,.0f}/s", "middle", 11, "#555")
        for quantile, colour in zip(shown, picture.COLOURS):
            points = [(x.at(rate), y.at(at[quantile])) for rate, at in rates.items() if at.get(quantile)]
            drawn.path(points, colour)
            for point in points:
                drawn.dot(*point, 3, colour)
    for i, (quantile, colour) in enumerate(zip(shown, picture.COLOURS)):
        drawn.line(80 + 90 * i, 376, 104 + 90 * i, 376, colour, 3)
        drawn.text(110 + 90 * i, 380, quantile)
    drawn.save(file)


def ratios_picture(rows, file):
    """Each figure as a multiple of what it stands beside; the bar is its target."""
    shown = [(target, values_of(target, rows)[1]) for target in TARGETS if target.figure in rows and target.ratio_name]
    shown = [(target, ratio) for target, ratio in shown if ratio]
    if not shown:
        return
    marks = [target.ratio or target.scaled or (target.ns and target.ns / rows[LIMITS[target.ratio_name]]["median_ns"])
             for target, _ in shown]
    left, top, step = 300, 56, 26
    x = picture.Axis([*(ratio for _, ratio in shown), *marks, 1], left, 800)
    height = top + step * len(shown) + 44
    drawn = picture.Picture(890, height, "figure ÷ limit or peer (dot), target (bar)")
    for tick in x.ticks():
        drawn.line(x.at(tick), top - 14, x.at(tick), height - 34)
        drawn.text(x.at(tick), height - 16, f"{tick:g}", "middle", colour="#555")
    for i, ((target, ratio), mark) in enumerate(zip(shown, marks)):
        y = top + step * i
        drawn.text(left - 12, y + 4, target.what, "end")
        if mark:
            drawn.line(x.at(mark), y - 9, x.at(mark), y + 9, picture.COLOURS[0], 4)
        drawn.dot(x.at(ratio), y, 5)
        drawn.text(870, y + 4, f"{ratio:.2f}", "end", 11)
    drawn.save(file)
