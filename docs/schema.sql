CREATE TYPE public.appeal_stake AS ENUM (
    'slot',
    'held',
    'none',
    'paid'
);

CREATE TYPE public.appeal_status AS ENUM (
    'open',
    'decided',
    'withdrawn'
);

CREATE TYPE public.claim_status AS ENUM (
    'active',
    'submitted',
    'rejected',
    'released',
    'expired',
    'awarded'
);

CREATE TYPE public.dataset_status AS ENUM (
    'building',
    'ready',
    'failed'
);

CREATE TYPE public.funding_status AS ENUM (
    'pending',
    'succeeded',
    'failed',
    'expired'
);

CREATE TYPE public.listing_status AS ENUM (
    'active',
    'paused',
    'ended',
    'withdrawn'
);

CREATE TYPE public.payout_run_status AS ENUM (
    'draft',
    'frozen',
    'submitted',
    'approved',
    'executing',
    'partial',
    'done'
);

CREATE TYPE public.payout_status AS ENUM (
    'listed',
    'planned',
    'paid',
    'returned',
    'skipped'
);

CREATE TYPE public.pgqueuer_status AS ENUM (
    'queued',
    'picked',
    'successful',
    'exception',
    'canceled',
    'deleted',
    'failed'
);

CREATE TYPE public.stripe_op_status AS ENUM (
    'planned',
    'sending',
    'unknown',
    'succeeded',
    'rejected'
);

CREATE TYPE public.submission_status AS ENUM (
    'checking',
    'needs_review',
    'accepted',
    'rejected',
    'fix_up',
    'disputed'
);

CREATE TYPE public.task_status AS ENUM (
    'open',
    'completed',
    'expired',
    'cancelled'
);

CREATE FUNCTION public.append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'LG001'; END$$;

