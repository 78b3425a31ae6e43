"use strict";
// The cabinet's state comes as server-sent events; the picture is a stream of its own.
const at = (id) => document.getElementById(id);
const screen = at("screen"), code = at("code"), page = at("page"), back = at("back");
const lamp = at("lamp"), coins = at("coins"), over = at("game-over"), log = at("log");
const dark = at("dark"), actions = [...document.querySelectorAll("[data-action]")];
let before = {}, powered = true, away = false;

function tell(text) {
  const line = document.createElement("li");
  line.dataset.at = new Date().toTimeString().slice(0, 8);
  line.textContent = text;
  log.prepend(line);
  while (log.children.length > 6) log.lastChild.remove();
}

function place(qr, width, height) {
  code.hidden = !qr || !powered;
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
    case "declined": return state.released ? "The payment was given back." : "The payment did not go through.";
    case "crediting": return `Coin ${state.coin} of ${state.coins} drops.`;
    case "playing": return `The game has ${plays(state.credits_left)}.`;
    case "game over": return "Game over.";
    case "offline": return `Offline. ${(state.notes || [])[0] || ""}`;
    case "out of order": return `Out of order. ${(state.notes || [])[0] || ""}`;
    case "maintenance": return "Maintenance.";
    case "free play": return "Free play.";
    default: return "The kiosk starts.";
  }
}

function show(state) {
  place(state.qr, state.width, state.height);
  over.disabled = !state.credits_left;
  at("decline").disabled = !state.qr;
  coins.textContent = String(state.pulses_made || 0).padStart(4, "0");
  // The lamp hangs on the relay: it is lit while the contact is closed.
  lamp.classList.toggle("lit", Boolean(state.closed));
  if (state.screen && told(state) !== (before.screen ? told(before) : "")) tell(told(state));
  before = state;
}

function stand(facts) {
  const network = at("network");
  network.setAttribute("aria-pressed", String(!facts.plugged));
  network.textContent = facts.plugged ? "Unplug the network" : "Plug the network in";
  at("price").textContent = `Next price (now ${facts.price})`;
}

function switchPower(on) {
  powered = on;
  dark.hidden = on;
  if (!on) {
    lamp.classList.remove("lit");
    code.hidden = true;
  }
}

const SAID = {
  network: () => (at("network").getAttribute("aria-pressed") === "true" ? "The network is back." : "The network is unplugged."),
  decline: () => "A player pays with an empty card.",
  power: () => "The power is gone.",
  price: () => "The operator sets another price.",
};

for (const button of actions) {
  button.addEventListener("click", async () => {
    const action = button.dataset.action;
    tell(SAID[action]());
    button.disabled = true;
    if (action === "power") switchPower(false);
    try {
      const answer = await fetch(`/operator/${action}`, { method: "POST" });
      const facts = await answer.json();
      if (answer.ok) stand(facts);
      else tell(facts.error);
    } catch {
      tell("The demo does not answer: look at the terminal.");
    }
    button.disabled = false;
    if (action === "power") {
      switchPower(true);
      tell("The power is back, and the kiosk starts by itself.");
      before = {};
    }
  });
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
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
function look() {
  // A page that nobody looks at costs nothing: the stream ends with its picture.
  screen.src = document.hidden ? NOTHING : `/cabinet/stream?${Date.now()}`;
}
function listen() {
  const events = new EventSource("/cabinet/events");
  events.onmessage = (event) => {
    // A cabinet that was away has another picture.
    if (away) look();
    away = false;
    show(JSON.parse(event.data));
  };
  events.onerror = () => {
    away = true;
    code.hidden = true;
    events.close();
    setTimeout(listen, 500);
  };
}
screen.addEventListener("error", () => setTimeout(look, 500));
document.addEventListener("visibilitychange", look);
look();
listen();
fetch("/operator").then((answer) => answer.json()).then(stand);
