// With a script the total changes with each tap, and the button shows that a payment is under way.
// Without it the same form works, with one request for each tap.
"use strict";

const form = document.querySelector("form");
// Absent where only one quantity can be bought.
const [less, more] = form.querySelectorAll(".step");
const pay = form.querySelector(".pay");
const error = document.getElementById("error");
const totals = JSON.parse(form.dataset.totals);
const minQuantity = Number(form.dataset.minQuantity);
const maxQuantity = minQuantity + totals.length - 1;

function total() {
  return totals[form.elements.quantity.value - minQuantity];
}

function show() {
  const quantity = Number(form.elements.quantity.value);
  document.getElementById("total").textContent = total();
  document.getElementById("pay").textContent = `Pay ${total()}`;
  if (less) {
    document.getElementById("count").value = quantity;
    less.disabled = quantity <= minQuantity;
    more.disabled = quantity >= maxQuantity;
  }
}

function step(by) {
  const wanted = Number(form.elements.quantity.value) + by;
  form.elements.quantity.value = Math.min(Math.max(wanted, minQuantity), maxQuantity);
  error.hidden = true;
  show();
}

function busy(on) {
  form.classList.toggle("busy", on);
  pay.setAttribute("aria-busy", on);
  if (on) {
    document.getElementById("pay").textContent = "Paying\u2026";
    error.hidden = true;
  } else {
    show();
  }
}

function fail(message) {
  busy(false);
  error.textContent = message;
  error.hidden = false;
  error.scrollIntoView({ block: "nearest" });
}

async function send(body) {
  let answer;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
    });
    answer = await response.json();
  } catch {
    fail("The connection broke. Tap Pay again: nothing is paid twice.");
    return;
  }
  if (answer.redirect) {
    location.assign(answer.redirect);
  } else {
    fail(answer.error);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.classList.contains("busy")) {
    return;
  }
  if (event.submitter?.matches(".step")) {
    step(event.submitter === more ? 1 : -1);
    return;
  }
  const body = new URLSearchParams(new FormData(form));
  body.set("do", "pay");
  busy(true);
  send(body);
});

// Back in a phone's browser shows the page as it was left: busy, which it no longer is.
addEventListener("pageshow", () => busy(false));
// The error was about the card that was chosen before.
form.addEventListener("change", () => { error.hidden = true; });
