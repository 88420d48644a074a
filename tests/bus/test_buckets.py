"""Buckets are the partitions of Kafka's default partitioner, as aiokafka has it."""

from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.buckets import bucket_of, buckets_of, multiples, murmur2


@given(st.binary(max_size=70))
def test_a_key_has_the_hash_that_the_client_library_gives_it(key: bytes) -> None:
    assert murmur2(key) == theirs(key) & 0xFFFFFFFF


def test_a_customer_keeps_their_bucket_for_ever() -> None:
    assert [bucket_of(each, 12) for each in ("rahim", "karim", "c-0000001", "salma-23")] == [
        7,
        5,
        3,
        4,
    ]


def test_partitions_can_be_multiplied_by_what_divides_the_buckets() -> None:
    assert multiples(12, buckets_of(12)) == [12, 24, 48, 96]
    assert multiples(5, buckets_of(5)) == [5, 10, 20, 25, 50, 100]
    assert multiples(97, buckets_of(97)) == [97]
    for count in multiples(12, 96):
        assert buckets_of(count) == 96, "a setting of the new count means the same buckets"
