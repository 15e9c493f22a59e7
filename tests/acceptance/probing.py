"""What a process tells of itself on its health port."""

from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.engines import PATIENCE


def told(port: int, path: str) -> tuple[int, str]:
    """What the process on this port answers; status 0 if nobody does."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except (URLError, ConnectionError):
        return 0, ""


def samples(port: int) -> dict[tuple[str, str], float]:
    """The metrics, by name and the values of the labels, those in alphabetical order of their names."""
    return {
        (sample.name, " ".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(told(port, "/metrics")[1])
        for sample in family.samples
    }
