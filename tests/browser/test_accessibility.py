"""axe-core on the pages, in both directions, both colour schemes and both widths: nothing serious, nothing critical."""

import itertools
from importlib.resources import files

import pytest
from browser_stack import Stack
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
PAGES = {
    "/": ".bf-places-row",
    "/live": ".bf-punch",
    "/devices": ".bf-device",
    "/devices?id=cairo/cairo-1": ".bf-r-terminal",
    "/alerts": ".bf-r-sections",
    "/exceptions": ".bf-r-inbox",
    "/people": ".bf-r-people",
    "/punches": ".bf-r-listing tbody",
    "/workdays": ".bf-r-listing",
    "/requests": ".bf-r-requests",
    "/periods": ".bf-r-listing",
    "/users": ".bf-r-sections tbody",
    "/users?tab=roles": ".bf-r-sections tbody",
    "/users?role=auditor": ".bf-r-sections h1",
    "/audit": ".bf-r-listing tbody",
    "/nothing-here": ".bf-message",
}
SHORT = ("/", "/punches", "/requests", "/users", "/nothing-here")


async def judged(page: Page, direction: str) -> list[str]:
    """What axe finds serious or critical, with where it is."""
    await page.evaluate(f"document.documentElement.dir = '{direction}'")
    await page.evaluate(AXE)
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


async def show(page: Page, stack: Stack, path: str) -> None:
    await page.goto(stack.url + path)
    await expect(page.locator(PAGES[path]).first).to_be_visible()


@pytest.mark.parametrize("path", SHORT)
async def test_a_page_has_no_serious_finding_on_a_phone_in_the_dark_from_right_to_left(
    page: Page, stack: Stack, path: str
) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.emulate_media(color_scheme="dark")
    await show(page, stack, path)

    assert await judged(page, "rtl") == []
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{path} is {wide} wide from right to left"


@pytest.mark.drill
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_no_serious_finding_in_any_scheme_direction_or_width(
    page: Page, stack: Stack, path: str
) -> None:
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        await page.set_viewport_size({"width": width, "height": 844})
        await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        await show(page, stack, path)
        for direction in ("ltr", "rtl"):
            assert await judged(page, direction) == [], f"{path} at {width}, {scheme}, {direction}"


async def test_the_way_in_has_no_serious_finding(stranger: Page, stack: Stack) -> None:
    await stranger.goto(f"{stack.url}/sign-in")

    assert await judged(stranger, "ltr") == []


async def test_a_slash_leads_to_the_search_unless_it_is_switched_off(page: Page, stack: Stack) -> None:
    search = page.get_by_role("searchbox", name="Find a person")
    await page.keyboard.press("/")
    await expect(search).to_be_focused()
    await search.fill("amina")
    await search.press("Enter")
    await page.wait_for_url(f"{stack.url}/people?q=amina")

    await page.locator(".bf-account summary").click()
    await page.get_by_label("Shortcut / for search").uncheck()
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.locator(".bf-r-people, .bf-empty").first).to_be_visible()
    await page.keyboard.press("/")
    await expect(search).not_to_be_focused()
    await page.evaluate("localStorage.clear()")
