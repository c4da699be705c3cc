"""The few journeys people make daily, in Chromium, against the real dashboard and the real gateway."""

import re
from urllib.parse import urlsplit

import httpx2
import pytest
import websockets
from browser_stack import EMAIL, PASSWORD, Stack, named, sign_in
from playwright.async_api import Page, expect

from biometric_flow.model.terminal import TerminalState


async def settled(page: Page) -> None:
    """Streamlit has finished running the page's script."""
    await page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = ["/", "/live", "/devices"]


async def test_without_a_login_every_page_leads_to_sign_in_and_the_socket_is_refused(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.url, trust_env=False) as http:
        for path in [*PAGES, "/users", "/devices?loc=cairo"]:
            answer = await http.get(path)
            assert (answer.status_code, urlsplit(answer.headers["location"]).path) == (303, "/sign-in"), path
        for path in ["/live/stream", "/_stcore/host-config", "/_stcore/upload_file/x/y", "/_stcore/metrics"]:
            assert (await http.get(path)).status_code == 401, path

    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{stack.url.replace('http', 'ws')}/_stcore/stream", origin=stack.url)
    assert refused.value.response.status_code == 403


async def test_a_form_sent_by_another_site_signs_nobody_in(stack: Stack) -> None:
    fields = {"email": EMAIL, "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=stack.url, trust_env=False) as http:
        foreign = await http.post("/sign-in", data=fields, headers={"Origin": "https://evil.example"})
        silent = await http.post("/sign-in", data=fields)
        endless = await http.post("/sign-in", content=b"x" * 100_000, headers={"Origin": stack.url})

    assert (foreign.status_code, silent.status_code, endless.status_code) == (403, 403, 413)
    assert "set-cookie" not in foreign.headers


async def test_a_wrong_password_is_said_in_words_and_the_address_stays(stranger: Page, stack: Stack) -> None:
    await sign_in(stranger, stack.url, password="not the password")

    await expect(stranger.get_by_role("alert")).to_contain_text("E-mail or password is not right")
    await expect(stranger.locator("#email")).to_have_value(EMAIL)
    await expect(stranger.locator("#password")).to_have_value("")


async def test_signing_in_leads_to_the_page_that_was_asked_for(stranger: Page, stack: Stack) -> None:
    await stranger.goto(f"{stack.url}/devices?state=online")
    await sign_in(stranger, stack.url)

    await stranger.wait_for_selector(".bf-device")
    assert stranger.url == f"{stack.url}/devices?state=online"


async def test_the_overview_shows_the_totals_and_nothing_leaves_this_origin(stranger: Page, stack: Stack) -> None:
    asked: list[str] = []
    refused: list[str] = []
    stranger.on("request", lambda request: asked.append(request.url))
    stranger.on("websocket", lambda socket: asked.append(socket.url))
    stranger.on("console", lambda line: refused.append(line.text) if line.type == "error" else None)
    await sign_in(stranger, stack.url)

    for key, value in {"people": "13", "terminals": "5/5"}.items():
        await expect(stranger.locator(f"[data-tile={key}] .bf-tile-value")).to_have_text(value)
    await expect(stranger.locator(".bf-places-row")).to_have_count(3)
    for title, path in (("Live", "/live"), ("Devices", "/devices"), ("Overview", "/")):
        await stranger.get_by_role("navigation").get_by_role("link", name=title).click()
        await expect(stranger.get_by_role("heading", level=1, name=title)).to_be_visible()
        assert urlsplit(stranger.url).path == path

    own = urlsplit(stack.url).netloc
    foreign = [url for url in asked if urlsplit(url).scheme not in ("blob", "data") and urlsplit(url).netloc != own]
    assert foreign == []
    assert refused == []


async def test_a_punch_appears_on_live_and_in_the_totals_without_running_python_again(page: Page, stack: Stack) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="Live").click()
    await page.wait_for_selector(".bf-punch")
    count = await page.locator(".bf-punch").count()
    await settled(page)
    frames: list[object] = []
    probe = await page.context.new_cdp_session(page)
    await probe.send("Network.enable")
    probe.on("Network.webSocketFrameSent", lambda frame: frames.append(frame))
    probe.on("Network.webSocketFrameReceived", lambda frame: frames.append(frame))

    punch = await stack.places["cairo"].punch("3", state=1)

    row = page.locator(".bf-punch").first
    await expect(row).to_contain_text("Youssef Adel", timeout=60_000)
    await expect(row).to_contain_text(f"{punch.punch.local_time:%H:%M:%S}")
    await expect(row).to_contain_text("Check out")
    await expect(row).to_contain_text("Cairo head office")
    assert await page.locator(".bf-punch").count() in (count + 1, 60)
    assert frames == []
    await page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    await page.wait_for_selector("[data-tile=present]")
    assert frames, "the probe sees what Python draws"


