"""What a Region's agent finds and says, told as conditions."""

import pytest

from region_operator.api.agent import ManagementStatus
from region_operator.controller.facts import (
    AgentFacts,
    Invalid,
)
from unit.controller.status.regions import HEALTHY, Life


def test_a_document_that_the_agent_refuses_waits_for_somebody():
    life = Life.ready()
    life.edit(deletionProtection=True)
    refusal = Invalid("RuleNotApplicable", "/rules/0: no order on this field")
    last = life.world.agent
    life.world.changes |= {"agent": AgentFacts("https://a", status=last, last=last, refusal=refusal)}

    life.run(act=False)

    assert life.verdict("AgentReady") == ("False", "ConfigurationRefused")
    assert "RuleNotApplicable" in life.condition("AgentReady").message
    assert life.region.status.agent.configuration.state == "Refused"
    assert life.verdict("Stalled") == ("False", "NotStalled")


@pytest.mark.parametrize(
    ("message", "reason"),
    [("Access denied for user 'agent_a'", "CredentialsRejected"), ("no route to host", "ConnectionFailed")],
)
def test_an_agent_that_does_not_reach_its_database_says_so(message, reason):
    life = Life.ready("external-database")
    life.agent(database_reachable=False, database_message=message)

    life.run()

    assert life.verdict("DatabaseReady") == ("False", reason)
    assert life.condition("DatabaseReady").message == message


def test_without_an_admin_the_sql_is_shown_until_it_was_run():
    life = Life.of("no-admin")
    for _ in range(8):
        life.run()
        life.world.start()
    life.agent(schema_version=0)
    life.run()

    assert life.verdict("DatabaseReady") == ("False", "GrantsRequired")
    sql = life.region.status.database.required_grants
    assert "CREATE USER IF NOT EXISTS 'region_7_prepare'@'%'" in sql
    assert "`cloud`.*" in sql

    life.agent(schema_version=1, management=HEALTHY)
    life.settle()
    assert life.verdict("DatabaseReady") == ("True", "ExternalReady")
    assert life.region.status.database.required_grants == ""
    assert life.verdict("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    ("management", "servers", "registered"),
    [
        (ManagementStatus(), ("Unknown", "NotObserved"), ("Unknown", "NotObserved")),
        (
            ManagementStatus(reachable=False, reason="AuthFailed", message="401"),
            ("False", "CredentialsRejected"),
            ("Unknown", "ManagementServerUnreachable"),
        ),
        (
            ManagementStatus(reachable=False, reason="ProbeTimeout", message="no answer"),
            ("False", "ConnectionFailed"),
            ("Unknown", "ManagementServerUnreachable"),
        ),
        (
            ManagementStatus(reachable=True, own_region_listed=False),
            ("True", "ExternalReady"),
            ("False", "NotRegistered"),
        ),
        (HEALTHY, ("True", "ExternalReady"), ("True", "Registered")),
    ],
)
def test_what_the_agent_finds_at_an_external_management_server(management, servers, registered):
    life = Life.ready("external-server")
    life.agent(management=management)

    life.run()

    assert life.verdict("ManagementServerReady") == servers
    assert life.verdict("Registered") == registered


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"region_id": 9}, "WrongRegion"),
        ({"api_versions": ["v7"]}, "VersionSkew"),
        ({"sources": []}, "ConfigurationPending"),
    ],
)
def test_an_agent_that_is_not_the_one_we_need(said, reason):
    life = Life.ready()
    life.agent(**said)

    life.run(act=False)

    assert life.verdict("AgentReady") == ("False", reason)
    assert life.verdict("Ready") == ("False", "AgentNotReady")


@pytest.mark.parametrize(
    ("history", "verdict", "ready"),
    [
        ("Continuous", ("True", "Continuous"), "True"),
        ("Restored", ("True", "Restored"), "True"),
        ("ForgedVersion", ("False", "ForgedVersion"), "False"),
    ],
)
def test_only_a_forged_history_keeps_a_region_from_being_ready(history, verdict, ready):
    life = Life.ready()
    life.agent(history_intact=history)

    life.run()

    assert life.verdict("HistoryIntact") == verdict
    assert life.verdict("Ready")[0] == ready
