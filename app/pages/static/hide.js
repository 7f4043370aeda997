// What others shall not see of a photo: suggestions, boxes of one's own, a preview by the server, and a confirmation.

const JSON_ONLY = { accept: "application/json" };
const SPOT = 0.15; // of the picture's width
const AGAIN_MS = 1000;
const NO_ANSWER = "There was no answer; look for better reception and try again.";
const HOW = "Touch the picture to blur a spot, and a frame to take it away.";

const text = (boxes) => boxes.map(({ x, y, w, h }) => [x, y, w, h].map((each) => each.toFixed(4)).join(",")).join(";");

/** A button for photo `n` that is stored; `say(text, kind)` tells the person. */
export function hideButton(claim, n, say) {
  const address = `/v1/people/claims/${claim}/photos/${n}`;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button plain hide";
  button.textContent = "Blur faces and plates";
  button.addEventListener("click", () => open(address, n, say));
  return button;
}

/** An answer, asked for again while the server says that there are too many at once; null when none comes. */
async function asked(address, options) {
  for (;;) {
    const answer = await fetch(address, options).catch(() => null);
    if (answer?.status !== 429) return answer;
    await new Promise((go) => setTimeout(go, AGAIN_MS));
  }
}

/** Why an answer that was hoped for is none. */
const refusal = async (answer) => (answer && (await answer.json().catch(() => ({}))).detail) || NO_ANSWER;

/** What is blurred so far or could be, and what to say of it. */
async function begin(address) {
  const answer = await asked(`${address}/regions`, { headers: JSON_ONLY });
  if (!answer?.ok) return { boxes: [], about: await refusal(answer), failed: true };
  const { suggested, hidden, note } = await answer.json();
  if (hidden.length) return { boxes: hidden, about: "This is blurred so far." };
  return { boxes: suggested.map((each) => each.region), about: note };
}

/** Shows in `picture` what others would see, one preview after the other, the last wish last; `tell` says what fails. */
function previews(address, picture, tell) {
  let wanted = null;
  let working = false;
  return async (boxes) => {
    wanted = text(boxes);
    if (working) return;
    working = true;
    for (let shown = null; shown !== wanted; ) {
      shown = wanted;
      const answer = await asked(`${address}/preview?regions=${encodeURIComponent(shown)}`);
      if (answer?.ok) {
        URL.revokeObjectURL(picture.src);
        picture.src = URL.createObjectURL(await answer.blob());
      } else {
        if (!picture.src) picture.src = `${address}?variant=original`; // something to touch, all the same
        tell(`No preview: ${await refusal(answer)}`);
      }
    }
    working = false;
  };
}

function frame(box, number, remove) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "spot";
  one.setAttribute("aria-label", `Do not blur spot ${number}`);
  for (const [side, part] of [["left", box.x], ["top", box.y], ["width", box.w], ["height", box.h]])
    one.style[side] = `${100 * part}%`;
  one.addEventListener("click", remove);
  return one;
}

function dialog(n) {
  const panel = document.createElement("dialog");
  panel.className = "stack hiding";
  panel.setAttribute("aria-label", `What others shall not see of photo ${n}`);
  panel.innerHTML = `<p class="quiet">Looking for faces and plates…</p>
    <div class="spots"><img alt="As others would see photo ${n}"></div><p role="status"></p>
    <button type="button" class="button" disabled>Others see it like this</button>
    <div class="row"><button type="button" class="button plain">Blur nothing</button>
    <button type="button" class="button plain">Cancel</button></div>`;
  panel.addEventListener("close", () => panel.remove());
  document.body.append(panel);
  panel.showModal();
  return panel;
}

async function open(address, n, say) {
  const panel = dialog(n);
  const [about, told] = panel.querySelectorAll("p");
  const [confirm, clear, cancel] = panel.querySelectorAll("button");
  const picture = panel.querySelector("img");
  const tell = (words, kind = "") => Object.assign(told, { textContent: words, className: kind });
  cancel.addEventListener("click", () => panel.close());
  const start = await begin(address);
  let boxes = start.boxes;
  about.textContent = `${start.about} ${HOW}`;
  about.className = start.failed ? "bad" : "quiet";
  const preview = previews(address, picture, (why) => tell(why, "bad"));
  const show = () => {
    const drawn = boxes.map((box, at) => frame(box, at + 1, () => change(boxes.filter((each) => each !== box))));
    picture.parentElement.replaceChildren(picture, ...drawn);
    tell(boxes.length ? `${boxes.length} blurred.` : "Nothing is blurred.");
    preview(boxes);
  };
  const change = (next) => ((boxes = next), show());
  picture.addEventListener("click", ({ offsetX, offsetY }) => {
    const h = Math.min(1, (SPOT * picture.clientWidth) / picture.clientHeight);
    const within = (middle, side) => Math.max(0, Math.min(1 - side, middle - side / 2));
    const [x, y] = [within(offsetX / picture.clientWidth, SPOT), within(offsetY / picture.clientHeight, h)];
    change([...boxes, { x, y, w: SPOT, h }]);
  });
  clear.addEventListener("click", () => change([]));
  confirm.addEventListener("click", async () => {
    const regions = boxes.map(({ x, y, w, h }) => ({ x, y, w, h }));
    const headers = { ...JSON_ONLY, "content-type": "application/json" };
    confirm.disabled = true;
    const done = await asked(`${address}/blur`, { method: "PUT", headers, body: JSON.stringify({ regions, confirmed: true }) });
    confirm.disabled = false;
    if (!done?.ok) return tell(`Not kept: ${await refusal(done)}`, "bad");
    say(`stored; ${regions.length ? `${regions.length} blurred for others.` : "nothing is blurred."}`, "done");
    panel.close();
  });
  confirm.disabled = false;
  show();
}
