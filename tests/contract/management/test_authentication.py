"""Who is let in: signatures, sessions with their cookies, and who is no longer."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import requests

from contract.management.conftest import ADMIN_PASSWORD, Replica
from contract.management.test_identities import JANE
from contract.management.test_regions import refusal
from region_operator.api.signature import expires, sign

WRONG = "unable to verify user credentials and/or request signature"


def signed(secret: str = "agent-secret", **parameters: str) -> dict[str, str]:
    given = {"command": "listRegions", "response": "json", "apiKey": "agent-key", **parameters}
    return {**given, "signature": sign(given, secret)}


def error(answer: requests.Response) -> dict:
    assert answer.status_code != 200
    (inner,) = answer.json().values()
    return inner


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("expiration", [timedelta(minutes=10), -1], ids=["version 3", "version 1"])
def test_both_versions_of_the_signature_are_accepted_by_both_methods(cloud: Replica, method, expiration) -> None:
    api = cloud.client("agent-key", "agent-secret", method=method, expiration=expiration)
    api.addRegion(id=9, name='Ünï ~*+/%&=\' "x"', endpoint="http://e/?a=b&c=d~")
    assert api.listRegions(name='Ünï ~*+/%&=\' "x"')["region"][0]["endpoint"] == "http://e/?a=b&c=d~"


def test_a_form_and_a_query_string_are_taken_together(cloud: Replica) -> None:
    parameters = signed(id="3")
    form = {name: parameters.pop(name) for name in ("id", "signature")}
    assert (
        requests.post(cloud.url, params=parameters, data=form, timeout=10).json()["listregionsresponse"]["count"] == 1
    )


def test_names_of_parameters_are_matched_without_case(cloud: Replica) -> None:
    given = {"COMMAND": "listRegions", "Response": "JSON", "APIKEY": "agent-key", "ID": "3"}
    answer = cloud_get(cloud, {**given, "Signature": sign(given, "agent-secret")})
    assert answer.json()["listregionsresponse"]["count"] == 1


def cloud_get(cloud: Replica, parameters: dict[str, str]) -> requests.Response:
    return requests.get(cloud.url, params=parameters, timeout=10)


@pytest.mark.parametrize(
    "parameters",
    [
        {"command": "listRegions", "response": "json"},
        {"command": "listRegions", "response": "json", "apiKey": "agent-key"},
        {"command": "listRegions", "response": "json", "signature": "x"},
        signed("wrong"),
        signed(apiKey="nobody"),
        signed(apiKey="AGENT-KEY"),
        {**signed(), "id": "3"},
        {**signed(), "signature": "é\x00"},
        signed(signatureVersion="3"),
        signed(signatureVersion="3", expires="soon"),
        signed(signatureVersion="3", expires=expires(datetime.now(UTC) - timedelta(seconds=5))),
    ],
    ids=lambda parameters: " ".join(parameters),
)
def test_a_call_that_is_not_rightly_signed_is_refused_without_a_word_why(cloud: Replica, parameters) -> None:
    answer = cloud_get(cloud, parameters)
    assert answer.status_code == 401
    assert answer.json() == {"listregionsresponse": {"uuidList": [], "errorcode": 401, "errortext": WRONG}}


@pytest.mark.parametrize("suffix", ["+0000", "Z", "+00:00"])
def test_expiry_is_read_in_the_forms_that_clients_write(cloud: Replica, suffix: str) -> None:
    later = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S") + suffix
    assert cloud_get(cloud, signed(signatureVersion="3", expires=later)).status_code == 200


def test_the_tilde_may_be_escaped_as_java_does(cloud: Replica) -> None:
    unsigned = f"apiKey=agent-key&command=listRegions&name={quote('a~b').replace('~', '%7E')}&response=json"
    digest = hmac.new(b"agent-secret", unsigned.lower().encode(), hashlib.sha1).digest()
    url = f"{cloud.url}?{unsigned}&signature={quote(base64.b64encode(digest), safe='')}"
    assert requests.get(url, timeout=10).status_code == 200


def test_an_unknown_command_is_401_under_the_general_key(cloud: Replica) -> None:
    answer = cloud_get(cloud, signed(command="noSuchCommand"))
    assert answer.status_code == 401
    text = "The given command 'noSuchCommand' either does not exist, is not available for user."
    assert answer.json() == {"errorresponse": {"uuidList": [], "errorcode": 401, "errortext": text}}
    assert cloud_get(cloud, signed(command="LISTREGIONS")).status_code == 401


def test_a_user_may_not_call_what_the_role_does_not_allow(cloud: Replica) -> None:
    admin = cloud.admin
    user = admin.createAccount(**JANE, accounttype=0)["account"]["user"][0]["id"]
    keys = admin.registerUserKeys(id=user)["userkeys"]
    jane = cloud.client(keys["apikey"], keys["secretkey"])
    assert jane.listRegions()["count"] == 1
    for call in (jane.addRegion, jane.createDomain, jane.createAccount, jane.listDomains, jane.getUser):
        assert refusal(call, name="x")["errorcode"] == 401
    offered = {api["name"] for api in jane.listApis()["api"]}
    assert "listRegions" in offered
    assert "addRegion" not in offered


@pytest.mark.parametrize("what", ["user", "account"])
@pytest.mark.parametrize("state", ["disabled", "locked", "deleted"])
def test_who_is_disabled_locked_or_deleted_is_out_at_once(cloud: Replica, what: str, state: str) -> None:
    admin = cloud.admin
    account = admin.createAccount(**JANE, accounttype=0)["account"]
    user = account["user"][0]["id"]
    keys = admin.registerUserKeys(id=user)["userkeys"]
    jane, session = cloud.client(keys["apikey"], keys["secretkey"]), cloud.sign_in("jane", JANE["password"])
    assert jane.listRegions() and session.get(cloud.url, params={"command": "listRegions"}).status_code == 200
    if what == "account" and state == "deleted":
        admin.deleteAccount(id=account["id"], fetch_result=True)
    elif what == "account":
        admin.disableAccount(id=account["id"], lock=state == "locked", fetch_result=True)
    elif state == "deleted":
        admin.deleteUser(id=user)
    elif state == "locked":
        admin.lockUser(id=user)
    else:
        admin.disableUser(id=user, fetch_result=True)
    assert refusal(jane.listRegions)["errorcode"] == 401
    assert session.get(cloud.url, params={"command": "listRegions"}).status_code == 401
    assert error(cloud.sign_in("jane", JANE["password"]).login)["errorcode"] == 531


def test_signing_in_answers_a_flat_object_and_two_cookies(cloud: Replica) -> None:
    session = cloud.sign_in()
    (body,) = session.login.json().values()
    assert list(session.login.json()) == ["loginresponse"]
    assert (body["username"], body["account"], body["type"], body["registered"]) == ("admin", "admin", "1", "false")
    assert (body["timeout"], body["timezone"], body["timezoneoffset"]) == (1800, "UTC", "0.0")
    assert session.cookies.get("sessionkey", path="/client") == body["sessionkey"]
    set_cookies = session.login.raw.headers.getlist("Set-Cookie")
    assert len(set_cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in set_cookies)
    assert all("Secure" not in cookie for cookie in set_cookies)  # this server speaks plain HTTP


def test_a_session_is_its_cookie_and_its_key_as_cookie_or_parameter(cloud: Replica) -> None:
    session = cloud.sign_in()
    call = {"command": "listUsers", "response": "json"}
    assert session.get(cloud.url, params=call).json()["listusersresponse"]["user"][0]["username"] == "admin"
    key = session.cookies.get("sessionkey", path="/client")
    jsessionid = {"JSESSIONID": session.cookies.get("JSESSIONID", path="/client")}
    assert (
        requests.get(cloud.url, params={**call, "sessionkey": key}, cookies=jsessionid, timeout=10).status_code == 200
    )


def test_a_cookie_without_its_key_is_refused_and_ends_the_session(cloud: Replica) -> None:
    session = cloud.sign_in()
    call = {"command": "listUsers", "response": "json"}
    jsessionid = {"JSESSIONID": session.cookies.get("JSESSIONID", path="/client")}
    answer = requests.get(cloud.url, params=call, cookies=jsessionid, timeout=10)
    assert answer.status_code == 401
    assert error(answer)["errortext"] == "unable to verify user credentials"
    assert session.get(cloud.url, params=call).status_code == 401


def test_signing_out_ends_the_session_and_takes_the_cookies_back(cloud: Replica) -> None:
    session = cloud.sign_in()
    jar = requests.utils.dict_from_cookiejar(session.cookies)
    answer = session.get(cloud.url, params={"command": "logout", "response": "json"})
    assert answer.json() == {"logoutresponse": {"description": "success"}}
    assert not session.cookies
    again = requests.get(cloud.url, params={"command": "listUsers"}, cookies=jar, timeout=10)
    assert again.status_code == 401


def test_a_session_ends_when_it_is_not_used(cloud: Replica) -> None:
    session = cloud.sign_in()
    call = {"command": "listUsers"}
    cloud.rows("UPDATE api_session SET last_used = UTC_TIMESTAMP() - INTERVAL 1790 SECOND")
    assert session.get(cloud.url, params=call).status_code == 200  # and counts as use
    cloud.rows("UPDATE api_session SET last_used = last_used - INTERVAL 1790 SECOND")
    assert session.get(cloud.url, params=call).status_code == 200
    cloud.rows("UPDATE api_session SET last_used = UTC_TIMESTAMP() - INTERVAL 1801 SECOND")
    assert session.get(cloud.url, params=call).status_code == 401


def test_a_session_call_without_a_command_is_a_bad_request(cloud: Replica) -> None:
    answer = cloud.sign_in().get(cloud.url, params={"response": "json"})
    assert answer.status_code == 400
    error = {"uuidList": [], "errorcode": 400, "errortext": "no command specified"}
    assert answer.json() == {"errorresponse": error}
    assert answer.headers["X-Description"] == "no command specified"


@pytest.mark.rule("DESIGN 7")
def test_what_is_stored_does_not_open_a_session(cloud: Replica) -> None:
    session = cloud.sign_in()
    (row,) = cloud.rows("SELECT * FROM api_session")
    secrets = [session.cookies.get(name, path="/client").encode() for name in ("JSESSIONID", "sessionkey")]
    assert not any(secret in value for secret in secrets for value in row.values() if isinstance(value, bytes))


def test_two_replicas_share_sessions(cloud: Replica) -> None:
    session = cloud.sign_in()
    call = {"command": "listUsers", "response": "json"}
    with cloud.another() as other:
        assert session.get(other.url, params=call).status_code == 200
        session.get(other.url, params={"command": "logout"})
    assert session.get(cloud.url, params=call).status_code == 401


def test_signing_in_is_by_post_only(cloud: Replica) -> None:
    answer = cloud.get(command="login", username="admin", password=ADMIN_PASSWORD)
    assert answer.status_code == 405
    assert "Please use HTTP POST" in error(answer)["errortext"]


def test_a_wrong_sign_in_is_refused_in_cloudstacks_words(cloud: Replica) -> None:
    for username, password in (("admin", "wrong"), ("nobody", "wrong"), ("system", ""), ("admin", "")):
        answer = cloud.sign_in(username, password).login
        assert answer.status_code == 531
        text = f"Failed to authenticate user {username} in domain 1; please provide valid credentials"
        assert answer.json() == {"loginresponse": {"uuidList": [], "errorcode": 531, "errortext": text}}
        assert not answer.cookies


def test_the_domain_of_a_sign_in_is_a_path_or_an_id_which_wins(cloud: Replica) -> None:
    admin = cloud.admin
    top = admin.createDomain(name="a")["domain"]["id"]
    domain = admin.createDomain(name="b", parentdomainid=top)["domain"]["id"]
    admin.createAccount(**JANE, accounttype=0, domainid=domain)
    for given in ({"domain": "/a/b/"}, {"domain": "a/b"}, {"domainId": domain}, {"domainid": domain, "domain": "/x/"}):
        assert cloud.sign_in("jane", JANE["password"], **given).login.status_code == 200, given
    assert cloud.sign_in("jane", JANE["password"]).login.status_code == 531
    unknown = cloud.sign_in("jane", JANE["password"], domain="x").login
    assert error(unknown)["errortext"] == "Unable to find the domain from the path /x/"
    bad = cloud.sign_in("jane", JANE["password"], domainId="nowhere").login
    assert (bad.status_code, error(bad)["errortext"]) == (401, "Invalid domain id entered, please enter a valid one")


def test_a_password_set_by_its_user_needs_the_present_one(cloud: Replica) -> None:
    user = cloud.admin.createAccount(**JANE, accounttype=0)["account"]["user"][0]["id"]
    session = cloud.sign_in("jane", JANE["password"])
    change = {"command": "updateUser", "id": user, "password": "new", "response": "json"}
    assert "current password must be provided" in error(session.post(cloud.url, data=change))["errortext"]
    wrong = session.post(cloud.url, data={**change, "currentpassword": "guess"})
    assert error(wrong)["errortext"] == "Current password is incorrect."
    assert session.post(cloud.url, data={**change, "currentpassword": JANE["password"]}).status_code == 200
    assert cloud.sign_in("jane", JANE["password"]).login.status_code == 531
    assert cloud.sign_in("jane", "new").login.status_code == 200
