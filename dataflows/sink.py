"""The sink: transitions go to the store, a batch in one durable write."""

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflows.shell import Recordable, Shell


class StoreSink(DynamicSink[tuple[str, Recordable]]):
    """Records in the store what calls came to, and what the orchestrator has to say."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Partition":  # noqa: ARG002
        """Called once by each worker."""
        return _Partition(self._shell)


class _Partition(StatelessSinkPartition[tuple[str, Recordable]]):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def write_batch(self, items: list[tuple[str, Recordable]]) -> None:
        self._shell.record([item for _, item in items])