CREATE FUNCTION public.audit_append(p_actor text, p_action text, p_subject text, p_data jsonb, p_request_id text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE last record; v_seq bigint; v_previous bytea; v_at timestamptz := date_trunc('milliseconds', market_now());
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit_log', 0));
  SELECT seq, hash INTO last FROM audit_log ORDER BY seq DESC LIMIT 1;
  v_seq := coalesce(last.seq, 0) + 1;
  v_previous := coalesce(last.hash, sha256('sensorium'));
  INSERT INTO audit_log (seq, at, actor, action, subject, data, request_id, previous, hash)
    VALUES (v_seq, v_at, p_actor, p_action, p_subject, p_data, p_request_id, v_previous,
      audit_hash(v_seq, v_at, p_actor, p_action, p_subject, p_data, p_request_id, v_previous));
  RETURN v_seq; END$$;

CREATE FUNCTION public.audit_hash(seq bigint, at timestamp with time zone, actor text, action text, subject text, data jsonb, request_id text, previous bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
  -- The parts as a JSON array: no text can pretend to be two.
  SELECT sha256(previous || convert_to(jsonb_build_array(seq, (extract(epoch FROM at) * 1000000)::bigint, actor, action,
    subject, data, request_id)::text, 'UTF8')) $$;

CREATE FUNCTION public.claim_terms_stay() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'the terms of claim % may only get better', OLD.id USING ERRCODE = 'CL001'; END$$;

CREATE FUNCTION public.close_hash(day date, content jsonb, closed_by uuid, closed_at timestamp with time zone, previous bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT sha256(previous || convert_to(jsonb_build_array(day - date '2000-01-01', content, closed_by,
    (extract(epoch FROM closed_at) * 1000000)::bigint)::text, 'UTF8')) $$;

CREATE FUNCTION public.decision_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'what was asked for stays as it was asked, and what was decided as it was decided'
    USING ERRCODE = 'ST001'; END$$;

CREATE FUNCTION public.dispute_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'dispute % has ended as % and stays so', OLD.id, OLD.status USING ERRCODE = 'ST001'; END$$;

CREATE FUNCTION public.fee_of(price bigint, reward bigint, fee bigint, top_fee bigint, fee_bps integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT CASE WHEN price = reward THEN fee ELSE least(top_fee, greatest(fee, price * fee_bps / 10000)) END $$;

CREATE FUNCTION public.forecast_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'what was foretold of task % stays as it was', OLD.task_id USING ERRCODE = 'FC001'; END$$;

CREATE FUNCTION public.fresh_price(price bigint, lowest bigint, half_life_s integer, age_s double precision) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT CASE WHEN half_life_s IS NULL THEN price ELSE lowest
    + floor((price - lowest) * power(2::double precision, -least(greatest(age_s, 0) / half_life_s, 1000)))::bigint END $$;

CREATE FUNCTION public.funding_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'funding % has succeeded and stays so', OLD.id USING ERRCODE = 'ST001'; END$$;

CREATE FUNCTION public.ledger_entry_same_xact() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF (SELECT xid FROM ledger_tx WHERE id = NEW.tx_id) IS DISTINCT FROM pg_current_xact_id()
  THEN RAISE EXCEPTION 'entries may only be added by the transaction that made their ledger_tx' USING ERRCODE = 'LG002';
  END IF;
  RETURN NEW; END$$;

CREATE FUNCTION public.ledger_open(p_code text, p_currency text) RETURNS bigint
    LANGUAGE plpgsql
    AS $_$
DECLARE
  found bigint; v_class text; v_normal smallint; v_tracked boolean := true;
  own CONSTANT text := '[0-9a-f-]{36}';
BEGIN
  CASE
    WHEN p_code ~ ('^buyer:' || own || ':(available|held)$') OR p_code ~ ('^task:' || own || ':escrow$')
      OR p_code ~ ('^person:' || own || ':(pending|payable|held)$') OR p_code ~ ('^(payout|refund):' || own || '$')
      THEN v_class := 'liability'; v_normal := -1;
    WHEN p_code ~ ('^person:' || own || ':receivable$') OR p_code ~ ('^dispute:' || own || '$')
      THEN v_class := 'asset'; v_normal := 1;
    WHEN p_code = 'stripe:clearing' THEN v_class := 'asset'; v_normal := 1; v_tracked := false;
    WHEN p_code IN ('stripe:fees', 'platform:bonus_expense', 'platform:losses')
      THEN v_class := 'expense'; v_normal := 1; v_tracked := false;
    WHEN p_code = 'platform:bank' THEN v_class := 'asset'; v_normal := 1; v_tracked := false;
    WHEN p_code = 'platform:capital' THEN v_class := 'equity'; v_normal := -1; v_tracked := false;
    WHEN p_code = 'platform:fee' THEN v_class := 'income'; v_normal := -1; v_tracked := false;
    WHEN p_code = 'suspense' THEN v_class := 'liability'; v_normal := -1; v_tracked := false;
    ELSE RAISE EXCEPTION 'no such kind of ledger account: %', p_code USING ERRCODE = 'LG006';
  END CASE;
  INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked)
    VALUES (p_code, v_class, v_normal, p_currency, v_tracked, v_tracked)
    ON CONFLICT (code, currency) DO NOTHING RETURNING id INTO found;
  IF found IS NULL THEN
    SELECT id INTO found FROM ledger_account WHERE code = p_code AND currency = p_currency;
  END IF;
  RETURN found; END$_$;

CREATE FUNCTION public.ledger_post(p_kind text, p_actor text, p_currency text, p_ids uuid[], p_keys text[], p_subject_types text[], p_subjects uuid[], p_metas jsonb[], p_reverses uuid[], p_of integer[], p_codes text[], p_amounts bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
  hashes bytea[]; fresh uuid[]; ids bigint[]; v_code text;
BEGIN
  SELECT array_agg(sha256(convert_to(concat_ws('|', p_kind, p_currency, coalesce(l.codes, '{}'),
      coalesce(l.amounts, '{}'), p.reverses::text), 'UTF8')) ORDER BY p.n)
    INTO hashes FROM unnest(p_ids, p_reverses) WITH ORDINALITY AS p (id, reverses, n) LEFT JOIN (
      SELECT o.of, array_agg(o.code ORDER BY o.n)::text AS codes, array_agg(o.amount ORDER BY o.n)::text AS amounts
      FROM unnest(p_of, p_codes, p_amounts) WITH ORDINALITY AS o (of, code, amount, n) GROUP BY o.of) AS l ON l.of = p.n;
  WITH made AS (
    INSERT INTO ledger_tx (id, kind, idem_key, body_hash, reverses, subject_type, subject_id, actor, effective_at, meta)
      SELECT p.id, p_kind, p.key, p.hash, p.reverses, p.subject_type, p.subject, p_actor, market_now(), p.meta
      FROM unnest(p_ids, p_keys, hashes, p_reverses, p_subject_types, p_subjects, p_metas) WITH ORDINALITY
        AS p (id, key, hash, reverses, subject_type, subject, meta, n) ORDER BY p.n
      ON CONFLICT (idem_key) DO NOTHING RETURNING id)
  SELECT coalesce(array_agg(id), '{}') INTO fresh FROM made;
  IF cardinality(fresh) < cardinality(p_ids) THEN
    SELECT p.key INTO v_code FROM unnest(p_keys, hashes) AS p (key, hash)
      JOIN ledger_tx t ON t.idem_key = p.key AND t.body_hash <> p.hash LIMIT 1;
    IF FOUND THEN RAISE EXCEPTION 'ledger key % was used with other content', v_code USING ERRCODE = 'LG004'; END IF;
    IF fresh = '{}' THEN RETURN 0; END IF;
  END IF;
  -- Opening waits for whoever opens the same account: hence in one order as well.
  FOR v_code IN SELECT DISTINCT c.code FROM unnest(p_codes) AS c (code)
      WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.code = c.code AND a.currency = p_currency) ORDER BY 1 LOOP
    PERFORM ledger_open(v_code, p_currency);
  END LOOP;
  -- Looked up one by one, so that each is an index scan whatever the planner thinks of the array's length.
  SELECT array_agg((SELECT a.id FROM ledger_account a WHERE a.code = o.code AND a.currency = p_currency) ORDER BY o.n)
    INTO ids FROM unnest(p_codes) WITH ORDINALITY AS o (code, n);
  -- One global lock order, by id, so that two postings over the same accounts never wait for each other in a ring.
  -- The filter stands in the aggregate: as a condition it would go into the inner query, and leave nothing to lock.
  SELECT min(a.code) FILTER (WHERE a.closed_at IS NOT NULL) INTO v_code FROM (
    SELECT code, closed_at FROM ledger_account WHERE id = ANY (ids) AND (tracked OR closed_at IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE) AS a;
  IF v_code IS NOT NULL THEN RAISE EXCEPTION 'ledger account % is closed', v_code USING ERRCODE = 'LG005'; END IF;
  WITH line AS (
    SELECT o.of, o.account, sum(o.amount)::bigint AS v
    FROM unnest(p_of, ids, p_amounts) AS o (of, account, amount) WHERE p_ids[o.of] = ANY (fresh)
    GROUP BY o.of, o.account HAVING sum(o.amount) <> 0),
  moved AS (
    UPDATE ledger_account a SET posted = a.posted + s.v, version = a.version + s.n
    FROM (SELECT account, sum(v)::bigint AS v, count(*) AS n FROM line GROUP BY account) AS s
    WHERE a.id = s.account AND a.id = ANY (ids) AND a.tracked
    RETURNING a.id, a.posted - s.v AS posted, a.version - s.n AS version, a.floor_zero, a.normal, a.code),
  entry AS (
    SELECT l.of, l.account, l.v, row_number() OVER (PARTITION BY l.of ORDER BY l.account) - 1 AS n,
      m.version + row_number() OVER chain AS version, (m.posted + sum(l.v) OVER chain)::bigint AS balance,
      m.floor_zero, m.normal, m.code
    FROM line l LEFT JOIN moved m ON m.id = l.account WINDOW chain AS (PARTITION BY l.account ORDER BY l.of)),
  kept AS (
    INSERT INTO ledger_entry (tx_id, line, account_id, currency, amount, account_version, balance_after)
      SELECT p_ids[e.of], e.n, e.account, p_currency, e.v, e.version, e.balance FROM entry e ORDER BY e.of, e.n)
  SELECT min(e.code) INTO v_code FROM entry e WHERE e.floor_zero AND e.normal * e.balance < 0;
  -- The table holds the last balance to its floor; those between two of these transactions are held to it here.
  IF v_code IS NOT NULL THEN
    RAISE EXCEPTION 'ledger account % falls below its floor', v_code
      USING ERRCODE = 'check_violation', TABLE = 'ledger_account', CONSTRAINT = 'ledger_account_floor';
  END IF;
  RETURN cardinality(fresh); END$$;

CREATE FUNCTION public.ledger_tx_balanced() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.id) < 2
     OR EXISTS (SELECT 1 FROM ledger_entry WHERE tx_id = NEW.id GROUP BY currency HAVING sum(amount) <> 0)
  THEN RAISE EXCEPTION 'ledger_tx % does not balance per currency', NEW.id USING ERRCODE = 'LG003'; END IF;
  RETURN NULL; END$$;

CREATE FUNCTION public.ledger_tx_in_open_day() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE last date := (SELECT max(day) FROM daily_close);
BEGIN
  IF NEW.effective_at < (last + 1)::timestamp AT TIME ZONE 'UTC' THEN
    RAISE EXCEPTION 'the day % is closed', last USING ERRCODE = 'LG007';
  END IF;
  RETURN NEW; END$$;

CREATE FUNCTION public.listing_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'the terms of listing % stay, and what is over stays over', OLD.id USING ERRCODE = 'ST001'; END$$;

CREATE FUNCTION public.market_now() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$SELECT now() + (SELECT ahead FROM market_clock)$$;

CREATE FUNCTION public.money_stopped(op_kind text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  SELECT coalesce((SELECT stopped FROM money_switch WHERE name =
    CASE op_kind WHEN 'transfer' THEN 'payouts' WHEN 'refund' THEN 'refunds' WHEN 'charge' THEN 'top_ups'
      WHEN 'checkout' THEN 'top_ups' ELSE op_kind END), false) $$;

CREATE FUNCTION public.payout_approval_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  RAISE EXCEPTION 'an approval stays as it was given; another one takes its place' USING ERRCODE = 'PR001'; END$$;

CREATE FUNCTION public.payout_frozen() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE state payout_run_status;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.id, OLD.run_id, OLD.person_id, OLD.amount, OLD.currency, OLD.destination, OLD.earned, OLD.fee, OLD.items,
        OLD.rolled_over)
      IS NOT DISTINCT FROM (NEW.id, NEW.run_id, NEW.person_id, NEW.amount, NEW.currency, NEW.destination, NEW.earned,
        NEW.fee, NEW.items, NEW.rolled_over)
    THEN RETURN NEW; END IF;
  END IF;
  SELECT status INTO state FROM payout_run
    WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.run_id ELSE OLD.run_id END;
  IF state <> 'draft' THEN
    RAISE EXCEPTION 'the lines of a payout run are fixed once it is frozen' USING ERRCODE = 'PR001';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END$$;

CREATE FUNCTION public.payout_lines_hash(run uuid) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
  SELECT sha256(convert_to(run::text || coalesce(string_agg(
    concat_ws(' ', id, person_id, amount, currency, destination), E'\n' ORDER BY id), ''), 'UTF8'))
  FROM payout WHERE run_id = run $$;

CREATE FUNCTION public.payout_run_fixed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a payout run begins as a draft' USING ERRCODE = 'PR002';
    END IF;
    RETURN NEW;
  END IF;
  IF (OLD.id, OLD.currency, OLD.made_by, OLD.created_at)
      IS DISTINCT FROM (NEW.id, NEW.currency, NEW.made_by, NEW.created_at)
    OR OLD.status <> 'draft' AND (OLD.minimum, OLD.most_per_line, OLD.most_in_all, OLD.note)
      IS DISTINCT FROM (NEW.minimum, NEW.most_per_line, NEW.most_in_all, NEW.note)
    OR (OLD.status = 'draft') = (NEW.status = 'draft') AND OLD.lines_hash IS DISTINCT FROM NEW.lines_hash
    OR (OLD.status = NEW.status OR NEW.status NOT IN ('draft', 'submitted'))
      AND (OLD.submitted_by, OLD.submitted_at) IS DISTINCT FROM (NEW.submitted_by, NEW.submitted_at)
    OR OLD.reopened AND NOT NEW.reopened
  THEN
    RAISE EXCEPTION 'payout run % is fixed once it is frozen', OLD.id USING ERRCODE = 'PR001';
  END IF;
  RETURN NEW; END$$;

CREATE FUNCTION public.payout_run_moves() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF (OLD.status, NEW.status) NOT IN (('draft', 'frozen'), ('frozen', 'submitted'), ('submitted', 'approved'),
      ('approved', 'executing'), ('partial', 'executing'), ('executing', 'partial'), ('executing', 'done'),
      ('frozen', 'draft'), ('submitted', 'draft'), ('approved', 'draft')) THEN
    RAISE EXCEPTION 'a payout run does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'PR002';
  END IF;
  IF NEW.status IN ('frozen', 'approved', 'executing') AND payout_lines_hash(NEW.id) IS DISTINCT FROM NEW.lines_hash THEN
    RAISE EXCEPTION 'the lines of payout run % are not those of its hash', NEW.id USING ERRCODE = 'PR003';
  END IF;
  IF NEW.status = 'executing' THEN
    IF money_stopped('transfer') THEN
      RAISE EXCEPTION 'payouts are stopped' USING ERRCODE = 'PR004';
    END IF;
    IF NOT EXISTS (SELECT FROM payout_approval a WHERE a.run_id = NEW.id AND a.approved_by = NEW.approved_by
        AND a.lines_hash = NEW.lines_hash AND a.expires_at > market_now()) THEN
      RAISE EXCEPTION 'the approval of payout run % has expired', NEW.id USING ERRCODE = 'PR005';
    END IF;
    IF EXISTS (SELECT FROM operator WHERE id = NEW.approved_by AND disabled_at IS NOT NULL) THEN
      RAISE EXCEPTION 'who approved payout run % is disabled', NEW.id USING ERRCODE = 'PR006';
    END IF;
  END IF;
  IF NEW.status = 'draft' THEN
    NEW.reopened := true;
  END IF;
  RETURN NEW; END$$;

CREATE FUNCTION public.price_at(reward bigint, top bigint, step_s integer, step_percent integer, rises_from timestamp with time zone, at timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT CASE WHEN step_s IS NULL THEN reward ELSE least(top, reward + greatest(1, reward * step_percent / 100)
    * greatest(0, floor(extract(epoch FROM at - rises_from) / step_s))::bigint) END $$;

CREATE FUNCTION public.price_waits() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF NEW.claimed + NEW.done >= NEW.quantity THEN
    NEW.full_since := coalesce(NEW.full_since, market_now());
  ELSIF NEW.full_since IS NOT NULL THEN
    NEW.rises_from := NEW.rises_from + (market_now() - greatest(NEW.full_since, NEW.rises_from));
    NEW.full_since := NULL;
  END IF;
  RETURN NEW; END$$;

CREATE FUNCTION public.stripe_op_moved() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.status IN ('succeeded', 'rejected') AND NEW.status <> OLD.status THEN
      RAISE EXCEPTION 'operation % has ended as % and stays so', OLD.id, OLD.status USING ERRCODE = 'ST001';
    END IF;
    IF (OLD.status, OLD.tries, OLD.due_at, OLD.message) IS NOT DISTINCT FROM (NEW.status, NEW.tries, NEW.due_at, NEW.message)
    THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO stripe_op_log (op_id, status, try, key, detail, moved_by)
    VALUES (NEW.id, NEW.status, NEW.tries, NEW.kind || ':' || NEW.subject_id || ':' || NEW.attempt,
      CASE NEW.status WHEN 'succeeded' THEN NEW.object_id WHEN 'planned' THEN coalesce(NEW.message, '')
        WHEN 'sending' THEN '' ELSE concat_ws(': ', NEW.code, NEW.message) END, NEW.moved_by);
  RETURN NULL; END$$;

CREATE FUNCTION public.task_round(every_s integer, opens_at timestamp with time zone) RETURNS integer
    LANGUAGE sql STABLE
    AS $$
  SELECT CASE WHEN every_s IS NULL THEN 0 ELSE greatest(0, floor(extract(epoch FROM market_now() - opens_at) / every_s))::int END
$$;

CREATE TABLE public.account (
    id uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    currency text DEFAULT 'usd'::text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    max_per_day bigint,
    CONSTRAINT account_max_per_day_check CHECK ((max_per_day > 0))
);

CREATE TABLE public.account_hold (
    account_id uuid NOT NULL,
    reason text NOT NULL,
    operator_id uuid,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT account_hold_reason_check CHECK ((reason <> ''::text))
);

CREATE TABLE public.account_spend (
    account_id uuid NOT NULL,
    day date NOT NULL,
    spent bigint NOT NULL,
    CONSTRAINT account_spend_spent_check CHECK ((spent >= 0))
);

CREATE TABLE public.active_near (
    cell bigint NOT NULL,
    person_id uuid NOT NULL,
    last_at timestamp with time zone NOT NULL
);

CREATE TABLE public.answer_agreement (
    kind text NOT NULL,
    type text NOT NULL,
    choices integer NOT NULL,
    compared double precision NOT NULL,
    agreed double precision NOT NULL,
    CONSTRAINT answer_agreement_check CHECK (((agreed >= (0)::double precision) AND (agreed <= compared))),
    CONSTRAINT answer_agreement_choices_check CHECK ((choices >= 2)),
    CONSTRAINT answer_agreement_compared_check CHECK ((compared > (0)::double precision))
);

CREATE TABLE public.api_key (
    id uuid NOT NULL,
    kind text NOT NULL,
    account_id uuid,
    person_id uuid,
    operator_id uuid,
    hash bytea NOT NULL,
    hint text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    max_per_task bigint,
    max_per_day bigint,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    rotated_to uuid,
    purses uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    proven_at timestamp with time zone,
    CONSTRAINT api_key_check CHECK (((max_per_day IS NULL) = (purses = '{}'::uuid[]))),
    CONSTRAINT api_key_check1 CHECK ((num_nonnulls(account_id, person_id, operator_id) = 1)),
    CONSTRAINT api_key_check2 CHECK (((kind = 'agent'::text) = (account_id IS NOT NULL))),
    CONSTRAINT api_key_check3 CHECK (((kind = 'person'::text) = (person_id IS NOT NULL))),
    CONSTRAINT api_key_kind_check CHECK ((kind = ANY (ARRAY['agent'::text, 'person'::text, 'operator'::text]))),
    CONSTRAINT api_key_max_per_day_check CHECK ((max_per_day > 0)),
    CONSTRAINT api_key_max_per_task_check CHECK ((max_per_task > 0))
);

CREATE TABLE public.appeal (
    id uuid NOT NULL,
    submission_id uuid NOT NULL,
    task_id uuid NOT NULL,
    account_id uuid NOT NULL,
    person_id uuid NOT NULL,
    side text NOT NULL,
    against text NOT NULL,
    failed_check text,
    reason_code text,
    comment text NOT NULL,
    status public.appeal_status DEFAULT 'open'::public.appeal_status NOT NULL,
    stake public.appeal_stake NOT NULL,
    bond bigint DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    answer_by timestamp with time zone NOT NULL,
    decide_by timestamp with time zone NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    award_percent smallint,
    reason text,
    paid bigint,
    refunded bigint,
    fronted bigint DEFAULT 0 NOT NULL,
    collected_at timestamp with time zone,
    owed bigint DEFAULT 0 NOT NULL,
    owed_fee bigint DEFAULT 0 NOT NULL,
    drawn_at timestamp with time zone,
    CONSTRAINT appeal_against_check CHECK ((against = ANY (ARRAY['buyer'::text, 'market'::text, 'deadline'::text]))),
    CONSTRAINT appeal_award_percent_check CHECK (((award_percent >= 0) AND (award_percent <= 100))),
    CONSTRAINT appeal_bond_check CHECK ((bond >= 0)),
    CONSTRAINT appeal_check CHECK ((decide_by > answer_by)),
    CONSTRAINT appeal_check1 CHECK (((status = 'open'::public.appeal_status) = (decided_at IS NULL))),
    CONSTRAINT appeal_check2 CHECK (((status <> 'decided'::public.appeal_status) OR (award_percent IS NOT NULL))),
    CONSTRAINT appeal_check3 CHECK (((side = 'buyer'::text) = (stake = 'paid'::public.appeal_stake))),
    CONSTRAINT appeal_check4 CHECK (((fronted = 0) OR ((stake = 'none'::public.appeal_stake) AND (status = 'decided'::public.appeal_status)))),
    CONSTRAINT appeal_collected CHECK (((collected_at IS NULL) OR (fronted > 0) OR (owed > 0))),
    CONSTRAINT appeal_fronted_check CHECK ((fronted >= 0)),
    CONSTRAINT appeal_owed CHECK (((owed = 0) OR ((fronted = 0) AND (stake = 'none'::public.appeal_stake) AND (status = 'decided'::public.appeal_status)))),
    CONSTRAINT appeal_owed_check CHECK ((owed >= 0)),
    CONSTRAINT appeal_owed_fee_check CHECK ((owed_fee >= 0)),
    CONSTRAINT appeal_paid_check CHECK ((paid >= 0)),
    CONSTRAINT appeal_refunded_check CHECK ((refunded >= 0)),
    CONSTRAINT appeal_side_check CHECK ((side = ANY (ARRAY['person'::text, 'buyer'::text])))
);

CREATE TABLE public.appeal_review (
    appeal_id uuid NOT NULL,
    n smallint NOT NULL,
    person_id uuid NOT NULL,
    award_percent smallint NOT NULL,
    reason text NOT NULL,
    reviewed_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT appeal_review_award_percent_check CHECK ((award_percent = ANY (ARRAY[0, 100]))),
    CONSTRAINT appeal_review_n_check CHECK (((n >= 1) AND (n <= 2))),
    CONSTRAINT appeal_review_reason_check CHECK ((length(reason) <= 2000))
);

CREATE TABLE public.appeal_reviewer (
    appeal_id uuid NOT NULL,
    person_id uuid NOT NULL
);

CREATE TABLE public.appeal_statement (
    appeal_id uuid NOT NULL,
    side text NOT NULL,
    n smallint NOT NULL,
    words text NOT NULL,
    photos smallint[] DEFAULT '{}'::smallint[] NOT NULL,
    said_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT appeal_statement_n_check CHECK (((n >= 1) AND (n <= 5))),
    CONSTRAINT appeal_statement_side_check CHECK ((side = ANY (ARRAY['person'::text, 'buyer'::text]))),
    CONSTRAINT appeal_statement_words_check CHECK ((length(words) <= 2000))
);

CREATE TABLE public.audit_log (
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    request_id text DEFAULT ''::text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_log_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_log_previous_check CHECK ((length(previous) = 32)),
    CONSTRAINT audit_log_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.auto_top_up (
    account_id uuid NOT NULL,
    card text NOT NULL,
    threshold bigint NOT NULL,
    amount bigint NOT NULL,
    max_per_day bigint NOT NULL,
    paused_for text,
    updated_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT auto_top_up_amount_check CHECK ((amount > 0)),
    CONSTRAINT auto_top_up_check CHECK ((max_per_day >= amount)),
    CONSTRAINT auto_top_up_threshold_check CHECK ((threshold >= 0))
);

CREATE TABLE public.bank_payout (
    stripe_id text NOT NULL,
    person_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    failure text,
    arrives_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT bank_payout_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'in_transit'::text, 'paid'::text, 'failed'::text, 'canceled'::text])))
);

CREATE TABLE public.calibration (
    one boolean DEFAULT true NOT NULL,
    body jsonb NOT NULL,
    CONSTRAINT calibration_one_check CHECK (one)
);

CREATE TABLE public.camera_trait (
    make text NOT NULL,
    model text NOT NULL,
    tables bytea NOT NULL,
    person_id uuid NOT NULL,
    photos integer NOT NULL,
    first_seen timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    CONSTRAINT camera_trait_photos_check CHECK ((photos > 0)),
    CONSTRAINT camera_trait_tables_check CHECK ((length(tables) = 16))
);

CREATE TABLE public.claim (
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    person_id uuid NOT NULL,
    status public.claim_status DEFAULT 'active'::public.claim_status NOT NULL,
    nonce text NOT NULL,
    code text NOT NULL,
    lat double precision,
    lon double precision,
    accuracy_m double precision,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    round integer DEFAULT 0 NOT NULL,
    device_id uuid,
    since timestamp with time zone,
    batch bigint,
    country text,
    reward bigint NOT NULL,
    fee bigint NOT NULL,
    CONSTRAINT claim_check CHECK (((status = 'active'::public.claim_status) = (ended_at IS NULL))),
    CONSTRAINT claim_check1 CHECK (((device_id IS NULL) = (batch IS NULL))),
    CONSTRAINT claim_country_check CHECK ((country ~ '^[A-Z]{2}$'::text)),
    CONSTRAINT claim_fee_check CHECK ((fee >= 0)),
    CONSTRAINT claim_reward_check CHECK ((reward > 0)),
    CONSTRAINT claim_round_check CHECK ((round >= 0))
);

CREATE TABLE public.currency (
    code text NOT NULL,
    exponent smallint NOT NULL,
    payout_multiple integer DEFAULT 1 NOT NULL,
    minimum_payout bigint DEFAULT 100 NOT NULL,
    CONSTRAINT currency_code_check CHECK ((code ~ '^[a-z]{3}$'::text)),
    CONSTRAINT currency_exponent_check CHECK (((exponent >= 0) AND (exponent <= 4))),
    CONSTRAINT currency_minimum CHECK (((minimum_payout % (payout_multiple)::bigint) = 0)),
    CONSTRAINT currency_minimum_payout_check CHECK ((minimum_payout > 0)),
    CONSTRAINT currency_payout_multiple_check CHECK ((payout_multiple > 0))
);

CREATE TABLE public.customer (
    account_id uuid NOT NULL,
    stripe_id text NOT NULL
);

CREATE TABLE public.daily_close (
    day date NOT NULL,
    content jsonb NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    signature bytea NOT NULL,
    public_key bytea NOT NULL,
    closed_by uuid NOT NULL,
    closed_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT daily_close_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT daily_close_previous_check CHECK ((length(previous) = 32)),
    CONSTRAINT daily_close_public_key_check CHECK ((length(public_key) = 32)),
    CONSTRAINT daily_close_signature_check CHECK ((length(signature) = 64))
);

CREATE TABLE public.dataset (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    status public.dataset_status DEFAULT 'building'::public.dataset_status NOT NULL,
    asked jsonb NOT NULL,
    rows integer DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    manifest_sha256 bytea,
    licenses text[] DEFAULT '{}'::text[] NOT NULL,
    failure text,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    ready_at timestamp with time zone,
    erased integer DEFAULT 0 NOT NULL,
    CONSTRAINT dataset_check CHECK (((status = 'ready'::public.dataset_status) = (manifest_sha256 IS NOT NULL))),
    CONSTRAINT dataset_erased_check CHECK ((erased >= 0))
);

CREATE TABLE public.dataset_item (
    dataset_id uuid NOT NULL,
    "position" integer NOT NULL,
    observation_id uuid NOT NULL,
    item jsonb NOT NULL
);

CREATE TABLE public.device (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    public_key bytea,
    lat double precision,
    lon double precision,
    altitude_m double precision,
    sensors jsonb DEFAULT '[]'::jsonb NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT device_check CHECK (((lat IS NULL) = (lon IS NULL))),
    CONSTRAINT device_check1 CHECK (((public_key IS NOT NULL) OR (revoked_at IS NOT NULL))),
    CONSTRAINT device_kind_check CHECK ((kind = ANY (ARRAY['phone'::text, 'sensor'::text, 'camera'::text]))),
    CONSTRAINT device_lat_check CHECK (((lat >= ('-90'::integer)::double precision) AND (lat <= (90)::double precision))),
    CONSTRAINT device_lon_check CHECK (((lon >= ('-180'::integer)::double precision) AND (lon <= (180)::double precision))),
    CONSTRAINT device_public_key_check CHECK ((length(public_key) = 65)),
    CONSTRAINT device_sequence_check CHECK ((sequence >= 0))
);

CREATE TABLE public.device_batch (
    device_id uuid NOT NULL,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    signature bytea NOT NULL,
    received_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT device_batch_signature_check CHECK ((length(signature) = 64))
);

CREATE TABLE public.device_sale (
    claim_id uuid NOT NULL,
    quantity text NOT NULL,
    device_id uuid NOT NULL,
    until timestamp with time zone NOT NULL,
    alone boolean NOT NULL
);

CREATE TABLE public.dispute (
    id uuid NOT NULL,
    stripe_id text NOT NULL,
    charge_id text NOT NULL,
    account_id uuid NOT NULL,
    funding_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    withdrawn bigint DEFAULT 0 NOT NULL,
    fees bigint DEFAULT 0 NOT NULL,
    frozen bigint DEFAULT 0 NOT NULL,
    covered bigint DEFAULT 0 NOT NULL,
    written_off bigint DEFAULT 0 NOT NULL,
    evidence_due_at timestamp with time zone,
    evidence jsonb,
    answered_by uuid,
    answered_at timestamp with time zone,
    opened_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT dispute_amount_check CHECK ((amount > 0)),
    CONSTRAINT dispute_check CHECK (((status = ANY (ARRAY['warning_closed'::text, 'won'::text, 'lost'::text])) = (closed_at IS NOT NULL))),
    CONSTRAINT dispute_check1 CHECK (((closed_at IS NULL) OR (frozen = 0))),
    CONSTRAINT dispute_check2 CHECK (((answered_by IS NULL) = (answered_at IS NULL))),
    CONSTRAINT dispute_covered_check CHECK ((covered >= 0)),
    CONSTRAINT dispute_fees_check CHECK ((fees >= 0)),
    CONSTRAINT dispute_frozen_check CHECK ((frozen >= 0)),
    CONSTRAINT dispute_status_check CHECK ((status = ANY (ARRAY['warning_needs_response'::text, 'warning_under_review'::text, 'needs_response'::text, 'under_review'::text, 'warning_closed'::text, 'won'::text, 'lost'::text]))),
    CONSTRAINT dispute_withdrawn_check CHECK ((withdrawn >= 0)),
    CONSTRAINT dispute_written_off_check CHECK ((written_off >= 0))
);

CREATE TABLE public.doomed_media (
    name bytea NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT doomed_media_name_check CHECK ((length(name) = 32))
);

CREATE TABLE public.earning (
    submission_id uuid NOT NULL,
    person_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    release_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    fee bigint DEFAULT 0 NOT NULL,
    payout_id uuid,
    clawed_back_at timestamp with time zone,
    contested boolean DEFAULT false NOT NULL,
    sale_id uuid,
    royalty_id uuid,
    id uuid GENERATED ALWAYS AS (COALESCE(royalty_id, submission_id)) STORED NOT NULL,
    kind text GENERATED ALWAYS AS (
CASE
    WHEN (sale_id IS NULL) THEN 'reward'::text
    ELSE 'royalty'::text
END) STORED,
    CONSTRAINT earning_amount_check CHECK ((amount > 0)),
    CONSTRAINT earning_check CHECK (((NOT contested) OR (released_at IS NULL))),
    CONSTRAINT earning_fee_check CHECK ((fee >= 0)),
    CONSTRAINT earning_paid_after_release CHECK (((payout_id IS NULL) OR (released_at IS NOT NULL))),
    CONSTRAINT earning_royalty CHECK (((sale_id IS NULL) = (royalty_id IS NULL)))
);

CREATE TABLE public.event (
    seq bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    type text NOT NULL,
    account_id uuid,
    person_id uuid,
    subject_type text NOT NULL,
    subject_id uuid NOT NULL,
    actor text NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL
);

ALTER TABLE public.event ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.fill_cursor (
    one boolean DEFAULT true NOT NULL,
    xid xid8 NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT fill_cursor_one_check CHECK (one)
);

CREATE TABLE public.fill_model (
    id bigint NOT NULL,
    fitted_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    slots double precision NOT NULL,
    seen bigint NOT NULL,
    body jsonb NOT NULL
);

ALTER TABLE public.fill_model ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fill_model_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.fill_place (
    model_id bigint NOT NULL,
    cell bigint NOT NULL,
    observed double precision NOT NULL,
    expected double precision NOT NULL
);

CREATE TABLE public.fix_up (
    submission_id uuid NOT NULL,
    n smallint NOT NULL,
    failed_check text,
    reason_code text,
    comment text NOT NULL,
    asked_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    until timestamp with time zone NOT NULL,
    ended text,
    ended_at timestamp with time zone,
    CONSTRAINT fix_up_check CHECK ((until > asked_at)),
    CONSTRAINT fix_up_check1 CHECK ((num_nonnulls(failed_check, reason_code) = 1)),
    CONSTRAINT fix_up_check2 CHECK (((ended IS NULL) = (ended_at IS NULL))),
    CONSTRAINT fix_up_ended_check CHECK ((ended = ANY (ARRAY['mended'::text, 'given_up'::text, 'overdue'::text]))),
    CONSTRAINT fix_up_n_check CHECK (((n >= 1) AND (n <= 2)))
);

CREATE TABLE public.forecast (
    task_id uuid NOT NULL,
    made_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    model_id bigint,
    kind text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closes_at timestamp with time zone NOT NULL,
    horizons integer[] NOT NULL,
    chances double precision[] NOT NULL,
    deciles integer[] NOT NULL,
    filled_s integer,
    known_s integer,
    inside double precision,
    scored_at timestamp with time zone,
    CONSTRAINT forecast_check CHECK ((scored_at >= made_at)),
    CONSTRAINT forecast_check1 CHECK (((cardinality(horizons) = cardinality(chances)) AND (cardinality(deciles) = 9))),
    CONSTRAINT forecast_check2 CHECK (((scored_at IS NOT NULL) = (num_nonnulls(filled_s, known_s) = 1))),
    CONSTRAINT forecast_check3 CHECK (((scored_at IS NOT NULL) = (inside IS NOT NULL))),
    CONSTRAINT forecast_filled_s_check CHECK ((filled_s >= 0)),
    CONSTRAINT forecast_inside_check CHECK (((inside >= (0)::double precision) AND (inside <= (1)::double precision))),
    CONSTRAINT forecast_known_s_check CHECK ((known_s >= 0))
);

CREATE TABLE public.fraud_warning (
    id uuid NOT NULL,
    stripe_id text NOT NULL,
    charge_id text NOT NULL,
    account_id uuid NOT NULL,
    funding_id uuid NOT NULL,
    kind text NOT NULL,
    actionable boolean NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    frozen bigint DEFAULT 0 NOT NULL,
    handled_by uuid,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    handled_at timestamp with time zone,
    CONSTRAINT fraud_warning_check CHECK (((status = 'open'::text) = (handled_at IS NULL))),
    CONSTRAINT fraud_warning_check1 CHECK (((status = 'open'::text) OR (frozen = 0))),
    CONSTRAINT fraud_warning_frozen_check CHECK ((frozen >= 0)),
    CONSTRAINT fraud_warning_status_check CHECK ((status = ANY (ARRAY['open'::text, 'refunded'::text, 'dismissed'::text, 'disputed'::text])))
);

CREATE TABLE public.funding (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    method text,
    status public.funding_status DEFAULT 'pending'::public.funding_status NOT NULL,
    checkout_id text,
    checkout_url text,
    intent_id text,
    fee bigint,
    failure text,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    settled_at timestamp with time zone,
    cause text DEFAULT 'asked'::text NOT NULL,
    processing_at timestamp with time zone,
    charge_id text,
    paid_with text DEFAULT ''::text NOT NULL,
    refunded bigint DEFAULT 0 NOT NULL,
    refunded_elsewhere bigint DEFAULT 0 NOT NULL,
    disputed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT funding_amount_check CHECK ((amount > 0)),
    CONSTRAINT funding_cause_check CHECK ((cause = ANY (ARRAY['asked'::text, 'auto'::text]))),
    CONSTRAINT funding_check CHECK (((status = 'pending'::public.funding_status) = (settled_at IS NULL))),
    CONSTRAINT funding_check1 CHECK (((status = 'succeeded'::public.funding_status) = (fee IS NOT NULL))),
    CONSTRAINT funding_check2 CHECK (((status <> 'succeeded'::public.funding_status) OR (intent_id IS NOT NULL))),
    CONSTRAINT funding_check3 CHECK (((status <> 'failed'::public.funding_status) OR (failure IS NOT NULL))),
    CONSTRAINT funding_check4 CHECK (((refunded >= 0) AND (refunded <= amount))),
    CONSTRAINT funding_check5 CHECK (((refunded_elsewhere >= 0) AND (refunded_elsewhere <= amount))),
    CONSTRAINT funding_check6 CHECK (((disputed >= 0) AND (disputed <= amount))),
    CONSTRAINT funding_fee_check CHECK ((fee >= 0))
);

CREATE TABLE public.holding (
    id uuid NOT NULL,
    observation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    source uuid,
    license uuid NOT NULL,
    royalty_percent smallint NOT NULL,
    resale boolean NOT NULL,
    share_percent smallint NOT NULL,
    exclusive_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT holding_royalty_percent_check CHECK (((royalty_percent >= 10) AND (royalty_percent <= 100))),
    CONSTRAINT holding_share_percent_check CHECK (((share_percent >= 0) AND (share_percent <= 50)))
);

CREATE TABLE public.idempotency (
    owner uuid NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.key_spend (
    key_id uuid NOT NULL,
    day date NOT NULL,
    spent bigint NOT NULL,
    CONSTRAINT key_spend_spent_check CHECK ((spent >= 0))
);

CREATE TABLE public.ledger_account (
    id bigint NOT NULL,
    code text NOT NULL,
    class text NOT NULL,
    normal smallint NOT NULL,
    currency text NOT NULL,
    floor_zero boolean NOT NULL,
    tracked boolean NOT NULL,
    posted bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT ledger_account_check CHECK (((NOT floor_zero) OR tracked)),
    CONSTRAINT ledger_account_check1 CHECK (((closed_at IS NULL) OR (posted = 0))),
    CONSTRAINT ledger_account_class_check CHECK ((class = ANY (ARRAY['asset'::text, 'liability'::text, 'income'::text, 'expense'::text, 'equity'::text]))),
    CONSTRAINT ledger_account_floor CHECK (((NOT floor_zero) OR ((normal * posted) >= 0))),
    CONSTRAINT ledger_account_normal_check CHECK ((normal = ANY (ARRAY[1, '-1'::integer])))
);

ALTER TABLE public.ledger_account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ledger_account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ledger_entry (
    tx_id uuid NOT NULL,
    line smallint NOT NULL,
    account_id bigint NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    account_version bigint,
    balance_after bigint,
    CONSTRAINT ledger_entry_amount_check CHECK ((amount <> 0))
);

CREATE TABLE public.ledger_tx (
    id uuid NOT NULL,
    kind text NOT NULL,
    idem_key text NOT NULL,
    body_hash bytea NOT NULL,
    reverses uuid,
    subject_type text,
    subject_id uuid,
    actor text NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE public.license (
    id uuid NOT NULL,
    name text NOT NULL,
    text text,
    digest bytea NOT NULL,
    CONSTRAINT license_check CHECK ((digest = sha256(convert_to(COALESCE(text, ''::text), 'UTF8'::name)))),
    CONSTRAINT license_check1 CHECK (((text IS NOT NULL) = (name ~~ 'LicenseRef-%'::text)))
);

CREATE TABLE public.listing (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    observation_id uuid,
    dataset_id uuid,
    status public.listing_status DEFAULT 'active'::public.listing_status NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    price bigint NOT NULL,
    currency text NOT NULL,
    lowest bigint,
    half_life_s integer,
    license_ids uuid[] NOT NULL,
    royalty_percent smallint NOT NULL,
    resale boolean NOT NULL,
    resale_share_percent smallint NOT NULL,
    exclusive_s integer,
    exclusive_price bigint,
    seller text NOT NULL,
    named boolean NOT NULL,
    title text NOT NULL,
    kinds text[] NOT NULL,
    asks jsonb NOT NULL,
    asked text[] NOT NULL,
    items integer NOT NULL,
    photos integer NOT NULL,
    captured_from timestamp with time zone NOT NULL,
    captured_at timestamp with time zone NOT NULL,
    upstream_percent smallint NOT NULL,
    available_from timestamp with time zone,
    search tsvector NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT listing_check CHECK (((lowest >= 1) AND (lowest <= price))),
    CONSTRAINT listing_check1 CHECK ((captured_at >= captured_from)),
    CONSTRAINT listing_check2 CHECK ((num_nonnulls(observation_id, dataset_id) = 1)),
    CONSTRAINT listing_check3 CHECK (((lowest IS NULL) = (half_life_s IS NULL))),
    CONSTRAINT listing_check4 CHECK (((exclusive_s IS NULL) = (exclusive_price IS NULL))),
    CONSTRAINT listing_check5 CHECK ((resale OR (resale_share_percent = 0))),
    CONSTRAINT listing_check6 CHECK (((status = ANY (ARRAY['ended'::public.listing_status, 'withdrawn'::public.listing_status])) = (ended_at IS NOT NULL))),
    CONSTRAINT listing_exclusive_price_check CHECK ((exclusive_price > 0)),
    CONSTRAINT listing_exclusive_s_check CHECK ((exclusive_s > 0)),
    CONSTRAINT listing_half_life_s_check CHECK ((half_life_s > 0)),
    CONSTRAINT listing_items_check CHECK ((items > 0)),
    CONSTRAINT listing_price_check CHECK ((price > 0)),
    CONSTRAINT listing_resale_share_percent_check CHECK (((resale_share_percent >= 0) AND (resale_share_percent <= 50))),
    CONSTRAINT listing_royalty_percent_check CHECK (((royalty_percent >= 10) AND (royalty_percent <= 100)))
);

CREATE TABLE public.listing_cell (
    listing_id uuid NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    cell point NOT NULL
);

CREATE TABLE public.listing_item (
    listing_id uuid NOT NULL,
    "position" integer NOT NULL,
    observation_id uuid NOT NULL,
    license uuid NOT NULL,
    royalty_percent smallint NOT NULL,
    CONSTRAINT listing_item_royalty_percent_check CHECK (((royalty_percent >= 10) AND (royalty_percent <= 100)))
);

CREATE TABLE public.login_code (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    network text NOT NULL,
    code_hash bytea NOT NULL,
    sent_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    tries_elsewhere integer DEFAULT 0 NOT NULL,
    used_from text,
    CONSTRAINT login_code_network_check CHECK ((length(network) <= 50)),
    CONSTRAINT login_code_tries_check CHECK ((tries <= 5)),
    CONSTRAINT login_code_tries_elsewhere_check CHECK ((tries_elsewhere <= 2))
);

CREATE TABLE public.login_network (
    network text NOT NULL,
    since timestamp with time zone NOT NULL,
    wrong_tries integer NOT NULL,
    CONSTRAINT login_network_network_check CHECK ((length(network) <= 50)),
    CONSTRAINT login_network_wrong_tries_check CHECK (((wrong_tries >= 1) AND (wrong_tries <= 50)))
);

CREATE TABLE public.mail (
    id bigint NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    sent_at timestamp with time zone
);

ALTER TABLE public.mail ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.mail_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.market_clock (
    one boolean DEFAULT true NOT NULL,
    ahead interval DEFAULT '00:00:00'::interval NOT NULL,
    CONSTRAINT market_clock_ahead_check CHECK ((ahead >= '00:00:00'::interval)),
    CONSTRAINT market_clock_one_check CHECK (one)
);

CREATE TABLE public.model (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    status text DEFAULT 'published'::text NOT NULL,
    task text NOT NULL,
    inputs jsonb NOT NULL,
    outputs jsonb NOT NULL,
    metrics jsonb NOT NULL,
    dataset_id uuid,
    onnx_sha256 bytea NOT NULL,
    weights_sha256 bytea NOT NULL,
    card text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT model_status_check CHECK ((status = ANY (ARRAY['published'::text, 'withdrawn'::text]))),
    CONSTRAINT model_version_check CHECK ((version > 0))
);

CREATE TABLE public.money_decision (
    id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid,
    txn_id text,
    target text,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    status text DEFAULT 'asked'::text NOT NULL,
    asked_by uuid NOT NULL,
    decided_by uuid,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT asker_is_not_decider CHECK ((decided_by <> asked_by)),
    CONSTRAINT money_decision_amount_check CHECK ((amount <> 0)),
    CONSTRAINT money_decision_check CHECK (((status = 'asked'::text) = (decided_at IS NULL))),
    CONSTRAINT money_decision_check1 CHECK (((status = ANY (ARRAY['approved'::text, 'refused'::text])) = (decided_by IS NOT NULL))),
    CONSTRAINT money_decision_check2 CHECK ((((kind = 'suspense'::text) = (txn_id IS NOT NULL)) AND ((txn_id IS NULL) = (subject_id IS NOT NULL)) AND ((kind = 'suspense'::text) = (target IS NOT NULL)))),
    CONSTRAINT money_decision_kind_check CHECK ((kind = ANY (ARRAY['clawback'::text, 'write_off'::text, 'suspense'::text]))),
    CONSTRAINT money_decision_reason_check CHECK ((reason <> ''::text)),
    CONSTRAINT money_decision_status_check CHECK ((status = ANY (ARRAY['asked'::text, 'approved'::text, 'refused'::text, 'withdrawn'::text])))
);

CREATE TABLE public.money_switch (
    name text NOT NULL,
    stopped boolean DEFAULT false NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    operator_id uuid,
    changed_at timestamp with time zone,
    CONSTRAINT money_switch_check CHECK (((NOT stopped) OR ((reason <> ''::text) AND (operator_id IS NOT NULL)))),
    CONSTRAINT money_switch_name_check CHECK ((name = ANY (ARRAY['payouts'::text, 'refunds'::text, 'top_ups'::text])))
);

CREATE TABLE public.notice_cursor (
    one boolean DEFAULT true NOT NULL,
    xid xid8 NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT notice_cursor_one_check CHECK (one)
);

CREATE TABLE public.observation (
    id uuid NOT NULL,
    submission_id uuid NOT NULL,
    task_id uuid NOT NULL,
    account_id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    captured_at timestamp with time zone NOT NULL,
    lat double precision,
    lon double precision,
    loc point,
    license text NOT NULL,
    exclusive_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    coarse_lat double precision,
    coarse_lon double precision,
    locked boolean DEFAULT false NOT NULL,
    CONSTRAINT observation_check CHECK ((num_nulls(lat, coarse_lat, coarse_lon) = ANY (ARRAY[0, 3]))),
    CONSTRAINT observation_license_check CHECK ((license = ANY (ARRAY['resale'::text, 'exclusive'::text])))
);

CREATE TABLE public.operator (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    disabled_at timestamp with time zone
);

CREATE TABLE public.operator_passkey (
    credential bytea NOT NULL,
    operator_id uuid NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    used_at timestamp with time zone,
    removed_at timestamp with time zone,
    CONSTRAINT operator_passkey_sign_count_check CHECK ((sign_count >= 0))
);

CREATE TABLE public.passkey_challenge (
    id uuid NOT NULL,
    challenge bytea NOT NULL,
    purpose text NOT NULL,
    operator_id uuid,
    network text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT passkey_challenge_purpose_check CHECK ((purpose = ANY (ARRAY['enrol'::text, 'sign_in'::text, 'prove'::text])))
);

CREATE TABLE public.payout (
    id uuid NOT NULL,
    run_id uuid CONSTRAINT payout_run_id_not_null1 NOT NULL,
    person_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    destination text NOT NULL,
    status public.payout_status DEFAULT 'listed'::public.payout_status NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    transfer_id text,
    code text,
    message text,
    settled_at timestamp with time zone,
    earned bigint DEFAULT 0 NOT NULL,
    fee bigint DEFAULT 0 NOT NULL,
    items integer DEFAULT 0 NOT NULL,
    rolled_over bigint DEFAULT 0 NOT NULL,
    reversed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT payout_amount_check CHECK ((amount > 0)),
    CONSTRAINT payout_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT payout_check CHECK (((status = 'paid'::public.payout_status) = (transfer_id IS NOT NULL))),
    CONSTRAINT payout_check1 CHECK (((status = ANY (ARRAY['paid'::public.payout_status, 'returned'::public.payout_status, 'skipped'::public.payout_status])) = (settled_at IS NOT NULL))),
    CONSTRAINT payout_check2 CHECK (((status = ANY (ARRAY['returned'::public.payout_status, 'skipped'::public.payout_status])) = (code IS NOT NULL))),
    CONSTRAINT payout_check3 CHECK (((reversed >= 0) AND (reversed <= amount))),
    CONSTRAINT payout_reversed CHECK (((reversed = 0) OR (status = 'paid'::public.payout_status))),
    CONSTRAINT payout_rolled_over_check CHECK ((rolled_over >= 0))
);

CREATE TABLE public.payout_account (
    person_id uuid NOT NULL,
    stripe_id text NOT NULL,
    transfers text NOT NULL,
    requirements text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    checked_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    country text DEFAULT ''::text NOT NULL,
    lost_at timestamp with time zone,
    due_at timestamp with time zone
);

CREATE TABLE public.payout_approval (
    run_id uuid NOT NULL,
    made_by uuid NOT NULL,
    submitted_by uuid NOT NULL,
    lines_hash bytea NOT NULL,
    approved_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (public.market_now() + '3 days'::interval) NOT NULL,
    CONSTRAINT maker_is_not_checker CHECK (((approved_by <> made_by) AND (approved_by <> submitted_by))),
    CONSTRAINT payout_approval_lasts CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '7 days'::interval))))
);

