// The market's time, and what shows it. The page carries the market's time of when it was made; only the difference to
// this phone's clock counts, so a wrong clock here and a moved clock there do no harm.
const ahead = Date.parse(document.documentElement.dataset.now) - Date.now();

/** The market's time. */
export const now = () => new Date(Date.now() + ahead);

const two = (number) => String(number).padStart(2, "0");

function spoken(seconds) {
  if (seconds <= 0) return "over";
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const timers = [...document.querySelectorAll("[data-until]")];

function tick() {
  for (const timer of timers) {
    const left = Math.floor((Date.parse(timer.dataset.until) - now()) / 1000);
    timer.textContent = spoken(left);
    timer.classList.toggle("soon", left < 300);
  }
}

for (const time of document.querySelectorAll("time[data-local]")) {
  const at = new Date(time.dateTime);
  time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
if (timers.length) {
  tick();
  setInterval(tick, 1000);
}
// A page that comes back out of the browser's memory carries an old time.
addEventListener("pageshow", (event) => event.persisted && location.reload());
