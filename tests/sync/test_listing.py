"""Lists are read page by page, each page once, and only as far as they are looked at."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import InvalidArgument, NotFoundError, SchemaError
from liveavatar_nb.models.account import Language
from liveavatar_nb.models.base import Records, decode
from liveavatar_nb.models.sessions import Transcript
from liveavatar_nb.rest.pagination import Listing, Page, pick
from liveavatar_nb.sync.listing import Rows


class Service:
    """A list in pages of three, which counts how often each page was read."""

    def __init__(self, length: int, *, lies: bool = False) -> None:
        self.items = list(range(length))
        self.lies = lies
        self.reads: list[int] = []

    async def page(self, number: int) -> Page[int]:
        self.reads.append(number)
        await asyncio.sleep(0)
        first = 0 if self.lies else (number - 1) * 3
        items = Records(self.items[first : first + 3])
        return Page(items, len(self.items), has_next=self.lies or first + 3 < len(self.items))


def rows_of(*services: Service, **options: Any) -> Rows[int]:
    return Rows(Listing(*(service.page for service in services), **options), "numbers")


def test_only_what_is_looked_at_is_read() -> None:
    service = Service(8)
    rows = rows_of(service)
    assert service.reads == []
    assert rows[0] == 0
    assert next(iter(rows)) == 0
    assert bool(rows)
    assert service.reads == [1]
    assert rows[4] == 4
    assert service.reads == [1, 2]
    assert list(rows) == service.items
    assert list(rows) == service.items
    assert service.reads == [1, 2, 3]
    assert len(rows) == 8
    assert rows[-1] == 7
    assert rows[2:4] == [2, 3]
    assert isinstance(rows[2:4][:1], Records)
    assert service.reads == [1, 2, 3]
    with pytest.raises(IndexError):
        rows[8]


def test_its_length_is_the_services_own_count() -> None:
    service = Service(8)
    assert len(rows_of(service)) == 8
    assert service.reads == [1]
    kept = Service(8)
    assert len(rows_of(kept, keep=lambda item: item % 2 == 0)) == 4
    assert kept.reads == [1, 2, 3]


def test_several_lists_follow_one_another() -> None:
    mine, public = Service(4), Service(2)
    rows = rows_of(mine, public)
    assert len(rows) == 6
    assert list(rows) == [0, 1, 2, 3, 0, 1]
    assert rows.page(1) == [0, 1, 2, 0, 1]
    assert rows.page(2) == [3]
    assert list(rows_of(mine, public, first=2)) == [3]


def test_an_empty_first_list_does_not_hide_the_second() -> None:
    rows = rows_of(Service(0), Service(2))
    assert bool(rows)
    assert repr(rows) == "[0,\n 1]"
    assert not rows_of(Service(0))
    assert repr(rows_of(Service(0))) == "[]"


def test_it_shows_its_first_page_and_how_many_more_there_are() -> None:
    service = Service(8)
    assert repr(rows_of(service)) == "[0,\n 1,\n 2,\n ... and 5 more]"
    assert set(service.reads) == {1}


def test_a_service_that_sends_the_same_page_for_ever_is_given_up() -> None:
    with pytest.raises(SchemaError, match="page 2 is the same"):
        list(rows_of(Service(8, lies=True)))


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "1"])
def test_a_page_is_a_whole_number_from_one(number: Any) -> None:
    with pytest.raises(InvalidArgument, match="page must be 1 or more"):
        rows_of(Service(3)).page(number)


def test_an_item_is_found_by_its_name_or_id(la: LiveAvatar) -> None:
    avatars = la.avatars()
    silas = avatars["Silas"]
    assert avatars["silas"] == silas == avatars[silas.id]
    assert "Silas" in avatars._ipython_key_completions_()
    with pytest.raises(InvalidArgument, match=r"no 'Sylas' among the \d+ avatars. Did you mean 'Silas'"):
        avatars["Sylas"]


def test_a_part_of_a_name_finds_the_nearest_and_few_are_named(la: LiveAvatar) -> None:
    la.api.contexts.create(name="Desk of the small museum", prompt="You guide.", opening_text=None)
    contexts = la.contexts()
    with pytest.raises(InvalidArgument, match="Did you mean 'Desk of the small museum'"):
        contexts["small"]
    with pytest.raises(InvalidArgument, match=r"Use one of: .*'Desk of the small museum'"):
        contexts["xyz"]
    assert [one.name for one in la.voices()] == [one.name for one in la.api.voices.list()]


def test_several_of_one_name_list_their_ids(la: LiveAvatar) -> None:
    for _ in range(2):
        la.api.contexts.create(name="Twin", prompt="p", opening_text=None)
    with pytest.raises(InvalidArgument) as caught:
        pick("Twin", la.api.contexts.list(page_size=100).all(), "contexts", field="context")
    ids = [context.id for context in la.api.contexts.list(page_size=100) if context.name == "Twin"]
    assert all(id_ in str(caught.value) for id_ in ids)
    assert caught.value.field == "context"


def test_a_list_of_the_service_is_read_page_by_page(la: LiveAvatar, simulator: Simulator) -> None:
    def pages() -> list[str]:
        return [one["query"]["page"] for one in simulator.requests() if one["path"] == "/v1/avatars/public"]

    avatars = la.api.avatars.public(page_size=5)
    assert avatars[0].name
    assert pages() == ["1"]
    everyone = list(avatars)
    assert pages() == [str(number + 1) for number in range(-(-len(everyone) // 5))]
    assert [one.id for one in la.api.avatars.public(page=2, page_size=5)] == [one.id for one in everyone[5:]]


def test_a_list_shows_itself_with_pictures_and_sounds(la: LiveAvatar) -> None:
    avatars = la.avatars()._repr_html_() or ""
    assert avatars.count("<img") > 10
    assert "data:image/svg+xml;base64," in avatars
    assert "127.0.0.1" not in avatars
    voices = la.api.voices.list(page_size=4)._repr_html_() or ""
    assert voices.count("<audio") == 4
    assert voices.count("data:audio/wav;base64,") == 4


def test_a_list_whose_pictures_do_not_come_shows_itself_all_the_same(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("voices", "status", times=None, status=503)
    voices = la.api.voices.list(page_size=4)
    simulator.faults.clear()
    voices.all()
    simulator.faults.add("get_v1_voices_voice_id_preview", "status", times=None, status=404)
    html = voices._repr_html_() or ""
    assert voices[0].name in html
    assert "<audio" not in html


def test_lists_become_tables(la: LiveAvatar) -> None:
    frame = la.api.voices.list(page_size=3).to_pandas()
    assert len(frame) == len(la.api.voices.list())
    assert {"id", "name", "language", "created_at"} <= set(frame.columns)
    assert str(frame["created_at"].dtype).startswith("datetime64")
    assert la.api.voices.list().to_dict()[0]["id"] == frame["id"][0]


async def test_the_async_face_reads_as_lazily(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    async for avatar in client.api.avatars.public(page_size=5):
        assert avatar.id
        break
    reads = [one for one in simulator.requests() if one["path"] == "/v1/avatars/public"]
    assert len(reads) == 1
    everyone = await client.api.avatars.public(page_size=5)
    assert isinstance(everyone, Records)
    assert await client.api.avatars.public(page_size=5).count() == len(everyone)
    assert "await" in repr(client.api.avatars.public())
    assert (everyone._repr_html_() or "").count("<img") == len(everyone)


async def test_a_dead_end_is_an_error_of_ours(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("contexts", "status", status=404, message="gone")
    with pytest.raises(NotFoundError):
        await client.api.contexts.list()


def test_copies_and_pickles_keep_what_a_newer_service_sent() -> None:
    sent = {"language": "German", "code": "de", "dialects": ["Swiss"]}
    record = decode(Language, sent, "a call")
    for again in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert again == record
        assert again.dialects == ["Swiss"]


def test_a_failure_is_shown_once_by_a_notebook(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("contexts", "status", status=404, times=None)
    contexts = la.api.contexts.list()
    with pytest.raises(NotFoundError):
        repr(contexts)
    assert contexts._repr_html_() is None
    simulator.faults.clear()
    assert "Museum" in repr(contexts)
    assert "Museum" in (contexts._repr_html_() or "")
    assert "Museum desk" in contexts


def test_a_part_is_read_as_far_as_it_goes() -> None:
    service = Service(8)
    assert rows_of(service)[:2] == [0, 1]
    assert service.reads == [1]
    assert rows_of(service)[-2:] == [6, 7]


def test_what_is_new_in_nested_records_is_kept_and_60_0_is_a_whole_number() -> None:
    line = {"role": "user", "transcript": "Hi", "absolute_timestamp": 60.0, "relative_timestamp": 1, "mood": "glad"}
    record = decode(Transcript, {"session_active": True, "transcript_data": [line]}, "a call")
    assert record.transcript_data[0].extra == {"mood": "glad"}
    assert record.transcript_data[0].absolute_timestamp == 60


def test_an_interrupt_loses_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    real = bridge.call

    def interrupted(work: Any, **options: Any) -> Any:
        real(work)
        raise KeyboardInterrupt

    rows = rows_of(Service(8))
    monkeypatch.setattr(bridge, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rows[0]
    monkeypatch.undo()
    assert list(rows) == list(range(8))
