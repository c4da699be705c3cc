"""One stack and one browser for all browser tests of a worker; each test has a context of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser_stack import Stack, running_stack, sign_in
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.requires import CHROMIUM_FLAGS, chromium

expect.set_options(timeout=60_000)
"""A page's first visit on a fresh machine compiles everything behind it."""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return chromium()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(browser: Browser) -> AsyncIterator[Page]:
    """A page that nobody has signed in on."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    page = await context.new_page()
    yield page
    await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def member(browser: Browser, stack: Stack) -> AsyncIterator[BrowserContext]:
    """The browser of a person who signed in once and keeps coming back."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    first = await context.new_page()
    await sign_in(first, stack.url)
    await first.wait_for_selector("[data-tile=present]")
    await first.close()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(member: BrowserContext, stack: Stack) -> AsyncIterator[Page]:
    """That person's new tab, on the Overview."""
    tab = await member.new_page()
    await tab.goto(stack.url)
    await tab.wait_for_selector("[data-tile=present]")
    yield tab
    await tab.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a machine without a Chromium the first of these tests installs one, which takes its time."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(900))
