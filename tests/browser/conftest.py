"""One stack and one browser for all browser tests of a worker; each test has a context of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser_stack import Stack, running_stack, sign_in
from playwright.async_api import Browser, Page, async_playwright

from tests.requires import chromium

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return chromium()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
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
    context.set_default_timeout(15_000)
    page = await context.new_page()
    yield page
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(stranger: Page, stack: Stack) -> Page:
    """A page of a person who has just signed in, on the Overview."""
    await sign_in(stranger, stack.url)
    await stranger.wait_for_selector("[data-tile=present]")
    return stranger
