"""A report as one HTML page that needs nothing else."""

from collections.abc import Sequence
from html import escape

from synth.bitstream.report import KINDS, Report

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border-bottom:1px solid #ccc;padding:.2rem .8rem;"
    "text-align:left}td:nth-child(n+2){text-align:right}code{font-size:.9em}"
)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def page(report: Report) -> str:
    """HTML of a report."""
    verdict = "reaches" if report.worst.megahertz >= report.clock_mhz else "does not reach"
    seeds = [
        [str(each.seed), f"{each.megahertz:.1f}", f"{each.out_nanoseconds:.1f}", f"{each.in_nanoseconds:.1f}"]
        for each in report.routings
    ]
    used = [
        [name, f"{count:,}", f"{available:,}", f"{count / available:.1%}"]
        for name, (count, available) in ((KINDS[kind], report.best.used[kind]) for kind in KINDS)
    ]
    path = [[hop.signal, f"{hop.nanoseconds:.2f}"] for hop in report.worst.critical_path]
    speeds = [
        [
            each.products,
            f"{each.bytes_a_token / 1e6:.1f}",
            f"{each.tokens_per_second:.1f}",
            "yes" if each.fits else "no",
        ]
        for each in report.implied
    ]
    tools = [[name, version] for name, version in report.tools.items()]
    title = f"seedloom on {report.board}"
    what = f"{'a whole decoder' if report.decoder else 'an engine'} with one lane of {report.format}"
    what += " and a memory card's loader" if report.card else ""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(report.part)}, memory {escape(report.memory)}, {escape(what)}, "
        f"serial line of {report.baud:,} baud, build {report.build:08x}. "
        f"The slowest placement {verdict} {report.clock_mhz:g} MHz.</p>",
        "<h2>Placements (routed)</h2>",
        _table(["seed", "MHz", "register to pin, ns", "pin to register, ns"], seeds),
        f"<p>The bitstream is seed {report.best.seed}. The delays are those of wires and logic; the pins' buffers, the "
        "clock's way and the chip are not in them, and no tool checks them here.</p>",
        "<h2>What is used (routed)</h2>",
        _table(["cells", "used", "available", "share"], used),
        "<h2>Slowest path, of the slowest placement (routed)</h2>",
        _table(["to", "ns"], path),
        "<h2>What it implies for SmolLM2-135M (derived)</h2>",
        _table(["products", "MB per token", "tokens per second", "fits the memory"], speeds),
        "<h2>Tools</h2>",
        _table(["package", "version"], tools),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body>\n</html>\n"
    )
