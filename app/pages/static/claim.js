// A claim at work: camera, position, uploads, and handing in.
import { now } from "./clock.js";
import * as camera from "./camera.js";
import * as device from "./device.js";
import { answers, readings, watchReadings } from "./evidence.js";
import { hideButton } from "./hide.js";
import { follow, metres } from "./position.js";
import { handIn, Refused, upload } from "./send.js";
import { between, tooFar, wrong } from "./warnings.js";

const $ = (id) => document.getElementById(id);
const work = $("work").dataset;
const form = $("evidence");
const FRESH_FIX_MS = 60000;
const shots = new Map(); // number → {state: "sending" | "stored" | "refused", taken: how, where the page has seen it}
let fix = null;

// ---- position

const place = work.lat ? { lat: Number(work.lat), lon: Number(work.lon), radius: Number(work.radius) } : null;

function told(found) {
  fix = found;
  const line = $("fix");
  const known = `Position known to ${metres(found.accuracy_m)}.`;
  if (!place) {
    line.textContent = known;
    return;
  }
  const away = tooFar(found, place);
  const there = away === null;
  line.textContent = there ? `You are at the place. ${known}` : `You are ${metres(away)} from the place; go within ${metres(place.radius)}. ${known}`;
  line.className = there ? "done" : "rough";
  warn();
}

const fresh = () => (fix && Date.now() - fix.at < FRESH_FIX_MS ? fix : null);

follow(told, (message) => {
  if (!fix) $("fix").textContent = message;
});

/** What is known of a photo taken at `at`. Only the camera in this page may say the claim's nonce. */
function capture(at, live) {
  const known = { taken_at: at.toISOString() };
  if (fresh()) {
    known.lat = fix.lat;
    known.lon = fix.lon;
    known.accuracy_m = fix.accuracy_m;
    if (fix.heading !== null) known.heading = fix.heading;
  }
  if (live) known.nonce = work.nonce;
  return known;
}

// ---- photos

const most = Number(work.max);
const least = Number(work.min);
const before = Number(work.before);

const free = () => {
  for (let n = 1; n <= most; n++) if (!shots.has(n)) return n;
  return null;
};

function line(n) {
  let item = $(`shot-${n}`);
  if (item) return item;
  item = document.createElement("li");
  item.id = `shot-${n}`;
  item.innerHTML = '<img alt="" hidden><div><p role="status"></p><button type="button" class="button plain">Take again</button></div>';
  item.querySelector("button").addEventListener("click", () => {
    shots.delete(n);
    item.remove();
    refresh();
    openCamera();
  });
  $("shots").append(item);
  return item;
}

/** Once a photo is stored; not where the task wants the file as it came. */
function offerHiding(n) {
  const item = line(n);
  if (work.originals || item.querySelector(".hide")) return;
  item.querySelector("div").append(hideButton(work.claim, n, (told, kind) => say(n, told, kind)));
}

/** What a photo is called: of an action also whether it is of before or after. */
const called = (n) => (before ? `Photo ${n}, ${n <= before ? "before" : "after"}` : `Photo ${n}`);

function say(n, text, kind) {
  const words = line(n).querySelector("p");
  words.textContent = `${called(n)}: ${text}`;
  words.className = kind ?? "";
}

async function keep(blob, known, taken, flaws, around = null) {
  const n = free();
  if (n === null) return;
  const shot = { state: "sending", taken };
  const hints = [...flaws, ...wrong(work, place, taken)];
  shots.set(n, shot);
  const picture = line(n).querySelector("img");
  picture.src = URL.createObjectURL(blob);
  picture.alt = called(n);
  picture.hidden = false;
  say(n, "sending…");
  refresh();
  try {
    const said = around ? await device.sign(work.claim, n, blob, known, around) : known;
    await upload(work.claim, n, blob, said, () => say(n, "waiting for reception; keep this page open.", "rough"));
    if (shots.get(n) !== shot) return; // taken again meanwhile
    shot.state = "stored";
    offerHiding(n);
    say(n, ["stored.", ...hints].join(" "), hints.length ? "rough" : "done");
  } catch (error) {
    shot.state = "refused";
    say(n, error instanceof Refused ? error.message : "could not be sent.", "bad");
  }
  refresh();
}

