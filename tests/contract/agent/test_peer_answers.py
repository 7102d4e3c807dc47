"""What a link makes of the answers of its peer."""

import pytest

from contract.agent.certificates import Authority
from contract.agent.serving import Serving
from region_operator.errors import InvalidInput


@pytest.mark.parametrize("text", ["no JSON\n", '{"identities": 7}\n'])
async def test_an_answer_that_cannot_be_read_is_named_with_what_to_do(
    authority: Authority, serving: Serving, text: str
) -> None:
    identity = authority.agent(2)
    client = serving.client(identity=lambda: identity)
    serving.text = text
    with pytest.raises(InvalidInput, match="compare the versions of both agents") as told:
        await client.identities("user", [])
    await client.close()
    assert told.value.reason == "PeerRefused"
