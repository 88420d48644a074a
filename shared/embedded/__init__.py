"""The embedded servers: real Apache Kafka and real PostgreSQL, owned by one fleet."""

from shared.embedded.folder import DataFolder, DirectoryInUse
from shared.embedded.jars import JarsMissing
from shared.embedded.kafka import Kafka
from shared.embedded.postgres import Postgres
from shared.embedded.process import ServerFailed

__all__ = ["DataFolder", "DirectoryInUse", "JarsMissing", "Kafka", "Postgres", "ServerFailed"]
