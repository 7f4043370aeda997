// "Use my position" fills the form that works without scripts, and sends it.
import "./clock.js";
import { able, locate } from "./position.js";

const form = document.getElementById("where");
const button = document.getElementById("locate");
const said = document.getElementById("said");

async function use() {
  button.disabled = true;
  said.textContent = "Finding your position…";
  try {
    const fix = await locate();
    // Four decimals are some ten metres: enough for a list, and the address stays in the browser's history.
    form.elements.lat.value = fix.lat.toFixed(4);
    form.elements.lon.value = fix.lon.toFixed(4);
    form.submit();
  } catch (error) {
    said.textContent = error.message;
    document.getElementById("typed").open = true;
    button.disabled = false;
  }
}

if (able()) {
  button.hidden = false;
  const empty = !form.elements.lat.value;
  document.getElementById("typed").open = false;
  button.addEventListener("click", use);
  // Whoever has allowed it before need not ask again.
  if (empty) {
    const state = await navigator.permissions?.query({ name: "geolocation" }).catch(() => null);
    if (state?.state === "granted") use();
  }
}
