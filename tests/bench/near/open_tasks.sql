-- Open tasks numbered $2 to $3 of the account $1, around 200 cities of equal or, with $4, very unequal size.
INSERT INTO task (id, account_id, kind, opens_at, closes_at, title, instructions, purpose, lat, lon, radius_m, loc,
    evidence, acceptance, license, mode, reward, fee, top, top_fee, fee_bps, currency, quantity, claim_ttl_s,
    review_deadline_s, created_at, step_s, step_percent, rises_from)
SELECT gen_random_uuid(), $1, (ARRAY['photo', 'reading', 'action', 'answer'])[1 + n % 4], now(),
  now() + interval '7 days', 'Is bakery number ' || n || ' open?', 'The whole shop front, from across the street.',
  'Opening hours for a planner.', lat, lon, 80, point(lon, degrees(ln(tan(pi() / 4 + radians(lat) / 2)))),
  '{"photos": {"min": 1, "max": 3}, "readings": [], "questions": [{"id": "open", "type": "choice", "choices": ["open",
    "closed", "gone"], "text": "Is it open?"}]}',
  '{"mode": "auto", "checks": ["fresh", "at_place", "not_duplicate"], "min_score": 0.7}',
  '{"resale": true, "exclusive_s": 0}', 'auto', r, r / 10, CASE WHEN rises THEN r * 3 ELSE r END,
  CASE WHEN rises THEN r * 3 / 10 ELSE r / 10 END, 1000, 'usd', 1, 3600, 86400, now(),
  CASE WHEN rises THEN 1800 END, CASE WHEN rises THEN 15 END, CASE WHEN rises THEN now() - interval '3 hours' END
FROM (SELECT n, n % 3 = 0 AS rises, 100 + (random() * random() * 900)::int AS r,
    c.lat + 0.08 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS lat,
    c.lon + 0.12 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS lon
  FROM generate_series($2::int, $3::int) AS n
    JOIN city c ON c.id = (power(n::bigint * 7919 % 100003 / 100003.0, CASE WHEN $4::bool THEN 2 ELSE 1 END) * 200)::int
  ) AS made