CREATE TABLE public.payout_exclusion (
    run_id uuid NOT NULL,
    person_id uuid NOT NULL,
    amount bigint NOT NULL,
    reason text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    CONSTRAINT payout_exclusion_amount_check CHECK ((amount > 0)),
    CONSTRAINT payout_exclusion_reason_check CHECK ((reason = ANY (ARRAY['held'::text, 'no_payout_account'::text, 'capability_inactive'::text, 'in_another_run'::text, 'below_minimum'::text, 'over_run_cap'::text, 'excluded'::text, 'owes'::text])))
);

CREATE TABLE public.payout_hold (
    person_id uuid NOT NULL,
    reason text NOT NULL,
    operator_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT payout_hold_reason_check CHECK ((reason <> ''::text))
);

CREATE TABLE public.payout_run (
    id uuid NOT NULL,
    currency text NOT NULL,
    minimum bigint NOT NULL,
    status public.payout_run_status DEFAULT 'draft'::public.payout_run_status NOT NULL,
    lines_hash bytea,
    made_by uuid NOT NULL,
    submitted_by uuid,
    approved_by uuid,
    executed_by uuid,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    submitted_at timestamp with time zone,
    executed_at timestamp with time zone,
    finished_at timestamp with time zone,
    most_per_line bigint,
    most_in_all bigint,
    note text DEFAULT ''::text NOT NULL,
    reopened boolean DEFAULT false NOT NULL,
    CONSTRAINT payout_run_check CHECK (((status = 'draft'::public.payout_run_status) = (lines_hash IS NULL))),
    CONSTRAINT payout_run_check1 CHECK (((status = ANY (ARRAY['draft'::public.payout_run_status, 'frozen'::public.payout_run_status])) = (submitted_by IS NULL))),
    CONSTRAINT payout_run_check2 CHECK (((submitted_by IS NULL) = (submitted_at IS NULL))),
    CONSTRAINT payout_run_check3 CHECK (((status = ANY (ARRAY['draft'::public.payout_run_status, 'frozen'::public.payout_run_status, 'submitted'::public.payout_run_status])) = (approved_by IS NULL))),
    CONSTRAINT payout_run_check4 CHECK (((status = ANY (ARRAY['draft'::public.payout_run_status, 'frozen'::public.payout_run_status, 'submitted'::public.payout_run_status, 'approved'::public.payout_run_status])) = (executed_by IS NULL))),
    CONSTRAINT payout_run_check5 CHECK (((executed_by IS NULL) = (executed_at IS NULL))),
    CONSTRAINT payout_run_check6 CHECK (((status = ANY (ARRAY['partial'::public.payout_run_status, 'done'::public.payout_run_status])) = (finished_at IS NOT NULL))),
    CONSTRAINT payout_run_lines_hash_check CHECK ((length(lines_hash) = 32)),
    CONSTRAINT payout_run_minimum_check CHECK ((minimum > 0)),
    CONSTRAINT payout_run_most_in_all_check CHECK ((most_in_all > 0)),
    CONSTRAINT payout_run_most_per_line_check CHECK ((most_per_line > 0))
);

