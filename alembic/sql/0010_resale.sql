-- Licences under which observations are sold, each wording once.
CREATE TABLE license (
  id uuid PRIMARY KEY,
  name text NOT NULL,                             -- an SPDX id, or LicenseRef-… with a text
  text text, digest bytea NOT NULL CHECK (digest = sha256(convert_to(coalesce(text, ''), 'UTF8'))),
  UNIQUE (name, digest), CHECK ((text IS NOT NULL) = (name LIKE 'LicenseRef-%')));

CREATE TYPE listing_status AS ENUM (
  'active',     -- -> paused | ended | withdrawn
  'paused',     -- -> active | ended | withdrawn
  'ended',      -- by its seller
  'withdrawn'); -- the evidence is erased, or turned out to be fraud
CREATE TABLE listing (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES account,    -- who sells
  observation_id uuid REFERENCES observation, dataset_id uuid REFERENCES dataset,
  status listing_status NOT NULL DEFAULT 'active', version int NOT NULL DEFAULT 1,
  price bigint NOT NULL CHECK (price > 0), currency text NOT NULL REFERENCES currency,
  lowest bigint CHECK (lowest BETWEEN 1 AND price), half_life_s int CHECK (half_life_s > 0),
  -- The terms; they stay.
  license_ids uuid[] NOT NULL,                    -- of all that is in it
  royalty_percent smallint NOT NULL CHECK (royalty_percent BETWEEN 10 AND 100),
  resale boolean NOT NULL, resale_share_percent smallint NOT NULL CHECK (resale_share_percent BETWEEN 0 AND 50),
  exclusive_s int CHECK (exclusive_s > 0), exclusive_price bigint CHECK (exclusive_price > 0),
  -- What a searcher may know, and by what it is found.
  seller text NOT NULL, named boolean NOT NULL,
  title text NOT NULL, kinds text[] NOT NULL, asks jsonb NOT NULL, asked text[] NOT NULL,
  items int NOT NULL CHECK (items > 0), photos int NOT NULL,
  captured_from timestamptz NOT NULL, captured_at timestamptz NOT NULL CHECK (captured_at >= captured_from),
  upstream_percent smallint NOT NULL,             -- to earlier sellers, of the item with most
  available_from timestamptz,                     -- until then the task's buyer alone has it
  search tsvector NOT NULL,
  created_at timestamptz NOT NULL DEFAULT market_now(), ended_at timestamptz,
  CHECK (num_nonnulls(observation_id, dataset_id) = 1), CHECK ((lowest IS NULL) = (half_life_s IS NULL)),
  CHECK ((exclusive_s IS NULL) = (exclusive_price IS NULL)), CHECK (resale OR resale_share_percent = 0),
  CHECK ((status IN ('ended', 'withdrawn')) = (ended_at IS NOT NULL)));
CREATE UNIQUE INDEX listing_observation ON listing (observation_id, account_id)
  WHERE observation_id IS NOT NULL AND status IN ('active', 'paused');
CREATE UNIQUE INDEX listing_dataset ON listing (dataset_id) WHERE dataset_id IS NOT NULL AND status IN ('active', 'paused');
CREATE INDEX listing_active ON listing (id) WHERE status = 'active';
CREATE INDEX listing_seller ON listing (seller, id);
CREATE INDEX listing_search ON listing USING gin (search) WHERE status = 'active';
CREATE FUNCTION listing_stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION 'the terms of listing % stay, and what is over stays over', OLD.id USING ERRCODE = 'ST001'; END$$;
CREATE TRIGGER listing_stays BEFORE UPDATE ON listing FOR EACH ROW WHEN (
  OLD.status IN ('ended', 'withdrawn')
  OR (OLD.account_id, OLD.observation_id, OLD.dataset_id, OLD.currency, OLD.license_ids, OLD.royalty_percent,
      OLD.resale, OLD.resale_share_percent, OLD.exclusive_s, OLD.exclusive_price)
    IS DISTINCT FROM (NEW.account_id, NEW.observation_id, NEW.dataset_id, NEW.currency, NEW.license_ids,
      NEW.royalty_percent, NEW.resale, NEW.resale_share_percent, NEW.exclusive_s, NEW.exclusive_price))
  EXECUTE FUNCTION listing_stays();

CREATE TABLE listing_item (                       -- what is sold: licence and royalty follow each observation
  listing_id uuid NOT NULL REFERENCES listing, position int NOT NULL,
  observation_id uuid NOT NULL REFERENCES observation,
  license uuid NOT NULL REFERENCES license,
  royalty_percent smallint NOT NULL CHECK (royalty_percent BETWEEN 10 AND 100),
  PRIMARY KEY (listing_id, position), UNIQUE (listing_id, observation_id));
