// The form's answers and readings, as the market takes them; `missing` says what is still to do.
import { now } from "./clock.js";

const number = (text) => {
  const value = Number(text.trim().replace(",", ".").replace("−", "-"));
  return text.trim() && Number.isFinite(value) ? value : null;
};

/** {answers, missing: [text]} of all questions. */
export function answers(form) {
  const given = {};
  const missing = [];
  for (const place of form.querySelectorAll("[data-question]")) {
    const { question, type } = place.dataset;
    const fields = new FormData(form);
    const text = (fields.get(`answer_${question}`) ?? "").trim();
    if (!text) {
      if ("required" in place.dataset) missing.push(`An answer to “${label(place)}”.`);
    } else if (type === "number") {
      const value = number(text);
      if (value === null) missing.push(`A number for “${label(place)}”.`);
      else given[question] = value;
    } else {
      given[question] = type === "boolean" ? text === "yes" : text;
    }
  }
  return { answers: given, missing };
}

const label = (place) => (place.querySelector("legend") ?? place).firstChild.textContent.trim();

/** Notes when each reading was typed: that is when it was measured. */
export function watchReadings(form) {
  for (const place of form.querySelectorAll("[data-reading]")) {
    place.addEventListener("input", ({ target }) => (target.dataset.at = now() / 1000));
    const more = document.createElement("button");
    more.type = "button";
    more.className = "button plain";
    more.textContent = "Add a reading";
    more.addEventListener("click", () => {
      const line = place.querySelector(".unit").cloneNode(true);
      const field = line.querySelector("input");
      field.value = "";
      delete field.dataset.at;
      field.setAttribute("aria-label", `${place.dataset.name}, value ${place.querySelectorAll(".unit").length + 1}`);
      more.before(line);
      field.focus();
    });
    place.append(more);
  }
}

/** {pack, missing}: a SenML pack (RFC 8428), each value with its unit and the market's time in seconds. */
export function readings(form) {
  const pack = [];
  const missing = [];
  for (const place of form.querySelectorAll("[data-reading]")) {
    const { reading, unit, least } = place.dataset;
    let count = 0;
    for (const field of place.querySelectorAll("input")) {
      const value = number(field.value);
      if (value !== null) {
        pack.push({ n: reading, u: unit, v: value, t: Number(field.dataset.at ?? now() / 1000) });
        count++;
      } else if (field.value.trim()) missing.push(`“${field.value}” is no number.`);
    }
    if (count < Number(least)) missing.push(`${least} × ${place.querySelector("legend").textContent.trim()}.`);
  }
  return { pack: pack.length ? pack : null, missing };
}
