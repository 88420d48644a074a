"""The embedded servers: real Apache Kafka and real PostgreSQL, owned by one fleet."""

from shared.runtime.embedded.folder import DataFolder, DirectoryInUse
from shared.runtime.embedded.jars import JarsMissing
from shared.runtime.embedded.kafka import Kafka
from shared.runtime.embedded.postgres import Postgres
from shared.runtime.embedded.process import ServerFailed

__all__ = ["DataFolder", "DirectoryInUse", "JarsMissing", "Kafka", "Postgres", "ServerFailed"]