CREATE INDEX listing_item_observation ON listing_item (observation_id);
CREATE TABLE listing_cell (                       -- where: middles of cells of about 1 km, as market/near.py draws them
  listing_id uuid NOT NULL REFERENCES listing, lat double precision NOT NULL, lon double precision NOT NULL,
  cell point NOT NULL, PRIMARY KEY (listing_id, lat, lon));
CREATE INDEX listing_cell_near ON listing_cell USING gist (cell);

CREATE TABLE sale (
  id uuid PRIMARY KEY,
  listing_id uuid NOT NULL REFERENCES listing,
  buyer_id uuid NOT NULL REFERENCES account, seller_id uuid NOT NULL REFERENCES account,
  price bigint NOT NULL CHECK (price > 0), currency text NOT NULL REFERENCES currency,
  fee bigint NOT NULL CHECK (fee >= 0), royalty bigint NOT NULL CHECK (royalty > 0),
  shares bigint NOT NULL CHECK (shares >= 0), proceeds bigint NOT NULL CHECK (proceeds >= 0),
  exclusive_until timestamptz,
  dataset_id uuid REFERENCES dataset,             -- the buyer's own, of a data set that was sold
  created_at timestamptz NOT NULL DEFAULT market_now(),
  CHECK (price = fee + royalty + shares + proceeds), CHECK (buyer_id <> seller_id));
CREATE INDEX sale_buyer ON sale (buyer_id, id);
CREATE INDEX sale_seller ON sale (seller_id, id);
CREATE INDEX sale_listing ON sale (listing_id);
CREATE TABLE sale_share (                         -- to those who sold this copy before
  sale_id uuid NOT NULL REFERENCES sale, account_id uuid NOT NULL REFERENCES account,
  amount bigint NOT NULL CHECK (amount > 0), PRIMARY KEY (sale_id, account_id));
CREATE INDEX sale_share_account ON sale_share (account_id);

-- An observation that an account has bought of another: a copy of the seller's, `source` unless they were its first owner.
CREATE TABLE holding (
  id uuid PRIMARY KEY,
  observation_id uuid NOT NULL REFERENCES observation, account_id uuid NOT NULL REFERENCES account,
  sale_id uuid NOT NULL REFERENCES sale, source uuid REFERENCES holding,
  license uuid NOT NULL REFERENCES license,
  royalty_percent smallint NOT NULL CHECK (royalty_percent BETWEEN 10 AND 100),
  resale boolean NOT NULL, share_percent smallint NOT NULL CHECK (share_percent BETWEEN 0 AND 50),
  exclusive_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT market_now(),
  UNIQUE (observation_id, account_id));
CREATE INDEX holding_account ON holding (account_id, id);
CREATE INDEX holding_sale ON holding (sale_id);
CREATE INDEX holding_exclusive ON holding (observation_id, exclusive_until) WHERE exclusive_until IS NOT NULL;
CREATE TRIGGER listing_item_stays BEFORE UPDATE OR DELETE ON listing_item FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER sale_stays BEFORE UPDATE OR DELETE ON sale FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER sale_share_stays BEFORE UPDATE OR DELETE ON sale_share FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER holding_stays BEFORE UPDATE OR DELETE ON holding FOR EACH ROW EXECUTE FUNCTION append_only();

-- The price halves its way down to the lowest as the observation ages; in Python it is market/shares.price_at.
CREATE FUNCTION fresh_price(price bigint, lowest bigint, half_life_s int, age_s double precision)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN half_life_s IS NULL THEN price ELSE lowest
    + floor((price - lowest) * power(2::double precision, -least(greatest(age_s, 0) / half_life_s, 1000)))::bigint END $$;

-- A line is a reward, one for each accepted submission and under its id, or a royalty of a sale.
ALTER TABLE earning ADD sale_id uuid REFERENCES sale, ADD royalty_id uuid,
  ADD CONSTRAINT earning_royalty CHECK ((sale_id IS NULL) = (royalty_id IS NULL)),
  ADD id uuid GENERATED ALWAYS AS (coalesce(royalty_id, submission_id)) STORED,
  ADD kind text GENERATED ALWAYS AS (CASE WHEN sale_id IS NULL THEN 'reward' ELSE 'royalty' END) STORED,
  DROP CONSTRAINT earning_pkey;
ALTER TABLE earning ADD CONSTRAINT earning_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX earning_sale ON earning (sale_id, submission_id) WHERE sale_id IS NOT NULL;
CREATE INDEX earning_submission ON earning (submission_id);
DROP INDEX earning_person;
CREATE INDEX earning_person ON earning (person_id, id);