CREATE TABLE public.person (
    id uuid NOT NULL,
    email text NOT NULL,
    display_name text NOT NULL,
    languages text[] DEFAULT '{}'::text[] NOT NULL,
    accepted_terms_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    erased_at timestamp with time zone
);

CREATE TABLE public.pgqueuer (
    id bigint NOT NULL,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    execute_after timestamp with time zone DEFAULT now() NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    slot bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000', autovacuum_analyze_scale_factor='0.02', autovacuum_analyze_threshold='500', autovacuum_vacuum_cost_delay='0');

CREATE SEQUENCE public.pgqueuer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_id_seq OWNED BY public.pgqueuer.id;

CREATE UNLOGGED TABLE public.pgqueuer_log (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint NOT NULL,
    status public.pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

ALTER TABLE public.pgqueuer_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pgqueuer_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pgqueuer_schedules (
    id bigint NOT NULL,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    next_run timestamp with time zone DEFAULT now() NOT NULL,
    last_run timestamp with time zone,
    status public.pgqueuer_status DEFAULT 'queued'::public.pgqueuer_status
);

CREATE SEQUENCE public.pgqueuer_schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_schedules_id_seq OWNED BY public.pgqueuer_schedules.id;

CREATE UNLOGGED TABLE public.pgqueuer_statistics (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT date_trunc('sec'::text, now()) NOT NULL,
    count bigint NOT NULL,
    priority integer NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE UNLOGGED SEQUENCE public.pgqueuer_statistics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_statistics_id_seq OWNED BY public.pgqueuer_statistics.id;

CREATE TABLE public.photo (
    claim_id uuid NOT NULL,
    n smallint NOT NULL,
    sha256 bytea NOT NULL,
    bytes bigint NOT NULL,
    media_type text NOT NULL,
    capture jsonb,
    uploaded_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    blur jsonb,
    blurred bytea,
    country text,
    CONSTRAINT photo_blurred_check CHECK ((length(blurred) = 32)),
    CONSTRAINT photo_bytes_check CHECK ((bytes > 0)),
    CONSTRAINT photo_check CHECK (((blur IS NULL) = (blurred IS NULL))),
    CONSTRAINT photo_country_check CHECK ((country ~ '^[A-Z]{2}$'::text)),
    CONSTRAINT photo_n_check CHECK (((n >= 1) AND (n <= 20))),
    CONSTRAINT photo_sha256_check CHECK ((length(sha256) = 32))
);

CREATE TABLE public.photo_camera (
    submission_id uuid NOT NULL,
    n smallint NOT NULL,
    make text NOT NULL,
    model text NOT NULL,
    tables bytea NOT NULL,
    CONSTRAINT photo_camera_tables_check CHECK ((length(tables) = 16))
);

CREATE TABLE public.photo_copy (
    name bytea NOT NULL,
    sha256 bytea,
    bytes bigint,
    unreadable text,
    made_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT photo_copy_bytes_check CHECK ((bytes > 0)),
    CONSTRAINT photo_copy_check CHECK (((num_nulls(sha256, bytes) = ANY (ARRAY[0, 2])) AND ((sha256 IS NULL) = (unreadable IS NOT NULL)))),
    CONSTRAINT photo_copy_name_check CHECK ((length(name) = 32)),
    CONSTRAINT photo_copy_sha256_check CHECK ((length(sha256) = 32))
);

CREATE TABLE public.photo_erased (
    claim_id uuid NOT NULL,
    n smallint NOT NULL,
    erased_at timestamp with time zone DEFAULT public.market_now() NOT NULL
);

CREATE TABLE public.photo_frame (
    claim_id uuid NOT NULL,
    n smallint NOT NULL,
    k smallint NOT NULL,
    sha256 bytea NOT NULL,
    bytes integer NOT NULL,
    uploaded_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT photo_frame_bytes_check CHECK (((bytes >= 1) AND (bytes <= 500000))),
    CONSTRAINT photo_frame_k_check CHECK (((k >= 1) AND (k <= 8))),
    CONSTRAINT photo_frame_n_check CHECK (((n >= 1) AND (n <= 20))),
    CONSTRAINT photo_frame_sha256_check CHECK ((length(sha256) = 32))
);

CREATE TABLE public.photo_hash (
    seq bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    submission_id uuid,
    n smallint NOT NULL,
    task_id uuid,
    person_id uuid,
    sha256 bytea NOT NULL,
    pdq bytea,
    quality smallint NOT NULL,
    submitted_at timestamp with time zone NOT NULL,
    CONSTRAINT photo_hash_day CHECK (((person_id IS NOT NULL) OR (submitted_at = (date_trunc('day'::text, (submitted_at AT TIME ZONE 'UTC'::text)) AT TIME ZONE 'UTC'::text)))),
    CONSTRAINT photo_hash_link CHECK ((num_nulls(person_id, submission_id, task_id) = ANY (ARRAY[0, 3]))),
    CONSTRAINT photo_hash_pdq_check CHECK ((length(pdq) = 32))
);

ALTER TABLE public.photo_hash ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.photo_hash_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.photo_motion (
    claim_id uuid NOT NULL,
    n smallint NOT NULL,
    sha256 bytea NOT NULL,
    shape bytea NOT NULL,
    body bytea NOT NULL,
    uploaded_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT photo_motion_body_check CHECK ((length(body) <= 65536)),
    CONSTRAINT photo_motion_n_check CHECK (((n >= 1) AND (n <= 20))),
    CONSTRAINT photo_motion_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT photo_motion_shape_check CHECK ((length(shape) = 32))
);

CREATE TABLE public.photo_word (
    word integer NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE public.receipt (
    observation_id uuid NOT NULL,
    content bytea,
    signature bytea,
    public_key bytea,
    issued_at timestamp with time zone,
    CONSTRAINT receipt_check CHECK ((num_nulls(content, signature, public_key, issued_at) = ANY (ARRAY[0, 4]))),
    CONSTRAINT receipt_public_key_check CHECK ((length(public_key) = 32)),
    CONSTRAINT receipt_signature_check CHECK ((length(signature) = 64))
);

CREATE TABLE public.refund (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    funding_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    stripe_id text,
    returned boolean DEFAULT false NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    failure text,
    asked_by text NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT refund_amount_check CHECK ((amount > 0)),
    CONSTRAINT refund_check CHECK (((status = 'pending'::text) = (settled_at IS NULL))),
    CONSTRAINT refund_check1 CHECK (((status <> 'succeeded'::text) OR (stripe_id IS NOT NULL))),
    CONSTRAINT refund_check2 CHECK (((status = 'failed'::text) = (failure IS NOT NULL))),
    CONSTRAINT refund_check3 CHECK (((NOT returned) OR (status = 'failed'::text))),
    CONSTRAINT refund_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text])))
);

