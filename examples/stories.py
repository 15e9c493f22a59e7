"""What leads to the end of each scenario: one function a workflow, for the scenarios that scenarios.txt has of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cast import ASSETS, CAUSES, CHANGES, NO, PURPOSES, REGULATED, REPORTS, SUMMARIES, TERMS, TICKETS, YES, Cast


@dataclass(frozen=True, slots=True)
class Story:
    """What leads to a scenario's end: a run's inputs, who asked for it, and what people do."""

    requested_by: str
    inputs: dict[str, Any]
    decisions: list[dict[str, Any]] = field(default_factory=list)


def send(task: str, name: str, **data: Any) -> list[dict[str, Any]]:
    """One signal."""
    return [{"task": task, "as": name, "signal": data}]


def metadata_change_request(cast: Cast, scenario: str) -> Story:
    """The owner decides, unless the risk is low."""
    requester, owner, asset = cast.person(), cast.person(), cast.pick(ASSETS + REGULATED)
    inputs = {"asset": asset, "owner": owner, "requester": requester}
    if scenario == "low-risk":
        inputs["risk"] = "low"
    if cast.pick((True, True, True, False)):
        inputs["link"] = f"https://catalog.northwind.example/{asset}/{cast.pick(CHANGES)}"
    decide = {"approved": cast.approve, "rejected": cast.reject}.get(scenario)
    return Story(requester, inputs, decide("manual-approval", owner) if decide else [])


def data_access_request(cast: Cast, scenario: str) -> Story:
    """Whoever is silent has a few seconds; everybody else has days."""
    requester, manager, deputy, owner = (cast.person() for _ in range(4))
    sensitive = scenario in {"sensitive", "refused-2", "deputy-2", "owner-late"}
    late = {
        "manager_answers_within": scenario in {"deputy", "deputy-2", "deputy-no", "silent"},
        "deputy_answers_within": scenario == "silent",
        "owner_answers_within": scenario == "owner-late",
    }
    inputs = {
        "dataset": cast.pick(ASSETS),
        "classification": cast.pick(("confidential", "restricted")) if sensitive else "internal",
        "purpose": cast.pick(PURPOSES),
        "requester": requester,
        "manager": manager,
        "deputy": deputy,
        "owner": owner,
        "days": cast.pick((14, 30, 90, 180, 365)),
    } | {name: cast.soon() for name, too_late in late.items() if too_late}
    if scenario == "open":
        inputs["classification"] = "open"
    by_manager, by_owner = cast.approve("manager-approval", manager), cast.approve("owner-approval", owner)
    by_deputy = cast.approve("deputy-approval", deputy)
    decisions = {
        "internal": by_manager,
        "sensitive": by_manager + by_owner,
        "refused": cast.reject("manager-approval", manager),
        "refused-2": by_manager + cast.reject("owner-approval", owner),
        "deputy": by_deputy,
        "deputy-2": by_deputy + by_owner,
        "deputy-no": cast.reject("deputy-approval", deputy),
        "owner-late": by_manager,
    }
    return Story(requester, inputs, decisions.get(scenario, []))


def asset_certification(cast: Cast, scenario: str) -> Story:
    """All stewards must agree; the first who doesn't ends it."""
    owner, stewards = cast.person(), cast.people(2, 3)
    inputs: dict[str, Any] = {
        "asset": cast.pick(ASSETS + REGULATED),
        "tier": "bronze" if scenario == "bronze" else cast.pick(("gold", "silver")),
        "owner": owner,
        "stewards": stewards,
        "documentation_score": cast.pick((0.8, 0.85, 0.92, 1)),
        "hours_since_update": cast.pick((1, 3.5, 12, 24)),
        "test_coverage": cast.pick((0.61, 0.7, 0.95)),
    }
    gaps: dict[str, dict[str, Any]] = {
        "undocumented": {"documentation_score": cast.pick((0, 0.4, 0.79))},
        "stale": {"hours_since_update": cast.pick((24.5, 72, 700))},
        "untested": cast.pick(({"test_coverage": 0.6}, {"incidents": [f"INC-{cast.number(100, 999)}"]})),
        "unreadable": {"documentation_score": "n/a"},
    }
    decisions = {
        "agreed": cast.approve("stewards-agree", *stewards),
        "refused": cast.approve("stewards-agree", *stewards[:-1]) + cast.reject("stewards-agree", stewards[-1]),
    }
    return Story(owner, inputs | gaps.get(scenario, {}), decisions.get(scenario, []))


