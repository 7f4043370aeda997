"""Whoever writes a word that is none of a few is told which there are, in bodies and queries alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
import pytest

from app.docs import endpoints
from app.errors import Problem
from app.strict import decode_body, decode_query
from market import terms
from tests.app.conftest import Caller, World, a_task, answer, is_problem, ok, post_task


class Chosen(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of a few values, in every way that they are declared."""

    one: Literal["red", "green"] = "red"
    maybe: Literal["up", "down"] | None = None
    said: Annotated[Literal["yes"] | None, msgspec.Meta(description="Whether.")] = None
    number: Literal[1, 2] = 1
    several: list[Literal["a", "b"]] = []
    either: Literal["all"] | int = 3


@pytest.mark.parametrize(
    ("given", "pointer", "allowed"),
    [
        ({"one": "blue"}, "/one", '"red", "green"'),
        ({"one": 3}, "/one", '"red", "green"'),
        ({"maybe": "left"}, "/maybe", '"up", "down"'),
        ({"said": "no"}, "/said", '"yes"'),
        ({"number": 3}, "/number", "1, 2"),
        ({"several": ["a", "c"]}, "/several/1", '"a", "b"'),
        ({"either": "none"}, "/either", ""),
    ],
)
def test_a_body_is_told_what_may_stand_there(given: dict[str, Any], pointer: str, allowed: str) -> None:
    with pytest.raises(Problem) as refused:
        decode_body(msgspec.json.encode(given), Chosen)
    (error,) = refused.value.errors
    assert error.pointer == pointer
    assert error.detail.endswith(f"One of these is wanted: {allowed}.") if allowed else "wanted" not in error.detail


def test_so_is_a_query() -> None:
    with pytest.raises(Problem) as refused:
        decode_query({"one": "blue"}, Chosen)
    assert refused.value.errors[0].detail == 'Invalid enum value \'blue\'. One of these is wanted: "red", "green".'


async def test_people_and_agents_are_told(ada: Caller, bo: Caller) -> None:
    told = is_problem(await bo.ask("DELETE", "/v1/people/me", json={"confirm": "yes"}), 422, "validation")
    assert '"erase everything about me"' in told["errors"][0]["detail"]
    task = a_task(acceptance={"checks": ["fresh", "bogus"]})
    told = is_problem(await ada.post("/v1/tasks", task), 422, "validation")
    assert told["errors"][0]["pointer"] == "/acceptance/checks/1"
    assert all(f'"{name}"' in told["errors"][0]["detail"] for name in get_args(terms.Check))
    await answer(bo, await post_task(ada))
    seen = ok(await ada.get("/v1/observations"))["items"][0]
    told = is_problem(await ada.get(f"/v1/observations/{seen['id']}/photos/1?variant=zzz"), 422, "validation")
    assert told["errors"] == [
        {
            "pointer": "/variant",
            "detail": 'Invalid enum value \'zzz\'. One of these is wanted: "original", "full", "display", "thumb".',
        }
    ]


async def test_every_choice_of_every_operation_is_told(world: World) -> None:
    told = 0
    for spec in endpoints(world.app):
        for kind in (spec.data, spec.query):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                told += _choices_are_told(kind)
    assert told > 20


def _choices_are_told(kind: type[msgspec.Struct]) -> int:
    """Each field of a struct that takes one of a few words is told them: how many there are."""
    count = 0
    for field in msgspec.structs.fields(kind):
        schema = msgspec.json.schema(field.type)
        words = schema.get("enum") or next((each["enum"] for each in schema.get("anyOf", ()) if "enum" in each), None)
        if words is None:
            continue
        with pytest.raises(Problem) as refused:
            decode_body(msgspec.json.encode({field.encode_name: "zzz"}), kind)
        error = next(each for each in refused.value.errors if each.pointer == f"/{field.encode_name}")
        assert all(msgspec.json.encode(word).decode() in error.detail for word in words if word is not None), field.name
        count += 1
    return count
