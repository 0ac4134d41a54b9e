"""Stands where kafka-python's tests have the module that starts Apache Kafka, which its source package leaves out. With
KAFKA_URI set they start none, and use only the first class."""


class ExternalService:
    """A broker that runs already."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        """Nothing to start."""

    def close(self):
        """Nothing to stop."""

    def dump_logs(self):
        """Its logs are its own."""

    def wait_for(self, pattern, timeout=None):
        """It is ready."""
        return True


class SpawnedService:
    """Would start Apache Kafka."""

    def __init__(self, *arguments, **settings):
        raise RuntimeError("no Apache Kafka is started here")
