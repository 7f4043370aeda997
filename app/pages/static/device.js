// This phone's own key: made here, kept by the browser, never to be read out. It signs what the camera in the page takes.

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const MOST_SAMPLES = 200;
const PATIENCE_MS = 8000; // with bad reception a photo rather goes unsigned than late

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytes = (text) => new TextEncoder().encode(text);
const sha256 = async (content) => hex(await crypto.subtle.digest("SHA-256", content));

/** RFC 8785: members sorted, no white space, numbers and texts as JSON.stringify has them. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

// ---- the key, kept in the browser's own store

const asked = (request) =>
  new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });

async function store(mode) {
  const opening = indexedDB.open("sensorium", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("devices");
  return (await asked(opening)).transaction("devices", mode).objectStore("devices");
}

async function answer(address, options) {
  const found = await fetch(address, options);
  if (!found.ok) throw new Error(`${address}: ${found.status}`);
  return found.json();
}

/** The device of whoever is signed in: {id, key}; made and enrolled the first time, and again once it was revoked. */
async function own() {
  const headers = { accept: "application/json" };
  const { id: person } = await answer("/v1/people/me", { headers });
  const kept = await asked((await store("readonly")).get(person));
  if (kept) {
    const known = await fetch(`/v1/devices/${kept.id}`, { headers });
    if (known.ok && !(await known.json()).revoked_at) return kept;
    if (known.status >= 500) throw new Error("the market does not answer");
  }
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const point = base64url(await crypto.subtle.exportKey("raw", pair.publicKey));
  const body = JSON.stringify({ name: "Phone", kind: "phone", public_key: point });
  const proof = bytes(`sensorium device 1\n${person}\n${await sha256(bytes(body))}`);
  const enrolled = await answer("/v1/devices", {
    method: "POST",
    body,
    headers: {
      ...headers,
      "content-type": "application/json",
      "idempotency-key": crypto.randomUUID(),
      "device-signature": base64url(await crypto.subtle.sign(SIGNING, pair.privateKey, proof)),
    },
  });
  const device = { id: enrolled.id, key: pair.privateKey };
  await asked((await store("readwrite")).put(device, person));
  return device;
}

let device = null;

/** Have the key ready before the first photo; without one, photos go unsigned. */
export const prepare = () => {
  if (globalThis.crypto?.subtle && globalThis.indexedDB) device ??= own().catch(() => ((device = null), null));
};

// ---- how the phone moves

const samples = [];

function moved({ accelerationIncludingGravity: pull, rotationRate: turn, timeStamp }) {
  if (!pull || [pull.x, pull.y, pull.z].some((each) => each === null)) return;
  const row = [timeStamp, pull.x, pull.y, pull.z];
  if (turn && [turn.alpha, turn.beta, turn.gamma].every((each) => each !== null)) row.push(turn.alpha, turn.beta, turn.gamma);
  samples.push(row.map((each) => Math.round(each * 1e6) / 1e6));
  if (samples.length > MOST_SAMPLES) samples.shift();
}

/** Note how the phone moves from now on; to be called when something was pressed, as some browsers ask first. */
export async function watchMotion() {
  try {
    await globalThis.DeviceMotionEvent?.requestPermission?.();
  } catch {
    return;
  }
  removeEventListener("devicemotion", moved);
  addEventListener("devicemotion", moved);
}

/** The last seconds as they are sent, or null. */
function motion() {
  const width = samples.at(-1)?.length;
  const rows = samples.filter((row) => row.length === width);
  return rows.length < 2 ? null : JSON.stringify({ v: 1, samples: rows });
}

// ---- signing

/** What the shutter catches beside the picture; to be called at once, and given to `sign` later. */
export const around = () => ({ motion: motion() });

/** `known` of photo `n` with what belongs to it and this phone's signature; as it is where there is no key. */
export async function sign(claim, n, blob, known, { motion }) {
  try {
    const mine = await Promise.race([device, new Promise((go) => setTimeout(go, PATIENCE_MS, null))]);
    if (!mine) return known;
    let moved = null;
    if (motion) {
      const body = bytes(motion);
      const headers = { "content-type": "application/json" };
      const sending = { method: "PUT", headers, body, signal: AbortSignal.timeout(PATIENCE_MS) };
      const kept = await fetch(`/v1/people/claims/${claim}/photos/${n}/motion`, sending).catch(() => null);
      if (kept?.ok) moved = await sha256(body);
    }
    const statement = {
      v: 1,
      claim,
      n,
      nonce: known.nonce,
      photo_sha256: await sha256(await blob.arrayBuffer()),
      taken_at: known.taken_at,
      lat: known.lat ?? null,
      lon: known.lon ?? null,
      accuracy_m: known.accuracy_m ?? null,
      heading: known.heading ?? null,
      motion_sha256: moved,
      frames_sha256: [],
      device: mine.id,
    };
    const message = bytes(`sensorium capture 1\n${canonical(statement)}`);
    const signature = base64url(await crypto.subtle.sign(SIGNING, mine.key, message));
    const said = Object.fromEntries(Object.entries(statement).filter(([, value]) => value !== null));
    return { ...said, signature, camera: known.camera };
  } catch {
    return known;
  }
}