def report_handoff(cast: Cast, scenario: str) -> Story:
    """The report builder delivers, or is too late; a long report is reviewed."""
    requester, analyst, report = cast.person(), cast.person(), cast.pick(REPORTS)
    period = f"{cast.pick((2025, 2026))}-{cast.pick(('Q1', 'Q2', 'Q3', '01', '06', '11'))}"
    inputs = {"report": report, "period": period, "analyst": analyst, "recipients": cast.teams()}
    if cast.pick((True, False)):
        inputs["embargo"] = f"2026-0{cast.number(1, 9)}-01T06:00:00+01:00"
    if scenario == "late":
        return Story(requester, inputs | {"built_within": cast.soon()})
    rows = cast.number(0, 999) if scenario == "small" else cast.number(1000, 900_000)
    url = f"https://reports.northwind.example/{report}/{period}.pdf"
    built = send("built", "report-builder@northwind.example", url=url, rows=rows)
    decide = {"reviewed": cast.approve, "refused": cast.reject}.get(scenario)
    return Story(requester, inputs, built + (decide("review", analyst) if decide else []))


def incident_fanout(cast: Cast, scenario: str) -> Story:
    """Somebody on call takes it, or else the incident manager does."""
    reporter, owner, manager, on_call = cast.person(), cast.person(), cast.person(), cast.people(1, 3)
    inputs = {
        "incident": f"INC-{cast.number(1000, 9999)}",
        "severity": "sev3" if scenario == "minor" else cast.pick(("sev1", "sev2")),
        "dataset": cast.pick(REGULATED if scenario == "regulated" else ASSETS),
        "summary": cast.pick(SUMMARIES),
        "owner": owner,
        "on_call": on_call,
        "incident_manager": manager,
        "consumers": cast.teams(),
    }
    taken = send("acknowledge", cast.pick(on_call), eta_minutes=cast.pick((15, 30, 45, 120)))
    if scenario == "minor":
        return Story(reporter, inputs)
    if scenario == "untaken":
        inputs["acknowledge_within"] = cast.soon()
        taken = send("take-over", manager)
    resolver = manager if scenario == "untaken" else cast.pick(on_call)
    return Story(reporter, inputs, taken + send("resolved", resolver, cause=cast.pick(CAUSES)))


def scheduled_reminder(cast: Cast, scenario: str) -> Story:
    """The owner answers, after a reminder, or not at all."""
    owner, steward, lead, asset = cast.person(), cast.person(), cast.person(), cast.pick(ASSETS + REGULATED)
    inputs = {
        "asset": asset,
        "owner": owner,
        "steward": steward,
        "lead": lead,
        "ask_after": cast.pick(("1s", "2s", "500ms")),
    }
    if scenario in {"reminded", "silent"}:
        inputs["remind_after"] = cast.soon()
    if scenario == "silent":
        return Story(steward, inputs | {"escalate_after": cast.soon()})
    answer = {"confirmed": scenario != "denied", "comment": cast.pick(NO if scenario == "denied" else YES)}
    return Story(steward, inputs, send("attest-late" if scenario == "reminded" else "attest", owner, **answer))


def http_integration(cast: Cast, scenario: str) -> Story:
    """What the desk is asked to do wrong; a call is made three times at most."""
    requester = cast.person()
    few = cast.number(1, 2)
    desk = {
        "flaky": {"fail": few},
        "limited": {"limit": few},
        "lost": {"lose": few},
        "slow": {"slow": cast.pick((0.2, 0.4, 0.8))},
        "gone": {"status": cast.pick((404, 410))},
        "down": {"fail": 99},
        "hanging": {"slow": 30, "status": 504},
        "vanished": {"vanish": 1},
    }
    inputs: dict[str, Any] = {
        "endpoint": "$DEMO_SERVER",
        "asset": cast.pick(ASSETS),
        "title": cast.pick(TICKETS),
        "priority": "high" if scenario in {"announced", "wall-gone"} else cast.pick(("low", "normal")),
        "requester": requester,
    }
    if scenario in desk:
        inputs["desk_query"] = desk[scenario]
    if scenario == "wall-gone":
        inputs["wall_query"] = {"status": 404}
    return Story(requester, inputs)