CREATE TABLE public.sale (
    id uuid NOT NULL,
    listing_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    seller_id uuid NOT NULL,
    price bigint NOT NULL,
    currency text NOT NULL,
    fee bigint NOT NULL,
    royalty bigint NOT NULL,
    shares bigint NOT NULL,
    proceeds bigint NOT NULL,
    exclusive_until timestamp with time zone,
    dataset_id uuid,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT sale_check CHECK ((price = (((fee + royalty) + shares) + proceeds))),
    CONSTRAINT sale_check1 CHECK ((buyer_id <> seller_id)),
    CONSTRAINT sale_fee_check CHECK ((fee >= 0)),
    CONSTRAINT sale_price_check CHECK ((price > 0)),
    CONSTRAINT sale_proceeds_check CHECK ((proceeds >= 0)),
    CONSTRAINT sale_royalty_check CHECK ((royalty > 0)),
    CONSTRAINT sale_shares_check CHECK ((shares >= 0))
);

CREATE TABLE public.sale_share (
    sale_id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT sale_share_amount_check CHECK ((amount > 0))
);

CREATE TABLE public.saved_card (
    stripe_id text NOT NULL,
    account_id uuid NOT NULL,
    brand text NOT NULL,
    last4 text NOT NULL,
    exp_month smallint NOT NULL,
    exp_year smallint NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT saved_card_last4_check CHECK ((last4 ~ '^[0-9]{4}$'::text))
);

CREATE TABLE public.shows_call (
    day date NOT NULL,
    account_id uuid,
    calls integer NOT NULL,
    CONSTRAINT shows_call_calls_check CHECK ((calls > 0))
);

CREATE TABLE public.shows_opinion (
    photo_sha256 bytea NOT NULL,
    question_sha256 bytea NOT NULL,
    judge text NOT NULL,
    shows boolean,
    confidence double precision NOT NULL,
    reason text NOT NULL,
    steered boolean NOT NULL,
    undecided boolean NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    CONSTRAINT shows_opinion_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT shows_opinion_photo_sha256_check CHECK ((length(photo_sha256) = 32)),
    CONSTRAINT shows_opinion_question_sha256_check CHECK ((length(question_sha256) = 32))
);

CREATE TABLE public.stripe_balance_txn (
    id text NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    net bigint NOT NULL,
    ledger_key text,
    created_at timestamp with time zone NOT NULL,
    suspense_key text,
    description text DEFAULT ''::text NOT NULL,
    category text DEFAULT ''::text NOT NULL,
    seen_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    closed_day date,
    CONSTRAINT stripe_balance_txn_check CHECK ((net = (amount - fee)))
);

CREATE TABLE public.stripe_cursor (
    name text NOT NULL,
    read_to timestamp with time zone NOT NULL,
    last_id text DEFAULT ''::text NOT NULL,
    looked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stripe_cursor_name_check CHECK ((name = ANY (ARRAY['events'::text, 'notices'::text, 'balance'::text])))
);

CREATE TABLE public.stripe_event (
    id text NOT NULL,
    type text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    handled_at timestamp with time zone,
    account text DEFAULT ''::text NOT NULL,
    source text DEFAULT 'webhook'::text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    failure text DEFAULT ''::text NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stripe_event_source_check CHECK ((source = ANY (ARRAY['webhook'::text, 'list'::text])))
);

CREATE TABLE public.stripe_op (
    id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    params jsonb NOT NULL,
    status public.stripe_op_status DEFAULT 'planned'::public.stripe_op_status NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    lease uuid,
    leased_until timestamp with time zone,
    first_sent_at timestamp with time zone,
    object_id text,
    code text,
    message text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    moved_by text DEFAULT 'worker'::text NOT NULL,
    CONSTRAINT stripe_op_attempt_check CHECK ((attempt > 0)),
    CONSTRAINT stripe_op_check CHECK (((status = 'sending'::public.stripe_op_status) = (lease IS NOT NULL))),
    CONSTRAINT stripe_op_check1 CHECK (((lease IS NULL) = (leased_until IS NULL))),
    CONSTRAINT stripe_op_check2 CHECK (((status = ANY (ARRAY['succeeded'::public.stripe_op_status, 'rejected'::public.stripe_op_status])) = (settled_at IS NOT NULL))),
    CONSTRAINT stripe_op_check3 CHECK (((status <> 'succeeded'::public.stripe_op_status) OR (object_id IS NOT NULL))),
    CONSTRAINT stripe_op_check4 CHECK (((status <> 'rejected'::public.stripe_op_status) OR (code IS NOT NULL))),
    CONSTRAINT stripe_op_check5 CHECK (((status <> ALL (ARRAY['sending'::public.stripe_op_status, 'unknown'::public.stripe_op_status])) OR (first_sent_at IS NOT NULL))),
    CONSTRAINT stripe_op_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'charge'::text, 'checkout'::text, 'recipient'::text, 'transfer'::text, 'refund'::text, 'dispute_answer'::text, 'dispute_close'::text])))
);

CREATE TABLE public.stripe_op_log (
    seq bigint NOT NULL,
    op_id uuid NOT NULL,
    status public.stripe_op_status NOT NULL,
    try integer NOT NULL,
    key text NOT NULL,
    detail text NOT NULL,
    moved_by text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.stripe_op_log ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.stripe_op_log_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.submission (
    id uuid NOT NULL,
    claim_id uuid NOT NULL,
    task_id uuid NOT NULL,
    person_id uuid NOT NULL,
    account_id uuid NOT NULL,
    status public.submission_status DEFAULT 'checking'::public.submission_status NOT NULL,
    outcome text NOT NULL,
    answers jsonb NOT NULL,
    readings jsonb,
    notes text DEFAULT ''::text NOT NULL,
    submitted_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    review_by timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    verdict jsonb,
    rejection jsonb,
    bonus bigint DEFAULT 0 NOT NULL,
    rating smallint,
    captured_at timestamp with time zone,
    CONSTRAINT submission_bonus_check CHECK ((bonus >= 0)),
    CONSTRAINT submission_check CHECK (((status = ANY (ARRAY['accepted'::public.submission_status, 'rejected'::public.submission_status, 'disputed'::public.submission_status])) = (decided_at IS NOT NULL))),
    CONSTRAINT submission_check1 CHECK (
CASE status
    WHEN 'rejected'::public.submission_status THEN (rejection IS NOT NULL)
    WHEN 'disputed'::public.submission_status THEN true
    ELSE (rejection IS NULL)
END),
    CONSTRAINT submission_check2 CHECK (((status <> 'needs_review'::public.submission_status) OR (review_by IS NOT NULL))),
    CONSTRAINT submission_check3 CHECK ((captured_at <= submitted_at)),
    CONSTRAINT submission_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'honest_negative'::text]))),
    CONSTRAINT submission_rating_check CHECK (((rating >= 1) AND (rating <= 5)))
);

CREATE TABLE public.submission_revision (
    submission_id uuid NOT NULL,
    n smallint NOT NULL,
    outcome text NOT NULL,
    answers jsonb NOT NULL,
    readings jsonb,
    notes text NOT NULL,
    photos jsonb NOT NULL,
    verdict jsonb,
    submitted_at timestamp with time zone NOT NULL
);

CREATE TABLE public.task (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    key_id uuid,
    kind text NOT NULL,
    status public.task_status DEFAULT 'open'::public.task_status NOT NULL,
    title text NOT NULL,
    instructions text NOT NULL,
    purpose text NOT NULL,
    lat double precision,
    lon double precision,
    radius_m double precision,
    loc point,
    opens_at timestamp with time zone NOT NULL,
    closes_at timestamp with time zone NOT NULL,
    evidence jsonb NOT NULL,
    acceptance jsonb NOT NULL,
    license jsonb NOT NULL,
    mode text NOT NULL,
    reward bigint NOT NULL,
    fee bigint NOT NULL,
    currency text NOT NULL,
    quantity integer NOT NULL,
    claimed integer DEFAULT 0 NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    claim_ttl_s integer NOT NULL,
    review_deadline_s integer NOT NULL,
    external_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    closed_at timestamp with time zone,
    every_s integer,
    per_round integer,
    per_person integer,
    top bigint NOT NULL,
    top_fee bigint NOT NULL,
    fee_bps integer DEFAULT 0 NOT NULL,
    step_s integer,
    step_percent integer,
    rises_from timestamp with time zone,
    expected_minutes integer,
    appealed integer DEFAULT 0 NOT NULL,
    bonds bigint DEFAULT 0 NOT NULL,
    group_id uuid,
    place_in_group integer,
    cell text,
    full_since timestamp with time zone,
    devices_only boolean DEFAULT false NOT NULL,
    CONSTRAINT task_appealed_check CHECK ((appealed >= 0)),
    CONSTRAINT task_bonds_check CHECK ((bonds >= 0)),
    CONSTRAINT task_check CHECK ((closes_at > opens_at)),
    CONSTRAINT task_check1 CHECK (((claimed + done) <= quantity)),
    CONSTRAINT task_check2 CHECK ((((lat IS NULL) = (lon IS NULL)) AND ((lat IS NULL) = (loc IS NULL)) AND ((lat IS NULL) = (radius_m IS NULL)))),
    CONSTRAINT task_check3 CHECK (((status = 'open'::public.task_status) = (closed_at IS NULL))),
    CONSTRAINT task_check4 CHECK (((status = 'completed'::public.task_status) = (done = quantity))),
    CONSTRAINT task_check5 CHECK ((num_nulls(every_s, per_round, per_person) = ANY (ARRAY[0, 3]))),
    CONSTRAINT task_claim_ttl_s_check CHECK ((claim_ttl_s > 0)),
    CONSTRAINT task_claimed_check CHECK ((claimed >= 0)),
    CONSTRAINT task_done_check CHECK ((done >= 0)),
    CONSTRAINT task_every_s_check CHECK ((every_s >= 60)),
    CONSTRAINT task_expected_minutes_check CHECK ((expected_minutes > 0)),
    CONSTRAINT task_fee_bps_check CHECK (((fee_bps >= 0) AND (fee_bps <= 10000))),
    CONSTRAINT task_fee_check CHECK ((fee >= 0)),
    CONSTRAINT task_grouped CHECK ((((group_id IS NULL) = (place_in_group IS NULL)) AND ((cell IS NULL) OR (group_id IS NOT NULL)))),
    CONSTRAINT task_kind_check CHECK ((kind = ANY (ARRAY['photo'::text, 'reading'::text, 'action'::text, 'answer'::text]))),
    CONSTRAINT task_lat_check CHECK (((lat >= ('-90'::integer)::double precision) AND (lat <= (90)::double precision))),
    CONSTRAINT task_lon_check CHECK (((lon >= ('-180'::integer)::double precision) AND (lon <= (180)::double precision))),
    CONSTRAINT task_mode_check CHECK ((mode = ANY (ARRAY['auto'::text, 'manual'::text]))),
    CONSTRAINT task_per_person_check CHECK ((per_person > 0)),
    CONSTRAINT task_per_round_check CHECK ((per_round > 0)),
    CONSTRAINT task_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT task_radius_m_check CHECK ((radius_m > (0)::double precision)),
    CONSTRAINT task_review_deadline_s_check CHECK ((review_deadline_s > 0)),
    CONSTRAINT task_reward_check CHECK ((reward > 0)),
    CONSTRAINT task_rises CHECK (((num_nulls(step_s, step_percent, rises_from) = ANY (ARRAY[0, 3])) AND (top >= reward) AND (top_fee >= fee) AND ((step_s IS NOT NULL) OR ((top = reward) AND (top_fee = fee))))),
    CONSTRAINT task_step_percent_check CHECK (((step_percent >= 1) AND (step_percent <= 100))),
    CONSTRAINT task_step_s_check CHECK ((step_s > 0))
);

