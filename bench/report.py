"""What a run found: as tables, in `results.json`, and in docs/performance.md between its markers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import figures
from bench.cases import FAR, FAR_HOT, HOT, MANY, Case, Turns
from bench.dashboard import DashboardTimes
from bench.figures import Summary

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"

NAMES = {"source": "one call per request", "ours": "this system", "bare": "bare forwarder"}
# Figure, whether more is better, what is to be reached.
TARGETS = (
    ("throughput_ratio", True, 2.0),
    ("p50_ratio_20ms", False, 0.1),
    ("object_calls_per_1000", False, 20.0),
    ("cost_ratio", False, 0.25),
    ("many_apps_ratio", True, 1.0),
    ("dashboard_start_ratio", False, 3.0),
    ("dashboard_page_ms", False, 30.0),
)

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The turns of every case; `setting` says how it was measured."""

    turns: Mapping[Case, Turns]
    dashboard: DashboardTimes
    setting: Mapping[str, str | int | float]

    def figures(self) -> dict[str, float]:
        """This system ÷ one call per request; but object calls, which are counted."""
        far, many = self.turns[FAR], self.turns[MANY]
        hot_ours, hot_source = self._summary(HOT, "ours"), self._summary(HOT, "source")
        many_ours, many_source = self._summary(MANY, "ours"), self._summary(MANY, "source")
        return {
            "throughput_ratio": figures.throughput_ratio(self.turns[HOT]["ours"], self.turns[HOT]["source"]),
            "p50_ratio_20ms": figures.p50_ratio(far["ours"], far["source"]),
            "p50_ratio_20ms_16_connections": figures.p50_ratio(
                self.turns[FAR_HOT]["ours"], self.turns[FAR_HOT]["source"]
            ),
            "object_calls_per_1000": hot_ours.calls,
            "cost_ratio": hot_ours.object_cost / hot_source.object_cost,
            "many_apps_ratio": figures.throughput_ratio(many["ours"], many["source"]),
            "many_apps_object_calls_per_1000": many_ours.calls,
            "many_apps_cost_ratio": many_ours.object_cost / many_source.object_cost,
            "dashboard_start_ratio": self.dashboard.start_ratio,
            "dashboard_page_ms": self.dashboard.slowest_page,
        }

    def tables(self) -> str:
        tables = (self._load_table(), self._cost_table(), self._dashboard_table(), self._target_table())
        return "\n\n".join((*tables, self._footnote()))

    def save(self) -> None:
        cases = {
            case.title: {system: asdict(Summary.of(turns)) for system, turns in by_system.items()}
            for case, by_system in self.turns.items()
        }
        dashboard = asdict(self.dashboard)
        results = {**self.figures(), "setting": self.setting, "dashboard": dashboard, "cases": cases}
        RESULTS.write_text(json.dumps(rounded(results), indent=2) + "\n")
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{self.tables()}\n\n{END}{after}")

    def _summary(self, case: Case, system: str) -> Summary:
        return Summary.of(self.turns[case][system])

    def _load_table(self) -> str:
        header = ("load", "system", "requests/s", "ratio", "p50 ms", "p99 ms", "object calls per 1,000")
        rows = [
            self._load_row(case, system, number == 0)
            for case, by_system in self.turns.items()
            for number, system in enumerate(by_system)
        ]
        return table(header, rows, names=2)

    def _load_row(self, case: Case, system: str, is_first: bool) -> Row:
        turns, summary = self.turns[case], self._summary(case, system)
        ratio = figures.throughput_ratio(turns[system], turns["source"])
        return (
            case.title if is_first else "",
            NAMES[system],
            f"{summary.requests_per_second:,.0f}",
            f"{ratio:.2f}",
            f"{summary.p50:.2f}",
            f"{summary.p99:.1f}",
            f"{summary.calls:,.1f}",
        )

    def _cost_table(self) -> str:
        header = (
            "US dollars per million requests",
            f"object requests at ${figures.OBJECT_REQUESTS:.2f} per million",
            f"rows written at ${figures.ROWS_WRITTEN:.2f} per million",
            f"rows read at ${figures.ROWS_READ:.3f} per million",
            "object in all",
            f"with dispatch's request at ${figures.DISPATCH_REQUESTS:.2f} per million",
        )
        rows = [
            (f"{case.title}, {NAMES[system]}", *cost_cells(self._summary(case, system)))
            for case in (HOT, MANY)
            for system in ("source", "ours")
        ]
        return table(header, rows)

    def _dashboard_table(self) -> str:
        starts = (
            ("first answer of an empty Python Worker, cold", self.dashboard.empty_starts),
            ("first answer of the dashboard, cold", self.dashboard.starts),
        )
        rows = [(name, f"{median(times) * 1000:,.0f}") for name, times in starts]
        rows += [(f"`{path}`, warm", f"{time:.1f}") for path, time in self.dashboard.pages.items()]
        return table(("dashboard", "p50 ms"), rows)

    def _target_table(self) -> str:
        found = self.figures()
        rows = []
        for name, more_is_better, target in TARGETS:
            reached = found[name] >= target if more_is_better else found[name] <= target
            bound = f"{'≥' if more_is_better else '≤'} {target:g}"
            rows.append((f"`{name}`", f"{found[name]:.3f}", bound, "yes" if reached else "**no**"))
        return table(("figure", "found", "to reach", "reached"), rows)

    def _footnote(self) -> str:
        return "Measured with " + ", ".join(f"{name} {value}" for name, value in self.setting.items()) + "."


def cost_cells(summary: Summary) -> Row:
    def cell(per_thousand: float, price: float) -> str:
        return f"{per_thousand * 1_000:,.0f} = ${per_thousand * price / 1_000:.4f}"

    return (
        cell(summary.calls, figures.OBJECT_REQUESTS),
        cell(summary.rows_written, figures.ROWS_WRITTEN),
        cell(summary.rows_read, figures.ROWS_READ),
        f"${summary.object_cost:.4f}",
        f"${summary.object_cost + figures.DISPATCH_REQUESTS:.4f}",
    )


def table(header: Row, rows: Sequence[Row], names: int = 1) -> str:
    """Aligned Markdown; the first columns hold names, the others figures."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Row) -> str:
        padded = (
            cell.ljust(width) if number < names else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if number < names else "-" * (width - 1) + ":" for number, width in enumerate(widths)]
    return "\n".join(map(line, (header, rule, *rows)))


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
