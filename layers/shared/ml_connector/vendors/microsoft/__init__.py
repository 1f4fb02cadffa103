"""Microsoft: tokens of Entra ID, the Bot Connector, Workflows webhooks and Graph.

One app registration, one secret, two audiences: the bot service for posting, Graph for reading, for subscriptions and,
with a service account's token, for posting as a person (contracts: microsoft-teams 0, 1, 6, 7, 8).
"""

from __future__ import annotations

from ml_connector.clouds import CLOUDS, hosts
from ml_connector.vendors.microsoft.bot import BotConnector, activity_url, conversations_url, message_link, thread_url
from ml_connector.vendors.microsoft.entra import Entra, ServiceAccounts, issuers
from ml_connector.vendors.microsoft.graph import Graph, Graphs, messages_url
from ml_connector.vendors.microsoft.workflows import Workflows, is_connector

HOSTS = hosts(CLOUDS["global"])

__all__ = [
    "HOSTS", "BotConnector", "Entra", "Graph", "Graphs", "ServiceAccounts", "Workflows", "activity_url",
    "conversations_url", "is_connector", "issuers", "message_link", "messages_url", "thread_url",
]  # fmt: skip
