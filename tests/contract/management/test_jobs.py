import time

import pytest
from cs import CloudStack, CloudStackApiException

from contract.management.conftest import Replica
from contract.management.test_identities import JANE, root
from contract.management.test_regions import refusal

PENDING_JOB = (
    "INSERT INTO async_job (uuid, job_cmd, job_cmd_info, user_id, account_id, instance_type, instance_id, "
    "job_dispatcher, created, last_updated) VALUES (%s, %s, %s, 2, 2, 'Account', %s, 'ApiAsyncJobDispatcher', "
    "UTC_TIMESTAMP(), UTC_TIMESTAMP())"
)
DISABLE = "org.apache.cloudstack.api.command.admin.account.DisableAccountCmd"


@pytest.fixture
def api(cloud: Replica) -> CloudStack:
    return cloud.admin


@pytest.fixture
def account(api: CloudStack) -> dict:
    return api.createAccount(**JANE, account="acme", accounttype=0)["account"]


def finished(api: CloudStack, job: str) -> dict:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        result = api.queryAsyncJobResult(jobid=job)
        if result["jobstatus"]:
            return result
        time.sleep(0.05)
    raise AssertionError(f"job {job} is still pending")


def test_disabling_an_account_is_a_job_with_the_account_as_its_result(api: CloudStack, account: dict) -> None:
    answer = api.disableAccount(id=account["id"], lock=False)
    assert list(answer) == ["jobid"]
    result = finished(api, answer["jobid"])
    assert (result["jobstatus"], result["jobresultcode"], result["jobresulttype"]) == (1, 0, "object")
    assert result["jobresult"]["account"]["state"] == "disabled"
    assert (result["cmd"], result["jobinstancetype"], result["jobinstanceid"]) == (DISABLE, "Account", account["id"])
    assert api.listAccounts(id=account["id"], listall=True)["account"][0]["state"] == "disabled"
    assert api.enableAccount(id=account["id"])["account"]["state"] == "enabled"


def test_the_client_follows_a_job_to_its_end(api: CloudStack, account: dict) -> None:
    locked = api.disableAccount(account="acme", domainid=root(api)["id"], lock=True, fetch_result=True)
    assert locked["account"]["state"] == "locked"
    user = account["user"][0]["id"]
    assert api.disableUser(id=user, fetch_result=True)["user"]["state"] == "disabled"
    assert api.enableUser(id=user)["user"]["state"] == "enabled"
    assert api.deleteAccount(id=account["id"], fetch_result=True) == {"success": True}
    assert api.listUsers(id=user) == {}


def test_a_job_that_cannot_be_done_says_why_and_changes_nothing(api: CloudStack, account: dict) -> None:
    api.disableAccount(id=account["id"], lock=False, fetch_result=True)
    result = finished(api, api.disableAccount(id=account["id"], lock=True)["jobid"])
    assert (result["jobstatus"], result["jobresultcode"]) == (2, 530)
    assert result["jobresult"]["errorcode"] == 530
    assert result["jobresult"]["errortext"].startswith("Failed to lock account")
    with pytest.raises(CloudStackApiException):
        api.disableAccount(id=account["id"], lock=True, fetch_result=True)


def test_what_can_be_refused_at_once_makes_no_job(cloud: Replica, api: CloudStack, account: dict) -> None:
    assert "missing parameter lock" in refusal(api.disableAccount, id=account["id"])["errortext"]
    assert refusal(api.disableAccount, lock=True)["errorcode"] == 431
    assert cloud.rows("SELECT id FROM async_job") == ()


def test_a_domain_is_deleted_with_what_is_in_it_only_if_told_so(api: CloudStack) -> None:
    domain = api.createDomain(name="d")["domain"]["id"]
    below = api.createDomain(name="e", parentdomainid=domain)["domain"]["id"]
    api.createAccount(**JANE, accounttype=0, domainid=below)
    result = finished(api, api.deleteDomain(id=domain)["jobid"])
    assert result["jobresult"]["errortext"].startswith("Delete failed on domain d")
    assert api.deleteDomain(id=domain, cleanup=True, fetch_result=True) == {"success": True}
    assert api.listDomains()["count"] == 1
    assert not api.listDomains(name="ROOT")["domain"][0]["haschild"]
    assert api.listAccounts(listall=True)["count"] == 1
    assert api.createDomain(name="d")["domain"]["path"] == "ROOT/d"


def test_a_job_left_by_a_replica_that_died_is_done_by_another(cloud: Replica, api: CloudStack, account: dict) -> None:
    (row,) = cloud.rows("SELECT id FROM account WHERE account_name = 'acme'")
    cloud.rows(PENDING_JOB, "orphan", DISABLE, f'{{"id": "{account["id"]}", "lock": "false"}}', row["id"])
    assert finished(api, "orphan")["jobresult"]["account"]["state"] == "disabled"


def test_jobs_of_one_resource_run_in_the_order_they_were_asked_for(
    cloud: Replica, api: CloudStack, account: dict
) -> None:
    (row,) = cloud.rows("SELECT id FROM account WHERE account_name = 'acme'")
    with cloud.another() as other:
        for number in range(6):
            lock = "true" if number % 2 == 0 else "false"
            arguments = f'{{"id": "{account["id"]}", "lock": "{lock}"}}'
            cloud.rows(PENDING_JOB, f"job{number}", DISABLE, arguments, row["id"])
        outcomes = [finished(other.client(api.key, api.secret), f"job{number}")["jobstatus"] for number in range(6)]
    # locked, disabled, then a disabled account is never locked: any other order gives another pattern
    assert outcomes == [1, 1, 2, 1, 2, 1]


def test_a_job_of_a_command_nobody_knows_fails_and_stops_nothing(
    cloud: Replica, api: CloudStack, account: dict
) -> None:
    cloud.rows(PENDING_JOB, "strange", "com.example.NoSuchCmd", "{}", 1)
    cloud.rows(PENDING_JOB, "broken", DISABLE, "not json", 99)
    assert finished(api, "strange")["jobresult"]["errortext"] == "This server cannot do com.example.NoSuchCmd"
    assert finished(api, "broken")["jobstatus"] == 2
    assert api.disableAccount(id=account["id"], lock=True, fetch_result=True)["account"]["state"] == "locked"


def test_a_job_is_seen_by_who_asked_and_by_admins_above(cloud: Replica, api: CloudStack, account: dict) -> None:
    job = api.disableUser(id=account["user"][0]["id"])["jobid"]
    finished(api, job)
    other = api.createAccount(**{**JANE, "username": "other"}, accounttype=0)["account"]["user"][0]["id"]
    keys = api.registerUserKeys(id=other)["userkeys"]
    error = refusal(cloud.client(keys["apikey"], keys["secretkey"]).queryAsyncJobResult, jobid=job)
    assert error["errorcode"] == 531
    assert "is not authorized to see job" in error["errortext"]
    assert refusal(api.queryAsyncJobResult, jobid="nothing")["errorcode"] == 431
