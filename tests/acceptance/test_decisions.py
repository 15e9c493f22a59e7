"""G10: an approval has one decision, however many people and processes decide at once, and whatever time does."""

import json
import random
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from blocks.links import read
from engine.outcomes import Rejected
from engine.run import JournalEntry
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import Signal, SignalReceived, TaskDelegated
from store.protocol import Proposal
from tests.acceptance.engines import ROOT, until
from tests.acceptance.scene import Scene, task
from tests.processes import bounded

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]

PROCESSES, THREADS = 4, 16
LINK_KEY = "0123456789abcdef0123456789abcdef"


def ask(*people: str, **arguments: Any) -> dict[str, Any]:
    return task("ask", "APPROVAL", approvers=people or ["olga"], **arguments)


@pytest.mark.parametrize("people", [("olga",), ("olga", "ada", "grace")], ids=len)
def test_of_64_simultaneous_decisions_only_those_count_that_decide(scene: Scene, people: tuple[str, ...]) -> None:
    scene.save(ask(*people))
    runs = [f"run-{number}" for number in range(20)]
    with scene.engine():
        scene.start(*runs)
        until(lambda: scene.store.counts() == {RunStatus.WAITING: len(runs)}, "all wait")
        command = [sys.executable, "-m", "tests.acceptance.deciders", scene.url]
        with ExitStack() as stack:
            deciders = [
                stack.enter_context(bounded(subprocess.Popen(
                    [*command, str(number), str(THREADS), ",".join(people), *runs], cwd=ROOT, stdout=subprocess.PIPE
                )))
                for number in range(PROCESSES)
            ]  # fmt: skip
            answers = [answer for process in deciders for answer in json.loads(process.communicate()[0])]
        scene.await_end()
    assert len(answers) == PROCESSES * THREADS * len(runs)
    assert {refusal for *_, refusal in answers} == {"", "ALREADY_DECIDED"}
    scene.check(runs)
    for run_id in runs:
        accepted = {(who, decision) for id_, who, decision, refusal in answers if id_ == run_id and not refusal}
        outputs = scene.run(run_id).tasks["ask"].outputs
        recorded = [(one["who"], one["decision"]) for one in outputs["decisions"]]
        assert (set(recorded), len(recorded)) == (accepted, len(accepted)), "what was accepted counts, and nothing else"
        assert len({who for who, _ in recorded}) == len(recorded), "everybody decides once"
        decisions = [decision for _, decision in recorded]
        assert "approve" not in decisions[:-1], "one approval is enough, and ends it"
        assert decisions[-1] == "approve" or len(decisions) == len(people)
        assert outputs["status"] == ("approved" if decisions[-1] == "approve" else "rejected")


