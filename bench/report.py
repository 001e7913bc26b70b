"""What a run found: as tables, in `results.json`, and in docs/performance.md between its markers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import figures
from bench.cases import FAR, FAR_HOT, HOT, PACED, QUIET, QUIET_FAR, SITE, Case, Turns
from bench.figures import Figure, Summary
from bench.starts import Starts
from bench.tables import Row, insert, table

RESULTS = Path(__file__).parent / "results.json"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"

NAMES = {"source": "one call per request", "ours": "this system", "bare": "bare forwarder"}
# Figure, whether more is better, what is to be reached.
TARGETS = (
    ("throughput_ratio", True, 2.2),
    ("throughput_ratio_site", True, 2.2),
    ("throughput_ratio_to_bare", True, 0.65),
    ("p50_ratio_20ms", False, 0.1),
    ("quiet_apps_ratio", True, 0.5),
    ("quiet_p50_ratio_20ms", False, 1.1),
    ("many_apps_ratio", True, 0.8),
    ("many_apps_ratio_5s", True, 1.5),
    ("calls_per_1000_hot", False, 20.0),
    ("calls_per_1000_1s", False, 50.0),
    ("calls_per_1000_10s", False, 250.0),
    ("calls_per_1000_60s", False, 1_000.0),
    ("object_cost_ratio_1s", False, 0.1),
    ("statements_per_call", False, 2.0),
    ("rows_written_per_call", False, 1.0),
    ("dispatch_start_ratio", False, 1.1),
    ("dashboard_start_ratio", False, 3.0),
    ("dashboard_page_ms", False, 30.0),
)
# Those of the object's methods that requests cause.
PER_REQUEST = ("take_lease", "renew_lease", "settle_lease")

VERDICTS = {True: "yes", False: "**no**", None: "the rounds differ too much to tell"}


@dataclass(frozen=True, slots=True)
class Report:
    """The turns of every case; `methods` as billing counted them; `setting` says how it was measured."""

    turns: Mapping[Case, Turns]
    methods: Mapping[str, Sequence[int]]
    starts: Starts
    pages: Mapping[str, float]
    setting: Mapping[str, str | int | float]

    def figures(self) -> dict[str, Figure]:
        """This system ÷ another; but calls, statements and rows, which are counted, and the slowest page."""
        paced = {case.pace: self._ratio(case, "source") for case in PACED}
        worst = sorted((pace for pace in paced if pace and pace <= 20), key=lambda pace: paced[pace].value)
        worst_up_to_5s = [pace for pace in worst if pace <= 5]
        return {
            "throughput_ratio": self._ratio(HOT, "source"),
            "throughput_ratio_site": self._ratio(SITE, "source"),
            "throughput_ratio_to_bare": self._ratio(HOT, "bare"),
            "p50_ratio_20ms": self._p50_ratio(FAR),
            "p50_ratio_20ms_16_connections": self._p50_ratio(FAR_HOT),
            "quiet_apps_ratio": self._ratio(QUIET, "source"),
            "quiet_p50_ratio_20ms": self._p50_ratio(QUIET_FAR),
            "many_apps_ratio": paced[worst[0]],
            "many_apps_ratio_5s": paced[worst_up_to_5s[0]],
            "calls_per_1000_hot": Figure([self._summary(HOT, "ours").calls]),
            **{
                f"calls_per_1000_{case.pace:g}s": Figure([self._summary(case, "ours").calls])
                for case in PACED
            },
            **{
                f"object_cost_ratio_{case.pace:g}s": Figure([self._object_cost_ratio(case)]) for case in PACED
            },
            "object_cost_ratio_hot": Figure([self._object_cost_ratio(HOT)]),
            "statements_per_call": Figure([self._most_per_call(1)]),
            "rows_written_per_call": Figure([self._most_per_call(2)]),
            "dispatch_start_ratio": self.starts.dispatch_ratio,
            "dashboard_start_ratio": self.starts.dashboard_ratio,
            "dashboard_page_ms": Figure([max(self.pages.values())]),
        }

    def _ratio(self, case: Case, other: str) -> Figure:
        return figures.throughput_ratio(self.turns[case]["ours"], self.turns[case][other])

    def _p50_ratio(self, case: Case) -> Figure:
        return figures.p50_ratio(self.turns[case]["ours"], self.turns[case]["source"])

    def _object_cost_ratio(self, case: Case) -> float:
        return self._summary(case, "ours").object_cost / self._summary(case, "source").object_cost

    def _most_per_call(self, column: int) -> float:
        """Of take, renew and settle the one with the most statements (1) or rows (2) for a call."""
        return max(self.methods[name][column] / self.methods[name][0] for name in PER_REQUEST)

    def tables(self) -> str:
        tables = (
            *(self._target_table(), self._load_table(), self._cost_table()),
            *(self._method_table(), self._dashboard_table()),
        )
        return "\n\n".join((*tables, self._footnote()))

    def save(self) -> None:
        cases = {
            case.title: {system: asdict(Summary.of(turns)) for system, turns in by_system.items()}
            for case, by_system in self.turns.items()
        }
        results = {
            **{name: figure.value for name, figure in self.figures().items()},
            "rounds": {name: list(figure.rounds) for name, figure in self.figures().items()},
            "setting": self.setting,
            "methods": self.methods,
            "starts": asdict(self.starts),
            "pages": self.pages,
            "cases": cases,
        }
        RESULTS.write_text(json.dumps(rounded(results), indent=2) + "\n")
        insert(self.tables(), BEGIN, END)

    def _summary(self, case: Case, system: str) -> Summary:
        return Summary.of(self.turns[case][system])

    def _load_table(self) -> str:
        header = (
            *("load", "system", "requests/s", "ratio", "p50 ms", "p99 ms"),
            *("processor µs", "object calls per 1,000"),
        )
        rows = [
            self._load_row(case, system, number == 0)
            for case, by_system in self.turns.items()
            for number, system in enumerate(by_system)
        ]
        return table(header, rows, names=2)

    def _load_row(self, case: Case, system: str, is_first: bool) -> Row:
        turns, summary = self.turns[case], self._summary(case, system)
        ratio = figures.throughput_ratio(turns[system], turns["source"]).value
        return (
            case.title if is_first else "",
            NAMES[system],
            f"{summary.requests_per_second:,.0f}",
            f"{ratio:.2f}",
            f"{summary.p50:.2f}",
            f"{summary.p99:.1f}",
            f"{summary.processor_us:,.0f}",
            f"{summary.calls:,.1f}",
        )

    def _cost_table(self) -> str:
        header = (
            "US dollars per million requests",
            f"object requests at ${figures.OBJECT_REQUESTS:.2f} per million",
            f"rows written at ${figures.ROWS_WRITTEN:.2f} per million",
            f"rows read at ${figures.ROWS_READ:.3f} per million",
            "object in all",
            f"processor's ms at ${figures.PROCESSOR_MS:.2f} per million, at most",
            f"with dispatch's request at ${figures.DISPATCH_REQUESTS:.2f} per million",
        )
        rows = [
            (f"{case.title}, {NAMES[system]}", *cost_cells(self._summary(case, system)))
            for case in (HOT, *PACED)
            for system in ("source", "ours")
        ]
        return table(header, rows)

    def _method_table(self) -> str:
        rows = [
            (f"`{name}`", f"{calls:,}", f"{statements / calls:.2f}", f"{written / calls:.2f}")
            for name, (calls, statements, written) in sorted(self.methods.items())
        ]
        return table(("method of the object", "calls", "statements per call", "rows written per call"), rows)

    def _dashboard_table(self) -> str:
        starts = (
            ("first answer of an empty Python Worker, cold", self.starts.empty),
            ("first answer of dispatch, cold", self.starts.dispatch),
            ("first answer of the dashboard, cold", self.starts.dashboard),
        )
        rows = [(name, f"{median(times) * 1000:,.0f}") for name, times in starts]
        rows += [(f"the dashboard's `{path}`, warm", f"{time:.1f}") for path, time in self.pages.items()]
        return table(("time", "p50 ms"), rows)

    def _target_table(self) -> str:
        found = self.figures()
        rows = []
        for name, more_is_better, target in TARGETS:
            figure = found[name]
            bound = f"{'≥' if more_is_better else '≤'} {target:g}"
            verdict = VERDICTS[figure.reaches(target, more_is_better)]
            rows.append((f"`{name}`", f"{figure.value:.3f}", spread_of(figure), bound, verdict))
        return table(("figure", "found", "of the rounds", "to reach", "reached"), rows)

    def _footnote(self) -> str:
        return "Measured with " + ", ".join(f"{name} {value}" for name, value in self.setting.items()) + "."


def spread_of(figure: Figure) -> str:
    if len(figure.rounds) == 1:
        return ""
    return f"{min(figure.rounds):.3f} to {max(figure.rounds):.3f}"


def cost_cells(summary: Summary) -> Row:
    def cell(per_thousand: float, price: float) -> str:
        return f"{per_thousand * 1_000:,.0f} = ${per_thousand * price / 1_000:.4f}"

    processor = summary.processor_us * figures.PROCESSOR_MS / 1_000
    return (
        cell(summary.calls, figures.OBJECT_REQUESTS),
        cell(summary.rows_written, figures.ROWS_WRITTEN),
        cell(summary.rows_read, figures.ROWS_READ),
        f"${summary.object_cost:.4f}",
        f"{summary.processor_us * 1_000:,.0f} = ${processor:.4f}",
        f"${summary.object_cost + processor + figures.DISPATCH_REQUESTS:.4f}",
    )


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
