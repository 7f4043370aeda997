// What will likely not be accepted, said while it can still be mended. It forbids nothing: the market judges for itself.
import { apart, metres } from "./position.js";

const ROUGHEST_M = 500; // a position may be so far off, at most, in somebody's favour

const plural = (count, unit) => `${count} ${unit}${count === 1 ? "" : "s"}`;

function lasting(seconds) {
  const left = Math.round(seconds);
  if (left < 120) return plural(left, "second");
  return left % 60 ? `${plural(Math.floor(left / 60), "minute")} ${plural(left % 60, "second")}` : plural(left / 60, "minute");
}

/** Metres from where a task is to be done, where that is surely too far; null where it is not. */
export function tooFar(fix, place) {
  const away = apart(fix, place);
  return away > place.radius + 2 * Math.min(fix.accuracy_m, ROUGHEST_M) ? away : null;
}

function small(work, { width, height }) {
  const asked = [Number(work.width), Number(work.height)].sort((a, b) => a - b);
  const has = [width, height].sort((a, b) => a - b);
  return width && (has[0] < asked[0] || has[1] < asked[1]);
}

/** What is wrong with one photo, as it was taken: {at, live, fix, width, height}. work: the page's data of the claim. */
export function wrong(work, place, taken) {
  const checks = new Set(work.checks.split(" "));
  const found = [];
  if (checks.has("live") && !taken.live) found.push("This task takes only photos of the camera in this page, no files.");
  if (checks.has("fresh") && taken.at < new Date(work.claimed)) found.push("It is older than your claim.");
  if (checks.has("at_place") && place) {
    const away = taken.fix && tooFar(taken.fix, place);
    if (!taken.fix) found.push("It has no position: wait for one and take it again.");
    else if (away) found.push(`It was taken ${metres(away)} from the place: go within ${metres(place.radius)} and take it again.`);
  }
  if (small(work, taken)) found.push(`It has ${taken.width} × ${taken.height} pixels, fewer than the task asks for.`);
  return found;
}

/** What is wrong between the photos of before and those of after. shots: number → {taken}, where that is known. */
export function between(work, shots) {
  const before = Number(work.before);
  if (!before) return [];
  const at = (wanted) => [...shots].filter(([n, shot]) => shot.taken && wanted(n)).map(([, shot]) => shot.taken.at.getTime());
  const first = at((n) => n <= before);
  const then = at((n) => n > before);
  if (!first.length || !then.length) return [];
  const seconds = (Math.min(...then) - Math.max(...first)) / 1000;
  if (seconds < 0) return ["The photos of before were not taken before those of after."];
  if (seconds >= Number(work.work)) return [];
  return [`Only ${lasting(seconds)} lie between before and after: the task asks for ${lasting(work.work)} at least. Take the photos of after again later.`];
}
