"""A histogram that takes in a whole batch shows what the client's own shows event by event."""

from prometheus_client import REGISTRY, Histogram

from shared.runtime.metrics import BatchHistogram

SECONDS = [0.0, 0.001, 0.0011, 0.5, 0.99, 1.0, 7.25, 1800.0, 1e9]
BUCKETS = (0.001, 0.5, 1, 60, 1800)


def test_a_batch_observed_at_once_shows_what_its_events_would_one_by_one() -> None:
    ours = BatchHistogram("seconds", "Of events.", "topic", BUCKETS)
    theirs = Histogram("seconds", "Of events.", ["topic"], buckets=BUCKETS, registry=None)
    try:
        for batch in (SECONDS, SECONDS[:4], []):
            ours.observe("payments", batch)
            for each in batch:
                theirs.labels("payments").observe(each)

        (shown,), (wanted,) = ours.collect(), theirs.collect()
        assert shown.type == wanted.type
        assert shown.samples == [
            sample for sample in wanted.samples if not sample.name.endswith("_created")
        ]
        name, of = "seconds_bucket", {"topic": "payments", "le": "0.001"}
        assert REGISTRY.get_sample_value(name, of) == 4, "and a worker shows it"
    finally:
        REGISTRY.unregister(ours)
