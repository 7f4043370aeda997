-- 50,000 finished tasks in our own schema, as their lives leave them: for one buyer of a hundred and one person of a
-- thousand each. The ledger's triggers are off while the entries are made in bulk; the audit after the run checks them.
ALTER TABLE ledger_entry DISABLE TRIGGER USER;
ALTER TABLE ledger_tx DISABLE TRIGGER USER;

CREATE TEMP TABLE buyer AS SELECT n, uuidv7() AS id FROM generate_series(0, 99) n;
CREATE TEMP TABLE worker AS SELECT n, uuidv7() AS id FROM generate_series(0, 999) n;
CREATE TEMP TABLE life AS
  SELECT i, b.id AS buyer, w.id AS person, row_number() OVER (PARTITION BY b.id ORDER BY i) AS of_buyer,
    row_number() OVER (PARTITION BY w.id ORDER BY i) AS of_person, uuidv7() AS task, uuidv7() AS claim,
    uuidv7() AS submission, uuidv7() AS hold, uuidv7() AS accept,
    sha256(convert_to('photo ' || i, 'UTF8')) AS sha256, sha256(convert_to('looks ' || i, 'UTF8')) AS pdq
  FROM generate_series(1, 50000) i JOIN buyer b ON b.n = i % 100 JOIN worker w ON w.n = i % 1000;

INSERT INTO account (id, name, email) SELECT id, 'Buyer ' || n, 'buyer' || n || '@history.example' FROM buyer;
INSERT INTO person (id, email, display_name, accepted_terms_at)
  SELECT id, 'person' || n || '@history.example', 'Person ' || n, now() FROM worker;
INSERT INTO task (id, account_id, kind, status, title, instructions, purpose, lat, lon, radius_m, loc, opens_at,
    closes_at, evidence, acceptance, license, mode, reward, fee, top, top_fee, currency, quantity, done, claim_ttl_s,
    review_deadline_s, closed_at)
  SELECT task, buyer, 'photo', 'completed', 'Is the shop open?', 'The whole front.', 'History.', 52.5, 13.4, 80,
    point(13.4, 61.9), now() - interval '2 days', now() + interval '5 days', '{"photos": {"min": 1, "max": 1}}', '{}',
    '{"resale": true}', 'auto', 300, 30, 300, 30, 'usd', 1, 1, 3600, 86400, now() - interval '1 day' FROM life;
INSERT INTO claim (id, task_id, person_id, status, nonce, code, expires_at, ended_at, reward, fee)
  SELECT claim, task, person, 'submitted', 'n' || i, 'ACDE', now(), now(), 300, 30 FROM life;
INSERT INTO photo (claim_id, n, sha256, bytes, media_type) SELECT claim, 1, sha256, 10000, 'image/jpeg' FROM life;
INSERT INTO submission (id, claim_id, task_id, person_id, account_id, status, outcome, answers, decided_at, decided_by)
  SELECT submission, claim, task, person, buyer, 'accepted', 'done', '{"open": "open"}', now(), 'market' FROM life;
INSERT INTO photo_hash (submission_id, n, task_id, person_id, sha256, pdq, quality, submitted_at)
  SELECT submission, 1, task, person, sha256, pdq, 100, now() FROM life;
INSERT INTO observation (id, submission_id, task_id, account_id, person_id, kind, outcome, captured_at, lat, lon, loc,
    license)
  SELECT uuidv7(), submission, task, buyer, person, 'photo', 'done', now(), 52.5, 13.4, point(13.4, 61.9), 'resale'
  FROM life;
INSERT INTO earning (submission_id, person_id, amount, currency, release_at)
  SELECT submission, person, 300, 'usd', now() + interval '7 days' FROM life;
INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor)
  SELECT e.type, buyer, person, e.of, CASE e.of WHEN 'task' THEN task ELSE submission END, 'history'
  FROM life, (VALUES ('task.posted', 'task'), ('task.claimed', 'task'), ('submission.received', 'submission'),
                     ('submission.accepted', 'submission'), ('task.completed', 'task')) AS e (type, of);

-- The ledger: funded at once, held task by task, paid task by task.
SELECT ledger_open('platform:fee', 'usd'), ledger_open('stripe:clearing', 'usd');
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked, version)
  SELECT 'buyer:' || buyer || ':available', 'liability', -1, 'usd', true, true, count(*) + 1 FROM life GROUP BY buyer
  UNION ALL SELECT 'task:' || task || ':escrow', 'liability', -1, 'usd', true, true, 2 FROM life;
INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked, posted, version)
  SELECT 'person:' || person || ':pending', 'liability', -1, 'usd', true, true, -300 * count(*), count(*)
  FROM life GROUP BY person;
CREATE TEMP TABLE funds AS SELECT buyer, uuidv7() AS tx, 330 * count(*) AS amount FROM life GROUP BY buyer;
INSERT INTO ledger_tx (id, kind, idem_key, body_hash, subject_type, subject_id, actor, effective_at)
  SELECT tx, 'funding', 'history:' || buyer, ''::bytea, NULL, NULL::uuid, 'history', now() FROM funds
  UNION ALL SELECT hold, 'task.hold', 'hold:' || task, '', 'task', task, 'history', now() FROM life
  UNION ALL
  SELECT accept, 'submission.accept', 'accept:' || submission, '', 'submission', submission, 'history', now() FROM life;
CREATE TEMP VIEW entries (tx, line, code, amount, version, balance) AS
  SELECT tx, 0, 'stripe:clearing', amount, NULL::bigint, NULL::bigint FROM funds
  UNION ALL SELECT tx, 1, 'buyer:' || buyer || ':available', -amount, 1, -amount FROM funds
  UNION ALL SELECT hold, 0, 'buyer:' || l.buyer || ':available', 330, of_buyer + 1, 330 * of_buyer - f.amount
    FROM life l JOIN funds f ON f.buyer = l.buyer
  UNION ALL SELECT hold, 1, 'task:' || task || ':escrow', -330, 1, -330 FROM life
  UNION ALL SELECT accept, 0, 'task:' || task || ':escrow', 330, 2, 0 FROM life
  UNION ALL SELECT accept, 1, 'person:' || person || ':pending', -300, of_person, -300 * of_person FROM life
  UNION ALL SELECT accept, 2, 'platform:fee', -30, NULL, NULL FROM life;
INSERT INTO ledger_entry
  SELECT e.tx, e.line, a.id, 'usd', e.amount, e.version, e.balance
  FROM entries e JOIN ledger_account a ON a.code = e.code AND a.currency = 'usd';

DROP VIEW entries;
DROP TABLE life, funds, buyer, worker;
ALTER TABLE ledger_entry ENABLE TRIGGER USER;
ALTER TABLE ledger_tx ENABLE TRIGGER USER;
