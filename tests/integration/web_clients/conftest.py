from collections.abc import Iterator

import pytest

from web_clients import WebClients, web_clients


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebClients]:
    """A lab with an SVM for the tests of a module, in standard mode."""
    with web_clients(tmp_path_factory.mktemp("web")) as found:
        yield found


@pytest.fixture
def standard(clients: WebClients) -> WebClients:
    """The same, in standard mode for sure, and with nothing seen yet."""
    if clients.mode != "standard":
        clients.policy()
    clients.begin()
    return clients


@pytest.fixture
def monitoring(clients: WebClients) -> WebClients:
    """The same in monitoring mode."""
    if clients.mode != "monitoring":
        clients.policy(mode="monitoring")
    clients.begin()
    return clients
