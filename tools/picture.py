"""Pictures for docs as SVG, by hand: text, lines and dots on logarithmic axes. Used by tools/bench.py and tools/latency_paths."""
import math

COLOURS = ("#4878a8", "#55a868", "#c44e52", "#8172b2", "#937860", "#333333")


class Axis:
    """Values low ... high, widened to powers of ten, on pixels begin ... end; low 0 when there is nothing to show."""

    def __init__(self, values, begin, end):
        values = [value for value in values if value and value > 0]
        self.low = 10 ** math.floor(math.log10(min(values))) if values else 1
        self.high = max(10 ** math.ceil(math.log10(max(values))), self.low * 10) if values else 10
        self.begin, self.end = begin, end

    def at(self, value):
        share = (math.log10(max(value, self.low)) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return self.begin + (self.end - self.begin) * share

    def ticks(self):
        tick = self.low
        while tick <= self.high * 1.01:
            yield tick
            tick *= 10


def of_ns(ns):
    if ns < 1000:
        return f"{ns:g} ns"
    return f"{ns / 1000:g} µs" if ns < 1e6 else f"{ns / 1e6:g} ms"


class Picture:
    def __init__(self, width, height, title, title_x=20):
        self.height = height
        self.out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
                    f'<rect width="{width}" height="{height}" fill="white"/>']
        self.text(title_x, 20, title, size=15)

    def text(self, x, y, text, anchor="start", size=13, colour="black"):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>')

    def line(self, x1, y1, x2, y2, colour="#ddd", width=1):
        self.out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def dot(self, x, y, radius=6, colour="#c44e52"):
        self.out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def path(self, points, colour):
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.out.append(f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def save(self, file):
        with open(file, "w") as written:
            written.write("\n".join([*self.out, "</svg>"]) + "\n")