CREATE TABLE public.task_fill (
    task_id uuid NOT NULL,
    kind text NOT NULL,
    currency text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closes_at timestamp with time zone NOT NULL,
    lat double precision,
    lon double precision,
    near bigint,
    city bigint,
    minutes double precision NOT NULL,
    reward bigint NOT NULL,
    top bigint NOT NULL,
    step bigint NOT NULL,
    step_s integer NOT NULL,
    quantity integer NOT NULL,
    people integer NOT NULL,
    way integer NOT NULL,
    lot integer NOT NULL,
    changed_at timestamp with time zone,
    CONSTRAINT task_fill_check CHECK ((closes_at > opened_at)),
    CONSTRAINT task_fill_check1 CHECK ((top >= reward)),
    CONSTRAINT task_fill_check2 CHECK ((num_nulls(lat, lon, near, city) = ANY (ARRAY[0, 4]))),
    CONSTRAINT task_fill_check3 CHECK (((step = 0) = (step_s = 0))),
    CONSTRAINT task_fill_minutes_check CHECK ((minutes > (0)::double precision)),
    CONSTRAINT task_fill_people_check CHECK ((people >= 0)),
    CONSTRAINT task_fill_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT task_fill_reward_check CHECK ((reward > 0)),
    CONSTRAINT task_fill_step_check CHECK ((step >= 0)),
    CONSTRAINT task_fill_step_s_check CHECK ((step_s >= 0)),
    CONSTRAINT task_fill_way_check CHECK ((way >= 0))
);

CREATE TABLE public.task_group (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    spec jsonb NOT NULL,
    currency text NOT NULL,
    same_person text DEFAULT 'any'::text NOT NULL,
    head_start_s integer,
    length_m double precision,
    minutes integer,
    claim_ttl_s integer,
    created_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    cancelled_at timestamp with time zone,
    CONSTRAINT task_group_check CHECK (((same_person = 'preferred'::text) = (head_start_s IS NOT NULL))),
    CONSTRAINT task_group_check1 CHECK (((kind = 'route'::text) = ((length_m IS NOT NULL) AND (minutes IS NOT NULL) AND (claim_ttl_s IS NOT NULL)))),
    CONSTRAINT task_group_claim_ttl_s_check CHECK ((claim_ttl_s > 0)),
    CONSTRAINT task_group_head_start_s_check CHECK ((head_start_s > 0)),
    CONSTRAINT task_group_kind_check CHECK ((kind = ANY (ARRAY['series'::text, 'route'::text, 'area'::text]))),
    CONSTRAINT task_group_length_m_check CHECK ((length_m >= (0)::double precision)),
    CONSTRAINT task_group_minutes_check CHECK ((minutes > 0)),
    CONSTRAINT task_group_same_person_check CHECK ((same_person = ANY (ARRAY['any'::text, 'preferred'::text, 'forbidden'::text])))
);

CREATE TABLE public.task_question (
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    person_id uuid,
    text text NOT NULL,
    asked_at timestamp with time zone DEFAULT public.market_now() NOT NULL,
    answer text,
    answered_at timestamp with time zone,
    CONSTRAINT task_question_check CHECK (((answer IS NULL) = (answered_at IS NULL)))
);

ALTER TABLE ONLY public.pgqueuer ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_schedules ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_schedules_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_statistics ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_statistics_id_seq'::regclass);

ALTER TABLE ONLY public.account_hold
    ADD CONSTRAINT account_hold_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_spend
    ADD CONSTRAINT account_spend_pkey PRIMARY KEY (account_id, day);

ALTER TABLE ONLY public.active_near
    ADD CONSTRAINT active_near_pkey PRIMARY KEY (cell, person_id);

ALTER TABLE ONLY public.answer_agreement
    ADD CONSTRAINT answer_agreement_pkey PRIMARY KEY (kind, type, choices);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.appeal_review
    ADD CONSTRAINT appeal_review_appeal_id_person_id_key UNIQUE (appeal_id, person_id);

ALTER TABLE ONLY public.appeal_review
    ADD CONSTRAINT appeal_review_pkey PRIMARY KEY (appeal_id, n);

ALTER TABLE ONLY public.appeal_reviewer
    ADD CONSTRAINT appeal_reviewer_pkey PRIMARY KEY (appeal_id, person_id);

