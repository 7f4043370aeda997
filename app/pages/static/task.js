// Claiming takes a fix: the form's fields are filled from the phone's position just before it is sent.
import "./clock.js";
import { able, locate } from "./position.js";

const form = document.getElementById("claim");
const said = document.getElementById("said");
const typed = document.getElementById("typed");
let ready = !able();
if (typed) typed.hidden = able(); // only for when the phone does not know

async function claim() {
  const button = form.querySelector("button");
  button.disabled = true;
  said.textContent = "Finding your position…";
  try {
    const fix = await locate();
    form.elements.lat.value = fix.lat;
    form.elements.lon.value = fix.lon;
    form.elements.accuracy_m.value = fix.accuracy_m;
    ready = true;
    form.submit();
  } catch (error) {
    said.textContent = error.message;
    typed.hidden = false;
    typed.open = true;
    button.disabled = false;
    ready = true; // the next press sends what is typed
  }
}

form?.addEventListener("submit", (event) => {
  if (ready) return;
  event.preventDefault();
  claim();
});
// The button was pressed before this script had come, and the server has sent the page once more.
if (form && "claiming" in form.dataset && !ready) claim();
for (const name of ["lat", "lon"]) {
  form?.elements[name].addEventListener("input", () => {
    form.elements.accuracy_m.value = "";
    ready = true;
  });
}
