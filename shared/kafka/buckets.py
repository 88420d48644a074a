"""The bucket of a customer: the partition that Kafka's default partitioner gives their id."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65536)
def bucket_of(customer_id: str, partitions: int) -> int:
    """Return the bucket of a customer, 0 .. partitions - 1 (Kafka's default partitioner)."""
    return partition_of(customer_id.encode(), partitions)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record's key."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
