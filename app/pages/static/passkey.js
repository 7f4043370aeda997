// Passkeys: sign in, show once more who sits here, enrol a new one. The only script of the console.
const said = document.getElementById("said");

async function post(path, body, key) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const answer = await fetch(path, { method: "POST", headers, body: body === undefined ? null : JSON.stringify(body) });
  const told = answer.status === 204 ? null : await answer.json();
  if (!answer.ok && told.type.endsWith("/proof-required")) location.assign("/operator/me/proof");
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

const read = (options) => ({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });

async function signIn(form) {
  const { options } = await post("/v1/operator/session/challenge");
  const passkey = await navigator.credentials.get(read(options));
  await post("/v1/operator/session", { passkey: passkey.toJSON() });
  if (form.elements.kept) HTMLFormElement.prototype.submit.call(form);
  else location.assign(form.elements.next.value);
}

async function prove(form) {
  const { options } = await post("/v1/operator/session/proof/challenge");
  const passkey = await navigator.credentials.get(read(options));
  await post("/v1/operator/session/proof", { passkey: passkey.toJSON() });
  HTMLFormElement.prototype.submit.call(form);
}

async function enrol(form) {
  const key = form.elements.key?.value.trim();
  const { options } = await post("/v1/operator/passkeys/challenge", undefined, key);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const passkey = await navigator.credentials.create({ publicKey });
  await post("/v1/operator/passkeys", { name: form.elements.name.value, passkey: passkey.toJSON() }, key);
  location.assign(form.dataset.after);
}

const acts = { signIn, prove, enrol };
const able = "credentials" in navigator && "parseRequestOptionsFromJSON" in (globalThis.PublicKeyCredential ?? {});

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.hidden = !able;
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    if (!button.form.reportValidity()) return;
    button.disabled = true;
    said.hidden = false;
    said.textContent = "Your browser asks for the passkey…";
    try {
      await acts[button.dataset.passkey](button.form);
    } catch (error) {
      // What the browser says of a refusal or a time-out is the same, on purpose, and of little help.
      said.textContent = error.name === "NotAllowedError" ? "No passkey was given. Try once more." : error.message;
      button.disabled = false;
      button.focus();
    }
  });
}
if (!able) {
  said.hidden = false;
  said.textContent = "This browser has no passkeys here: they need https or localhost, and a browser of 2025 or later.";
}
