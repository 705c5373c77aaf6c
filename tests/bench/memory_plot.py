# SPDX-License-Identifier: MIT
"""Pure: a plot of make bench-memory as SVG: what the host holds over time, a line a policy."""
from html import escape

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 56, 48
LABEL_STEP = 15
# Told apart in grey and by colour-blind people too: the dashes differ as well.
STYLES = {"off": ("#6b7280", ""), "dropcache": ("#c2410c", "7 3"), "gradual": ("#a16207", "2 3"),
          "senpai": ("#7c3aed", "9 3 2 3"), "adaptive": ("#0369a1", "")}
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def step_of(span, wanted):
    """A round number so that a span has about so many steps."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if span / (size * factor) <= wanted:
                return size * factor
        size *= 10


class Scale:
    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value):
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def text(x, y, words, anchor="start", fill="#374151", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">'
            f'{escape(words)}</text>')


def line(x1, y1, x2, y2, stroke, dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"'
            f'{dashed(dash)}/>')


def dashed(dash):
    return f' stroke-dasharray="{dash}"' if dash else ""


def grid(across, up):
    parts = []
    step = step_of(up.high, 6)
    for value in range(0, int(up.high) + 1, step):
        parts += [line(LEFT, up(value), WIDTH - RIGHT, up(value), "#e5e7eb"),
                  text(LEFT - 8, up(value) + 4, str(value), "end")]
    step = step_of(across.high - across.low, 10)
    first = -int(-across.low // step) * step
    for value in range(first, int(across.high) + 1, step):
        parts += [line(across(value), HEIGHT - BOTTOM, across(value), HEIGHT - BOTTOM + 5, "#9ca3af"),
                  text(across(value), HEIGHT - BOTTOM + 19, str(value), "middle")]
    parts += [line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "#9ca3af"),
              line(across(0), TOP, across(0), HEIGHT - BOTTOM, "#9ca3af", "3 3"),
              text(across(0) + 5, TOP + 10, "the work has ended"),
              text(LEFT - 8, TOP - 10, "MiB", "end"),
              text(WIDTH - RIGHT, HEIGHT - 12, "seconds", "end")]
    return parts


def spread(wanted):
    """Heights of labels that do not cover each other, in the same order as the lines end."""
    last, heights = 0, {}
    for name, at in sorted(wanted.items(), key=lambda item: item[1]):
        heights[name] = last = max(at, last + LABEL_STEP)
    return heights


def draw(title, lines, base):
    """lines: {policy: [(seconds since the end of the work, MiB)]}; base: what the host should hold in the end."""
    across = Scale(min(points[0][0] for points in lines.values()), max(points[-1][0] for points in lines.values()),
                   LEFT, WIDTH - RIGHT)
    up = Scale(0, max(held for points in lines.values() for _, held in points) * 1.08, HEIGHT - BOTTOM, TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
             f'height="{HEIGHT}" {FONT}>', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
             text(LEFT, 24, title, fill="#111827", weight="bold")]
    parts += grid(across, up)
    parts += [line(LEFT, up(base), WIDTH - RIGHT, up(base), "#16a34a", "4 4"),
              text(LEFT + 6, up(base) + 14, "in use before and after", fill="#15803d")]
    for policy, points in lines.items():
        stroke, dash = STYLES[policy]
        path = " ".join(f"{across(at):.1f},{up(held):.1f}" for at, held in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="'
                     f'{2.5 if policy == "adaptive" else 1.7}" stroke-linejoin="round"{dashed(dash)}/>')
    heights = spread({policy: up(points[-1][1]) + 4 for policy, points in lines.items()})
    for policy, height in heights.items():
        points, stroke = lines[policy], STYLES[policy][0]
        parts += [line(across(points[-1][0]), up(points[-1][1]), WIDTH - RIGHT + 18, height - 4, stroke, "1 3"),
                  text(WIDTH - RIGHT + 22, height, f"{policy}, {points[-1][1]:.0f} MiB", fill=stroke, weight="bold")]
    return "\n".join(parts) + "\n</svg>\n"
