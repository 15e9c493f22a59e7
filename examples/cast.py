"""The people and things that the examples are about, and a draw from them that is the same each time."""

from random import Random
from typing import Any

PEOPLE = (
    *("amara", "olga", "jonas", "priya", "mateo", "lucia", "henrik", "yuki", "fatima", "dmitri", "chloe", "tomas"),
    *("aisha", "bram", "ingrid", "kofi", "leila", "marek", "nadia", "oscar", "paola", "quentin", "rosa", "samuel"),
    *("tove", "umar", "vera", "wim", "ximena", "zoe"),
)
TEAMS = ("sales-analytics", "marketing-science", "bi-platform", "ml-features", "customer-care", "supply-planning")
ASSETS = (
    "sales.orders_daily",
    "sales.order_lines",
    "sales.returns",
    "sales.price_lists",
    "marketing.campaign_spend",
    "marketing.web_sessions",
    "marketing.newsletter_clicks",
    "crm.customers",
    "crm.accounts",
    "crm.consents",
    "logistics.shipments",
    "logistics.stock_levels",
    "logistics.carrier_invoices",
    "product.feature_usage",
    "product.releases",
    "support.tickets",
    "support.satisfaction_scores",
    "hr.headcount",
)
REGULATED = ("finance.general_ledger", "finance.receivables", "finance.vat_returns", "risk.exposures", "risk.ratings")
CHANGES = ("owner", "description", "retention", "sensitivity", "tags", "columns")
PURPOSES = (
    "quarterly churn model",
    "reconciliation with the ledger",
    "campaign attribution",
    "demand forecast for the autumn range",
    "answering an audit question",
    "dashboard for store managers",
)
YES = ("", "", "Fine with me.", "Checked against the policy.", "OK for this quarter.", "Agreed with the team.")
NO = (
    "The purpose is too vague.",
    "Please use the aggregated table instead.",
    "The owner of the source has to agree first.",
    "This would break the nightly report.",
    "We keep no copies of this outside the region.",
)
REPORTS = (
    "revenue-by-region",
    "stock-turnover",
    "churn-overview",
    "campaign-return",
    "service-levels",
    "headcount-plan",
)
SUMMARIES = (
    "late by three hours",
    "rows are missing",
    "duplicate keys",
    "amounts in the wrong currency",
    "schema changed",
)
CAUSES = ("a partition was not closed", "an upstream rename", "a full disk at the landing zone", "a retry wrote twice")
TERMS = {
    "Active customer": "A customer with at least one order in the last twelve months.",
    "Net revenue": "Gross revenue less returns, discounts and value added tax.",
    "Churn rate": "Customers lost in a period, divided by the customers at its start.",
    "Stock-out": "A day on which an item that is listed could not be sold.",
    "Lead time": "Days from an order to its delivery.",
    "Household": "Customers who share one delivery address.",
    "Consent": "A customer's current permission to be contacted, by channel.",
}
TICKETS = (
    "Nightly load fails",
    "Column is empty since Monday",
    "Wrong time zone",
    "Access by role is broken",
    "Dashboard is slow",
)


class Cast:
    """Whom and what one story is about. No person has two parts in it."""

    def __init__(self, random: Random) -> None:
        self._people = random.sample([_mail(name) for name in PEOPLE], len(PEOPLE))
        self._random = random
        self.pick = random.choice
        self.number = random.randint

    def person(self) -> str:
        """Somebody who isn't in it yet."""
        return self._people.pop()

    def people(self, least: int, most: int) -> list[str]:
        """Some who aren't in it yet."""
        return [self.person() for _ in range(self.number(least, most))]

    def teams(self) -> list[str]:
        """Who reads, uses or receives something."""
        return [_mail(team) for team in self._random.sample(TEAMS, self.number(1, 3))]

    def soon(self) -> str:
        """A time that runs out while somebody watches."""
        return self.pick(("3s", "4s", "5s", "PT3S", "3500ms"))

    def approve(self, task: str, *names: str) -> list[dict[str, Any]]:
        """They say yes, one after the other."""
        return [{"task": task, "as": name, "decision": "approve", "comment": self.pick(YES)} for name in names]

    def reject(self, task: str, *names: str) -> list[dict[str, Any]]:
        """They say no, one after the other."""
        return [{"task": task, "as": name, "decision": "reject", "comment": self.pick(NO)} for name in names]


def _mail(name: str) -> str:
    return f"{name}@northwind.example"