function refresh() {
  const full = free() === null;
  if ($("shoot")) $("shoot").disabled = full || !$("view").srcObject;
  if ($("file")) $("file").disabled = full;
  if ($("camera") && full) {
    camera.close($("view"));
    $("camera").hidden = true;
  }
  if ($("open")) $("open").hidden = full || !$("camera").hidden;
  warn();
}

/** Beside the button, what may cost the pay of it; the button stays. */
function warn() {
  const found = [...shots].filter(([, shot]) => shot.taken && shot.state !== "refused").sort(([a], [b]) => a - b)
    .flatMap(([n, shot]) => wrong(work, place, shot.taken).map((text) => `${called(n)}: ${text}`));
  if (!$("negative")?.checked) found.push(...between(work, shots));
  const away = !most && fix && place && work.checks.split(" ").includes("at_place") ? tooFar(fix, place) : null;
  if (away) found.push(`You are ${metres(away)} from the place: go within ${metres(place.radius)}.`);
  const list = $("warned").querySelector("ul");
  $("warned").hidden = !found.length;
  if ([...list.children].map((item) => item.textContent).join() === found.join()) return; // else it is read out anew
  list.replaceChildren(...found.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

async function openCamera() {
  const said = $("camera-said");
  try {
    said.textContent = "Opening the camera…";
    device.watchMotion();
    $("camera").hidden = false;
    await camera.open($("view"));
    said.textContent = "";
  } catch (error) {
    $("camera").hidden = true;
    $("pick").open = true;
    said.textContent = error.message;
  }
  refresh();
}

async function shoot() {
  const at = now();
  const around = device.around();
  const { blob, width, height, flaws } = await camera.snap($("view"));
  const known = { ...capture(at, true), camera: camera.describe($("view")) };
  await keep(blob, known, { at, live: true, fix: fresh(), width, height }, flaws, around);
}

async function pick({ target }) {
  const [file] = target.files;
  target.value = "";
  if (!file) return;
  // The phone's word on when the file was made, by the market's clock.
  const at = new Date(file.lastModified + (now() - Date.now()));
  const { width, height, flaws } = await camera.look(file);
  await keep(file, capture(at, false), { at, live: false, fix: fresh(), width, height }, ["A file, not taken here.", ...flaws]);
}

if (most) {
  for (const n of work.stored.split(" ").filter(Boolean).map(Number)) {
    shots.set(n, { state: "stored" });
    say(n, "stored.", "done");
    offerHiding(n);
  }
  $("pick").hidden = false;
  device.prepare();
  $("open").addEventListener("click", openCamera);
  $("shoot").addEventListener("click", shoot);
  $("file").addEventListener("change", pick);
  refresh();
}
watchReadings(form);

// ---- handing in

function complain(lines) {
  const said = $("said");
  said.textContent = lines.join(" ");
  said.hidden = !lines.length;
  if (lines.length) said.scrollIntoView({ block: "center" });
}

form.addEventListener("input", () => complain([]));
$("negative")?.addEventListener("change", warn);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const negative = $("negative")?.checked ?? false;
  const said = answers(form);
  const measured = readings(form);
  const stored = [...shots.values()].filter((shot) => shot.state === "stored").length;
  const missing = negative ? [] : [...said.missing, ...measured.missing];
  const wanted = negative ? Math.min(1, least) : least;
  if (stored < wanted) missing.unshift(`${wanted - stored} more photo${wanted - stored > 1 ? "s" : ""}.`);
  if ([...shots.values()].some((shot) => shot.state === "sending")) missing.unshift("A photo is still being sent.");
  if (missing.length) return complain(["Still missing:", ...missing]);
  complain([]);
  const send = $("send");
  send.disabled = true;
  send.textContent = "Handing in…";
  const given = {
    answers: said.answers,
    readings: measured.pack,
    notes: form.elements.notes.value,
    outcome: negative ? "honest_negative" : "done",
  };
  try {
    const submission = await handIn(work.claim, given, () => (send.textContent = "Waiting for reception…"));
    location.assign(`/w/submissions/${submission.id}`);
  } catch (error) {
    complain([error.message]);
    send.disabled = false;
    send.textContent = "Hand in";
  }
});
