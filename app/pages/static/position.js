// Where this phone is.

/** Whether this page may ask at all: browsers answer only over https or on the same machine. */
export const able = () => "geolocation" in navigator && isSecureContext;

const WHY = {
  1: "The browser may not use your position. Allow it in its settings, or type it.",
  2: "Your position cannot be found just now.",
  3: "Finding your position takes too long. Try again under the open sky.",
};

const fix = ({ coords, timestamp }) => ({
  lat: coords.latitude,
  lon: coords.longitude,
  accuracy_m: Math.min(coords.accuracy, 100000),
  heading: Number.isFinite(coords.heading) ? coords.heading : null,
  at: timestamp,
});

const OPTIONS = { enableHighAccuracy: true, timeout: 20000, maximumAge: 10000 };

/** One fix; rejects with an Error whose message is for people. */
export const locate = () =>
  new Promise((found, failed) => {
    if (!able()) return failed(new Error("This browser gives no position here. Type it."));
    navigator.geolocation.getCurrentPosition(
      (position) => found(fix(position)),
      (error) => failed(new Error(WHY[error.code])),
      OPTIONS,
    );
  });

/** Calls `told(fix)` at each new fix, `failed(message)` while there is none. */
export function follow(told, failed) {
  if (!able()) return failed("This browser gives no position here: photos come without one.");
  navigator.geolocation.watchPosition((position) => told(fix(position)), (error) => failed(WHY[error.code]), OPTIONS);
}

/** Metres between two points in degrees, on a sphere. */
export function apart(a, b) {
  const rad = (degrees) => (degrees * Math.PI) / 180;
  const north = Math.sin(rad(b.lat - a.lat) / 2);
  const east = Math.sin(rad(b.lon - a.lon) / 2);
  const h = north * north + Math.cos(rad(a.lat)) * Math.cos(rad(b.lat)) * east * east;
  return 2 * 6371008.8 * Math.asin(Math.sqrt(Math.min(1, h)));
}

export const metres = (m) => (m < 1000 ? `${Math.round(m)} m` : `${(m / 1000).toFixed(1)} km`);
