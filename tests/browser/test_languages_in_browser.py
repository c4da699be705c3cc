"""The pages in Arabic and in the language that finds what no catalogue holds, in Chromium."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser_stack import Stack
from playwright.async_api import BrowserContext, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = ["/", "/live", "/devices", "/exceptions", "/people", "/punches", "/workdays", "/requests", "/periods", "/audit",
         "/nothing-here"]  # fmt: skip
SHORT = ("/", "/devices", "/requests", "/nothing-here")
LEAKS = """() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), inside = walker.currentNode.parentElement;
    // Names, identifiers and times are data; Streamlit's own skip link is never shown.
    if (inside.closest("bdi, time, code, script, style, noscript, option, [dir=auto], .bf-brand-name")) continue;
    if (inside.offsetParent === null && !inside.closest(".bf-unseen")) continue;
    if (/[A-Za-z]{2}/.test(text.replace(/⟦.*⟧/gs, ""))) found.add(`${inside.className}: ${text.slice(0, 60)}`);
  }
  for (const one of document.querySelectorAll("[aria-label], [placeholder]")) {
    const text = one.getAttribute("aria-label") || one.getAttribute("placeholder");
    if (one.closest("#root, .bf-header, .bf-nav") && /[A-Za-z]{2}/.test(text.replace(/⟦.*⟧/gs, "")) &&
        !["BiometricFlow"].includes(text) && !one.closest("[data-testid^=st]:not(:has(.bf-region))")) found.add(text);
  }
  return [...found];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def tab(member: BrowserContext) -> AsyncIterator[Page]:
    page = await member.new_page()
    yield page
    await page.close()


async def show(page: Page, stack: Stack, path: str, language: str) -> None:
    await page.goto(f"{stack.url}{path}?lang={language}")
    last = page.locator(".bf-message, .bf-region:not(.bf-r-heading):not(.bf-r-scope)").first
    await expect(last).to_be_visible()


@pytest.mark.parametrize("path", SHORT)
async def test_no_text_of_a_page_is_outside_the_catalogue(tab: Page, stack: Stack, path: str) -> None:
    await show(tab, stack, path, "en-XA")

    assert await tab.evaluate(LEAKS) == []


@pytest.mark.drill
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, 390])
async def test_no_page_has_text_outside_the_catalogue_or_breaks_when_texts_are_longer(
    tab: Page, stack: Stack, path: str, width: int
) -> None:
    await tab.set_viewport_size({"width": width, "height": 844})
    await show(tab, stack, path, "en-XA")

    assert await tab.evaluate(LEAKS) == []
    assert await tab.evaluate("document.documentElement.scrollWidth") <= width


async def test_arabic_is_chosen_in_the_account_menu_and_holds_for_pages_and_what_comes_live(
    tab: Page, stack: Stack
) -> None:
    await tab.goto(f"{stack.url}/workdays?from=2026-11-01&to=2026-11-30")
    await tab.locator(".bf-account summary").click()
    menu = tab.locator(".bf-look")
    await menu.get_by_label("Language").select_option("العربية")
    await menu.get_by_label("Hijri dates beside").check()
    await menu.get_by_role("button", name="Apply").click()
    try:
        await expect(tab.locator("html[lang=ar][dir=rtl]")).to_have_count(1)
        await expect(tab.get_by_role("heading", level=1, name="أيام العمل")).to_be_visible()
        assert "from=2026-11-01" in tab.url, "the choice leads back to where it was made"
        await expect(tab.locator(".bf-r-scope")).to_contain_text("جمادى")
        navigation = await tab.locator(".bf-nav").bounding_box()
        assert navigation is not None
        assert navigation["x"] > 640, "the navigation is on the right"

        await tab.get_by_role("link", name="مباشر", exact=True).click()
        await expect(tab.locator(".bf-pill")).to_have_text("مباشر")
        await stack.places["cairo"].punch("2", state=1)
        newest = tab.locator(".bf-punch").first
        await expect(newest).to_contain_text("→ انصراف")
        await expect(newest.locator("bdi[dir=auto]").first).to_have_text("محمد علي")
    finally:
        await tab.context.clear_cookies(name="bf-look")


async def test_an_address_may_say_its_language_and_changes_nobodys_choice(tab: Page, stack: Stack) -> None:
    await show(tab, stack, "/devices", "ar")
    await expect(tab.get_by_role("heading", level=1)).to_have_text("الأجهزة")
    await tab.get_by_role("link", name="الفترات").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("الفترات")
    assert "lang=ar" in tab.url

    await tab.goto(f"{stack.url}/devices")
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Devices")


async def test_the_way_in_speaks_arabic_to_a_stranger(stranger: Page, stack: Stack) -> None:
    await stranger.goto(f"{stack.url}/sign-in?next=/punches")
    await stranger.get_by_role("button", name="العربية").click()

    await expect(stranger.get_by_role("heading", level=1)).to_have_text("تسجيل الدخول")
    await expect(stranger.locator("html[dir=rtl]")).to_have_count(1)
    assert await stranger.locator("input[name=next]").first.input_value() == "/punches"
    await stranger.fill("#email", "nobody@example.com")
    await stranger.fill("#password", "a wrong sentence")
    await stranger.get_by_role("button", name="تسجيل الدخول").click()
    await expect(stranger.get_by_role("alert")).to_contain_text("غير صحيحة")


async def test_high_contrast_holds_inside_the_page_too(tab: Page, stack: Stack) -> None:
    await tab.context.add_cookies([{"name": "bf-look", "value": "theme=contrast", "url": stack.url}])
    try:
        await show(tab, stack, "/punches", "en")
        colours = "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
        assert await tab.locator(".bf-card").first.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    finally:
        await tab.context.clear_cookies(name="bf-look")
