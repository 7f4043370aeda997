// What others shall not see of a photo: suggestions, boxes of one's own, a preview by the server, and a confirmation.

const text = (boxes) => boxes.map(({ x, y, w, h }) => [x, y, w, h].map((each) => each.toFixed(4)).join(",")).join(";");

/** A button for photo `n` that is stored; `say` tells the person. */
export function hideButton(claim, n, say) {
  const address = `/v1/people/claims/${claim}/photos/${n}`;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button plain hide";
  button.textContent = "Blur faces and plates";
  button.addEventListener("click", () => open(address, n, say));
  return button;
}

async function open(address, n, say) {
  const answer = await fetch(`${address}/regions`, { headers: { accept: "application/json" } });
  if (!answer.ok) return say((await answer.json()).detail);
  const { suggested, hidden, note } = await answer.json();
  const boxes = hidden.length ? [...hidden] : suggested.map((each) => each.region);
  const panel = document.createElement("dialog");
  panel.className = "stack";
  panel.setAttribute("aria-label", `What others shall not see of photo ${n}`);
  panel.innerHTML = `<p class="quiet"></p><img alt="As others would see photo ${n}">
    <p role="status"></p><button type="button" class="button">Others see it like this</button>
    <button type="button" class="button plain">Blur nothing</button><button type="button" class="button plain">Cancel</button>`;
  const [about, told] = panel.querySelectorAll("p");
  const picture = panel.querySelector("img");
  const [confirm, clear, cancel] = panel.querySelectorAll("button");
  about.textContent = `${note} Touch the picture to blur a spot.`;
  const show = () => {
    picture.src = `${address}/preview?regions=${encodeURIComponent(text(boxes))}`;
    told.textContent = boxes.length ? `${boxes.length} blurred.` : "Nothing is blurred.";
  };
  picture.addEventListener("click", ({ offsetX, offsetY }) => {
    const w = 0.15;
    const h = Math.min(1, (w * picture.clientWidth) / picture.clientHeight);
    const within = (middle, side) => Math.max(0, Math.min(1 - side, middle - side / 2));
    boxes.push({ x: within(offsetX / picture.clientWidth, w), y: within(offsetY / picture.clientHeight, h), w, h });
    show();
  });
  clear.addEventListener("click", () => (boxes.splice(0), show()));
  cancel.addEventListener("click", () => panel.close());
  confirm.addEventListener("click", async () => {
    const regions = boxes.map(({ x, y, w, h }) => ({ x, y, w, h }));
    const done = await fetch(`${address}/blur`, {
      method: "PUT",
      headers: { accept: "application/json", "content-type": "application/json" },
      body: JSON.stringify({ regions, confirmed: true }),
    });
    say(done.ok ? `stored; ${regions.length ? `${regions.length} blurred for others.` : "nothing is blurred."}` : (await done.json()).detail);
    panel.close();
  });
  panel.addEventListener("close", () => panel.remove());
  document.body.append(panel);
  show();
  panel.showModal();
}
