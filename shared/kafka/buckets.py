"""The bucket of a customer, and the partition of their events: both from Kafka's hash of their id.

A fleet's buckets are a multiple of its partitions, so a customer's partition is their bucket modulo
the partitions: more partitions move nobody to another bucket.
"""

from functools import lru_cache
from struct import iter_unpack

SEED, FACTOR, BITS = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF

BUCKETS_MIN = 96
"""What a new fleet has at least: its partitions may be multiplied up to about that many."""


def buckets_of(partitions: int) -> int:
    """Return how many buckets a fleet has: the smallest multiple of its partitions from 96 on. It
    stays the same where the partitions are multiplied by what divides it."""
    return partitions * -(-BUCKETS_MIN // partitions)


def multiples(partitions: int, buckets: int) -> list[int]:
    """Return how many partitions a fleet that has so many may get, its present count first."""
    return [
        count
        for count in range(partitions, buckets + 1)
        if count % partitions == 0 and buckets % count == 0
    ]


@lru_cache(maxsize=1 << 18)
def bucket_of(customer_id: str, buckets: int) -> int:
    """Return the bucket of a customer, 0 .. buckets - 1."""
    return partition_of(customer_id.encode(), buckets)


def bucket_of_key(key: bytes | None, buckets: int) -> int:
    """Return the bucket of a record's key, as if it were a customer's id; 0 without a key."""
    return 0 if key is None else partition_of(key, buckets)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record's key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """Return Kafka's hash of a key, 32 bits. aiokafka's own takes three times as long."""
    length = len(key)
    whole = length & ~3
    hashed = SEED ^ length
    for (word,) in iter_unpack("<I", key[:whole]):
        mixed = word * FACTOR & BITS
        hashed = (hashed * FACTOR ^ (mixed ^ mixed >> 24) * FACTOR) & BITS
    if length > whole:
        hashed = (hashed ^ int.from_bytes(key[whole:], "little")) * FACTOR & BITS
    hashed = (hashed ^ hashed >> 13) * FACTOR & BITS
    return hashed ^ hashed >> 15
