// What the page can do better with a script: the total follows each tap, and paying shows that it
// is under way. Without it the same form works with one request for each tap.
"use strict";

const form = document.querySelector("form");
// There are none where only one quantity can be bought.
const [less, more] = form.querySelectorAll(".step");
const pay = form.querySelector(".pay");
const error = document.getElementById("error");
const totals = JSON.parse(form.dataset.totals);
const least = Number(form.dataset.least);

function total() {
  return totals[form.elements.quantity.value - least];
}

function show() {
  const quantity = Number(form.elements.quantity.value);
  document.getElementById("total").textContent = total();
  document.getElementById("pay").textContent = `Pay ${total()}`;
  if (less) {
    document.getElementById("count").value = quantity;
    less.disabled = quantity <= least;
    more.disabled = quantity >= least + totals.length - 1;
  }
}

function step(by) {
  const wanted = Number(form.elements.quantity.value) + by;
  form.elements.quantity.value = Math.min(Math.max(wanted, least), least + totals.length - 1);
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

function fail(sentence) {
  busy(false);
  error.textContent = sentence;
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

// A phone's Back shows the page as it was left: busy, though it no longer is.
addEventListener("pageshow", () => busy(false));
// A card that was just declined is not the one to be told about any more.
form.addEventListener("change", () => { error.hidden = true; });
