"""The catalogue of metrics: every name that a worker shows, and what to do when it moves.

Base units, no customer ids in labels. `deploy/` has a page for each alert.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from shared.schemas.topics import INBOUND

WATCH_SECONDS = 5.0
"""How often figures that are asked of a server are asked again."""


class FleetGauge(Gauge):
    """A figure of the whole fleet, shown only by a worker that sets it: a 0 from any other worker
    would hide that the one that measures it is gone."""

    def __init__(self, name: str, documentation: str) -> None:
        super().__init__(name, documentation, registry=None)
        self._shown = False

    def set(self, value: float) -> None:
        super().set(value)
        if not self._shown:
            REGISTRY.register(self)
            self._shown = True


class BatchHistogram(Collector):
    """A histogram by one label that takes in a batch at once: the client's own would take a lock
    and walk through its buckets for each event."""

    def __init__(self, name: str, documentation: str, label: str, buckets: Sequence[float]) -> None:
        self._name, self._documentation, self._label = name, documentation, label
        self._bounds = (*buckets, float("inf"))
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(self._bounds))
        self._sums: dict[str, float] = defaultdict(float)
        REGISTRY.register(self)

    def observe(self, label: str, values: Iterable[float]) -> None:
        ordered = sorted(values)
        counts = self._counts[label]
        for at, bound in enumerate(self._bounds):
            counts[at] += bisect_right(ordered, bound)
        self._sums[label] += sum(ordered)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        for label, counts in self._counts.items():
            buckets = list(zip(map(floatToGoString, self._bounds), counts, strict=True))
            family.add_metric([label], buckets, self._sums[label])
        yield family


BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

EVENTS = Counter(
    "billing_events_total",
    "Events judged. Many `refused` or `malformed`: find out who publishes them "
    "(billing.refusals.v1, dead letters).",
    ["topic", "type", "outcome"],
)
EVENT_SECONDS = BatchHistogram(
    "billing_event_seconds",
    "From an event's timestamp in Kafka to its commit. Rising: workers are too few or the "
    "database is slow; compare with billing_batch_seconds.",
    "topic",
    buckets=(*BATCH_BUCKETS, 60, 300, 1800),
)
BATCH_SECONDS = Histogram(
    "billing_batch_seconds",
    "One batch, from records to commit. Rising with billing_batch_records flat: look at the "
    "database (locks, disk).",
    ["worker"],
    buckets=BATCH_BUCKETS,
)
BATCH_RECORDS = Histogram(
    "billing_batch_records",
    "Records a batch. Always at the maximum: there is a backlog.",
    ["worker"],
    buckets=(1, 10, 50, 100, 500, 1000, 2000, 5000),
)
BATCH_STANDING = Gauge(
    "billing_batch_standing_seconds",
    "How long the current batch has been held up, if for 15 seconds or more, else 0. Above 0: "
    "/readyz says which lock it waits for and who holds it.",
    ["worker"],
)
LEDGER_LINES = Counter(
    "billing_ledger_lines_total",
    "Ledger lines committed. Flat on a bill day: is the run stuck (billing_run_running)?",
    ["kind"],
)
RUN_CUSTOMERS = Counter(
    "billing_run_customers",
    "Customers handled by runs, by result. Any `quarantined`: rollforward quarantine list.",
    ["result"],
)
RUN_RUNNING = FleetGauge(
    "billing_run_running",
    "Runs not yet done. Above 0 for long: is a generator alive? Pages are sent again by "
    "themselves.",
)
RUN_LAST_SUCCESS = FleetGauge(
    "billing_run_last_success_timestamp_seconds",
    "When the last run was done. Older than a day: no tick came; is the coordinator's clock alive?",
)
PARKED = FleetGauge(
    "billing_parked",
    "Commands that wait for a customer or for their first period. Growing: signups are missing.",
)
QUARANTINED = FleetGauge(
    "billing_quarantined",
    "Customers in quarantine, who wait for a person: rollforward quarantine list.",
)
DEAD_LETTERS = Counter(
    "billing_dead_letters_total",
    "Events that could not be read. Any: rollforward dlq list, and inform their publisher.",
    ["topic"],
)
for _topic in INBOUND:
    DEAD_LETTERS.labels(_topic.name)
    # Prometheus sees no rise, and raises no alert, where a counter first appears with a 1.
RETRIES = Counter(
    "billing_retries_total",
    "Batches and connections tried again, by cause. `fenced` after a rebalance is normal; many "
    "are not.",
    ["worker", "cause"],
)
CONSUMER_LAG = Gauge(
    "billing_consumer_lag_records",
    "Records in Kafka that are not applied yet, measured by the coordinator for all consumers, "
    "dead ones too. Growing: add workers, or see why /readyz is 503.",
    ["topic", "partition"],
)
STANDS_STILL = Gauge(
    "billing_partition_stands_still",
    "1 where a partition waits for a person: its topic was made anew, or its log has lost what "
    "comes next; partition `all`: the whole topic. Any: rollforward positions list, and the "
    "runbook's page KafkaLost.",
    ["topic", "partition"],
)
for _topic in INBOUND:
    STANDS_STILL.labels(
        _topic.name, "all"
    )  # there from the start, so that an alert can see its absence
OLDEST_UNPROCESSED = Gauge(
    "billing_oldest_unprocessed_seconds",
    "Age of the oldest record not applied yet, by its timestamp; 0: all are applied. Rising by one "
    "a second: nothing is applied, see why /readyz is 503.",
    ["topic"],
)
RELAY_LAG = Gauge(
    "billing_relay_lag_rows",
    "Committed rows that wait to be published. Growing: is Kafka away, or a transaction left open?",
    ["stream"],
)
RELAY_PUBLISHED = Counter(
    "billing_relay_published_total",
    "Records published. Flat while billing_relay_lag_rows grows: the relay is stuck.",
    ["topic"],
)
RELAY_YIELDS = Gauge(
    "billing_relay_yields",
    "1 while the relay goes slowly so that the bills of a run go first: for 20 s at most.",
)
DOCUMENTS = Counter(
    "billing_documents_total",
    "Documents numbered. Flat while lines are written: the relay worker does not number.",
)
NOTICES = Counter(
    "billing_notices_total",
    "Notices made, by kind. None after a run: look at the notifier.",
    ["kind"],
)
RESTORED = Gauge(
    "billing_restored",
    "1 while a worker stands still because PostgreSQL was restored to an earlier hour and knows "
    "less than Kafka: rollforward restored.",
)
RECONCILIATION = Gauge(
    "billing_reconciliation_difference",
    "Figures of report.reconciliation, as far as the hourly check has read: customers with new "
    "lines within the hour, everyone within a day. One that differs stays until that customer is "
    "read again and found right. Any but 0: stop, run rollforward verify, call an auditor.",
    ["figure"],
)
RECONCILIATION_LAST_SUCCESS = FleetGauge(
    "billing_reconciliation_last_success_timestamp_seconds",
    "When the hourly check last read all new lines. Older than some hours: it is unknown whether "
    "the figures are 0; the coordinator's log says why they cannot be read.",
)
RECONCILIATION_WHOLE = FleetGauge(
    "billing_reconciliation_whole_timestamp_seconds",
    "Every customer was checked since then. Older than two days: a change in old lines stays "
    "unseen; does the coordinator run all day?",
)
RECONCILIATION_REACH = FleetGauge(
    "billing_reconciliation_reach_ratio",
    "Share of the book that was checked whole in the last 26 hours. Below 1 for a day: see "
    "billing_reconciliation_whole_timestamp_seconds.",
)
RECONCILIATION_SECONDS = FleetGauge(
    "billing_reconciliation_seconds",
    "How long the last hourly check took. Near 3600: the database is too slow for the book; "
    "compare with billing_batch_seconds.",
)
READY = Gauge("billing_ready", "1 when /readyz is 200. 0: read the causes there.")
