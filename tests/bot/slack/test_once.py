"""What happens once among all processes, and what becomes of it when one of them dies or the broker is away."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bot.services import Services
from bot.slack import once
from bot.slack.once import Once, UnderWay
from storage.settings import Settings


async def test_whoever_comes_meanwhile_waits_and_finds_it_done(services: Services) -> None:
    done: list[bool] = []

    async def do() -> None:
        async with Once(services.broker).doing("undo", 60) as first:
            if first:
                await asyncio.sleep(0.1)
            done.append(first)

    await asyncio.gather(*(do() for _ in range(3)))
    assert done == [True, False, False]


async def test_however_many_come_at_once_one_of_them_is_the_first(services: Services) -> None:
    once = Once(services.broker)
    came = await asyncio.gather(*(once.first("a signature", 60) for _ in range(300)))
    assert came.count(True) == 1


async def test_a_broker_that_hangs_holds_nobody_up_however_many_come(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "PATIENCE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        hanging = Services.open(settings.model_copy(update={"broker_url": address}))
        asking = Once(hanging.broker)
        async with asyncio.timeout(2):
            assert all(await asyncio.gather(*(asking.first(f"signature {number}", 60) for number in range(100))))
            assert await asking.first("a signature", 60), "no connection was lost over it"
        await hanging.close()


async def test_a_client_that_loses_a_cancellation_is_not_waited_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = asyncio.Event()

    async def deaf(*_: object, **__: object) -> None:
        try:
            await end.wait()
        except asyncio.CancelledError:
            await end.wait()

    monkeypatch.setattr(once, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(services.broker, "set", deaf)
    async with asyncio.timeout(5):
        assert await Once(services.broker).first("a signature", 60)
    end.set()


async def test_what_failed_is_done_by_the_next(services: Services) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Once(services.broker).doing("undo", 60):
            raise ZeroDivisionError
    async with Once(services.broker).doing("undo", 60) as first:
        assert first


async def test_what_somebody_died_over_is_not_taken_for_done(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "WAIT_SECONDS", 0.1)
    await services.broker.set(once._key("undo"), once.DOING, ex=1)
    with pytest.raises(UnderWay):
        async with Once(services.broker).doing("undo", 60):
            pass
    await services.broker.delete(once._key("undo"))
    async with Once(services.broker).doing("undo", 60) as first:
        assert first


async def test_what_is_asked_for_twice_at_the_same_time_is_done_for_both(services: Services) -> None:
    begun: list[str] = []
    once = Once(services.broker)

    async def work() -> None:
        begun.append("work")
        await asyncio.sleep(0)
        raise ZeroDivisionError

    for expected in (["work"], ["work"] * 2):
        both = await asyncio.gather(*(once.together("a message", work) for _ in range(2)), return_exceptions=True)
        assert [type(one) for one in both] == [ZeroDivisionError] * 2, "whoever waits hears of it"
        assert begun == expected, "it is done again only when somebody comes later"
