"""Without a line the last snapshot is shown with its time; with it the same page comes back."""

import json

import pytest
from browser_stack import Stack, sign_in, until
from playwright.async_api import Page, expect
from test_accessibility import judged

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def has_snapshot(page: Page) -> bool:
    return bool(await page.evaluate("caches.open('bf-snapshot').then((one) => one.match('/snapshot')).then(Boolean)"))


async def test_a_reload_without_a_line_shows_the_snapshot_and_the_same_page_comes_back(
    stranger: Page, stack: Stack
) -> None:
    await stranger.goto(f"{stack.url}/sign-in?next=/people%3Fq%3Damina")
    await sign_in(stranger, stack.url)
    await stranger.wait_for_selector(".bf-r-people")
    await until(lambda: has_snapshot(stranger), what="a snapshot")
    await stranger.evaluate("navigator.serviceWorker.ready")
    await stranger.context.set_offline(True)
    await stranger.reload()
    await expect(stranger.get_by_role("heading", name="Offline")).to_be_visible()
    await expect(stranger.locator(".bf-saved")).to_contain_text("Saved 20")
    await expect(stranger.locator(".bf-tiles")).to_contain_text("Seen today")
    await expect(stranger.locator(".bf-lines")).to_contain_text("Cairo head office")
    text = await stranger.content()
    assert len(text.encode()) < 200_000
    assert "Amina" not in text, "a snapshot names nobody"
    assert await judged(stranger, "ltr") == []
    assert await judged(stranger, "rtl") == []
    await stranger.set_viewport_size({"width": 390, "height": 844})
    assert await stranger.evaluate("document.documentElement.scrollWidth") <= 390

    await stranger.context.set_offline(False)
    await stranger.wait_for_selector(".bf-r-people")
    assert stranger.url == f"{stack.url}/people?q=amina"
    await stranger.set_viewport_size({"width": 1280, "height": 844})
    await stranger.locator(".bf-account summary").click()
    await stranger.get_by_role("button", name="Sign out").click()
    await stranger.wait_for_url(f"{stack.url}/sign-in")
    assert not await has_snapshot(stranger)


async def test_the_pages_are_an_app_that_can_be_installed(stranger: Page, stack: Stack) -> None:
    answer = await stranger.request.get(f"{stack.url}/manifest.webmanifest")
    manifest = json.loads(await answer.text())
    assert answer.headers["content-type"] == "application/manifest+json"
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    assert [one["url"] for one in manifest["shortcuts"]] == ["/live", "/devices"]
    for icon in manifest["icons"]:
        assert (await stranger.request.get(stack.url + icon["src"])).status == 200
    assert (await stranger.request.get(f"{stack.url}/snapshot", max_redirects=0)).status == 303
