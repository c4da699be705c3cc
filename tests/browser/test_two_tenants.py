"""Two customers in one dashboard process, side by side: nothing of one is ever sent to the browser of the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from browser_stack import EMAIL, RIVAL_EMAIL, Stack, sign_in
from playwright.async_api import Browser, Error, Page, Route, WebSocket, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWN = ("Cairo head office", "Dhaka plant 2", "Amina Hassan", "Nadia Islam", "Factory door", "Nile Textiles", "CAIA20")
THEIRS = ("Oslo vault", "Zebulon Quark", "Ingrid Solheim", "Vault door", "Rival Bank", "OSLA20")
UNKEPT = ("/static/", "/assets/", "/live/stream")
SHORT = ("/", "/live", "/devices", "/punches")
PAGES = ("/", "/live", "/devices", "/exceptions", "/people", "/punches", "/workdays", "/requests", "/periods", "/audit")
LISTEN = """
const ask = window.fetch.bind(window);
window.heard = "";
window.fetch = async (url, how) => {
  const answer = await ask(url, how);
  if (!String(url).includes("/live/stream") || !answer.body) return answer;
  const [page, copy] = answer.body.tee();
  copy.pipeThrough(new TextDecoderStream()).pipeTo(new WritableStream({ write(text) { window.heard += text; } }))
    .catch(() => {});
  return new Response(page, { status: answer.status, headers: answer.headers });
};
"""


@dataclass
class Visitor:
    """A browser of its own, and everything that it was ever sent."""

    page: Page
    sent: list[bytes] = field(default_factory=list)

    async def listen(self) -> None:
        """Keep what answers and sockets bring, before the page has it: later it may be gone with its answers."""
        await self.page.route(lambda url: not any(part in url for part in UNKEPT), self._keep)
        self.page.on("websocket", self._follow)

    async def see(self, stack: Stack, path: str, mark: str) -> None:
        """Open a page, wait until it shows something of one's own, keep what it reads like and what came live."""
        await self.page.goto(stack.url + path)
        await expect(self.page.locator(".bf-region:not(.bf-r-heading):not(.bf-r-scope)").first).to_be_visible()
        await expect(self.page.locator("body")).to_contain_text(mark)
        await self.keep_live()

    async def keep_live(self) -> None:
        """Keep the words of the page and of its stream."""
        self.sent.append((await self.page.evaluate("document.documentElement.outerHTML + window.heard")).encode())

    def names(self, tokens: tuple[str, ...]) -> set[str]:
        """Which of these it was sent."""
        everything = b"\n".join(self.sent)
        return {token for token in tokens if token.encode() in everything}

    async def _keep(self, route: Route) -> None:
        try:
            answer = await route.fetch(max_redirects=0)
            self.sent.append(await answer.body())
            await route.fulfill(response=answer)
        except Error:  # the page went elsewhere and waits for this no more
            return

    def _follow(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda frame: self.sent.append(frame if isinstance(frame, bytes) else frame.encode())
        )


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, stack: Stack) -> AsyncIterator[tuple[Visitor, Visitor]]:
    contexts, found = [], []
    for email in (EMAIL, RIVAL_EMAIL):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(60_000)
        await context.add_init_script(LISTEN)
        visitor = Visitor(await context.new_page())
        await visitor.listen()
        await sign_in(visitor.page, stack.url, email)
        await visitor.page.wait_for_selector("[data-tile=present]")
        contexts.append(context)
        found.append(visitor)
    yield found[0], found[1]
    for context in contexts:
        await context.close()


async def walked(visitors: tuple[Visitor, Visitor], stack: Stack, paths: tuple[str, ...]) -> None:
    """Both go the same way at the same time; people of both punch with the same PIN meanwhile."""
    mine, rival = visitors
    for path in paths:
        await asyncio.gather(mine.see(stack, path, "Nile Textiles"), rival.see(stack, path, "Rival Bank"))
        if path == "/live":
            own, their = await stack.places["cairo"].punch("1"), await stack.rival.punch("1")
            at = f"{own.punch.local_time:%H:%M:%S}"
            await expect(mine.page.locator(".bf-punch", has_text=at).first).to_contain_text("Amina Hassan")
            at = f"{their.punch.local_time:%H:%M:%S}"
            await expect(rival.page.locator(".bf-punch", has_text=at).first).to_contain_text("Zebulon Quark")
            await asyncio.gather(mine.keep_live(), rival.keep_live())
    for visitor in visitors:
        file = await visitor.page.request.get(f"{stack.url}/download/punches.csv")
        assert file.ok
        visitor.sent.append(await file.body())


async def test_nothing_of_one_tenant_is_ever_sent_to_the_browser_of_another(
    visitors: tuple[Visitor, Visitor], stack: Stack
) -> None:
    mine, rival = visitors
    await walked(visitors, stack, SHORT)

    assert mine.names(OWN) == set(OWN), "the probe sees what is sent"
    assert rival.names(THEIRS) == set(THEIRS), "the probe sees what is sent"
    assert mine.names(THEIRS) == set()
    assert rival.names(OWN) == set()

    await rival.page.goto(f"{stack.url}/devices?id=cairo/cairo-1")
    await expect(rival.page.get_by_role("heading", name="There is no such terminal.")).to_be_visible()
    await rival.page.goto(f"{stack.url}/punches?loc=cairo")
    await expect(rival.page.locator(".bf-r-scope")).to_be_visible()
    await rival.keep_live()
    assert rival.names(OWN) == set()


@pytest.mark.drill
async def test_no_page_sends_anything_of_another_tenant(visitors: tuple[Visitor, Visitor], stack: Stack) -> None:
    for _round in range(3):
        await walked(visitors, stack, PAGES)

    mine, rival = visitors
    assert (mine.names(THEIRS), rival.names(OWN)) == (set(), set())
    assert mine.names(OWN) == set(OWN)
    assert rival.names(THEIRS) == set(THEIRS)
