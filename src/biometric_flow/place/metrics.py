"""The state of a place's terminals for Prometheus: counts and gauges by terminal key, and nothing about people."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from biometric_flow.api.place import TerminalView
from biometric_flow.model.terminal import TerminalState

_PREFIX = "biometric_flow_"


@dataclass(frozen=True, slots=True)
class Measured:
    """One terminal at one moment."""

    view: TerminalView
    errors: Mapping[str, int]
    alarms: Mapping[str, int]
    latency: timedelta | None
    rows_unread: int | None
    """Rows that it holds and this place has not read; None before first contact."""


@dataclass(frozen=True, slots=True)
class PushMeasured:
    """What the push port counted."""

    uploads: Mapping[tuple[str, str], int]
    """Terminal and table -> uploads since this process started."""
    commands: Mapping[tuple[str, str], int]
    """Terminal and state -> commands that are kept."""
    refused: Mapping[str, int]
    """Reason -> requests that were not let in since this process started."""
    not_archived: int = 0
    """Uploads that the archive could not keep since this process started."""


def exposition(
    terminals: Iterable[Measured],
    head: int,
    backlog: int,
    now: datetime,
    push: PushMeasured | None = None,
    backups_wrong: bool = False,
) -> bytes:
    """The text exposition format of Prometheus."""
    registry = CollectorRegistry()
    families = [*_of_terminals(list(terminals), now), *_of_place(head, backlog, backups_wrong)]
    registry.register(_Once([*families, *(_of_push(push) if push else ())]))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_place(head: int, backlog: int, backups_wrong: bool) -> Iterator[Metric]:
    wrong = GaugeMetricFamily(f"{_PREFIX}backups_wrong", "1 while something is wrong with backups; /health says what.")
    wrong.add_metric([], float(backups_wrong))
    yield wrong
    yield GaugeMetricFamily(f"{_PREFIX}ledger_head", "Last ledger sequence.", value=head)
    yield GaugeMetricFamily(f"{_PREFIX}ledger_backlog", "Entries that the gateway has not acknowledged.", value=backlog)


def _of_push(push: PushMeasured) -> Iterator[Metric]:
    uploads = _counter("terminal_push_uploads", "Uploads since this process started, by table.", "table")
    commands = _gauge("terminal_push_commands", "Commands of the last days, by what became of them.", "state")
    for family, counts in ((uploads, push.uploads), (commands, push.commands)):
        for (terminal, what), count in counts.items():
            family.add_metric([terminal, what], count)
        yield family
    refused = CounterMetricFamily(
        f"{_PREFIX}push_refused", "Requests not let in since this process started.", labels=["reason"]
    )
    for reason, count in push.refused.items():
        refused.add_metric([reason], count)
    yield refused
    yield CounterMetricFamily(
        f"{_PREFIX}push_archive_failures", "Uploads not archived since this process started.", value=push.not_archived
    )


def _of_terminals(terminals: list[Measured], now: datetime) -> list[Metric]:
    online = _gauge("terminal_online", "1 when connected and caught up.")
    since = _gauge("terminal_state_since_timestamp_seconds", "When it turned to the state it is in.")
    age = _gauge("terminal_last_contact_age_seconds", "Seconds since it last answered.")
    drift = _gauge("terminal_drift_seconds", "Its clock minus true time.")
    latency = _gauge("terminal_latency_seconds", "How long its answer to a short question took.")
    unread = _gauge("terminal_rows_unread", "Rows that it holds and this place has not read.")
    ratio = _gauge("terminal_capacity_ratio", "Used share of what it can hold.", "of")
    found = _gauge("terminal_findings", "What needs a person.", "severity")
    rows = _counter("terminal_rows", "Rows received, by what became of them.", "outcome")
    errors = _counter("terminal_errors", "Times it was lost or blocked since this process started.", "code")
    alarms = _counter("terminal_alarms", "Alarms that rang since this process started.", "kind")
    for one in terminals:
        view, key = one.view, one.view.key
        online.add_metric([key], float(view.state is TerminalState.ONLINE))
        since.add_metric([key], view.state_since.timestamp())
        if view.last_contact is not None:
            age.add_metric([key], max(0.0, (now - view.last_contact).total_seconds()))
        if view.drift_ms is not None:
            drift.add_metric([key], view.drift_ms / 1000)
        if one.latency is not None:
            latency.add_metric([key], one.latency.total_seconds())
        if one.rows_unread is not None:
            unread.add_metric([key], one.rows_unread)
        for of, share in _shares(view):
            ratio.add_metric([key, of], share)
        for severity in ("alarm", "warning", "info"):
            found.add_metric([key, severity], sum(finding.severity == severity for finding in view.findings))
        for outcome in ("accepted", "quarantined", "duplicate"):
            rows.add_metric([key, outcome], getattr(view.counters, outcome))
        for code, count in one.errors.items():
            errors.add_metric([key, code], count)
        for kind, count in one.alarms.items():
            alarms.add_metric([key, kind], count)
    return [online, since, age, drift, latency, unread, ratio, found, rows, errors, alarms]


def _shares(view: TerminalView) -> Iterator[tuple[str, float]]:
    capacity = view.capacity
    for of, used, limit in (
        ("punches", capacity.punches, capacity.punches_limit),
        ("people", capacity.users, capacity.users_limit),
        ("fingers", capacity.fingers, capacity.fingers_limit),
        ("faces", capacity.faces, capacity.faces_limit),
    ):
        if limit:
            yield of, used / limit


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, help_text, labels=["terminal", *labels])


def _counter(name: str, help_text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, help_text, labels=["terminal", *labels])