def glossary_term_review(cast: Cast, scenario: str) -> Story:
    """Two of three agree, or all; with personal data the privacy officer too."""
    author, officer, reviewers = cast.person(), cast.person(), cast.people(3, 3)
    term = cast.pick(tuple(TERMS))
    inputs: dict[str, Any] = {
        "term": term,
        "definition": TERMS[term],
        "change": cast.pick(("typo", "wording") if scenario == "editorial" else ("meaning", "new")),
        "author": author,
        "reviewers": reviewers,
    }
    details: dict[str, dict[str, Any]] = {
        "unanimous": {"quorum": "all", "personal_data": True, "privacy_officer": officer},
        "privacy-no": {"quorum": "any", "personal_data": True, "privacy_officer": officer},
        "stalled": {"reviewed_within": cast.soon()},
    }
    dissent = cast.pick(([], cast.reject("review", reviewers[2])))
    assent = cast.pick(([], cast.approve("review", reviewers[2])))
    decisions = {
        "quorum": dissent + cast.approve("review", *reviewers[:2]),
        "unanimous": cast.approve("review", *reviewers) + cast.approve("privacy-review", officer),
        "refused": assent + cast.reject("review", *reviewers[:2]),
        "privacy-no": cast.reject("privacy-review", officer) + cast.approve("review", cast.pick(reviewers)),
    }
    return Story(author, inputs | details.get(scenario, {}), decisions.get(scenario, []))


def pipeline_handoff(cast: Cast, scenario: str) -> Story:
    """The volume is what it should be, or far from it."""
    owner, rows = cast.person(), {region: cast.number(50_000, 90_000) for region in ("eu", "us", "apac")}
    regions = {"partial": ["eu", "us"], "empty": cast.pick(([], ["latam"]))}.get(scenario, ["us", "eu", "apac"])
    inputs: dict[str, Any] = {
        "dataset": cast.pick(ASSETS),
        "day": f"2026-{cast.number(1, 10):02}-{cast.number(1, 28):02}",
        "regions": regions,
        "rows": {region: rows.get(region, 0) for region in regions},
        "expected": {"min": 100_000, "max": 270_000},
        "owner": owner,
        "consumers": cast.teams(),
    }
    if scenario in {"overridden", "held", "unanswered"}:
        inputs["expected"] = cast.pick(({"min": 300_000, "max": 400_000}, {"min": 0, "max": 140_000}))
    if scenario == "unanswered":
        inputs["override_within"] = cast.soon()
    decide = {"overridden": cast.approve, "held": cast.reject}.get(scenario)
    return Story(owner, inputs, decide("override", owner) if decide else [])


def quality_quarantine(cast: Cast, scenario: str) -> Story:
    """A batch passes, fails a check, or can't be checked; then the steward decides."""
    producer, steward = cast.person(), cast.person()
    nulls, duplicates = cast.pick((0, 0.004, 0.02)), cast.pick((0, 0.0005))
    metrics: dict[str, dict[str, Any]] = {
        "clean": {"null_rate": nulls, "duplicate_rate": duplicates},
        "waived": {"null_rate": 0.031, "duplicate_rate": duplicates},
        "dropped": {"null_rate": nulls, "duplicate_rate": 0.25},
        "unmeasured": {"duplicate_rate": duplicates},
        "unreadable": {"null_rate": "n/a", "duplicate_rate": duplicates},
        "undecided": {"null_rate": 0.5, "duplicate_rate": 0.001},
    }
    inputs = {
        "dataset": cast.pick(ASSETS + REGULATED),
        "batch": f"2026-11-{cast.number(1, 28):02}/{cast.number(0, 23):02}",
        "measured": {"rows": cast.number(1_000, 9_000_000)} | metrics[scenario],
        "producer": producer,
        "steward": steward,
        "consumers": cast.teams(),
    }
    if scenario == "undecided":
        inputs["decided_within"] = cast.soon()
    decide = {
        "waived": cast.approve,
        "unmeasured": cast.approve,
        "dropped": cast.reject,
        "unreadable": cast.reject,
    }.get(scenario)
    return Story(producer, inputs, decide("waiver", steward) if decide else [])


STORIES: dict[str, Callable[[Cast, str], Story]] = {
    "metadata-change-request": metadata_change_request,
    "data-access-request": data_access_request,
    "asset-certification": asset_certification,
    "report-handoff": report_handoff,
    "incident-fanout": incident_fanout,
    "scheduled-reminder": scheduled_reminder,
    "http-integration": http_integration,
    "glossary-term-review": glossary_term_review,
    "pipeline-handoff": pipeline_handoff,
    "quality-quarantine": quality_quarantine,
}
