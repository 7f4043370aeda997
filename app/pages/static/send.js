// Sending with bad reception: nothing counts as sent before the server has said so, and a lost answer is asked for again.

/** A refusal by the market; `message` is for people. Sending it again would not help. */
export class Refused extends Error {}

const PAUSES = [1000, 2000, 4000, 8000, 15000];

/** Waits until there may be reception again: the browser says so, or a while has passed. */
const pause = (turn) =>
  new Promise((go) => {
    const timer = setTimeout(go, PAUSES[Math.min(turn, PAUSES.length - 1)]);
    addEventListener("online", () => (clearTimeout(timer), go()), { once: true });
  });

/** A request until it is answered: `waiting(turn)` is called before each new try. Raises Refused. */
async function ask(address, options, waiting) {
  for (let turn = 0; ; turn++) {
    try {
      const answer = await fetch(address, options);
      if (answer.ok) return await answer.json();
      const problem = await answer.json().catch(() => ({}));
      if (answer.status < 500 && answer.status !== 429 && !problem.type?.endsWith("/in-flight")) {
        const fields = (problem.errors ?? []).map((each) => each.detail);
        throw new Refused([problem.detail ?? `The server refused it (${answer.status}).`, ...fields].join(" "));
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    waiting(turn);
    await pause(turn);
  }
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** JSON whose texts are spelled in ASCII, as headers must be. */
const ascii = (json) => json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Upload a photo; resolves once the server has stored the very same bytes. */
export async function upload(claim, n, blob, capture, waiting) {
  const headers = { accept: "application/json", "content-type": blob.type, capture: ascii(JSON.stringify(capture)) };
  let digest = null;
  if (crypto.subtle) {
    digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    headers["content-digest"] = `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
  }
  const stored = await ask(`/v1/people/claims/${claim}/photos/${n}`, { method: "PUT", headers, body: blob }, waiting);
  if (digest && stored.sha256 !== hex(digest)) throw new Refused("The photo arrived damaged. Send it again.");
  return stored;
}

let last = { body: "", key: "" };

/** Hand in; the same body keeps its key, so that a repeated request is done once. */
export function handIn(claim, given, waiting) {
  const body = JSON.stringify(given);
  if (body !== last.body) last = { body, key: hex(crypto.getRandomValues(new Uint8Array(16))) };
  const headers = { accept: "application/json", "content-type": "application/json", "idempotency-key": last.key };
  return ask(`/v1/people/claims/${claim}/submission`, { method: "POST", headers, body }, waiting);
}
