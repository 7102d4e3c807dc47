"""The replication model: version vectors, row states, merge and rules. Pure: no clock, no chance, no database.

By example. Three regions, each with an actor under which it writes (region id and incarnation, a random number that is
new whenever the database may have gone back in time):

>>> one, two, three = actor_of(1, "a" * 16), actor_of(2, "b" * 16), actor_of(3, "c" * 16)
>>> row = {"entity": "user", "key": "jo"}

Region 1 makes a user. Every field is a *register*: a value and its *dot*, the number of the write that made it. The
row's *version vector* says which writes have been seen; the next counter is one more than the highest in it.

>>> start = local_write(None, **row, actor=one, changes={"state": "enabled", "email": "jo@old"})
>>> start.registers["state"]
(Pair(dot=Dot(counter=1, actor='1.aaaaaaaaaaaaaaaa'), value='enabled'),)

Then the cable is cut. Region 1 changes the address, region 2 locks the user. *Merge* is a join: of each register a pair
survives if both sides hold it or the other side has not seen it. Different fields do not meet at all:

>>> moved = local_write(start, **row, actor=one, changes={"email": "jo@new"})
>>> locked = local_write(start, **row, actor=two, changes={"state": "locked"})
>>> both = merge(moved, locked)
>>> [pair.value for name in ("email", "state") for pair in both.registers[name]]
['jo@new', 'locked']

Region 3 disables the user, not having heard of the lock: now two values stand side by side. What is shown is a
*projection*, a rule applied to the register when the row is written to the table, and never part of the state:

>>> torn = merge(both, local_write(start, **row, actor=three, changes={"state": "disabled"}))
>>> [pair.value for pair in torn.registers["state"]]
['locked', 'disabled']
>>> strict = FieldRule(Rule.MOST_RESTRICTIVE, severity=("disabled", "locked", "enabled"))
>>> shown = project(torn, rules=EntityRuleSet("user", {"state": strict}))
>>> shown.values["state"], [pair.value for pair in shown.conflicts[0].losers]
('disabled', ['locked'])

A later write, by whoever has seen both, supersedes both and closes the conflict; from then on it wins against copies of
the old values, however late they arrive:

>>> solved = local_write(torn, **row, actor=two, changes={"state": "enabled"})
>>> merge(torn, solved) == merge(solved, locked) == solved
True

Why the rule stays outside of the merge: if a merge kept only the winner of a rule, it would not be associative. A
writes disabled; B, having seen it, writes enabled; C concurrently writes locked. (A + C) + B would end with enabled and
A + (B + C) with locked, for ever. Here both end with the same two pairs, and then the same rule shows the same value.

A deletion is a register too and remembers what it had seen, so that under UpdateWins a change that it had not seen
keeps the row:

>>> gone = local_write(solved, **row, actor=one, changes={}, deleted=True)
>>> news = local_write(solved, **row, actor=two, changes={"email": "jo@two"})
>>> [project(merge(gone, news), rules=EntityRuleSet("user", {}, delete_rule=rule)).alive for rule in DeleteRule]
[False, True]

Rows older than capture have one dot, named after their content (`genesis`): equal rows of two clouds are equal states.

The modules: `vectors` (dots, actors) and `state` (registers, the two ways to make a dot); `merge`; `rules` and
`projection` (what is shown); `identity` (aliases, reused keys, who keeps a contested name); `topology` (parents first,
circles of domains); `lag` (cursors, incarnations); `codec` (states as text).
"""

from region_operator.replication.model.codec import decode, encode
from region_operator.replication.model.identity import (
    NaturalIdentity,
    absorb,
    adopt,
    clash_winner,
    final_key,
    key_reused,
    renaming_region,
    whole_identity,
)
from region_operator.replication.model.lag import (
    START,
    Cursor,
    History,
    Incarnation,
    Resume,
    Seen,
    resume,
)
from region_operator.replication.model.merge import DotReuse, FieldLost, MergeRefused, merge, proves_more
from region_operator.replication.model.projection import ConflictKind, FieldConflict, Projection, is_alive, project
from region_operator.replication.model.rules import DeleteRule, EntityRuleSet, FieldRule, Rule, UniqueClash
from region_operator.replication.model.state import (
    DELETED_FIELD,
    Born,
    Pair,
    Register,
    RowState,
    Scalar,
    Value,
    genesis,
    genesis_actor,
    local_write,
)
from region_operator.replication.model.topology import Edge, break_cycles, parents_first, rows_parents_first
from region_operator.replication.model.vectors import (
    MAX_COUNTER,
    Actor,
    Dot,
    VersionVector,
    actor_of,
    base_actor,
    is_genesis,
    region_of,
)

__all__ = [
    "DELETED_FIELD",
    "MAX_COUNTER",
    "START",
    "Actor",
    "Born",
    "ConflictKind",
    "Cursor",
    "DeleteRule",
    "Dot",
    "DotReuse",
    "Edge",
    "EntityRuleSet",
    "FieldConflict",
    "FieldLost",
    "FieldRule",
    "History",
    "Incarnation",
    "MergeRefused",
    "NaturalIdentity",
    "Pair",
    "Projection",
    "Register",
    "Resume",
    "RowState",
    "Rule",
    "Scalar",
    "Seen",
    "UniqueClash",
    "Value",
    "VersionVector",
    "absorb",
    "actor_of",
    "adopt",
    "base_actor",
    "break_cycles",
    "clash_winner",
    "decode",
    "encode",
    "final_key",
    "genesis",
    "genesis_actor",
    "is_alive",
    "is_genesis",
    "key_reused",
    "local_write",
    "merge",
    "parents_first",
    "project",
    "proves_more",
    "region_of",
    "renaming_region",
    "resume",
    "rows_parents_first",
    "whole_identity",
]
