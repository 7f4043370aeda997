-- Ten thousand people with ten released earnings each, as the market would have left them. One buyer's one large task.
-- The parameters :people and :each are put in by the benchmark.
INSERT INTO account (id, name, email) VALUES ('00000000-0000-7000-8000-000000000001', 'Ada', 'ada@example.com');
INSERT INTO task (id, account_id, kind, title, instructions, purpose, opens_at, closes_at, evidence, acceptance, license,
    mode, reward, fee, top, top_fee, currency, quantity, done, status, claim_ttl_s, review_deadline_s, closed_at)
  VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', 'action', 'Look', 'Look.',
    'To know.', now() - interval '30 days', now() - interval '10 days', '{"photos": null}', '{}', '{"resale": true}',
    'auto', 100, 10, 100, 10, 'usd', :people * :each, :people * :each, 'completed', 3600, 3600, now() - interval '10 days');
INSERT INTO person (id, email, display_name, accepted_terms_at)
  SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'p' || n || '@example.com', 'Person ' || n, now()
  FROM generate_series(1, :people) AS n;
INSERT INTO claim (id, task_id, person_id, status, nonce, code, expires_at, ended_at, reward, fee)
  SELECT ('00000000-0000-7000-a000-' || lpad(to_hex(n), 12, '0'))::uuid, '00000000-0000-7000-8000-000000000002',
    ('00000000-0000-7000-9000-' || lpad(to_hex(1 + (n - 1) / :each), 12, '0'))::uuid, 'rejected', 'n', 'c', now(), now(), 100, 10
  FROM generate_series(1, :people * :each) AS n;
INSERT INTO submission (id, claim_id, task_id, person_id, account_id, status, outcome, answers, decided_at)
  SELECT ('00000000-0000-7000-b000-' || right(id::text, 12))::uuid, id, task_id, person_id,
    '00000000-0000-7000-8000-000000000001', 'accepted', 'done', '{}', now() FROM claim;
INSERT INTO earning (submission_id, person_id, amount, fee, currency, release_at, released_at)
  SELECT id, person_id, 100, 10, 'usd', now(), now() - interval '1 day' FROM submission;
SELECT ledger_post('funding', 'bench', 'usd', ARRAY[gen_random_uuid()], ARRAY['bench'], ARRAY[NULL], ARRAY[NULL]::uuid[],
  ARRAY['{}']::jsonb[], ARRAY[NULL]::uuid[], ARRAY[1, 1],
  ARRAY['stripe:clearing', 'buyer:00000000-0000-7000-8000-000000000001:available'],
  ARRAY[:people * :each * 110, -:people * :each * 110]::bigint[]);
SELECT count(*) FROM (SELECT ledger_post('earned', 'bench', 'usd', ARRAY[gen_random_uuid()], ARRAY['bench:' || id],
  ARRAY[NULL], ARRAY[NULL]::uuid[], ARRAY['{}']::jsonb[], ARRAY[NULL]::uuid[], ARRAY[1, 1],
  ARRAY['buyer:00000000-0000-7000-8000-000000000001:available', 'person:' || id || ':payable'],
  ARRAY[:each * 100, -:each * 100]::bigint[]) FROM person) AS posted;
INSERT INTO payout_account (person_id, stripe_id, transfers)
  SELECT id, 'acct_bench' || right(id::text, 12), 'active' FROM person;