@pytest.mark.parametrize("seed", [1])
def test_a_decision_that_was_accepted_is_never_lost_to_an_expiry(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(ask(expires_in="2s"))
    runs = [f"run-{number}" for number in range(40)]
    # About a hundredth of a second before or after, so that both happen; and in any case one early and one late.
    moments = dict(zip(runs, [-1.0, *(dice.uniform(-0.01, 0.02) for _ in runs[2:]), 1.0], strict=True))
    accepted = {}
    with scene.engine():
        for run_id in runs:
            scene.start(run_id)
            time.sleep(0.02)
        until(lambda: scene.run(runs[-1]).tasks["ask"].wants, "all wait")
        for run_id, moment in moments.items():
            expiry = scene.run(run_id).tasks["ask"].until
            if expiry is not None:
                time.sleep(max(0.0, expiry + moment - time.time()))
            decision = dice.choice(["approve", "reject"])
            outcome = scene.decide(run_id, "ask", decision).outcome
            accepted[run_id] = None if isinstance(outcome, Rejected) else decision
        scene.await_end()
    scene.check(runs)
    statuses = {None: TaskStatus.TIMED_OUT, "approve": TaskStatus.SUCCESS, "reject": TaskStatus.FAILED}
    assert {run_id: scene.run(run_id).tasks["ask"].status for run_id in runs} == {
        run_id: statuses[decision] for run_id, decision in accepted.items()
    }
    if scene.surroundings.is_embedded:  # elsewhere a decision may always be the faster one
        assert None in accepted.values()
    assert set(accepted.values()) - {None}


def test_a_decision_on_what_has_ended_or_by_somebody_else_changes_nothing(scene: Scene) -> None:
    scene.save(ask())
    with scene.engine():
        scene.start("decided", "undecided", "cancelled")
        until(lambda: scene.store.counts() == {RunStatus.WAITING: 3}, "all wait")
        assert refusal(scene, "undecided", by="mallory") == "NOT_ALLOWED"
        assert refusal(scene, "decided") == ""
        scene.await_end(["decided"])
        before = scene.run("decided")
        assert refusal(scene, "decided", "reject") == "ALREADY_DECIDED"
        assert refusal(scene, "decided", "approve") == "ALREADY_DECIDED"
        assert scene.run("decided") == before
        scene.cancel("cancelled")
        assert refusal(scene, "cancelled") == "TASK_FINAL"
        assert scene.run("undecided").status is RunStatus.WAITING


def test_people_are_asked_reminded_and_stood_in_for_until_others_are_asked_too(scene: Scene) -> None:
    people = ["olga@example.org", "ada@example.org"]
    scene.save(
        ask(
            *people,
            groups=["stewards"],
            require=3,
            title="Publish it?",
            notify=True,
            remind_every="1s",
            reminders=2,
            escalate_after="3s",
            escalate_to=["boss@example.org"],
            expires_in="60s",
        )
    )
    outbox = scene.folder / "outbox"
    with scene.engine(outbox=outbox, public_url="https://icefloe.example.org", link_key=LINK_KEY):
        scene.start("r")
        until(lambda: scene.run("r").tasks["ask"].wants, "it asks")
        [handed] = scene.store.apply([Proposal("r", TaskDelegated("ask", 1, people[1], "bob@example.org"), people[1])])
        assert isinstance(handed.outcome, JournalEntry)
        assert said(scene, "bob@example.org") == said(scene, "gus", "stewards") == ""
        assert said(scene, "ada@example.org") == "NOT_ALLOWED"
        assert said(scene, "gus", "stewards") == "ALREADY_DECIDED"
        assert said(scene, "boss@example.org") == "NOT_ALLOWED"
        until(lambda: (scene.run("r").tasks["ask"].outputs or {}).get("escalated_at"), "it is escalated")
        assert said(scene, "gus", "stewards") == "ALREADY_DECIDED"
        assert said(scene, "boss@example.org") == ""
        scene.await_end()
    scene.check(["r"])
    outputs = scene.run("r").tasks["ask"].outputs
    assert (outputs["status"], outputs["problems"]) == ("approved", [])
    assert outputs["decided_by"] == ["bob@example.org", "gus", "boss@example.org"]
    assert [one.get("on_behalf") for one in outputs["decisions"]] == ["ada@example.org", None, None]
    mails = [message_from_bytes(path.read_bytes(), policy=default) for path in outbox.glob("*.eml")]
    told = sorted((str(mail["To"]).partition("@")[0], str(mail["Subject"]).partition(":")[0]) for mail in mails)
    sent = [1, 2] if ("olga", "Reminder 1 of 2") in told else [2]  # of those that a busy machine misses only the last
    assert told == [
        ("ada", "Publish it?"),
        ("boss", "Nobody has decided yet, so that you are asked as well"),
        ("olga", "Publish it?"),
        *(("olga", f"Reminder {number} of 2") for number in sent),
    ]
    assert outputs["reminders_sent"] == len(sent)
    for mail in mails:
        links = [
            read(token, [LINK_KEY], time.time())
            for token in re.findall(r"https://icefloe\.example\.org/links/(\S+)", mail.get_content())
        ]
        assert [(one.run, one.task, one.person, one.decision) for one in links] == [
            ("r", "ask", str(mail["To"]), decision) for decision in ("approve", "reject")
        ]


def said(scene: Scene, who: str, *groups: str) -> str:
    """The code with which somebody's approval is refused; empty if it isn't."""
    signal = Signal(f"{who}-{time.time()}", 1, who, {"decision": "approve"}, groups=groups)
    [answer] = scene.store.apply([Proposal("r", SignalReceived("ask", signal), who)])
    return answer.outcome.code if isinstance(answer.outcome, Rejected) else ""


def refusal(scene: Scene, run_id: str, decision: str = "approve", by: str = "olga") -> str:
    """The code with which a decision is refused; empty if it isn't."""
    outcome = scene.decide(run_id, "ask", decision, by).outcome
    return outcome.code if isinstance(outcome, Rejected) else ""