ALTER TABLE ONLY public.appeal_statement
    ADD CONSTRAINT appeal_statement_pkey PRIMARY KEY (appeal_id, side, n);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_submission_id_key UNIQUE (submission_id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.auto_top_up
    ADD CONSTRAINT auto_top_up_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.bank_payout
    ADD CONSTRAINT bank_payout_pkey PRIMARY KEY (stripe_id);

ALTER TABLE ONLY public.calibration
    ADD CONSTRAINT calibration_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.camera_trait
    ADD CONSTRAINT camera_trait_pkey PRIMARY KEY (make, model, tables, person_id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.currency
    ADD CONSTRAINT currency_pkey PRIMARY KEY (code);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_stripe_id_key UNIQUE (stripe_id);

ALTER TABLE ONLY public.daily_close
    ADD CONSTRAINT daily_close_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.daily_close
    ADD CONSTRAINT daily_close_pkey PRIMARY KEY (day);

ALTER TABLE ONLY public.dataset_item
    ADD CONSTRAINT dataset_item_dataset_id_observation_id_key UNIQUE (dataset_id, observation_id);

ALTER TABLE ONLY public.dataset_item
    ADD CONSTRAINT dataset_item_pkey PRIMARY KEY (dataset_id, "position");

ALTER TABLE ONLY public.dataset
    ADD CONSTRAINT dataset_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.device_batch
    ADD CONSTRAINT device_batch_pkey PRIMARY KEY (device_id, sequence);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.device_sale
    ADD CONSTRAINT device_sale_pkey PRIMARY KEY (claim_id, quantity);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_stripe_id_key UNIQUE (stripe_id);

ALTER TABLE ONLY public.doomed_media
    ADD CONSTRAINT doomed_media_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.fill_cursor
    ADD CONSTRAINT fill_cursor_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.fill_model
    ADD CONSTRAINT fill_model_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.fill_place
    ADD CONSTRAINT fill_place_pkey PRIMARY KEY (model_id, cell) INCLUDE (observed, expected);

ALTER TABLE ONLY public.fix_up
    ADD CONSTRAINT fix_up_pkey PRIMARY KEY (submission_id, n);

ALTER TABLE ONLY public.forecast
    ADD CONSTRAINT forecast_pkey PRIMARY KEY (task_id);

ALTER TABLE ONLY public.fraud_warning
    ADD CONSTRAINT fraud_warning_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.fraud_warning
    ADD CONSTRAINT fraud_warning_stripe_id_key UNIQUE (stripe_id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_charge_id_key UNIQUE (charge_id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_checkout_id_key UNIQUE (checkout_id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_intent_id_key UNIQUE (intent_id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_observation_id_account_id_key UNIQUE (observation_id, account_id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (owner, key);

ALTER TABLE ONLY public.key_spend
    ADD CONSTRAINT key_spend_pkey PRIMARY KEY (key_id, day);

ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_code_currency_key UNIQUE (code, currency);

ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_id_currency_key UNIQUE (id, currency);

ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_account_id_account_version_key UNIQUE (account_id, account_version);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_pkey PRIMARY KEY (tx_id, line);

ALTER TABLE ONLY public.ledger_tx
    ADD CONSTRAINT ledger_tx_idem_key_key UNIQUE (idem_key);

ALTER TABLE ONLY public.ledger_tx
    ADD CONSTRAINT ledger_tx_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ledger_tx
    ADD CONSTRAINT ledger_tx_reverses_key UNIQUE (reverses);

ALTER TABLE ONLY public.license
    ADD CONSTRAINT license_name_digest_key UNIQUE (name, digest);

ALTER TABLE ONLY public.license
    ADD CONSTRAINT license_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.listing_cell
    ADD CONSTRAINT listing_cell_pkey PRIMARY KEY (listing_id, lat, lon);

ALTER TABLE ONLY public.listing_item
    ADD CONSTRAINT listing_item_listing_id_observation_id_key UNIQUE (listing_id, observation_id);

ALTER TABLE ONLY public.listing_item
    ADD CONSTRAINT listing_item_pkey PRIMARY KEY (listing_id, "position");

ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.login_code
    ADD CONSTRAINT login_code_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.login_network
    ADD CONSTRAINT login_network_pkey PRIMARY KEY (network);

ALTER TABLE ONLY public.mail
    ADD CONSTRAINT mail_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.market_clock
    ADD CONSTRAINT market_clock_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.model
    ADD CONSTRAINT model_account_id_name_version_key UNIQUE (account_id, name, version);

ALTER TABLE ONLY public.model
    ADD CONSTRAINT model_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.money_decision
    ADD CONSTRAINT money_decision_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.money_switch
    ADD CONSTRAINT money_switch_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.notice_cursor
    ADD CONSTRAINT notice_cursor_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_submission_id_key UNIQUE (submission_id);

ALTER TABLE ONLY public.operator_passkey
    ADD CONSTRAINT operator_passkey_pkey PRIMARY KEY (credential);

ALTER TABLE ONLY public.operator
    ADD CONSTRAINT operator_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.passkey_challenge
    ADD CONSTRAINT passkey_challenge_challenge_key UNIQUE (challenge);

ALTER TABLE ONLY public.passkey_challenge
    ADD CONSTRAINT passkey_challenge_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payout_account
    ADD CONSTRAINT payout_account_pkey PRIMARY KEY (person_id);

ALTER TABLE ONLY public.payout_account
    ADD CONSTRAINT payout_account_stripe_id_key UNIQUE (stripe_id);

ALTER TABLE ONLY public.payout_approval
    ADD CONSTRAINT payout_approval_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY public.payout_approval
    ADD CONSTRAINT payout_approval_run_id_approved_by_key UNIQUE (run_id, approved_by);

ALTER TABLE ONLY public.payout_exclusion
    ADD CONSTRAINT payout_exclusion_pkey PRIMARY KEY (run_id, person_id);

ALTER TABLE ONLY public.payout_hold
    ADD CONSTRAINT payout_hold_pkey PRIMARY KEY (person_id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_id_made_by_submitted_by_lines_hash_key UNIQUE (id, made_by, submitted_by, lines_hash);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_run_id_person_id_key UNIQUE (run_id, person_id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_transfer_id_key UNIQUE (transfer_id);

ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_log
    ADD CONSTRAINT pgqueuer_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer
    ADD CONSTRAINT pgqueuer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_expression_entrypoint_key UNIQUE (expression, entrypoint);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_statistics
    ADD CONSTRAINT pgqueuer_statistics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.photo_camera
    ADD CONSTRAINT photo_camera_pkey PRIMARY KEY (submission_id, n);

ALTER TABLE ONLY public.photo_copy
    ADD CONSTRAINT photo_copy_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.photo_erased
    ADD CONSTRAINT photo_erased_pkey PRIMARY KEY (claim_id, n);

ALTER TABLE ONLY public.photo_frame
    ADD CONSTRAINT photo_frame_pkey PRIMARY KEY (claim_id, n, k);

ALTER TABLE ONLY public.photo_hash
    ADD CONSTRAINT photo_hash_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.photo_hash
    ADD CONSTRAINT photo_hash_submission_id_n_sha256_key UNIQUE (submission_id, n, sha256);

ALTER TABLE ONLY public.photo_motion
    ADD CONSTRAINT photo_motion_pkey PRIMARY KEY (claim_id, n);

ALTER TABLE ONLY public.photo
    ADD CONSTRAINT photo_pkey PRIMARY KEY (claim_id, n);

ALTER TABLE ONLY public.photo_word
    ADD CONSTRAINT photo_word_pkey PRIMARY KEY (word, seq);

ALTER TABLE ONLY public.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (observation_id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_stripe_id_key UNIQUE (stripe_id);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sale_share
    ADD CONSTRAINT sale_share_pkey PRIMARY KEY (sale_id, account_id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_pkey PRIMARY KEY (stripe_id);

ALTER TABLE ONLY public.shows_call
    ADD CONSTRAINT shows_call_day_account_id_key UNIQUE NULLS NOT DISTINCT (day, account_id);

ALTER TABLE ONLY public.shows_opinion
    ADD CONSTRAINT shows_opinion_pkey PRIMARY KEY (photo_sha256, question_sha256, judge);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_ledger_key_key UNIQUE (ledger_key);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_suspense_key_key UNIQUE (suspense_key);

ALTER TABLE ONLY public.stripe_cursor
    ADD CONSTRAINT stripe_cursor_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.stripe_event
    ADD CONSTRAINT stripe_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.stripe_op
    ADD CONSTRAINT stripe_op_kind_subject_id_attempt_key UNIQUE (kind, subject_id, attempt);

ALTER TABLE ONLY public.stripe_op_log
    ADD CONSTRAINT stripe_op_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.stripe_op
    ADD CONSTRAINT stripe_op_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_claim_id_key UNIQUE (claim_id);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.submission_revision
    ADD CONSTRAINT submission_revision_pkey PRIMARY KEY (submission_id, n);

ALTER TABLE ONLY public.task_fill
    ADD CONSTRAINT task_fill_pkey PRIMARY KEY (task_id);

ALTER TABLE ONLY public.task_group
    ADD CONSTRAINT task_group_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.task_question
    ADD CONSTRAINT task_question_pkey PRIMARY KEY (id);

CREATE INDEX active_near_age ON public.active_near USING btree (last_at);

CREATE INDEX active_near_latest ON public.active_near USING btree (cell, last_at DESC) INCLUDE (person_id);

CREATE INDEX active_near_person ON public.active_near USING btree (person_id);

CREATE INDEX api_key_account ON public.api_key USING btree (account_id, id) WHERE (account_id IS NOT NULL);

CREATE INDEX api_key_person ON public.api_key USING btree (person_id) WHERE (person_id IS NOT NULL);

CREATE INDEX appeal_account ON public.appeal USING btree (account_id, id);

CREATE INDEX appeal_due ON public.appeal USING btree (decide_by) WHERE (status = 'open'::public.appeal_status);

CREATE INDEX appeal_fronted ON public.appeal USING btree (account_id) WHERE ((fronted > 0) AND (collected_at IS NULL));

CREATE INDEX appeal_owing ON public.appeal USING btree (account_id) WHERE ((owed > 0) AND (collected_at IS NULL));

CREATE INDEX appeal_person ON public.appeal USING btree (person_id, id);

CREATE INDEX appeal_review_person ON public.appeal_review USING btree (person_id);

CREATE INDEX appeal_reviewer_person ON public.appeal_reviewer USING btree (person_id);

CREATE INDEX appeal_task ON public.appeal USING btree (task_id);

CREATE INDEX audit_log_subject ON public.audit_log USING btree (subject, seq);

CREATE INDEX bank_payout_person ON public.bank_payout USING btree (person_id, created_at);

CREATE INDEX camera_trait_person ON public.camera_trait USING btree (person_id);

CREATE INDEX claim_deadline ON public.claim USING btree (expires_at) WHERE (status = 'active'::public.claim_status);

CREATE INDEX claim_device ON public.claim USING btree (device_id, id) WHERE (device_id IS NOT NULL);

CREATE INDEX claim_of_person ON public.claim USING btree (person_id, task_id, round);

CREATE UNIQUE INDEX claim_once ON public.claim USING btree (task_id, COALESCE(device_id, person_id), round) WHERE (status = ANY (ARRAY['active'::public.claim_status, 'submitted'::public.claim_status]));

CREATE INDEX claim_person ON public.claim USING btree (person_id, id);

CREATE UNIQUE INDEX daily_close_chain ON public.daily_close USING btree (previous);

CREATE INDEX dataset_account ON public.dataset USING btree (account_id, id);

CREATE INDEX dataset_item_observation ON public.dataset_item USING btree (observation_id);

CREATE INDEX device_person ON public.device USING btree (person_id, id);

CREATE UNIQUE INDEX device_public_key ON public.device USING btree (public_key);

CREATE INDEX device_sale_until ON public.device_sale USING btree (device_id, quantity, until);

CREATE INDEX dispute_account ON public.dispute USING btree (account_id, id);

CREATE INDEX dispute_open ON public.dispute USING btree (opened_at) WHERE (closed_at IS NULL);

CREATE INDEX doomed_media_due ON public.doomed_media USING btree (due_at);

CREATE INDEX earning_contested ON public.earning USING btree (person_id) WHERE contested;

CREATE INDEX earning_due ON public.earning USING btree (release_at) WHERE (released_at IS NULL);

CREATE INDEX earning_payout ON public.earning USING btree (payout_id) WHERE (payout_id IS NOT NULL);

CREATE INDEX earning_person ON public.earning USING btree (person_id, id);

CREATE UNIQUE INDEX earning_sale ON public.earning USING btree (sale_id, submission_id) WHERE (sale_id IS NOT NULL);

CREATE INDEX earning_submission ON public.earning USING btree (submission_id);

CREATE INDEX earning_unpaid ON public.earning USING btree (currency, person_id) INCLUDE (amount, fee, released_at) WHERE ((payout_id IS NULL) AND (released_at IS NOT NULL) AND (clawed_back_at IS NULL));

CREATE INDEX event_account ON public.event USING btree (account_id, xid, seq) WHERE (account_id IS NOT NULL);

CREATE INDEX event_fill ON public.event USING btree (xid, seq) WHERE (type = ANY (ARRAY['task.posted'::text, 'task.claimed'::text, 'task.changed'::text]));

CREATE INDEX event_notice ON public.event USING btree (xid, seq) WHERE (type = ANY (ARRAY['submission.fix_up'::text, 'submission.rejected'::text, 'appeal.opened'::text, 'appeal.decided'::text, 'review.invited'::text]));

CREATE INDEX event_person ON public.event USING btree (person_id, xid, seq) WHERE (person_id IS NOT NULL);

CREATE INDEX event_subject ON public.event USING btree (subject_id, seq);

CREATE INDEX fix_up_due ON public.fix_up USING btree (until) WHERE (ended IS NULL);

CREATE UNIQUE INDEX fix_up_open ON public.fix_up USING btree (submission_id) WHERE (ended IS NULL);

CREATE INDEX forecast_due ON public.forecast USING btree (closes_at) WHERE (scored_at IS NULL);

CREATE INDEX forecast_made ON public.forecast USING btree (made_at);

CREATE INDEX forecast_scored ON public.forecast USING btree (scored_at) WHERE (scored_at IS NOT NULL);

CREATE INDEX fraud_warning_open ON public.fraud_warning USING btree (created_at) WHERE (status = 'open'::text);

CREATE INDEX funding_account ON public.funding USING btree (account_id, id);

CREATE INDEX funding_auto_day ON public.funding USING btree (account_id, created_at) WHERE (cause = 'auto'::text);

CREATE UNIQUE INDEX funding_auto_one ON public.funding USING btree (account_id) WHERE ((cause = 'auto'::text) AND (status = 'pending'::public.funding_status));

CREATE INDEX holding_account ON public.holding USING btree (account_id, id);

CREATE INDEX holding_exclusive ON public.holding USING btree (observation_id, exclusive_until) WHERE (exclusive_until IS NOT NULL);

CREATE INDEX holding_sale ON public.holding USING btree (sale_id);

CREATE INDEX idempotency_age ON public.idempotency USING btree (created_at);

CREATE INDEX ledger_account_payable ON public.ledger_account USING btree (currency, id) WHERE (code ~~ 'person:%:payable'::text);

CREATE INDEX ledger_account_receivable ON public.ledger_account USING btree (currency, id) WHERE (code ~~ 'person:%:receivable'::text);

CREATE INDEX ledger_entry_account ON public.ledger_entry USING btree (account_id, tx_id);

CREATE INDEX ledger_tx_effective ON public.ledger_tx USING btree (effective_at, id);

CREATE INDEX ledger_tx_subject ON public.ledger_tx USING btree (subject_id) WHERE (subject_id IS NOT NULL);

CREATE INDEX listing_active ON public.listing USING btree (id) WHERE (status = 'active'::public.listing_status);

CREATE INDEX listing_cell_near ON public.listing_cell USING gist (cell);

CREATE UNIQUE INDEX listing_dataset ON public.listing USING btree (dataset_id) WHERE ((dataset_id IS NOT NULL) AND (status = ANY (ARRAY['active'::public.listing_status, 'paused'::public.listing_status])));

CREATE INDEX listing_item_observation ON public.listing_item USING btree (observation_id);

CREATE UNIQUE INDEX listing_observation ON public.listing USING btree (observation_id, account_id) WHERE ((observation_id IS NOT NULL) AND (status = ANY (ARRAY['active'::public.listing_status, 'paused'::public.listing_status])));

CREATE INDEX listing_search ON public.listing USING gin (search) WHERE (status = 'active'::public.listing_status);

CREATE INDEX listing_seller ON public.listing USING btree (seller, id);

CREATE INDEX login_code_network ON public.login_code USING btree (network, sent_at);

CREATE INDEX login_code_person ON public.login_code USING btree (person_id, sent_at);

CREATE INDEX login_network_since ON public.login_network USING btree (since);

CREATE INDEX mail_recipient ON public.mail USING btree (lower(recipient), id);

CREATE INDEX model_account ON public.model USING btree (account_id, id);

CREATE UNIQUE INDEX money_decision_one ON public.money_decision USING btree (kind, COALESCE((subject_id)::text, txn_id)) WHERE (status = 'asked'::text);

CREATE INDEX money_decision_open ON public.money_decision USING btree (created_at) WHERE (status = 'asked'::text);

CREATE INDEX observation_account ON public.observation USING btree (account_id, id);

CREATE INDEX observation_near ON public.observation USING gist (loc);

CREATE INDEX observation_task ON public.observation USING btree (task_id, id);

CREATE UNIQUE INDEX operator_email ON public.operator USING btree (lower(email));

CREATE INDEX operator_passkey_operator ON public.operator_passkey USING btree (operator_id) WHERE (removed_at IS NULL);

CREATE INDEX passkey_challenge_created ON public.passkey_challenge USING btree (created_at);

CREATE INDEX passkey_challenge_network ON public.passkey_challenge USING btree (network, created_at) WHERE ((purpose = 'sign_in'::text) AND (used_at IS NULL));

CREATE INDEX payout_open ON public.payout USING btree (run_id, id) WHERE (status <> 'paid'::public.payout_status);

CREATE INDEX payout_person ON public.payout USING btree (person_id, id);

CREATE INDEX payout_transfer ON public.payout USING btree (transfer_id) WHERE (transfer_id IS NOT NULL);

CREATE UNIQUE INDEX person_email ON public.person USING btree (lower(email)) WHERE (erased_at IS NULL);

CREATE INDEX person_erased ON public.person USING btree (erased_at) WHERE (erased_at IS NOT NULL);

CREATE INDEX pgqueuer_ep_ea_idx ON public.pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON public.pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON public.pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON public.pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON public.pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON public.pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON public.pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::public.pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_queue_manager_id_idx ON public.pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON public.pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON public.pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::public.pgqueuer_status, 'picked'::public.pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX photo_blurred ON public.photo USING btree (blurred) WHERE (blurred IS NOT NULL);

CREATE INDEX photo_frame_sha256 ON public.photo_frame USING btree (sha256);

CREATE INDEX photo_hash_log ON public.photo_hash USING btree (xid, seq);

CREATE INDEX photo_hash_person ON public.photo_hash USING btree (person_id) WHERE (person_id IS NOT NULL);

CREATE INDEX photo_hash_sha256 ON public.photo_hash USING btree (sha256);

CREATE INDEX photo_motion_shape ON public.photo_motion USING btree (shape);

CREATE INDEX photo_sha256 ON public.photo USING btree (sha256);

CREATE INDEX receipt_pending ON public.receipt USING btree (observation_id) WHERE (content IS NULL);

CREATE INDEX refund_account ON public.refund USING btree (account_id, id);

CREATE INDEX refund_funding ON public.refund USING btree (funding_id);

CREATE INDEX sale_buyer ON public.sale USING btree (buyer_id, id);

CREATE INDEX sale_listing ON public.sale USING btree (listing_id);

CREATE INDEX sale_seller ON public.sale USING btree (seller_id, id);

CREATE INDEX sale_share_account ON public.sale_share USING btree (account_id);

CREATE INDEX saved_card_account ON public.saved_card USING btree (account_id) WHERE (removed_at IS NULL);

CREATE INDEX stripe_balance_txn_created ON public.stripe_balance_txn USING btree (created_at);

CREATE INDEX stripe_balance_txn_new ON public.stripe_balance_txn USING btree (created_at) WHERE (closed_day IS NULL);

CREATE INDEX stripe_balance_txn_open ON public.stripe_balance_txn USING btree (seen_at) WHERE (ledger_key IS NULL);

CREATE INDEX stripe_event_waiting ON public.stripe_event USING btree (received_at) WHERE (handled_at IS NULL);

CREATE INDEX stripe_op_due ON public.stripe_op USING btree (due_at) WHERE (status = ANY (ARRAY['planned'::public.stripe_op_status, 'unknown'::public.stripe_op_status]));

CREATE INDEX stripe_op_leased ON public.stripe_op USING btree (leased_until) WHERE (status = 'sending'::public.stripe_op_status);

CREATE INDEX stripe_op_log_op ON public.stripe_op_log USING btree (op_id, seq);

CREATE UNIQUE INDEX stripe_op_one ON public.stripe_op USING btree (kind, subject_id) WHERE (status <> 'rejected'::public.stripe_op_status);

CREATE INDEX submission_account ON public.submission USING btree (account_id, id);

CREATE INDEX submission_checking ON public.submission USING btree (submitted_at) WHERE (status = 'checking'::public.submission_status);

CREATE INDEX submission_person ON public.submission USING btree (person_id, id);

CREATE INDEX submission_review ON public.submission USING btree (review_by) WHERE (status = 'needs_review'::public.submission_status);

CREATE INDEX submission_task ON public.submission USING btree (task_id, id);

CREATE INDEX task_account ON public.task USING btree (account_id, id);

CREATE INDEX task_anywhere ON public.task USING btree (id) WHERE ((status = 'open'::public.task_status) AND (loc IS NULL));

CREATE INDEX task_deadline ON public.task USING btree (closes_at) WHERE (status = 'open'::public.task_status);

CREATE INDEX task_external ON public.task USING btree (account_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX task_fill_lot ON public.task_fill USING btree (lot);

CREATE INDEX task_fill_opened ON public.task_fill USING btree (opened_at);

CREATE INDEX task_group_account ON public.task_group USING btree (account_id, id);

CREATE INDEX task_grouped_near ON public.task USING gist (loc) WHERE ((status = 'open'::public.task_status) AND (loc IS NOT NULL) AND (group_id IS NOT NULL));

CREATE INDEX task_near ON public.task USING gist (loc) WHERE ((status = 'open'::public.task_status) AND (loc IS NOT NULL));

CREATE UNIQUE INDEX task_of_group ON public.task USING btree (group_id, place_in_group) WHERE (group_id IS NOT NULL);

CREATE INDEX task_paid ON public.task USING btree (kind, top) WHERE ((status = 'open'::public.task_status) AND (loc IS NOT NULL));

CREATE INDEX task_question_person ON public.task_question USING btree (person_id, asked_at) WHERE (person_id IS NOT NULL);

CREATE INDEX task_question_task ON public.task_question USING btree (task_id, id);

CREATE INDEX task_standing ON public.task USING btree (id) WHERE ((status = 'open'::public.task_status) AND (every_s IS NOT NULL));

CREATE TRIGGER audit_log_keep BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER claim_terms BEFORE UPDATE OF reward ON public.claim FOR EACH ROW WHEN ((new.reward < old.reward)) EXECUTE FUNCTION public.claim_terms_stay();

CREATE TRIGGER daily_close_keep BEFORE DELETE OR UPDATE ON public.daily_close FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER daily_close_whole BEFORE TRUNCATE ON public.daily_close FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER dataset_item_keep BEFORE DELETE OR UPDATE ON public.dataset_item FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER dispute_terminal BEFORE UPDATE OF status ON public.dispute FOR EACH ROW WHEN (((old.closed_at IS NOT NULL) AND (new.status <> old.status))) EXECUTE FUNCTION public.dispute_stays();

CREATE TRIGGER event_keep BEFORE DELETE OR UPDATE ON public.event FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER event_whole BEFORE TRUNCATE ON public.event FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER forecast_keep BEFORE UPDATE ON public.forecast FOR EACH ROW WHEN (((((((((new.made_at IS DISTINCT FROM old.made_at) OR (new.model_id IS DISTINCT FROM old.model_id)) OR (new.horizons IS DISTINCT FROM old.horizons)) OR (new.chances IS DISTINCT FROM old.chances)) OR (new.deciles IS DISTINCT FROM old.deciles)) OR (new.opened_at IS DISTINCT FROM old.opened_at)) OR (new.closes_at IS DISTINCT FROM old.closes_at)) OR (old.scored_at IS NOT NULL))) EXECUTE FUNCTION public.forecast_stays();

CREATE TRIGGER funding_terminal BEFORE UPDATE OF status ON public.funding FOR EACH ROW WHEN (((old.status = 'succeeded'::public.funding_status) AND (new.status <> 'succeeded'::public.funding_status))) EXECUTE FUNCTION public.funding_stays();

CREATE TRIGGER holding_stays BEFORE DELETE OR UPDATE ON public.holding FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER ledger_entry_keep BEFORE DELETE OR UPDATE ON public.ledger_entry FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER ledger_entry_whole BEFORE TRUNCATE ON public.ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER ledger_entry_with_tx BEFORE INSERT ON public.ledger_entry FOR EACH ROW EXECUTE FUNCTION public.ledger_entry_same_xact();

CREATE CONSTRAINT TRIGGER ledger_tx_balance AFTER INSERT ON public.ledger_tx DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_tx_balanced();

CREATE TRIGGER ledger_tx_keep BEFORE DELETE OR UPDATE ON public.ledger_tx FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER ledger_tx_open_day BEFORE INSERT ON public.ledger_tx FOR EACH ROW EXECUTE FUNCTION public.ledger_tx_in_open_day();

CREATE TRIGGER ledger_tx_whole BEFORE TRUNCATE ON public.ledger_tx FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER listing_item_stays BEFORE DELETE OR UPDATE ON public.listing_item FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER listing_stays BEFORE UPDATE ON public.listing FOR EACH ROW WHEN (((old.status = ANY (ARRAY['ended'::public.listing_status, 'withdrawn'::public.listing_status])) OR ((((((((((old.account_id IS DISTINCT FROM new.account_id) OR (old.observation_id IS DISTINCT FROM new.observation_id)) OR (old.dataset_id IS DISTINCT FROM new.dataset_id)) OR (old.currency IS DISTINCT FROM new.currency)) OR (old.license_ids IS DISTINCT FROM new.license_ids)) OR (old.royalty_percent IS DISTINCT FROM new.royalty_percent)) OR (old.resale IS DISTINCT FROM new.resale)) OR (old.resale_share_percent IS DISTINCT FROM new.resale_share_percent)) OR (old.exclusive_s IS DISTINCT FROM new.exclusive_s)) OR (old.exclusive_price IS DISTINCT FROM new.exclusive_price)))) EXECUTE FUNCTION public.listing_stays();

CREATE TRIGGER money_decision_fixed BEFORE UPDATE ON public.money_decision FOR EACH ROW WHEN (((old.status <> 'asked'::text) OR (((((((old.kind IS DISTINCT FROM new.kind) OR (old.subject_id IS DISTINCT FROM new.subject_id)) OR (old.txn_id IS DISTINCT FROM new.txn_id)) OR (old.target IS DISTINCT FROM new.target)) OR (old.amount IS DISTINCT FROM new.amount)) OR (old.currency IS DISTINCT FROM new.currency)) OR (old.asked_by IS DISTINCT FROM new.asked_by)))) EXECUTE FUNCTION public.decision_stays();

CREATE TRIGGER payout_approval_keep BEFORE UPDATE ON public.payout_approval FOR EACH ROW EXECUTE FUNCTION public.payout_approval_stays();

CREATE TRIGGER payout_fixed BEFORE INSERT OR DELETE OR UPDATE ON public.payout FOR EACH ROW EXECUTE FUNCTION public.payout_frozen();

CREATE TRIGGER payout_run_as_frozen BEFORE INSERT OR UPDATE ON public.payout_run FOR EACH ROW EXECUTE FUNCTION public.payout_run_fixed();

CREATE TRIGGER payout_run_guard BEFORE UPDATE OF status ON public.payout_run FOR EACH ROW WHEN ((old.status <> new.status)) EXECUTE FUNCTION public.payout_run_moves();

CREATE TRIGGER sale_share_stays BEFORE DELETE OR UPDATE ON public.sale_share FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER sale_stays BEFORE DELETE OR UPDATE ON public.sale FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER stripe_op_log_keep BEFORE DELETE OR UPDATE ON public.stripe_op_log FOR EACH ROW EXECUTE FUNCTION public.append_only();

CREATE TRIGGER stripe_op_log_whole BEFORE TRUNCATE ON public.stripe_op_log FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

CREATE TRIGGER stripe_op_moves AFTER INSERT OR UPDATE ON public.stripe_op FOR EACH ROW EXECUTE FUNCTION public.stripe_op_moved();

CREATE TRIGGER task_price_waits BEFORE UPDATE ON public.task FOR EACH ROW WHEN (((new.step_s IS NOT NULL) AND (new.status = 'open'::public.task_status))) EXECUTE FUNCTION public.price_waits();

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.account_hold
    ADD CONSTRAINT account_hold_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_hold
    ADD CONSTRAINT account_hold_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.account_spend
    ADD CONSTRAINT account_spend_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.active_near
    ADD CONSTRAINT active_near_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_rotated_to_fkey FOREIGN KEY (rotated_to) REFERENCES public.api_key(id);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.appeal_review
    ADD CONSTRAINT appeal_review_appeal_id_fkey FOREIGN KEY (appeal_id) REFERENCES public.appeal(id);

ALTER TABLE ONLY public.appeal_review
    ADD CONSTRAINT appeal_review_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.appeal_reviewer
    ADD CONSTRAINT appeal_reviewer_appeal_id_fkey FOREIGN KEY (appeal_id) REFERENCES public.appeal(id);

ALTER TABLE ONLY public.appeal_reviewer
    ADD CONSTRAINT appeal_reviewer_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.appeal_statement
    ADD CONSTRAINT appeal_statement_appeal_id_fkey FOREIGN KEY (appeal_id) REFERENCES public.appeal(id);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.appeal
    ADD CONSTRAINT appeal_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.auto_top_up
    ADD CONSTRAINT auto_top_up_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.auto_top_up
    ADD CONSTRAINT auto_top_up_card_fkey FOREIGN KEY (card) REFERENCES public.saved_card(stripe_id);

ALTER TABLE ONLY public.bank_payout
    ADD CONSTRAINT bank_payout_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.camera_trait
    ADD CONSTRAINT camera_trait_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_device_id_batch_fkey FOREIGN KEY (device_id, batch) REFERENCES public.device_batch(device_id, sequence);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.daily_close
    ADD CONSTRAINT daily_close_closed_by_fkey FOREIGN KEY (closed_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.dataset
    ADD CONSTRAINT dataset_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.dataset_item
    ADD CONSTRAINT dataset_item_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES public.dataset(id);

ALTER TABLE ONLY public.dataset_item
    ADD CONSTRAINT dataset_item_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES public.observation(id);

ALTER TABLE ONLY public.device_batch
    ADD CONSTRAINT device_batch_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.device_sale
    ADD CONSTRAINT device_sale_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.device_sale
    ADD CONSTRAINT device_sale_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_answered_by_fkey FOREIGN KEY (answered_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_funding_id_fkey FOREIGN KEY (funding_id) REFERENCES public.funding(id);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES public.payout(id);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_sale_id_fkey FOREIGN KEY (sale_id) REFERENCES public.sale(id);

ALTER TABLE ONLY public.earning
    ADD CONSTRAINT earning_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.fill_place
    ADD CONSTRAINT fill_place_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.fill_model(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.fix_up
    ADD CONSTRAINT fix_up_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.forecast
    ADD CONSTRAINT forecast_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.fraud_warning
    ADD CONSTRAINT fraud_warning_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.fraud_warning
    ADD CONSTRAINT fraud_warning_funding_id_fkey FOREIGN KEY (funding_id) REFERENCES public.funding(id);

ALTER TABLE ONLY public.fraud_warning
    ADD CONSTRAINT fraud_warning_handled_by_fkey FOREIGN KEY (handled_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.funding
    ADD CONSTRAINT funding_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_license_fkey FOREIGN KEY (license) REFERENCES public.license(id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES public.observation(id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_sale_id_fkey FOREIGN KEY (sale_id) REFERENCES public.sale(id);

ALTER TABLE ONLY public.holding
    ADD CONSTRAINT holding_source_fkey FOREIGN KEY (source) REFERENCES public.holding(id);

ALTER TABLE ONLY public.key_spend
    ADD CONSTRAINT key_spend_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.api_key(id);

ALTER TABLE ONLY public.ledger_account
    ADD CONSTRAINT ledger_account_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_account_id_currency_fkey FOREIGN KEY (account_id, currency) REFERENCES public.ledger_account(id, currency);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_tx_id_fkey FOREIGN KEY (tx_id) REFERENCES public.ledger_tx(id);

ALTER TABLE ONLY public.ledger_tx
    ADD CONSTRAINT ledger_tx_reverses_fkey FOREIGN KEY (reverses) REFERENCES public.ledger_tx(id);

ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.listing_cell
    ADD CONSTRAINT listing_cell_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES public.listing(id);

ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES public.dataset(id);

ALTER TABLE ONLY public.listing_item
    ADD CONSTRAINT listing_item_license_fkey FOREIGN KEY (license) REFERENCES public.license(id);

ALTER TABLE ONLY public.listing_item
    ADD CONSTRAINT listing_item_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES public.listing(id);

ALTER TABLE ONLY public.listing_item
    ADD CONSTRAINT listing_item_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES public.observation(id);

ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES public.observation(id);

ALTER TABLE ONLY public.login_code
    ADD CONSTRAINT login_code_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.model
    ADD CONSTRAINT model_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.model
    ADD CONSTRAINT model_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES public.dataset(id);

ALTER TABLE ONLY public.money_decision
    ADD CONSTRAINT money_decision_asked_by_fkey FOREIGN KEY (asked_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.money_decision
    ADD CONSTRAINT money_decision_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.money_decision
    ADD CONSTRAINT money_decision_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.money_decision
    ADD CONSTRAINT money_decision_txn_id_fkey FOREIGN KEY (txn_id) REFERENCES public.stripe_balance_txn(id);

ALTER TABLE ONLY public.money_switch
    ADD CONSTRAINT money_switch_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.operator_passkey
    ADD CONSTRAINT operator_passkey_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.passkey_challenge
    ADD CONSTRAINT passkey_challenge_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout_account
    ADD CONSTRAINT payout_account_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.payout_approval
    ADD CONSTRAINT payout_approval_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout_approval
    ADD CONSTRAINT payout_approval_run_id_made_by_submitted_by_lines_hash_fkey FOREIGN KEY (run_id, made_by, submitted_by, lines_hash) REFERENCES public.payout_run(id, made_by, submitted_by, lines_hash);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.payout_exclusion
    ADD CONSTRAINT payout_exclusion_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.payout_exclusion
    ADD CONSTRAINT payout_exclusion_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.payout_run(id);

ALTER TABLE ONLY public.payout_hold
    ADD CONSTRAINT payout_hold_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout_hold
    ADD CONSTRAINT payout_hold_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_approval FOREIGN KEY (id, approved_by) REFERENCES public.payout_approval(run_id, approved_by) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_executed_by_fkey FOREIGN KEY (executed_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.payout_run(id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_made_by_fkey FOREIGN KEY (made_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.payout_run
    ADD CONSTRAINT payout_run_submitted_by_fkey FOREIGN KEY (submitted_by) REFERENCES public.operator(id);

ALTER TABLE ONLY public.photo_camera
    ADD CONSTRAINT photo_camera_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.photo
    ADD CONSTRAINT photo_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.photo_erased
    ADD CONSTRAINT photo_erased_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.photo_frame
    ADD CONSTRAINT photo_frame_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.photo_hash
    ADD CONSTRAINT photo_hash_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submission(id);

ALTER TABLE ONLY public.photo_motion
    ADD CONSTRAINT photo_motion_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.photo_word
    ADD CONSTRAINT photo_word_seq_fkey FOREIGN KEY (seq) REFERENCES public.photo_hash(seq);

ALTER TABLE ONLY public.receipt
    ADD CONSTRAINT receipt_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES public.observation(id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_funding_id_fkey FOREIGN KEY (funding_id) REFERENCES public.funding(id);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_buyer_id_fkey FOREIGN KEY (buyer_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES public.dataset(id);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES public.listing(id);

ALTER TABLE ONLY public.sale
    ADD CONSTRAINT sale_seller_id_fkey FOREIGN KEY (seller_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.sale_share
    ADD CONSTRAINT sale_share_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.sale_share
    ADD CONSTRAINT sale_share_sale_id_fkey FOREIGN KEY (sale_id) REFERENCES public.sale(id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.shows_call
    ADD CONSTRAINT shows_call_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_ledger_key_fkey FOREIGN KEY (ledger_key) REFERENCES public.ledger_tx(idem_key);

ALTER TABLE ONLY public.stripe_balance_txn
    ADD CONSTRAINT stripe_balance_txn_suspense_key_fkey FOREIGN KEY (suspense_key) REFERENCES public.ledger_tx(idem_key);

ALTER TABLE ONLY public.stripe_op_log
    ADD CONSTRAINT stripe_op_log_op_id_fkey FOREIGN KEY (op_id) REFERENCES public.stripe_op(id);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.submission_revision
    ADD CONSTRAINT submission_revision_submission_id_n_fkey FOREIGN KEY (submission_id, n) REFERENCES public.fix_up(submission_id, n);

ALTER TABLE ONLY public.submission
    ADD CONSTRAINT submission_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.task_fill
    ADD CONSTRAINT task_fill_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.task_fill
    ADD CONSTRAINT task_fill_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);

ALTER TABLE ONLY public.task_group
    ADD CONSTRAINT task_group_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.task_group
    ADD CONSTRAINT task_group_currency_fkey FOREIGN KEY (currency) REFERENCES public.currency(code);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.task_group(id);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.api_key(id);

ALTER TABLE ONLY public.task_question
    ADD CONSTRAINT task_question_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(id);

ALTER TABLE ONLY public.task_question
    ADD CONSTRAINT task_question_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.task(id);
