"""What dashboards are put together from: charts, single figures, rows of them, and the queries that come again and again."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from msgspec import Struct

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
SECONDS, BYTES, SHARE, PER_SECOND, NUMBER = "s", "bytes", "percentunit", "cps", "short"
# Of the 24 columns that a dashboard has.
CHART_WIDTH, CHART_HEIGHT, FIGURE_WIDTH, FIGURE_HEIGHT = 8, 8, 4, 4


class Chart(Struct, frozen=True):
    """Lines over time: `queries` are (expression, legend); `help` says what to look for."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    help: str = ""


class Figure(Struct, frozen=True):
    """One number, as it is now. Red from `bad` on, where there is such a limit."""

    title: str
    unit: str
    query: str
    bad: float | None = None
    help: str = ""


class Row(Struct, frozen=True):
    """A heading and what is under it."""

    title: str
    panels: Sequence[Chart | Figure]


class Board(Struct, frozen=True):
    """A dashboard. `variable`: a name and the query for its values, to choose one from at the top."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variable: tuple[str, str] | None = None


def rate(metric: str, by: str = "", where: str = "") -> str:
    """How fast a counter grows, a second."""
    return f"sum{_by(by)}(rate({metric}{_where(where)}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """What `share` of a histogram's values stayed below."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', ', '.join(filter(None, [by, 'le'])), where)})"


def mean(metric: str, by: str = "", where: str = "") -> str:
    """A histogram's average."""
    return f"{rate(f'{metric}_sum', by, where)} / {rate(f'{metric}_count', by, where)}"


def largest(metric: str, by: str = "", where: str = "") -> str:
    """A figure that several processes expose alike, or of which the worst counts."""
    return f"max{_by(by)}({metric}{_where(where)})"


def _by(by: str) -> str:
    return f" by ({by}) " if by else ""


def _where(where: str) -> str:
    return f"{{{where}}}" if where else ""


def made(board: Board) -> dashboard.Dashboard:
    """The dashboard in Grafana's own form."""
    result = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags(["chat4all"])
        .timezone("browser")
        .refresh("10s")
        .time("now-30m", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )
    if board.variable:
        name, query = board.variable
        result.with_variable(
            dashboard.QueryVariable(name)
            .query(query)
            .datasource(SOURCE)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
        )
    for row in board.rows:
        result.with_row(dashboard.Row(row.title))
        for each in row.panels:
            result.with_panel(_chart(each) if isinstance(each, Chart) else _figure(each))
    return result


def _queries(queries: Sequence[tuple[str, str]]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().ref_id(chr(ord("A") + place)).expr(expression).legend_format(legend)
        for place, (expression, legend) in enumerate(queries)
    ]


def _chart(chart: Chart) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.help)
        .datasource(SOURCE)
        .unit(chart.unit)
        .min(0)
        .span(CHART_WIDTH)
        .height(CHART_HEIGHT)
        .fill_opacity(8)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
    )
    for query in _queries(chart.queries):
        panel.with_target(query)
    return panel


def _figure(figure: Figure) -> stat.Panel:
    panel = (
        stat.Panel()
        .title(figure.title)
        .description(figure.help)
        .datasource(SOURCE)
        .unit(figure.unit)
        .span(FIGURE_WIDTH)
        .height(FIGURE_HEIGHT)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_queries([(figure.query, "")])[0])
    )
    steps = [Threshold(None, "green"), *([] if figure.bad is None else [Threshold(figure.bad, "red")])]
    return panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
