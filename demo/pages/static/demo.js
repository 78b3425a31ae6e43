"use strict";
// The cabinet's state comes as server-sent events; the picture is a stream of its own.
const at = (id) => document.getElementById(id);
const screen = at("screen"), code = at("code"), page = at("page"), back = at("back");
const lamp = at("lamp"), coins = at("coins"), over = at("game-over"), log = at("log");
let before = {};

function tell(text) {
  const line = document.createElement("li");
  line.dataset.at = new Date().toTimeString().slice(0, 8);
  line.textContent = text;
  log.prepend(line);
  while (log.children.length > 5) log.lastChild.remove();
}

function place(qr, width, height) {
  code.hidden = !qr;
  if (!qr) return;
  code.href = qr.url;
  const share = (part, whole) => `${(100 * part) / whole}%`;
  code.style.left = share(qr.x, width);
  code.style.top = share(qr.y, height);
  code.style.width = share(qr.w, width);
  code.style.height = share(qr.h, height);
}

function told(state) {
  const plays = (n) => (n === 1 ? "1 credit" : `${n} credits`);
  switch (state.screen) {
    case "ready": return "The code is on the screen: scan it.";
    case "paying": return "Somebody pays.";
    case "declined": return `The card was declined. ${state.message}`;
    case "crediting": return `Coin ${state.coin} of ${state.coins} drops.`;
    case "playing": return `The game has ${plays(state.credits_left)}.`;
    case "game over": return "Game over.";
    case "offline": return `Offline. ${(state.notes || [])[0] || ""}`;
    case "out of order": return `Out of order. ${(state.notes || [])[0] || ""}`;
    default: return "The kiosk starts.";
  }
}

function show(state) {
  place(state.qr, state.width, state.height);
  over.disabled = !state.credits_left;
  coins.textContent = String(state.pulses_made || 0).padStart(4, "0");
  if (before.pulses_made !== undefined && state.pulses_made > before.pulses_made) {
    lamp.classList.add("lit");
    setTimeout(() => lamp.classList.remove("lit"), 180);
  }
  if (state.screen && told(state) !== (before.screen ? told(before) : "")) tell(told(state));
  before = state;
}

code.addEventListener("click", (event) => {
  event.preventDefault();
  // The phone gets the way only, and so stays on this page's own address, forwarded or not.
  const link = new URL(code.href);
  page.src = link.pathname + link.search;
  page.hidden = back.hidden = false;
  at("hint").hidden = true;
  tell("The phone opens the code's link.");
  page.focus();
});
back.addEventListener("click", () => {
  page.src = "about:blank";
  page.hidden = back.hidden = true;
  at("hint").hidden = false;
});
over.addEventListener("click", async () => {
  const answer = await fetch("/game-over", { method: "POST" });
  if (!answer.ok) tell("The cloud did not take the game over.");
});
// The cabinet may not be on yet, or be switched off and on: both streams are asked for again.
function look() {
  screen.src = `/cabinet/stream?${Date.now()}`;
}
function listen() {
  const events = new EventSource("/cabinet/events");
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  };
}
screen.addEventListener("error", () => setTimeout(look, 1000));
if (screen.complete && !screen.naturalWidth) look(); // it failed before this script came
listen();
