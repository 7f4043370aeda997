// The camera in the page, and what the phone itself can tell of a picture before anyone leaves the place.

/** Show the camera in `video`; rejects with an Error whose message is for people. */
export async function open(video) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser opens no camera here. Use a file instead.");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: { ideal: "environment" }, width: { ideal: 2560 }, height: { ideal: 1920 } },
    });
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    throw new Error(denied ? "The browser may not use the camera. Allow it in its settings, or use a file." : "There is no camera to open. Use a file instead.");
  }
  await video.play();
}

/** Let the camera go. */
export function close(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** The camera as the browser names it, and the size of its pictures. */
export function describe(video) {
  const track = video.srcObject?.getVideoTracks()[0];
  const facing = track?.getSettings().facingMode ?? "";
  return { label: (track?.label ?? "").slice(0, 200), facing, width: video.videoWidth, height: video.videoHeight };
}

/** The present picture of `video`: {blob, width, height, flaws: [text]}. */
export async function snap(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  return { blob, width: canvas.width, height: canvas.height, flaws: flaws(canvas) };
}

/** A picture in a file: {width, height, flaws: [text]}; sizes of 0 where this browser cannot open it. */
export async function look(file) {
  try {
    const picture = await createImageBitmap(file);
    const seen = { width: picture.width, height: picture.height, flaws: flaws(picture) };
    picture.close();
    return seen;
  } catch {
    return { width: 0, height: 0, flaws: [] };
  }
}

/** What may be wrong with a picture: too dark, too bright, blurred. Hints only; the market judges for itself. */
export function flaws(source) {
  const { gray, width, height } = small(source);
  const mean = gray.reduce((sum, value) => sum + value, 0) / gray.length;
  let sum = 0;
  let squares = 0;
  let count = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const edge = 4 * gray[i] - gray[i - 1] - gray[i + 1] - gray[i - width] - gray[i + width];
      sum += edge;
      squares += edge * edge;
      count++;
    }
  }
  const sharpness = squares / count - (sum / count) ** 2;
  const found = [];
  if (mean < 40) found.push("It looks very dark.");
  if (mean > 225) found.push("It looks very bright.");
  if (sharpness < 30) found.push("It looks blurred.");
  return found;
}

function small(source) {
  const scale = Math.min(1, 320 / Math.max(source.width, source.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(3, Math.round(source.width * scale));
  canvas.height = Math.max(3, Math.round(source.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const gray = new Float32Array(canvas.width * canvas.height);
  for (let i = 0; i < gray.length; i++) gray[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  return { gray, width: canvas.width, height: canvas.height };
}