async def test_rows_stand_still_while_somebody_reads_them(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/live")
    await page.wait_for_selector(".bf-punch")
    read = page.locator(".bf-punch").nth(1)
    box = None
    while box is None:  # the first rows are drawn again once the stream has begun
        await read.hover()
        text, box = await read.inner_text(), await read.bounding_box()

    await stack.places["lisbon"].punch("1")
    await stack.places["lisbon"].punch("2")

    button = page.get_by_role("button", name="2 new – show")
    await expect(button).to_be_visible(timeout=60_000)
    assert (await read.inner_text(), await read.bounding_box()) == (text, box)
    await button.click()
    await expect(page.locator(".bf-punch").first).to_contain_text("Sofia Marques")
    await expect(button).to_be_hidden()


async def test_the_location_filter_is_in_the_address_and_holds_for_live_events(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/live?loc=dhaka")
    await page.wait_for_selector(".bf-punch")

    await stack.places["cairo"].punch("1")
    await stack.places["dhaka"].punch("2")

    await expect(page.locator(".bf-punch").first).to_contain_text("Rahim Uddin", timeout=60_000)
    assert set(await page.locator(".bf-punch-where > bdi").all_inner_texts()) == {"Dhaka plant 2"}


async def test_a_name_that_is_markup_stays_text_everywhere(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/live")
    await page.wait_for_selector(".bf-punch")
    name = "<img src=x onerror=alert(1)>"
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))

    await stack.places["cairo"].append([named(stack.places["cairo"], "66", name)])
    await stack.places["cairo"].punch("66")

    await expect(page.locator(".bf-punch-name").first).to_have_text(name, timeout=60_000)
    await page.reload()
    await expect(page.locator(".bf-punch-name").first).to_have_text(name)
    assert await page.locator("img[src=x]").count() == 0
    assert dialogs == []


async def test_a_terminal_that_goes_offline_is_named_within_seconds(page: Page, stack: Stack) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="Devices").click()
    gate = page.locator("[data-device='cairo/cairo-2']")
    await expect(gate).to_contain_text("● Online")

    await stack.places["cairo"].set_state("cairo-2", TerminalState.OFFLINE, "no answer from 10.0.2.7:4370")

    await expect(gate).to_contain_text("▲ Offline", timeout=60_000)
    await expect(gate).to_contain_text("no answer from 10.0.2.7:4370")
    await page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    await expect(page.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("4/5")
    await expect(page.locator(".bf-r-attention")).to_contain_text("Back gate")
    await stack.places["cairo"].set_state("cairo-2", TerminalState.ONLINE)
    await expect(page.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("5/5", timeout=60_000)


async def test_filters_of_devices_are_in_the_address_and_an_empty_result_says_why(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/devices?q=canteen")
    await expect(page.locator(".bf-device")).to_have_count(1)
    await expect(page.locator(".bf-device")).to_contain_text("Canteen")

    await page.goto(f"{stack.url}/devices?loc=lisbon&state=offline")
    await expect(page.get_by_text("No terminal matches.")).to_be_visible()
    await page.get_by_role("link", name="Clear filters").click()
    await expect(page.locator(".bf-device")).to_have_count(5)


async def test_a_silent_place_is_named_and_left_out_until_it_speaks_again(page: Page, stack: Stack) -> None:
    stack.places["dhaka"].is_silent = True
    try:
        banner = page.locator(".bf-banner", has_text="Dhaka plant 2")
        await expect(banner).to_contain_text("Totals exclude it.", timeout=60_000)
        await expect(page.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("3/3")
    finally:
        stack.places["dhaka"].is_silent = False
    await expect(banner).to_have_count(0, timeout=60_000)
    await expect(page.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("5/5")


@pytest.mark.parametrize("width", [390, 320])
async def test_nothing_scrolls_sideways_on_a_phone(page: Page, stack: Stack, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    await page.emulate_media(color_scheme="dark")
    for title, ready in (("Overview", ".bf-places-row"), ("Live", ".bf-punch"), ("Devices", ".bf-device")):
        await page.get_by_role("navigation").get_by_role("link", name=title).click()
        await page.wait_for_selector(ready)
        for selector in ("html", "[data-testid=stMain]"):
            scroll, client = await page.locator(selector).evaluate("each => [each.scrollWidth, each.clientWidth]")
            assert scroll <= client, f"{selector} of {title} is {scroll} wide in {client}"
        small = await page.evaluate(
            """() => [...document.querySelectorAll(".bf-header *, .bf-nav *, .bf-region *")]
              .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
              .filter(e => parseFloat(getComputedStyle(e).fontSize) < 12 && !e.closest("svg"))
              .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert small == []


async def test_the_chart_says_the_same_as_its_table(page: Page) -> None:
    chart = page.locator(".bf-r-arrivals")
    await chart.get_by_role("button", name="Show as table").click()

    await expect(chart.get_by_role("columnheader").first).to_have_text("From")
    assert re.fullmatch(r"\d\d:\d\d", await chart.locator("tbody th").first.inner_text())
    await chart.get_by_role("button", name="Show as chart").click()
    await expect(chart.locator("svg.bf-figure")).to_be_visible()
    assert await chart.locator("svg.bf-figure line").count() == 3


async def test_the_keyboard_finds_the_skip_link_first_and_the_account_menu_closes_with_escape(page: Page) -> None:
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Tab")
    await expect(page.locator(".bf-skip")).to_be_focused()
    summary = page.locator(".bf-account summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    await expect(summary).to_be_focused()


async def test_signing_out_ends_the_other_tab_too_and_the_cookie_is_worth_nothing(stranger: Page, stack: Stack) -> None:
    await sign_in(stranger, stack.url)
    await stranger.wait_for_selector("[data-tile=present]")
    cookies = {each["name"]: each["value"] for each in await stranger.context.cookies()}
    other = await stranger.context.new_page()
    await other.goto(f"{stack.url}/live")
    await other.wait_for_selector(".bf-punch")

    await stranger.locator(".bf-account summary").click()
    await stranger.get_by_role("button", name="Sign out").click()

    await expect(stranger).to_have_url(f"{stack.url}/sign-in")
    await expect(other).to_have_url(re.compile("/sign-in"), timeout=60_000)
    async with httpx2.AsyncClient(base_url=stack.url, trust_env=False, cookies=cookies) as http:
        assert (await http.get("/")).status_code == 303


async def test_a_gateway_that_is_gone_is_said_and_its_return_is_shown_without_a_reload(
    page: Page, stack: Stack
) -> None:
    await stack.gateway.stop()
    try:
        await page.get_by_role("navigation").get_by_role("link", name="Devices").click()
        await expect(page.get_by_role("alert")).to_contain_text("The gateway does not answer.")
        await expect(page.get_by_role("alert")).to_contain_text("Error id")
        await page.get_by_role("navigation").get_by_role("link", name="Overview").click()
        await expect(page.get_by_role("alert")).to_contain_text("Below is what was known last.")
        await expect(page.locator("[data-tile=people] .bf-tile-value")).to_have_text(re.compile(r"\d+"))
    finally:
        await stack.gateway.start()
    await expect(page.get_by_role("alert")).to_have_count(0, timeout=60_000)
    await expect(page.locator(".bf-pill")).to_have_attribute("data-state", "live")
    before = await page.locator("[data-tile=punches] .bf-tile-value").inner_text()
    await stack.places["cairo"].punch("4")
    await expect(page.locator("[data-tile=punches] .bf-tile-value")).not_to_have_text(before, timeout=60_000)
