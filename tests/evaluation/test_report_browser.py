"""The evaluation report in a real browser: simulated input, and the resulting page."""

import json
import math
import shutil
import subprocess

import numpy as np
import pytest

from tests.evaluation.test_report import HOSTILE, Page, make_image, write

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

# Runs in the page, whose policy allows scripts with this nonce.
ACTIONS = """
<script nonce="report">{
const names = () => all(".row:not([hidden])").map((row) => row.dataset.name);
const key = (key, more) => box.dispatchEvent(new KeyboardEvent("keydown", { key, ...more }));
const panes = () => all(".pane:not([hidden])", box).map((pane) => pane.dataset.pane);
const seen = { address: [box.open, one("#box-name").textContent, panes()] };
history.replaceState(null, "", "#");
render();
seen.worst = names();
one("[data-sort=conn]").click();
seen.conn = names();
one("[data-sort=conn]").click();
seen.connAscending = names();
one("[data-bar=sad]").click();
seen.bar = [names(), one("#count").textContent];
one(".chip").click();
one("#find").value = "MID";
one("#find").dispatchEvent(new Event("input"));
seen.found = names();
one("#find").value = "";
one("#find").dispatchEvent(new Event("input"));
one(".open").click();
seen.opened = [box.open, one("#box-name").textContent, one("#box-name").children.length];
const stages = all(".stage", box);
const place = (stage) => {
  const [pane, { x, y, width }] = [stage.parentElement, stage.getBoundingClientRect()];
  return [x - pane.getBoundingClientRect().x, y - pane.getBoundingClientRect().y, width];
};
const start = stages[2].getBoundingClientRect();
const [clientX, clientY] = [start.x + 0.3 * start.width, start.y + 0.6 * start.height];
stages[2].dispatchEvent(new WheelEvent("wheel", { deltaY: -500, clientX, clientY, bubbles: true }));
const end = stages[2].getBoundingClientRect();
seen.under = [(clientX - end.x) / end.width, (clientY - end.y) / end.height];
key("ArrowLeft", { shiftKey: true });
seen.enlarged = stages[2].getBoundingClientRect().width / start.width;
seen.places = stages.map(place);
key("2");
seen.alone = panes();
key("2");
seen.together = panes();
key("ArrowRight");
seen.next = [one("#box-name").textContent, view.zoom];
// This listener runs after that of the page, which changes the address.
box.addEventListener("close", () => {
  seen.closed = [box.open, location.hash];
  seen.hacked = "hacked" in window;
  document.documentElement.dataset.seen = JSON.stringify(seen);
});
box.close();
}</script>
"""


@pytest.mark.skipif(not BROWSER, reason="needs Chromium or Chrome on the PATH")
def test_in_a_browser(tmp_path):
    values = [("low", 1.0, 3.0), (HOSTILE, 9.0, math.nan), ("middle", 5.0, 4.0)]
    images = [
        make_image(tmp_path, name, index=n, sad=sad, conn=conn)
        for n, (name, sad, conn) in enumerate(values)
    ]
    source = write(tmp_path, images, {"sad": 5.0})
    (tmp_path / "acting.html").write_text(source.replace("</body>", ACTIONS + "</body>"))
    address = (tmp_path / "acting.html").as_uri() + "#image=middle&pane=truth"
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    command = [BROWSER, *quiet.split(), "--disable-background-networking"]
    command += ["--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=3000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = json.loads(Page(done.stdout).having("data-seen")[0]["data-seen"])
    assert seen["address"] == [True, "middle", ["truth"]]
    assert seen["worst"] == [HOSTILE, "middle", "low"]
    assert seen["conn"] == ["middle", "low", HOSTILE]
    assert seen["connAscending"] == ["low", "middle", HOSTILE], "no value sorts last either way"
    assert seen["bar"] == [["low"], "1 of 3 images"]
    assert seen["found"] == ["middle"]
    assert seen["opened"] == [True, "low", 0]
    assert seen["under"] == pytest.approx([0.3, 0.6], abs=0.01), (
        "zoom keeps the point at the cursor"
    )
    assert seen["enlarged"] == pytest.approx(math.exp(500 / 400), rel=0.01)
    assert np.ptp(seen["places"], axis=0).max() < 2, "all panes show the same part"
    assert (seen["alone"], len(seen["together"])) == (["prediction"], 5)
    assert seen["next"] == ["middle", 1]
    assert seen["closed"] == [False, "#sort=conn&order=asc"]
    assert not seen["hacked"]
